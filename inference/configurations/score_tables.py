"""Test fields over distance, and the sums over pairs by which they judge a pair force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations import score_kernels as kernels
from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.inference.configurations.snapshots import Snapshot, wrapped
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily

__all__ = ["FramePairs", "RadialGrid", "ScoreSums", "list_frame_pairs", "make_grid", "sum_fields"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
N_POINTS = 256
TAPER = 0.85
"""Share of the cutoff from which on fields are let down to 0: the force may end with a step."""
FEWEST_FIELDS = 7
SPARE_FIELDS = 4
STEP_POINTS = 6
"""Points of the grid over which a step at the cutoff is spread."""
FORWARD_STEP = 1e-6
"""Of a derivative by differences, over the prior's standard deviation."""
WIDTH = 0.8
"""Of a bump, over the distance between two."""


@dataclass(frozen=True, eq=False)
class FramePairs:
    """Pairs of one frame nearer than the cutoff, and which particles count."""

    pairs: Int
    vectors: Float
    distance: Float
    kinds: Int
    inner: NDArray[np.bool_]
    positions: Float


@dataclass(frozen=True, eq=False)
class RadialGrid:
    """Even grids of distance and the test fields on them, one set a kind of pair.

    ``grid``: (q, 3) first point, step, cutoff; ``points``, ``kinds``: all points one after
    another; ``table``: (q, g, k, 2) value and slope of the fields; ``first``: (q + 1,) number of a
    kind's first field.
    """

    grid: Float
    points: Float
    kinds: Int
    table: Float
    first: Int

    @property
    def n_fields(self) -> int:
        """Number of fields of all kinds."""
        return int(self.first[-1])

    def force(self, family: InteractionFamily, theta: Float) -> Float:
        """Return u' and u'' on the grid, shape (q, g, 2)."""
        radial = family.radial(theta, self.points, self.kinds)
        return np.ascontiguousarray(radial[1:].T.reshape(len(self.grid), N_POINTS, 2))

    def pull(self, family: InteractionFamily, theta: Float) -> Float:
        """Return ``force`` with the step of an energy that is cut at its end, (q, g, 2).

        Across a step D the density falls by exp(-D): 1 - exp(-D) of it pulls, spread over the last
        cells inside.
        """
        parts = zip(family.parts, family.slices(), strict=True)
        return np.stack(
            [self._pull_of(part, theta[at], kind) for kind, (part, at) in enumerate(parts)]
        )

    def pull_gradient(self, family: InteractionFamily, theta: Float) -> Float:
        """Return d ``pull`` / d theta, shape (q, g, 2, p), by forward differences."""
        steps = FORWARD_STEP * np.sqrt(np.diag(family.prior_covariance))
        out = np.zeros((len(self.grid), N_POINTS, 2, len(theta)))
        for kind, (part, at) in enumerate(zip(family.parts, family.slices(), strict=True)):
            own = theta[at]
            here = self._pull_of(part, own, kind)
            for k in range(part.n_parameters):
                moved = own.copy()
                moved[k] += steps[at][k]
                change = self._pull_of(part, moved, kind) - here
                out[kind, :, :, at.start + k] = change / (moved[k] - own[k])
        return out

    def _pull_of(self, part: PairFamily, theta: Float, kind: int) -> Float:
        """Return ``pull`` of one kind of pair, (g, 2)."""
        points = self.points[kind * N_POINTS : (kind + 1) * N_POINTS]
        radial = part.radial(theta, points)
        table = np.ascontiguousarray(radial[1:].T)
        step = -np.expm1(min(radial[0, -1], 50.0))
        table[-STEP_POINTS:, 0] += step / ((STEP_POINTS - 0.5) * self.grid[kind, 1])
        return table


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """What the test fields say of any force: sums = ``constant`` + ``weights`` x (u', u'').

    ``constant``: (k,), the divergences; ``weights``: (q, g, 2, k); ``fields``: of each frame,
    (n, k, d) and divergence (n, k).
    """

    grid: RadialGrid
    constant: Float
    weights: Float
    fields: list[tuple[Float, Float]]

    def at(self, family: InteractionFamily, theta: Float) -> Float:
        """Return the k sums at theta: their mean is 0 at the truth."""
        force = self.grid.pull(family, theta)
        return self.constant + force.ravel() @ self.weights.reshape(force.size, -1)

    def slope(self, family: InteractionFamily, theta: Float) -> Float:
        """Return d(sums) / d theta, (k, p)."""
        gradient = self.grid.pull_gradient(family, theta)
        p = gradient.shape[-1]
        return np.asarray(self.weights.reshape(-1, len(self.constant)).T @ gradient.reshape(-1, p))

    def scores(self, frames: Sequence[FramePairs], force: Float) -> list[Float]:
        """Return each particle's share of the sums, frame by frame, (n, k)."""
        shares = []
        for frame, (fields, divergence) in zip(frames, self.fields, strict=True):
            push = np.zeros(frame.positions.shape)
            kernels.add_forces(*_listed(frame, self.grid), force, push)
            own = divergence + np.einsum("nkd,nd->nk", fields, push)
            shares.append(np.where(frame.inner[:, None], own, 0.0))
        return shares

    def slope_shares(self, frames: Sequence[FramePairs], gradient: Float) -> list[Float]:
        """Return each particle's share of d(sums) / d theta, frame by frame, (n, k, p)."""
        shares = []
        for frame, (fields, _) in zip(frames, self.fields, strict=True):
            columns = []
            for k in range(gradient.shape[-1]):
                push = np.zeros(frame.positions.shape)
                table = np.ascontiguousarray(gradient[..., k])
                kernels.add_forces(*_listed(frame, self.grid), table, push)
                columns.append(np.einsum("nkd,nd->nk", fields, push))
            own = np.stack(columns, axis=-1)
            shares.append(np.where(frame.inner[:, None, None], own, 0.0))
        return shares

    def variance(self, frames: Sequence[FramePairs], force: Float) -> Float:
        """Return the covariance of the sums were the force right, (k, k)."""
        k = len(self.constant)
        out = np.zeros((k, k))
        for frame, (fields, _) in zip(frames, self.fields, strict=True):
            n, d = frame.positions.shape
            kernels.add_variances(
                *_listed(frame, self.grid), frame.inner, self.grid.first, self.grid.table, force,
                fields, np.zeros((n, k, d, d)), out,
            )  # fmt: skip
        return out


