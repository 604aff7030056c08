"""Counterfactuals: silent on confounded observation, answered where the confounding is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np

from benchmarks.planning.campaigns import POLICIES
from benchmarks.planning.cells import coverage_row, row, said_share
from benchmarks.planning.twin_worlds import confounded_world
from benchmarks.planning.worlds import inside
from physlearn.causal import (
    Action,
    DigitalTwin,
    EffectTarget,
    Instrument,
    Policy,
    StructuralSample,
    counterfactuals,
    discover_graph,
)
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.situation import Situation
from physlearn.records import PatchTable

__all__ = ["CHECKS"]

N_WORLDS, N_EFFECTS, EDGE, N_SHOTS = 500, 300, 16, 8
TIERS = {"driver": 0, "response": 1}
WITH_BACKGROUND = {"background": 0, "driver": 1, "response": 2}


def table_of(seed: int, *, measured: bool = False, randomised: bool = False) -> PatchTable:
    """Return what a picture shows of a world; the pairs share all but how it was measured."""
    rng = np.random.default_rng([501, seed])
    sample = StructuralSample(
        edge=EDGE, effect=float(rng.uniform(0.3, 1.2)), background_measured=measured,
        background_to_driver=float(rng.uniform(0.7, 1.5)),
        background_to_response=float(rng.uniform(0.7, 1.5)),
    )  # fmt: skip
    twin = DigitalTwin(sample, Instrument(picture_rows=4, picture_columns=4), rng=seed)
    if randomised:
        for number, level in enumerate(rng.standard_normal(EDGE**2)):
            y, x = divmod(number, EDGE)
            where = {"x": float(x), "y": float(y), "column": "driver", "to": float(level)}
            twin.do(Action("expose_site", where, 0.0, 1.0, 1.0, irreversible=True))
    view = dict(zip(("x_min", "y_min", "x_max", "y_max"), sample.field_of_view, strict=True))
    twin.do(Action("image", view, 0.0, 1.0, 1.0))
    return twin.tables[-1]


def _answered(table: PatchTable, graph: Any) -> bool:
    chosen = EDGE**2 // 2
    # from its own value: a patch that is set to what it is has an answer under every graph
    moved = float(table.frame["driver"].iloc[chosen]) + 1.0
    found = counterfactuals(
        table, graph, do={"driver": moved}, outcome="response", patches=[chosen], rng=0
    )
    return bool(np.all(found.identified))


def _observed(tiers: dict[str, int] | None, method: str) -> Callable[[int], bool]:
    def claims(seed: int) -> bool:
        table = table_of(seed)
        graph = discover_graph(table, tiers=tiers, method=method, n_resamples=0, rng=seed)
        return _answered(table, graph)

    return claims


def _measured(seed: int) -> bool:
    table = table_of(seed, measured=True)
    graph = discover_graph(table, tiers=WITH_BACKGROUND, method="pc", n_resamples=0, rng=seed)
    return _answered(table, graph)


def _randomised(seed: int) -> bool:
    # the driver was set by drawing lots: nothing causes it, which is known and not found
    return _answered(table_of(seed, randomised=True), nx.DiGraph([("driver", "response")]))


ARMS: dict[str, tuple[Callable[[int], bool], bool | None]] = {
    "observation alone, graph as it comes": (_observed(None, "auto"), False),
    "observation alone, tiers known, method 'fci'": (_observed(TIERS, "fci"), False),
    "graph that assumes no hidden cause (tiers, method 'auto'): its claims, for comparison": (
        _observed(TIERS, "auto"),
        None,
    ),
    "confounder measured, no other hidden cause (method 'pc')": (_measured, True),
    "driver randomised by the twin's exposures": (_randomised, True),
}
"""How a graph was come by; whether an answer is owed, none is allowed, or none is judged."""


def _arm(name: str) -> Callable[[bool], list[dict[str, Any]]]:
    asks, owed = ARMS[name]

    def check(quick: bool) -> list[dict[str, Any]]:
        n = 3 if quick else N_WORLDS
        count = sum(asks(seed) for seed in range(n))
        if owed is None:
            return [row(name, f"claimed {said_share(count, n)}")]
        if owed:
            return [row(name, f"answered {said_share(count, n)}", ">= .9", count / n >= 0.9)]
        return [row(name, f"claimed {said_share(count, n)}", f"0 of {n}", count == 0)]

    return check


def _intervals(quick: bool) -> list[dict[str, Any]]:
    """The effect of one act after acts that were chosen to learn it, against random ones."""
    world = confounded_world(8 if quick else 64)
    prior, n = world.belief(), len(world.actions)
    target = 7  # the driver set to 3
    effect = Policy("effect", target=EffectTarget(world.actions[target]))
    allowed = np.arange(n) != target
    rows, widths = [], {}
    for name, policy in (("effect", effect), ("random", POLICIES["random"])):
        held, width = [], []
        for seed in range(4 if quick else N_EFFECTS):
            truth, rng = inside(world, seed), np.random.default_rng([601, seed])
            pick, belief = np.random.default_rng([602, seed]), prior
            shots: list[int] = []
            while len(shots) < N_SHOTS:
                view = Situation(
                    belief, world.actions, allowed, np.ones(n), np.ones(n, bool), np.zeros(n),
                    np.zeros(n), np.array(shots, dtype=np.int64), np.zeros(len(shots)),
                    np.bincount(np.array(shots, dtype=np.int64), minlength=n), policy, pick,
                    (target,),
                )  # fmt: skip
                shots.append(int(np.argmax(act_values(view))))
                readout = world.read(truth, shots[-1], rng)
                column = shots[-1]
                belief = belief.after(
                    belief.expected[:, column], belief.noise_sd[:, column], readout
                )
            values, weights = belief.expected[:, target], np.exp(belief.log_weights)
            low, high = _interval(values, weights)
            held.append(0.05 <= _place(values, weights, truth.mean[target], pick) <= 0.95)
            width.append(high - low)
        widths[name] = float(np.median(width))
        rows.append(
            coverage_row(
                f"effect of setting the driver to 3 after {N_SHOTS} shots by policy {name!r}, "
                "that act itself not allowed", held, f", median width {widths[name]:.2f}",
            )
        )  # fmt: skip
    return rows


def _place(
    values: np.ndarray, weights: np.ndarray, truth: float, rng: np.random.Generator
) -> float:
    """Return the share of the posterior below the truth; of a value that many members share
    (no effect at all), a share drawn at random, without which such truths could not be missed."""
    shares, near = weights / weights.sum(), np.abs(values - truth) <= 1e-9
    return float(shares[(values < truth) & ~near].sum() + rng.uniform() * shares[near].sum())


def _interval(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order]) / weights.sum()
    low, high = np.searchsorted(passed, [0.05, 0.95])
    last = len(values) - 1
    return float(values[order[min(low, last)]]), float(values[order[min(high, last)]])


CHECKS: dict[str, Callable[[bool], list[dict[str, Any]]]] = {
    **{name: _arm(name) for name in ARMS},
    "interval after the chosen interventions": _intervals,
}
