"""Text -> token pieces: tokenizers, alignment, and the cache of what texts became.

Imports `traces` (for texts), `formats` and `system`.
"""
