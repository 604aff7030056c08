"""Rings of bonded atoms: sizes, places and errors, by face tracing on the planar bond network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.datasets.structure.bond_search import find_bonds
from physlearn.datasets.structure.joint_positions import position_errors
from physlearn.datasets.structure.ring_kernels import bond_faces, twins_of
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rings", "find_rings"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rings:
    """Rings of a planar bond network.

    Attributes
    ----------
    atoms
        What the rings were found in.
    bonds, bond_lengths
        int64 (m, 2), first atom < second; float64 (m,) in ``atoms.unit``.
    sizes, areas
        Atoms of each ring, int64 (r,), and its area, float64 (r,), in unit squared.
    starts, members
        Ring k holds atoms ``members[starts[k]:starts[k + 1]]``, counter-clockwise.
    bond_rings
        int64 (m, 2): the rings on both sides of each bond; -1 outside or beyond ``largest``.
    longest_bond
        The cut between bonded and not, in ``atoms.unit``.
    warnings
        Sentences for the report.

    Examples
    --------
    >>> from physlearn.datasets import find_rings
    >>> square = AtomicConfiguration([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> rings = find_rings(square, bond_length=1.2)
    >>> rings.n, rings.normal_size, rings.centers()[0].tolist()
    (1, 4, [[0.5, 0.5]])
    """

    atoms: AtomicConfiguration
    bonds: Integers
    bond_lengths: Floats
    sizes: Integers
    areas: Floats
    starts: Integers
    members: Integers
    bond_rings: Integers
    longest_bond: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n(self) -> int:
        """Number of rings."""
        return len(self.sizes)

    @property
    def normal_size(self) -> int:
        """The commonest size, 0 without rings."""
        return int(np.bincount(self.sizes).argmax()) if self.n else 0

    def centers(self) -> tuple[Floats, Floats]:
        """Return the rings' centroids (r, 2) and their covariances (r, 2, 2); NaN when unknown."""
        atoms = self.atoms
        operator = self._mean_operator()
        places = (operator @ atoms.positions.ravel()).reshape(-1, 2)
        if atoms.cell is not None:
            places = self._unwrapped()
        return places, position_errors(atoms).blocks(operator, 2)

    def counts(self) -> pd.DataFrame:
        """Return rows size, count, share with its equal-tailed interval (Jeffreys, 90 %).

        The interval takes rings as independent. Defects make rings in fixed groups (a turned bond:
        two pentagons and two heptagons), so that shares of odd rings vary more: there, take the
        interval of ``count_ring_defects``.
        """
        import pandas as pd
        from scipy.stats import beta

        counts = np.bincount(self.sizes)
        present = np.flatnonzero(counts)
        count, total = counts[present], max(self.n, 1)
        tail = 0.5 * (1 - CREDIBLE_MASS)
        return pd.DataFrame(
            {
                "size": present,
                "count": count,
                "share": count / total,
                "share_low": beta.ppf(tail, count + 0.5, total - count + 0.5),
                "share_high": beta.ppf(1 - tail, count + 0.5, total - count + 0.5),
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a ring: size, area, centre and its standard deviations."""
        import pandas as pd

        places, covariance = self.centers()
        return pd.DataFrame(
            {
                "size": self.sizes, "area": self.areas, "x": places[:, 0], "y": places[:, 1],
                "x_sd": np.sqrt(covariance[:, 0, 0]), "y_sd": np.sqrt(covariance[:, 1, 1]),
            }
        )  # fmt: skip

    def _mean_operator(self) -> sparse.csr_array:
        """Return the (2r, 2n) matrix that takes positions to ring centroids."""
        ring = np.repeat(np.arange(self.n), self.sizes)
        share = 1.0 / np.repeat(self.sizes, self.sizes)
        one = sparse.csr_array((share, (ring, self.members)), shape=(self.n, self.atoms.n))
        return sparse.csr_array(sparse.kron(one, sparse.eye_array(2), format="csr"))

    def _unwrapped(self) -> Floats:
        """Return centroids in a periodic cell, atoms taken nearest to the ring's first."""
        cell = self.atoms.cell
        assert cell is not None  # noqa: S101 -- the caller has looked
        first = np.repeat(self.members[self.starts[:-1]], self.sizes)
        steps = (self.atoms.positions[self.members] - self.atoms.positions[first]) @ np.linalg.inv(
            cell
        )
        steps -= np.round(steps)
        ring = np.repeat(np.arange(self.n), self.sizes)
        mean = np.stack([np.bincount(ring, steps[:, k], self.n) for k in range(2)], axis=1)
        shares = (
            self.atoms.positions[self.members[self.starts[:-1]]] @ np.linalg.inv(cell)
            + mean / self.sizes[:, None]
        )
        return np.asarray((shares - np.floor(shares)) @ cell)


def find_rings(
    atoms: AtomicConfiguration, *, bond_length: float | None = None, largest: int = 24
) -> Rings:
    """Find all rings of bonded atoms in the plane.

    Atoms nearer than the bond cut are bonded (found with a cell list, order n); of two crossing
    bonds the longer is dropped, so that the network is planar; its bounded faces are the rings.
    Chains that end nowhere are cut off first.

    Parameters
    ----------
    atoms
        Positions in the plane, with or without errors; a periodic ``cell`` is respected.
    bond_length
        Longest bond in ``atoms.unit``; None takes the emptiest distance between 1.12 and 1.62
        nearest distances, and warns where none is empty.
    largest
        Faces of more atoms are holes, not rings.

    Returns
    -------
    Rings
        Sizes, members, areas, bonds; centroids with the errors of the atoms' positions.

    Raises
    ------
    InputError
        For atoms not in the plane, a cut that joins an atom to more than 60 others, or a periodic
        cell less than three bonds wide.
    NotIdentified
        For fewer than 3 atoms, or none bonded.

    Notes
    -----
    Whether an atom was missed or invented is not in the position errors: see
    ``find_ring_defects``. Face tracing on a planar map: de Berg et al., Computational Geometry
    (2008), chapter 2.

    Examples
    --------
    >>> angle = np.arange(6) * np.pi / 3
    >>> benzene = AtomicConfiguration(1.4 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    >>> find_rings(benzene).sizes
    array([6])
    """
    if isinstance(largest, bool) or not isinstance(largest, int) or largest < 3:
        raise InputError(f"largest must be an integer of at least 3; got {largest!r}.")
    network = find_bonds(atoms, bond_length)
    twins = twins_of(network.starts, network.targets)
    live = np.ones(len(twins), dtype=np.bool_)
    ring_starts, members, left, areas = bond_faces(
        network.starts, network.targets, network.steps, twins, live, largest
    )
    bonds, once = network.pairs()
    return Rings(
        atoms, bonds, np.hypot(network.steps[once, 0], network.steps[once, 1]),
        np.diff(ring_starts), areas, ring_starts, network.order[members],
        np.stack([left[once], left[twins[once]]], axis=1), network.longest,
        (*atoms.warnings, *network.warnings),
    )  # fmt: skip
