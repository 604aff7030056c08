"""Ginzburg-Landau parameters from films and pictures of an order parameter."""
