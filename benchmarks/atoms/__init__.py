"""Atoms from pictures: what is reached, beside other tools."""
