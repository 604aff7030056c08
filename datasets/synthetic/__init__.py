"""Synthetic pictures and films with their truth attached."""
