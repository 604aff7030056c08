"""From records to posteriors and laws."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EquationSet": ".equation_set",
        "LatticePrior": ".lattice_data",
        "SymbolicRegressor": ".symbolic",
        "cramer_rao_bound": ".lattice_hamiltonian",
        "discover_wall_law": ".wall_law",
        "fit_lattice_hamiltonian": ".lattice_hamiltonian",
        "fit_wall_dynamics": ".wall_dynamics",
        "wall_dynamics_bound": ".wall_dynamics",
    },
)
