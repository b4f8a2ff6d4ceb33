"""Plan -> files: shards go to workers, a worker converts rows, outcomes are counted into a report.

Imports `planning` and what is below it; knows nothing of the command line or the screen.
"""
