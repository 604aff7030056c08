"""Symbolic regression: expressions, their search, and sets of equations."""
