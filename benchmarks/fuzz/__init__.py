"""Damaged files against everything that reads one: python -m benchmarks.fuzz."""
