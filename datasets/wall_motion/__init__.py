"""What a track of walls tells of their motion: smoothing in space and time, roughness, advance."""
