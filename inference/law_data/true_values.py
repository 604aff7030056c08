"""Where the true values of columns with errors may lie, given what was read, as narrow normals.

A law of the true value xi is read as y = f(xi) + noise and x = xi + error. What a measurement says
is p(y | x) = integral of p(y | f(xi)) p(xi | x) over xi, and p(xi | x) needs the distribution of
the true values: with a flat one the integral is the effective-variance likelihood, whose slopes
come out too small as those of least squares do (Gull, in Maximum Entropy and Bayesian Methods,
1989, https://doi.org/10.1007/978-94-015-7860-8_55). The distribution is taken from the column
itself: a mixture of normals on a grid, its weights by a few steps of expectation maximisation from
the kernel density of the readings (Laird, J. Am. Stat. Assoc. 73:805, 1978); p(xi | x) is then a
mixture of normals narrower than the error, over each of which the law is nearly straight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from physlearn.checks import InputError
from physlearn.inference.law_data.noise_models import NoiseModel, Observations

__all__ = ["TrueValues", "true_values"]

Floats = NDArray[np.float64]

WIDTHS = {1: 0.4, 2: 0.7}  # of a normal, in errors, by the number of columns with errors
MOST_NORMALS = 400  # of the grid
STEPS = 25
LIGHTEST = 1e-4  # of a measurement's heaviest normal
REACH = 7.0  # standard deviations of a reading within which normals are looked at
MOST_ENTRIES = 20_000_000  # 160 MB an array


@dataclass(frozen=True, slots=True, eq=False)
class TrueValues:
    """Normals (m,) that hold the true values of every measurement, in the measurements' order.

    Attributes
    ----------
    point
        Which measurement a normal belongs to.
    first
        Shape (n,): place of each measurement's first normal.
    log_weight
        Logarithms of the weights; those of one measurement add to 1.
    observations
        The measurements repeated, with the normals' middles as columns.
    noise
        Their noise model, with the normals' widths as errors of x.
    """

    point: NDArray[np.int64]
    first: NDArray[np.int64]
    log_weight: Floats
    observations: Observations
    noise: NoiseModel
    priors: tuple[_Prior, ...]

    def total(self, values: Floats) -> Floats:
        """Sum over the normals of each measurement: (..., m) to (..., n)."""
        result: Floats = np.add.reduceat(values, self.first, axis=-1)
        return result

    def responsibilities(self, log_density: Floats) -> tuple[Floats, Floats]:
        """Log density (n,) of every measurement, and each normal's share in it (m,)."""
        joint = np.where(np.isfinite(log_density), log_density + self.log_weight, -np.inf)
        top = np.maximum.reduceat(joint, self.first)
        with np.errstate(all="ignore"):
            value = top + np.log(self.total(np.exp(joint - top[self.point])))
            share = np.nan_to_num(np.exp(joint - value[self.point]))
        return value, share

    def influence(self, share: Floats, gain: Floats) -> Floats:
        """Return what each measurement adds to the likelihood's slopes, (p, m) to (p, n).

        Its own part, and what its reading of x does to the distribution of the true values and so
        to the parts of all others.
        """
        own = self.total(gain * share)
        moved = share * (gain - own[:, self.point])
        for prior in self.priors:
            k = prior.seen.shape[1]
            pull = np.array([np.bincount(prior.normal, row, minlength=k) for row in moved])
            own = own + prior.felt_by_readings(pull)
        return own


