"""exp2proc next to the plain sequential way, on the same files: `python -m benchmarks`."""
