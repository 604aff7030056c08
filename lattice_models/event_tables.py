"""The arrays of kinetic Monte Carlo, as its kernels read and change them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Changes", "EventLog", "EventState", "Hops", "Interactions", "Schedule"]

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]


class Schedule(NamedTuple):
    """Dose rate in each part of the time, dose (n_parts, 1 or n_sites), repeated by ``period``."""

    start: Float
    dose: Float
    period: float


class Interactions(NamedTuple):
    """Energies in kT of codes on sites and of pairs of codes; neighbours in compressed rows.

    ``rule``: 0 no energies, 1 symmetric, 2 Metropolis; ``links`` (n_entries, 2): neighbour, kind.
    """

    rule: int
    site_energy: Float
    pair_energy: Float
    start: Int64
    links: Int32
    weight: Float


class Hops(NamedTuple):
    """Ways from site to site in compressed rows.

    ``ways`` (n_ways, 3): target, way back, class of bond. ``shift`` (n_ways, d): periods of the
    cell crossed. ``numbers`` (q, n_classes, 4), by code and class of bond: attempt frequency in
    1/s, barrier in kT, what the bond between the two sites adds to the change of energy in kT,
    cross section in square angstrom; each times the multiplicity where it is a rate.
    """

    start: Int64
    ways: Int32
    shift: Int32
    numbers: Float


class Changes(NamedTuple):
    """Changes of state at one site, and the neighbours that they look at.

    ``kinds`` (n_changes, 3): codes before, after, and of the neighbours that count (-1: none);
    ``strengths`` (n_changes, 2 + most neighbours + 1): thermal rate in 1/s, cross section in square
    angstrom, factors; ``near`` (n_entries, 2): neighbour, multiplicity.
    """

    kinds: Int8
    strengths: Float
    start: Int64
    near: Int32


class EventState(NamedTuple):
    """Everything that a run changes.

    ``holder``: particle on each site or -1, of no length when particles are not followed;
    ``site_of``, ``winding``: site (-1: gone) and periods crossed by particle; ``field``
    (n_sites, q): energy of each code among the neighbours; ``rate``: of each way; ``tree``,
    ``level``: sums of rates and where each level starts; ``clock``: time, next event, end of the
    part; ``count``: see the kernels.
    """

    codes: Int8
    holder: Int64
    site_of: Int64
    winding: Int32
    field: Float
    rate: Float
    dose: Float
    tree: Float
    level: Int64
    stamp: Int64
    touched: Int64
    clock: Float
    count: Int64
    lanes: UInt64


class EventLog(NamedTuple):
    """Room for events, of no length when they are not kept; ``change`` is -1 for a hop."""

    time: Float
    beam: Int8
    change: Int32
    particle: Int64
    site_from: Int64
    site_to: Int64
