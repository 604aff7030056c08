"""Hysteresis loops into Landau coefficients."""
