"""Exact answers for lattices: sums over states, transfer matrices, Onsager and Kaufman."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ExactEnsemble": ".enumeration",
        "ExactThermodynamics": ".elimination",
        "InfiniteStrip": ".transfer_matrix",
        "IsingTorus": ".ising_torus",
        "TorusEnsemble": ".torus_transfer",
        "critical_coupling": ".ising_square",
        "draw_exact_snapshots": ".elimination",
        "exact_enumeration": ".enumeration",
        "exact_thermodynamics": ".elimination",
        "hexagonal_energy": ".ising_hexagonal",
        "hexagonal_free_energy": ".ising_hexagonal",
        "hexagonal_heat_capacity": ".ising_hexagonal",
        "hexagonal_magnetization": ".ising_hexagonal",
        "ising_energy_levels": ".ising_torus",
        "kaufman_torus": ".ising_torus",
        "onsager_energy": ".ising_square",
        "onsager_free_energy": ".ising_square",
        "onsager_heat_capacity": ".ising_square",
        "onsager_interface_tension": ".ising_square",
        "onsager_magnetization": ".ising_square",
        "strip_free_energy": ".transfer_matrix",
        "torus_ensemble": ".torus_transfer",
        "torus_magnetization_distribution": ".torus_transfer",
    },
)
