"""Lattice Hamiltonians from energies: cluster expansion, ordering, and energies as prior."""
