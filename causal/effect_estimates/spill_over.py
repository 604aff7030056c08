"""What the cause of a patch does to its neighbours."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns
from physlearn.causal.effect_estimates.effect_records import SpillOver
from physlearn.causal.effect_estimates.neighbours import neighbour_matrix
from physlearn.causal.effect_estimates.slopes import back_door_slope, variance_of
from physlearn.causal.effect_estimates.smooth_confounders import score_of
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import NotIdentified

NEIGHBOURS = "neighbours' "
FOUND = 0.01
"""P value below which a spill-over that nobody asked for is told."""
LEAST_WITH_NEIGHBOURS = 0.5


def with_neighbours(
    columns: Columns, own: tuple[int, ...], outcome: int, distance_patches: float
) -> tuple[Columns, float]:
    """Return columns `own`, the outcome, and the neighbours' means of `own`; mean neighbours.

    Patches without neighbours are left out. The noise of a mean is that of one patch over the
    number of neighbours.

    Raises
    ------
    NotIdentified
        Where most patches have no neighbour.
    """
    matrix = neighbour_matrix(columns.layout, distance_patches)
    count = np.asarray(matrix.sum(axis=1)).ravel()
    there = count > 0
    if there.mean() < LEAST_WITH_NEIGHBOURS:
        raise NotIdentified(
            f"only {there.sum()} of {len(there)} patches have a neighbour within "
            f"{distance_patches:g} patches: no spill-over can be read; raise "
            "neighbour_distance_patches."
        )
    means = (matrix @ columns.values[:, list(own)])[there] / count[there, None]
    means -= means.mean(axis=0)
    kept = [*own, outcome]
    names = (*(columns.names[k] for k in kept), *(NEIGHBOURS + columns.names[k] for k in own))
    noise = np.zeros((len(names), len(names)))
    noise[: len(kept), : len(kept)] = columns.noise[np.ix_(kept, kept)]
    inside = columns.noise[np.ix_(own, own)] * float((1.0 / count[there]).mean())
    noise[len(kept) :, len(kept) :] = inside
    values = np.column_stack([columns.values[there][:, kept], means])
    layout = columns.layout if there.all() else SpatialLayout(columns.layout.centers[there])
    joined = replace(columns, names=names, values=values, noise=noise, layout=layout)
    return joined, float(count[there].mean())


def spill_over_slopes(
    columns: Columns, x: int, y: int, given: tuple[int, ...], distance_patches: float
) -> SpillOver:
    """Return direct, spill-over and total slopes, in units of the columns.

    The outcome on the cause of the patch and the mean cause of its neighbours, the columns held
    fixed and their neighbours' means held fixed (Hudgens and Halloran 2008,
    doi:10.1198/016214508000000292, with the mean of the neighbours as exposure).

    Raises
    ------
    NotIdentified
        Where cause and neighbours' cause cannot be told apart.
    """
    joined, n_neighbours = with_neighbours(columns, (x, *given), y, distance_patches)
    held = tuple(range(1, 1 + len(given)))
    outcome = 1 + len(given)
    beyond = tuple(outcome + 2 + k for k in range(len(given)))
    around = outcome + 1
    score = score_of(joined)
    direct = back_door_slope(score, 0, outcome, (around, *held, *beyond), joined.names)
    spill = back_door_slope(score, around, outcome, (0, *held, *beyond), joined.names)
    # both together: one weight for the sum, the same error
    true = score.gram - score.noise
    w_own = score.weights(0, (around, *held, *beyond))
    w_around = score.weights(around, (0, *held, *beyond))
    w_error = (
        score.weights(outcome, (*held, *beyond))
        - direct.mean * score.weights(0, (*held, *beyond))
        - spill.mean * score.weights(around, (*held, *beyond))
    )
    both = w_own / float(w_own @ true @ w_own) + w_around / float(w_around @ true @ w_around)
    freedom = min(direct.freedom, spill.freedom)
    variance = variance_of(score, both, w_error)
    spread = float(both @ score.gram @ both) * float(w_error @ score.gram @ w_error)
    # as for each slope: the fitted columns took their share of few independent patches
    inflation = max(spread / max(variance, 1e-300) / freedom, 1.0)
    total_sd = math.sqrt(variance * inflation)
    return SpillOver(
        direct.mean, direct.sd, spill.mean, spill.sd,
        direct.mean + spill.mean, total_sd, freedom, n_neighbours,
    )  # fmt: skip


def scaled_spill_over(found: SpillOver, scale: float) -> SpillOver:
    """Return slopes as effects of a contrast."""
    size = abs(scale)
    return replace(
        found,
        direct=found.direct * scale, direct_sd=found.direct_sd * size,
        spill_over=found.spill_over * scale, spill_over_sd=found.spill_over_sd * size,
        total=found.total * scale, total_sd=found.total_sd * size,
    )  # fmt: skip


def spill_over_warning(columns: Columns, x: int, y: int, given: tuple[int, ...]) -> str:
    """Return a sentence where the neighbours' cause tells of the outcome too, else ""."""
    try:
        found = spill_over_slopes(columns, x, y, given, 1.0)
    except NotIdentified:
        return ""
    size = abs(found.spill_over) / max(found.spill_over_sd, 1e-300)
    if 2.0 * float(stats.t.sf(size, found.freedom)) >= FOUND:
        return ""
    return (
        f"the {columns.names[x]} of the neighbours also tells of {columns.names[y]} "
        f"({size:.1f} standard deviations): the effect spills over, or blur or unknown noise makes "
        "it look so; estimate both with EffectOptions(spill_over=True)."
    )
