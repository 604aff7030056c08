"""Non-conserved dynamics of a scalar order parameter in a polynomial free energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.inference.fields.field_model import TimeSteps
from physlearn.inference.fields.first_guesses import EdgeMode
from physlearn.inference.fields.polynomial_kernels import (
    back_through_film,
    run_film,
    tangent_of_film,
)

__all__ = ["TERMS", "PolynomialField", "make_polynomial_field"]

Floats = NDArray[np.float64]
Drive = Callable[[Floats, NDArray[np.int64]], Floats]

TERMS = ("bias", "alpha", "cubic", "beta", "gamma", "gradient", "gradient_x", "gradient_y", "field")
SLOTS = ("bias", "alpha", "cubic", "beta", "gamma", "gradient_x", "gradient_y", "field")
POWERS = {"cubic": 1, "beta": 2, "gamma": 4}
SECOND = (1.0, -2.0, 1.0)
STABLE = 2.4  # of 2.78, the limit of the method on the negative axis: the fit moves on from here
FINEST = 0.5  # length of a step in units of the fastest local relaxation


@dataclass(eq=False)
class PolynomialField:
    """``dP/dt = bias - alpha P - cubic P^2 - beta P^3 - gamma P^5 + gradient lap P + field E``.

    The Laplacian is that of five points at the picture's pixels, steps are of fourth order
    (Runge-Kutta); edges are periodic, or without flux (``mirror``). Offers `FieldModel`.

    Examples
    --------
    >>> model = make_polynomial_field((8, 8), np.arange(3.0), ("alpha", "gradient"))
    >>> frames = model.forward(np.ones((8, 8)), np.array([0.1, 0.3]))
    >>> bool(np.allclose(frames[2], np.exp(-0.2), rtol=1e-6))
    True
    """

    terms: tuple[str, ...]
    units: tuple[str, ...]
    shape: tuple[int, int]
    steps: TimeSteps
    mirror: bool
    selection: Floats
    drive: Drive | None
    profile: Floats
    largest: float
    stages: Floats = field(default_factory=lambda: np.zeros((0, 4, 0, 0)))
    slopes: Floats = field(default_factory=lambda: np.zeros((0, 4, 0, 0)))
    waves: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    full: Floats = field(default_factory=lambda: np.zeros(8))

    @property
    def n_frames(self) -> int:
        """Frames, the start included."""
        return int(self.steps.times.size)

    def forward(self, start: Floats, theta: Floats) -> Floats:
        """Return the frames and keep the trajectory."""
        steps = self.steps
        if self.stages.shape[0] != steps.n_steps:
            self.stages = np.empty((steps.n_steps, 4, *self.shape))
            self.slopes = np.empty_like(self.stages)
            self.waves = self._waves()
        self.full = self.selection @ np.asarray(theta, dtype=np.float64)
        frames = np.empty((self.n_frames, *self.shape))
        run_film(
            np.ascontiguousarray(start, dtype=np.float64), self.full, steps.lengths, steps.counts,
            self.waves, self.profile, self.mirror, self.stages, self.slopes, frames,
        )  # fmt: skip
        return frames

    def tangent(self, start_changes: Floats, theta_changes: Floats | None = None) -> Floats:
        """Return the frames' changes at the last trajectory."""
        n_directions = len(start_changes)
        slants = np.zeros((n_directions, len(SLOTS)))
        if theta_changes is not None:
            slants[:] = theta_changes @ self.selection.T
        frames = np.empty((n_directions, self.n_frames, *self.shape))
        tangent_of_film(
            np.ascontiguousarray(start_changes), slants, self.full, self.steps.lengths,
            self.steps.counts, self.waves, self.profile, self.mirror, self.stages, self.slopes,
            frames,
        )  # fmt: skip
        return frames

    def adjoint(self, forces: Floats, *, theta: bool = True) -> tuple[Floats, Floats]:
        """Return the transpose of ``tangent``."""
        n_directions = len(forces)
        changes = np.empty((n_directions, *self.shape))
        slants = np.empty((n_directions, len(SLOTS)))
        back_through_film(
            np.ascontiguousarray(forces), self.full, self.steps.lengths, self.steps.counts,
            self.waves, self.profile, self.mirror, self.stages, self.slopes, theta, changes, slants,
        )  # fmt: skip
        return changes, slants @ self.selection

    def with_steps(self, theta: Floats, refine: int = 1) -> PolynomialField:
        """Return the model with stable steps around these parameters."""
        _, alpha, cubic, beta, gamma, kx, ky, _ = self.selection @ np.asarray(theta, dtype=float)
        reach = np.linspace(-self.largest, self.largest, 33)
        slope = alpha + 2 * cubic * reach + 3 * beta * reach**2 + 5 * gamma * reach**4
        local = float(np.abs(slope).max()) + 1e-12
        longest = min(STABLE / (4 * (abs(kx) + abs(ky)) + local), FINEST / local)
        steps = TimeSteps.of(self.steps.times, longest)
        if refine > 1:
            steps = TimeSteps(steps.times, steps.counts * refine)
        return replace(self, steps=steps, stages=np.zeros((0, 4, 0, 0)),
                       slopes=np.zeros((0, 4, 0, 0)))  # fmt: skip

    def features(self, frame: Floats, index: int, noise_sd: float) -> Floats:
        """Return what each term multiplies, with the mean effect of white noise taken off."""
        p, power = frame, noise_sd**2
        edge: EdgeMode = "reflect" if self.mirror else "wrap"
        p3 = p**3 - 3 * power * p
        p5 = p**5 - 10 * power * p3 - 15 * power**2 * p
        moment, interval = self.steps.times[index : index + 1], min(index, self.n_frames - 2)
        push = 0.0 if self.drive is None else self.drive(moment, np.array([interval]))
        maps = {
            "bias": np.ones_like(p), "alpha": -p, "cubic": power - p**2, "beta": -p3, "gamma": -p5,
            "gradient_x": ndimage.correlate1d(p, SECOND, axis=1, mode=edge),
            "gradient_y": ndimage.correlate1d(p, SECOND, axis=0, mode=edge),
            "field": self.profile * push,
        }  # fmt: skip
        return np.tensordot(self.selection.T, np.stack([maps[slot] for slot in SLOTS]), 1)

    def _waves(self) -> Floats:
        """Drive at the times of every stage, (n_steps, 4)."""
        steps = self.steps
        if self.drive is None:
            return np.zeros((steps.n_steps, 4))
        moments = steps.starts[:, None] + steps.lengths[:, None] * np.array([0.0, 0.5, 0.5, 1.0])
        driven = self.drive(moments, np.repeat(steps.intervals[:, None], 4, axis=1))
        # a copy: a read-only array would compile the kernels once more
        return np.array(np.broadcast_to(driven, moments.shape), dtype=np.float64, order="C")


