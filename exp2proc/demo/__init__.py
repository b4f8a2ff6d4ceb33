"""A small exp2 output tree made from nothing: texts, a tokenizer, traces. Tests use it too.

Imports `tokens`, `traces` and what is below them.
"""
