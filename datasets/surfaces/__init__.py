"""Scanning probe pictures: levels of lines, tips, apparent height."""
