"""Whether pairs explain what many binary units do together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models import Ising, simulate_lattice
from physlearn.records import SiteGraph

__all__ = ["check_higher_orders"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
SPACING = 20
LARGEST_PREDICTION = 2000
MOST_TRIOS = 2000
FAMILY_WISE = 0.01
PREDICTIVE_PICTURES = 40


def check_higher_orders(
    spins: Float, pairs: Int, draws: Float, rng: np.random.Generator
) -> tuple[dict[str, Any], list[str]]:
    """Compare what pairs don't fix with networks drawn from the posterior.

    Fields and couplings fix means and pair correlations; products of three units and the number
    of units that are up hold the higher orders.
    """
    from scipy.stats import t as student

    n_samples, n_units = spins.shape
    zeros, ones = np.zeros(len(pairs), np.int64), np.ones(len(pairs), np.int64)
    graph = SiteGraph(n_units, pairs, zeros, ones)
    n_pictures = min(n_samples, LARGEST_PREDICTION)
    trios = _trios(n_units, rng)
    predicted = []
    for theta in draws[rng.choice(len(draws), PREDICTIVE_PICTURES)]:
        model = Ising([1.0], theta[:n_units], bonds=theta[n_units:])
        pictures = simulate_lattice(
            model, graph, n_pictures, SPACING, method="heat_bath", burn_in=200, rng=rng
        )
        predicted.append(_higher_orders(pictures.states.astype(np.float64), trios))
    replicas, observed = np.array(predicted), _higher_orders(spins, trios)
    mean, variance = replicas.mean(axis=0), replicas.var(axis=0, ddof=1)
    # replicas hold posterior spread and the noise of n_pictures; the data the noise of n_samples.
    # Counting noise alone bounds the variance from below: 40 replicas may come out too close
    least = np.concatenate([1 - mean[:-2] ** 2, variance[-2:] * n_pictures])
    sd = np.sqrt(np.maximum(variance, least / n_pictures) * (1 + 1 / PREDICTIVE_PICTURES))
    score = np.abs(observed - mean) / (sd + 1e-300)
    worst = int(np.argmax(score))
    limit = float(student.isf(FAMILY_WISE / 2 / len(score), PREDICTIVE_PICTURES - 1))
    numbers = {"higher_order_misfit_sd": float(score[worst]), "higher_order_limit_sd": limit}
    if score[worst] <= limit:
        return numbers, []
    names = [f"the product of units {a}, {b} and {c}" for a, b, c in trios]
    names += ["the variance of the number of units up", "the skewness of the number of units up"]
    return numbers, [
        f"pairs don't explain {names[worst]}: {score[worst]:.1f} sd off (limit {limit:.1f}); "
        "couplings of three or more units, a common drive, or couplings that change with time"
    ]


def _trios(n_units: int, rng: np.random.Generator) -> Int:
    """Return all trios of units, or a random choice where there are many."""
    if n_units * (n_units - 1) * (n_units - 2) // 6 <= MOST_TRIOS:
        found = list(combinations(range(n_units), 3))
    else:
        found = [tuple(sorted(rng.choice(n_units, 3, replace=False))) for _ in range(MOST_TRIOS)]
    return np.array(found, np.int64).reshape(-1, 3)


def _higher_orders(spins: Float, trios: Int) -> Float:
    """Return means of the trios' products, then variance and skewness of the count."""
    a, b, c = (spins[:, trios[:, k]] for k in range(3))
    count = spins.sum(axis=1)
    centered = count - count.mean()
    sd = centered.std()
    skewness = np.mean(centered**3) / sd**3 if sd > 0 else 0.0
    return np.concatenate([(a * b * c).mean(axis=0), [sd**2, skewness]])
