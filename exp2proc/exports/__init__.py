"""What a conversion wrote: finding, reading, checking it, and its scores.

Imports `conversion` (what a trace should have given) and what is below it.
"""
