"""Processes killed at random moments: ``python -m benchmarks.kills``."""
