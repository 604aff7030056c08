"""The Ising model on the infinite triangular and honeycomb lattices without field, in closed form.

One convention: p(s) ~ exp(+ K sum over bonds s s'), K in units of kT, K > 0 prefers like
neighbours. Energies and free energies are per site and in kT, heat capacities per site and in
units of the Boltzmann constant. The triangular antiferromagnet (K < 0) never orders.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_array, check_choice
from physlearn.lattice_models.exact_answers.ising_square import plain

__all__ = [
    "hexagonal_energy",
    "hexagonal_free_energy",
    "hexagonal_heat_capacity",
    "hexagonal_magnetization",
]

Float = NDArray[np.float64]
Number = NDArray[np.inexact]
LATTICES = ("triangular", "honeycomb")
TINY = 1e-30


def _interval(low: float, high: float) -> tuple[Float, Float, Float]:
    """Return distances from both ends, and weights, of nodes that crowd at both ends."""
    u = np.arange(-4.0, 4.0 + 1e-9, 1 / 32)
    share = 1.0 / (1.0 + np.exp(-np.pi * np.sinh(u)))
    rest = 1.0 / (1.0 + np.exp(np.pi * np.sinh(u)))
    width = high - low
    return width * share, width * rest, width * np.pi * np.cosh(u) * share * rest / 32


def _angles() -> tuple[Float, Float, Float, Float]:
    """Return, at nodes on (0, pi): what low loses at a = 0, cos(a / 2), cos(a / 2) - 1/2, weights.

    Criticality makes a cusp at 0, the cold antiferromagnet one at 2 pi / 3: nodes crowd at both.
    """
    third = 2 * np.pi / 3
    from_zero, to_third, first = _interval(0.0, third)
    from_third, _, second = _interval(third, np.pi)
    angle = np.concatenate([from_zero, third + from_third])
    off = np.concatenate([-to_third, from_third])  # a - 2 pi / 3
    lost = 2 * np.sin(angle / 2) ** 2 + 4 * np.sin(angle / 4) ** 2
    half_off = -2 * np.sin(off / 4 + np.pi / 3) * np.sin(off / 4)
    return lost, np.cos(angle / 2), half_off, np.concatenate([first, second]) / np.pi


LOST, COSINE, COSINE_OFF, WEIGHTS = _angles()


class _Ends(NamedTuple):
    """Smallest and largest value of the argument of the logarithm along one angle, scaled.

    ``low``, ``high`` and their derivatives by x = exp(-2 |K|).
    """

    low: Number
    high: Number
    low_slope: Number
    high_slope: Number


def _ferromagnet(x: Number) -> _Ends:
    """Return the ends for the triangular lattice, divided by exp(6 K)."""
    gap, gap_slope = (1 - 3 * x**2) ** 2 / 4, -3 * x * (1 - 3 * x**2)
    sine, sine_slope = (1 - x**2) * x**2 / 2, x - 2 * x**3
    low, low_slope = gap + sine * LOST, gap_slope + sine_slope * LOST
    return _Ends(low, low + 4 * sine * COSINE, low_slope, low_slope + 4 * sine_slope * COSINE)


def _antiferromagnet(x: Number) -> _Ends:
    """Return the ends for the triangular lattice, divided by exp(2 |K|)."""
    gap, gap_slope = (x**4 + 3 * x**2) / 4, x**3 + 1.5 * x
    sine, sine_slope = 1 - x**2, -2 * x
    low, low_slope = gap + sine * COSINE_OFF**2, gap_slope + sine_slope * COSINE_OFF**2
    return _Ends(low, low + 2 * sine * COSINE, low_slope, low_slope + 2 * sine_slope * COSINE)


def _honeycomb(x: Number) -> _Ends:
    """Return the ends for the honeycomb lattice, divided by exp(6 |K|)."""
    root, root_slope = (1 - 4 * x + x**2) * (1 + x), (2 * x - 4) * (1 + x) + 1 - 4 * x + x**2
    gap, gap_slope = root**2 / 8, root * root_slope / 4
    sine = x * (1 - x**2) ** 2 / 4
    sine_slope = (1 - x**2) * (1 - 5 * x**2) / 4
    low, low_slope = gap + sine * LOST, gap_slope + sine_slope * LOST
    return _Ends(low, low + 4 * sine * COSINE, low_slope, low_slope + 4 * sine_slope * COSINE)


def _ends(size: Number, lattice: str, ferromagnetic: bool) -> _Ends:
    """Return the ends at |K| = ``size``, with the angles on a last axis."""
    x = np.exp(-2 * size)[..., None]
    if lattice == "honeycomb":
        return _honeycomb(x)
    return _ferromagnet(x) if ferromagnetic else _antiferromagnet(x)


def hexagonal_free_energy(coupling: ArrayLike, lattice: str = "triangular") -> NDArray[np.float64]:
    """Return the free energy per site, -log(Z) / N, of the infinite lattice.

    With C = cosh 2K, S = sinh 2K, w = cos a + cos b + cos(a + b) and means over both angles,
    - f = log 2 + mean log(C^3 + S^3 - S w) / 2 (triangular) and
    - f = 3 / 4 log 2 + mean log(1 + C^3 - S^2 w) / 4 (honeycomb); one mean is done in closed form
    (Houtappel 1950, doi:10.1016/0031-8914(50)90130-3; Wannier 1950, doi:10.1103/PhysRev.79.357).

    Parameters
    ----------
    coupling
        K, of any shape; negative for antiferromagnets.
    lattice
        ``triangular`` or ``honeycomb``.

    Raises
    ------
    InputError
        For couplings that are not finite, or another lattice.

    Examples
    --------
    >>> round(-hexagonal_free_energy(-20.0).item() - 20.0, 6)   # Wannier's residual entropy
    0.323066
    """
    check_choice("lattice", lattice, LATTICES)
    k = check_array("coupling", coupling)
    size = np.abs(k)
    answers = []
    for ferromagnetic in (True, False):
        ends = _ends(size, lattice, ferromagnetic)
        mean = np.log(np.sqrt(ends.low) + np.sqrt(ends.high)) @ WEIGHTS
        if lattice == "honeycomb":
            answers.append(np.log(2.0) / 4 + mean / 2 + 1.5 * size)
        else:
            answers.append(mean + (3.0 if ferromagnetic else 1.0) * size)
    return plain(-np.where(k >= 0, *answers))


def _slope(size: Number, lattice: str, ferromagnetic: bool) -> Number:
    """Return the derivative of log(Z) / N by |K|."""
    ends = _ends(size, lattice, ferromagnetic)
    low, high = np.sqrt(ends.low), np.sqrt(ends.high)
    by_x = (ends.low_slope / low + ends.high_slope / high) / (low + high) / 2
    mean = -2 * np.exp(-2 * size) * (by_x @ WEIGHTS)
    if lattice == "honeycomb":
        return np.asarray(mean / 2 + 1.5)
    return np.asarray(mean + (3.0 if ferromagnetic else 1.0))


def hexagonal_energy(coupling: ArrayLike, lattice: str = "triangular") -> NDArray[np.float64]:
    """Return the mean energy per site in kT: -K times the bonds a site times <s s'>.

    The derivative of ``hexagonal_free_energy`` (Houtappel 1950,
    doi:10.1016/0031-8914(50)90130-3).

    Parameters
    ----------
    coupling, lattice
        As in ``hexagonal_free_energy``.

    Raises
    ------
    InputError
        As in ``hexagonal_free_energy``.

    Examples
    --------
    >>> from physlearn.lattice_models.exact_answers.ising_square import critical_coupling
    >>> kc = critical_coupling("triangular")
    >>> round((hexagonal_energy(kc) / kc).item(), 9)   # - 2 in units of J
    -2.0
    """
    check_choice("lattice", lattice, LATTICES)
    k = check_array("coupling", coupling)
    size = np.abs(k)
    both = [_slope(size, lattice, ferromagnetic) for ferromagnetic in (True, False)]
    return plain(-size * np.where(k >= 0, *both))


def hexagonal_heat_capacity(
    coupling: ArrayLike, lattice: str = "triangular"
) -> NDArray[np.float64]:
    """Return the heat capacity per site, Var(E) / N in units of the Boltzmann constant.

    The second derivative of ``hexagonal_free_energy``; it diverges at the critical coupling.

    Parameters
    ----------
    coupling, lattice
        As in ``hexagonal_free_energy``.

    Raises
    ------
    InputError
        As in ``hexagonal_free_energy``.

    Examples
    --------
    >>> hexagonal_heat_capacity([0.1, -0.1]).round(6).tolist()
    [0.046408, 0.020663]
    """
    check_choice("lattice", lattice, LATTICES)
    k = check_array("coupling", coupling)
    step = np.abs(k) * (1.0 + 1j * TINY)
    both = [_slope(step, lattice, ferromagnetic).imag / TINY for ferromagnetic in (True, False)]
    return plain(np.abs(k) * np.where(k >= 0, *both))


def hexagonal_magnetization(
    coupling: ArrayLike, lattice: str = "triangular"
) -> NDArray[np.float64]:
    """Return the spontaneous magnetization per site, 0 above the critical temperature.

    m^8 = 1 - 16 x^6 / ((1 + 3 x^2) (1 - x^2)^3) (triangular: Potts 1952,
    doi:10.1103/PhysRev.88.352) and 1 - 16 x^3 (1 + x^3) / ((1 - x)^3 (1 - x^2)^3) (honeycomb: Naya
    1954, doi:10.1143/PTP.11.53), x = exp(-2 K). With a negative coupling the honeycomb lattice has
    a staggered magnetization of this size, the triangular lattice none.

    Parameters
    ----------
    coupling, lattice
        As in ``hexagonal_free_energy``.

    Raises
    ------
    InputError
        As in ``hexagonal_free_energy``.

    Examples
    --------
    >>> hexagonal_magnetization([0.27, 0.3]).round(6).tolist()
    [0.0, 0.869596]
    """
    check_choice("lattice", lattice, LATTICES)
    k = check_array("coupling", coupling)
    size = k if lattice == "triangular" else np.abs(k)
    x = np.exp(-2 * np.maximum(size, 1e-3))  # far from any order at 1e-3 and below
    if lattice == "triangular":
        lost = 16 * x**6 / ((1 + 3 * x**2) * (1 - x**2) ** 3)
    else:
        lost = 16 * x**3 * (1 + x**3) / ((1 - x) ** 3 * (1 - x**2) ** 3)
    return plain(np.maximum(1.0 - lost, 0.0) ** 0.125)
