"""File formats: bytes <-> records, one format a module, and the tables of what a sample holds.

Knows arrays, names and layouts, not runs. Imports `system` and the catalogue of errors.
"""
