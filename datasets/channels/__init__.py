"""Channels of one place: registered, of one resolution, their noise and what they repeat."""
