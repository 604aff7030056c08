"""The options of a study's steps, with the values that fit most pictures."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.checks import InputError, check_count, check_positive
from physlearn.option_fields import check_fields

__all__ = ["StudyOptions"]

MOST_SHELLS = 6


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What the steps of a study can be told.

    Attributes
    ----------
    leave_out
        Names of steps that are not done; what needs their results is left out as well.
    n_shells
        Shells of neighbours whose couplings are fitted, 1 to 6.
    n_species
        How many species the atom columns are told apart into; None finds the number.
    patch_size
        Edge of a patch in the picture's own unit of length; None takes the step's own choice.
    graph_method
        Search for causes: ``auto``, ``pc``, ``fci``, ``ges``, ``boss`` or ``exact``.
    significance
        Level of the tests of independence in the search for causes.
    longest_wall_step
        Pixels; a wall that moves farther from one frame to the next is taken for another wall.
    shortest_wall
        Pixels; shorter walls are left out.

    Raises
    ------
    InputError
        When a number is out of its range.

    Examples
    --------
    >>> StudyOptions(n_shells=3).n_shells
    3
    """

    leave_out: tuple[str, ...] = ()
    n_shells: int = 2
    n_species: int | None = None
    patch_size: float | None = None
    graph_method: str = "auto"
    significance: float = 0.05
    longest_wall_step: float = 6.0
    shortest_wall: float = 15.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "leave_out", tuple(self.leave_out))
        if check_count("n_shells", self.n_shells, 1) > MOST_SHELLS:
            raise InputError(f"n_shells must be 1 to {MOST_SHELLS}; got {self.n_shells}.")
        if self.n_species is not None:
            check_count("n_species", self.n_species, 1)
        if self.patch_size is not None:
            check_positive("patch_size", self.patch_size)
        if not 0 < self.significance < 1:
            raise InputError(f"significance must lie between 0 and 1; got {self.significance!r}.")
        for name in ("longest_wall_step", "shortest_wall"):
            check_positive(name, getattr(self, name))
        check_fields(self)
