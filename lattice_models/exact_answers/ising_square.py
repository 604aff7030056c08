"""The Ising model on the infinite square lattice without field: Onsager's and Yang's answers.

One convention for all functions: p(s) ~ exp(+ K_x sum s s' along x + K_y sum s s' along y), K in
units of kT, K > 0 prefers like neighbours. Energies and free energies are per site and in kT, heat
capacities per site and in units of the Boltzmann constant.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice

__all__ = [
    "critical_coupling",
    "onsager_energy",
    "onsager_free_energy",
    "onsager_heat_capacity",
    "onsager_interface_tension",
    "onsager_magnetization",
]

Float = NDArray[np.float64]
CRITICAL = {
    "square": float(np.arcsinh(1.0)) / 2,
    "triangular": float(np.log(3.0)) / 4,
    "honeycomb": float(np.log(2.0 + np.sqrt(3.0))) / 2,
}
TINY = 1e-30
"""Imaginary step of derivatives: exact to round-off, nothing is subtracted."""


def critical_coupling(lattice: str = "square") -> float:
    """Return the coupling K_c = J / kT_c at which the infinite lattice orders, without field.

    sinh(2 K) = 1 on the square lattice, exp(4 K) = 3 on the triangular and cosh(2 K) = 2 on the
    honeycomb lattice (Houtappel 1950, doi:10.1016/0031-8914(50)90130-3).

    Parameters
    ----------
    lattice
        ``square``, ``triangular`` or ``honeycomb``.

    Raises
    ------
    InputError
        For another lattice.

    Examples
    --------
    >>> round(critical_coupling("square"), 6)
    0.440687
    """
    return CRITICAL[check_choice("lattice", lattice, tuple(CRITICAL))]


class _Scaled(NamedTuple):
    """Hyperbolic functions of 2 K_x and 2 K_y, all divided by exp(2 K_x + 2 K_y).

    With c = cosh 2K, s = sinh 2K: ``product`` c_x c_y, ``sine_x`` s_x, ``sine_y`` s_y, ``gap``
    c_x c_y - s_x - s_y = (s_x s_y - 1) ** 2 / (c_x c_y + s_x + s_y), free of cancellation, and
    ``slope_x`` s_x c_y - c_x, half the derivative of the gap along K_x.
    """

    product: NDArray[np.inexact]
    sine_x: NDArray[np.inexact]
    sine_y: NDArray[np.inexact]
    cosine_x: NDArray[np.inexact]
    gap: NDArray[np.inexact]
    slope_x: NDArray[np.inexact]


def _scaled(k_x: NDArray[np.inexact], k_y: NDArray[np.inexact]) -> _Scaled:
    """Return the scaled hyperbolic functions of couplings with real part of at least 0."""
    small_x, small_y = np.exp(-2 * k_x), np.exp(-2 * k_y)
    c_x, c_y = (1 + small_x**2) / 2, (1 + small_y**2) / 2
    s_x, s_y = -np.expm1(-4 * k_x) / 2, -np.expm1(-4 * k_y) / 2
    off, over = s_x * s_y - small_x * small_y, s_x * s_y + small_x * small_y
    product, sine_x, sine_y = c_x * c_y, s_x * small_y, s_y * small_x
    gap = off**2 / (product + sine_x + sine_y)
    slope = off * over / (s_x * c_y + c_x * small_y)
    return _Scaled(product, sine_x, sine_y, c_x * small_y, gap, slope)


def _quadrature() -> tuple[Float, Float]:
    """Return nodes and weights on (0, pi) that crowd at 0, where criticality makes a cusp."""
    u = np.arange(-4.0, 4.0 + 1e-9, 1 / 32)
    share = 1.0 / (1.0 + np.exp(-np.pi * np.sinh(u)))
    rest = 1.0 / (1.0 + np.exp(np.pi * np.sinh(u)))
    return np.pi * share, np.pi**2 * np.cosh(u) * share * rest / 32


NODES, WEIGHTS = _quadrature()
HALF_SINES = 2 * np.sin(NODES / 2) ** 2  # 1 - cos


def _couplings(coupling: ArrayLike, coupling_y: ArrayLike | None) -> tuple[Float, Float]:
    """Return both couplings, of one shape."""
    along_x = check_array("coupling", coupling)
    along_y = along_x if coupling_y is None else check_array("coupling_y", coupling_y)
    try:
        k_x, k_y = np.broadcast_arrays(along_x, along_y)
    except ValueError:
        raise InputError(
            f"coupling_y must have the shape of coupling or be one number, got {along_y.shape} "
            f"and {along_x.shape}."
        ) from None
    return k_x, k_y


def plain(values: Float) -> Float:
    """Return an array, or the number of one coupling, as numpy's own functions do.

    Examples
    --------
    >>> plain(np.array(0.5)).ndim, type(plain(np.array(0.5))) is np.float64
    (0, True)
    """
    return np.asarray(values, np.float64)[()]


def onsager_free_energy(
    coupling: ArrayLike, coupling_y: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the free energy per site, -log(Z) / N, of the infinite square lattice.

    f = - log 2 - 1 / (8 pi^2) times the integral over 0 < a, b < 2 pi of
    log(cosh 2K_x cosh 2K_y - sinh 2K_x cos a - sinh 2K_y cos b) (Onsager 1944,
    doi:10.1103/PhysRev.65.117); one of the integrals is done in closed form.

    Parameters
    ----------
    coupling
        K_x = J_x / kT, of any shape; negative for antiferromagnets. At a temperature T in units of
        J / k_B that is 1 / T.
    coupling_y
        K_y = J_y / kT; as ``coupling`` when None.

    Returns
    -------
    numpy.ndarray
        In kT, of the couplings' shape (a number for one coupling); exact to about 1e-15.

    Raises
    ------
    InputError
        For couplings that are not finite.

    Examples
    --------
    >>> onsager_free_energy(critical_coupling()).round(9).item()
    -0.929695398
    """
    k_x, k_y = (np.abs(k)[..., None] for k in _couplings(coupling, coupling_y))
    at = _scaled(k_x, k_y)
    low = at.gap + at.sine_x * HALF_SINES
    root = np.sqrt(low * (low + 2 * at.sine_y))
    # the mean of log(low + sine_y + root) over angles; the scale is added back
    mean = np.log(low + at.sine_y + root) @ WEIGHTS / np.pi
    return plain(np.asarray(-(np.log(2.0) + mean) / 2 - (k_x + k_y)[..., 0], np.float64))


