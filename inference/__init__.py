"""From records to posteriors and laws."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BatchFits": ".batch",
        "BinaryUnitOptions": ".binary_units",
        "EquationSet": ".equation_set",
        "LatticePrior": ".lattice_data",
        "SymbolicRegressor": ".symbolic",
        "cramer_rao_bound": ".lattice_hamiltonian",
        "discover_wall_law": ".wall_law",
        "fit_batch": ".batch",
        "fit_binary_units": ".binary_units",
        "fit_lattice_hamiltonian": ".lattice_hamiltonian",
        "fit_wall_dynamics": ".wall_dynamics",
        "unit_network": ".binary_units",
        "wall_dynamics_bound": ".wall_dynamics",
    },
)
