"""What a square of pixels shows: moments, periods, symmetry, and the controlled names."""