@dataclass(frozen=True, slots=True, eq=False)
class _Prior:
    """How the distribution of one column's true values came about.

    ``normal`` (m,) is each normal's place on the grid, ``seen`` (n, k) the densities of the
    readings, and ``priors`` (k,) what every step led to; the steps' weights, n by k each, follow
    from them.
    """

    normal: NDArray[np.int64]
    seen: csr_array
    priors: tuple[Floats, ...]

    def felt_by_readings(self, pull: Floats) -> Floats:
        """Carry slopes by the logarithms of the weights (p, k) back to the readings, (p, n)."""
        n = self.seen.shape[0]
        felt = np.zeros((len(pull), n))
        for before, prior in zip(self.priors[-2::-1], self.priors[:0:-1], strict=True):
            shares = _weights(self.seen, before)
            weight = csr_array((shares, self.seen.indices, self.seen.indptr), self.seen.shape)
            by_prior = pull / np.maximum(prior, 1e-300)
            step: Floats = np.asarray(weight @ by_prior.T).T
            felt += step
            pull = (by_prior * weight.sum(axis=0) - (weight.T @ step.T).T) / n
        felt += (self.seen @ (pull / np.maximum(self.priors[0], 1e-300)).T).T
        result: Floats = (felt - felt.mean(axis=1, keepdims=True)) / n
        return result


def _weights(seen: csr_array, prior: Floats) -> Floats:
    """Return each reading's shares in the normals of the grid, in the order of ``seen.data``."""
    values = seen.data * prior[seen.indices]
    total = np.add.reduceat(values, seen.indptr[:-1])
    shares: Floats = values / np.repeat(total, np.diff(seen.indptr))
    return shares


def true_values(data: Observations, noise: NoiseModel) -> TrueValues | None:
    """Spread the measurements over where their true values may lie; None where x has no errors.

    Parameters
    ----------
    data
        Measurements.
    noise
        The noise model; one or two columns with errors are resolved, of more each gets one normal
        about the mean of its true value, which is right for straight laws.

    Raises
    ------
    InputError
        If the measurements spread over more than 20 million places: half a million points.

    Examples
    --------
    >>> from physlearn.inference.law_data.noise_models import observe
    >>> noise = NoiseModel(sd=0.1, x_sd={"x": 0.2})
    >>> spread = true_values(observe({"x": np.arange(6.0)}, np.arange(6.0), noise), noise)
    >>> bool(np.allclose(spread.total(np.exp(spread.log_weight)), 1.0))
    True
    """
    n = data.y.size
    errors = {
        name: np.broadcast_to(sd, (n,))
        for name, sd in noise.x_errors
        if np.max(sd, initial=0.0) > 0
    }
    if not errors:
        return None
    point = np.arange(n)
    log_weight = np.zeros(n)
    middles: dict[str, Floats] = {}
    widths: dict[str, Floats] = {}
    priors: list[_Prior] = []
    for name, sd in errors.items():
        one = _normals(name, data.columns[name], sd, WIDTHS.get(len(errors)))
        old, entry = _spread_rows(one.start, point)
        if old.size > MOST_ENTRIES:
            raise InputError(
                f"x_sd spreads {n} points over {old.size} places, more than {MOST_ENTRIES}: take "
                f"every {-(-old.size // MOST_ENTRIES)}th point, or give x_sd of one column alone."
            )
        middles = {key: value[old] for key, value in middles.items()} | {name: one.middle[entry]}
        point = point[old]
        widths = {key: value[old] for key, value in widths.items()} | {name: one.width[point]}
        log_weight = log_weight[old] + np.log(one.weight[entry])
        priors = [replace(other, normal=other.normal[old]) for other in priors]
        priors.append(replace(one.prior, normal=one.place[entry]))
    first = np.searchsorted(point, np.arange(n))
    scale = np.add.reduceat(np.exp(log_weight), first)
    return TrueValues(
        point, first, log_weight - np.log(scale[point]), _repeated(data, point, middles),
        replace(noise, sd=_at(noise.sd, point), x_sd=widths), tuple(priors),
    )  # fmt: skip


def _at(sd: object, point: NDArray[np.int64]) -> Floats | None:
    if sd is None:
        return None
    value = np.asarray(sd, dtype=np.float64)
    return value[point] if value.ndim else value


