"""What a row of acts adds up to: total dose, time, changes for good, dose of a site and a point."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.verbs import AREA, FIELD_VERBS, POINT_VERBS

if TYPE_CHECKING:
    from physlearn.causal.actions import Action
    from physlearn.causal.safety_envelope import SafetyEnvelope

__all__ = ["Area", "DoseSums", "area_of", "distance_to_area", "dose_sums", "middle_of"]

Area = tuple[float, float, float, float]
Say = Callable[[float], str]

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class DoseSums:
    """How much every act adds to every sum that is limited.

    Attributes
    ----------
    added
        Shape (n_acts, n_sums), at least 0.
    limits
        Shape (n_sums,).
    sentences
        Per sum: the sentence for a value above its limit.
    """

    added: NDArray[np.float64]
    limits: NDArray[np.float64]
    sentences: tuple[Say, ...]

    def too_large(self, act: int, so_far: NDArray[np.float64]) -> Iterator[str]:
        """Yield a sentence for every sum that is too large and that this act adds to."""
        over = (so_far > self.limits * (1 + ROUNDING)) & (self.added[act] > 0)
        for k in np.flatnonzero(over):
            yield self.sentences[k](float(so_far[k]))


def area_of(action: Action) -> Area | None:
    """Return the edges of the field that an act names, or None."""
    if action.verb not in FIELD_VERBS:
        return None
    x_min, y_min, x_max, y_max = (float(action.args[name]) for name in AREA)
    return x_min, y_min, x_max, y_max


def middle_of(action: Action) -> tuple[float, float] | None:
    """Return where an act takes place: its site, or the middle of its field; None for nowhere."""
    area = area_of(action)
    if area is not None:
        return 0.5 * (area[0] + area[2]), 0.5 * (area[1] + area[3])
    if "x" in action.args and "y" in action.args:
        return action.number("x"), action.number("y")
    return None


def distance_to_area(x: float, y: float, area: Area) -> float:
    """Return how far a point lies from a field; 0 inside and on its edges.

    Examples
    --------
    >>> distance_to_area(4.0, 5.0, (0.0, 0.0, 1.0, 1.0))
    5.0
    """
    return math.hypot(
        max(area[0] - x, x - area[2], 0.0), max(area[1] - y, y - area[3], 0.0)
    )  # fmt: skip


def dose_sums(acts: Sequence[tuple[Action, Area | None]], envelope: SafetyEnvelope) -> DoseSums:
    """Return what each act adds to the sums that an envelope limits.

    Parameters
    ----------
    acts
        Acts with the field that each one scans: its own, or for ``scan_again`` that of the image
        before (None: everything in view).
    envelope
        Its limits; sums without a limit are left out.

    Returns
    -------
    DoseSums
        One column a sum. The dose of a site counts exposures within ``site_radius`` of it and
        every scan and patch that covers it; that of a point counts scans and patches, whose
        largest sum lies at lower edges of two of them.
    """
    doses = np.array([action.dose for action, _ in acts], dtype=np.float64)
    final = np.array([action.irreversible for action, _ in acts], dtype=np.float64)
    unit, most = envelope.dose_unit, envelope.max_total_dose
    columns: list[tuple[NDArray[np.float64], float, Say]] = [
        (doses, most, lambda v: f"the dose so far is {v:g} {unit}, above {most:g}"),
        (final, envelope.max_irreversible,
         lambda _: f"more than {envelope.max_irreversible} irreversible steps"),
    ]  # fmt: skip
    longest = envelope.max_duration_s
    if longest is not None:
        times = np.array([action.duration_s for action, _ in acts], dtype=np.float64)
        columns.append((times, longest, lambda v: f"{v:g} s so far, above {longest:g} s"))
    columns += _site_sums(acts, envelope, doses, final)
    columns += _point_sums(acts, envelope, doses)
    return DoseSums(
        np.column_stack([column for column, _, _ in columns]),
        np.array([limit for _, limit, _ in columns]),
        tuple(say for _, _, say in columns),
    )


def _site_sums(
    acts: Sequence[tuple[Action, Area | None]],
    envelope: SafetyEnvelope,
    doses: NDArray[np.float64],
    final: NDArray[np.float64],
) -> list[tuple[NDArray[np.float64], float, Say]]:
    """Return, per exposed site, how often it is changed for good, and its dose."""
    places = np.full((len(acts), 2), np.nan)
    for k, (action, _) in enumerate(acts):
        if action.verb in POINT_VERBS:
            places[k] = action.number("x"), action.number("y")
    columns: list[tuple[NDArray[np.float64], float, Say]] = []
    unit, most, radius = envelope.dose_unit, envelope.max_site_dose, envelope.site_radius
    areas = _areas(acts, envelope)
    for x, y in dict.fromkeys(map(tuple, places[~np.isnan(places[:, 0])].tolist())):
        near = np.hypot(places[:, 0] - x, places[:, 1] - y) <= radius  # false for NaN
        where = f"the site ({x:g}, {y:g})"
        columns.append((near * final, 1.0, partial(_gone, where)))
        if most is not None:
            covered = [a is not None and distance_to_area(x, y, a) <= radius for a in areas]
            said = partial(_taken, where, unit, most)
            columns.append(((near | covered) * doses, most, said))
    return columns


def _point_sums(
    acts: Sequence[tuple[Action, Area | None]],
    envelope: SafetyEnvelope,
    doses: NDArray[np.float64],
) -> list[tuple[NDArray[np.float64], float, Say]]:
    """Return, per point where lower edges of fields cross, what each act gives to it."""
    unit, most = envelope.dose_unit, envelope.max_field_dose
    areas = _areas(acts, envelope)
    seen = {area for area in areas if area is not None}
    if most is None or not seen:
        return []
    left, bottom, right, top = np.array([a or (np.nan,) * 4 for a in areas]).T
    points = {(x, y) for x in {a[0] for a in seen} for y in {a[1] for a in seen}}
    columns: list[tuple[NDArray[np.float64], float, Say]] = []
    for x, y in sorted(points):
        inside = (left <= x) & (x < right) & (bottom <= y) & (y < top)
        where = f"the point ({x:g}, {y:g}) of the field"
        columns.append((inside * doses, most, partial(_taken, where, unit, most)))
    return columns


def _areas(
    acts: Sequence[tuple[Action, Area | None]], envelope: SafetyEnvelope
) -> list[Area | None]:
    """Return the field of each act; before a first image, another scan is of all in view."""
    return [
        envelope.field_of_view if action.verb == "scan_again" and area is None else area
        for action, area in acts
    ]


def _gone(where: str, count: float) -> str:
    del count
    return f"{where} was exposed before and is gone"


def _taken(where: str, unit: str, most: float, dose: float) -> str:
    return f"{where} has taken {dose:g} {unit}, above {most:g}"
