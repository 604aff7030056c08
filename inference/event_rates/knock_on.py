"""Knock-on displacement by fast electrons: cross section, threshold, atoms that vibrate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive

__all__ = ["ATOMS", "knock_on_cross_section", "largest_transfer_ev"]

Floats = NDArray[np.float64]
ELECTRON_MASS_EV = 510_998.95
ATOMIC_MASS_EV = 931_494_102.0
SPEED_OF_LIGHT = 299_792_458.0
CLASSICAL_RADIUS_ANGSTROM = 2.8179403e-5
FINE_STRUCTURE = 7.2973526e-3
ATOMS: dict[str, tuple[int, float]] = {
    "H": (1, 1.008), "Li": (3, 6.94), "B": (5, 10.81), "C": (6, 12.011), "N": (7, 14.007),
    "O": (8, 15.999), "Al": (13, 26.982), "Si": (14, 28.085), "P": (15, 30.974),
    "S": (16, 32.06), "Ti": (22, 47.867), "Cr": (24, 51.996), "Fe": (26, 55.845),
    "Cu": (29, 63.546), "Ga": (31, 69.723), "Ge": (32, 72.630), "Se": (34, 78.971),
    "Sr": (38, 87.62), "Zr": (40, 91.224), "Mo": (42, 95.95), "Te": (52, 127.60),
    "Ba": (56, 137.33), "Hf": (72, 178.49), "W": (74, 183.84), "Re": (75, 186.21),
    "Pt": (78, 195.08), "Au": (79, 196.97), "Pb": (82, 207.2), "Bi": (83, 208.98),
}  # fmt: skip
"""Atomic number and mass (u) of the elements whose displacement is studied most."""
N_SPEEDS = 101
MOST_NUMBERS = 1_000_000
"""Cross sections held at once while speeds are averaged over."""


def largest_transfer_ev(
    voltage_kv: ArrayLike, element: str, *, speed_m_per_s: ArrayLike = 0.0
) -> Floats:
    """Return the energy that an electron gives to an atom in a head-on collision, in eV.

    T = (2 p + M v)^2 / 2 M with the momentum p of the electron and the speed v of the atom along
    the beam; for v = 0, T = 2 E (E + 2 m c^2) / M c^2.

    Raises
    ------
    InputError
        For an element that is not listed, or a voltage that is not above 0.

    Examples
    --------
    >>> largest_transfer_ev(80.0, "C").round(2).item()
    15.76
    """
    check_choice("element", element, tuple(ATOMS))
    energy = 1e3 * np.asarray(voltage_kv, np.float64)
    if not np.all(np.isfinite(energy) & (energy > 0)):
        raise InputError(f"voltage_kv must be finite and above 0; got {voltage_kv!r}.")
    mass = ATOMS[element][1] * ATOMIC_MASS_EV
    momentum = np.sqrt(energy * (energy + 2.0 * ELECTRON_MASS_EV))
    own = mass * np.asarray(speed_m_per_s, np.float64) / SPEED_OF_LIGHT
    return np.asarray((2.0 * momentum + own) ** 2 / (2.0 * mass))


def knock_on_cross_section(
    voltage_kv: ArrayLike,
    displacement_energy_ev: ArrayLike,
    element: str,
    *,
    speed_sd_m_per_s: float = 0.0,
) -> Floats:
    """Return the cross section of knocking an atom out, in square angstrom.

    McKinley and Feshbach's approximation for light elements (1948, doi:10.1103/PhysRev.74.1759):
    with x = E_d / T_max and b = v / c of the electron,
    pi (Z r_e)^2 (1 - b^2) / b^4 / x [1 - x + 2 pi alpha Z b (x^1/2 - x) + (b^2 + pi alpha Z b)
    x ln x] for x < 1, zero beyond (Zobelli et al. 2007, doi:10.1103/PhysRevB.75.245402). An atom
    that vibrates takes more where it moves with the beam: averaged over a normal law of its speed
    (Meyer et al. 2012, doi:10.1103/PhysRevLett.108.196102).

    Parameters
    ----------
    voltage_kv, displacement_energy_ev
        Numbers or arrays that broadcast.
    element
        Chemical symbol.
    speed_sd_m_per_s
        Standard deviation of the atom's speed along the beam, from phonons (carbon in graphene at
        300 K: about 560); 0 for an atom at rest.

    Raises
    ------
    InputError
        For an unknown element, or numbers that are not above 0.

    Examples
    --------
    >>> still = knock_on_cross_section(100.0, 21.0, "C")
    >>> moving = knock_on_cross_section(100.0, 21.0, "C", speed_sd_m_per_s=560.0)
    >>> still.item() == 0.0, bool(1e-10 < moving < 1e-8)
    (True, True)
    """
    check_positive("speed_sd_m_per_s", speed_sd_m_per_s, allow_zero=True)
    threshold = check_array("displacement_energy_ev", displacement_energy_ev)
    if not np.all(threshold > 0):
        raise InputError("displacement_energy_ev must be above 0.")
    voltage = np.asarray(voltage_kv, np.float64)
    if speed_sd_m_per_s == 0.0:
        return _of_transfer(voltage, threshold, largest_transfer_ev(voltage, element), element)
    z = np.linspace(-5.0, 5.0, N_SPEEDS)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()
    out = np.zeros(np.broadcast_shapes(voltage.shape, threshold.shape))
    speeds = (z * speed_sd_m_per_s).reshape(-1, *[1] * out.ndim)
    at_once = max(1, MOST_NUMBERS // max(out.size, 1))
    for first in range(0, N_SPEEDS, at_once):
        some = slice(first, first + at_once)
        transfer = largest_transfer_ev(voltage, element, speed_m_per_s=speeds[some])
        each = _of_transfer(voltage, threshold, transfer, element)
        out = out + np.tensordot(weight[some], each, axes=1)
    return np.asarray(out)


def _of_transfer(voltage: Floats, threshold: Floats, transfer: Floats, element: str) -> Floats:
    """Return the cross section at a largest transfer."""
    charge = ATOMS[element][0]
    gamma = 1.0 + 1e3 * voltage / ELECTRON_MASS_EV
    beta = np.sqrt(1.0 - 1.0 / gamma**2)
    x = np.minimum(threshold / transfer, 1.0)
    spin = np.pi * FINE_STRUCTURE * charge * beta
    shape = 1.0 - x + 2.0 * spin * (np.sqrt(x) - x) + (beta**2 + spin) * x * np.log(x)
    area = np.pi * (charge * CLASSICAL_RADIUS_ANGSTROM) ** 2 * (1.0 - beta**2) / beta**4
    return np.asarray(area / x * np.maximum(shape, 0.0))
