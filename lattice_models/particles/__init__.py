"""Particles in two and three dimensions: potentials, Metropolis and Langevin motion."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HarmonicTrap": ".harmonic_trap",
        "InversePower": ".potentials",
        "LangevinSettings": ".langevin_motion",
        "LennardJones": ".potentials",
        "MetropolisSettings": ".metropolis",
        "Morse": ".potentials",
        "PairTable": ".pair_table",
        "SplinePotential": ".spline_potential",
        "StillingerWeberAngle": ".three_body",
        "StillingerWeberPair": ".potentials",
        "Yukawa": ".potentials",
        "neighbour_pairs": ".neighbours",
        "particle_energy": ".energies",
        "particle_forces": ".energies",
        "particle_pressure": ".energies",
        "sample_positions": ".metropolis",
        "simulate_langevin": ".langevin",
    },
)
