"""A patch of atoms as a simulation cell."""
