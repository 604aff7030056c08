"""Simulation-based calibration of `fit_lattice_hamiltonian` over priors, family by family."""
