"""What each device of the search of a field's law adds: it is taken out, the rest stays.

Coefficients are those of the true terms, whatever was selected, so that bias and coverage do not
depend on the selection. The two other selectors get the same moments, with instruments and debiased
powers, in the same windows: least squares with Schwarz's criterion, every window counted as one
measurement; and sequential thresholding (Brunton, Proctor and Kutz 2016, 10.1073/pnas.1517384113),
which drops coefficients below 0.1 until none is left to drop. Without instruments what a law leaves
of the motion holds the noise, which the errors' guard against random forcing takes for motion of
another origin: the errors are then far too wide, and coverage says nothing; look at the bias.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import binomtest

from benchmarks.laws.dynamics import HALF_WIDTH, half_of
from benchmarks.laws.field_worlds import make_world, with_noise
from physlearn.inference.dynamics.field_fit import TargetFit, solve_support
from physlearn.inference.dynamics.field_law import weigh_film
from physlearn.inference.dynamics.field_options import FieldLawOptions

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
WORLDS = ("allen_cahn", "cahn_hilliard")
NOISES = (0.1, 0.3)
N_FILMS = 10
FIXED_FRAMES, FIXED_PIXELS = 10.0, 10.0  # half widths of windows that are not fitted to the film
THRESHOLD = 0.1
LARGEST = 5


@dataclass(frozen=True)
class Outcome:
    """One film: are the terms exact, and the true terms' coefficients over the truth and error."""

    exact: bool
    ratios: Floats
    scores: Floats
    seconds: float


def devices(video: xr.DataArray) -> dict[str, FieldLawOptions]:
    """Return the searches, by what was taken out."""
    interval = float(video.time[1] - video.time[0])
    pixel = float(video.x[1] - video.x[0])
    fixed = (FIXED_FRAMES * interval, FIXED_PIXELS * pixel)
    return {
        "everything in place": FieldLawOptions(),
        "no instruments (all frames with all frames)": FieldLawOptions(instruments=False),
        "no debiased powers": FieldLawOptions(debias=False),
        "neither": FieldLawOptions(instruments=False, debias=False),
        "windows fixed at half widths of 10 frames and 10 pixels": FieldLawOptions(window=fixed),
    }


def least_squares(fit: TargetFit, places: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return coefficients and their textbook errors, every window counted as one measurement."""
    moments, chosen = fit.moments, list(places)
    coefficients = solve_support(moments, places)
    variance = moments.residual(coefficients) / fit.system.n_windows
    inverse = np.linalg.inv(moments.own_inner[np.ix_(chosen, chosen)])
    scale = moments.scale[chosen]
    return coefficients[chosen] / scale, np.sqrt(variance * np.diag(inverse)) / scale


def by_schwarz(fit: TargetFit) -> tuple[int, ...]:
    """Return the terms of least n log(residual) + k log(n) among all of up to LARGEST."""
    n, size = fit.system.n_windows, len(fit.moments.moment)
    best, found = np.inf, ()
    for count in range(LARGEST + 1):
        for places in combinations(range(size), count):
            residual = fit.moments.residual(solve_support(fit.moments, places))
            value = n * np.log(max(residual, 1e-300)) + count * np.log(n)
            if value < best:
                best, found = value, places
    return found


def by_threshold(fit: TargetFit) -> tuple[int, ...]:
    """Return what sequential thresholding of the coefficients as they are leaves."""
    places = tuple(range(len(fit.moments.moment)))
    while places:
        sizes = np.abs(solve_support(fit.moments, places) / fit.moments.scale)
        kept = tuple(k for k in places if sizes[k] >= THRESHOLD)
        if kept == places:
            break
        places = kept
    return places


def outcomes(name: str, noise: float, seed: int) -> dict[str, Outcome]:
    """Return what every search makes of one film."""
    world = make_world(name, seed)
    video = with_noise(world, noise, 100 + seed)
    law = world.law["u"]
    found = {}
    for device, options in devices(video).items():  # type: ignore[arg-type]
        begun = time.process_time()
        weighed = weigh_film(video, options)
        seconds = time.process_time() - begun
        names = [feature.name for feature in weighed.library]
        fit = weighed.trial.fits[0]
        true = tuple(sorted(names.index(term) for term in law))
        truth = np.array([law[names[k]] for k in true])
        values, covariance = fit.constants(true)
        errors = np.sqrt(np.diag(covariance))
        found[device] = Outcome(
            fit.best.places == true, values / truth, (values - truth) / errors, seconds
        )
        if device == "everything in place":
            values, errors = least_squares(fit, true)
            for selector, select in SELECTORS.items():
                begun = time.process_time()
                exact = select(fit) == true
                found[selector] = Outcome(
                    exact, values / truth, (values - truth) / errors,
                    seconds + time.process_time() - begun,
                )  # fmt: skip
    return found


SELECTORS: Mapping[str, Callable[[TargetFit], tuple[int, ...]]] = {
    "selector: least squares, Schwarz's criterion": by_schwarz,
    f"selector: sequential thresholding at {THRESHOLD:g}": by_threshold,
}


def _row(what: str, scored: list[Outcome]) -> Row:
    scores = np.concatenate([outcome.scores for outcome in scored])
    ratios = np.array([outcome.ratios for outcome in scored])
    inside, total = int((np.abs(scores) <= HALF_WIDTH).sum()), len(scores)
    chance = float(binomtest(inside, total, 0.9).pvalue)
    bias = 100 * (ratios.mean(axis=0) - 1.0)
    error = 100 * ratios.std(axis=0) / np.sqrt(len(ratios))
    worst = int(np.argmax(np.abs(bias)))
    return {
        "what": what,
        "measured": f"exact terms {sum(o.exact for o in scored)}/{len(scored)}; coefficients of "
        f"the true terms: mean deviation {np.abs(bias).mean():.2f} %, the most biased "
        f"{bias[worst]:+.2f} +- {error[worst]:.2f} %; cov90 {inside / total:.2f} of {total} "
        f"(exact binomial p = {chance:.2g}), mean square score {np.mean(scores**2):.2f}; median "
        f"{np.median([o.seconds for o in scored]):.2f} CPU s",
        "goal": "none stated",
        "met": None,
    }


def _ablation(name: str, noise: float) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        scored: dict[str, list[Outcome]] = {}
        for seed in range(1 if quick else N_FILMS):
            for device, outcome in outcomes(name, noise, seed).items():
                scored.setdefault(device, []).append(outcome)
            exact = [device for device, each in scored.items() if each[-1].exact]
            Console(highlight=False).print(f"{name} {noise:.0%} {seed} exact: {'; '.join(exact)}")
        n = len(next(iter(scored.values())))
        what = f"{name} ({half_of(name)}), noise {noise:.0%}, {n} films"
        return [_row(f"{what}: {device}", each) for device, each in scored.items()]

    check.__doc__ = f"Films of {name} at {noise:.0%}, with one device after the other taken out."
    return check


CHECKS = {
    f"devices on {name} at {noise:.0%}": _ablation(name, noise)
    for name in WORLDS for noise in NOISES
}  # fmt: skip
