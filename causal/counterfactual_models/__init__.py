"""Structural and physical models that answer what would have been."""
