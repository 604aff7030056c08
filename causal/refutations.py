"""Checks that should find nothing: an effect that passes them by was none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy import fft, stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.effect_estimates.effect_records import (
    Effect,
    EffectOptions,
    require_effect,
)
from physlearn.causal.effect_estimates.held_slope import held_slope
from physlearn.causal.effect_estimates.slopes import Slope, back_door_slope
from physlearn.causal.effect_estimates.smooth_confounders import (
    rough_columns,
    rough_slope,
    score_of,
)
from physlearn.causal.effect_estimates.spill_over import with_neighbours
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import possible_directions
from physlearn.causal.spatial_layout import Floats, SpatialLayout
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import InputError, NotIdentified, as_generator
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable

N_PLACEBOS = 200
LEAST_SHIFT = 0.2
"""A placebo is moved by at least this share of the field of view."""
PASSED = 0.01
"""P value below which a check has failed."""
DIFFERS = 0.05
"""P value of the shifted cause below which an effect differs from nil."""
SIDES = 2


@dataclass(frozen=True, slots=True)
class Refutation:
    """One check of an effect.

    Attributes
    ----------
    name
        "differs from nil", "subsets", "short waves" or "negative control".
    passed
        Whether the effect stood it; of "differs from nil" whether it does, which a sound effect of
        no size does not.
    value
        What was found, in the outcome's unit (of the negative control: in that column's).
    p_value
        Of finding as much by chance where the effect is sound; of "differs from nil": of finding
        as large an effect where there is none.
    text
        The finding as a sentence.

    Examples
    --------
    >>> Refutation("subsets", True, 0.1, 0.4, "the parts of the field agree.").passed
    True
    """

    name: str
    passed: bool
    value: float
    p_value: float
    text: str

    __repr__ = short_repr
    _repr_html_ = html_table


def refute(
    effect: Effect,
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    negative_control: str | None = None,
    rng: int | np.random.Generator | None = None,
) -> tuple[Refutation, ...]:
    """Return the checks of an effect that a back-door set identified.

    The cause shifted over the field loses its effect, where there is one (differs from nil); the
    quarters of the field must agree; the slope beyond the band of a smooth hidden field must be
    that of all waves (in fields of at least about 28 x 28 patches whose cause varies beyond that
    band); and a column that the cause cannot touch must not change with it (negative control,
    Lipsitch, Tchetgen Tchetgen and Cohen 2010, doi:10.1097/EDE.0b013e3181d61eeb).

    The checks read the columns as the effect did: less their smooth part, along curves of what is
    held fixed, or beside the neighbours' causes; an effect beyond the smooth band has passed the
    check of short waves by being answered.

    Parameters
    ----------
    effect
        From `estimate_effect`.
    table, graph
        As given to it.
    negative_control
        A column that the cause cannot change but that a hidden common cause would also drive.
    rng
        Seed of the random fields.

    Raises
    ------
    InputError
        For an effect by another strategy, or a control that the graph says the cause may move.
    NotIdentified
        For an effect that was not identified.

    Examples
    --------
    >>> from physlearn.causal import estimate_effect
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=256), "c": rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> graph = nx.DiGraph([("a", "b")])
    >>> effect = estimate_effect(table, graph, "a", "b", rng=0)
    >>> [check.passed for check in refute(effect, table, graph, negative_control="c", rng=0)]
    [True, True, True]
    """
    require_table(table)
    require_effect(effect)
    if not effect.identified:
        raise NotIdentified(f"there is no effect to check: {effect.reason}")
    if effect.strategy != "back-door":
        raise InputError(
            f"refute checks effects by a back-door set; this one is by {effect.strategy!r}."
        )
    generator, _ = as_generator(rng)
    seen = _seen(effect, table, effect.outcome)
    checks = [_nil_check(seen, effect.cause, generator), _subset_check(seen)]
    if not (effect.options.smooth_confounder or effect.options.spill_over):
        checks += _smooth_field_check(seen)
    if negative_control is not None:
        _require_untouched(effect, table, graph, negative_control)
        checks.append(_negative_control(effect, _seen(effect, table, negative_control)))
    return tuple(checks)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Columns as an effect was read from them: positions, slope, and the contrast's scale."""

    columns: Columns
    spatial: SpatialScore
    ends: tuple[int, int]
    given: tuple[int, ...]
    slope: Slope
    scale: float


