"""Rows across a wall made ready: first guesses, places and widths to sum over, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.wall_profiles.profile_posterior import BlurPrior
from physlearn.inference.wall_profiles.profile_row_kernels import row_densities, row_sums
from physlearn.inference.wall_profiles.profile_shapes import profile_tables

__all__ = ["RowModel", "read_rows", "row_model"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_POINTS = 6
N_PLACES, PLACE_STEP = 17, 0.7
COARSE_WIDTHS = 16
FINE_WIDTHS = (24, 64)
N_BLURS = 5
FAINT = 18.0
REJECTIONS = 3
OUTLYING, LEAST_ALIKE = 6.0, 0.6
"""Standard errors of a row's squares from which it stays out; share of rows that must be alike."""
ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class RowModel:
    """Sums that hold the likelihood of all rows; lengths in the user's unit, values scaled."""

    x: Floats
    y: Floats
    seen: Flags
    sums: Floats
    totals: Floats
    blurs: Floats
    log_widths: Floats
    ranges: NDArray[np.int64]
    places: Floats
    start: Floats
    edge: float
    level: float
    scale: float
    names: NDArray[np.int64]
    aside: tuple[int, ...]

    def log_likelihood(self, thetas: Floats) -> Floats:
        """Return the log likelihood at thetas (n, 6)."""
        found = np.empty(len(thetas))
        step = self.log_widths[1] - self.log_widths[0]
        row_densities(
            np.ascontiguousarray(thetas), self.sums, self.totals, self.blurs, self.log_widths[0],
            step, self.ranges, found,
        )  # fmt: skip
        return found


def read_rows(rows: ArrayLike | Sequence[ArrayLike]) -> tuple[Floats, Flags, NDArray[np.int64]]:
    """Return the rows as one array, shorter ones filled up, which values are known, and numbers."""
    given: Any = getattr(rows, "values", rows)
    try:
        listed = [np.asarray(row, dtype=np.float64) for row in given]
    except (TypeError, ValueError):
        raise InputError("rows must be a picture or a list of rows of numbers.") from None
    if len(listed) < 2 or any(row.ndim != 1 for row in listed):
        raise InputError(f"rows must be at least 2 rows of numbers; got {len(listed)}.")
    values = np.full((len(listed), max(row.size for row in listed)), np.nan)
    for index, row in enumerate(listed):
        values[index, : row.size] = row
    seen = np.isfinite(values)
    kept = seen.sum(axis=1) >= LEAST_POINTS
    if kept.sum() < 2:
        raise InputError(f"rows must hold at least 2 rows with {LEAST_POINTS} known pixels.")
    return values[kept], seen[kept], np.flatnonzero(kept)


def row_model(
    rows: ArrayLike | Sequence[ArrayLike], blur: BlurPrior, edge: float, noise_sd: float | None
) -> RowModel:
    """Find each row's wall and tabulate sums around it; rows that show another thing stay out."""
    values, seen, names = read_rows(rows)
    x = (np.arange(values.shape[1]) - (values.shape[1] - 1) / 2) * edge
    given = names
    for _ in range(REJECTIONS):
        level, scale = float(values[seen].mean()), float(values[seen].std())
        if not scale > 0:
            raise NotIdentified("the rows are flat: they show no wall.")
        y = np.where(seen, (values - level) / scale, 0.0)
        totals = np.stack([seen.sum(axis=1), y.sum(axis=1), (y**2).sum(axis=1)], axis=1)
        totals = totals.astype(float)
        start, places, left = _first_guess(x, y, seen, totals, blur, edge)
        good = _alike(left, totals[:, 0])
        if good.all():
            break
        if good.sum() < max(2, LEAST_ALIKE * given.size):
            raise NotIdentified(
                f"{good.size - int(good.sum())} of {given.size} rows do not show the wall that the "
                "others show: take rows across one wall, its brighter side on one side."
            )
        values, seen, names = values[good], seen[good], names[good]
    aside = tuple(int(name) for name in np.setdiff1d(given, names))
    model = _tables(x, y, seen, totals, blur, edge, (level, scale), start, places, noise_sd)
    return replace(model, names=names, aside=aside)


def _alike(left: Floats, count: Floats) -> Flags:
    """Return which rows leave no more squares than the rows' usual noise does."""
    share = left / np.maximum(count - 2, 1.0)
    usual = float(np.median(share))
    return np.asarray(share <= usual * (1 + OUTLYING * np.sqrt(2 / np.maximum(count - 2, 1.0))))


