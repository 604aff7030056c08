"""Shapes of columns: ellipticity with errors, and what is common, alternating or of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_count
from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.datasets.structure.bond_search import planar
from physlearn.datasets.structure.shape_kernels import (
    SIZE,
    add_shape,
    shape_information,
    shape_sweep,
    solve,
)
from physlearn.records import AtomicConfiguration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_shapes", "summarize_column_shapes"]

Floats = NDArray[np.float64]
REACH_WIDTHS, LIVE_WIDTHS = 3.5, 5.0
"""A column is fitted within the first and takes part in its neighbours' windows to the second."""
BACKGROUND_WIDTHS = 4.0
TOLERANCE = 0.01
N_SWEEPS, N_ROUNDS = 30, 2


def column_shapes(
    image: xr.DataArray | ArrayLike, atoms: AtomicConfiguration, *, max_sweeps: int = N_SWEEPS
) -> pd.DataFrame:
    """Fit an elliptical Gaussian to each column, neighbours included.

    Each column has place, amplitude, width, ellipticity e (two components) and a constant offset in
    its window; Fisher scoring visits the columns in turn on a live model picture.

    Parameters
    ----------
    image
        The picture (rows, columns) that the atoms were found in.
    atoms
        What ``find_atoms`` returns for it (width and intensity are needed).
    max_sweeps
        Sweeps over all columns.

    Returns
    -------
    pandas.DataFrame
        One row an atom: x, y, long, short (widths, in ``atoms.unit``), ``e_plus`` = e cos(2 angle)
        and ``e_cross`` = e sin(2 angle) with e = (long - short) / mean width, their standard
        deviations and covariance (neighbours held fixed), angle of the long axis to x in radians
        (0 to pi), ellipticity e, ``p_round`` (chi-square of e = 0). NaN where the fit failed.

    Raises
    ------
    InputError
        For atoms without width or intensity.

    Notes
    -----
    Errors take the picture's variance as offset + gain x mean from ``atoms.metadata`` where
    ``find_atoms`` put it, else a constant from the residuals. Astigmatism, tilt and drift stretch
    all columns alike: see ``summarize_column_shapes``.

    Examples
    --------
    >>> from physlearn.datasets import ImagingSettings, find_atoms, image_columns
    >>> settings = ImagingSettings(width_px=3.0, ellipticity=0.2)
    >>> picture = image_columns([[25.0, 24.0]], 2000.0, (48, 48), settings, rng=0).image
    >>> shapes = column_shapes(picture, find_atoms(picture))
    >>> bool(abs(shapes["ellipticity"][0] - 0.2) < 4 * shapes["e_plus_sd"][0])
    True
    """
    import pandas as pd
    from scipy.stats import chi2

    check_count("max_sweeps", max_sweeps, 1)
    positions = planar(atoms)
    if atoms.width is None or atoms.intensity is None:
        raise InputError("atoms must carry width and intensity: give what find_atoms returns.")
    frame = picture_frame(image)
    scale, origin = np.array(frame.pixel_size), np.array(frame.origin)
    root = float(np.sqrt(scale[0] * scale[1]))
    sign = -1.0 if atoms.metadata.get("polarity") == "dark" else 1.0
    values = sign * frame.values
    columns = np.zeros((atoms.n, SIZE))
    columns[:, :2] = (positions - origin) / scale
    width = np.maximum(atoms.width / root, 0.3)
    amplitude = np.abs(atoms.intensity) / (2 * np.pi * width**2)
    columns[:, 2], columns[:, 3] = np.log(np.maximum(amplitude, 1e-300)), np.log(width)
    covariance, good = _fit(values, columns, atoms, sign, max_sweeps)
    stretch, covariance = _in_length(columns[:, 4:6], covariance, float(scale[0] / scale[1]))
    g = np.hypot(*stretch.T)
    # e = (long - short) / mean = 2 tanh(g / 2); the two are alike for small g
    ratio = np.where(g > 1e-9, 2 * np.tanh(0.5 * g) / np.maximum(g, 1e-300), 1.0)
    e = stretch * ratio[:, None]
    along = np.where(g > 1e-9, np.cosh(0.5 * g) ** -2.0, 1.0)
    unit = stretch / np.maximum(g, 1e-300)[:, None]
    radial = unit[:, :, None] * unit[:, None, :]
    slope = along[:, None, None] * radial + ratio[:, None, None] * (np.eye(2) - radial)
    spread = slope @ covariance @ np.swapaxes(slope, 1, 2)
    e[~good], spread[~good] = np.nan, np.nan
    size = np.hypot(*e.T)
    inverse = np.linalg.pinv(np.where(good[:, None, None], spread, 0.0))
    square = np.einsum("ni,nij,nj->n", e, inverse, e)
    mean = np.exp(columns[:, 3]) * root
    return pd.DataFrame(
        {
            "x": columns[:, 0] * scale[0] + origin[0], "y": columns[:, 1] * scale[1] + origin[1],
            "long": np.where(good, mean * np.exp(0.5 * g), np.nan),
            "short": np.where(good, mean * np.exp(-0.5 * g), np.nan),
            "e_plus": e[:, 0], "e_cross": e[:, 1], "e_plus_sd": np.sqrt(spread[:, 0, 0]),
            "e_cross_sd": np.sqrt(spread[:, 1, 1]), "e_covariance": spread[:, 0, 1],
            "angle": 0.5 * np.arctan2(e[:, 1], e[:, 0]) % np.pi, "ellipticity": size,
            "p_round": np.where(good, chi2.sf(square, 2), np.nan),
        }
    )  # fmt: skip


