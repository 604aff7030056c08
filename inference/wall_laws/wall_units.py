"""Units of what a wall law's fit returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["WallUnits"]

UNNAMED = "[drive]"
"""Unit of a drive whose unit nobody gave: a mobility stays one per unit of drive."""


@dataclass(frozen=True, slots=True)
class WallUnits:
    """Units of length, time and drive of a film.

    Examples
    --------
    >>> WallUnits("um", "s", "V").of_law("drive_mobility")
    {'drive_mobility': 'um/s/V', 'curvature_mobility': 'um^2/s'}
    """

    length: str
    time: str
    drive: str = ""

    @property
    def speed(self) -> str:
        """Length over time."""
        return f"{self.length}/{self.time}"

    @property
    def per_drive(self) -> str:
        """One over the drive's unit, empty where the drive is a number."""
        return "" if self.drive == "1" else f"/{self.drive or UNNAMED}"

    def of_law(self, name: str) -> dict[str, str]:
        """Units of the law's own parameters, the first of which is called ``name``."""
        first = self.speed + (self.per_drive if name == "drive_mobility" else "")
        return {name: first, "curvature_mobility": f"{self.length}^2/{self.time}"}

    def of_drive_law(self, units: Mapping[str, str]) -> dict[str, str]:
        """Units of a drive law (`LawPosterior`), whose words are velocity and drive."""
        known = {
            "velocity": self.speed, "drive": self.drive or UNNAMED,
            "velocity/drive": self.speed + self.per_drive,
        }  # fmt: skip
        return {name: known.get(unit, unit) or "1" for name, unit in units.items()}

    def of_scales(self, name: str, *, by_tension: bool) -> dict[str, str]:
        """Units of mobility, tension and pressure, in those of the scale that was given."""
        if by_tension:
            return {
                "mobility": f"{self.length}^2/{self.time}/[tension]", "tension": "[tension]",
                "drive_pressure": f"[tension]/{self.length}{self.per_drive}",
            }  # fmt: skip
        first = self.of_law(name)[name]
        return {
            "mobility": f"{first}/[drive_pressure]", "drive_pressure": "[drive_pressure]",
            "tension": f"{self.length}^2/{self.time}/({first})*[drive_pressure]",
        }  # fmt: skip
