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
    links: Int32
    weight: Float


class Hops(NamedTuple):
    """Ways from site to site in compressed rows.

    ``ways`` (n_ways, 3): target, way back, class of bond. ``shift`` (n_ways, d): periods of the
    cell crossed. ``numbers`` (q, n_classes, 4), by code and class of bond: attempt frequency in
    1/s, barrier in kT, what the bond between the two sites adds to the change of energy in kT,
    cross section in square angstrom; each times the multiplicity where it is a rate.
    """

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
    near: Int32


class EventState(NamedTuple):
    """Everything that a run changes.

    ``sites`` (n_sites + 1, 8): code, particle (-1: none), number of the event that touched it last,
    and where its ways, links and near neighbours begin; a row is one line of the processor's cache.
    ``local`` (n_sites, q + 1): energy of each code among the neighbours, dose rate. ``rate``: of
    each way. ``share`` (n_sites, n_changes, 2): the beam's and the thermal rate. ``tree``,
    ``level``: sums of rates, and where each level starts. ``touched``: room for a list of sites.
    ``winding``: periods of the cell that each particle crossed, (n_particles, d); of no length when
    particles are not followed. ``clock``: time, next event, end of the part. ``counts``: see the
    kernels.
    """

    sites: Int64
    local: Float
    rate: Float
    share: Float
    tree: Float
    level: Int64
    touched: Int64
    winding: Int32
    clock: Float
    counts: Int64
    lanes: UInt64


class EventLog(NamedTuple):
    """Room for events, of no length when they are not kept.

    ``row`` (room, 5): transformation (-1: hop), particle, site before, site after, 1 for the beam.
    """

    time: Float
    row: Int64
