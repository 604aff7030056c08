"""What a beam or a tip did at some patches: differences in differences over space."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial import cKDTree

from physlearn.causal.environments.gain_change import gain_change
from physlearn.causal.environments.match_patches import match_patches
from physlearn.causal.environments.placed_means import (
    MovedMasks,
    PlacedMean,
    moved_masks,
    placed_mean,
)
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, check_positive
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.records import PatchTable

__all__ = ["LocalEffect", "local_intervention_effect"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
CONTROL_PATCHES = 4.0
LEAST_CONTROL = 60
LARGEST_GAIN_SHARE = 0.5
"""A change of gain may add this share of the effect's standard error."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalEffect:
    """What changed inside a mask beyond what changed far from it.

    Attributes
    ----------
    table
        pandas, one row a column: ``column``, ``effect`` (in ``unit``), ``low``, ``high`` (90 %),
        ``p_value``, ``p_adjusted`` (false discoveries controlled), ``repeat_effect``,
        ``p_repeat`` (of the negative control; NaN without one), ``verdict``, ``words``.
    spill_over
        pandas: ``column``, ``nearest``, ``farthest`` (distance from the mask), ``effect``,
        ``low``, ``high``, ``p_value``, ``n_patches``.
    n_mask, n_control
        Patches inside and far from the mask.
    shift
        (x, y) of the scan after against the one before.
    warnings
        What the reader must know.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"column": ["a"], "verdict": ["effect"], "words": ["a changed."]})
    >>> LocalEffect(rows, pd.DataFrame(), 9, 500, (0.0, 0.0), ()).claimed
    ('a',)
    """

    table: pd.DataFrame
    spill_over: pd.DataFrame
    n_mask: int
    n_control: int
    shift: tuple[float, float]
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def claimed(self) -> tuple[str, ...]:
        """Columns on which an effect is claimed."""
        return tuple(self.table["column"][self.table["verdict"] == "effect"])

    def __str__(self) -> str:
        """Return a sentence a column."""
        return "\n".join(self.table["words"])


def local_intervention_effect(
    before: PatchTable,
    after: PatchTable,
    mask: ArrayLike,
    *,
    repeat: PatchTable | None = None,
    alpha: float = 0.05,
    control_distance: float | None = None,
    shift: Sequence[float] | None = None,
) -> LocalEffect:
    """Estimate what a local intervention changed, against patches far from it.

    The change of each patch between the scans, less the plane through the changes of far patches
    (drift and tilt between scans are no effect), averaged over the mask. Its error is the scatter
    of the same mask moved over where nothing was done. With a repeat scan, taken before the
    intervention, the change is counted from the repeat, and the change from the first scan to the
    repeat is the negative control: no effect is claimed where that is not zero.

    Parameters
    ----------
    before, after
        Tables of the same field and columns.
    mask
        Shape (n_patches,) of ``before``: true where the beam or tip acted.
    repeat
        A second scan before the intervention.
    alpha
        Share of false ones among the effects claimed.
    control_distance
        Patches farther than this from the mask (unit of the centres) are the control; None takes
        four patches.
    shift
        (x, y) of the centres after against before, where the repeat then lies, too; None measures
        both from the maps.

    Returns
    -------
    LocalEffect
        Verdicts "effect", "no effect" (with what is excluded) or "undecided".

    Raises
    ------
    InputError
        For a mask of another length, an empty one, or tables without a common column.
    NotIdentified
        For fewer than 60 control patches.

    Notes
    -----
    Where the change of far patches follows what they were (another gain, focus or exposure) and the
    mask lies on brighter or darker ones, the answer is "undecided". Difference in differences with
    placebos in space: Abadie, Diamond and Hainmueller, JASA 105, 493 (2010),
    doi:10.1198/jasa.2009.ap08746. What the noise of the first scan chose as a mask falls back to
    the mean without any intervention: only a repeat scan is free of that.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:24, :24].reshape(2, -1)
    >>> mask = (abs(x - 8) < 2) & (abs(y - 9) < 2)
    >>> matter = rng.normal(size=576)
    >>> def scan(effect):
    ...     frame = pd.DataFrame({"strain": matter + effect * mask + rng.normal(0, 0.2, 576)})
    ...     return PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> local_intervention_effect(scan(0), scan(1), mask, repeat=scan(0)).claimed
    ('strain',)
    """
    import pandas as pd

    if not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    inside = _checked_mask(mask, before.n_patches)
    names = [
        name
        for name in before.columns
        if name in after.columns and (repeat is None or name in repeat.columns)
    ]
    baseline, negative = before, None
    if repeat is not None:
        # what chose the mask may have been the first scan's noise: the repeat is free of it
        negative = _Scan.between(
            before, repeat, inside, None if shift is None else (0.0, 0.0), control_distance
        )
        baseline, inside = repeat, np.zeros(repeat.n_patches, dtype=bool)
        inside[negative.second[negative.mask]] = True
    scan = _Scan.between(baseline, after, inside, shift, control_distance)
    notes = list(scan.warnings)
    if repeat is None:
        notes.append(
            "no repeat scan without the intervention is given: what changes at these patches from "
            "scan to scan by itself, and whether they were chosen by noise, is not known."
        )
    rows = [_row(name, scan, baseline, after, negative, before) for name in names]
    testable = [row for row in rows if np.isfinite(row["p_value"])]
    if testable:
        adjusted = stats.false_discovery_control([row["p_value"] for row in testable])
        for row, p_adjusted in zip(testable, adjusted, strict=True):
            row["p_adjusted"] = float(p_adjusted)
    for row in rows:
        _judge(row, alpha, negative is not None)
    order = [
        "column", "effect", "unit", "low", "high", "p_value", "p_adjusted", "repeat_effect",
        "p_repeat", "verdict", "words",
    ]  # fmt: skip
    rings = pd.DataFrame(
        [ring for name in names for ring in scan.spill_over(baseline, after, name)]
    )
    _warn_of_spill(rings, alpha, notes)
    return LocalEffect(
        pd.DataFrame(rows)[order], rings, int(scan.mask.sum()), int(scan.control.sum()),
        scan.shift, tuple(notes),
    )  # fmt: skip


