"""The settings of the column fit."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.checks import InputError, check_positive

__all__ = ["FindAtomsOptions"]


@dataclass(frozen=True, slots=True)
class FindAtomsOptions:
    """Settings of ``find_atoms`` that rarely need a change.

    Attributes
    ----------
    false_columns_per_picture
        Columns that pure noise may put into a picture, on average; sets the detection threshold.
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
    >>> FindAtomsOptions(false_columns_per_picture=0.01).reach_widths
    4.0
    """

    false_columns_per_picture: float = 0.1
    background_spacing_px: float | None = None
    width_range: tuple[float, float] = (0.55, 1.8)
    reach_widths: float = 4.0
    max_rounds: int = 8
    max_sweeps: int = 60
    tolerance: float = 0.03

    def __post_init__(self) -> None:
        for name in ("false_columns_per_picture", "reach_widths", "max_sweeps", "tolerance"):
            check_positive(name, getattr(self, name))
        low, high = self.width_range
        if not 0 < low < 1 < high:
            raise InputError(f"width_range must hold 1 between two numbers; got {low}, {high}.")