def _tables(
    x: Floats, y: Floats, seen: Flags, totals: Floats, blur: BlurPrior, edge: float,
    units: tuple[float, float], start: Floats, places: Floats, noise_sd: float | None,
) -> RowModel:  # fmt: skip
    """Choose the blurs, places and widths to sum over, and tabulate."""
    level, scale = units
    if noise_sd is not None:
        start[2] = np.log(noise_sd / scale)
    blurs = np.array([blur.mean])
    if not blur.known:
        low = max(0.0, blur.mean - 4 * blur.sd)
        nodes = np.cos(np.pi * (np.arange(N_BLURS) + 0.5) / N_BLURS)[::-1]
        blurs = (
            0.5 * (low + blur.mean + 4 * blur.sd) + 0.5 * (blur.mean + 4 * blur.sd - low) * nodes
        )
    place_sd = np.exp(start[2]) / abs(start[0]) * np.sqrt(0.75 * (np.exp(start[4]) + blur.mean))
    gap = PLACE_STEP * max(float(place_sd * np.sqrt(edge)), 0.002 * edge)
    places = places[:, None] + gap * (np.arange(N_PLACES) - N_PLACES // 2)
    coarse = np.linspace(np.log(0.1 * edge), np.log(0.5 * x.size * edge), COARSE_WIDTHS)
    first = _tabulate(x, y, seen, totals, blurs, coarse, places, start, edge, level, scale)
    spread, finest = _row_information(first)
    low = max(coarse[0], start[4] - max(2.5, 4 * spread))
    high = min(coarse[-1], start[4] + max(1.5, 4 * spread))
    count = int(np.clip((high - low) / max(0.4 * finest, 0.01) + 1, *FINE_WIDTHS))
    fine = np.linspace(low, high, count)
    return _tabulate(x, y, seen, totals, blurs, fine, places, start, edge, level, scale)


def _tabulate(
    x: Floats, y: Floats, seen: Flags, totals: Floats, blurs: Floats, log_widths: Floats,
    places: Floats, start: Floats, edge: float, level: float, scale: float,
) -> RowModel:  # fmt: skip
    """Tabulate the sums for all blurs and widths, and drop widths that a row excludes."""
    widths = np.tile(np.exp(log_widths), blurs.size)
    reach = float(np.abs(x).max() + np.abs(places).max())
    tables = profile_tables(
        widths, np.repeat(blurs, log_widths.size), reach=reach, pixel=(edge, 0.0)
    )
    sums = np.empty((*places.shape, widths.size, 3))
    row_sums(tables.rise, tables.slope, tables.origin, tables.step, x, y, seen, places, sums)
    ranges = np.tile(np.array([0, log_widths.size]), (len(y), 1))
    model = RowModel(
        x, y, seen, sums, totals, blurs, log_widths, ranges, places, start, edge, level, scale,
        np.arange(len(y)), (),
    )  # fmt: skip
    by_width = _by_width(model)
    for j, row in enumerate(by_width):
        near = np.flatnonzero(row > row.max() - FAINT)
        ranges[j] = max(near[0] - 3, 0), min(near[-1] + 4, log_widths.size)
    return model


def _by_width(model: RowModel) -> Floats:
    """Log likelihood of each row by its width, places summed, at the first guess, (rows, k)."""
    a, c, log_noise = model.start[:3]
    k = model.log_widths.size
    middle = model.blurs.size // 2
    sums = model.sums[:, :, middle * k : (middle + 1) * k]
    base = model.totals[:, 2] - 2 * c * model.totals[:, 1] + c * c * model.totals[:, 0]
    miss = base[:, None, None] + a * (a * sums[..., 2] - 2 * sums[..., 0] + 2 * c * sums[..., 1])
    scaled = -0.5 * miss * np.exp(-2 * log_noise)
    top = scaled.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.log(np.exp(scaled - top).sum(axis=1) + 1e-300) + top[:, 0])