def make_polynomial_field(
    shape: tuple[int, int],
    times: Floats,
    terms: tuple[str, ...],
    *,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    mirror: bool = False,
    drive: Drive | None = None,
    profile: Floats | None = None,
    largest: float = 1.0,
    units: tuple[str, ...] = (),
) -> PolynomialField:
    """Return a model of these terms; ``pixel_size`` is (dx, dy), ``largest`` the reach of abs P.

    ``drive`` gives E for times and the intervals between frames that they lie in.
    """
    selection = np.zeros((len(SLOTS), len(terms)))
    dx, dy = pixel_size
    scale = {"gradient_x": 1 / dx**2, "gradient_y": 1 / dy**2}
    for column, term in enumerate(terms):
        slots = ("gradient_x", "gradient_y") if term == "gradient" else (term,)
        for slot in slots:
            selection[SLOTS.index(slot), column] = scale.get(slot, 1.0)
    model = PolynomialField(
        terms, units or ("1",) * len(terms), shape, TimeSteps.of(times, np.inf), mirror, selection,
        drive, np.ones(shape) if profile is None else np.ascontiguousarray(profile, dtype=float),
        largest,
    )  # fmt: skip
    reach = max(largest, 1e-300) ** -np.array([float(POWERS.get(term, 0)) for term in terms])
    reach /= np.abs(selection).max(axis=0) * float(np.median(np.diff(times)))
    return model.with_steps(0.1 * reach)
