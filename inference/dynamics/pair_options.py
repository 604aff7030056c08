"""Settings of the search for the force between particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from physlearn.checks import InputError, check_choice, check_count, check_positive
from physlearn.option_fields import check_fields

__all__ = ["PairLawOptions"]

REGIMES = ("auto", "newtonian", "overdamped")
CURVES = ("auto", "spline", "bins")


@dataclass(frozen=True)
class PairLawOptions:
    """Settings of `discover_pair_law`.

    Attributes
    ----------
    regime
        ``newtonian``: accelerations; ``overdamped``: particles in a fluid, velocities; ``auto``: by
        whether displacements that follow each other go the same way.
    strengths
        Of bodies as sources, Newtonian: ``free`` (fitted, sum 1) or ``equal`` (1 each).
    laws
        Texts beside the known laws, such as ``a*exp(-r/l)/r**3``: a, b, c are factors, other names
        constants within.
    search
        Look for short expressions beyond the known laws.
    n_refitted
        Laws whose motion is integrated, best of the curve first.
    n_kept
        Laws to list.
    curve
        Overdamped: ``spline`` (`fit_langevin`: dense films, stiff forces), ``bins``
        (`measure_pair_force`: dilute ones), ``auto``: spline in a periodic box without errors of
        position, else bins.
    lag
        Frames of ``bins``; None: the shortest without memory.
    localization_sd
        Overdamped, ``spline``: error of a position; None: as the trajectory says.
    cutoff
        Overdamped, ``spline``: distance beyond which there is no force.
    projected
        Overdamped, ``bins``: positions are projections of a suspension with depth.

    Examples
    --------
    >>> PairLawOptions(regime="newtonian").strengths
    'free'
    """

    regime: str = "auto"
    strengths: str = "free"
    laws: Sequence[str] = ()
    search: bool = True
    n_refitted: int = 14
    n_kept: int = 20
    curve: str = "auto"
    lag: int | None = None
    localization_sd: float | None = None
    cutoff: float | None = None
    projected: bool = False

    def __post_init__(self) -> None:
        check_choice("regime", self.regime, REGIMES)
        check_choice("strengths", self.strengths, ("free", "equal"))
        check_choice("curve", self.curve, CURVES)
        check_count("n_refitted", self.n_refitted, 1)
        check_count("n_kept", self.n_kept, 1)
        if isinstance(self.laws, str):
            raise InputError(f"laws must be a list of texts, got {self.laws!r}.")
        if self.lag is not None:
            check_count("lag", self.lag, 1)
        if self.localization_sd is not None:
            check_positive("localization_sd", self.localization_sd, allow_zero=True)
        if self.cutoff is not None:
            check_positive("cutoff", self.cutoff)
        check_fields(self)
