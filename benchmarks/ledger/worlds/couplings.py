"""Couplings of units, bond energies of computed structures, couplings of several samples."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.ledger.row import N_DRAWS, Rng, Row, Truth
from physlearn.inference import (
    BinaryUnitOptions,
    EnergyOptions,
    ShrinkagePrior,
    fit_binary_units,
    fit_hamiltonian_to_energies,
    join_energies_and_snapshots,
    pool_couplings,
)
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.results import Fit, fit_from_draws

# ---- binary units -------------------------------------------------------------------------------


def draw_units(rng: Rng) -> dict[str, Any]:
    """Four units, fields and couplings: half of the pairs are coupled."""
    present = rng.random(6) < 0.5
    return {"field": rng.normal(0, 0.3, 4), "couplings": rng.normal(0, 0.4, 6) * present}


def unit_states(theta: Truth, rng: Rng) -> Any:
    """3,000 independent samples, drawn exactly from all 16 states."""
    states = 2 * ((np.arange(16)[:, None] >> np.arange(4)) & 1) - 1
    first, second = np.triu_indices(4, 1)
    energy = states @ theta["field"] + (states[:, first] * states[:, second]) @ theta["couplings"]
    weight = np.exp(energy - energy.max())
    return states[rng.choice(16, 3000, p=weight / weight.sum())]


def slow_unit_states(theta: Truth, rng: Rng) -> Any:
    """Every sample is seen five times in a row."""
    return np.repeat(unit_states(theta, rng)[:600], 5, axis=0)


def fit_units(data: Any, rng: Rng) -> Fit:
    """Spike and slab as the truth has it; fields have the fit's wide prior."""
    options = BinaryUnitOptions(field_sd=0.3, coupling_sd=0.4, share_present=0.5)
    return fit_binary_units(data, options=options, rng=rng, n_draws=N_DRAWS)


# ---- energies -----------------------------------------------------------------------------------


def draw_bonds(rng: Rng) -> dict[str, Any]:
    """Two shells, meV, from the fit's prior: one size that falls with a power of distance."""
    prior, error, decay = ShrinkagePrior(), rng.uniform(0.5, 2.0), -1.0
    size = error * prior.size * np.exp(prior.log_size_sd * rng.standard_normal())
    while not 0 <= decay <= 6:
        decay = rng.normal(prior.decay, prior.decay_sd)
    sds = size * np.array([1.0, 2.0 ** (-decay / 2)])
    return {"bond_energies": rng.normal(0, sds), "model_error": error}


def draw_apart(rng: Rng) -> dict[str, Any]:
    """Two shells of always these sizes, so that a weak first bond tells nothing of the second."""
    return {"bond_energies": rng.normal(0, [10.0, 5.0]), "model_error": rng.uniform(0.5, 2.0)}


@cache
def eight() -> SiteGraph:
    """Sites of the computed structures."""
    return square_lattice((8, 8), n_shells=2)


def structures(theta: Truth, rng: Rng) -> Any:
    """Forty random structures of 64 sites with energies, in meV."""
    states = rng.choice([-1, 1], (40, 64))
    energies = np.zeros(40)
    for shell, bond in enumerate(theta["bond_energies"]):
        ends = eight().edges[eight().shell == shell]
        energies += bond * (states[:, ends[:, 0]] * states[:, ends[:, 1]]).sum(axis=1)
    energies += 64 * rng.normal(0, theta["model_error"], 40)
    return LatticeSnapshots(states, eight()), energies


def structures_with_outliers(theta: Truth, rng: Rng) -> Any:
    """Four of the forty calculations did not converge: off by 30 model errors."""
    pictures, energies = structures(theta, rng)
    wrong = rng.choice(40, 4, replace=False)
    energies[wrong] += 64 * 30 * theta["model_error"]
    return pictures, energies


def fit_energies(data: Any, rng: Rng) -> Fit:
    """Bond energies and the model's error."""
    pictures, energies = data
    return fit_hamiltonian_to_energies(
        pictures, energies, 2, options=EnergyOptions(unit="meV"), n_draws=N_DRAWS, rng=rng
    )


def draw_joined(rng: Rng) -> dict[str, Any]:
    """A coupling and the temperature it was quenched from."""
    return {"couplings": rng.normal(0.2, 0.1, 1), "temperature": rng.normal(100.0, 10.0)}


