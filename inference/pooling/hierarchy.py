"""Couplings of many samples pooled by half: population, trend, spread, and every sample's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    as_generator,
    check_array,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.inference.pooling.fit_likelihoods import Information, information_of, prior_moments
from physlearn.inference.pooling.hierarchy_checks import HALF_NORMAL_SD, judge_pooling
from physlearn.inference.pooling.hierarchy_posterior import (
    HierarchyData,
    HierarchyDraws,
    sample_hierarchy,
)
from physlearn.inference.pooling.same_models import check_same_models
from physlearn.option_fields import check_fields
from physlearn.results import Fit, fit_from_draws

__all__ = ["PoolingOptions", "pool_couplings"]

Float = NDArray[np.float64]
FORMS = ("none", "linear", "inverse")
METHODS = ("exact", "nuts")


@dataclass(frozen=True, slots=True)
class PoolingOptions:
    """Choices of ``pool_couplings`` that usually stay as they are.

    Attributes
    ----------
    variable
        Which variable of the fits is pooled.
    mean_sd, slope_sd, spread_sd
        Prior standard deviations of the population mean, of its change over one standard deviation
        of the covariate (the whole mean for form ``inverse``), and of the half-normal spread
        between samples. They do not depend on the covariate's unit. None: the fits' own prior sd
        for mean and slope, half of it for the spread.
    method
        ``exact``: mean, slope and samples integrated in closed form, the spread by importance
        sampling. ``nuts``: the same model in PyMC.

    Examples
    --------
    >>> PoolingOptions(spread_sd=0.05).method
    'exact'
    """

    variable: str = "couplings"
    mean_sd: float | None = None
    slope_sd: float | None = None
    spread_sd: float | None = None
    method: str = "exact"

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        for name in ("mean_sd", "slope_sd", "spread_sd"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_fields(self)


def pool_couplings(
    fits: Sequence[Fit] | Mapping[str, Fit],
    covariate: ArrayLike | None = None,
    *,
    form: str = "auto",
    options: PoolingOptions | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Pool the couplings of several samples: population mean, trend, spread, shrunken couplings.

    Each fit's data enter as a Gaussian likelihood, its posterior divided by its own prior. The
    couplings of sample j are theta_j = mean + slope z_j + spread u_j (form ``linear``; z the
    covariate centred on its mean), or mean (x_0 / x_j) + spread u_j (form ``inverse``: J = -V / kT
    over temperatures x, x_0 their harmonic mean), with u_j standard normal.

    Parameters
    ----------
    fits
        One fit a sample (a mapping names the samples), all with the same shells.
    covariate
        One number a sample: composition, temperature, dose.
    form
        ``none``, ``linear``, ``inverse``, or ``auto``: linear where there is a covariate.
    options
        Variable, priors and method.
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.
    progress
        Called with (points so far, most points).

    Returns
    -------
    Fit
        ``population`` (at the mean covariate, or at x_0), ``slope`` per unit of the covariate (form
        linear), ``spread`` (standard deviation between samples), and the variable itself with a
        first dimension ``sample``. ``diagnostics``: ``outliers`` (p of each sample given the
        others), ``shrinkage`` (posterior sd over the sample's own), ``unpooled``,
        ``pooled_completely`` (mean, sd), ``effective_draws``.

    Raises
    ------
    InputError
        For fewer than two fits, fits of different models, units or shapes, or a covariate that
        does not vary.

    Notes
    -----
    A. Gelman, Bayesian Analysis 1, 515 (2006), doi:10.1214/06-BA117A (priors of spreads).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> fits = [fit_from_draws({"couplings": rng.normal(m, 0.03, (2000, 1))}, model="", seed=0,
    ...     likelihood="", approximation="", data=b"", prior_sd={"couplings": [0.5]})
    ...     for m in (0.18, 0.21, 0.24, 0.26)]
    >>> pooled = pool_couplings(fits, [0.1, 0.2, 0.3, 0.4], rng=1)
    >>> pooled["population"].mean().round(2).item(), pooled["slope"].mean().round(1).item()
    (0.22, 0.3)
    """
    chosen = options or PoolingOptions()
    check_choice("form", form, ("auto", *FORMS))
    check_count("n_draws", n_draws, 100)
    names, records = _named(fits)
    generator, seed = as_generator(rng)
    shape = _common_shape(records, names, chosen.variable)
    doubts = check_same_models(records, names, chosen.variable)
    found = [information_of(fit, chosen.variable) for fit in records]
    kind = form if form != "auto" else "none" if covariate is None else "linear"
    design, unit, center = _design(kind, covariate, len(records))
    data = _hierarchy(found, design, chosen, records)
    draws = _sample(data, chosen, int(n_draws), generator, progress)
    flags, numbers = judge_pooling(found, data, draws, names, kind)
    return _as_fit(
        records, names, shape, chosen, kind, (unit, center), data, draws, seed, [*doubts, *flags],
        numbers,
    )  # fmt: skip


def _named(fits: Sequence[Fit] | Mapping[str, Fit]) -> tuple[list[str], list[Fit]]:
    if isinstance(fits, Mapping):
        names, records = [str(name) for name in fits], list(fits.values())
    else:
        records = list(fits) if isinstance(fits, Sequence) else []
        names = [str(number) for number in range(len(records))]
    if len(records) < 2 or not all(isinstance(fit, Fit) for fit in records):
        raise InputError(
            f"fits must be at least two results of fit_lattice_hamiltonian; got {len(records)}"
            f"{'' if all(isinstance(f, Fit) for f in records) else ' and not all are fits'}."
        )
    return names, records


