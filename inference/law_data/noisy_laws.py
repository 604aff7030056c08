"""Laws under a noise model: what the search screens, and the full likelihood of what it keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.law_data.likelihood_fit import Limits, maximise
from physlearn.inference.law_data.noise_models import NoiseModel, Observations
from physlearn.inference.law_data.point_likelihood import point_terms
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law, structure_length
from physlearn.inference.law_search.refinement import polish
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression import gradients, with_floats

__all__ = ["is_plain", "prepare", "refine_law"]

Floats = NDArray[np.float64]

NEIGHBOURS = 6
OUTLYING = 2.5  # robust standard deviations from the neighbours' median
LARGEST_RATIO = 1e4  # of screening weights: single points shall not rule
FEWEST_POINTS = 5


def is_plain(noise: NoiseModel, observations: Observations) -> bool:
    """Whether weighted least squares is the whole likelihood."""
    return noise.kind == "additive" and not noise.x_sd and not observations.censored.any()


def prepare(
    observations: Observations, noise: NoiseModel, law: Equation | None = None
) -> SearchData:
    """Return points and weights that least squares may screen laws with.

    Parameters
    ----------
    observations, noise
        Measurements and how they scatter. Censored points are left out.
    law
        A law fitted by `refine_law`: where weights depend on the law, they are taken at it;
        None takes them at the measurements.

    Raises
    ------
    InputError
        For fewer than 5 measured points.

    Examples
    --------
    >>> from physlearn.inference.law_data.noise_models import observe
    >>> noise = NoiseModel("multiplicative", sd=0.1)
    >>> data = observe({"x": np.arange(1.0, 6.0)}, np.arange(1.0, 6.0), noise)
    >>> prepare(data, noise).weight.round(1).tolist()
    [100.0, 25.0, 11.1, 6.2, 4.0]
    """
    exact = observations.censored == 0
    if exact.sum() < FEWEST_POINTS:
        raise InputError(
            f"y has {int(exact.sum())} measured points; a search needs {FEWEST_POINTS}: state the "
            "form with fit_template."
        )
    weight = _weight_at_data(observations, noise) if law is None else None
    if law is not None:
        weight = _weight_at_law(observations, noise, law)
    values = np.asarray(weight)[exact]
    values = np.maximum(values, float(values.max()) / LARGEST_RATIO)
    known = noise.sd is not None or noise.kind == "counts"
    if not known:
        values = values / values.mean()
    return SearchData(
        np.ascontiguousarray(observations.x[:, exact]), observations.y[exact], values, known,
        observations.names,
    )  # fmt: skip


def _weight_at_data(data: Observations, noise: NoiseModel) -> Floats:
    sd = noise.sizes(data.y.size)
    if noise.kind in ("log", "multiplicative"):
        sd = sd * np.maximum(np.abs(data.y), 1e-300)
    elif noise.kind == "counts":
        sd = np.sqrt(np.maximum(data.y, 1.0))
    weight: Floats = 1.0 / np.square(sd)
    if noise.kind in ("student", "outliers"):
        weight = weight * _nearness(data)
    return weight


def _nearness(data: Observations) -> Floats:
    """Small weights for points far from the median of their neighbours."""
    from scipy.spatial import cKDTree

    width = np.ptp(data.x, axis=1, keepdims=True)
    scaled = (data.x / np.where(width > 0.0, width, 1.0)).T
    _, places = cKDTree(scaled).query(scaled, k=min(NEIGHBOURS, data.y.size))
    rest = np.abs(data.y - np.median(data.y[places], axis=1))
    size = 1.4826 * float(np.median(rest)) * OUTLYING
    result: Floats = np.minimum(1.0, (size / np.maximum(rest, 1e-300)) ** 2) if size else 1.0 + rest
    return result


def _weight_at_law(data: Observations, noise: NoiseModel, law: Equation) -> Floats:
    """Return the expected information about the law's value; for heavy tails a point's pull."""
    values = law.predict(data.columns)
    nuisance = np.zeros(len(noise.nuisance))
    if "log_sd" in noise.nuisance:
        with np.errstate(all="ignore"):
            rest = data.y - values
            rest = np.log(data.y / values) if noise.kind == "log" else rest
            rest = rest / values if noise.kind == "multiplicative" else rest
        sizes = np.abs(rest[(data.censored == 0) & np.isfinite(rest)])
        nuisance[0] = math.log(max(1.4826 * float(np.median(sizes)), 1e-300))
    if "logit_share" in noise.nuisance:
        nuisance[-1] = -2.0
    extra = np.zeros(data.y.size)
    for name, sd in noise.x_errors:
        step = 1e-4 * float(np.ptp(data.columns[name]))
        up, down = (
            law.predict({**data.columns, name: data.columns[name] + move}) for move in (step, -step)
        )
        extra += ((up - down) / (2.0 * step) * sd) ** 2
    terms = point_terms(noise, data, values, extra, nuisance)
    weight = terms.information
    if noise.kind in ("student", "outliers"):
        rest = data.y - values
        weight = terms.by_law / np.where(rest == 0.0, 1e-300, rest)
    return np.nan_to_num(weight, nan=0.0)


def refine_law(
    equation: Equation,
    observations: Observations,
    noise: NoiseModel,
    limits: Limits | None = None,
    *,
    only_maxima: bool = False,
) -> Equation | None:
    """Fit a law's constants by the full likelihood and measure it; None where it is undefined.

    Parameters
    ----------
    equation
        The law; its constants are the start.
    observations, noise
        Measurements and how they scatter.
    limits
        Bounds and priors of the constants in the order of ``Equation.constants``.
    only_maxima
        None also where the climb ended at no maximum: the evidence is defined at one only.

    Returns
    -------
    Equation
        With loss, covariance, log evidence and description length on one scale for all laws under
        one noise model. Noise of one size per point without limits goes the way of the search
        (`measure_law`), so that its laws keep their numbers.

    Examples
    --------
    >>> from physlearn.inference.law_data.noise_models import observe
    >>> from physlearn.inference.laws.equation import Term
    >>> noise = NoiseModel("log", sd=0.1)
    >>> data = observe({"x": [1.0, 2.0, 3.0, 4.0]}, [2.2, 3.8, 6.3, 7.9], noise)
    >>> law = Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1)
    >>> round(float(refine_law(law, data, noise).constants[0]), 4)  # the geometric mean of y / x
    2.0405
    """
    if is_plain(noise, observations) and limits is None:
        data = prepare(observations, noise)
        return polish(data, measure_law(data, equation.terms))
    program = equation.program

    def model(constants: Floats, columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        return gradients(with_floats(program, constants), columns)

    found = maximise(model, equation.constants, observations, noise, limits)
    if found is None or not math.isfinite(found.log_evidence):
        return None
    if only_maxima and not found.converged:
        return None
    law = equation.with_constants(found.constants)
    with np.errstate(all="ignore"):
        rest = (observations.y - law.predict(observations.columns))[observations.censored == 0]
    count = found.constants.size
    loss = float(np.mean(rest**2))
    length = structure_length(law.terms, len(observations.names)) - found.log_evidence
    return replace(
        law, loss=loss, description_length=length, n_constants=count,
        covariance=found.covariance if count else None, log_evidence=found.log_evidence,
        noise_sd=math.sqrt(loss * rest.size / max(rest.size - count, 1)),
    )  # fmt: skip
