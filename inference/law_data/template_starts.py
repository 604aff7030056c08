"""Starting values of a template's constants: many guesses, the linear ones solved for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.likelihood_fit import Limits, Model
from physlearn.inference.law_data.noise_models import POSITIVE_KINDS, NoiseModel, Observations

__all__ = ["linear_constants", "solve_linear", "starting_points"]

Floats = NDArray[np.float64]

WIDEST_FACTOR = 2.5  # of the natural logarithm about a guessed size
WIDE_RATIO = 100.0  # bounds further apart are drawn in logarithms


def linear_constants(model: Model, count: int, columns: Mapping[str, Floats]) -> list[int]:
    """Places of constants that the law is jointly straight in, found by second differences.

    Examples
    --------
    >>> def law(c, columns):
    ...     return c[0] * columns["x"] ** c[1], np.zeros((2, 3))
    >>> linear_constants(law, 2, {"x": np.array([1.0, 2.0, 3.0])})
    [0]
    """
    generator = np.random.default_rng(1)
    found: list[int] = []
    for place in range(count):
        if all(_straight(model, [*found, place], count, columns, generator) for _ in range(3)):
            found.append(place)
    return found


def _straight(
    model: Model, chosen: list[int], count: int, columns: Mapping[str, Floats],
    generator: np.random.Generator,
) -> bool:  # fmt: skip
    for _ in range(20):
        middle = generator.uniform(0.3, 1.5, count)
        step = np.zeros(count)
        step[chosen] = generator.uniform(0.05, 0.2, len(chosen))
        with np.errstate(all="ignore"):
            values = [model(middle + sign * step, columns)[0] for sign in (-1.0, 0.0, 1.0)]
        sound = np.isfinite(values).all(axis=0)
        if sound.any():
            low, centre, high = (part[sound] for part in values)
            size = np.abs(low) + np.abs(centre) + np.abs(high)
            return bool((np.abs(low - 2.0 * centre + high) <= 1e-10 * size).all())
    return False


def starting_points(
    model: Model,
    data: Observations,
    noise: NoiseModel,
    limits: Limits,
    given: Mapping[int, float],
    n_starts: int,
    generator: np.random.Generator,
) -> Floats:
    """Guesses of the constants, best first, shape (m, k); m may be 0.

    Sizes are drawn about 1, and about the columns' own values and their inverses; constants that
    the law is linear in are solved for by weighted least squares.

    Parameters
    ----------
    model, data, noise, limits
        The law, the measurements, how they scatter, bounds and priors of the constants.
    given
        Place -> value of constants whose start is known.
    n_starts
        Number of guesses.
    generator
        Source of the guesses.
    """
    count = limits.low.size
    linear = [place for place in linear_constants(model, count, data.columns) if place not in given]
    guesses, misfits = [], []
    for index in range(n_starts):
        guess = _draw(count, data, limits, generator)
        for place, value in given.items():
            guess[place] = value * (np.exp(0.5 * generator.standard_normal()) if index else 1.0)
        guess = np.clip(guess, limits.low, limits.high)
        with np.errstate(all="ignore"):  # a guess may overflow: it then loses
            if linear:
                guess = solve_linear(model, guess, linear, data, noise)
                guess = np.clip(guess, limits.low, limits.high)
            misfit = _misfit(model, guess, data, noise)
        if np.isfinite(misfit):
            guesses.append(guess)
            misfits.append(misfit)
        if len(linear) == count:
            break
    if not guesses:
        return np.empty((0, count))
    result: Floats = np.array(guesses)[np.argsort(misfits, kind="stable")]
    return result


def _draw(count: int, data: Observations, limits: Limits, generator: np.random.Generator) -> Floats:
    guess = np.empty(count)
    for place in range(count):
        low, high = limits.low[place], limits.high[place]
        if np.isfinite(limits.prior_sd[place]):
            mean, sd = limits.prior_mean[place], limits.prior_sd[place]
            guess[place] = generator.normal(mean, sd)
        elif np.isfinite(low) and np.isfinite(high):
            share = generator.uniform()
            logs = low > 0 and high > WIDE_RATIO * low
            guess[place] = low * (high / low) ** share if logs else low + (high - low) * share
        else:
            size = np.exp(generator.uniform(-WIDEST_FACTOR, WIDEST_FACTOR))
            kind = generator.integers(3)
            if kind:
                column = data.x[generator.integers(len(data.x))]
                value = abs(generator.choice(column)) or 1.0
                size *= value if kind == 1 else 1.0 / value
            if np.isfinite(low):
                guess[place] = low + size
            elif np.isfinite(high):
                guess[place] = high - size
            else:
                guess[place] = size if generator.uniform() < 0.5 else -size
    return guess


def solve_linear(
    model: Model, guess: Floats, linear: list[int], data: Observations, noise: NoiseModel
) -> Floats:
    """Return the guess with its linear constants solved for by weighted least squares."""
    rest = guess.copy()
    rest[linear] = 0.0
    # Slopes at 1: a factor of 0 may hide what it multiplies
    one = guess.copy()
    one[linear] = 1.0
    base, slopes = model(rest, data.columns)[0], model(one, data.columns)[1][linear]
    exact = (data.censored == 0) & np.isfinite(base) & np.isfinite(slopes).all(axis=0)
    root = 1.0 / _size_of_noise(data, noise)[exact]
    matrix = (slopes[:, exact] * root).T
    norm = np.linalg.norm(matrix, axis=0)
    if exact.sum() < len(linear) or not (np.isfinite(norm).all() and (norm > 0).all()):
        return guess
    solution, *_ = np.linalg.lstsq(matrix / norm, (data.y - base)[exact] * root, rcond=1e-12)
    rest[linear] = solution / norm
    return rest


def _size_of_noise(data: Observations, noise: NoiseModel) -> Floats:
    size = np.ones(data.y.size)
    if noise.kind in ("log", "multiplicative"):
        small = 1e-3 * float(np.abs(data.y).max()) or 1.0
        size = np.maximum(np.abs(data.y), small)
    elif noise.kind == "counts":
        size = np.sqrt(np.maximum(data.y, 1.0))
    result: Floats = size * noise.sizes(data.y.size)
    return result


def _misfit(model: Model, guess: Floats, data: Observations, noise: NoiseModel) -> float:
    law = model(guess, data.columns)[0]
    if not np.isfinite(law).all() or (noise.kind in POSITIVE_KINDS and not (law > 0).all()):
        return np.inf
    rest = (data.y - law) / _size_of_noise(data, noise)
    rest = np.where(data.censored * rest > 0, rest, np.where(data.censored == 0, rest, 0.0))
    if noise.kind in ("student", "outliers"):
        return float(np.abs(rest).mean())
    return float((rest**2).mean())
