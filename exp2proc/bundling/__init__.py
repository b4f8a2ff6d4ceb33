"""An export to hand over: one folder or archive, readable by everyone, traceable to its source."""
