"""Motion between noisy frames by its moments: any number of axes, noise, blur and gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.force_map_grid import FieldGrid
from physlearn.inference.langevin.force_map_kernels import filter_rows
from physlearn.inference.langevin.force_map_likelihood import LARGEST_STEP, MOST_STEPS
from physlearn.inference.langevin.force_map_series import Series
from physlearn.inference.langevin.linear_motion import linear_steps
from physlearn.inference.langevin.linear_motion_kernels import filter_linear

__all__ = ["MomentMotion", "moment_motion"]

Floats = NDArray[np.float64]
ITO = 0.0
RATE_QUANTILE = 0.98
STRAIGHT = 1e-10


@dataclass(frozen=True, eq=False)
class FilteredRows:
    """Innovations (n, d), their covariances (n, d, d) and log densities (n,) of the rows."""

    innovation: Floats
    spread: Floats
    log_density: Floats


@dataclass(frozen=True, eq=False)
class MomentMotion:
    """Rows of particles whose mean and covariance are carried between frames, as a force map does.

    Attributes
    ----------
    points
        float64, shape (d, m): where laws are evaluated to be tabulated.
    grid
        Of the tables.
    series
        Rows, one particle after the other.
    noise_known
        float64, shape (n,): standard deviations; None: one unknown for all.
    exposure
        Of each frame.
    step
        Longest sub-step.
    times
        Distinct times between rows, and which each row has.
    weight
        How much one row counts.
    """

    points: Floats
    grid: FieldGrid
    series: Series
    noise_known: Floats | None
    exposure: float
    step: float
    times: tuple[Floats, NDArray[np.int64]]
    weight: float = 1.0

    @property
    def has_noise(self) -> bool:
        """Whether a localisation noise is among the unknowns."""
        return self.noise_known is None

    def densities(self, drift: Floats, diffusion: Floats, log_noise: float) -> FilteredRows | None:
        """Filter all rows; None where D is not positive, or the field carries particles away."""
        if not (np.isfinite(drift).all() and np.isfinite(diffusion).all() and diffusion.min() > 0):
            return None
        d, flat = len(self.points), bool(np.ptp(diffusion) == 0.0)
        n = len(self.series.gaps)
        noise = self.noise_known
        variance = np.full(n, np.exp(2.0 * log_noise)) if noise is None else noise**2
        out = FilteredRows(np.zeros((n, d)), np.zeros((n, d, d)), np.zeros(n))
        straight = _straight(drift, self.points) if flat else None
        if straight is not None:
            self._filter_linear(*straight, float(diffusion[0]), variance, out)
            return out if np.isfinite(out.log_density).all() else None
        fields = [*(drift / diffusion), *([] if flat else [np.log(diffusion)])]
        stacked = np.stack(fields, axis=-1)
        tables = np.ascontiguousarray(self.grid.table(lambda _: stacked).T)
        numbers = np.array([ITO, 0.0, 0.0, 0.0, self.exposure, self.step])
        numbers[3] = np.log(diffusion[0]) if flat else 0.0
        shape = np.array([d, 1, 0, int(flat), int(self.exposure > 0.0)])
        filter_rows(
            self.series.starts, self.series.gaps, self.series.positions, variance,
            (shape, numbers, self.grid.numbers, self.grid.counts, tables),
            out.innovation, out.spread, out.log_density, np.zeros((n, 2 * d)),
        )  # fmt: skip
        return out if np.isfinite(out.log_density).all() else None

    def _filter_linear(
        self, rate: Floats, start: Floats, diffusion: float, variance: Floats, out: FilteredRows
    ) -> None:
        """Filter by exact steps of drifts start - rate * place."""
        d, blurred = len(rate), self.exposure > 0.0
        safe = np.where(np.abs(rate) > 0.0, rate, 1e-12 * diffusion)
        gaps, kinds = self.times
        step, push, fresh = linear_steps(
            gaps, safe / diffusion, start / safe, (0.0, 0.0, diffusion), self.exposure
        )
        first = np.zeros((1 + blurred,) * 2)
        first[0, 0] = 2.0 * diffusion * self.exposure / 3.0
        filter_linear(
            self.series.starts, kinds, self.series.positions, variance,
            np.ascontiguousarray(step), np.ascontiguousarray(push), np.ascontiguousarray(fresh),
            first, 1, out.innovation, out.spread, out.log_density, np.zeros((len(kinds), 2 * d)),
        )  # fmt: skip

    def log_likelihood(self, rows: FilteredRows) -> float:
        """Log likelihood of all rows."""
        return self.weight * float(rows.log_density.sum())

    def score(
        self, rows: FilteredRows, moved: list[FilteredRows], steps: Floats
    ) -> tuple[Floats, Floats]:
        """Gradient and Gaussian information by what moves when one number moves by its step."""
        inverse = np.linalg.inv(rows.spread)
        root = np.linalg.cholesky(inverse)
        gradient = np.array([
            (other.log_density - rows.log_density).sum() / step
            for other, step in zip(moved, steps, strict=True)
        ])  # fmt: skip
        parts = []
        for other, step in zip(moved, steps, strict=True):
            mean = np.einsum("nab,na->nb", root, (other.innovation - rows.innovation) / step)
            wide = np.swapaxes(root, 1, 2) @ ((other.spread - rows.spread) / step) @ root
            parts.append(np.concatenate([mean.ravel(), np.sqrt(0.5) * wide.ravel()]))
        flat = np.array(parts).reshape(len(parts), -1)
        information: Floats = flat @ flat.T
        return self.weight * gradient, self.weight * information

    def for_drift(self, drift: Floats) -> MomentMotion:
        """Return the same rows with sub-steps that suit a drift of shape (d, m)."""
        shape = tuple(int(n) for n in self.grid.cells + 7)
        slopes = []
        for a, row in enumerate(drift):
            for b in range(len(drift)):
                spacing = float(self.grid.spacing[b])
                slopes.append(np.gradient(row.reshape(shape), spacing, axis=b).ravel())
            del a
        inside = self._inside()
        rates = np.sqrt(np.sum(np.square(slopes), axis=0))[inside]
        rate = float(np.quantile(rates, RATE_QUANTILE))
        shortest = self.series.interval / MOST_STEPS
        return replace(self, step=max(LARGEST_STEP / rate, shortest) if rate > 0 else np.inf)

    def _inside(self) -> NDArray[np.bool_]:
        """Points where data are."""
        low, high = np.quantile(self.series.positions, [0.01, 0.99], axis=0)
        result: NDArray[np.bool_] = (
            (self.points >= low[:, None]) & (self.points <= high[:, None])
        ).all(axis=0)
        return result if result.any() else np.ones_like(result)


def _straight(drift: Floats, points: Floats) -> tuple[Floats, Floats] | None:
    """Rates and starts of drifts start - rate * place, each along its axis; None for others."""
    rates, starts = [], []
    for row, place in zip(drift, points, strict=True):
        middle, away = place.mean(), place - place.mean()
        slope = float(away @ row) / float(away @ away)
        rest = row - row.mean() - slope * away
        if np.abs(rest).max() > STRAIGHT * max(float(np.abs(row).max()), 1e-300):
            return None
        rates.append(-slope)
        starts.append(float(row.mean()) - slope * middle)
    return np.array(rates), np.array(starts)


def moment_motion(
    series: Series, noise_known: Floats | None, exposure: float = 0.0, weight: float = 1.0
) -> MomentMotion:
    """Place rows on a grid of tables.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(1).normal(0.0, 0.1, (200, 1)), axis=0)
    >>> gaps = np.r_[0.0, np.ones(199)]
    >>> rows = moment_motion(Series(np.array([0, 200]), gaps, walk, np.zeros(200)), np.zeros(200))
    >>> m = rows.points.shape[1]
    >>> found = rows.log_likelihood(rows.densities(np.zeros((1, m)), np.full(m, 0.005), 0.0))
    >>> moves = np.diff(walk[:, 0]) / 0.1
    >>> bool(abs(found + 0.5 * (moves**2 + np.log(2 * np.pi * 0.01)).sum()) < 1e-6)
    True
    """
    grid = FieldGrid.around(series.positions)
    seen: list[Floats] = []

    def kept(points: Floats) -> Floats:
        seen.append(points)
        return np.zeros(len(points))

    grid.table(kept)
    points = np.ascontiguousarray(seen[0].T)
    times = np.unique(series.gaps, return_inverse=True)
    return MomentMotion(points, grid, series, noise_known, exposure, np.inf, times, weight)
