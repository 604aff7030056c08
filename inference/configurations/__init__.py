"""Pair potentials from snapshots of particles in equilibrium."""
