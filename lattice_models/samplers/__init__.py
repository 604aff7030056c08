"""Markov chains of one lattice: single-site updates, exchanges, clusters, packed lattices."""
