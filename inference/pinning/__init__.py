"""The frozen field that pins a wall."""