def _seen(effect: Effect, table: PatchTable, outcome: str) -> _Seen:
    """Return what the effect's own estimator saw, of the effect on the column `outcome`."""
    options = effect.options
    prepared = prepare_columns(table, names=[effect.cause, outcome, *effect.adjustment_set])
    held = held_slope(table, prepared, 0, 1, tuple(range(2, len(prepared.names))), options)
    columns, given, slope, ends = held.columns, held.given, held.slope, (0, 1)
    scale = (effect.contrast[1] - effect.contrast[0]) * float(columns.scale[1] / columns.scale[0])
    if options.smooth_confounder:
        columns = rough_columns(columns, 0, 1, given, options.confounder_length_patches)
    elif options.spill_over:
        distance = options.neighbour_distance_patches
        columns, _ = with_neighbours(columns, (0, *given), 1, distance)
        ends = (0, 1 + len(given))
        given = tuple(k for k in range(len(columns.names)) if k not in ends)
        slope = back_door_slope(score_of(columns), *ends, given, columns.names)
    return _Seen(columns, score_of(columns), ends, given, slope, scale)


def _nil_check(seen: _Seen, cause: str, generator: np.random.Generator) -> Refutation:
    found = spatial_placebo(seen.spatial, *seen.ends, seen.given, seen.scale, generator)
    p_value = found["placebo_p_value"]
    differs = p_value < DIFFERS
    text = (
        f"with {cause} shifted over the field as large an effect is found in {p_value:.1%} of cases"
        + ("." if differs else ": it may be none.")
    )
    return Refutation("differs from nil", differs, found["placebo_mean"], p_value, text)


def _subset_check(seen: _Seen) -> Refutation:
    """Compare the slopes in the quarters of the field."""
    spatial, given, sd = seen.spatial, seen.given, seen.slope.sd
    grams, count = spatial.block_grams(spatial.layout.blocks(SIDES))
    slopes, weights = [], []
    true_all = _true_variance(seen, spatial.gram)
    for gram, n in zip(grams, count, strict=True):
        moments = gram / n
        w_x, w_y = (spatial.weights(k, given, moments) for k in seen.ends)
        true = _true_variance(seen, moments)
        if true > 0.1 * true_all:
            slopes.append(float(w_x @ (moments - spatial.noise) @ w_y) / true)
            # the error of a part: fewer patches, and a cause that varies more or less there
            weights.append(n / spatial.n * true / true_all / sd**2)
    if len(slopes) < 2:
        text = "the cause varies in one part of the field only."
        return Refutation("subsets", False, math.nan, math.nan, text)
    center = np.average(slopes, weights=weights)
    spread = float(np.array(weights) @ (np.array(slopes) - center) ** 2)
    freedom = max(spatial.error(*seen.ends, given)[1] - 2.0 - len(given), 2.0)
    p_value = float(stats.f.sf(spread / (len(slopes) - 1), len(slopes) - 1, freedom))
    apart = (max(slopes) - min(slopes)) * abs(seen.scale)
    passed = p_value >= PASSED
    verb = "agree" if passed else "differ more than their errors"
    text = f"the {len(slopes)} parts of the field {verb} (apart by {apart:.3g}, p = {p_value:.2g})."
    return Refutation("subsets", passed, apart, p_value, text)


def _smooth_field_check(seen: _Seen) -> list[Refutation]:
    """Compare the slope with that of the waves too short for a smooth hidden field."""
    length = EffectOptions().confounder_length_patches
    slope, scale = seen.slope, seen.scale
    try:
        beyond = rough_slope(seen.columns, *seen.ends, seen.given, length)
    except NotIdentified:
        return []
    # the bands overlap, so that this error is too large rather than too small
    shift = (slope.mean - beyond.mean) / math.hypot(slope.sd, beyond.sd)
    p_value = float(2.0 * stats.t.sf(abs(shift), min(slope.freedom, beyond.freedom)))
    passed = p_value >= PASSED
    text = (
        f"waves too short for a hidden field of {length:g} patches give {beyond.mean * scale:.3g} "
        f"+- {abs(beyond.sd * scale):.2g}, all waves {slope.mean * scale:.3g} (p = {p_value:.2g})"
        + (
            "." if passed
            else ": a smooth hidden field may drive both; estimate with "
            "EffectOptions(smooth_confounder=True)."
        )
    )  # fmt: skip
    apart = (slope.mean - beyond.mean) * scale
    return [Refutation("short waves", passed, apart, p_value, text)]


