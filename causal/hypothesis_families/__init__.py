"""Hypotheses with members: laws, potentials, Hamiltonians, walls, graphs, Gaussian processes."""