def _common_shape(records: list[Fit], names: list[str], variable: str) -> tuple[int, ...]:
    shapes = [fit[variable].shape[1:] for fit in records]
    other = next((index for index, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise InputError(
            f"fits must have {variable} of one shape; sample {names[0]} has {shapes[0]}, sample "
            f"{names[other]} has {shapes[other]}: fit all with the same model and shells."
        )
    return tuple(int(length) for length in shapes[0])


def _design(kind: str, covariate: ArrayLike | None, n: int) -> tuple[Float, float, float]:
    """Return the design, the unit of its second column (or 1) and the reference covariate."""
    if kind == "none":
        return np.ones((n, 1)), 1.0, 0.0
    if covariate is None:
        raise InputError(f"covariate must be given for form {kind}; got None.")
    x = check_array("covariate", covariate, shape=(n,))
    if kind == "inverse":
        if np.any(x <= 0):
            raise InputError(
                f"covariate must be positive for form inverse; got {float(x.min()):g} for sample "
                f"{int(x.argmin())}."
            )
        reference = float(1 / np.mean(1 / x))
        return (reference / x)[:, None], 1.0, reference
    unit = float(x.std())
    if unit == 0:
        raise InputError(
            f"covariate must vary between the samples; all have {x[0]:g}. Leave it out."
        )
    return np.column_stack([np.ones(n), (x - x.mean()) / unit]), unit, float(x.mean())


def _hierarchy(
    found: list[Information],
    design: Float,
    options: PoolingOptions,
    records: list[Fit],
) -> HierarchyData:
    """Return the data and priors of the hierarchy."""
    k, b = len(found[0].mean), design.shape[1]
    own = np.max([prior_moments(fit, options.variable)[1] for fit in records], axis=0)
    rough = np.array([one.mean for one in found])
    usual = np.where(
        np.isfinite(own), own, 10 * np.maximum(np.abs(rough).max(axis=0), rough.std(axis=0))
    )
    base_sd = np.empty((b, k))
    base_sd[0] = options.mean_sd or usual
    if b == 2:
        base_sd[1] = options.slope_sd or usual
    return HierarchyData(
        np.array([one.precision for one in found]), np.array([one.linear for one in found]), design,
        np.zeros((b, k)), base_sd,
        np.broadcast_to(np.asarray(options.spread_sd or usual / 2, np.float64), (k,)).copy(),
    )  # fmt: skip


def _sample(
    data: HierarchyData,
    options: PoolingOptions,
    n_draws: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None,
) -> HierarchyDraws:
    if options.method == "exact":
        return sample_hierarchy(data, n_draws, rng, progress)
    from physlearn.inference.pooling.hierarchy_model import sample_with_nuts

    return sample_with_nuts(data, n_draws, rng)


def _as_fit(
    records: list[Fit],
    names: list[str],
    shape: tuple[int, ...],
    options: PoolingOptions,
    kind: str,
    scale: tuple[float, float],
    data: HierarchyData,
    draws: HierarchyDraws,
    seed: int,
    flags: list[str],
    numbers: dict[str, Any],
) -> Fit:
    """Wrap everything as a fit."""
    variable = options.variable
    posterior = records[0].idata["posterior"][variable]
    inner = [str(dim) for dim in posterior.dims if dim not in ("chain", "draw")]
    unit, center = scale
    made: dict[str, Float] = {
        "population": draws.base[:, 0].reshape(-1, *shape),
        "spread": draws.spread.reshape(-1, *shape),
        variable: draws.samples.reshape(len(draws.samples), len(names), *shape),
    }
    own_unit = _unit_of(records[0], variable)
    units = dict.fromkeys(made, own_unit)
    prior_sd = {
        "population": data.base_sd[0].reshape(shape).tolist(),
        "spread": (HALF_NORMAL_SD * data.spread_sd).reshape(shape).tolist(),
    }
    if kind == "linear":
        made["slope"] = (draws.base[:, 1] / unit).reshape(-1, *shape)
        units["slope"] = f"{own_unit} per unit of the covariate"
        prior_sd["slope"] = (data.base_sd[1] / unit).reshape(shape).tolist()
    where = {
        "none": "", "linear": f" at covariate {center:.4g}, linear in it",
        "inverse": f" at covariate {center:.4g}, falling as its inverse",
    }[kind]  # fmt: skip
    dims = dict.fromkeys(made, inner) | {variable: ["sample", *inner]}
    return fit_from_draws(
        made,
        model=f"{variable} of {len(names)} samples about a population{where}; each: "
        f"{records[0].model}",
        likelihood="Gaussian likelihoods of the fits, their priors divided out",
        approximation=(
            "spread by importance sampling, the rest in closed form"
            if options.method == "exact"
            else "NUTS"
        ),
        seed=seed,
        data="".join(str(fit.attrs["data_sha256"]) for fit in records).encode(),
        prior_sd=prior_sd,
        units=units,
        dims=dims,
        coords={
            "sample": names,
            **{dim: posterior[dim].to_numpy().tolist() for dim in inner if dim in posterior.coords},
        },
        diagnostics=numbers,
        warnings=flags,
        attrs={"covariate_form": kind, "covariate_reference": center},
    )  # fmt: skip


def _unit_of(fit: Fit, variable: str) -> str:
    return str(json.loads(fit.attrs.get("units", "{}")).get(variable, "1"))
