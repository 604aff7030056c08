"""What pictures of atoms say with an interval: lattice constants, shares of species."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.ledger.row import Draws, Rng, Row, Truth, named, normal_draws
from physlearn.datasets import measure_lattice_constant, species_composition
from physlearn.records import AtomicConfiguration


def draw_edge(rng: Rng) -> dict[str, Any]:
    """Angstrom."""
    return {"value": rng.uniform(2.0, 4.0)}


def square_crystal(theta: Truth, rng: Rng) -> AtomicConfiguration:
    """144 columns, each off by .05 on its own."""
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 2), -1).reshape(-1, 2)
    return AtomicConfiguration(
        theta["value"] * grid + rng.normal(0, 0.05, grid.shape), unit="angstrom"
    )


def crystal_of_shifted_rows(theta: Truth, rng: Rng) -> AtomicConfiguration:
    """Rows of the scan are off by .1 together, and the rows creep by 1 % of their distance."""
    atoms = square_crystal(theta, rng)
    places = atoms.positions.copy().reshape(12, 12, 2)
    places[..., 0] += rng.normal(0, 0.1, 12)[:, None]
    places[..., 1] *= 1.01
    return AtomicConfiguration(places.reshape(-1, 2), unit="angstrom")


def fit_edge(data: AtomicConfiguration, rng: Rng) -> Draws:
    """The statistical error; the scale is right."""
    found = measure_lattice_constant(data, scale_sd=0.0)
    half = (found.high - found.low) / 2 / 1.959964
    return named(found, {"value": normal_draws(rng, (found.low + found.high) / 2, half)})


def draw_share(rng: Rng) -> dict[str, Any]:
    """Of the rarer species."""
    return {"share": rng.uniform(0.05, 0.5)}


def two_species(theta: Truth, rng: Rng, spread: float = 1.0) -> AtomicConfiguration:
    """200 columns, intensities 10 and 14 with errors of 1."""
    second = rng.random(200) < theta["share"]
    seen = np.where(second, 14.0, 10.0) + rng.normal(0, spread, 200)
    return AtomicConfiguration(
        rng.uniform(0, 100, (200, 2)), intensity=seen, intensity_sd=np.ones(200)
    )


def three_species(theta: Truth, rng: Rng) -> AtomicConfiguration:
    """A tenth of the columns is of a third kind, of intensity 12."""
    atoms = two_species(theta, rng)
    assert atoms.intensity is not None
    third = rng.random(200) < 0.1
    seen = np.where(third, 12.0 + rng.normal(0, 1, 200), atoms.intensity)
    return AtomicConfiguration(atoms.positions, intensity=seen, intensity_sd=np.ones(200))


def fit_share(data: AtomicConfiguration, _rng: Rng) -> Draws:
    """Draws whose quantiles are the intervals of ten levels."""
    ends = []
    for level in np.linspace(0.05, 0.95, 10):
        table = species_composition(data, 2, level=float(level))
        row = table.iloc[-1]
        ends += [row["low"], row["high"]]
    return named(table, {"share": np.repeat(ends, 2)})


EDGE = Row(
    "pictures/lattice-constant", "datasets.measure_lattice_constant", "edge U(2, 4); fit: none",
    draw_edge, square_crystal, fit_edge, 0.05,
)  # fmt: skip
SHARE = Row(
    "pictures/species", "datasets.species_composition", "share U(.05, .5); fit: none", draw_share,
    two_species, fit_share, 0.2,
)  # fmt: skip
ROWS = (
    EDGE, EDGE.probed("creep", "rows shifted by .1 each, and creep by 1 %",
                      crystal_of_shifted_rows),
    SHARE, SHARE.probed("third", "a tenth is of a third species", three_species),
)  # fmt: skip
