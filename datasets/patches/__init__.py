"""Patches of a picture as rows of a table."""
