"""Ladders of temperatures or Hamiltonians, and the free energies along them."""
