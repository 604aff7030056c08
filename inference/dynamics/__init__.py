"""Laws of motion: ordinary and partial differential equations, walls, diffusion, pair forces."""
