"""Ginzburg-Landau fields: order parameters on a grid, their free energy, walls and dynamics."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DepolarizationEnergy": ".nonlocal_energies",
        "ElasticEnergy": ".nonlocal_energies",
        "FieldDrive": ".forcing",
        "FieldSettings": ".settings",
        "LandauPotential": ".potentials",
        "Pinning": ".forcing",
        "ThinFilmDepolarization": ".nonlocal_energies",
        "VectorLandauPotential": ".potentials",
        "free_energy": ".free_energy",
        "random_pinning": ".forcing",
        "simulate_ginzburg_landau": ".ginzburg_landau",
        "wall_profile": ".walls",
        "wall_tension": ".walls",
        "wall_velocity": ".walls",
        "wall_width": ".walls",
    },
)
