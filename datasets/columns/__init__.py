"""Atom columns from a picture: detection, joint fit, errors, limits."""
