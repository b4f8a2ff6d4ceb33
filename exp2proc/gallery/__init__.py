"""The gallery: a static site of exported samples, readable from a folder without a server.

Imports `exports` and what is below it; `terminal` uses its cells and levels of heat.
"""
