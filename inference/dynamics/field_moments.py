"""Weak-form features of a film, their cross moments over two sets of frames, and their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physlearn.checks import InputError
from physlearn.inference.dynamics.field_library import Feature, Source, source_values
from physlearn.inference.dynamics.field_windows import AxisWindows

__all__ = [
    "Moments",
    "WeakSystem",
    "cross_moments",
    "left_over",
    "leverages",
    "pooled_covariance",
    "score_covariance",
    "scores",
    "weak_system",
]

Floats = NDArray[np.float64]

FLAT_REACH = 1.4  # further than two bumps' noise is correlated
REACH = 2.0  # half widths over which windows are taken to be correlated


@dataclass(frozen=True, eq=False)
class WeakSystem:
    """Features and rates of all windows, from each subset of frames.

    Attributes
    ----------
    features
        (n_subsets, n_windows_t, n_windows_y, n_windows_x, n_features), each the window's mean.
    rates
        (n_subsets, n_windows_t, n_windows_y, n_windows_x, n_fields): du/dt.
    pairs
        Pairs of subsets whose noise is independent.
    valid
        Windows that touch no masked pixel.
    axes
        The windows along time, y and x.
    """

    features: Floats
    rates: Floats
    pairs: tuple[tuple[int, int], ...]
    valid: NDArray[np.bool_]
    axes: tuple[AxisWindows, AxisWindows, AxisWindows]

    @property
    def n_windows(self) -> int:
        """Number of windows used."""
        return int(self.valid.sum())

    @property
    def n_independent(self) -> float:
        """Number of windows that would know as much if they did not overlap."""
        share = 1.0
        for axis in self.axes:
            share /= float(np.mean((axis.correlation**2).sum(axis=1)))
        return self.n_windows * share


def weak_system(
    fields: Floats, seen: NDArray[np.bool_], noise_sd: Floats, drive: Floats | None,
    spacing: tuple[float, float], library: tuple[Feature, ...],
    axes: tuple[AxisWindows, AxisWindows, AxisWindows],
    subsets: list[NDArray[np.int64]], pairs: tuple[tuple[int, int], ...],
) -> WeakSystem:  # fmt: skip
    """Average every feature over every window, for every subset of frames."""
    along_t, along_y, along_x = axes
    shape = (len(subsets), len(along_t.centres), len(along_y.centres), len(along_x.centres))
    features = np.empty((*shape, len(library)))
    rates = np.empty((*shape, len(fields)))
    by_source: dict[Source, list[int]] = {}
    for place, feature in enumerate(library):
        by_source.setdefault(feature.source, []).append(place)
    for source, places in by_source.items():
        values = source_values(source, fields, noise_sd, drive, spacing)
        if source.own:
            values = _finite(library[places[0]].name, values, seen)
        for index, subset in enumerate(subsets):
            calm = _over_time(values[subset], along_t.weights[index][0])
            rows: dict[int, Floats] = {}
            for place in places:
                total = np.zeros(shape[1:])
                for factor, order_y, order_x in library[place].operator:
                    if order_y not in rows:
                        rows[order_y] = _over_rows(calm, along_y.weights[order_y])
                    sign = factor * (-1.0) ** (order_y + order_x)
                    total += sign * (rows[order_y] @ along_x.weights[order_x].T)
                features[index, ..., place] = total
    for place, field in enumerate(fields):
        for index, subset in enumerate(subsets):
            moving = _over_time(field[subset], along_t.weights[index][1])
            rows_of = _over_rows(moving, along_y.weights[0])
            rates[index, ..., place] = rows_of @ along_x.weights[0].T
    return WeakSystem(features, rates, pairs, _valid(seen, axes, subsets), axes)


def _finite(name: str, values: Floats, seen: NDArray[np.bool_]) -> Floats:
    finite = np.isfinite(values)
    if (seen & ~finite).any():
        frame, row, column = np.argwhere(seen & ~finite)[0]
        raise InputError(
            f"terms must have a value at every pixel, with noise of one to two sd more; {name!r} "
            f"has none at frame {frame}, row {row}, column {column}: leave it out or shift its "
            "argument."
        )
    return np.where(finite, values, 0.0)


def _over_time(values: Floats, weights: Floats) -> Floats:
    """(n_frames, n_rows, n_columns) by (n_rows or 1, n_windows, n_frames)."""
    if len(weights) == 1:
        n_frames, n_rows, n_columns = values.shape
        flat = weights[0] @ values.reshape(n_frames, -1)
        return np.asarray(flat.reshape(-1, n_rows, n_columns))
    return np.ascontiguousarray(np.swapaxes(weights @ np.swapaxes(values, 0, 1), 0, 1))


def _over_rows(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values)


def _valid(
    seen: NDArray[np.bool_], axes: tuple[AxisWindows, AxisWindows, AxisWindows],
    subsets: list[NDArray[np.int64]],
) -> NDArray[np.bool_]:  # fmt: skip
    along_t, along_y, along_x = axes
    shape = tuple(len(axis.centres) for axis in axes)
    result = np.ones(shape, dtype=bool)
    if along_t.allowed is not None:
        result[~along_t.allowed] = False
    if seen.all():
        return result
    for index, subset in enumerate(subsets):
        touched = (along_t.weights[index][0] != 0).any(axis=0).astype(float)
        lacking = _over_time((~seen[subset]).astype(float), touched[None])
        lacking = (along_y.weights[0] != 0).astype(float) @ lacking
        lacking = lacking @ (along_x.weights[0] != 0).astype(float).T
        result &= lacking < 0.5
    return result


@dataclass(frozen=True, eq=False)
class Moments:
    """Normal equations ``inner c = moment`` over independent pairs of subsets, scaled features.

    ``motion`` is the mean square of du/dt without its noise; ``own_*`` are the same products
    within subsets, which hold the noise.
    """

    inner: Floats
    moment: Floats
    motion: float
    scale: Floats
    own_inner: Floats
    own_moment: Floats
    own_motion: float

    def unexplained(self, coefficients: Floats) -> float:
        """Mean square of what a law leaves of du/dt, without noise."""
        c = coefficients
        return float(self.motion - 2 * c @ self.moment + c @ self.inner @ c)

    def residual(self, coefficients: Floats) -> float:
        """Mean square of what a law leaves of a window's du/dt, noise included."""
        c = coefficients
        return max(float(self.own_motion - 2 * c @ self.own_moment + c @ self.own_inner @ c), 0.0)


