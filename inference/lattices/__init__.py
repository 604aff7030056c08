"""From pictures of a lattice to its Hamiltonian: data, measurement, methods and verdicts."""
