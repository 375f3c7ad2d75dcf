"""Measurements: `python -m benchmarks` takes them all and writes benchmarks/results/*.json."""
