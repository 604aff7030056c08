"""Several species: one pair potential for each pair of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from physlearn.checks import InputError, check_count
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.records.storage import html_table, short_repr

__all__ = ["PairTable"]


@dataclass(frozen=True, eq=False)
class PairTable:
    """A pair potential for every pair of species codes, (a, b) the same as (b, a).

    Attributes
    ----------
    potentials
        ``{(0, 0): ..., (0, 1): ..., (1, 1): ...}``; every pair of the codes 0 ... q - 1 once.

    Raises
    ------
    InputError
        Naming a pair that is missing or stands twice.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import LennardJones
    >>> small, large = LennardJones(), LennardJones(diameter=1.4)
    >>> table = PairTable({(0, 0): small, (0, 1): LennardJones(diameter=1.2), (1, 1): large})
    >>> table.n_species, table.of(1, 0).diameter
    (2, 1.2)
    """

    potentials: Mapping[tuple[int, int], PairPotential]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        known: dict[tuple[int, int], PairPotential] = {}
        for (a, b), potential in self.potentials.items():
            if a < 0 or b < 0 or not isinstance(potential, PairPotential):
                raise InputError(f"potentials must map species codes to pair potentials; {(a, b)}.")
            key = (min(a, b), max(a, b))
            if key in known:
                raise InputError(f"potentials holds the pair {key} twice; give it once.")
            known[key] = potential
        object.__setattr__(self, "potentials", known)
        for a in range(self.n_species):
            for b in range(a, self.n_species):
                if (a, b) not in known:
                    raise InputError(f"potentials must hold every pair; ({a}, {b}) is missing.")

    @property
    def n_species(self) -> int:
        """Number of species."""
        return 1 + max((b for _, b in self.potentials), default=-1)

    def of(self, a: int, b: int) -> PairPotential:
        """Return the potential between two species, by their codes 0 ... q - 1."""
        first, second = check_count("a", a, 0), check_count("b", b, 0)
        if max(first, second) >= self.n_species:
            raise InputError(
                f"a and b must be species codes below {self.n_species}; got {first} and {second}."
            )
        return self.potentials[min(first, second), max(first, second)]
