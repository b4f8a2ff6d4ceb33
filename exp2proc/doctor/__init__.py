"""Why a run does not convert, or what to run so that it does: evidence, causes, commands.

Imports `conversion` (what would be done) and what is below it; prints nothing.
"""
