"""Films into domain walls."""
