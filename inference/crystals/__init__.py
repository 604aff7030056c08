"""Force constants and potentials of crystals from the scatter of their atoms."""