def cross_moments(system: WeakSystem, target: int) -> Moments:
    """Mean products of features with features and rates, noise of one subset with the other's."""
    n_features = system.features.shape[-1]
    inner = np.zeros((n_features, n_features))
    moment = np.zeros(n_features)
    motion = 0.0
    for first, second in system.pairs:
        a, b = (system.features[k][system.valid] for k in (first, second))
        y_a, y_b = (system.rates[k][system.valid][:, target] for k in (first, second))
        product = a.T @ b
        inner += 0.5 * (product + product.T)
        moment += 0.5 * (a.T @ y_b + b.T @ y_a)
        motion += float(y_a @ y_b)
    count = len(system.pairs) * max(system.n_windows, 1)
    inner, moment, motion = inner / count, moment / count, motion / count
    size = np.sqrt(np.mean(system.features[:, system.valid] ** 2, axis=(0, 1)))
    scale = np.where(size > 0, size, 1.0)
    flat = system.features[:, system.valid].reshape(-1, n_features) / scale
    own = system.rates[:, system.valid][..., target].ravel()
    size_of = max(len(own), 1)
    return Moments(
        inner / np.outer(scale, scale), moment / scale, motion, scale,
        flat.T @ flat / size_of, flat.T @ own / size_of, float(own @ own) / size_of,
    )  # fmt: skip


def left_over(system: WeakSystem, target: int, scale: Floats, coefficients: Floats) -> Floats:
    """Each window's product of the residuals of the two subsets, (n_t, n_y, n_x, 1)."""
    result = np.zeros((*system.valid.shape, 1))
    for first, second in system.pairs:
        a, b = (
            system.rates[k][..., target] - (system.features[k] / scale) @ coefficients
            for k in (first, second)
        )
        result[..., 0] += a * b / len(system.pairs)
    result[~system.valid] = 0.0
    return result


def scores(system: WeakSystem, target: int, scale: Floats, coefficients: Floats) -> Floats:
    """Each window's share of ``moment - inner c``, (n_t, n_y, n_x, n_features); zero if masked.

    ``coefficients`` belong to the scaled features.
    """
    result = np.zeros(system.features.shape[1:])
    for first, second in system.pairs:
        a, b = (system.features[k] / scale for k in (first, second))
        left_a = system.rates[first][..., target] - a @ coefficients
        left_b = system.rates[second][..., target] - b @ coefficients
        result += 0.5 * (a * left_b[..., None] + b * left_a[..., None])
    result[~system.valid] = 0.0
    return result / len(system.pairs)


def score_covariance(system: WeakSystem, values: Floats) -> Floats:
    """Covariance of the mean score, windows that overlap being correlated.

    A product of triangular lag windows of two half widths along each axis, which keeps it positive
    (Conley 1999, 10.1016/S0304-4076(98)00084-0).
    """
    n_features = values.shape[-1]
    near = _neighbourhood(system, values).reshape(-1, n_features)
    result = values.reshape(-1, n_features).T @ near / system.n_windows**2
    return np.asarray(0.5 * (result + result.T))


