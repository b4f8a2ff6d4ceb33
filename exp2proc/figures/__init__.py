"""Figures for print of what was exported, and the numbers in them.

`kinds` is the table of figures. `length`, `scores`, `shares`, `hops` and `tokens` compute their
numbers (pure), as a `Table` each; `arrange` says which samples go together. `drawing` draws the
tables in the one style of `style`, with the glyphs of `fonts`; `plot` leads. Imports `viewer` (its
pure `cells`, `heat` and layout of lines) and what is below it; matplotlib only where it draws.
"""
