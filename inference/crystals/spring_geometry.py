"""What each spring adds to the dynamical matrix of a crystal, and to its elastic constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.crystals.crystal_kinds import CrystalKind

__all__ = ["SpringGeometry", "spring_geometry"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
SMALL_WAVE = 1e-4
"""Of the reciprocal spacing: long enough a wave for the elastic limit."""


@dataclass(frozen=True, eq=False)
class SpringGeometry:
    """Bonds of the first shells: a longitudinal and a transverse spring for each.

    Springs are numbered longitudinal of shell 1, transverse of shell 1, longitudinal of shell 2,
    ... Bonds of one atom of the cell stand together.

    Attributes
    ----------
    kind
        The lattice.
    primitive
        float64, shape (d, d).
    shell, first, second
        int64, shape (m,): shell of each bond, atom of the cell it starts from and ends at.
    cells
        int64, shape (m, d): from the cell of the first to that of the second.
    projection
        float64, shape (m, 2, d, d): along the bond, and across it.
    vectors
        float64, shape (m, d).
    """

    kind: CrystalKind
    primitive: Float
    shell: Int
    first: Int
    second: Int
    cells: Int
    projection: Float
    vectors: Float

    @property
    def n_springs(self) -> int:
        """Two a shell."""
        return 2 * (int(self.shell.max()) + 1)

    def lengths(self) -> Float:
        """Return the mean length of the bonds of each shell."""
        length = np.linalg.norm(self.vectors, axis=1)
        return np.array([length[self.shell == s].mean() for s in range(self.n_springs // 2)])

    def matrices(self, shares: Float) -> Float:
        """Return what a unit of each spring adds to the dynamical matrix, real form.

        ``shares`` (w, d): waves, phase 2 pi share along each primitive vector. Returns (w, k, D,
        D): D = d with one atom a cell, else 2 d b with the real part left above and the imaginary
        one below. With displacement u, energy/kT = 1/2 sum over q of u(q)* (sum of springs times
        these) u(q).
        """
        d, b = self.kind.dimension, self.kind.n_basis
        out = np.zeros((len(shares), self.n_springs, b * d, b * d), dtype=np.complex128)
        phase = np.exp(2j * np.pi * (shares @ self.cells.T))
        for m in range(len(self.cells)):
            at = slice(self.first[m] * d, (self.first[m] + 1) * d)
            to = slice(self.second[m] * d, (self.second[m] + 1) * d)
            for part in range(2):
                spring = 2 * self.shell[m] + part
                out[:, spring, at, at] += self.projection[m, part]
                out[:, spring, at, to] -= phase[:, m, None, None] * self.projection[m, part]
        return real_form(out) if b > 1 else np.ascontiguousarray(out.real)

    def elastic(self, springs: Float) -> dict[str, Float]:
        """Return elastic constants of springs (..., k), in kT per area or volume.

        Those of stress against strain at the crystal's own pressure: what sound at long waves
        feels.
        """
        d = self.kind.dimension
        u, _, v = np.linalg.svd(np.linalg.solve(self.kind.primitive, self.primitive))
        along = u @ v  # the kind's axes as they lie in the crystal, rows
        one, two = along[0], along[1]
        wanted = {
            "c11": (one, one), "c44": (one, two),
            "cross": ((one + two) / np.sqrt(2), (one + two) / np.sqrt(2)),
        }  # fmt: skip
        if d == 3:
            wanted["c33"] = (along[2], along[2])
            wanted["c55"] = (along[2], one)
        found = {name: self._stiffness(springs, q, e) for name, (q, e) in wanted.items()}
        # a wave along (1, 1): c11/2 + c12/2 + c44
        c12 = 2.0 * found["cross"] - found["c11"] - 2.0 * found["c44"]
        if self.kind.symmetry == "isotropic":
            return {"bulk_modulus": found["c11"] - found["c44"], "shear_modulus": found["c44"]}
        if self.kind.symmetry == "cubic":
            bulk = (found["c11"] + (d - 1) * c12) / d
            return {"bulk_modulus": bulk, "c11": found["c11"], "c12": c12, "c44": found["c44"]}
        return {"c11": found["c11"], "c66": found["c44"], "c33": found["c33"],
                "c44": found["c55"], "c12": found["c11"] - 2.0 * found["c44"]}  # fmt: skip

    def _stiffness(self, springs: Float, direction: Float, polarisation: Float) -> Float:
        """Quadratic form of displacements along ``polarisation`` in a long wave, over volume."""
        d, b = self.kind.dimension, self.kind.n_basis
        spacing = np.linalg.norm(self.vectors[0])
        wave = SMALL_WAVE * direction / spacing
        share = wave @ self.primitive.T / (2.0 * np.pi)
        unit = self.matrices(share[None])[0]
        volume = abs(np.linalg.det(self.primitive))
        if b == 1:
            squares = np.einsum("kij,i,j->k", unit, polarisation, polarisation)
            return np.asarray(springs @ squares / (wave @ wave * volume))
        # atoms of the cell relax against each other
        whole = np.einsum("...k,kij->...ij", springs, unit)
        stack = np.concatenate([np.tile(np.eye(d), (b, 1)), np.zeros((b * d, d))])
        soft = np.linalg.inv(stack.T @ np.linalg.solve(whole, np.broadcast_to(
            stack, (*whole.shape[:-2], *stack.shape)))) * b**2  # fmt: skip
        return np.asarray(
            np.einsum("...ij,i,j->...", soft, polarisation, polarisation) / (wave @ wave * volume)
        )


def spring_geometry(kind: CrystalKind, primitive: Float, n_shells: int) -> SpringGeometry:
    """Return the bonds of the first shells of a lattice, laid out along ``primitive``."""
    rows: list[list[NDArray[np.int64]]] = [[], [], [], []]
    for b in range(kind.n_basis):
        for number, (steps, kinds) in enumerate(kind.shells(b, n_shells)):
            rows[0].append(np.full(len(steps), number))
            rows[1].append(np.full(len(steps), b))
            rows[2].append(kinds)
            rows[3].append(steps)
    shell, first, second, cells = (np.concatenate(part) for part in rows)
    vectors = (cells + kind.offsets[second] - kind.offsets[first]) @ primitive
    along = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    outer = along[:, :, None] * along[:, None, :]
    projection = np.stack([outer, np.eye(kind.dimension) - outer], axis=1)
    return SpringGeometry(kind, primitive, shell, first, second, cells, projection, vectors)


def real_form(matrix: NDArray[np.complex128]) -> Float:
    """Return Hermitian matrices (..., D, D) as symmetric real ones (..., 2 D, 2 D)."""
    real, imaginary = matrix.real, matrix.imag
    return np.ascontiguousarray(
        np.concatenate(
            [np.concatenate([real, -imaginary], -1), np.concatenate([imaginary, real], -1)], -2
        )
    )
