"""Conditional-independence tests for tables of patches."""