def _checked_mask(mask: ArrayLike, n: int) -> Booleans:
    given = np.asarray(mask)
    if given.shape != (n,) or given.dtype != bool:
        raise InputError(
            f"mask must hold {n} answers (true or false), one a patch of `before`; got shape "
            f"{given.shape} of {given.dtype}."
        )
    if not given.any():
        raise InputError("mask must be true at one patch at least; it is true nowhere.")
    return given


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """Pairs of patches of two scans, sorted by their distance from the mask."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    centers: Floats
    mask: Booleans
    control: Booleans
    edges: tuple[float, ...]
    moved: MovedMasks
    rings: tuple[tuple[Booleans, MovedMasks], ...]
    shift: tuple[float, float]
    warnings: tuple[str, ...]

    @classmethod
    def between(
        cls,
        one: PatchTable,
        two: PatchTable,
        inside: Booleans,
        shift: Sequence[float] | None,
        control_distance: float | None,
    ) -> _Scan:
        pairs = match_patches(one, two, shift)
        centers, mask = one.centers[pairs.first], inside[pairs.first]
        if not mask.any():
            raise InputError(
                "mask must lie where both scans saw the sample; they share none of it."
            )
        step = float(np.median(np.asarray(cKDTree(centers).query(centers, k=2)[0])[:, 1]))
        far = CONTROL_PATCHES * step
        if control_distance is not None:
            far = check_positive("control_distance", control_distance)
        distance = np.asarray(cKDTree(centers[mask]).query(centers)[0], dtype=np.float64)
        control = distance > far
        if control.sum() < LEAST_CONTROL:
            raise NotIdentified(
                f"only {int(control.sum())} patches lie farther than {far:.3g} {one.unit} from the "
                f"mask; at least {LEAST_CONTROL} are needed as a control: image a larger field, "
                "or act on a smaller part of it."
            )
        notes = list(pairs.warnings)
        if mask.sum() < inside.sum():
            notes.append(f"{int(mask.sum())} of {int(inside.sum())} patches of the mask were seen.")
        edges = (0.0, *(edge for edge in (1.5 * step, 2.9 * step) if edge < far), far)
        bands = [(distance > low) & (distance <= high) for low, high in itertools.pairwise(edges)]
        rings = tuple((band, moved_masks(centers, band, control)) for band in bands if band.any())
        edges = (0.0, *(float(distance[band].max()) for band, _ in rings))
        return cls(
            pairs.first, pairs.second, centers, mask, control, edges,
            moved_masks(centers, mask, control), rings, pairs.shift, tuple(notes),
        )  # fmt: skip

    def change(self, one: PatchTable, two: PatchTable, name: str) -> Floats:
        """Return the change of a column, patch by patch."""
        before = one.frame[name].to_numpy(dtype=np.float64)[self.first]
        return np.asarray(two.frame[name].to_numpy(dtype=np.float64)[self.second] - before)

    def effect(self, one: PatchTable, two: PatchTable, name: str) -> PlacedMean:
        """Return the change inside the mask less that of the control."""
        change = self.change(one, two, name)
        return placed_mean(change, self.centers, self.mask, self.control, self.moved)

    def gain_reason(
        self, one: PatchTable, name: str, change: Floats, other: Floats | None, sd: float
    ) -> str:
        """Return why a change of gain between the scans may look like an effect, or nothing."""
        baseline = one.frame[name].to_numpy(dtype=np.float64)[self.first]
        gain = gain_change(change, baseline, other, self.centers, self.control)
        here = placed_mean(baseline, self.centers, self.mask, self.control, self.moved).effect
        if not (gain.clear and abs(gain.slope * here) > LARGEST_GAIN_SHARE * sd):
            return ""
        return (
            f"far from the mask, too, the change follows what the column was (gain "
            f"{1.0 + gain.slope:.3g}), and the mask lies where that is {here:.3g} off: this alone "
            f"gives {gain.slope * here:.3g}; bring both scans to one scale first"
        )

    def spill_over(self, one: PatchTable, two: PatchTable, name: str) -> list[dict[str, Any]]:
        """Return the change in rings around the mask."""
        change, found = self.change(one, two, name), []
        for number, (ring, moved) in enumerate(self.rings):
            mean = placed_mean(change, self.centers, ring, self.control, moved)
            reach = mean.reach(CREDIBLE_MASS)
            row: dict[str, Any] = {
                "column": name, "nearest": self.edges[number], "farthest": self.edges[number + 1],
                "effect": mean.effect, "low": mean.effect - reach, "high": mean.effect + reach,
                "p_value": mean.p_value, "n_patches": int(ring.sum()),
            }  # fmt: skip
            found.append(row)
        return found


def _row(
    name: str,
    scan: _Scan,
    baseline: PatchTable,
    after: PatchTable,
    negative: _Scan | None,
    before: PatchTable,
) -> dict[str, Any]:
    mean = scan.effect(baseline, after, name)
    reach = mean.reach(CREDIBLE_MASS)
    row: dict[str, Any] = {
        "column": name, "effect": mean.effect, "unit": before.units.get(name, "1"),
        "low": mean.effect - reach, "high": mean.effect + reach, "p_value": mean.p_value,
        "p_adjusted": np.nan, "repeat_effect": np.nan, "p_repeat": np.nan, "reason": mean.reason,
    }  # fmt: skip
    other = None
    if negative is not None:
        of_first = np.full(baseline.n_patches, -1)
        of_first[negative.second] = negative.first
        seen = of_first[scan.first]
        if (seen >= 0).all():
            other = before.frame[name].to_numpy(dtype=np.float64)[seen]
    if not mean.reason:
        change = scan.change(baseline, after, name)
        row["reason"] = scan.gain_reason(baseline, name, change, other, mean.sd)
    if negative is not None:
        nothing = negative.effect(before, baseline, name)
        row["repeat_effect"], row["p_repeat"] = nothing.effect, nothing.p_value
    return row


def _judge(row: dict[str, Any], alpha: float, repeated: bool) -> None:
    name, unit, reason = row["column"], row["unit"], row["reason"]
    bounds = f"{row['low']:.3g} to {row['high']:.3g} {unit}"
    if reason:
        row["verdict"], row["words"] = "undecided", f"{name} is undecided: {reason}."
    elif float(row["p_adjusted"]) > alpha:
        row["verdict"] = "no effect"
        row["words"] = f"No effect on {name} is seen: between {bounds} at 90 %."
    elif repeated and not float(row["p_repeat"]) > alpha:
        row["verdict"] = "undecided"
        row["words"] = (
            f"{name} is undecided: it changes at these patches by {row['effect']:.3g} {unit}, but "
            f"by {row['repeat_effect']:.3g} {unit} also in the repeat without the intervention."
        )
    else:
        row["verdict"] = "effect"
        row["words"] = (
            f"The intervention changes {name} by {row['effect']:.3g} {unit} ({bounds} at 90 %, "
            f"p {row['p_adjusted']:.2g})"
            + ("; the repeat without it shows none." if repeated else "; no repeat was given.")
        )


def _warn_of_spill(rings: pd.DataFrame, alpha: float, notes: list[str]) -> None:
    """Say where the outermost ring, next to the control patches, still changes."""
    if rings.empty:
        return
    last = rings[rings["farthest"] == rings["farthest"].max()]
    share = alpha / max(len(last), 1)
    for name in last["column"][last["p_value"] <= share]:
        notes.append(
            f"{name} still changes next to the control patches: the effect reaches into them and "
            "is understated; give a larger control_distance."
        )
