"""Motion of domain walls: fronts, posterior, law."""
