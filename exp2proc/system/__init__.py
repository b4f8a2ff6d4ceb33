"""Acts of the operating system, each in one place: open, walk, write whole or not at all, stop.

Nothing here knows what a trace, a sample or a run is. Imports the catalogue of errors only.
"""
