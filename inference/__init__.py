"""From records to posteriors and laws."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EquationSet": ".equation_set",
        "SymbolicRegressor": ".symbolic",
        "discover_wall_law": ".wall_dynamics",
        "fit_lattice_hamiltonian": ".lattice_hamiltonian",
        "fit_wall_dynamics": ".wall_dynamics",
    },
)
