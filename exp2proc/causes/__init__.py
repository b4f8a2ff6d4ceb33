"""Why token lengths or texts differ: pure functions from what was seen to a named cause.

Serves both the hints of a conversion and the doctor. Imports `traces` for digests only.
"""