def _true_variance(seen: _Seen, gram: Floats) -> float:
    weights = seen.spatial.weights(seen.ends[0], seen.given, gram)
    return float(weights @ (gram - seen.spatial.noise) @ weights)


def _require_untouched(
    effect: Effect, table: PatchTable, graph: CausalGraph | nx.DiGraph, control: str
) -> None:
    held = effect.adjustment_set
    if control in (effect.cause, effect.outcome, *held) or control not in table.columns:
        raise InputError(
            "negative_control must be another column of the table than cause, outcome and those "
            f"held fixed; got {control!r}."
        )
    directed = possible_directions(graph)
    if {control, effect.cause} <= set(directed) and nx.has_path(directed, effect.cause, control):
        raise InputError(
            f"negative_control must be a column that the cause cannot change; by the graph "
            f"{effect.cause!r} may change {control!r}."
        )


def _negative_control(effect: Effect, seen: _Seen) -> Refutation:
    """Look at the effect on a column that the cause cannot touch: it must be nil."""
    slope, scale, control = seen.slope, seen.scale, seen.columns.names[seen.ends[1]]
    p_value = float(2.0 * stats.t.sf(abs(slope.mean) / slope.sd, slope.freedom))
    passed = p_value >= PASSED
    text = (
        f"{control}, which {effect.cause} cannot change, changes with it by "
        f"{slope.mean * scale:.3g} +- {abs(slope.sd * scale):.2g} (p = {p_value:.2g})"
        + ("." if passed else ": something hidden drives both, and may bias the effect, too.")
    )
    return Refutation("negative control", passed, slope.mean * scale, p_value, text)


def spatial_placebo(
    spatial: SpatialScore,
    x: int,
    y: int,
    given: tuple[int, ...],
    scale: float,
    generator: np.random.Generator,
) -> dict[str, float]:
    """Shift the cause's residual over the field: an effect that survives was none.

    `scale` turns a slope in units of the columns into the effect of the contrast.
    """
    r_x = spatial.values @ spatial.weights(x, given)
    r_y = spatial.values @ spatial.weights(y, given)
    shifted = _shifted_products(spatial.layout, r_x, r_y, generator)
    slopes = shifted / float(r_x @ r_x) * scale
    beyond = np.count_nonzero(np.abs(shifted) >= abs(float(r_x @ r_y)) * (1 - 1e-12))
    return {
        "placebo_p_value": float((1 + beyond) / (len(shifted) + 1)),
        "placebo_mean": float(slopes.mean()),
        "placebo_sd": float(slopes.std()),
    }


def _shifted_products(
    layout: SpatialLayout, first: Floats, second: Floats, generator: np.random.Generator
) -> Floats:
    """Return the sums of products of one field with the other moved over the field of view.

    On a full grid all moves by whole patches come from one transform; elsewhere moves are drawn.
    """
    cells = layout.cells
    shape = None if cells is None else tuple(int(k) for k in cells.max(axis=0) + 1)
    if cells is None or shape is None or shape[0] * shape[1] != layout.n:
        drawn = [first[layout.shifted(generator)] @ second for _ in range(N_PLACEBOS)]
        return np.asarray(drawn, dtype=np.float64)
    images = np.zeros((2, *shape))
    images[:, cells[:, 0], cells[:, 1]] = first, second
    spectra = fft.rfft2(images)
    products = fft.irfft2(spectra[0] * np.conj(spectra[1]), shape)
    far = [np.minimum(np.arange(k), k - np.arange(k)) >= LEAST_SHIFT * k for k in shape]
    return np.asarray(products[far[0][:, None] | far[1][None, :]], dtype=np.float64)