def list_frame_pairs(
    snapshot: Snapshot, family: InteractionFamily, positions: Float | None = None
) -> FramePairs:
    """List the pairs of a frame, at other positions than its own where they are given."""
    places = snapshot.positions if positions is None else positions
    if positions is not None and snapshot.box is not None:
        places = wrapped(places, snapshot.box)
    pairs, vectors, distance = close_pairs(places, family.cutoff, snapshot.box)
    kinds = family.kinds(snapshot.species, pairs)
    return FramePairs(pairs, vectors, distance, kinds, snapshot.inner(family.cutoff), places)


def make_grid(frames: Sequence[FramePairs], family: InteractionFamily) -> RadialGrid:
    """Span what was seen of each kind of pair, and put bumps over it as test fields."""
    rows, tables, numbers = [], [], []
    for kind, part in enumerate(family.parts):
        seen = [frame.distance[frame.kinds == kind] for frame in frames]
        all_seen = np.concatenate(seen)
        low = 0.5 * part.cutoff if not len(all_seen) else 0.999 * float(all_seen.min())
        low = min(low, 0.5 * part.cutoff)
        rows.append([low, (part.cutoff - low) / (N_POINTS - 1), part.cutoff])
        n_bumps = max(part.n_parameters + SPARE_FIELDS, FEWEST_FIELDS)
        start = low if not len(all_seen) else float(np.partition(all_seen, len(all_seen) // 200)[
            len(all_seen) // 200
        ])  # fmt: skip
        tables.append(_bumps(low, part.cutoff, min(start, 0.5 * part.cutoff), n_bumps))
        numbers.append(n_bumps)
    grid = np.array(rows)
    # the last point stands a hair inside: the potential itself is 0 from the cutoff on
    points = grid[:, :1] + grid[:, 1:2] * np.arange(N_POINTS)
    points = np.minimum(points, grid[:, 2:] * (1.0 - 1e-12))
    table = np.zeros((len(grid), N_POINTS, max(numbers), 2))
    for kind, own in enumerate(tables):
        table[kind, :, : own.shape[1]] = own
    first = np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)
    return RadialGrid(
        grid,
        np.asarray(points.ravel(), dtype=np.float64),
        np.repeat(np.arange(len(grid), dtype=np.int64), N_POINTS),
        table,
        first,
    )


def sum_fields(frames: Sequence[FramePairs], grid: RadialGrid) -> ScoreSums:
    """Gather the test fields at every particle and how the force enters their sums."""
    k = grid.n_fields
    weights, constant = np.zeros((len(grid.grid), N_POINTS, 2, k)), np.zeros(k)
    kept = []
    for frame in frames:
        n, d = frame.positions.shape
        fields, divergence = np.zeros((n, k, d)), np.zeros((n, k))
        listed = _listed(frame, grid)
        kernels.gather_fields(*listed, grid.first, grid.table, fields, divergence)
        kernels.project_fields(*listed, frame.inner, fields, weights)
        constant += divergence[frame.inner].sum(axis=0)
        kept.append((fields, divergence))
    return ScoreSums(grid, constant, weights, kept)


def _listed(frame: FramePairs, grid: RadialGrid) -> tuple[Int, Float, Float, Int, Float]:
    return frame.pairs, frame.vectors, frame.distance, frame.kinds, grid.grid


def _bumps(low: float, cutoff: float, start: float, n: int) -> Float:
    """Bell curves over distance, (g, n, 2) value and slope, 0 at the cutoff and at distance 0."""
    r = np.linspace(low, cutoff, N_POINTS)[:, None]
    centres = np.linspace(start, 0.9 * cutoff, n)
    width = WIDTH * (centres[1] - centres[0])
    bell = np.exp(-0.5 * ((r - centres) / width) ** 2)
    bell_slope = -(r - centres) / width**2 * bell
    x = np.clip((r / cutoff - TAPER) / (1.0 - TAPER), 0.0, 1.0)
    # near distance 0 a field must vanish, or its divergence is infinite
    near = np.clip(r / (0.3 * cutoff), 0.0, 1.0)
    rise, rise_slope = near**2 * (3.0 - 2.0 * near), 6.0 * near * (1.0 - near) / (0.3 * cutoff)
    down = (1.0 - x**2 * (3.0 - 2.0 * x)) * rise
    down_slope = -6.0 * x * (1.0 - x) / ((1.0 - TAPER) * cutoff) * rise
    down_slope += (1.0 - x**2 * (3.0 - 2.0 * x)) * rise_slope
    return np.stack([bell * down, bell_slope * down + bell * down_slope], axis=-1)
