"""Walls of black-and-white films, inside the likelihood of the pixels."""
