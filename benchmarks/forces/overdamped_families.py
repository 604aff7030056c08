"""Other pair potentials, three dimensions and two species by the same test as Lennard-Jones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forces.overdamped_films import grid_of, row, share_row
from physlearn.inference import fit_langevin
from physlearn.inference.potential_families.make_family import make_family
from physlearn.lattice_models.particles import (
    LangevinSettings,
    LennardJones,
    Morse,
    PairTable,
    Yukawa,
    simulate_langevin,
)
from physlearn.records import AtomicConfiguration

__all__ = ["CASES", "measure_family"]

Row = dict[str, Any]
Float = NDArray[np.float64]
INTERVAL, FINE = 2e-3, 4e-5


def _spline() -> tuple[Any, Any, dict[str, float]]:
    """A spline near Lennard-Jones 1.25, 1: its values are the truth."""
    family = make_family("spline", length=1.1, cutoff=2.4)
    distances = np.array([float(name[6:-1]) for name in family.names])
    values = 5.0 * (distances**-12 - distances**-6)
    return family, family.potential(values), dict(zip(family.names, values, strict=True))


def _cases() -> dict[str, tuple[Any, Any, dict[str, Any], int, int, float, int]]:
    """Name -> potential of the fit, of the truth, truth, side, dimensions, density, frames."""
    both = PairTable({
        (0, 0): LennardJones(1.25, 1.0, cutoff=2.5), (0, 1): LennardJones(0.6, 0.95, cutoff=2.5),
        (1, 1): LennardJones(1.0, 0.9, cutoff=2.5),
    })  # fmt: skip
    spline, built, values = _spline()
    return {
        "Morse": ("morse", Morse(2.0, 6.0, 1.1, cutoff=2.5),
                  {"depth": 2.0, "steepness": 6.0, "minimum": 1.1}, 10, 2, 0.7, 11),
        "Yukawa": ("yukawa", Yukawa(5.0, 0.5, cutoff=2.5),
                   {"strength": 5.0, "screening_length": 0.5}, 10, 2, 0.7, 11),
        "3-D": ("lennard_jones", LennardJones(1.0, 1.0, cutoff=2.5),
                {"depth": 1.0, "diameter": 1.0}, 6, 3, 0.7, 9),
        "two species": ("lennard_jones", both, {"depth": [1.25, 0.6, 1.0],
                        "diameter": [1.0, 0.95, 0.9]}, 10, 2, 0.7, 11),
        "spline": (spline, built, values, 10, 2, 0.7, 11),
    }  # fmt: skip


def _films(
    potential: Any, n_side: int, d: int, density: float, n_frames: int, mixed: bool, n_films: int
) -> Iterator[Any]:
    """Films of one long run, some 1500 steps apart."""
    places, side = grid_of(n_side, d, density)
    fine = round(INTERVAL / FINE)
    species = np.random.default_rng(1).permutation(len(places)) % 2 if mixed else None
    for k in range(n_films):
        start = AtomicConfiguration(
            places, species=species, unit="reduced", cell=side * np.eye(d)
        )  # fmt: skip
        film = simulate_langevin(
            potential, start, n_frames, fine, time_step=INTERVAL / fine, rng=900 + k,
            settings=LangevinSettings(burn_in_steps=1500 if k else 10_000),
        )  # fmt: skip
        places = film.positions[-len(places) :]
        yield film


def measure_family(name: str, quick: bool) -> list[Row]:
    """Coverage and mean error of one case."""
    asked, potential, truth, n_side, d, density, n_frames = _cases()[name]
    n = 2 if quick else 10
    inside, errors, seconds, walked = [], [], [], 0
    for k, film in enumerate(_films(potential, n_side, d, density, n_frames,
                                    name == "two species", n)):  # fmt: skip
        begun = time.process_time()
        cut = {} if name == "spline" else {"cutoff": 2.5}
        fit = fit_langevin(film, asked, localization_sd=0.0, method="sub_steps", rng=k, **cut)
        seconds.append(time.process_time() - begun)
        walked += fit.diagnostics["pareto_k"] > 0.7
        held, away = [], []
        for key, value in {**truth, "diffusion": 1.0}.items():
            draws = fit[key].reshape(len(fit[key]), -1)
            low, high = np.quantile(draws, [0.05, 0.95], axis=0)
            held += list((low < value) & (np.asarray(value) < high))
            # medians don't mind whether a logarithm was taken
            away += list((np.median(draws, axis=0) - value) / draws.std(axis=0))
        inside.append(held)
        errors.append(away)
    names = [
        f"{key}[{k}]" if np.ndim(value) else key
        for key, value in {**truth, "diffusion": 1.0}.items()
        for k in range(np.size(value))
    ]
    z, held = np.array(errors), np.array(inside)
    rows = [share_row(f"all parameters, {name}", int(held.sum()), held.size, True)]
    for k, key in enumerate(names):
        rows.append(share_row(f"{key}, {name}", int(held[:, k].sum()), n, quick))
        rows.append(row(f"mean error / sd of {key}, {name} (+-{1 / np.sqrt(n):.2f})",
                        float(z[:, k].mean())))  # fmt: skip
    rows.append(row(f"CPU s a film, {name}; {walked} of {n} walked", float(np.median(seconds))))
    return rows


CASES = ("Morse", "Yukawa", "3-D", "two species", "spline")
