"""Periodic crystals, and the Fourier modes in which a pattern on them can order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.lattice_models.graphs.regular_lattices import (
    cubic_lattice,
    honeycomb_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import SiteGraph

__all__ = ["OrderModes", "PeriodicCrystal", "make_crystal", "state_vectors"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex64]
KINDS = ("square", "triangular", "honeycomb", "sc", "bcc", "fcc")
SITES_OF_CELL = {"square": 1, "triangular": 1, "honeycomb": 2, "sc": 1, "bcc": 2, "fcc": 4}
USUAL_SIZES = {
    "square": (24, 24), "triangular": (24, 24), "honeycomb": (18, 18),
    "sc": (8, 8, 8), "bcc": (6, 6, 6), "fcc": (6, 6, 6),
}  # fmt: skip
UNIFORM = "uniform"
SHELLS_OF_A_STAR = 5


@dataclass(frozen=True, eq=False)
class PeriodicCrystal:
    """A periodic crystal of one of the known kinds.

    Attributes
    ----------
    kind
        ``square``, ``triangular``, ``honeycomb``, ``sc``, ``bcc`` or ``fcc``.
    sizes
        Cells along each axis, slowest first.
    graph
        Its sites and bonds.

    Examples
    --------
    >>> make_crystal("square", (4, 6), 1).graph.n_sites
    24
    """

    kind: str
    sizes: tuple[int, ...]
    graph: SiteGraph

    @property
    def n_motif(self) -> int:
        """Sites in a cell."""
        return SITES_OF_CELL[self.kind]

    @cached_property
    def basis(self) -> Float:
        """Periods of one cell, rows along x first."""
        cell = self.graph.cell
        assert cell is not None  # noqa: S101 -- all these crystals are periodic
        return np.asarray(cell / np.array(self.sizes[::-1])[:, None])

    @cached_property
    def reciprocal(self) -> Float:
        """Rows b with a_i . b_j = 2 pi delta_ij."""
        return np.asarray(2 * np.pi * np.linalg.inv(self.basis).T)

    @cached_property
    def wavevectors(self) -> Float:
        """All wavevectors in reciprocal units, entries in (-1/2, 1/2], shape (n_cells, d)."""
        grids = [np.arange(size) / size for size in self.sizes[::-1]]
        points = np.array(list(product(*grids)))
        return np.asarray(np.where(points > 0.5, points - 1.0, points))

    @cached_property
    def stars(self) -> NDArray[np.int64]:
        """A number for each wavevector; those that symmetry makes equal share it.

        Two belong together where the sums of cos(q . r) over the first shells of translations
        agree.
        """
        d = len(self.basis)
        steps = np.array(list(product(range(-3, 4), repeat=d)))
        squared = np.round(((steps @ self.basis) ** 2).sum(axis=1), 6)
        phases = np.cos(2 * np.pi * self.wavevectors @ steps.T)
        radii = np.unique(squared[squared > 0])[:SHELLS_OF_A_STAR]
        sums = np.stack([phases[:, squared == radius].sum(axis=1) for radius in radii], axis=1)
        _, number = np.unique(np.round(sums, 5) + 0.0, axis=0, return_inverse=True)
        return np.asarray(number, np.int64).reshape(-1)

    def waves(self, wavevectors: Float) -> Complex:
        """Return exp(-i q . r) of every wavevector and site, shape (n_q, n_sites)."""
        points = self.graph.positions
        assert points is not None  # noqa: S101 -- as above
        angle = (wavevectors @ self.reciprocal) @ points.T
        return np.asarray(np.exp(-1j * angle), np.complex64)

    def squared_length(self, wavevectors: Float) -> Float:
        """Return |q|^2 as the lattice's Laplacian has it, sum over first bonds of 2 - 2 cos q.r.

        Scaled such that it tends to q^2, in nearest-neighbour distances.
        """
        steps = np.array(list(product(range(-2, 3), repeat=len(self.basis))))
        vectors = steps @ self.basis
        squared = (vectors**2).sum(axis=1)
        first = np.isclose(squared, squared[squared > 1e-9].min())
        angle = (wavevectors @ self.reciprocal) @ vectors[first].T
        total = (2 - 2 * np.cos(angle)).sum(axis=1)
        # sum over bonds of (q.r)^2 is q^2 r^2 z / d in a crystal of high symmetry
        scale = len(self.basis) / (first.sum() * squared[first][0])
        return np.asarray(total * scale * self.bond_length**2)

    @cached_property
    def bond_length(self) -> float:
        """Distance of nearest neighbours, in the unit of the positions."""
        return float(self.graph.shell_radii[0])


def make_crystal(kind: str, sizes: Sequence[int], n_shells: int) -> PeriodicCrystal:
    """Return a periodic crystal of a kind, cells along each axis slowest first."""
    shape = tuple(int(size) for size in check_array("shape", sizes, ndim=1, minimum=1))
    if len(shape) != len(USUAL_SIZES[kind]):
        raise InputError(
            f"shape must hold {len(USUAL_SIZES[kind])} numbers of cells for a {kind} lattice; got "
            f"{shape}."
        )
    two = {
        "square": square_lattice, "triangular": triangular_lattice, "honeycomb": honeycomb_lattice
    }  # fmt: skip
    if kind in two:
        graph = two[kind]((shape[0], shape[1]), n_shells)
    else:
        graph = cubic_lattice((shape[0], shape[1], shape[2]), kind, n_shells)
    return PeriodicCrystal(kind, shape, graph)


def state_vectors(family: LatticeFamily) -> Float:
    """Return a vector for every state, shape (q, c), whose mean is the magnetization.

    -1 and +1 for two states, the states themselves for Blume-Capel, unit vectors on a circle for
    clocks, and the corners of a simplex (unit vectors at equal angles) otherwise: a pattern of one
    state has length 1.
    """
    q = family.n_states
    if q == 2:
        return np.array([[-1.0], [1.0]])
    if family.model == "blume_capel":
        return np.asarray(family.state_values, np.float64)[:, None]
    if family.model == "clock":
        angle = 2 * np.pi * np.arange(q) / q
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    from physlearn.inference.lattices.zero_sum import zero_sum_vectors

    return np.asarray(zero_sum_vectors(q).T * np.sqrt(q / (q - 1.0)))


@dataclass(frozen=True, eq=False)
class OrderModes:
    """The star of wavevectors in which a pattern orders.

    Attributes
    ----------
    name
        In words.
    wavevectors
        Reciprocal units, shape (n_star, d); empty for the longest waves that fit (phases that
        part at fixed composition).
    contrast
        Orthonormal contrasts of the cell's sites, complex, shape (n_star, n_contrasts, n_motif).
    """

    name: str
    wavevectors: Float
    contrast: NDArray[np.complex128]

    @property
    def longest(self) -> bool:
        """Whether these are the longest waves that the lattice holds."""
        return not len(self.wavevectors)

    @property
    def uniform(self) -> bool:
        """Whether all sites are alike in it."""
        return self.name == UNIFORM

    def fits(self, sizes: Sequence[int]) -> bool:
        """Whether a crystal of these sizes, slowest axis first, holds the star."""
        cells = self.wavevectors * np.array(sizes[::-1])
        return bool(np.allclose(cells, np.round(cells), atol=1e-6))

    def rows(self, crystal: PeriodicCrystal) -> tuple[list[Complex], Float]:
        """Return projections of the star and one step off it along each axis.

        ``rows[0]`` belongs to the star, ``rows[1 + axis]`` to the steps, each of shape
        (n_star, n_contrasts, n_sites), normalised such that the sum over contrasts of
        |row . v|^2 is the structure factor per site; and the lattice's q^2 at the star and after
        each step, shape (1 + d,).
        """
        d = len(crystal.basis)
        steps = np.eye(d) / np.array(crystal.sizes[::-1])
        centre, contrast = self.wavevectors, self.contrast
        if self.longest:
            contrast = np.full((d, 1, crystal.n_motif), crystal.n_motif**-0.5, complex)
            points = [steps, *(2 * steps for _ in range(d))]
        else:
            points = [centre, *(centre + step for step in steps)]
        motif = np.arange(crystal.graph.n_sites) % crystal.n_motif
        weight = contrast.conj()[:, :, motif] / np.sqrt(crystal.graph.n_sites / crystal.n_motif)
        rows = [
            (weight * crystal.waves(point)[:, None, :]).astype(np.complex64) for point in points
        ]
        if self.longest:
            lengths = crystal.squared_length(np.concatenate([steps[:1], 2 * steps]))
        else:
            lengths = np.append(0.0, crystal.squared_length(steps))
        return rows, lengths


def uniform_mode(crystal: PeriodicCrystal) -> OrderModes:
    """Return the mode in which all sites are alike."""
    contrast = np.full((1, 1, crystal.n_motif), crystal.n_motif**-0.5, complex)
    return OrderModes(UNIFORM, np.zeros((1, len(crystal.basis))), contrast)
