"""Kinds of crystals: primitive vectors and atoms of the cell, nearest neighbours at distance 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["KINDS", "CrystalKind", "crystal_kind"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
REACH = 4
"""Cells to each side that are looked at for shells of neighbours."""


@dataclass(frozen=True, eq=False)
class CrystalKind:
    """A lattice with identical sites.

    Attributes
    ----------
    name
        As it is asked for.
    primitive
        float64, shape (d, d): rows are the primitive vectors.
    offsets
        float64, shape (b, d): atoms of the cell, in shares of the primitive vectors.
    n_matched
        Neighbours by which the orientation is found: whole shells.
    symmetry
        ``isotropic``, ``cubic`` or ``hexagonal``: which elastic constants there are.
    """

    name: str
    primitive: Float
    offsets: Float
    n_matched: int
    symmetry: str

    @property
    def dimension(self) -> int:
        """Number of dimensions."""
        return len(self.primitive)

    @property
    def n_basis(self) -> int:
        """Atoms of one primitive cell."""
        return len(self.offsets)

    def neighbours(self, basis: int) -> tuple[Int, Int, Float]:
        """Return cell (m, d), atom of the cell (m,) and vector (m, d), by distance."""
        cells = np.array(list(product(range(-REACH, REACH + 1), repeat=self.dimension)))
        rows = np.repeat(cells, self.n_basis, axis=0)
        kinds = np.tile(np.arange(self.n_basis), len(cells))
        vectors = (rows + self.offsets[kinds] - self.offsets[basis]) @ self.primitive
        length = np.linalg.norm(vectors, axis=1)
        keep = np.flatnonzero((length > 0.5) & (length < REACH - 0.5))
        order = keep[np.argsort(length[keep].round(9), kind="stable")]
        return rows[order], kinds[order], vectors[order]

    def shell_lengths(self, n_shells: int) -> Float:
        """Return the distances of the first shells, nearest neighbours at 1."""
        length = np.linalg.norm(self.neighbours(0)[2], axis=1).round(6)
        return np.unique(length)[:n_shells]

    def shells(self, basis: int, n_shells: int) -> list[tuple[Int, Int]]:
        """Return cells (m, d) and atoms (m,) of each of the first shells around an atom."""
        cells, kinds, vectors = self.neighbours(basis)
        length = np.linalg.norm(vectors, axis=1).round(6)
        return [
            (cells[length == one], kinds[length == one]) for one in self.shell_lengths(n_shells)
        ]


def _kind(
    name: str, primitive: object, n_matched: int, symmetry: str, offsets: object = None
) -> CrystalKind:
    vectors = np.asarray(primitive, dtype=np.float64)
    inside = np.zeros((1, len(vectors))) if offsets is None else np.asarray(offsets, float)
    return CrystalKind(name, vectors, inside, n_matched, symmetry)


_HALF = np.sqrt(3.0) / 2.0
KINDS = {
    "triangular": _kind("triangular", [[1, 0], [0.5, _HALF]], 6, "isotropic"),
    "square": _kind("square", np.eye(2), 8, "cubic"),
    "honeycomb": _kind(
        "honeycomb", [[2 * _HALF, 0], [_HALF, 1.5]], 9, "isotropic", [[0, 0], [1 / 3, 1 / 3]]
    ),
    "simple_cubic": _kind("simple_cubic", np.eye(3), 18, "cubic"),
    "fcc": _kind("fcc", (1 - np.eye(3)) / np.sqrt(2), 12, "cubic"),
    "bcc": _kind("bcc", (1 - 2 * np.eye(3)) / np.sqrt(3), 14, "cubic"),
    "hcp": _kind(
        "hcp", [[1, 0, 0], [0.5, _HALF, 0], [0, 0, np.sqrt(8 / 3)]], 18, "hexagonal",
        [[0, 0, 0], [1 / 3, 1 / 3, 0.5]],
    ),
}  # fmt: skip


def crystal_kind(name: str) -> CrystalKind:
    """Return a kind by its name.

    Raises
    ------
    InputError
        For an unknown name.
    """
    if name not in KINDS:
        raise InputError(f"lattice must be one of {', '.join(KINDS)}, or None; got {name!r}.")
    return KINDS[name]
