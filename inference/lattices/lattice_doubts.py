"""What a lattice fit must add about its own answer: spontaneous order, draws that are copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.posteriors.lattice_population import make_population
from physlearn.inference.posteriors.priors import make_prior
from physlearn.inference.posteriors.pseudolikelihood import maximize_pseudolikelihood

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_answer import Answer

__all__ = ["data_alone", "draw_flags", "magnetization_flags"]

Float = NDArray[np.float64]
N_REPLICAS, N_SWEEPS = 64, 40
LARGEST_SIMULATED = 20_000
"""Sites beyond which no picture without a field is simulated."""
TOLD = 0.95
"""Probability of a sign of the field from which on it is doubted."""
USUAL_CHANCE = 0.05
"""Share of pictures without a field that are as magnetized as the one that was seen."""
USUAL_DRAWS, MOST_COPIES = 4000, 1.5


def magnetization_flags(data: LatticeData, theta: Float, rng: np.random.Generator) -> list[str]:
    """Return a sentence where a field is told that spontaneous order would explain as well.

    Pictures are simulated without a field, at the couplings that the posterior has there (by linear
    regression on the field), and compared by the size of their magnetization.
    """
    plain = all(
        group.offset is None and not len(group.extra) and group.whole for group in data.groups
    )
    coupled = data.family.mirrored and data.family.n_shells > 0
    if not (coupled and plain and len(data.groups) == 1) or data.uncertain:
        return []
    field = theta[:, 0]
    up = float((field > 0).mean())
    if max(up, 1 - up) < TOLD or data.n_sites > LARGEST_SIMULATED:
        return []
    (group,) = data.groups
    slope = np.cov(theta.T)[0] / np.var(field, ddof=1)
    without = theta - np.multiply.outer(field, slope)
    chosen = without[rng.choice(len(without), N_REPLICAS, replace=len(without) < N_REPLICAS)]
    copies = make_population(
        data.family, group.graph, group.codes, N_REPLICAS, rng, dynamics="clusters"
    )
    copies.sweep(chosen @ group.design.T, N_SWEEPS)
    size = np.abs(copies.statistics()[:, 0])
    seen = abs(float(group.statistics(data.family)[0]))
    if float((size >= seen).mean()) < USUAL_CHANCE:
        return []
    return [
        f"field: without any field these couplings make pictures as magnetized as this one (mean "
        f"state {seen / data.n_sites:.2f}) too: a field and spontaneous order can't be told apart; "
        "where the field is known to be 0, say so by prior={'field': 0.001}"
    ]


def draw_flags(answer: Answer, n_draws: int) -> list[str]:
    """Return a sentence where far more draws were asked for than independent ones exist."""
    effective = float(answer.numbers.get("effective_draws", n_draws))
    if n_draws <= USUAL_DRAWS or n_draws <= MOST_COPIES * effective:
        return []
    return [
        f"the {n_draws} draws are worth {effective:.0f} independent ones: the rest are copies, "
        "which ArviZ's ess and mcse count as independent"
    ]


def data_alone(data: LatticeData) -> tuple[Float, Float] | None:
    """Return what the data say under the usual prior, by pseudolikelihood: means and sds (d,)."""
    if data.uncertain:
        return None
    usual = make_prior(None, data)
    mode, curvature = maximize_pseudolikelihood(data, usual)
    covariance = np.linalg.inv(curvature + np.diag(usual.precision))
    return mode, np.sqrt(np.diag(covariance))
