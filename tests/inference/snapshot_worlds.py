"""Small worlds of particles with known forces."""

from __future__ import annotations

import functools

import numpy as np

from physlearn.lattice_models.particles import LennardJones, MetropolisSettings, sample_positions
from physlearn.records import AtomicConfiguration

LIQUID = LennardJones(1.25, 1.0, cutoff=2.5)


def triangular(n, density, species=None):
    """Particles on a triangular lattice in a periodic box."""
    a = np.sqrt(2 / (np.sqrt(3) * density))
    places = [((i + 0.5 * (j % 2)) * a, j * a * np.sqrt(3) / 2) for j in range(n) for i in range(n)]
    cell = np.diag([n * a, n * a * np.sqrt(3) / 2])
    return AtomicConfiguration(places, unit="reduced", cell=cell, species=species)


@functools.cache
def liquid(n=16, n_frames=60, density=0.7, depth=1.25, between=60):
    """Frames of a Lennard-Jones fluid, diameter 1, kT = 1."""
    return sample_positions(
        LennardJones(depth, 1.0, cutoff=2.5), triangular(n, density), n_frames, between,
        settings=MetropolisSettings(burn_in_sweeps=800), rng=11,
    )  # fmt: skip
