"""Energies that couple distant places, as quadratic forms in Fourier space.

Convention: with ``P_k = mean over the cells of P exp(-i k r)`` an energy ``1/2 A(k) |P_k|^2``,
summed over all k and times the area, adds to the free energy; ``A(k)`` then adds to the curvature
of the potential of that mode. Fields are periodic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_number, check_positive
from physlearn.lattice_models.fields.potentials import LandauPotential, VectorLandauPotential
from physlearn.records.storage import html_table, short_repr

__all__ = ["DepolarizationEnergy", "ElasticEnergy", "ThinFilmDepolarization"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DepolarizationEnergy:
    """Energy of the charges that a polarisation vector leaves where it diverges.

    ``1/2 strength |k . P_k|^2 / k^2`` for every k but 0 (electrodes or a closed circuit screen the
    mean). For a film thick against the picture ``strength = 1 / (eps_0 eps_background)``.

    Attributes
    ----------
    strength
        energy / length^2 / P^2 (the unit of ``a1``), above 0.

    Examples
    --------
    >>> DepolarizationEnergy(strength=2.0).strength
    2.0
    """

    strength: float

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_positive("strength", self.strength))


@dataclass(frozen=True)
class ThinFilmDepolarization:
    """Depolarisation of a film polarised out of plane, seen from above.

    ``1/2 strength N(k) P_k^2`` with the demagnetising factor of a film polarised evenly through its
    thickness t, ``N(k) = (1 - exp(-k t)) / (k t)``, and ``N(0) = 1``, or 0 where electrodes
    compensate the mean.

    Attributes
    ----------
    strength
        ``1 / (eps_0 eps_background)``: energy / length^2 / P^2, above 0.
    thickness
        Of the film, in the unit of ``pixel_size``, above 0.
    mean_is_screened
        Whether the mean polarisation costs nothing.

    Notes
    -----
    Kooy and Enz, Philips Res. Rep. 15, 7 (1960).

    Examples
    --------
    >>> film = ThinFilmDepolarization(strength=1.0, thickness=2.0)
    >>> film.factor(np.array([0.0, 1.0])).round(4).tolist()
    [1.0, 0.4323]
    """

    strength: float
    thickness: float
    mean_is_screened: bool = False

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", check_positive("strength", self.strength))
        object.__setattr__(self, "thickness", check_positive("thickness", self.thickness))
        if not isinstance(self.mean_is_screened, bool):
            raise InputError(f"mean_is_screened must be a bool; got {self.mean_is_screened!r}.")

    def factor(self, wave_number: Floats) -> Floats:
        """Return N(k), the shape of ``wave_number`` (1 / length)."""
        reach = check_array("wave_number", wave_number, allow_empty=True) * self.thickness
        safe = np.where(reach > 0, reach, 1.0)
        factor: Floats = np.where(reach > 0, -np.expm1(-safe) / safe, 1.0)
        if self.mean_is_screened:
            factor = np.where(reach > 0, factor, 0.0)
        return factor


@dataclass(frozen=True)
class ElasticEnergy:
    """Strain caused by P^2 (electrostriction), relaxed at every instant.

    A cell would like the strain ``e_ij = Q_ij P^2``; the elastically cubic plane (plane strain,
    axes along x and y) gives way as far as neighbours allow. What is left (Khachaturyan) is
    ``1/2 B(n) |(P^2)_k|^2`` with ``B(n) = e C e - n s Omega(n) s n``, ``s = C e``,
    ``Omega^-1_ik = C_ijkl n_j n_l``, n = k / |k|: it depends on the direction only.

    Attributes
    ----------
    c11, c12, c44
        Elastic constants: energy / length^2, with c11 > abs(c12) and c44 > 0.
    q_xx, q_yy, q_xy
        Tensor of the preferred strain per P^2 (q_xy: tensor shear), 1 / P^2.
    clamped
        Whether the mean strain is held at zero (k = 0 then costs ``e C e``), or free (costs 0).

    Notes
    -----
    A. G. Khachaturyan, Theory of Structural Transformations in Solids (Wiley, 1983), chapter 7.

    Examples
    --------
    >>> dilation = ElasticEnergy(c11=3.0, c12=1.0, c44=1.0, q_xx=0.1, q_yy=0.1)
    >>> round(float(dilation.form(np.array(1.0), np.array(0.0))), 6)
    0.026667
    """

    c11: float
    c12: float
    c44: float
    q_xx: float
    q_yy: float
    q_xy: float = 0.0
    clamped: bool = True

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("c11", "c12", "c44", "q_xx", "q_yy", "q_xy"):
            object.__setattr__(self, name, check_number(name, getattr(self, name)))
        if not (self.c11 > abs(self.c12) and self.c44 > 0):
            raise InputError(
                "the crystal must be stable: c11 > abs(c12) and c44 > 0; "
                f"got c11 = {self.c11}, c12 = {self.c12}, c44 = {self.c44}."
            )
        if not isinstance(self.clamped, bool):
            raise InputError(f"clamped must be a bool; got {self.clamped!r}.")

    def form(self, k_x: Floats, k_y: Floats) -> Floats:
        """Return B for wave vectors of any length; k = 0 gives the mean strain's term."""
        k_x, k_y = check_array("k_x", k_x), check_array("k_y", k_y)
        length = np.hypot(k_x, k_y)
        safe = np.where(length > 0, length, 1.0)
        n_x, n_y = k_x / safe, k_y / safe
        s_xx = self.c11 * self.q_xx + self.c12 * self.q_yy
        s_yy = self.c12 * self.q_xx + self.c11 * self.q_yy
        s_xy = 2 * self.c44 * self.q_xy
        stored = s_xx * self.q_xx + s_yy * self.q_yy + 2 * s_xy * self.q_xy
        pull_x, pull_y = s_xx * n_x + s_xy * n_y, s_xy * n_x + s_yy * n_y
        stiff_x = self.c11 * n_x**2 + self.c44 * n_y**2
        stiff_y = self.c44 * n_x**2 + self.c11 * n_y**2
        stiff_xy = (self.c12 + self.c44) * n_x * n_y
        gain = (
            stiff_y * pull_x**2 - 2 * stiff_xy * pull_x * pull_y + stiff_x * pull_y**2
        ) / np.where(length > 0, stiff_x * stiff_y - stiff_xy**2, 1.0)
        mean = stored if self.clamped else 0.0
        form: Floats = np.where(length > 0, stored - gain, mean)
        return form


Coupling = DepolarizationEnergy | ThinFilmDepolarization | ElasticEnergy


def check_couplings(
    potential: LandauPotential | VectorLandauPotential, couplings: object
) -> tuple[Coupling, ...]:
    """Return the couplings, or say which one does not fit the order parameter."""
    given = couplings if isinstance(couplings, tuple | list) else (couplings,)
    for index, coupling in enumerate(given):
        if not isinstance(coupling, Coupling):
            raise InputError(
                "couplings must hold DepolarizationEnergy, ThinFilmDepolarization or "
                f"ElasticEnergy records; got {type(coupling).__name__} at index {index}."
            )
        wants = 2 if isinstance(coupling, DepolarizationEnergy) else 1
        if potential.n_components != wants:
            raise InputError(
                f"couplings: {type(coupling).__name__} needs an order parameter of {wants} "
                f"component(s); this potential has {potential.n_components}."
            )
    return tuple(given)
