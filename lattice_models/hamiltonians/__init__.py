"""Energies of lattice states: frozen records with one definition each, and their common table."""