def _in_length(stretch: Floats, covariance: Floats, aspect: float) -> tuple[Floats, Floats]:
    """Return stretches and covariances in length units, of those in pixels that are not square.

    Pixels of 2 : 3 were seen to leave the errors 5 to 15 % too small (z sd 1.05 to 1.15).
    """
    if aspect == 1.0:
        return stretch, covariance
    step = 1e-5
    slope = np.stack(
        [(_scaled(stretch + step * unit, aspect) - _scaled(stretch - step * unit, aspect))
         / (2 * step) for unit in np.eye(2)], axis=-1,
    )  # fmt: skip
    return _scaled(stretch, aspect), slope @ covariance @ np.swapaxes(slope, 1, 2)


def _scaled(stretch: Floats, aspect: float) -> Floats:
    """Return M' with exp(M') = D exp(M) D, M = [[s, t], [t, -s]], D = diag(a, 1/a)^(1/2)."""
    g = np.maximum(np.hypot(*stretch.T), 1e-12)
    plus, cross = (np.sinh(g) / g)[:, None].T * stretch.T
    xx, yy = aspect * (np.cosh(g) + plus), (np.cosh(g) - plus) / aspect
    turned = np.stack([0.5 * (xx - yy), cross], axis=1)
    size = np.maximum(np.hypot(*turned.T), 1e-12)
    return np.asarray(turned * (np.arcsinh(size) / size)[:, None])