def _bond_mean(k_x: NDArray[np.inexact], k_y: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """Return the mean of s s' along x, by the derivative of the free energy under the integral."""
    at = _scaled(k_x[..., None], k_y[..., None])
    low = at.gap + at.sine_x * HALF_SINES
    root = np.sqrt(low * (low + 2 * at.sine_y))
    rise = at.slope_x + at.cosine_x * HALF_SINES
    return np.asarray((rise / root) @ WEIGHTS / np.pi)


def onsager_energy(coupling: ArrayLike, coupling_y: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the mean energy per site, -(K_x <s s'>_x + K_y <s s'>_y).

    The derivative of Onsager's free energy; with equal couplings it is
    - K coth 2K (1 + 2 / pi (2 tanh(2K)^2 - 1) K1(k)), K1 the complete elliptic integral of modulus
    k = 2 sinh 2K / cosh(2K)^2 (Onsager 1944, doi:10.1103/PhysRev.65.117).

    Parameters
    ----------
    coupling, coupling_y
        K_x = J_x / kT and K_y = J_y / kT (``coupling`` again when None), of any shape: at a
        temperature T in units of J / k_B that is 1 / T.

    Raises
    ------
    InputError
        For couplings that are not finite.

    Examples
    --------
    >>> kc = critical_coupling()
    >>> (onsager_energy(kc) / kc).round(9).item()   # - sqrt 2 in units of J
    -1.414213562
    """
    k_x, k_y = (np.abs(k) for k in _couplings(coupling, coupling_y))
    mean = k_x * _bond_mean(k_x, k_y) + k_y * _bond_mean(k_y, k_x)
    return plain(np.asarray(-mean, np.float64))


def onsager_heat_capacity(
    coupling: ArrayLike, coupling_y: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the heat capacity per site, Var(E) / N in units of the Boltzmann constant.

    The second derivative of Onsager's free energy as all couplings scale together; infinite at
    sinh 2K_x sinh 2K_y = 1 (Onsager 1944, doi:10.1103/PhysRev.65.117).

    Parameters
    ----------
    coupling, coupling_y
        K_x = J_x / kT and K_y = J_y / kT (``coupling`` again when None), of any shape: at a
        temperature T in units of J / k_B that is 1 / T.

    Raises
    ------
    InputError
        For couplings that are not finite.

    Examples
    --------
    >>> onsager_heat_capacity([0.2, 0.6]).round(6).tolist()
    [0.097652, 0.313445]
    """
    k_x, k_y = (np.abs(k) for k in _couplings(coupling, coupling_y))
    step = 1.0 + 1j * TINY
    slope = (
        k_x * _bond_mean(k_x * step, k_y * step) + k_y * _bond_mean(k_y * step, k_x * step)
    ).imag / TINY
    off = np.expm1(-4 * k_x) * np.expm1(-4 * k_y) / 4 - np.exp(-2 * (k_x + k_y))
    return plain(np.where(off == 0.0, np.inf, slope))


def onsager_magnetization(
    coupling: ArrayLike, coupling_y: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the spontaneous magnetization per site, 0 above the critical temperature.

    m = (1 - (sinh 2K_x sinh 2K_y)^-2)^(1/8) (Yang 1952, doi:10.1103/PhysRev.85.808; anisotropic:
    Chang 1952, doi:10.1103/PhysRev.88.1422). With negative couplings it is the size of the
    staggered magnetization.

    Parameters
    ----------
    coupling, coupling_y
        K_x = J_x / kT and K_y = J_y / kT (``coupling`` again when None), of any shape: at a
        temperature T in units of J / k_B that is 1 / T.

    Raises
    ------
    InputError
        For couplings that are not finite.

    Examples
    --------
    >>> onsager_magnetization([0.4, 0.5]).round(6).tolist()
    [0.0, 0.911319]
    >>> float(onsager_magnetization(1 / 2.2).round(6))   # at T = 2.2 J / k_B
    0.784755
    """
    k_x, k_y = (np.abs(k) for k in _couplings(coupling, coupling_y))
    # 1 / (sinh sinh), without overflow
    ratio = 4 * np.exp(-2 * (k_x + k_y))
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = ratio / (np.expm1(-4 * k_x) * np.expm1(-4 * k_y))
    ordered = inverse < 1.0
    return plain(np.where(ordered, (1.0 - np.where(ordered, inverse, 0.0) ** 2) ** 0.125, 0.0))


def onsager_interface_tension(
    coupling: ArrayLike, coupling_y: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the tension of a wall that runs along x, per lattice spacing and in kT.

    sigma = 2 K_y + log tanh K_x where the lattice is ordered, else 0 (Onsager 1944,
    doi:10.1103/PhysRev.65.117). Above the critical temperature -(2 K + log tanh K) is the inverse
    correlation length along an axis (equal couplings).

    Parameters
    ----------
    coupling, coupling_y
        K_x = J_x / kT and K_y = J_y / kT (``coupling`` again when None), positive: antiferromagnets
        have walls of other kinds.

    Raises
    ------
    InputError
        For couplings that are not positive.

    Examples
    --------
    >>> onsager_interface_tension([0.4, 0.5]).round(6).tolist()
    [0.0, 0.228063]
    """
    k_x, k_y = _couplings(coupling, coupling_y)
    for name, k in (("coupling", k_x), ("coupling_y", k_y)):
        if not np.all(k > 0.0):
            raise InputError(f"{name} must be above 0 for a wall; got {k[~(k > 0.0)][0]}.")
    return plain(np.maximum(2 * k_y + np.log(np.tanh(k_x)), 0.0))
