"""Counterfactuals of single patches: closed form, coverage, time for all patches of a field."""

from __future__ import annotations

import importlib
import io
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from benchmarks.causal.effects import BAND, MASS, in_band
from benchmarks.causal.worlds import Floats, gaussian_field, noise_of, patch_table, seed_of
from physlearn.causal import counterfactual, counterfactuals
from physlearn.records import PatchTable

__all__ = ["CHECKS", "CounterfactualWorld", "make_counterfactual_world", "slopes_by_least_squares"]

Row = dict[str, Any]

SLOPES = {("a", "m"): 0.7, ("a", "y"): 0.3, ("m", "y"): 0.5, ("v", "y"): 0.4}
TOTAL = 0.3 + 0.7 * 0.5
"""Change of y when a grows by one."""
SIZE, N_WORLDS = 48, 300
MOST_SECONDS, SAME = 0.1, 1e-6
LARGE = 100


@dataclass(frozen=True, eq=False)
class CounterfactualWorld:
    """A table of a, m, v, y (a -> m -> y <- v, a -> y), and its columns without noise."""

    table: PatchTable
    clear: dict[str, Floats]

    @property
    def graph(self) -> nx.DiGraph:
        """The graph, v without causes."""
        return nx.DiGraph(list(SLOPES))

    def truth(self, patch: int, value: float) -> float:
        """Return y of a patch had its a been `value`, without noise."""
        return float(self.clear["y"][patch] + TOTAL * (value - self.clear["a"][patch]))


def make_counterfactual_world(
    size: int, length: float, snr: float | None, seed: int
) -> CounterfactualWorld:
    """Return linear mechanisms with own parts of unit variance, as measured."""
    rng = seed_of("counterfactual", size, length, snr, seed)
    fields: dict[str, Floats] = {}
    for name in ("a", "v", "m", "y"):
        field = gaussian_field((size, size), length, rng)
        for (cause, target), slope in SLOPES.items():
            if target == name:
                field = field + slope * fields[cause]
        fields[name] = field
    clear = {name: field.ravel() for name, field in fields.items()}
    if snr is None:
        return CounterfactualWorld(patch_table(fields, np.zeros((4, 4))), clear)
    covariance = np.diag([field.var() / snr for field in fields.values()])
    noise = noise_of(covariance, size, 0.0, rng)
    noisy = {name: field + noise[k] for k, (name, field) in enumerate(fields.items())}
    return CounterfactualWorld(patch_table(noisy, covariance), clear)


def slopes_by_least_squares(table: PatchTable) -> dict[tuple[str, str], float]:
    """Return the slopes of the graph's links, a plane in the positions beside the causes."""
    frame = table.frame
    plane = [np.ones(table.n_patches), *table.centers.T]
    slopes = {}
    for node in ("m", "y"):
        causes = [cause for cause, target in SLOPES if target == node]
        design = np.stack([*(frame[cause].to_numpy() for cause in causes), *plane], axis=1)
        fitted = np.linalg.lstsq(design, frame[node].to_numpy(), rcond=None)[0]
        slopes |= {
            (cause, node): float(s) for cause, s in zip(causes, fitted[: len(causes)], strict=True)
        }
    return slopes


def closed_form(quick: bool) -> list[Row]:
    """Compare answers on clean columns with the closed form of least-squares slopes."""
    worst = 0.0
    n = 2 if quick else 50
    for k in range(n):
        world = make_counterfactual_world(32, 2.0, None, k)
        row = world.table.frame.iloc[k]
        said = counterfactual(
            world.table, world.graph, patch=k, do={"a": row["a"] + 1.0}, outcome="y", rng=k
        )
        s = slopes_by_least_squares(world.table)
        wanted = row["y"] + s["a", "y"] + s["a", "m"] * s["m", "y"]
        worst = max(worst, abs(said.mean - wanted) / world.table.frame["y"].std())
    return [{
        "what": f"counterfactual less its closed form, in sd of the outcome, {n} patches",
        "measured": f"at most {worst:.1e}", "goal": f"<= {SAME:g}", "met": bool(worst <= SAME),
    }]  # fmt: skip


