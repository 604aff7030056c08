"""Energies of a family on a grid of squared distances: what is simulated and what is counted.

The potential that is used throughout is the grid's: straight lines in the squared distance between
its nodes. The energy of a configuration is then a sum over nodes of counts times values, exactly,
for every potential that shares the cutoff; configurations are kept as their counts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from physlearn.checks import InputError, check_positive
from physlearn.declared_types import shown
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.particles.three_body import StillingerWeberAngle
from physlearn.records.storage import html_table, short_repr

__all__ = ["N_NODES", "SnapshotEnergies", "ThreeBody"]

Float = NDArray[np.float64]
N_NODES = 2048
HIGHEST = 1e6
"""kT; what lies above is never visited."""
STEP = 1e-4


@dataclass(frozen=True)
class ThreeBody:
    """A three-body term whose strength is a free parameter.

    Attributes
    ----------
    shape
        Angle, decay length and cutoff; its strength plays no part.
    prior_sd
        Of the strength, in kT, around 0.

    Examples
    --------
    >>> ThreeBody(StillingerWeberAngle(cosine=-0.5), prior_sd=5.0).shape.cosine
    -0.5
    """

    shape: StillingerWeberAngle
    prior_sd: float = 10.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_positive("prior_sd", self.prior_sd)
        if not isinstance(self.shape, StillingerWeberAngle):
            raise InputError(f"shape must be a StillingerWeberAngle; got {shown(self.shape)}.")


@dataclass(frozen=True, eq=False)
class SnapshotEnergies:
    """A family on its grid, with a three-body strength as the last parameter where asked for.

    ``grid_cutoffs`` and ``angle_shape``: a grid, and angles to count, that several families share;
    None: those of this family.
    """

    family: InteractionFamily
    three_body: ThreeBody | None = None
    grid_cutoffs: tuple[float, ...] | None = None
    angle_shape: StillingerWeberAngle | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return (*self.family.names, *(("three_body_strength",) if self.three_body else ()))

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @property
    def n_kinds(self) -> int:
        """Number of pairs of species."""
        return len(self.family.parts)

    @property
    def reach(self) -> float:
        """Distance from which on particles do not act on each other."""
        return max(self.cutoffs)

    @property
    def cutoffs(self) -> tuple[float, ...]:
        """Where the grid of each kind of pair ends."""
        if self.grid_cutoffs is not None:
            return self.grid_cutoffs
        return tuple(part.cutoff for part in self.family.parts)

    @property
    def cell_width(self) -> float:
        """Distance within which everything stands that a particle's energy depends on."""
        # an angle joins particles that are two bonds apart
        return max(self.reach, 2.0 * float(self.angle[3]))

    @property
    def prior_mean(self) -> Float:
        """Mean of theta under the prior."""
        return np.concatenate([self.family.prior_mean, np.zeros(1 if self.three_body else 0)])

    @property
    def prior_covariance(self) -> Float:
        """Covariance of theta under the prior."""
        if self.three_body is None:
            return self.family.prior_covariance
        return np.asarray(
            block_diag(self.family.prior_covariance, np.array([[self.three_body.prior_sd**2]]))
        )

    @cached_property
    def scales(self) -> Float:
        """Nodes per squared distance, of the kinds of pairs."""
        return np.array([N_NODES / cutoff**2 for cutoff in self.cutoffs])

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """Which kind acts between two species, shape (q, q)."""
        q = self.family.n_species
        table = np.zeros((q, q), dtype=np.int64)
        for kind, (a, b) in enumerate(self.family.pairs):
            table[a, b] = table[b, a] = kind
        return table

    @cached_property
    def angle(self) -> Float:
        """Shape of the three-body term as the kernels read it, strength 0."""
        shape = self.angle_shape if self.three_body is None else self.three_body.shape
        out = np.zeros(4) if shape is None else shape.encoded()
        out[0] = 0.0
        return out

    def vector(self, theta: Float) -> Float:
        """Return the energies that multiply the counts, shape (n_kinds (G + 3) + 1,)."""
        out = np.zeros((self.n_kinds, N_NODES + 3))
        for kind, (part, at) in enumerate(
            zip(self.family.parts, self.family.slices(), strict=True)
        ):
            r = np.sqrt(np.arange(1, N_NODES + 1) / N_NODES) * self.cutoffs[kind]
            r[-1] *= 1.0 - 1e-12  # the limit from below, also of an energy that ends with a step
            with np.errstate(over="ignore", invalid="ignore"):
                values = part.potential(theta[at]).value(r)
            out[kind, 1 : N_NODES + 1] = np.clip(
                np.nan_to_num(values, nan=HIGHEST), -HIGHEST, HIGHEST
            )
            out[kind, 0] = out[kind, 1]
        strength = theta[-1] if self.three_body is not None else 0.0
        return np.append(out.ravel(), strength)

    def law(self, vector: Float) -> tuple[Float, Float, NDArray[np.int64], Float]:
        """Return the arrays of the kernels for one vector of energies."""
        angle = self.angle.copy()
        angle[0] = vector[-1]
        return np.ascontiguousarray(vector[:-1]), self.scales, self.kinds, angle

    def slopes(self, theta: Float) -> Float:
        """Return d vector / d theta by central differences, shape (p, n)."""
        rows = []
        for k in range(self.n_parameters):
            step = np.zeros(self.n_parameters)
            step[k] = STEP
            rows.append((self.vector(theta + step) - self.vector(theta - step)) / (2.0 * STEP))
        return np.array(rows)

    def natural(self, theta: Float) -> Float:
        """Return natural parameters of theta, shape (..., p)."""
        if self.three_body is None:
            return self.family.natural(theta)
        return np.concatenate([self.family.natural(theta[..., :-1]), theta[..., -1:]], axis=-1)
