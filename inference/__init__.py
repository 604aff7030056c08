"""From records to posteriors and laws."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Adequacy": ".lattice_adequacy",
        "BatchFits": ".batch",
        "BinaryUnitOptions": ".binary_units",
        "CalibrationReport": ".calibration_report",
        "EquationSet": ".equation_set",
        "LadderOptions": ".thermodynamics",
        "LatticeModel": ".model_comparison",
        "LatticePotential": ".pymc_bridge",
        "LatticePrior": ".lattice_data",
        "ModelComparison": ".model_comparison",
        "SymbolicRegressor": ".symbolic",
        "ThermodynamicPrediction": ".thermodynamics",
        "check_adequacy": ".lattice_adequacy",
        "check_calibration": ".calibration",
        "compare_models": ".model_comparison",
        "cramer_rao_bound": ".lattice_hamiltonian",
        "discover_wall_law": ".wall_law",
        "fit_batch": ".batch",
        "fit_binary_units": ".binary_units",
        "fit_lattice_hamiltonian": ".lattice_hamiltonian",
        "fit_wall_dynamics": ".wall_dynamics",
        "lattice_potential": ".pymc_bridge",
        "predict_pictures": ".predicted_pictures",
        "predict_thermodynamics": ".thermodynamics",
        "unit_network": ".binary_units",
        "wall_dynamics_bound": ".wall_dynamics",
    },
)