def two_answers(theta: Truth, rng: Rng) -> tuple[Fit, Fit]:
    """A fit to energies and one to pictures, both Gaussian."""
    made: dict[str, Any] = {
        "model": "", "likelihood": "", "approximation": "", "seed": 0, "data": b""
    }  # fmt: skip
    bond = -theta["couplings"][0] * theta["temperature"]
    seen, told = bond + rng.normal(0, 1.0), theta["couplings"][0] + rng.normal(0, 0.03)
    energies = fit_from_draws(
        {"bond_energies": rng.normal(seen, 1.0, (4000, 1))}, **made,
        attrs={"energy_unit": "reduced", "motifs": "[]"},
    )  # fmt: skip
    # the snapshot fit's own prior is wide, as the joint fit divides it out
    pictures = fit_from_draws(
        {"couplings": rng.normal(told, 0.03, (4000, 1))}, **made, prior_sd={"couplings": [5.0]}
    )
    return energies, pictures


def fit_joined(data: tuple[Fit, Fit], rng: Rng) -> Fit:
    """Couplings and temperature."""
    return join_energies_and_snapshots(*data, (100.0, 10.0), rng=rng)


# ---- pooled couplings ---------------------------------------------------------------------------


def draw_population(rng: Rng) -> dict[str, Any]:
    """Mean and spread of eight samples."""
    return {"population": rng.normal(0.0, 0.3, 1), "spread": abs(rng.normal(0, 0.1))}


def sample_fits(theta: Truth, rng: Rng) -> list[Fit]:
    """Eight Gaussian fits, errors 0.03."""
    out = []
    for _ in range(8):
        truth = rng.normal(theta["population"][0], theta["spread"])
        seen = truth + rng.normal(0, 0.03)
        out.append(
            fit_from_draws(
                {"couplings": rng.normal(seen, 0.03, (1000, 1))}, model="", seed=0, likelihood="",
                approximation="", data=b"", prior_sd={"couplings": [5.0]},
            )
        )  # fmt: skip
    return out


def fits_with_an_outlier(theta: Truth, rng: Rng) -> list[Fit]:
    """One sample is of another material: its coupling is off by 1."""
    fits = sample_fits(theta, rng)
    draws = {"couplings": fits[0]["couplings"] + 1.0}
    fits[0] = fit_from_draws(
        draws, model="", seed=0, likelihood="", approximation="", data=b"",
        prior_sd={"couplings": [5.0]},
    )  # fmt: skip
    return fits


def fit_population(data: list[Fit], rng: Rng) -> Fit:
    """One level, no covariate."""
    return pool_couplings(data, rng=rng, n_draws=N_DRAWS)


UNITS = Row(
    "network/units", "inference.fit_binary_units",
    "fields N(0, .3), couplings 0 or N(0, .4) with chance 1/2", draw_units, unit_states, fit_units,
    2.0, ("field[1]", "field[2]", "couplings[1]", "couplings[2]"),
)  # fmt: skip
ENERGIES = Row(
    "energies/bonds", "inference.fit_hamiltonian_to_energies",
    "bonds N(0, error size distance^-decay), size LN(3, 2.5), decay N(2, 2), error U(.5, 2) meV",
    draw_bonds, structures, fit_energies, 0.1, ("bond_energies",),
)  # fmt: skip
APART = replace(
    ENERGIES.probed("apart", "bonds N(0, 10), N(0, 5) meV: no common size of both", structures),
    draw=draw_apart,
)
POOLED = Row(
    "pooled/population", "inference.pool_couplings",
    "mean N(0, .3), spread |N(0, .1)|; fit: its own",
    draw_population, sample_fits, fit_population, 0.5, ("population",),
)  # fmt: skip
ROWS = (
    UNITS, UNITS.probed("memory", "every sample is seen five times in a row", slow_unit_states),
    ENERGIES, ENERGIES.probed("outliers", "a tenth of the energies off by 30 model errors",
                              structures_with_outliers),
    APART,
    Row("energies/joined", "inference.join_energies_and_snapshots",
        "coupling N(.2, .1), temperature N(100, 10); fit: even, N(100, 10)", draw_joined,
        two_answers, fit_joined, 0.1),
    POOLED, POOLED.probed("outlier", "one of eight samples off by 1", fits_with_an_outlier),
)  # fmt: skip
