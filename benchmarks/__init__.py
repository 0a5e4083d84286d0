"""Measurements with ratios against peers, run by `python -m benchmarks`; README.md tells how to read them."""
