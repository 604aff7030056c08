"""How much one column changes another: identified by dowhy, with errors that count neighbours."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.effect_estimates.contrasts import chosen_contrast, contrast_notes
from physlearn.causal.effect_estimates.effect_members import member_of
from physlearn.causal.effect_estimates.effect_records import (
    Effect,
    EffectMember,
    EffectOptions,
    LevelEffect,
)
from physlearn.causal.effect_estimates.far_patches import far_patches_note
from physlearn.causal.effect_estimates.held_slope import HeldSlope
from physlearn.causal.effect_estimates.modifiers import (
    check_modifiers,
    effects_by_level,
    levels_differ,
    require_closed,
)
from physlearn.causal.effect_estimates.slopes import benchmarks_of
from physlearn.causal.effect_estimates.smooth_confounders import score_of
from physlearn.causal.effect_estimates.spill_over import (
    scaled_spill_over,
    spill_over_slopes,
    spill_over_warning,
)
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.identification import identify, unhidden_assumption
from physlearn.causal.members import weak_link_warnings
from physlearn.causal.refutations import spatial_placebo
from physlearn.causal.table_notes import selection_notes
from physlearn.checks import InputError, NotIdentified, as_generator

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = ["Effect", "EffectMember", "EffectOptions", "estimate_effect"]


def estimate_effect(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    *,
    contrast: tuple[float, float] | None = None,
    options: EffectOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> Effect:
    """Estimate the total linear effect of one column on another under a graph.

    dowhy names the columns to hold fixed (the efficient back-door set, to which the causes of
    the cause are added), else those in between (front-door) or instruments, in every directed
    graph that the given graph may stand for; its answer is kept for the next table of the same
    graph. The coefficient comes from regression with the known measurement noise taken out, its
    error from the autocovariance of the residuals. When the possible graphs disagree the effect
    is a range, and when one of them has a hidden common cause of the two it is refused, with the
    columns that would identify it. Where the link was only just found, a warning says that its
    effect is often overstated on the same patches.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    cause, outcome
        Column names.
    contrast
        From, to, in the cause's unit; the 10th and 90th percentile when None (the two values of a
        cause that has but two). A warning tells where it leaves the values that were seen.
    options
        Strategy, smooth hidden fields, levels of other columns, neighbours (`EffectOptions`).
    rng
        Seed of the placebo shifts.

    Returns
    -------
    Effect
        In the outcome's unit.

    Raises
    ------
    InputError
        For unknown columns, cause and outcome the same, a contrast without length, or a modifier
        that is no node of the graph, may come after the cause, or opens a path between the two.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Identification: dowhy (Sharma and Kiciman, arXiv 2011.04216); efficient sets: Rotnitzky and
    Smucler, JMLR 21(188) (2020). Errors in variables: Fuller
    (1987), doi:10.1002/9780470316665. Effective sample size: Dutilleul, doi:10.2307/2532625.
    Columns are held fixed along curves where straight lines would leave another effect.
    Front-door: Pearl (1995), doi:10.1093/biomet/82.4.669. Linear effects; a hidden common cause
    that the graph does not show biases the number (`sensitivity` says by how much).

    Examples
    --------
    >>> import networkx as nx, numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> effect = estimate_effect(table, nx.DiGraph([("a", "b")]), "a", "b", contrast=(0, 1), rng=0)
    >>> 1.8 < effect.mean < 2.2, effect.identified
    (True, True)
    """
    options = checked_options(options)
    columns, ends = prepared(table, graph, cause, outcome, contrast)
    generator, seed = as_generator(rng)
    warnings = [*columns.warnings, *selection_notes(table, columns.names)]
    values = table.frame[cause].to_numpy()
    warnings += contrast_notes(cause, values, ends, given=contrast is not None)
    warnings += check_modifiers(table, graph, cause, outcome, options.modifiers)
    unit = table.units.get(outcome, "1")
    effect = Effect(
        cause, outcome, ends, math.nan, math.nan, False, "", (), unit, seed=seed,
        outcome_sd=float(table.frame[outcome].std()), options=options,
    )  # fmt: skip
    try:
        answer = identify(columns.names, graph, cause, outcome, options, warnings)
        effect = replace(effect, would_identify=answer.would_identify)
        if answer.reason:
            raise NotIdentified(answer.reason)
        spatial = score_of(columns)
        both = [
            member_of(table, spatial, columns, cause, outcome, ends, estimand, options, warnings)
            for estimand in answer.estimands
        ]
        found, held = tuple(member for member, _ in both), both[0][1]
        effect = _with_members(effect, table, found, held, options, warnings)
    except NotIdentified as refusal:
        return replace(effect, reason=str(refusal), warnings=tuple(warnings))
    found = effect.members
    means = [member.mean for member in found]
    low, high = min(means), max(means)
    sd = max(member.sd for member in found)
    warnings += weak_link_warnings(graph, cause, outcome)
    effect = replace(effect, range=(low, high), warnings=tuple(warnings))
    if len(found) > 1 and high - low > 0.1 * sd:
        reason = (
            f"the graph leaves {len(found)} answers open, from {low:.3g} to {high:.3g}: "
            "an intervention, or a firmer graph, decides."
        )
        return replace(effect, reason=reason)
    effect = replace(
        effect,
        mean=found[0].mean,
        sd=sd,
        identified=True,
        would_identify=(),
        adjustment_set=found[0].adjustment_set or (),
        n_effective=found[0].n_effective,
        strategy=found[0].strategy,
        assumptions=_assumptions(effect, graph, found[0], held),
    )
    return _completed(effect, table, graph, held, generator)


def checked_options(options: EffectOptions | None) -> EffectOptions:
    """Return the options, or say that something else was given."""
    if options is None:
        return EffectOptions()
    if not isinstance(options, EffectOptions):
        raise InputError(f"options must be an EffectOptions; got {type(options).__name__}.")
    return options


def prepared(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    contrast: tuple[float, float] | None,
) -> tuple[Columns, tuple[float, float]]:
    """Return the columns of the graph and the contrast, or say what is wrong with the question."""
    require_table(table)
    if cause == outcome:
        raise InputError(f"cause and outcome must be different columns; got {cause!r} twice.")
    columns = prepare_columns(table, names=_columns_of(table, graph, cause, outcome), drop=True)
    for name in (cause, outcome):
        if name not in columns.names:
            raise InputError(f"column {name!r} does not vary on its own; no effect can be read.")
    return columns, chosen_contrast(cause, table.frame[cause].to_numpy(), contrast)


def _columns_of(
    table: PatchTable, graph: CausalGraph | nx.DiGraph, cause: str, outcome: str
) -> list[str]:
    if not isinstance(graph, CausalGraph | nx.Graph):
        raise InputError(
            "graph must be a CausalGraph or a networkx.DiGraph, for example "
            f"CausalGraph.from_edges([({cause!r}, {outcome!r})]); got {type(graph).__name__}."
        )
    nodes = list(graph.columns) if isinstance(graph, CausalGraph) else list(graph.nodes)
    for name in (cause, outcome):
        if name not in table.columns:
            raise InputError(f"{name!r} is no column of the table; it has {table.columns}.")
        if name not in nodes:
            raise InputError(
                f"{name!r} is no node of the graph (left out as constant or repeated?)."
            )
    return [name for name in nodes if name in table.columns]


def _with_members(
    effect: Effect,
    table: PatchTable,
    found: tuple[EffectMember, ...],
    held: HeldSlope | None,
    options: EffectOptions,
    warnings: list[str],
) -> Effect:
    """Return the effect with its members, neighbours held fixed where their part is asked for."""
    if len(found) > 1 or held is None or options.smooth_confounder:
        if options.spill_over:
            raise NotIdentified(
                "the effect on neighbours is read only where one back-door set is known and no "
                "smooth hidden field is assumed."
            )
        return replace(effect, members=found)
    columns, given = held.columns, held.given
    x, y = columns.index(effect.cause), columns.index(effect.outcome)
    if not options.spill_over:
        if table.overlap == 0:
            note = spill_over_warning(columns, x, y, given)
            warnings += [note] if note else []
        return replace(effect, members=found)
    if table.overlap > 0:
        raise NotIdentified(
            f"the patches overlap by {table.overlap:.0%}: what neighbours share is no influence; "
            "take patches that only touch."
        )
    scale = (effect.contrast[1] - effect.contrast[0]) * float(columns.scale[y] / columns.scale[x])
    slopes = spill_over_slopes(columns, x, y, given, options.neighbour_distance_patches)
    told = scaled_spill_over(slopes, scale)
    own = replace(found[0], mean=told.direct, sd=told.direct_sd, freedom=told.freedom)
    return replace(effect, members=(own,), spill_over=told)


def _assumptions(
    effect: Effect,
    graph: CausalGraph | nx.DiGraph,
    member: EffectMember,
    held: HeldSlope | None,
) -> tuple[str, ...]:
    told, options = [], effect.options
    if member.strategy == "back-door" and not options.smooth_confounder:
        held_fixed = member.adjustment_set or ()
        told = [unhidden_assumption(graph, effect.cause, effect.outcome, held_fixed)]
    told += [held.assumption] if held is not None else []
    if options.smooth_confounder:
        told.append(
            "what no column measures varies smoothly, over at least "
            f"{options.confounder_length_patches:g} patches; a rough hidden cause would bias the "
            "number as before."
        )
    if member.strategy == "front-door":
        told.append(
            f"all of the influence passes through {', '.join(member.used)}, and nothing hidden "
            "drives them together with the cause or the outcome."
        )
    if member.strategy == "instrument":
        told.append(
            f"{', '.join(member.used)} acts on the outcome by way of the cause only, and shares "
            "no hidden cause with it."
        )
    if options.spill_over:
        told.append("the number is that of the patch's own cause, its neighbours held as they are.")
    return tuple(text for text in told if text)


def _completed(
    effect: Effect,
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    held: HeldSlope | None,
    generator: np.random.Generator,
) -> Effect:
    """Return an identified effect with its checks, benchmarks and levels."""
    options = effect.options
    if held is None or effect.strategy != "back-door":
        if options.modifiers:
            note = "the effect by level is given for a back-door set only; it was left out."
            return replace(effect, warnings=(*effect.warnings, note))
        return effect
    cause, outcome, columns, spatial = effect.cause, effect.outcome, held.columns, held.score
    length = effect.contrast[1] - effect.contrast[0]
    ends, adjustment = (cause, outcome), effect.adjustment_set or ()
    odd = far_patches_note(table, held, ends, adjustment, length, options)
    if odd:
        effect = replace(effect, warnings=(*effect.warnings, odd))
    x, y = columns.index(cause), columns.index(outcome)
    smooth = options.smooth_confounder
    refutations: dict[str, float] = {}
    if not smooth:
        scale = length * columns.scale[y] / columns.scale[x]
        refutations = spatial_placebo(spatial, x, y, held.given, float(scale), generator)
    levels: list[LevelEffect] = []
    for modifier in options.modifiers:
        require_closed(
            graph, cause, outcome, effect.adjustment_set, modifier, columns.names,
            hidden_held=smooth,
        )  # fmt: skip
        split = effects_by_level(
            table, cause, outcome, effect.adjustment_set, effect.contrast, modifier, options
        )
        refutations[f"same_at_all_{modifier}_p_value"] = levels_differ(split)
        levels += split
    benchmarks = benchmarks_of(spatial, x, y, held.given, effect.adjustment_set)
    return replace(effect, refutations=refutations, by_level=tuple(levels), benchmarks=benchmarks)
