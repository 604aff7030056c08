"""The guard of displacement regression over frame intervals, particles and frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forces.overdamped_films import CUTOFF, TRUTH, make_films, row
from physlearn.checks import NotIdentified
from physlearn.inference import fit_langevin
from physlearn.inference.configurations.fit_pair_potential import read_interaction
from physlearn.inference.langevin.displacement_regression import Regression, regress_displacements
from physlearn.inference.langevin.motion_data import read_motion
from physlearn.inference.langevin.overdamped_pairs import NO_BIAS, snapshots_of
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


def regress(film: Trajectory) -> Regression:
    """Return displacement regression of a film, from the truth on, with hardly a prior."""
    data = read_motion(film)
    family = read_interaction(snapshots_of(data), "lennard_jones", cutoff=CUTOFF)
    frames = list_frames(data, family, TRUTH[2])
    mean = np.append(family.prior_mean, 0.0)
    precision = np.diag(np.append(1.0 / np.diag(family.prior_covariance), 0.04))
    return regress_displacements(frames, family, np.log(TRUTH), mean, precision, data.interval)


def _true_biases(n_frames: int) -> tuple[Float, Float]:
    """Bias of ln depth, ln diameter, ln D by interval from a long film, and precision a row."""
    biases, rows = [], []
    for interval in INTERVALS:
        found = regress(make_films(16, n_frames + 1, interval, 1, 77)[0])
        biases.append(found.estimate - np.log(TRUTH))
        rows.append(found.precision / (n_frames * 16**2))
    bias, dt = np.array(biases), np.array(INTERVALS)
    # at short intervals the bias drowns in noise: there it follows from the longer ones
    short = dt <= CURVED
    shapes = np.stack([dt, dt**2], axis=1)[short]
    for k in range(bias.shape[1]):
        weight = np.sqrt([precision[k, k] for precision in np.array(rows)[short]])
        curve = np.linalg.lstsq(shapes * weight[:, None], bias[short, k] * weight, rcond=None)[0]
        bias[short, k] = shapes @ curve
    return bias, np.array(rows)


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
    """Refusals of regression against its bias, one line a cell and the rates of all."""
    biases, precisions = _true_biases(20 if quick else 300)
    rows, cases = [], []
    for interval, bias, precision in zip(INTERVALS, biases, precisions, strict=True):
        for n_side, n_moves in SIZES[:1] if quick else SIZES:
            n = n_side**2
            error = np.sqrt(np.diag(np.linalg.inv(precision * n * n_moves)))
            true = float(np.abs(bias / error).max())
            films = make_films(n_side, n_moves + 1, interval, 2 if quick else N_FILMS, 500)
            answers = [_asked(film, k) for k, film in enumerate(films)]
            cases += [(true, *answer) for answer in answers]
            rows.append(row(
                f"guard, dt {interval:g}, {n} x {n_moves}: true bias / se {true:.2f}, predicted "
                f"{np.median([a[1] for a in answers]):.2f} (median); refused of {len(answers)}",
                sum(a[0] for a in answers),
            ))  # fmt: skip
    biased = [case for case in cases if case[0] > 1.0]
    fine = [case for case in cases if case[0] <= 1.0]
    caught = float(np.mean([case[1] for case in biased]))
    false = float(np.mean([case[1] for case in fine]))
    kept = float(np.mean([case[2] < NO_BIAS for case in biased]))
    return [
        row(f"guard: refused of {len(biased)} films where the bias exceeds 1 se", caught, 0.95,
            None if quick else caught >= 0.95),
        row(f"guard: refused of {len(fine)} films where it does not", false, 0.05,
            None if quick else false < 0.05),
        row("guard: regression kept by method='auto' where the bias exceeds 1 se", kept, 0.05,
            None if quick else kept < 0.05),
        *rows,
    ]  # fmt: skip
