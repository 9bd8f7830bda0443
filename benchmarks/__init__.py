"""Measurements: us beside our peers and beside ourselves, in one run on one machine; `python -m benchmarks --help`."""
