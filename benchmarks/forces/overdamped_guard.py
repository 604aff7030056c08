"""The guard of displacement regression over frame intervals, particles and frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forces.overdamped_films import CUTOFF, DENSITY, TRUTH, make_films, row
from physlearn.checks import NotIdentified
from physlearn.inference import fit_langevin
from physlearn.inference.configurations.fit_pair_potential import read_interaction
from physlearn.inference.langevin.displacement_regression import Regression, regress_displacements
from physlearn.inference.langevin.motion_data import read_motion
from physlearn.inference.langevin.overdamped_pairs import NO_BIAS
from physlearn.inference.langevin.places_of_frames import snapshots_of
from physlearn.inference.langevin.short_runs import list_frames
from physlearn.records import Trajectory

__all__ = ["refusals", "regress"]

Row = dict[str, Any]
Float = NDArray[np.float64]
INTERVALS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 2e-3)
CURVED = 5e-4
"""Interval up to which the bias is a line and a square in the interval."""
SIZES = ((8, 10), (8, 40), (12, 10), (12, 40))
"""Particles to a side, displacements."""
N_FILMS = 4
WORLDS = ((DENSITY, 7500), (0.5, 8500))
"""Density and first seed of the films; the guard was made with others."""


def regress(film: Trajectory) -> Regression:
    """Return displacement regression of a film, from the truth on, with hardly a prior."""
    data = read_motion(film)
    family = read_interaction(snapshots_of(data), "lennard_jones", cutoff=CUTOFF)
    frames = list_frames(data, family, TRUTH[2])
    mean = np.append(family.prior_mean, 0.0)
    precision = np.diag(np.append(1.0 / np.diag(family.prior_covariance), 0.04))
    return regress_displacements(frames, family, np.log(TRUTH), mean, precision, data.interval)


def _true_biases(n_frames: int, density: float) -> tuple[Float, Float, Float]:
    """Bias of ln depth, ln diameter, ln D by interval from a long film, errors, precision a row."""
    biases, rows, errors = [], [], []
    for interval in INTERVALS:
        found = regress(make_films(16, n_frames + 1, interval, 1, 77, density)[0])
        biases.append(found.estimate - np.log(TRUTH))
        rows.append(found.precision / (n_frames * 16**2))
        errors.append(np.sqrt(np.diag(np.linalg.inv(found.precision))))
    bias, error, dt = np.array(biases), np.array(errors), np.array(INTERVALS)
    # at short intervals the bias drowns in noise: there it follows from the longer ones
    short = dt <= CURVED
    shapes = np.stack([dt, dt**2], axis=1)[short]
    for k in range(bias.shape[1]):
        weighted = shapes / error[short, k, None]
        curve = np.linalg.lstsq(weighted, bias[short, k] / error[short, k], rcond=None)[0]
        spread = np.linalg.inv(weighted.T @ weighted)
        bias[short, k] = shapes @ curve
        error[short, k] = np.sqrt(np.einsum("ia,ab,ib->i", shapes, spread, shapes))
    return bias, error, np.array(rows)


def _asked(film: Trajectory, seed: int) -> tuple[bool, float]:
    """Whether regression is refused on a film, and the bias over standard error predicted."""
    try:
        fit = fit_langevin(film, localization_sd=0.0, cutoff=CUTOFF, method="displacement",
                           rng=seed)  # fmt: skip
    except NotIdentified as error:
        words = str(error)
        if "would be off by" not in words:
            raise
        return True, float(words.split("off by ")[1].split(" ")[0])
    return False, float(fit.diagnostics["displacement_bias_over_se"])


def refusals(quick: bool) -> list[Row]:
    """Refusals of regression against its bias, at two densities."""
    return [
        line
        for density, seed in (WORLDS[:1] if quick else WORLDS)
        for line in _world(density, seed, quick)
    ]


def _world(density: float, seed: int, quick: bool) -> list[Row]:
    """Rates of all films at one density, and one line a cell."""
    rows, cases, where = [], [], f"guard, density {density:g}"
    truths = _true_biases(20 if quick else 300, density)
    for interval, bias, off, precision in zip(INTERVALS, *truths, strict=True):
        for n_side, n_moves in SIZES[:1] if quick else SIZES:
            n = n_side**2
            error = np.sqrt(np.diag(np.linalg.inv(precision * n * n_moves)))
            worst = int(np.argmax(np.abs(bias / error)))
            true, known = np.abs(bias / error)[worst], (off / error)[worst]
            films = make_films(
                n_side, n_moves + 1, interval, 2 if quick else N_FILMS, seed, density
            )
            answers = [_asked(film, k) for k, film in enumerate(films)]
            cases += [(float(true), *answer) for answer in answers]
            rows.append(row(
                f"{where}, dt {interval:g}, {n} x {n_moves}: true bias / se {true:.2f} +- "
                f"{known:.2f}, predicted {np.median([a[1] for a in answers]):.2f} (median); "
                f"refused of {len(answers)}",
                sum(a[0] for a in answers),
            ))  # fmt: skip
    biased = [case for case in cases if case[0] > 1.0]
    fine = [case for case in cases if case[0] <= 1.0]
    caught = float(np.mean([case[1] for case in biased]))
    false = float(np.mean([case[1] for case in fine]))
    kept = float(np.mean([case[2] < NO_BIAS for case in biased]))
    return [
        row(f"{where}: refused of {len(biased)} films where the bias exceeds 1 se", caught, 0.95,
            None if quick else caught >= 0.95),
        row(f"{where}: refused of {len(fine)} films where it does not", false, 0.05,
            None if quick else false < 0.05),
        row(f"{where}: regression kept by method='auto' where the bias exceeds 1 se", kept, 0.05,
            None if quick else kept < 0.05),
        *rows,
    ]  # fmt: skip
