"""Fronts that move by a law: which walls they can describe, and their motion."""
