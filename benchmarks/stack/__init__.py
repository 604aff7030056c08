"""Peak memory of atoms, patches and walls in stacks that are larger than what they may use."""
