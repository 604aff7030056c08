"""Lattice Hamiltonians by every method, and what is predicted from them.

The likelihood's larger studies stand in `benchmarks.lattice_calibration`; the table holds both.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.ledger.row import N_DRAWS, Draws, Rng, Row, Truth, named, seed_of
from physlearn.inference import (
    LadderOptions,
    fit_large_square,
    fit_lattice_hamiltonian,
    predict_thermodynamics,
)
from physlearn.lattice_models import (
    Ising,
    MultispinIsing,
    kaufman_torus,
    simulate_lattice,
    square_lattice,
)
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.results import Fit

PRIOR = {"field": 0.3, "couplings": 0.2}
COLD = 0.8


def draw_ising(rng: Rng) -> dict[str, Any]:
    """Field and coupling."""
    return {"field": rng.normal(0.0, 0.3), "couplings": rng.normal(0.0, 0.2, 1)}


@cache
def torus(n: int) -> SiteGraph:
    """A square lattice."""
    return square_lattice((n, n))


def picture(theta: Truth, rng: Rng, n: int = 24, flips: float = 0.0) -> LatticeSnapshots:
    """One picture after 1,000 sweeps from clusters' equilibrium; labels may be wrong."""
    model = Ising(theta["couplings"], theta["field"])
    start = simulate_lattice(
        model, torus(n), method="swendsen_wang", burn_in=200, rng=seed_of(rng)
    ).states[0]
    seen = simulate_lattice(model, torus(n), start=start, burn_in=500, rng=seed_of(rng))
    wrong = rng.random(seen.states.shape) < flips
    return LatticeSnapshots(np.where(wrong, -seen.states, seen.states), torus(n))


def two_temperatures(theta: Truth, rng: Rng) -> LatticeSnapshots:
    """Half of the picture was frozen in at half of the temperature."""
    cold = {"field": 2 * theta["field"], "couplings": 2 * np.asarray(theta["couplings"])}
    states = picture(theta, rng).states.copy()
    half = np.arange(states.shape[1]) < states.shape[1] // 2
    states[:, half] = picture(cold, rng).states[:, half]
    return LatticeSnapshots(states, torus(24))


def fit_by(method: str, data: LatticeSnapshots, rng: Rng) -> Fit:
    """Any of the methods, the prior that of the truth."""
    return fit_lattice_hamiltonian(
        data, 1, method=method, prior=PRIOR, n_draws=N_DRAWS, rng=rng
    )  # fmt: skip


def draw_large(rng: Rng) -> dict[str, Any]:
    """Field and coupling, below the transition's coupling by three sd."""
    return {"field": rng.normal(0.0, 0.1), "couplings": rng.normal(0.2, 0.08, 1)}


def large_picture(theta: Truth, rng: Rng) -> Any:
    """States of 128 x 128 sites in periodic equilibrium."""
    lattice = MultispinIsing((128, 128), theta["couplings"][0], theta["field"], rng=seed_of(rng))
    lattice.sweep(1000)
    return lattice.states().reshape(128, 128)


def fit_large(data: Any, rng: Rng) -> Fit:
    """By the method that the function chooses."""
    prior = {"field": 0.1, "couplings": (0.2, 0.08)}
    return fit_large_square(data, boundary="periodic", prior=prior, n_draws=N_DRAWS, rng=rng)


def draw_zero_field(rng: Rng) -> dict[str, Any]:
    """A coupling off the transition, and the energy of the bonds where it is colder.

    Exact on the torus (Kaufman 1949): energy per site in kT of the picture's temperature.
    """
    coupling = rng.uniform(0.05, 0.30)
    return {"coupling": coupling, "energy": exact_energy(coupling)}


def exact_energy(coupling: float) -> float:
    """Per site of a torus of 8 x 8 at `COLD` times the temperature, in units of kT there."""
    return kaufman_torus((8, 8), coupling / COLD).energy / 64 * COLD


def zero_field_picture(theta: Truth, rng: Rng) -> LatticeSnapshots:
    """24 x 24 sites."""
    return picture({"field": 0.0, "couplings": np.array([theta["coupling"]])}, rng)


def predict_energy(data: LatticeSnapshots, rng: Rng) -> Draws:
    """The energy where it is colder, every draw of the fit simulated."""
    import pymc

    prior = {"field": 0.001, "couplings": pymc.Uniform.dist(0.05, 0.30)}
    fit = fit_lattice_hamiltonian(data, 1, prior=prior, rng=rng)
    few = LadderOptions(n_draws=32, burn_in_sweeps=100, n_sweeps=300, most_rounds=1)
    found = predict_thermodynamics(
        fit, [COLD], shape=(8, 8), quantities=["energy"], transition=False, options=few, rng=rng
    )
    return named(found, {"energy": np.ravel(found.draws["energy"].to_numpy())})


LIKELIHOOD, PSEUDO = (
    Row(f"lattice/24_{method}", "inference.fit_lattice_hamiltonian", "h N(0, .3), J N(0, .2)",
        draw_ising, picture, partial(fit_by, method), seconds)
    for method, seconds in (("likelihood", 0.6), ("pseudolikelihood", 0.2))
)  # fmt: skip
ROWS = (
    LIKELIHOOD,
    LIKELIHOOD.probed("flips", "5 % of the labels wrong, none told", partial(picture, flips=0.05)),
    LIKELIHOOD.probed("quench", "half of the picture at half of the temperature", two_temperatures),
    PSEUDO,
    PSEUDO.probed("flips", "5 % of the labels wrong, none told", partial(picture, flips=0.05)),
    Row("lattice/24_distance", "inference.fit_lattice_hamiltonian", "h N(0, .3), J N(0, .2)",
        draw_ising, picture, partial(fit_by, "statistical_distance"), 4.0),
    Row("lattice/16_exchange", "inference.fit_lattice_hamiltonian", "h N(0, .3), J N(0, .2)",
        draw_ising, partial(picture, n=16), partial(fit_by, "exchange"), 20.0),
    Row("lattice/128_large", "inference.fit_large_square", "h N(0, .1), J N(.2, .08)", draw_large,
        large_picture, fit_large, 1.0),
    Row("lattice/energy", "inference.predict_thermodynamics", "J U(.05, .30), no field",
        draw_zero_field, zero_field_picture, predict_energy, 3.0, ("energy",)),
)  # fmt: skip
