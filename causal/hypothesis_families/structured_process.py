"""A structured Gaussian process: a physical mean function, a smooth deviation, and noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import strict_number
from physlearn.causal.hypothesis_families.tempered_particles import tempered_particles
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, check_count
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "MeanFunction", "Process", "ProcessOptions", "draw_functions", "fit_process",
    "process_log_likelihood",
]  # fmt: skip

LARGEST_BLOCK = 4_000_000


class Distribution(Protocol):
    """What is needed of a frozen distribution of scipy.stats."""

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws."""

    def logpdf(self, x: Floats) -> Floats:
        """Return the log density."""


@dataclass(frozen=True, slots=True, eq=False)
class MeanFunction:
    """A law in words of physics: a function of the coordinates, with priors of its parameters.

    Attributes
    ----------
    function
        Of (coordinates (n, n_coordinates), parameters): parameters are (m, 1) arrays by name, the
        result is (m, n).
    priors
        Parameter -> frozen distribution of scipy.stats.
    weight
        Of the law before the data.

    Examples
    --------
    >>> from scipy import stats
    >>> power = MeanFunction(lambda x, p: p["size"] * x[:, 0] ** p["power"],
    ...                      {"size": stats.norm(0, 2), "power": stats.uniform(0.5, 3)})
    >>> power.weight
    1.0
    """

    function: Callable[[Floats, Mapping[str, Floats]], ArrayLike]
    priors: Mapping[str, Distribution]
    weight: float = 1.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"function must be a function; got {self.function!r}.")
        for name, prior in self.priors.items():
            if not hasattr(prior, "logpdf") or not hasattr(prior, "rvs"):
                raise InputError(
                    f"priors must be frozen distributions of scipy.stats, such as stats.norm(0, 1);"
                    f" that of {name!r} is {prior!r}."
                )
        object.__setattr__(self, "priors", MappingProxyType(dict(self.priors)))
        object.__setattr__(self, "weight", strict_number("weight", self.weight, minimum=0))


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """The Gaussian process that takes up what a mean function leaves.

    Attributes
    ----------
    deviation_sd
        Median of its standard deviation, in the unit of the readout; the noise when None; 0 for
        mean functions alone.
    deviation_spread
        Standard deviation of the log of that.
    length
        Median of its correlation length, in the unit of the coordinates; a third of their largest
        range when None.
    length_spread
        Standard deviation of the log of that.
    n_particles
        Draws of the posterior of parameters, deviation and length.
    n_features
        Cosines that one deviation is made of.

    Examples
    --------
    >>> ProcessOptions(deviation_sd=0.1).n_particles
    1000
    """

    deviation_sd: float | None = None
    deviation_spread: float = 1.0
    length: float | None = None
    length_spread: float = 0.5
    n_particles: int = 1000
    n_features: int = 128

    def __post_init__(self) -> None:
        if self.deviation_sd is not None:
            strict_number("deviation_sd", self.deviation_sd, minimum=0)
        if self.length is not None:
            strict_number("length", self.length, above=0)
        strict_number("deviation_spread", self.deviation_spread, above=0)
        strict_number("length_spread", self.length_spread, above=0)
        check_count("n_particles", self.n_particles, 100)
        check_count("n_features", self.n_features, 16)
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A mean function, its data, and the posterior of its numbers."""

    mean: MeanFunction
    x: Floats
    y: Floats
    noise_sd: float
    has_deviation: bool
    draws: Floats


def process_log_likelihood(
    residuals: ArrayLike,
    x: ArrayLike,
    deviation_sd: ArrayLike,
    length: ArrayLike,
    noise_sd: float,
) -> Floats:
    """Return the log likelihood of residuals of a mean function, for many parameters at once.

    Parameters
    ----------
    residuals
        (m, n): readouts less the mean function of each of m draws.
    x
        (n, n_coordinates).
    deviation_sd, length
        (m,): squared exponential kernel deviation_sd^2 exp(-d^2 / (2 length^2)).
    noise_sd
        Of one readout.

    Returns
    -------
    array
        (m,).

    Notes
    -----
    Rasmussen & Williams (2006), eq. 2.30.

    Examples
    --------
    >>> float(process_log_likelihood([[0.0]], [[0.0]], [0.0], [1.0], 1.0)[0].round(6))
    -0.918939
    """
    left, places = np.asarray(residuals, np.float64), np.asarray(x, np.float64)
    size, reach = np.asarray(deviation_sd, np.float64), np.asarray(length, np.float64)
    m, n = left.shape
    squares = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    result = np.empty(m)
    at_once = max(1, LARGEST_BLOCK // max(n * n, 1))
    for start in range(0, m, at_once):
        part = slice(start, start + at_once)
        root = _root(squares, size[part], reach[part], noise_sd)
        white = np.linalg.solve(root, left[part, :, None])[:, :, 0]
        log_det = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        result[part] = -0.5 * (white**2).sum(axis=1) - log_det - 0.5 * n * math.log(2 * math.pi)
    return result


def _root(squares: Floats, size: Floats, reach: Floats, noise_sd: float) -> Floats:
    """Return Cholesky factors (m, n, n) of the readouts' covariance."""
    covariance = _kernel(squares[None], size[:, None, None], reach[:, None, None])
    n = len(squares)
    covariance[:, np.arange(n), np.arange(n)] += noise_sd**2
    return np.asarray(np.linalg.cholesky(covariance))


