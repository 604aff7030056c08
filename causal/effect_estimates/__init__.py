"""Estimates of effects under a graph."""
