"""The settings of the column fit."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.checks import InputError, check_choice, check_positive
from physlearn.option_fields import check_fields

__all__ = ["FindAtomsOptions"]

POLARITIES = ("bright", "dark")
SHAPES = ("round", "two_widths")


@dataclass(frozen=True, slots=True)
class FindAtomsOptions:
    """Settings of ``find_atoms`` that rarely need a change.

    Attributes
    ----------
    false_discovery_rate
        Share of the columns found that may be noise; in an empty picture, the chance of any.
    polarity
        ``bright`` or ``dark``: columns stand above or below their surroundings.
    shape
        ``round``: each column one Gaussian. ``two_widths``: amplitude x (exp(-r^2/2w^2) + s
        exp(-r^2/2(kw)^2)) with s and k fitted, the same for all columns of the picture (a probe's
        tails, which leave dim false columns beside bright ones); intensities then hold the tail.
        Columns that are elliptical: ``column_shapes``.
    row_levels
        Fit an offset to each row beside the smooth background (scanning tunnelling pictures). In
        pictures of 117 columns steps from row to row of 1.6 times the noise left none false in four
        pictures, wandering steps of five times 25 and 48 in two of four: level such rows first.
    background_spacing_px
        Distance of the nodes of the smooth background; None takes 12 widths, at least 24 pixels.
    width_range
        Smallest and largest width of a column, as multiples of the common one.
    reach_widths
        Half-edge of a column's window in widths.
    max_rounds
        Rounds of adding and dropping columns.
    max_sweeps
        Gauss-Seidel sweeps of the last fit.
    tolerance
        A column rests when its step is below this share of its own standard error.

    Examples
    --------
    >>> FindAtomsOptions(false_discovery_rate=0.001).reach_widths
    4.0
    """

    false_discovery_rate: float = 0.005
    polarity: str = "bright"
    row_levels: bool = False
    background_spacing_px: float | None = None
    width_range: tuple[float, float] = (0.55, 1.8)
    reach_widths: float = 4.0
    max_rounds: int = 8
    max_sweeps: int = 60
    tolerance: float = 0.03
    shape: str = "round"

    def __post_init__(self) -> None:
        check_choice("polarity", self.polarity, POLARITIES)
        check_choice("shape", self.shape, SHAPES)
        for name in ("false_discovery_rate", "reach_widths", "max_sweeps", "tolerance"):
            check_positive(name, getattr(self, name))
        low, high = self.width_range
        if not self.false_discovery_rate < 0.5:
            raise InputError(
                "false_discovery_rate must be above 0 and below 0.5; "
                f"got {self.false_discovery_rate}."
            )
        if not 0 < low < 1 < high:
            raise InputError(f"width_range must hold 1 between two numbers; got {low}, {high}.")
        check_fields(self)
