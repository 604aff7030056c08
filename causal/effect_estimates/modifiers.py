"""The effect at each level of another column."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy import stats

from physlearn.causal.columns import prepare_columns
from physlearn.causal.effect_estimates.effect_records import EffectOptions, LevelEffect
from physlearn.causal.effect_estimates.held_slope import held_slope
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import blocks_back_doors, members, possible_directions
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

MOST_VALUES = 6
"""A column with no more different values than this has these as its levels."""
NOISY = 0.1


def check_modifiers(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    modifiers: Sequence[str],
) -> list[str]:
    """Return warnings about columns by whose level an effect is asked for.

    Raises
    ------
    InputError
        For an unknown column, the cause or the outcome itself, a column that is no node of the
        graph, or one that the cause may move.
    """
    directed = possible_directions(graph)
    notes = []
    for name in modifiers:
        if name not in table.columns:
            raise InputError(f"modifiers must name columns of the table; {name!r} is none.")
        if name in (cause, outcome):
            raise InputError(
                f"modifiers may hold neither cause nor outcome; got {name!r} (for an effect that "
                "depends on the cause itself use dose_response)."
            )
        if name not in directed:
            raise InputError(
                f"modifiers must be nodes of the graph; {name!r} is none: add it with what drives "
                "it and what it drives (a modifier that both sides drive makes an effect of its "
                "own)."
            )
        if name in nx.descendants(directed, cause):
            raise InputError(
                f"modifiers must not come after the cause; {name!r} may do so: splitting by it "
                "mixes patches that the cause made different."
            )
        if table.measurement_covariance is not None:
            place = table.columns.index(name)
            noise = float(table.measurement_covariance[:, place, place].mean())
            if noise > NOISY * float(table.frame[name].var()):
                notes.append(
                    f"more than {NOISY:.0%} of the variance of {name} is noise: its levels mix, "
                    "and the effects at them differ more than they show."
                )
    return notes


def require_closed(
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    held_fixed: tuple[str, ...],
    modifier: str,
    observed: Collection[str],
    *,
    hidden_held: bool,
) -> None:
    """Refuse a modifier by whose level a path between cause and outcome opens.

    With `hidden_held` the nodes that nobody observed count as held fixed (smooth hidden fields).

    Raises
    ------
    InputError
        For a modifier that, held fixed beside the others, no longer leaves the cause's influence
        alone in one of the graphs that are still possible.
    """
    for member in members(graph, cause, outcome, modifier):
        hidden = set(member) - set(observed) if hidden_held else set()
        held = tuple({*held_fixed, modifier, *hidden} & set(member))
        if nx.has_path(member, cause, outcome) and not blocks_back_doors(
            member, cause, outcome, held
        ):
            raise InputError(
                f"modifiers may not open a path between {cause} and {outcome}; by the graph "
                f"{modifier!r} may do so (both sides drive it): its levels would show an effect "
                "that is not the cause's."
            )


def effects_by_level(
    table: PatchTable,
    cause: str,
    outcome: str,
    held_fixed: tuple[str, ...],
    contrast: tuple[float, float],
    modifier: str,
    options: EffectOptions,
) -> tuple[LevelEffect, ...]:
    """Return the back-door effect in the patches of each level of one column."""
    values = table.frame[modifier].to_numpy()
    unique = np.unique(values)
    if len(unique) <= MOST_VALUES:
        groups = [(float(v), float(v), values == v) for v in unique]
    else:
        n_levels = options.n_levels
        cuts = np.quantile(values, np.linspace(0, 1, n_levels + 1))
        place = np.clip(np.searchsorted(cuts, values, side="right") - 1, 0, n_levels - 1)
        groups = [(float(cuts[k]), float(cuts[k + 1]), place == k) for k in range(n_levels)]
    found = []
    for low, high, inside in groups:
        varies = len(np.unique(values[inside])) > 1
        held = (*held_fixed, modifier) if varies and modifier not in held_fixed else held_fixed
        if not varies:
            held = tuple(name for name in held_fixed if name != modifier)
        level = LevelEffect(modifier, low, high, int(inside.sum()), math.nan, math.nan, math.nan)
        try:
            patches = table.take(inside)
            part = prepare_columns(patches, names=[cause, outcome, *held])
            slope = held_slope(patches, part, 0, 1, tuple(range(2, 2 + len(held))), options).slope
        except (NotIdentified, InputError) as refusal:
            found.append(replace(level, reason=str(refusal)))
            continue
        scale = (contrast[1] - contrast[0]) * float(part.scale[1] / part.scale[0])
        mean, sd = slope.mean * scale, abs(slope.sd * scale)
        found.append(replace(level, mean=mean, sd=sd, freedom=slope.freedom))
    return tuple(found)


def levels_differ(levels: Sequence[LevelEffect]) -> float:
    """Return the p value that the effect is the same at all levels of one modifier.

    Levels count as independent samples; where they lie side by side they are a little less.
    """
    kept = [level for level in levels if math.isfinite(level.mean) and level.sd > 0]
    if len(kept) < 2:
        return math.nan
    weight = np.array([1.0 / level.sd**2 for level in kept])
    means = np.array([level.mean for level in kept])
    center = float(weight @ means / weight.sum())
    spread = float(weight @ (means - center) ** 2) / (len(kept) - 1)
    freedom = min(level.freedom for level in kept)
    return float(stats.f.sf(spread, len(kept) - 1, freedom))
