"""Forward physics: site graphs, Hamiltonians, Monte Carlo and moving walls."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Ising": ".hamiltonians",
        "LatticeGas": ".hamiltonians",
        "coupling_from_bond_energy": ".hamiltonians",
        "exact_enumeration": ".exact",
        "propagate_polar_front": ".wall_front",
        "simulate_lattice": ".simulate",
        "site_graph_from_networkx": ".site_graphs",
        "site_graph_from_positions": ".site_graphs",
        "square_lattice": ".site_graphs",
        "triangular_lattice": ".site_graphs",
    },
)
