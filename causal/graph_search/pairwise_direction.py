"""Which of two columns drives the other, when nothing else is known: a weak claim, stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.graph_search.pairwise_models import (
    independence_p_value,
    shift_rows,
    slope_score,
    smooth_residual,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_score import SpatialScore
from physlearn.checks import as_generator, check_choice
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable

LEVEL = 0.05
"""A direction fits when its residual is not shown to depend on the cause at this level..."""
FIRM = 0.01
"""...and is ruled out when it is at this one."""
FEWEST = 100
"""Effective patches below which shapes cannot be told apart."""
FEWEST_VALUES = 20
LARGEST_NOISE = 0.05
"""Share of measurement noise in a column from which an additive-noise fit may point back."""
LARGEST_SCATTER = 0.1
"""Share of variance around a smooth curve from which slopes are those of the scatter."""


@dataclass(frozen=True, slots=True)
class PairDirection:
    """The answer of `pairwise_direction`.

    Attributes
    ----------
    first, second
        The two columns, x and y.
    verdict
        "x->y", "y->x" or "undecided".
    method
        "anm" or "igci".
    p_forward, p_backward
        "anm": p value of an additive-noise model x -> y, and of one y -> x. "igci": one-sided
        p values of the slope scores against each direction.
    n_effective
        Number of independent patches that carry the same information.
    reason
        Why it is undecided, and what would decide it; else an empty string.
    seed
        Of the spatial shifts.

    Examples
    --------
    >>> PairDirection("dose", "strain", "x->y", "anm", 0.4, 0.001, 900.0).claim()[:27]
    'dose seems to drive strain,'
    """

    first: str
    second: str
    verdict: str
    method: str
    p_forward: float
    p_backward: float
    n_effective: float
    reason: str = ""
    seed: int | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def cause(self) -> str | None:
        """The column that seems to drive the other, or None."""
        return {"x->y": self.first, "y->x": self.second}.get(self.verdict)

    def claim(self) -> str:
        """Return the answer in one sentence, with what it takes for granted."""
        if self.cause is None:
            return f"The direction between {self.first} and {self.second} is open: {self.reason}."
        effect = self.second if self.cause == self.first else self.first
        assumed = {
            "anm": (
                "the effect is a smooth function of the cause plus independent noise, not both "
                "linear and Gaussian"
            ),
            "igci": "the relation is invertible, all but without noise and not linear",
        }[self.method]
        return (
            f"{self.cause} seems to drive {effect}, if no hidden cause drives both, one of them "
            f"drives the other, and {assumed}: a weak claim, to be confirmed by an intervention."
        )


def pairwise_direction(
    table: PatchTable,
    x: str,
    y: str,
    *,
    method: str = "anm",
    rng: int | np.random.Generator | None = None,
) -> PairDirection:
    """Say which of two columns drives the other from their shapes alone, or leave it open.

    "anm" fits a smooth curve either way: only in the causal direction is the residual independent
    of what it was fitted on. It needs noise that adds, and a curve or a shape that is not Gaussian.
    "igci" compares the slopes of an all but noise-free relation. Both assume that no hidden cause
    drives both columns; where both directions fit, or neither, nothing is said.

    Parameters
    ----------
    table
        Patches; at least 100 effective ones.
    x, y
        Columns, as measured (no plane is taken out, which would bend the relation).
    method
        "anm" or "igci".
    rng
        Seed of the spatial shifts.

    Raises
    ------
    InputError
        For unknown or equal columns, constant ones or an unknown method.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Hoyer et al., NeurIPS 21, 689 (2008); Mooij et al., JMLR 17(32), 1 (2016) (both methods
    compared); Janzing et al., doi:10.1016/j.artint.2012.01.002.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(0)
    >>> row, column = np.mgrid[:20, :20].reshape(2, -1)
    >>> dose = rng.normal(size=400)
    >>> frame = pd.DataFrame({"dose": dose, "area": dose**2 + dose + 0.5 * rng.normal(size=400)})
    >>> table = PatchTable.from_frame(frame, np.stack([column, row], 1), 1.0)
    >>> pairwise_direction(table, "dose", "area", rng=0).verdict
    'x->y'
    """
    require_table(table)
    check_choice("method", method, ("anm", "igci"))
    generator, seed = as_generator(rng)
    columns = prepare_columns(table, names=[x, y])
    raw = table.frame[[x, y]].to_numpy(dtype=np.float64)
    values = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    score = SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)
    n_effective = min(float(score.error(0, 1, ())[1]), float(table.n_patches))
    found = [np.nan, np.nan]
    reason = _unusable(table, x, y, raw, columns, n_effective, method)
    verdict = "undecided"
    if not reason and method == "anm":
        verdict, found, reason = _additive_noise(values, columns, n_effective, generator)
    elif not reason:
        verdict, found, reason = _slopes(values, columns, n_effective)
    return PairDirection(x, y, verdict, method, found[0], found[1], n_effective, reason, seed)


def _unusable(
    table: PatchTable,
    x: str,
    y: str,
    raw: Floats,
    columns: Columns,
    n_effective: float,
    method: str,
) -> str:
    """Return why the method cannot answer for these columns, or an empty string."""
    for name, of_column in ((x, raw[:, 0]), (y, raw[:, 1])):
        distinct = len(np.unique(of_column))
        if distinct < FEWEST_VALUES:
            return f"{name} takes {distinct} values; shapes need a continuous column"
    if n_effective < FEWEST:
        return (
            f"{table.n_patches} patches count as {n_effective:.0f} independent ones; at least "
            f"{FEWEST} are needed: use a larger field"
        )
    shares = np.diag(columns.noise)
    worst = int(np.argmax(shares))
    if method == "anm" and shares[worst] > LARGEST_NOISE:
        return (
            f"{shares[worst]:.0%} of the variance of {(x, y)[worst]} is measurement noise, which "
            "turns the shapes; average repeated scans"
        )
    return ""


def _additive_noise(
    values: Floats, columns: Columns, n_effective: float, rng: np.random.Generator
) -> tuple[str, list[float], str]:
    """Return verdict, p values of both directions, and why it is undecided."""
    shifts = shift_rows(columns.layout, rng)
    found = []
    for cause, effect in ((0, 1), (1, 0)):
        residual = smooth_residual(values[:, cause], values[:, effect], n_effective)
        found.append(independence_p_value(values[:, cause], residual, shifts))
    if found[0] >= LEVEL and found[1] < FIRM:
        return "x->y", found, ""
    if found[1] >= LEVEL and found[0] < FIRM:
        return "y->x", found, ""
    if max(found) < LEVEL:
        reason = (
            "neither direction leaves a residual that is independent of the cause: a hidden cause "
            "may drive both, or the noise does not add; measure what may drive both, or intervene"
        )
    else:
        reason = (
            "both directions fit (as they do for linear relations of Gaussian columns, and for too "
            "few patches); an intervention or a video would decide"
        )
    return "undecided", found, reason


def _slopes(values: Floats, columns: Columns, n_effective: float) -> tuple[str, list[float], str]:
    """Return the verdict of IGCI, one-sided p values against either direction, and the reason."""
    scatter = min(
        float(np.var(smooth_residual(values[:, i], values[:, j], n_effective)))
        for i, j in ((0, 1), (1, 0))
    )
    per_side = int(np.clip(np.sqrt(n_effective) / 3, 3, 6))
    score = slope_score(values[:, 0], values[:, 1], columns.layout.blocks(per_side))
    freedom = per_side**2 - 1
    t_value = score.difference / max(score.error, 1e-300)
    # a positive difference speaks against x -> y: its p value is the small one
    found = [float(stats.t.sf(t_value, freedom)), float(stats.t.sf(-t_value, freedom))]
    if scatter > LARGEST_SCATTER:
        reason = (
            f"{scatter:.0%} of the variance scatters around a smooth curve; slopes need an all "
            'but noise-free relation: use method="anm"'
        )
        return "undecided", found, reason
    agree = score.difference * score.uniform_difference > 0
    if agree and min(found) < FIRM / 2:
        return ("x->y" if score.difference < 0 else "y->x"), found, ""
    reason = (
        "the slopes do not tell the directions apart (a linear relation shows none); an "
        "intervention would decide"
    )
    return "undecided", found, reason
