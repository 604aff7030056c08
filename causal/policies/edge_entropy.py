"""How undecided the edges of the graphs are at the column that an act sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from physlearn.causal.policies.belief import Floats
from physlearn.causal.policies.situation import Situation
from physlearn.checks import InputError

__all__ = ["edge_entropies", "edge_entropy"]


def edge_entropies(
    edges: Mapping[str, Sequence[tuple[str, str]]], weights: Mapping[str, float]
) -> dict[str, float]:
    """Return, for each column, the entropy of the edges at it, in nats.

    An edge between two columns points one way, the other way, or is absent; its entropy is that
    of these three under the weights of the graphs. Setting a column by hand shows which of its
    edges point away from it. Tong & Koller 2001 (Active learning for structure in Bayesian
    networks, IJCAI) sum such entropies; they cost a hundredth of the exact information.

    Parameters
    ----------
    edges
        Name of a hypothesis -> its directed edges (source, target).
    weights
        Name -> weight, adding up to 1.

    Examples
    --------
    >>> graphs = {"a drives b": [("a", "b")], "b drives a": [("b", "a")]}
    >>> edge_entropies(graphs, {"a drives b": 0.5, "b drives a": 0.5})["a"].__round__(3)
    0.693
    """
    missing = [name for name in weights if name not in edges]
    if missing:
        raise InputError(f"edges must name those of every hypothesis; {missing[0]!r} is missing.")
    chances: dict[tuple[str, str], float] = {}
    for name, weight in weights.items():
        for source, target in dict.fromkeys(tuple(edge) for edge in edges[name]):
            chances[source, target] = chances.get((source, target), 0.0) + weight
    found: dict[str, float] = {}
    for pair in dict.fromkeys(tuple(sorted(edge)) for edge in chances):
        first, second = pair
        one = chances.get((first, second), 0.0)
        other = chances.get((second, first), 0.0)
        parts = (one, other, max(1.0 - one - other, 0.0))
        entropy = -math.fsum(p * math.log(p) for p in parts if p > 1e-12)
        for column in pair:
            found[column] = found.get(column, 0.0) + entropy
    return found


def edge_entropy(situation: Situation) -> Floats:
    """Return, for each act, the entropy of the edges at the column that it sets."""
    belief = situation.belief
    weights = dict(zip(belief.names, belief.weights.tolist(), strict=True))
    entropies = edge_entropies(situation.policy.edges or {}, weights)
    columns = [str(action.args.get("column", "")) for action in situation.actions]
    if not any(column in entropies for column in columns):
        raise InputError(
            "acts must say by an argument 'column' which column of the graphs they set; none "
            f"names one of {', '.join(sorted(entropies)) or 'them'}."
        )
    return np.array([entropies.get(column, 0.0) for column in columns])