def pooled_covariance(
    system: WeakSystem, target: int, scale: Floats, coefficients: Floats,
    places: list[int] | None = None, flat: tuple[bool, ...] = (False,),
) -> list[Floats]:  # fmt: skip
    """Covariance of the mean score if the residuals' noise were the same everywhere.

    The residuals' covariance at each lag is pooled over all windows, which few bright windows
    cannot dominate; features of one subset meet residuals of the other. ``places``: of some
    features only. One matrix for each of ``flat``: True counts lags up to FLAT_REACH in full and
    later ones not, which is unbiased but may be negative.
    """
    chosen = list(range(system.features.shape[-1])) if places is None else places
    size = [
        len(axis.centres) if np.isfinite(axis.period)
        else fft.next_fast_len(2 * len(axis.centres), real=True)
        for axis in system.axes
    ]  # fmt: skip
    tapers = [_lag_taper(system, size, each) for each in flat]
    inner = tuple(slice(0, len(axis.centres)) for axis in system.axes)
    steps = (0, 1, 2)
    spectrum = fft.rfftn(system.valid.astype(float), size, axes=steps)
    pairs_at_lag = np.maximum(fft.irfftn(np.abs(spectrum) ** 2, size, axes=steps), 1.0)
    results: list[Floats] = [np.zeros((len(chosen), len(chosen))) for _ in flat]
    for first, second in system.pairs:
        for one, other in ((first, second), (second, first)):
            left = system.rates[other][..., target] - system.features[other] @ (
                coefficients / scale
            )
            left = np.where(system.valid, left, 0.0)
            power = np.abs(fft.rfftn(left, size, axes=steps)) ** 2
            covariance = fft.irfftn(power, size, axes=steps) / pairs_at_lag
            # features first: their transforms are then contiguous
            shown = np.moveaxis(system.features[one][..., chosen] / scale[chosen], -1, 0)
            shown = np.where(system.valid, shown, 0.0)
            waves = fft.rfftn(shown, size, axes=(1, 2, 3))
            for result, taper in zip(results, tapers, strict=True):
                response = fft.rfftn(covariance * taper, axes=steps)
                near = fft.irfftn(response * waves, size, axes=(1, 2, 3))[:, *inner]
                result += shown.reshape(len(chosen), -1) @ near.reshape(len(chosen), -1).T
    share = 4.0 * len(system.pairs) ** 2 * system.n_windows**2
    return [np.asarray(0.5 * (result + result.T) / share) for result in results]


def _lag_taper(system: WeakSystem, size: list[int], flat: bool) -> Floats:
    """Weights of the lags between windows, of the shape ``size``."""
    result: Floats = np.ones(size)
    for place, (axis, length) in enumerate(zip(system.axes, size, strict=True)):
        lag = np.minimum(np.arange(length), length - np.arange(length))
        step = float(np.abs(np.diff(axis.centres[:2])).sum()) / axis.half_width
        taper = np.maximum(0.0, 1.0 - lag * step / REACH)
        if flat:
            taper = (lag * step <= FLAT_REACH).astype(float)
        result = result * taper.reshape([-1 if k == place else 1 for k in range(3)])
    return result


def leverages(system: WeakSystem, places: list[int], scale: Floats) -> Floats:
    """Share of the constants that a window and its neighbours decide, (n_t, n_y, n_x).

    Residuals there are smaller than the errors by this share; dividing by the rest undoes it
    (Cameron and Miller 2015, 10.3368/jhr.50.2.317, section VI).
    """
    n = len(places)
    products = np.zeros((*system.valid.shape, n, n))
    for first, second in system.pairs:
        a, b = (system.features[k][..., places] / scale[places] for k in (first, second))
        products += 0.5 * (a[..., :, None] * b[..., None, :] + b[..., :, None] * a[..., None, :])
    products[~system.valid] = 0.0
    whole = np.linalg.pinv(products.sum(axis=(0, 1, 2)))
    # the trace with the inverse is linear: smooth one number a window
    own = np.einsum("tyxij,ji->tyx", products, whole) / n
    return np.asarray(_neighbourhood(system, own[..., None])[..., 0])


def _neighbourhood(system: WeakSystem, values: Floats) -> Floats:
    """Sum of a window's and its neighbours' values, tapered."""
    for place, axis in enumerate(system.axes):
        values = _along(np.maximum(0.0, 1.0 - axis.distances() / REACH), values, place)
    return values


def _along(matrix: Floats, values: Floats, axis: int) -> Floats:
    return np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