def _repeated(
    data: Observations, point: NDArray[np.int64], middles: Mapping[str, Floats]
) -> Observations:
    columns = [
        middles.get(name, column[point]) for name, column in zip(data.names, data.x, strict=True)
    ]
    return Observations(np.array(columns), data.y[point], data.names, data.censored[point])


def _spread_rows(
    start: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every entry of every row named: its place among ``rows`` and among the entries."""
    counts = (start[1:] - start[:-1])[rows]
    old = np.repeat(np.arange(rows.size), counts)
    within = np.arange(old.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return old, start[rows][old] + within


@dataclass(frozen=True, slots=True, eq=False)
class _Normals:
    """Normals of one column, those of a reading from ``start`` (n + 1,) on.

    ``place`` on the grid, ``middle`` and ``weight`` are of each normal, ``width`` (n,) of those of
    each reading.
    """

    start: NDArray[np.int64]
    place: NDArray[np.int64]
    middle: Floats
    weight: Floats
    width: Floats
    prior: _Prior


def _normals(name: str, x: Floats, sd: Floats, share: float | None) -> _Normals:
    nowhere = np.zeros(0, dtype=np.int64)
    if share is None:
        rows, one = np.arange(x.size + 1), np.ones(1)
        seen = csr_array((np.ones(x.size), np.zeros(x.size, dtype=np.int64), rows))
        mean, spread = float(x.mean()), max(float(x.var() - np.mean(sd**2)), 1e-6 * float(x.var()))
        kept = spread / (spread + sd**2)
        return _Normals(
            rows, np.zeros(x.size, dtype=np.int64), mean + kept * (x - mean), np.ones(x.size),
            sd * np.sqrt(kept), _Prior(nowhere, seen, (one, one)),
        )  # fmt: skip
    low, high = float(x.min()), float(x.max())
    width = max(share * float(np.median(sd[sd > 0])), (high - low) / MOST_NORMALS)
    centres = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    variance = sd**2 + width**2
    seen = _densities(name, x, variance, centres)
    priors = [seen.sum(axis=0) / x.size]
    for _ in range(STEPS):
        weight = _weights(seen, priors[-1])
        priors.append(np.bincount(seen.indices, weight, minlength=centres.size) / x.size)
    heaviest = np.maximum.reduceat(weight, seen.indptr[:-1])
    row = np.repeat(np.arange(x.size), np.diff(seen.indptr))
    heavy = weight >= LIGHTEST * heaviest[row]
    row, place = row[heavy], seen.indices[heavy].astype(np.int64)
    middle = (x[row] * width**2 + centres[place] * sd[row] ** 2) / variance[row]
    return _Normals(
        np.searchsorted(row, np.arange(x.size + 1)), place, middle, weight[heavy],
        sd * width / np.sqrt(variance), _Prior(nowhere, seen, tuple(priors)),
    )  # fmt: skip


def _densities(name: str, x: Floats, variance: Floats, centres: Floats) -> csr_array:
    """Density of every reading under the normals within `REACH` of it, (n, k)."""
    spacing, reach = centres[1] - centres[0], REACH * np.sqrt(variance)
    first = np.maximum(np.ceil((x - reach - centres[0]) / spacing), 0).astype(np.int64)
    last = np.minimum(np.floor((x + reach - centres[0]) / spacing), centres.size - 1)
    start = np.concatenate([[0], np.cumsum(last.astype(np.int64) - first + 1)])
    if start[-1] > MOST_ENTRIES:
        raise InputError(
            f"x_sd of {name!r} spreads {x.size} points over {start[-1]} places, more than "
            f"{MOST_ENTRIES}: take every {-(-start[-1] // MOST_ENTRIES)}th point."
        )
    row, entry = _spread_rows(start, np.arange(x.size))
    place = first[row] + entry - start[row]
    density = np.exp(-0.5 * (x[row] - centres[place]) ** 2 / variance[row])
    return csr_array((density / np.sqrt(variance[row]), place, start), shape=(x.size, centres.size))
