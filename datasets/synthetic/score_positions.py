"""The scoreboard of the benchmark pictures: recall, false columns, error over bound, error bars."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_array, check_positive
from physlearn.datasets.columns.column_bounds import ColumnBounds, column_bounds
from physlearn.datasets.synthetic.atom_scenes import BenchmarkScene
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["PositionScore", "scene_bounds", "score_positions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MATCH_WIDTHS = 1.5
MATCH_SHARE = 0.45
"""A found column is a true one's within this share of the distance of nearest columns."""
LEAST_SNR = 6.0
EDGE_WIDTHS = 3.0


@dataclass(frozen=True, slots=True)
class PositionScore:
    """How well columns were found and placed.

    Attributes
    ----------
    n_true, n_found
        True columns at least 3 widths from the edge, and columns that were found in the picture.
    n_scored
        True columns at least 3 widths from the edge whose matched signal-to-noise ratio is 6 or
        more; the error is taken over those of them that were found.
    recall, recall_scored
        Share of the true columns at least 3 widths from the edge, and of the scored ones, found.
    false_share
        Found columns that match none, as a share of the found.
    false_columns
        Their number.
    rmse_px
        Root mean square error of x and y, pixel.
    error_over_bound
        Root mean square of error / (joint Cramer-Rao standard deviation), over x and y. Where a
        set's columns are not round Gaussians the bound is that of the round ones.
    z_sd
        Standard deviation of error / (its own error bar); NaN without error bars.
    n_z
        Number of x and y it is taken over.

    Examples
    --------
    >>> from physlearn.datasets import make_benchmark_scene
    >>> scene = make_benchmark_scene("isolated", columns_along_edge=6, rng=1)
    >>> score_positions(scene.seen[1:], scene).recall < 1
    True
    """

    n_true: int
    n_found: int
    n_scored: int
    recall: float
    recall_scored: float
    false_share: float
    false_columns: int
    rmse_px: float
    error_over_bound: float
    z_sd: float
    n_z: int

    __repr__ = short_repr
    _repr_html_ = html_table

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def score_positions(
    found: AtomicConfiguration | ArrayLike,
    scene: BenchmarkScene,
    *,
    positions: ArrayLike | None = None,
    match_px: float | None = None,
    least_snr: float = LEAST_SNR,
    bounds: ColumnBounds | None = None,
) -> PositionScore:
    """Score found columns against a benchmark picture's truth.

    A found and a true column match when each is the other's nearest and they are nearer than
    ``match_px``.

    Parameters
    ----------
    found
        Columns in pixels: a record, or positions of shape (n, 2), x and y.
    scene
        What ``make_benchmark_scene`` made.
    positions
        Shape (n, 2): what counts as the truth; None takes ``scene.seen``, where the picture shows
        the columns. ``scene.truth.positions`` scores a corrected scan.
    match_px
        Largest distance; None: 1.5 widths or .45 of the nearest distance, whichever is smaller.
    least_snr
        Columns of a smaller matched signal-to-noise ratio have no part in the error.
    bounds
        ``scene_bounds(scene)``, where many results are scored on one picture; None computes it.

    Returns
    -------
    PositionScore
        Recall, false columns, error over the joint Cramer-Rao bound, spread of z.

    Raises
    ------
    InputError
        For positions of another shape.

    Examples
    --------
    >>> from physlearn.datasets import make_benchmark_scene
    >>> scene = make_benchmark_scene("isolated", columns_along_edge=6, rng=1)
    >>> score = score_positions(scene.seen + [0.1, 0.0], scene)
    >>> score.recall, score.false_columns, round(score.rmse_px, 3)
    (1.0, 0, 0.071)
    """
    record = found if isinstance(found, AtomicConfiguration) else None
    places = found.positions if isinstance(found, AtomicConfiguration) else found
    places = check_array("found", places, shape=(None, 2), allow_empty=True)
    true = check_array(
        "positions", scene.seen if positions is None else positions, shape=(len(scene.seen), 2)
    )
    near = min(MATCH_WIDTHS * scene.width_px, MATCH_SHARE * scene.spacing_px)
    radius = near if match_px is None else check_positive("match_px", match_px)
    mine, theirs = match_columns(places, true, radius)
    inside = _inside(true, scene)
    limit = scene_bounds(scene) if bounds is None else bounds
    sd, snr = limit.position_sd, limit.matched_snr
    scored = inside & (snr >= least_snr)
    was_found = np.zeros(len(true), dtype=np.bool_)
    was_found[theirs] = True
    use = scored[theirs]
    error = places[mine[use]] - true[theirs[use]]
    z = np.empty((0, 2))
    if record is not None and record.position_covariance is not None:
        variance = record.position_covariance[mine[use]][:, [0, 1], [0, 1]]
        z = error / np.sqrt(variance)
    in_picture = len(places)
    return PositionScore(
        int(inside.sum()), in_picture, int(scored.sum()), _mean(was_found[inside]),
        _mean(was_found[scored]), (in_picture - len(mine)) / max(in_picture, 1),
        in_picture - len(mine), _rms(error), _rms(error / sd[theirs[use]]),
        float(z.std()) if z.size else float("nan"), int(z.size),
    )  # fmt: skip


def scene_bounds(scene: BenchmarkScene) -> ColumnBounds:
    """Return the joint Cramer-Rao bound of every column of a benchmark picture, as it is seen.

    Examples
    --------
    >>> from physlearn.datasets import make_benchmark_scene
    >>> scene = make_benchmark_scene("isolated", columns_along_edge=6, rng=1)
    >>> scene_bounds(scene).position_sd.shape
    (36, 2)
    """
    return column_bounds(
        scene.seen, scene.peaks, scene.width_px, background=scene.background,
        shape=(scene.image.shape[0], scene.image.shape[1]), noise_offset=scene.noise_offset,
        noise_gain=scene.noise_gain,
    )  # fmt: skip


def match_columns(found: Floats, true: Floats, radius: float) -> tuple[Integers, Integers]:
    """Return pairs (found, true) that are each other's nearest and nearer than ``radius``."""
    from scipy.spatial import cKDTree

    if len(found) == 0 or len(true) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    distance, there = cKDTree(true).query(found)
    there, back = np.asarray(there), np.asarray(cKDTree(found).query(true)[1])
    mutual = (back[there] == np.arange(len(found))) & (distance <= radius)
    return np.flatnonzero(mutual), there[mutual].astype(np.int64)


def _inside(true: Floats, scene: BenchmarkScene) -> NDArray[np.bool_]:
    """Flag columns at least some widths from the picture's edge."""
    margin = EDGE_WIDTHS * scene.width_px
    high = np.array(scene.image.shape[::-1]) - 1 - margin
    return np.asarray(np.all((true >= margin) & (true <= high), axis=1))


def _mean(flags: NDArray[np.bool_]) -> float:
    """Return a share, NaN of nothing."""
    return float(flags.mean()) if flags.size else float("nan")


def _rms(values: Floats) -> float:
    """Return the root mean square, NaN of nothing."""
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
