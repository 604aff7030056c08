"""Searches for causal graphs."""
