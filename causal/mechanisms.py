"""Linear mechanisms with additive noise: slopes, their spread, and dowhy's form of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from scipy import stats

from physlearn.causal.effect_estimates.slopes import variance_of
from physlearn.causal.quiet import quiet
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialScore
from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    import pandas as pd

N_DRAWS = 400
_Z95 = 1.6448536


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One node as a linear function of its parents, all as positions in the columns."""

    node: int
    parents: tuple[int, ...]


def check_reliability(
    spatial: SpatialScore, mechanisms: tuple[Mechanism, ...], names: tuple[str, ...]
) -> None:
    """Refuse mechanisms whose causes cannot be told apart, or drown in measurement noise."""
    for mechanism in mechanisms:
        if spatial.determined(mechanism.parents):
            both = ", ".join(names[k] for k in mechanism.parents)
            raise NotIdentified(f"{both} determine one another: their influences cannot be told.")
        if spatial.reliability(mechanism.parents) < MIN_RELIABILITY:
            raise NotIdentified(
                "the causes vary too little above their measurement noise to fit a mechanism; "
                "repeat the scan to lower the noise."
            )


def mechanism_slopes(gram: Floats, noise: Floats, mechanism: Mechanism) -> Floats:
    """Return the slopes (n_parents,) with the known noise taken out of the parents."""
    true = gram - noise
    parents = list(mechanism.parents)
    inner = true[np.ix_(parents, parents)]
    return np.asarray(np.linalg.solve(inner, true[parents, mechanism.node]))


def gcm_counterfactual(
    frame: pd.DataFrame,
    graph: nx.DiGraph,
    slopes: Mapping[str, Floats],
    do: Mapping[str, float],
    row: int,
) -> dict[str, float]:
    """Return all nodes of one row after abduction, action and prediction by dowhy.gcm.

    `slopes` holds, for each node with parents, one slope per parent in sorted order.
    """
    with quiet("dowhy"):
        from dowhy import gcm

        bars = gcm.config.show_progress_bars
        gcm.config.show_progress_bars = False
        try:
            model = gcm.InvertibleStructuralCausalModel(graph)
            for node in graph.nodes:
                mechanism = gcm.EmpiricalDistribution()
                if node in slopes:
                    mechanism = gcm.AdditiveNoiseModel(_given_slopes(slopes[node]))
                model.set_causal_mechanism(node, mechanism)
            gcm.fit(model, frame)
            actions = {name: _constant(value) for name, value in do.items()}
            samples = gcm.counterfactual_samples(model, actions, observed_data=frame.iloc[[row]])
        finally:
            gcm.config.show_progress_bars = bars
    return {str(name): float(samples[name].iloc[0]) for name in samples.columns}


def _constant(value: float) -> Any:
    return lambda _: value


def _given_slopes(slopes: Floats) -> Any:
    """Return a dowhy prediction model whose slopes are known: corrected for noise before."""
    from dowhy.gcm.ml import PredictionModel

    class GivenSlopes(PredictionModel):  # type: ignore[misc]  # dowhy has no types
        def fit(self, X: Floats, Y: Floats) -> None:
            pass

        def predict(self, X: Floats) -> Floats:
            return np.asarray(X, dtype=np.float64) @ slopes[:, None]

        def clone(self) -> Any:
            return _given_slopes(slopes)

    return GivenSlopes()


def choose_blocks(spatial: SpatialScore) -> Integers:
    """Return the spatial block (n,) of each patch: 16 to 64 of them, by the effective n."""
    pairs = [(i, j) for i in range(spatial.p) for j in range(i)]
    effective = [spatial.error(i, j, ())[1] for i, j in pairs] or [float(spatial.n)]
    return spatial.layout.blocks(int(np.clip(np.sqrt(np.median(effective)), 4, 8)))


def resample_blocks(blocks: Integers, generator: np.random.Generator) -> Floats:
    """Return how often each block stands in each resample, shape (N_DRAWS, n_blocks)."""
    count = int(blocks.max()) + 1
    weights = generator.multinomial(count, np.full(count, 1 / count), size=N_DRAWS)
    return np.asarray(weights, dtype=np.float64)


def resampled_grams(spatial: SpatialScore, blocks: Integers, weights: Floats) -> Floats:
    """Return second moments (N_DRAWS, p, p) of resampled spatial blocks."""
    grams, counts = spatial.block_grams(blocks)
    moments = np.tensordot(weights, grams, axes=1) / (weights @ counts)[:, None, None]
    mean = grams.sum(axis=0) / counts.sum()
    # m resampled blocks spread like m - 1
    return np.asarray(spatial.gram + (moments - mean) * math.sqrt(len(counts) / (len(counts) - 1)))


def slope_draws(spatial: SpatialScore, mechanism: Mechanism, grams: Floats) -> Floats:
    """Return resampled slopes (N_DRAWS, n_parents), spread at least as the residuals' lags say.

    Blocks are too small for long waves (measured: 0.6 of the true spread at a correlation length
    of an eighth of the field), so deviations are widened to the spatial standard error.
    """
    slopes = resampled_slopes(spatial, mechanism, grams)
    center = mechanism_slopes(spatial.gram, spatial.noise, mechanism)
    deviation = slopes - center
    return np.asarray(center + deviation * widening(spatial, mechanism, deviation))


def resampled_slopes(spatial: SpatialScore, mechanism: Mechanism, grams: Floats) -> Floats:
    """Return the slopes of each resample, (N_DRAWS, n_parents)."""
    parents = list(mechanism.parents)
    true = grams - spatial.noise
    solved = np.linalg.solve(
        true[:, parents][:, :, parents], true[:, parents, mechanism.node][:, :, None]
    )
    return np.asarray(solved[:, :, 0], dtype=np.float64)


def widening(spatial: SpatialScore, mechanism: Mechanism, deviation: Floats) -> Floats:
    """Return the factor (n_parents,) that widens each slope's deviation to its spatial error."""
    parents = list(mechanism.parents)
    w_error = spatial.weights(mechanism.node, mechanism.parents)
    factors = np.ones(len(parents))
    for k, parent in enumerate(parents):
        others = tuple(p for p in parents if p != parent)
        w_parent = spatial.weights(parent, others)
        variance_left = float(w_parent @ (spatial.gram - spatial.noise) @ w_parent)
        variance = variance_of(spatial, w_parent, w_error)
        spread = float(w_parent @ spatial.gram @ w_parent) * float(w_error @ spatial.gram @ w_error)
        freedom = max(spread / variance - 2.0 - len(parents), 2.0)
        wanted = math.sqrt(variance) / variance_left * float(stats.t.ppf(0.95, freedom)) / _Z95
        factors[k] = max(1.0, wanted / max(float(deviation[:, k].std()), 1e-300))
    return factors
