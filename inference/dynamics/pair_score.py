"""Weights of laws of a force: evidence from a likelihood, and the price of the expression."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.dynamics.pair_forms import PairForm, in_film_units
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.laws.equation import Equation

__all__ = ["curve_log_likelihood", "different_laws", "measured_law"]

Floats = NDArray[np.float64]

NATS_OF_KNOWN = 6.0  # a law of the books costs at most this: a claim, and which of some twenty
WIDE = 1e-6
SAME = 1e-3


def curve_log_likelihood(misfit: float, size: int, freedom: float) -> float:
    """Of a measured curve: Gaussian, or Student's t where its errors come from few blocks."""
    if not math.isfinite(freedom):
        return -0.5 * misfit
    return -0.5 * (freedom + size) * math.log1p(misfit / freedom)


def measured_law(
    form: PairForm, constants: Floats, information: Floats, log_likelihood: float,
    nodes: Floats, weight: Floats, scales: tuple[float, float], loss: float,
) -> Equation:  # fmt: skip
    """Return the law in the film's units with covariance, evidence and description length.

    ``information``: on the constants, (k, k); ``nodes``, ``weight``: distances and how much they
    tell, for the widths of the constants' priors (their own size, or what moves the force by its
    own size); ``scales``: of length and of force.
    """
    values, slopes = form(constants, nodes)
    effect = np.sqrt((weight * np.nan_to_num(slopes) ** 2).sum(axis=1))
    size = math.sqrt(float((weight * np.nan_to_num(values) ** 2).sum()))
    reach = np.where(effect > 0, size / np.maximum(effect, 1e-300), 0.0)
    width = np.maximum(np.maximum(np.abs(constants), reach), 1e-300)
    scaled = information * np.outer(width, width)
    _, room = np.linalg.slogdet(np.eye(len(width)) + scaled)
    evidence = log_likelihood - 0.5 * max(float(room), 0.0)
    law, turned = form.equation(constants)
    price = structure_length(law.terms, 1)
    if form.known and form.n_constants:
        price = min(price, NATS_OF_KNOWN)
    # Nearly no prior: what the data leave open shall look open
    own = np.linalg.inv(scaled + WIDE * np.eye(len(width))) * np.outer(width, width)
    covariance = turned @ own @ turned.T
    law = replace(
        law, loss=loss, description_length=price - evidence, log_evidence=evidence,
        covariance=0.5 * (covariance + covariance.T) if form.n_constants else None,
    )  # fmt: skip
    return in_film_units(law, *scales)


def different_laws(laws: list[Equation], nodes: Floats, sd: Floats, n_kept: int) -> list[Equation]:
    """Sort by description length; of equal laws of as many constants the shortest stays.

    Raises
    ------
    NotIdentified
        If no law is finite where bodies were seen.
    """
    kept: list[Equation] = []
    said: list[Floats] = []
    for law in sorted(laws, key=lambda law: (law.description_length, law.complexity)):
        values = law.predict({"r": nodes}) / sd
        if not np.isfinite(values).all() or not math.isfinite(law.description_length):
            continue
        same = (
            other.n_constants == law.n_constants and float(np.abs(values - before).max()) < SAME
            for other, before in zip(kept, said, strict=True)
        )  # fmt: skip
        if not any(same):
            kept.append(law)
            said.append(values)
    if not kept:
        raise NotIdentified(
            "no law of the force is finite at the distances that were seen: give more times or "
            "more bodies."
        )
    constant = [law for law in kept[n_kept:] if not law.variables]
    return kept[:n_kept] + constant
