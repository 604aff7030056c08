"""Families of pair potentials: names, units, priors and radial functions of their parameters."""
