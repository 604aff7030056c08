"""What a law costs to say: the data given the law, the expression, and its constants, in nats.

The weight of a law among others is exp(-description length): minus the logarithm of the Laplace
evidence, plus the length of the expression's code under the grammar of `skeletons` (minimum
description length; Rissanen, Automatica 14:465, 1978; Bartlett, Desmond and Ferreira,
arXiv:2211.11461). The constants' precision enters by the whole Fisher information, not by its
diagonal: constants that compensate each other, as in the Vogel-Fulcher law, cost less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.program_prices import (
    NATS_OF_PRICE,
    PRICE_OF_CHANCE,
    is_right_by_chance,
    price_of_program,
    price_without_factor,
)
from physlearn.inference.law_search.skeletons import PRICES
from physlearn.inference.law_search.unit_scales import (
    rescaled_terms,
    shifts_of_units,
    typical_scales,
)
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Token

__all__ = ["measure_law", "structure_length"]

Floats = NDArray[np.float64]

CONSTANT_TERM: tuple[Token, ...] = (1,)
NATS_OF_A_CLAIM = math.log(20.0)  # that y depends on anything at all is claimed at 20 to 1
LOSS_FLOOR = 1e-22  # of the mean square of y: data without noise do not fit better than this


def measure_law(data: SearchData, terms: Sequence[Term]) -> Equation:
    """Measure a fitted law: loss, description length, evidence, covariance of its constants.

    Parameters
    ----------
    data
        Points, weights (1 / variance if the noise is known) and names.
    terms
        The law; its constants are taken as the best ones.

    Returns
    -------
    Equation
        ``covariance`` is the inverse Fisher information in the order of ``Equation.constants``;
        with unknown noise it carries the residuals' variance over n - k. None where singular.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 11)
    >>> data = SearchData(x[None], 2.0 * x, np.full(11, 100.0), True, ("x",))
    >>> law = measure_law(data, [Term(2.0, ("x",))])
    >>> law.n_constants, round(float(law.covariance[0, 0]), 6)  # 1 / sum(w x**2)
    (1, 0.002597)
    """
    law = Equation(tuple(terms), loss=0.0, description_length=0.0, n_constants=0)
    constants, n = law.constants, data.y.size
    with np.errstate(all="ignore"):
        residual = data.y - law.predict(data.columns)
        slopes = np.nan_to_num(law.sensitivities(data.columns))
    misfit = float((data.weight * residual**2).sum())
    count = constants.size
    size, variance = _misfit_and_variance(data, misfit, count)
    root = np.sqrt(data.weight / variance)
    evidence = log_likelihood(data, size, count) - 0.5 * _information(
        data, *_in_usual_units(data, terms, slopes, constants), root,
        shifts_of_units(terms, data.names),
    )  # fmt: skip
    noise = (
        1.0 / math.sqrt(float(np.mean(data.weight)))
        if data.noise_known
        else math.sqrt(misfit / max(n - count, 1) / float(np.mean(data.weight)))
    )
    return Equation(
        tuple(terms), loss=misfit / n, n_constants=count,
        description_length=structure_length(terms, len(data.x)) - evidence,
        covariance=_covariance(slopes * root), log_evidence=evidence, noise_sd=noise,
    )  # fmt: skip


def _in_usual_units(
    data: SearchData, terms: Sequence[Term], slopes: Floats, constants: Floats
) -> tuple[Floats, Floats]:
    """Slopes and constants with every column in a unit in which it is about 1.

    An exponent and a factor share information, and how much depends on the unit of x: there is one
    answer only in a unit that the data choose.
    """
    scales = typical_scales(data)
    if all(scale == 1.0 for scale in scales.values()) or not constants.size:
        return slopes, constants
    moved = rescaled_terms(terms, {name: 1.0 / scale for name, scale in scales.items()})
    if moved is None:
        return slopes, constants
    law = Equation(moved, loss=0.0, description_length=0.0, n_constants=0)
    columns = {name: data.columns[name] / scale for name, scale in scales.items()}
    return np.nan_to_num(law.sensitivities(columns)), law.constants


def _misfit_and_variance(data: SearchData, misfit: float, count: int) -> tuple[float, float]:
    """Misfit, not below rounding, and the variance of a point of weight one."""
    if data.noise_known:
        return misfit, 1.0
    n = data.y.size
    floor = LOSS_FLOOR * float((data.weight * data.y**2).sum())
    size = max(misfit, floor, 1e-290)
    return size, size / max(n - count, 1)


def log_likelihood(data: SearchData, misfit: float, count: int) -> float:
    """Log likelihood at the best constants; unknown noise is integrated out (Jeffreys' prior).

    Then minus half the logarithm of det(1 + information), in units of the residuals' variance, is
    the rest of the Laplace evidence: exact for linear constants and wide priors.
    """
    n = data.y.size
    weighing = 0.5 * float(np.log(np.maximum(data.weight, 1e-300)).sum())
    if data.noise_known:
        return weighing - 0.5 * misfit - 0.5 * n * math.log(2.0 * math.pi)
    free = max(n - count, 1)
    return (
        weighing + math.lgamma(0.5 * free) - 0.5 * free * math.log(0.5 * misfit)
        - 0.5 * count * math.log(misfit / free) - 0.5 * n * math.log(2.0 * math.pi) - math.log(2.0)
    )  # fmt: skip


def _information(
    data: SearchData, slopes: Floats, constants: Floats, root: Floats, least: Floats
) -> float:
    """Logarithm of det(1 + information) with every constant in units of its prior's width.

    The width is the constant's own size, but at least what changes y by its own spread: a constant
    that is nearly 0 is no cheaper to say than one that matters. Beside a logarithm its size is an
    accident of the unit: there the width is at least ``least``, a factor e of the unit.
    """
    total = float(data.weight.sum())
    mean = float((data.weight * data.y).sum()) / total
    spread = math.sqrt(float((data.weight * (data.y - mean) ** 2).sum()) / total)
    with np.errstate(all="ignore"):
        peak = np.abs(slopes).max(axis=1)
        effect = np.sqrt((data.weight * (slopes / peak[:, None]) ** 2).sum(axis=1) / total) * peak
        width = np.maximum(np.abs(constants), np.where(effect > 0, spread / effect, 0.0))
    width = np.maximum(width, least)
    scaled = np.nan_to_num(slopes * root * width[:, None], posinf=0.0, neginf=0.0)
    if not len(scaled):
        return 0.0
    singular = np.linalg.svd(scaled, compute_uv=False)
    return float(np.log1p(singular**2).sum())


def _covariance(scaled: Floats) -> Floats | None:
    """Inverse of the Fisher information of slopes in units of the noise; None where singular."""
    with np.errstate(all="ignore"):
        peak = np.abs(scaled).max(axis=1)
        norm = peak * np.sqrt(((scaled / peak[:, None]) ** 2).sum(axis=1))
    if not norm.size or not ((norm > 1e-150) & (norm < 1e150)).all():
        return None
    _, singular, turned = np.linalg.svd((scaled / norm[:, None]).T, full_matrices=False)
    if singular[-1] < 1e-9 * singular[0] or len(singular) < len(norm):
        return None
    half = turned / singular[:, None]
    with np.errstate(over="ignore"):  # a constant that the data hardly feel: as good as singular
        result: Floats = (half.T @ half) / np.outer(norm, norm)
    return result if np.isfinite(result).all() else None


def structure_length(terms: Sequence[Term], n_variables: int) -> float:
    """Nats of the expression without its numbers.

    Examples
    --------
    >>> line = [Term(2.0, ("x",))]
    >>> decay = [Term(2.0, ("x", -1.0, "mul", "exp"))]
    >>> structure_length(line, 1) < structure_length(decay, 1)
    True
    """
    prices = []
    constants = 0
    for term in terms:
        if term.program == CONSTANT_TERM:
            constants += 1
            prices.append(float(PRICES["plus_c"]))
        else:
            fitted = isinstance(term.coefficient, float)
            price = price_of_program if fitted else price_without_factor
            prices.append(price(term.program, n_variables))
    if len(terms) == constants:
        return NATS_OF_PRICE * PRICES["variable"]
    prices.append(PRICE_OF_CHANCE * _belongs_to_unit(terms))
    return NATS_OF_A_CLAIM + NATS_OF_PRICE * (
        sum(prices) + PRICES["combine"] * (len(terms) - constants - 1)
    )


def _belongs_to_unit(terms: Sequence[Term]) -> bool:
    """Whether a law holds a number of the variables' units that no price has counted.

    A logarithm without an offset is one. Angles have a natural unit.
    """
    tokens = {token for term in terms for token in term.program if isinstance(token, str)}
    if {"sin", "cos"} & tokens or any(is_right_by_chance(term.program) for term in terms):
        return False
    scales = {name: 1.01 + 0.01 * place for place, name in enumerate(sorted(tokens))}
    free = [Term(float(term.coefficient), term.program) for term in terms]
    return rescaled_terms(free, scales) is None
