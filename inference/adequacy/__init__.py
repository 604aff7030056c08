"""Whether a lattice model explains its pictures, and which of several does."""