def _row_information(model: RowModel) -> tuple[float, float]:
    """Return the spread of the rows' best ln widths and the smallest sd of one of them."""
    by_width = _by_width(model)
    weight = np.exp(by_width - by_width.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ model.log_widths
    variance = weight @ model.log_widths**2 - mean**2
    step = model.log_widths[1] - model.log_widths[0]
    finest = float(np.sqrt(max(np.quantile(variance, 0.05), 0.0)))
    if finest < step:
        # narrower than the coarse grid: from the curvature that the noise implies
        finest = step * float(np.min(_parabola_sd(by_width)))
    return float(mean.std()), max(finest, 0.01)


def _parabola_sd(by_width: Floats) -> Floats:
    """Return each row's sd in steps of the grid, from the parabola at its best width."""
    best = np.clip(by_width.argmax(axis=1), 1, by_width.shape[1] - 2)
    rows = np.arange(len(best))
    bend = 2 * by_width[rows, best] - by_width[rows, best - 1] - by_width[rows, best + 1]
    return np.asarray(1 / np.sqrt(np.maximum(bend, 0.02)))


def _first_guess(
    x: Floats, y: Floats, seen: Flags, totals: Floats, blur: BlurPrior, edge: float
) -> tuple[Floats, Floats, Floats]:
    """Return amplitude, offset, log noise, blur, ln w, its spread; each row's position, squares.

    The squares that a row leaves are those at its own best width.
    """
    places = np.linspace(x[0], x[-1], 4 * x.size)[2:-2]
    log_widths = np.linspace(np.log(0.3 * edge), np.log(0.3 * x.size * edge), COARSE_WIDTHS)
    tables = profile_tables(
        np.exp(log_widths), np.full(COARSE_WIDTHS, blur.mean), pixel=(edge, 0.0),
        reach=2 * float(np.abs(x).max()),
    )  # fmt: skip
    sums = np.empty((len(y), places.size, COARSE_WIDTHS, 3))
    row_sums(
        tables.rise, tables.slope, tables.origin, tables.step, x, y, seen,
        np.tile(places, (len(y), 1)), sums,
    )  # fmt: skip
    trend = float(((y * seen) @ x).sum())
    a, c = float(np.sign(trend) or 1.0), 0.0
    rows = np.arange(len(y))
    for _ in range(ROUNDS):
        base = totals[:, 2] - 2 * c * totals[:, 1] + c * c * totals[:, 0]
        miss = base[:, None, None] + a * (
            a * sums[..., 2] - 2 * sums[..., 0] + 2 * c * sums[..., 1]
        )
        best = miss.argmin(axis=1)
        width = int(np.take_along_axis(miss, best[:, None], 1)[:, 0].sum(axis=0).argmin())
        chosen = sums[rows, best[:, width], width]
        gram = np.array([[chosen[:, 2].sum(), chosen[:, 1].sum()],
                         [chosen[:, 1].sum(), totals[:, 0].sum()]])  # fmt: skip
        a, c = np.linalg.solve(gram, np.array([chosen[:, 0].sum(), totals[:, 1].sum()]))
    base = totals[:, 2] - 2 * c * totals[:, 1] + c * c * totals[:, 0]
    left = base + a * (a * chosen[:, 2] - 2 * chosen[:, 0] + 2 * c * chosen[:, 1])
    noise = np.sqrt(max(float(left.sum()), 1e-12) / (totals[:, 0].sum() - 2 - len(y)))
    if not abs(a) * np.sqrt(totals[:, 0].sum()) > 4 * noise:
        raise NotIdentified("the rows show no wall above their noise.")
    every = base[:, None, None] + a * (a * sums[..., 2] - 2 * sums[..., 0] + 2 * c * sums[..., 1])
    own = every.min(axis=(1, 2))
    start = np.array([a, c, np.log(noise), blur.mean, log_widths[width], 0.1])
    found = places[best[:, width]]
    one = (tables.rise[width : width + 1], tables.slope[width : width + 1])
    for step in (0.15 * edge, 0.03 * edge, 0.03 * edge):
        found = _refined(x, y, seen, one, (tables.origin, tables.step), start, found, step)
    return start, found, own


def _refined(
    x: Floats, y: Floats, seen: Flags, curve: tuple[Floats, Floats], grid: tuple[float, float],
    start: Floats, places: Floats, step: float,
) -> Floats:  # fmt: skip
    """Move each row's position by one parabola through three places."""
    a, c = start[:2]
    three = places[:, None] + step * np.array([-1.0, 0.0, 1.0])
    sums = np.empty((len(y), 3, 1, 3))
    row_sums(*curve, *grid, x, y, seen, three, sums)
    miss = a * (a * sums[:, :, 0, 2] - 2 * sums[:, :, 0, 0] + 2 * c * sums[:, :, 0, 1])
    bend = miss[:, 0] + miss[:, 2] - 2 * miss[:, 1]
    move = 0.5 * (miss[:, 0] - miss[:, 2]) / np.maximum(bend, 1e-12)
    return np.asarray(places + step * np.where(bend > 0, np.clip(move, -1.5, 1.5), 0.0))