def _fit(
    values: Floats, columns: Floats, atoms: AtomicConfiguration, sign: float, max_sweeps: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Fit ``columns`` in place; return covariances (n, 2, 2) of the stretch, and which are good."""
    typical = float(np.exp(np.median(columns[:, 3]))) if len(columns) else 1.0
    model = _model(values, columns, typical)
    offset = atoms.metadata.get("noise_offset")
    gain = atoms.metadata.get("noise_gain")
    if offset is None or gain is None:
        offset, gain = float(np.mean((values - model) ** 2)), 0.0
    variance = float(offset) + float(gain) * sign * model
    floor = max(0.05 * float(np.median(variance)), 1e-12)
    weight = 1.0 / np.maximum(variance, floor)
    flags = np.ones(len(columns))
    for _ in range(N_ROUNDS):
        for _ in range(max_sweeps):
            largest = shape_sweep(values, model, weight, columns, REACH_WIDTHS, LIVE_WIDTHS, flags)
            if largest < TOLERANCE:
                break
        # what round columns left beside elongated ones is no background
        model = _model(values, columns, typical)
    weight /= _correlated_pixels((values - model) * np.sqrt(weight))
    covariance = np.full((len(columns), 2, 2), np.nan)
    good = flags > 0
    score, information, step = np.empty(SIZE), np.empty((SIZE, SIZE)), np.empty(SIZE)
    for k in np.flatnonzero(good):
        shape_information(values, model, weight, columns[k], REACH_WIDTHS, score, information)
        for m in range(2):
            unit = np.zeros(SIZE)
            unit[4 + m] = 1.0
            good[k] &= solve(information, unit, step)
            covariance[k, m] = step[4:6]
    return covariance, good


def _model(values: Floats, columns: Floats, typical: float) -> Floats:
    """Return the picture of all columns on the smooth part of what they leave."""
    model = np.zeros_like(values)
    for column in columns:
        add_shape(model, column, LIVE_WIDTHS, 1.0)
    return np.asarray(model + ndimage.gaussian_filter(values - model, BACKGROUND_WIDTHS * typical))


def _correlated_pixels(residual: Floats) -> float:
    """Return by how much neighbouring pixels' correlation (a resampled file) raises variances."""
    square = float(np.mean(residual**2))
    lags = [
        float(np.mean(residual[:, 1:] * residual[:, :-1])) / square,
        float(np.mean(residual[1:] * residual[:-1])) / square,
    ]
    smallest = 4.0 / np.sqrt(residual.size)
    return float(np.prod([1.0 + 2.0 * (lag if lag > smallest else 0.0) for lag in lags]))


def summarize_column_shapes(
    shapes: pd.DataFrame, groups: ArrayLike | None = None, *, signs: ArrayLike | None = None
) -> pd.DataFrame:
    """Split columns' ellipticity into what all share, what each kind has and what alternates.

    Parameters
    ----------
    shapes
        What ``column_shapes`` returns.
    groups
        int (n,): kind or sublattice of each column; None takes them as one.
    signs
        -1 or +1 (n,): the pattern of an octahedral tilt, by turns from column to column; the mean
        of sign times ellipticity is the ``alternating`` row of each group. None leaves it out.

    Returns
    -------
    pandas.DataFrame
        Rows part (``all``, ``group k``, ``group k less all``, ``group k alternating``), n, e_plus,
        e_cross, their sd, ellipticity, angle and p (chi-square of zero). ``spread_excess`` is the
        mean square of the columns' scatter about their group's mean over its expectation from
        errors.

    Raises
    ------
    InputError
        For arrays of another length or signs other than -1 and +1.
    NotIdentified
        When no column has a fitted shape.

    Notes
    -----
    What all columns share is tilt of the sample, astigmatism or drift as well as structure: the
    picture cannot tell them apart; differences between kinds and alternation are not made by them.

    Examples
    --------
    >>> import pandas as pd
    >>> shapes = pd.DataFrame({
    ...     "e_plus": [0.1, -0.1] * 8, "e_cross": 0.0, "e_plus_sd": 0.01, "e_cross_sd": 0.01,
    ...     "e_covariance": 0.0,
    ... })
    >>> table = summarize_column_shapes(shapes, signs=[1, -1] * 8)
    >>> table.loc[table["part"] == "group 0 alternating", "e_plus"].round(3).tolist()
    [0.1]
    """
    import pandas as pd

    n = len(shapes)
    kinds = np.zeros(n, dtype=np.int64) if groups is None else np.asarray(groups)
    if kinds.shape != (n,):
        raise InputError(f"groups must have shape ({n},); got {kinds.shape}.")
    turns = None
    if signs is not None:
        turns = np.asarray(signs, dtype=np.float64)
        if turns.shape != (n,) or not np.isin(turns, (-1.0, 1.0)).all():
            raise InputError(f"signs must hold -1 and +1 in shape ({n},); got {turns.shape}.")
    e = shapes[["e_plus", "e_cross"]].to_numpy(dtype=np.float64)
    covariance = np.empty((n, 2, 2))
    covariance[:, 0, 0] = shapes["e_plus_sd"].to_numpy() ** 2
    covariance[:, 1, 1] = shapes["e_cross_sd"].to_numpy() ** 2
    covariance[:, 0, 1] = covariance[:, 1, 0] = shapes["e_covariance"].to_numpy()
    known = np.isfinite(e).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2))
    if not known.any():
        raise NotIdentified("no column has a fitted shape with an error.")
    total, total_error, _ = _mean(e[known], covariance[known])
    rows = [_row("all", e[known], covariance[known])]
    for kind in np.unique(kinds[known]):
        here = known & (kinds == kind)
        rows.append(_row(f"group {kind}", e[here], covariance[here]))
        if len(np.unique(kinds[known])) > 1:
            mean, error, _ = _mean(e[here], covariance[here])
            # the mean of all holds this group with its share
            share = here.sum() / known.sum()
            gap_error = error * (1 - 2 * share) + total_error
            rows.append(_shown(f"group {kind} less all", here.sum(), mean - total, gap_error))
        if turns is not None:
            rows.append(
                _row(f"group {kind} alternating", e[here] * turns[here, None], covariance[here])
            )
    return pd.DataFrame(rows)


def _mean(e: Floats, covariance: Floats) -> tuple[Floats, Floats, float]:
    """Return the plain mean, its covariance from the larger of errors and scatter, the excess."""
    n = len(e)
    mean = e.mean(axis=0)
    expected = covariance.mean(axis=0)
    if n < 3:
        return mean, expected / n, float("nan")
    scatter = np.cov(e.T)
    excess = float(np.trace(scatter) / max(np.trace(expected), 1e-300))
    return mean, expected * max(excess, 1.0) / n, excess


def _row(part: str, e: Floats, covariance: Floats) -> dict[str, object]:
    """Return one row of the summary."""
    mean, error, excess = _mean(e, covariance)
    return _shown(part, len(e), mean, error) | {"spread_excess": excess}


def _shown(part: str, n: int, mean: Floats, error: Floats) -> dict[str, object]:
    """Return the row of a mean and its covariance."""
    from scipy.stats import chi2

    square = float(mean @ np.linalg.pinv(error) @ mean)
    return {
        "part": part, "n": int(n), "e_plus": mean[0], "e_cross": mean[1],
        "e_plus_sd": np.sqrt(error[0, 0]), "e_cross_sd": np.sqrt(error[1, 1]),
        "ellipticity": float(np.hypot(*mean)),
        "angle": float(0.5 * np.arctan2(mean[1], mean[0]) % np.pi), "p": float(chi2.sf(square, 2)),
        "spread_excess": float("nan"),
    }  # fmt: skip