def coverage(length: float, snr: float | None, quick: bool) -> list[Row]:
    """Show how often 90 % intervals hold the outcome without noise, one patch a world."""
    hits, refusals, widths = 0, Counter[str](), []
    n = 4 if quick else N_WORLDS
    begun = time.process_time()
    for k in range(n):
        world = make_counterfactual_world(SIZE, length, snr, k)
        patch = (7919 * k) % world.table.n_patches
        value = float(world.table.frame["a"].iloc[patch]) + 1.0
        said = counterfactual(
            world.table, world.graph, patch=patch, do={"a": value}, outcome="y", rng=k
        )
        if not said.identified:
            refusals[said.reason[:80]] += 1
            continue
        low, high = said.interval(MASS)
        hits += low <= world.truth(patch, value) <= high
        widths.append(high - low)
    spent = (time.process_time() - begun) / n
    told = len(widths)
    what = f"counterfactual intervals, length {length:g}" + (f", SNR {snr:g}" if snr else "")
    return [{
        "what": f"{what}, {n} worlds",
        "measured": (f"cov90 {hits / told:.3f}, median width {np.median(widths):.3f}"
                     if told else "no answer") + f"; {n - told} refused; {spent:.2f} CPU s each",
        "goal": f"cov90 of {MASS} (exact binomial p > {BAND})",
        "met": in_band(hits, told),
    }]  # fmt: skip


def _by_gcm(world: CounterfactualWorld, value: float) -> tuple[pd.Series, float]:
    """Return dowhy.gcm's answer for all patches, a set to a value, and its CPU seconds."""
    gcm = importlib.import_module("dowhy.gcm")
    frame = world.table.frame
    begun = time.process_time()
    with (
        warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        model = gcm.InvertibleStructuralCausalModel(world.graph)
        for node in world.graph.nodes:
            if world.graph.in_degree(node):
                linear = gcm.ml.create_linear_regressor()
                model.set_causal_mechanism(node, gcm.AdditiveNoiseModel(linear))
            else:
                model.set_causal_mechanism(node, gcm.EmpiricalDistribution())
        gcm.fit(model, frame)
        answer = gcm.counterfactual_samples(model, {"a": lambda _: value}, observed_data=frame)
    return answer["y"], time.process_time() - begun


def speed(quick: bool) -> list[Row]:
    """Time the answers of every patch of a large field, and dowhy.gcm's of the same."""
    world = make_counterfactual_world(20 if quick else LARGE, 2.0, None, 0)
    n = world.table.n_patches
    value = float(world.table.frame["a"].quantile(0.9))
    by_gcm, spent_gcm = _by_gcm(world, value)
    shift = float((by_gcm - world.table.frame["y"]).mean())
    spent = []
    for k in range(4):
        begun = time.process_time()
        counterfactuals(world.table, world.graph, do={"a": value}, outcome="y", rng=k)
        spent.append(time.process_time() - begun)
    best = float(np.median(spent[1:]))
    return [{
        "what": f"counterfactuals of {n:,} patches (a set to its 90th percentile)",
        "measured": f"{best:.3f} CPU s (the first call {spent[0]:.2f})",
        "goal": f"<= {MOST_SECONDS} s", "met": best <= MOST_SECONDS,
    }, {
        "what": f"dowhy.gcm, the same {n:,} patches",
        "measured": f"{spent_gcm:.2f} CPU s without intervals (mean change of y: {shift:.3f})",
        "goal": None, "met": None,
    }]  # fmt: skip


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "counterfactuals and their closed form": closed_form,
    **{
        f"counterfactual intervals, length {length:g}{said}": partial(coverage, length, snr)
        for length in (0.0, 2.0, 4.0)
        for said, snr in (("", None), (", SNR 10", 10.0))
    },
    "speed of counterfactuals": speed,
}
