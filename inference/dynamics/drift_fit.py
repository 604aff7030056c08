"""Numbers of drift and diffusion that make tracks most likely, and what they tell about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.force_map_series import FREE_NOISE_SD
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.laws.equation import Equation

__all__ = [
    "Bench",
    "Climb",
    "Motion",
    "MotionLaw",
    "climb",
    "constant_widths",
    "fields_of",
    "gradient_of",
]

Floats = NDArray[np.float64]
Fields = Callable[[Floats], tuple[Floats, Floats, float]]

MOST_ROUNDS = 20
MOST_HALVINGS = 12
SETTLED = 0.2  # of a standard error, the last step: what is left is of second order
FIRST_STEP = 1e-3  # of a number's width, to differentiate
LATER_STEP = 0.05  # of its standard error
NEARLY_NONE = 1e-10
WIDE = 1e-9
SLOPE_STEP = 1e-4  # of the range


class Motion(Protocol):
    """Rows of particles and their likelihood: on a grid (`GridMotion`), or by moments."""

    @property
    def points(self) -> Floats:
        """Where laws are evaluated, shape (d, m)."""

    @property
    def has_noise(self) -> bool:
        """Whether a localisation noise is among the unknowns."""

    def densities(self, drift: Floats, diffusion: Floats, log_noise: float) -> Any:
        """Densities of all rows; None where there are none."""

    def log_likelihood(self, rows: Any) -> float:
        """Log likelihood of densities."""

    def score(self, rows: Any, moved: list[Any], steps: Floats) -> tuple[Floats, Floats]:
        """Gradient and information by what moves when one number moves by its step."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Where a search ended.

    Attributes
    ----------
    numbers
        Shape (k,).
    log_likelihood
        There.
    gradient, information
        Of the log likelihood alone: shapes (k,), (k, k), at ``before``.
    before
        The numbers before the last step.
    settled
        Whether it came to its end.
    """

    numbers: Floats
    log_likelihood: float
    gradient: Floats
    information: Floats
    before: Floats
    settled: bool


@dataclass(frozen=True, eq=False)
class MotionLaw:
    """A drift for each axis, a diffusion and ln(noise): what a likelihood needs.

    The numbers are the constants of the drifts, of the diffusion, and ln(noise) where it is free.
    Where it is ``tied``, particles drift by these drifts and by the gradient of the diffusion.
    """

    names: tuple[str, ...]
    drift: tuple[Equation, ...]
    diffusion: Equation
    log_noise: float = 0.0
    free_noise: bool = False
    tied: bool = False
    sizes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        sizes = tuple(len(law.constants) for law in (*self.drift, self.diffusion))
        object.__setattr__(self, "sizes", sizes)

    @property
    def numbers(self) -> Floats:
        """All numbers."""
        noise = [np.array([self.log_noise])] if self.free_noise else []
        return np.concatenate([*(law.constants for law in (*self.drift, self.diffusion)), *noise])

    def place(self, index: int) -> slice:
        """Where the constants of an axis' drift stand; of the diffusion for the last index."""
        begin = sum(self.sizes[:index])
        return slice(begin, begin + self.sizes[index])

    def with_numbers(self, numbers: Floats) -> MotionLaw:
        """Return the law with other numbers."""
        laws = [
            law.with_constants(numbers[self.place(k)]) if self.sizes[k] else law
            for k, law in enumerate((*self.drift, self.diffusion))
        ]
        noise = float(numbers[-1]) if self.free_noise else self.log_noise
        return replace(self, drift=tuple(laws[:-1]), diffusion=laws[-1], log_noise=noise)


def fields_of(law: MotionLaw, points: Floats) -> Fields:
    """Return numbers -> (drift (d, m), diffusion (m,), ln noise) at points (d, m)."""
    columns = dict(zip(law.names, points, strict=True))

    def fields(numbers: Floats) -> tuple[Floats, Floats, float]:
        here = law.with_numbers(numbers)
        with np.errstate(all="ignore"):
            drift = np.stack([one.predict(columns) for one in here.drift])
            if law.tied:
                drift = drift + gradient_of(here.diffusion, law.names, points)
            return drift, here.diffusion.predict(columns), here.log_noise

    return fields


def gradient_of(law: Equation, names: tuple[str, ...], points: Floats) -> Floats:
    """Slopes of a law along each axis at points (d, m), shape (d, m)."""
    if not law.variables:
        return np.zeros_like(points)
    slopes = []
    for axis, place in enumerate(points):
        step = SLOPE_STEP * float(np.ptp(place))
        ends = []
        for turn in (1.0, -1.0):
            moved = points.copy()
            moved[axis] += turn * step
            ends.append(law.predict(dict(zip(names, moved, strict=True))))
        slopes.append((ends[0] - ends[1]) / (2.0 * step))
    return np.stack(slopes)


def constant_widths(law: Equation, columns: dict[str, Floats], reach: float) -> Floats:
    """Width of each constant's prior: its own size, or what moves the law by ``reach``.

    ``columns``: places where the particles were.
    """
    if not len(law.constants):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        slopes = np.nan_to_num(law.sensitivities(columns), posinf=0.0, neginf=0.0)
    effect = np.sqrt((slopes**2).mean(axis=1))
    width = np.where(effect > 0, reach / np.maximum(effect, 1e-300), 0.0)
    result: Floats = np.maximum(np.maximum(np.abs(law.constants), width), 1e-300)
    return result


