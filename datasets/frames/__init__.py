"""Frames of a film on one scale: domain levels, broken rows, noise, what is in view."""
