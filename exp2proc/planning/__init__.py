"""Options + traces -> plan: every row that will be converted, and all that stands in the way.

Nothing is written here. Imports `options`, `tokens`, `traces`, `engines` and what is below them.
"""