def climb(
    motion: Motion, fields: Fields, start: Floats, widths: Floats,
    precision: Floats | None = None, most_rounds: int = MOST_ROUNDS,
) -> Climb | None:  # fmt: skip
    """Climb to the most likely numbers by Fisher scoring; None where the start has no likelihood.

    ``precision``: of a Gaussian prior about ``start``, for numbers that data may leave open.
    """
    numbers, begun = start.astype(np.float64), start.astype(np.float64)
    base = motion.densities(*fields(numbers))
    if base is None:
        return None
    prior = np.zeros((len(start),) * 2) if precision is None else precision
    value = motion.log_likelihood(base)
    steps = FIRST_STEP * widths
    gradient, information = np.zeros(len(start)), np.zeros((len(start),) * 2)
    settled, before = not len(start), numbers
    for _ in range(most_rounds if len(start) else 0):
        moved = []
        for k, step in enumerate(steps):
            there = numbers.copy()
            there[k] += step
            found = motion.densities(*fields(there))
            if found is None:
                there[k] -= 2.0 * step
                steps[k] = -step
                found = motion.densities(*fields(there))
            moved.append(base if found is None else found)
        gradient, information = motion.score(base, moved, steps)
        before = numbers
        total = information + prior
        pull = gradient - prior @ (numbers - begun)
        error = _errors(total)
        steps = np.minimum(FIRST_STEP * widths, LATER_STEP * error)
        change = _solved(total, pull)
        size = math.sqrt(max(float(change @ total @ change), 0.0))
        here = value - 0.5 * float((numbers - begun) @ prior @ (numbers - begun))
        for _ in range(MOST_HALVINGS):
            trial = numbers + change
            found = motion.densities(*fields(trial))
            if found is not None:
                risen = motion.log_likelihood(found)
                away = trial - begun
                if risen - 0.5 * float(away @ prior @ away) >= here - 1e-9 * abs(here):
                    numbers, base, value = trial, found, risen
                    break
            change = 0.4 * change
        else:
            settled = size < SETTLED
            break
        if size < SETTLED:
            settled = True
            break
    return Climb(numbers, value, gradient, information, before, settled)


def _errors(information: Floats) -> Floats:
    """Return the standard error of each number, the others being known."""
    return np.asarray(1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300)))


def _solved(information: Floats, gradient: Floats) -> Floats:
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    scaled = information / size[:, None] / size[None]
    values, vectors = np.linalg.eigh(0.5 * (scaled + scaled.T))
    kept = values > NEARLY_NONE * max(float(values[-1]), 1e-300)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    result: Floats = vectors @ (inverse * (vectors.T @ (gradient / size))) / size
    return result


@dataclass(frozen=True, eq=False)
class Bench:
    """What every fit of a law needs."""

    motion: Motion
    names: tuple[str, ...]
    columns: dict[str, Floats]
    reach: float

    def fit(
        self, law: MotionLaw, most_rounds: int = MOST_ROUNDS
    ) -> tuple[MotionLaw, Climb, Floats] | None:
        """Fit all numbers; return the law, where the search ended and the widths of the priors."""
        level = max(float(np.mean(law.diffusion.predict(self.columns))), 1e-300)
        widths = [constant_widths(one, self.columns, self.reach) for one in law.drift]
        widths.append(constant_widths(law.diffusion, self.columns, level))
        known = np.concatenate(widths)
        precision = np.zeros((len(known) + law.free_noise,) * 2)
        if law.free_noise:
            known = np.append(known, 1.0)
            precision[-1, -1] = FREE_NOISE_SD**-2
        found = climb(self.motion, fields_of(law, self.motion.points), law.numbers, known,
                      precision, most_rounds)  # fmt: skip
        if found is None:
            return None
        return law.with_numbers(found.numbers), found, known

    def measured(self, law: MotionLaw, index: int) -> tuple[Equation, MotionLaw, Climb] | None:
        """Fit a law and measure one of its equations, the others being its best."""
        found = self.fit(law)
        if found is None:
            return None
        fitted, climbed, widths = found
        scaled = climbed.information * np.outer(widths, widths)
        room = float(np.linalg.slogdet(np.eye(len(widths)) + scaled)[1])
        evidence = climbed.log_likelihood - 0.5 * room
        inverse = np.linalg.inv(scaled + WIDE * np.eye(len(widths))) * np.outer(widths, widths)
        equations = (*fitted.drift, fitted.diffusion)
        own = equations[index]
        part = inverse[fitted.place(index), fitted.place(index)]
        length = sum(structure_length(one.terms, len(self.names)) for one in equations) - evidence
        equation = Equation(
            own.terms, -climbed.log_likelihood, length, len(own.constants),
            0.5 * (part + part.T) if len(own.constants) else None, evidence,
        )  # fmt: skip
        return equation, fitted, climbed
