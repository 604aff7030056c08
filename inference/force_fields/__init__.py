"""Potentials from energies and forces of computed structures."""
