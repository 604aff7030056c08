"""The sum of what acts on particles, checked once and written as the arrays that kernels read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.particles.harmonic_trap import HarmonicTrap
from physlearn.lattice_models.particles.pair_potential import (
    NO_SPLINE,
    ROW_LENGTH,
    PairPotential,
)
from physlearn.lattice_models.particles.pair_table import PairTable
from physlearn.lattice_models.particles.three_body import StillingerWeberAngle
from physlearn.records import AtomicConfiguration

__all__ = ["Interaction", "Particles", "Term", "read_particles", "read_physics"]

Float = NDArray[np.float64]
Term = PairPotential | PairTable | StillingerWeberAngle | HarmonicTrap


@dataclass(frozen=True, eq=False)
class Interaction:
    """At most one pair part, one three-body part and one trap, added up.

    ``rows``: (n_species^2, 14), kind -1 without a pair part; ``spline``: the tables of all
    splines; ``angle``: (4,); ``trap``: (6,) stiffness and centre; ``cutoff``: the longest, 0
    where particles do not see each other, inf without an end.
    """

    rows: Float
    spline: Float
    angle: Float
    trap: Float
    cutoff: float
    pairs: PairTable | None

    @classmethod
    def of(cls, potential: Term | Sequence[Term], dimension: int, n_species: int) -> Interaction:
        """Read one potential or a sequence of them.

        Raises
        ------
        InputError
            For anything else, two of a sort, or species without a potential.
        """
        terms = list(potential) if isinstance(potential, Iterable) else [potential]
        pairs = [t for t in terms if isinstance(t, PairPotential | PairTable)]
        angles = [t for t in terms if isinstance(t, StillingerWeberAngle)]
        traps = [t for t in terms if isinstance(t, HarmonicTrap)]
        if not terms or len(pairs) + len(angles) + len(traps) < len(terms):
            names = ", ".join(type(t).__name__ for t in terms) or "nothing"
            raise InputError(
                "potential must be a pair potential, PairTable, StillingerWeberAngle, "
                f"HarmonicTrap or a sequence of them; got {names}."
            )
        if max(len(pairs), len(angles), len(traps)) > 1:
            raise InputError("potential may hold one pair part, one angle and one trap at most.")
        table, rows, spline = _encode_pairs(pairs[0] if pairs else None, n_species)
        angle = angles[0].encoded() if angles else np.zeros(4)
        trap = np.zeros(6)
        if traps:
            trap[:dimension], trap[3 : 3 + dimension] = traps[0].axes(dimension)
        cutoff = max(float(rows[:, 9].max()), float(angle[3]))
        return cls(rows, spline, angle, trap, cutoff, table)

    @property
    def law(self) -> tuple[Float, Float, Float, Float]:
        """Arrays in the order of the kernels."""
        return self.rows, self.spline, self.angle, self.trap

    def between(self, a: int, b: int) -> PairPotential | None:
        """Pair potential of two species."""
        if self.pairs is None:
            return None
        return self.pairs.of(a, b) if self.pairs.n_species > 1 else self.pairs.of(0, 0)


def _encode_pairs(
    part: PairPotential | PairTable | None, n_species: int
) -> tuple[PairTable | None, Float, Float]:
    if part is None:
        none = np.zeros((1, ROW_LENGTH))
        none[0, 0] = -1.0
        return None, none, NO_SPLINE.copy()
    if isinstance(part, PairPotential):
        part, n_species = PairTable({(0, 0): part}), 1
    elif n_species > part.n_species:
        raise InputError(f"potential has {part.n_species} species; the particles have {n_species}.")
    q = part.n_species
    rows, tables, length = np.zeros((q * q, ROW_LENGTH)), [], 0
    for a in range(q):
        for b in range(q):
            rows[a * q + b], table = part.of(a, b).encoded()
            rows[a * q + b, 10] = length
            tables.append(table)
            length += len(table)
    return part, rows, np.ascontiguousarray(np.concatenate(tables))


@dataclass(frozen=True, eq=False)
class Particles:
    """Where particles start: positions (n, d), species (n,), box lengths (d,) or None."""

    positions: Float
    species: NDArray[np.int64]
    box: Float | None
    unit: str

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.positions.shape[1])

    @property
    def box_3(self) -> Float:
        """Box lengths along three axes, 0 where open."""
        lengths = np.zeros(3)
        if self.box is not None:
            lengths[: self.dimension] = self.box
        return lengths

    @property
    def cell(self) -> Float | None:
        """Rows are the periods."""
        return None if self.box is None else np.diag(self.box)

    def check_against(self, interaction: Interaction) -> None:
        """Refuse a cutoff beyond half the box, and a trap in a periodic box."""
        if self.box is None:
            return
        if interaction.trap.any():
            raise InputError("a HarmonicTrap needs an open box; give a start without a cell.")
        half = 0.5 * float(self.box.min())
        if interaction.cutoff > half:
            raise InputError(
                f"the cutoff {interaction.cutoff:g} must not exceed half the shortest box length, "
                f"{half:g}; take a larger box or a shorter cutoff."
            )


def read_particles(start: Any, name: str = "start") -> Particles:
    """Return positions, species and box of a configuration or of a plain (n, d) array.

    Raises
    ------
    InputError
        For a wrong shape, NaN, no particles, or a cell that is not rectangular.
    """
    species, cell, unit = None, None, "reduced"
    positions = start
    if isinstance(start, AtomicConfiguration):
        positions, species, cell, unit = start.positions, start.species, start.cell, start.unit
    array = check_array(name, positions, ndim=2).copy()
    n, d = array.shape
    if d not in (2, 3):
        raise InputError(f"{name} must have shape (n, 2) or (n, 3); got {array.shape}.")
    codes = np.zeros(n, dtype=np.int64) if species is None else np.asarray(species, dtype=np.int64)
    box = None
    if cell is not None:
        lengths = np.diag(cell)
        if (np.diag(lengths) != cell).any() or (lengths <= 0.0).any():
            raise InputError(
                f"the cell of {name} must be rectangular, lengths on its diagonal; "
                f"got {np.asarray(cell).tolist()}."
            )
        box = lengths.astype(np.float64)
    return Particles(array, codes, box, unit)


def read_physics(
    potential: Term | Sequence[Term], start: Any, name: str = "start"
) -> tuple[Particles, Interaction]:
    """Read what acts on which particles, and refuse what does not fit together.

    Raises
    ------
    InputError
        As ``read_particles``, ``Interaction.of`` and ``Particles.check_against``.
    """
    particles = read_particles(start, name)
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    particles.check_against(interaction)
    return particles, interaction
