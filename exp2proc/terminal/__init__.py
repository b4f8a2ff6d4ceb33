"""Everything that is drawn on a terminal, by rich: one renderer a module, no decisions.

Imports what it shows; only `cli` imports this.
"""
