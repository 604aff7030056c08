"""Many independent copies of one lattice, each at its own parameters: what inference runs on."""
