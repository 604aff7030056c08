"""What a fitted lattice Hamiltonian predicts at other temperatures and compositions."""
