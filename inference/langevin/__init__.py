"""Forces and diffusion from the motion of particles."""
