"""Broken and hostile input, made by code: each kind with the code that it must get.

A `*_kinds` module is a table; the test module of the same name writes all of its kinds, converts
them with one run of the command and looks at what became of each.
"""