def _kernel(squares: Floats, size: Floats, reach: Floats) -> Floats:
    return np.asarray(size**2 * np.exp(-0.5 * squares / reach**2))


def fit_process(
    law: MeanFunction,
    x: Floats,
    y: Floats,
    noise_sd: float,
    options: ProcessOptions,
    rng: np.random.Generator,
) -> tuple[Process, float]:
    """Return the posterior of one law's numbers, and its log evidence."""
    n, names = options.n_particles, list(law.priors)
    columns = [np.asarray(law.priors[k].rvs(n, random_state=rng), np.float64) for k in names]
    middle = noise_sd if options.deviation_sd is None else options.deviation_sd
    deviates = middle > 0
    reach = options.length or max(float(np.ptp(x, axis=0).max()) if len(x) else 0.0, 1e-300) / 3
    if options.length is None and (not len(x) or np.ptp(x, axis=0).max() == 0):
        reach = 1.0
    centre = np.array([math.log(middle), math.log(reach)]) if deviates else np.zeros(0)
    spread = np.array([options.deviation_spread, options.length_spread])[: len(centre)]
    columns += list((centre + spread * rng.standard_normal((n, len(centre)))).T)
    start = np.stack(columns, axis=1) if columns else np.empty((n, 0))
    process = Process(law, x, y, noise_sd, deviates, start)
    if not len(y) or not start.shape[1]:
        logs = _log_likelihood(process, start) if len(y) else np.zeros(n)
        return process, float(logs[0])

    def log_prior(draws: Floats) -> Floats:
        with np.errstate(all="ignore"):
            total = sum((law.priors[k].logpdf(draws[:, i]) for i, k in enumerate(names)),
                        np.zeros(len(draws)))  # fmt: skip
        hyper = (draws[:, len(names) :] - centre) / spread
        return np.asarray(total - 0.5 * (hyper**2).sum(axis=1))

    found = tempered_particles(start, log_prior, lambda d: _log_likelihood(process, d), rng)
    return Process(law, x, y, noise_sd, deviates, found.draws), found.log_evidence


def _log_likelihood(process: Process, draws: Floats) -> Floats:
    residuals = process.y - _means(process, draws, process.x)
    size, reach = _hyper(process, draws)
    defined = np.isfinite(residuals).all(axis=1)
    result = np.full(len(draws), -np.inf)
    result[defined] = process_log_likelihood(
        residuals[defined], process.x, size[defined], reach[defined], process.noise_sd
    )
    return result


def _means(process: Process, draws: Floats, x: Floats) -> Floats:
    parameters = {name: draws[:, i, None] for i, name in enumerate(process.mean.priors)}
    with np.errstate(all="ignore"):
        values = np.asarray(process.mean.function(x, parameters), dtype=np.float64)
    if values.shape not in ((len(draws), len(x)), (1, len(x)), (len(x),)):
        raise InputError(
            f"a mean function must return ({len(draws)}, {len(x)}) for coordinates {x.shape} and "
            f"parameters ({len(draws)}, 1); got {values.shape}."
        )
    return np.array(np.broadcast_to(values, (len(draws), len(x))))


def _hyper(process: Process, draws: Floats) -> tuple[Floats, Floats]:
    if not process.has_deviation:
        return np.zeros(len(draws)), np.ones(len(draws))
    return np.exp(draws[:, -2]), np.exp(draws[:, -1])


def draw_functions(
    process: Process, places: Floats, rng: np.random.Generator, n: int, n_features: int
) -> Floats:
    """Return n functions of the posterior process at places (k, d), (n, k), by Matheron's rule."""
    # all that is random is drawn before the places are looked at: same members for any acts
    draws = process.draws[rng.integers(len(process.draws), size=n)]
    dims = places.shape[1]
    waves = rng.standard_normal((n, n_features, dims))
    phases = rng.uniform(0, 2 * math.pi, (n, n_features, 1))
    heights = rng.standard_normal((n, 1, n_features))
    noise = process.noise_sd * rng.standard_normal((n, len(process.y)))
    values = _means(process, draws, places)
    if not process.has_deviation:
        return values
    size, reach = _hyper(process, draws)

    def free(x: Floats) -> Floats:
        inside = np.cos((waves / reach[:, None, None]) @ x.T + phases)
        return size[:, None] * math.sqrt(2 / n_features) * (heights @ inside)[:, 0]

    values = values + free(places)
    if not len(process.y):
        return values
    left = process.y - _means(process, draws, process.x) - free(process.x) - noise
    squares = ((process.x[:, None] - process.x[None]) ** 2).sum(axis=2)
    root = _root(squares, size, reach, process.noise_sd)
    solved = np.linalg.solve(root.transpose(0, 2, 1), np.linalg.solve(root, left[:, :, None]))
    across = ((places[:, None] - process.x[None]) ** 2).sum(axis=2)
    update = _kernel(across[None], size[:, None, None], reach[:, None, None]) @ solved
    return values + update[:, :, 0]
