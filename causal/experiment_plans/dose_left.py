"""How much dose, time and change is left after some acts, kept up act by act."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.dose_sums import ROUNDING, Area, distance_to_area
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.verbs import POINT_VERBS

__all__ = ["DoseLeft"]

Site = tuple[float, float]


@dataclass(slots=True)
class DoseLeft:
    """What an envelope and a budget still allow.

    Attributes
    ----------
    envelope, budget
        Limits.
    shots
        Site, dose and whether it was for good, of every exposure and pulse so far.
    scans
        Field and dose of every scan and patch so far.
    """

    envelope: SafetyEnvelope
    budget: float
    shots: list[tuple[Site, float, bool]] = field(default_factory=list)
    scans: list[tuple[Area, float]] = field(default_factory=list)
    dose: float = 0.0
    duration_s: float = 0.0
    cost: float = 0.0
    irreversible: int = 0

    def for_site(self, site: Site) -> float:
        """Return the largest dose that an exposure of this site may have."""
        left = _up_to(self.envelope.max_total_dose) - self.dose
        most, radius = self.envelope.max_site_dose, self.envelope.site_radius
        if most is not None:
            near = [s for s, _, _ in self.shots if math.dist(s, site) <= radius]
            left = min(left, _up_to(most) - max(self._taken(s) for s in (site, *near)))
        return left

    def for_area(self, area: Area) -> float:
        """Return the largest dose that a scan of this field may have."""
        left = _up_to(self.envelope.max_total_dose) - self.dose
        most, radius = self.envelope.max_site_dose, self.envelope.site_radius
        if most is not None:
            under = {s for s, _, _ in self.shots if distance_to_area(*s, area) <= radius}
            left = min(left, _up_to(most) - max(map(self._taken, under), default=0.0))
        if self.envelope.max_field_dose is not None:
            left = min(left, _up_to(self.envelope.max_field_dose) - self._scanned(area))
        return left

    def allows(self, action: Action) -> bool:
        """Return whether time, budget and sites are left for an act, the dose of scans aside."""
        longest = self.envelope.max_duration_s
        if longest is not None and self.duration_s + action.duration_s > _up_to(longest):
            return False
        if self.cost + action.cost > _up_to(self.budget):
            return False
        if action.verb not in POINT_VERBS:
            return not action.irreversible or self.irreversible < self.envelope.max_irreversible
        site = (action.number("x"), action.number("y"))
        if action.dose > self.for_site(site):  # a pulse gives none, and may come to a site too late
            return False
        if not action.irreversible:
            return True
        radius = self.envelope.site_radius
        gone = any(final and math.dist(s, site) <= radius for s, _, final in self.shots)
        return self.irreversible < self.envelope.max_irreversible and not gone

    def add(self, action: Action, area: Area | None) -> None:
        """Take an act, and the field that it scans, off what is left."""
        self.dose += action.dose
        self.duration_s += action.duration_s
        self.cost += action.cost
        self.irreversible += action.irreversible
        if action.verb in POINT_VERBS:
            site = (action.number("x"), action.number("y"))
            self.shots.append((site, action.dose, action.irreversible))
        if area is not None:
            self.scans.append((area, action.dose))

    def _taken(self, site: Site) -> float:
        radius = self.envelope.site_radius
        shots = math.fsum(dose for s, dose, _ in self.shots if math.dist(s, site) <= radius)
        scans = math.fsum(d for area, d in self.scans if distance_to_area(*site, area) <= radius)
        return shots + scans

    def _scanned(self, area: Area) -> float:
        """Return the largest dose by scans of one point of a field."""
        if not self.scans:
            return 0.0
        left, bottom, right, top = np.array([a for a, _ in self.scans]).T
        doses = np.array([dose for _, dose in self.scans])
        x = np.append(left[(left > area[0]) & (left < area[2])], area[0])
        y = np.append(bottom[(bottom > area[1]) & (bottom < area[3])], area[1])
        over_x = (left <= x[:, None]) & (x[:, None] < right)
        over_y = (bottom <= y[:, None]) & (y[:, None] < top)
        return float(((over_x * doses) @ over_y.T).max())


def _up_to(limit: float) -> float:
    return limit * (1 + ROUNDING)
