"""Acts of the operating system, each in one place: open, write whole or not at all, walk, stop.

Nothing here knows what a trace, a sample or a run is. Imports the catalogue of errors only.
"""
