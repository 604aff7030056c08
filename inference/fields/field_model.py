"""What a model of a moving field must offer so that its parameters can be fitted.

One Gauss-Newton fit serves all models (`gauss_newton`): a model gives frames, their derivatives and
the exact transpose of these derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["FieldModel", "TimeSteps", "transpose_gap"]

Floats = NDArray[np.float64]
LARGEST_STEPS = 200_000


class FieldModel(Protocol):
    """Frames of a field as a function of its start and of few parameters ``theta``.

    ``forward`` keeps its trajectory; ``tangent`` and ``adjoint`` are taken at the last one. Both
    work on several directions at once (the leading axis) and must be transposes of each other to
    rounding: ``sum(tangent(u, t) * force) = sum(u * start) + sum(t * theta)``.

    Attributes
    ----------
    terms
        Names of the parameters, as in the posterior's dimension ``term``.
    units
        Of the parameters, one each.
    shape
        ``(n_rows, n_columns)`` of the model's grid (it may be wider than the picture).
    n_frames
        Frames, the start included.
    steps
        How time is cut.
    """

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the parameters."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""

    @property
    def n_frames(self) -> int:
        """Frames, the start included."""

    @property
    def steps(self) -> TimeSteps:
        """How time is cut."""

    def forward(self, start: Floats, theta: Floats) -> Floats:
        """Return frames (n_frames, n_rows, n_columns); not finite where the field runs away."""

    def tangent(self, start_changes: Floats, theta_changes: Floats | None = None) -> Floats:
        """Return frames' changes (m, n_frames, n_rows, n_columns).

        ``start_changes``: (m, n_rows, n_columns); ``theta_changes``: (m, n_terms), None for none.
        """

    def adjoint(self, forces: Floats, *, theta: bool = True) -> tuple[Floats, Floats]:
        """Return (m, n_rows, n_columns) and (m, n_terms) for forces on the frames.

        Without ``theta`` the second is not computed (zeros).
        """

    def with_steps(self, theta: Floats, refine: int = 1) -> FieldModel:
        """Return a model whose steps are stable around ``theta``, ``refine`` times as many."""


@dataclass(frozen=True, eq=False)
class TimeSteps:
    """How the times between frames are cut into even steps.

    Attributes
    ----------
    times
        Of the frames, (n_frames,), increasing.
    counts
        Steps from each frame to the next, (n_frames - 1,), at least 1.

    Examples
    --------
    >>> steps = TimeSteps.of(np.array([0.0, 1.0, 3.0]), longest=0.5)
    >>> steps.counts.tolist(), steps.n_steps, steps.lengths.tolist()
    ([2, 4], 6, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    """

    times: Floats
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, times: Floats, longest: float) -> TimeSteps:
        """Cut every interval evenly, no step longer than ``longest``."""
        counts = np.maximum(np.ceil(np.diff(times) / longest - 1e-9), 1.0)
        if not np.isfinite(counts).all() or counts.sum() > LARGEST_STEPS:
            raise InputError(
                f"the film needs {counts.sum():.3g} time steps, more than {LARGEST_STEPS}: the "
                "frames lie too far apart for what happens between them; fit a shorter film."
            )
        return cls(times, counts.astype(np.int64))

    @property
    def n_steps(self) -> int:
        """Steps in all."""
        return int(self.counts.sum())

    @property
    def lengths(self) -> Floats:
        """Length of every step, (n_steps,)."""
        return np.repeat(np.diff(self.times) / self.counts, self.counts)

    @property
    def starts(self) -> Floats:
        """Time at which every step begins, (n_steps,)."""
        inner = np.concatenate([np.arange(count) for count in self.counts])
        return np.repeat(self.times[:-1], self.counts) + inner * self.lengths

    @property
    def intervals(self) -> NDArray[np.int64]:
        """Interval between frames that every step belongs to, (n_steps,)."""
        return np.repeat(np.arange(self.counts.size), self.counts)


def transpose_gap(
    model: FieldModel, start: Floats, theta: Floats, rng: np.random.Generator
) -> float:
    """Return how far ``adjoint`` is from the transpose of ``tangent``, as a share of both."""
    model.forward(start, theta)
    change, slope = rng.normal(size=(2, *model.shape)), rng.normal(size=(2, theta.size))
    force = rng.normal(size=(2, model.n_frames, *model.shape))
    moved = np.einsum("mtij,mtij->m", model.tangent(change, slope), force)
    start_part, theta_part = model.adjoint(force)
    back = np.einsum("mij,mij->m", start_part, change) + np.einsum("mj,mj->m", theta_part, slope)
    return float(np.max(np.abs(moved - back) / (np.abs(moved) + np.abs(back))))
