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

from physlearn.inference.law_data.noise_models import NoiseModel, Observations

__all__ = ["TrueValues", "true_values"]

Floats = NDArray[np.float64]

WIDTHS = {1: 0.4, 2: 0.7}  # of a normal, in errors, by the number of columns with errors
MOST_NORMALS = 400  # of the grid
STEPS = 25
LIGHTEST = 1e-4  # of a measurement's heaviest normal


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
            pull = np.zeros((len(gain), len(prior.weights[-1].T)))
            for row, values in zip(pull, moved, strict=True):
                np.add.at(row, prior.normal, values)
            own = own + prior.felt_by_readings(pull)
        return own


@dataclass(frozen=True, slots=True, eq=False)
class _Prior:
    """How the distribution of one column's true values came about.

    ``normal`` (m,) is each normal's place on the grid, ``seen`` (n, k) the densities of the
    readings, ``weights`` those of every step, (n, k) each, and ``priors`` (k,) what they led to.
    """

    normal: NDArray[np.int64]
    seen: Floats
    weights: tuple[Floats, ...]
    priors: tuple[Floats, ...]

    def felt_by_readings(self, pull: Floats) -> Floats:
        """Carry slopes by the logarithms of the weights (p, k) back to the readings, (p, n)."""
        n = len(self.seen)
        felt = np.zeros((len(pull), n))
        for weight, prior in zip(self.weights[::-1], self.priors[:0:-1], strict=True):
            by_prior = pull / np.maximum(prior, 1e-300)
            felt += by_prior @ weight.T
            pull = (by_prior * weight.sum(axis=0) - (by_prior @ weight.T) @ weight) / n
        felt += (pull / np.maximum(self.priors[0], 1e-300)) @ self.seen.T
        result: Floats = (felt - felt.mean(axis=1, keepdims=True)) / n
        return result


def true_values(data: Observations, noise: NoiseModel) -> TrueValues | None:
    """Spread the measurements over where their true values may lie; None where x has no errors.

    Parameters
    ----------
    data
        Measurements.
    noise
        The noise model; one or two columns with errors are resolved, of more each gets one normal
        about the mean of its true value, which is right for straight laws.

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
        middle, width, prior = _normals(data.columns[name], sd, WIDTHS.get(len(errors)))
        weight = prior.weights[-1]
        kept = weight >= LIGHTEST * weight.max(axis=1, keepdims=True)
        old, new = np.nonzero(kept[point])
        rows = point[old]
        middles = {key: value[old] for key, value in middles.items()} | {name: middle[rows, new]}
        widths = {key: value[old] for key, value in widths.items()} | {name: width[rows]}
        log_weight = log_weight[old] + np.log(weight[rows, new])
        priors = [replace(one, normal=one.normal[old]) for one in priors]
        priors.append(replace(prior, normal=new))
        point = rows
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


def _normals(x: Floats, sd: Floats, share: float | None) -> tuple[Floats, Floats, _Prior]:
    """Middles (n, k) and widths (n,) of the normals of one column, and their weights' history."""
    nowhere = np.zeros(0, dtype=np.int64)
    if share is None:
        one = np.ones((x.size, 1))
        mean, spread = float(x.mean()), max(float(x.var() - np.mean(sd**2)), 1e-6 * float(x.var()))
        kept = spread / (spread + sd**2)
        middle = (mean + kept * (x - mean))[:, None]
        return middle, sd * np.sqrt(kept), _Prior(nowhere, one, (one,), (one[0], one[0]))
    low, high = float(x.min()), float(x.max())
    width = max(share * float(np.median(sd[sd > 0])), (high - low) / MOST_NORMALS)
    centres = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    variance = sd[:, None] ** 2 + width**2
    seen = np.exp(-0.5 * (x[:, None] - centres) ** 2 / variance) / np.sqrt(variance)
    priors = [seen.mean(axis=0)]
    weights = []
    for _ in range(STEPS):
        weight = seen * priors[-1]
        weight = weight / weight.sum(axis=1, keepdims=True)
        weights.append(weight)
        priors.append(weight.mean(axis=0))
    middle = (x[:, None] * width**2 + centres * sd[:, None] ** 2) / variance
    prior = _Prior(nowhere, seen, tuple(weights), tuple(priors))
    return middle, sd * width / np.sqrt(sd**2 + width**2), prior
