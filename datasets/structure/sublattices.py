"""Which atoms are the displaced ones and which their cage: by species, mask or sublattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.sites.lattice_finding import (
    Sublattice,
    find_sublattices,
    lattice_vectors,
    reduced_vectors,
)
from physlearn.records import AtomicConfiguration

__all__ = ["FEWEST_ATOMS", "center_and_cage", "lattice_parts", "sublattice_codes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FEWEST_ATOMS = 16
WIDER = {(1, 1): ((1, 1), (1, -1)), (1, 0): ((2, 0), (0, 1)), (0, 1): ((1, 0), (0, 2))}
"""Vectors of the lattice of every second site along each step, in the finer one's vectors."""
OWN_LATTICE, WIDER_AREA, CLEAR_GAP = 0.8, 1.5, 4.0
"""Two kinds stand apart when each has this share of its atoms on a lattice of its own, with cells
this much larger; brightness tells kinds when it differs by this many standard deviations."""
ALTERNATING_Z = 8.0
"""Brightness alternates when the two halves' medians differ by this many standard errors."""
SAME_PHASE = 0.2
"""Parts whose atoms stand within this share of a cell of each other are one sublattice."""


def lattice_parts(atoms: AtomicConfiguration) -> tuple[Floats, list[Sublattice]]:
    """Return measured lattice vectors and the sets of atoms that hang together along them."""
    if atoms.n < FEWEST_ATOMS:
        raise NotIdentified(
            f"{atoms.n} atoms are too few to show a lattice; {FEWEST_ATOMS} are needed."
        )
    vectors, parts = _connected(atoms, np.arange(atoms.n))
    if not parts:
        raise NotIdentified("no lattice: no set of atoms hangs together along lattice vectors.")
    apart = _kinds_apart(atoms, vectors)
    if apart is not None:
        return apart
    step = _alternating(atoms, parts[0])
    if step is None:
        return vectors, parts
    # along the wider lattice each kind is a lattice of its own
    wider = np.array(WIDER[step])
    halves = [half for part in parts for half in _halves(part, step, wider)]
    return wider @ vectors, sorted(halves, key=lambda part: -len(part.members))


def _connected(atoms: AtomicConfiguration, chosen: Integers) -> tuple[Floats, list[Sublattice]]:
    """Return lattice vectors of some atoms and their connected sets; indices of all atoms."""
    places = atoms.positions[chosen]
    weights = np.ones(len(chosen))
    if atoms.intensity is not None:
        weights = np.maximum(atoms.intensity[chosen], 0.0)
    vectors = reduced_vectors(lattice_vectors(places, weights))
    parts = [
        Sublattice(chosen[part.members], part.indices)
        for part in find_sublattices(places, vectors)
        if len(part.members) >= FEWEST_ATOMS and np.ptp(part.indices, axis=0).min() > 0
    ]
    return vectors, parts


def _kinds_apart(
    atoms: AtomicConfiguration, vectors: Floats
) -> tuple[Floats, list[Sublattice]] | None:
    """Return the common lattice of two kinds that each stand on a wider one, or None.

    In a cell-centred pattern of unlike columns the shortest translation leads from one kind to the
    other; solutes on sites of one lattice do not have a lattice of their own.
    """
    kinds = _two_kinds(atoms)
    if kinds is None:
        return None
    area = abs(float(np.linalg.det(vectors)))
    found = []
    for kind in kinds:
        if len(kind) < FEWEST_ATOMS:
            return None
        try:
            own, parts = _connected(atoms, kind)
        except NotIdentified:
            return None
        whole = sum(len(part.members) for part in parts) > OWN_LATTICE * len(kind)
        if not whole or abs(float(np.linalg.det(own))) < WIDER_AREA * area:
            return None
        found.append((own, parts))
    (one, first), (two, second) = found
    turns = two @ np.linalg.inv(one)
    whole_turns = np.round(turns).astype(np.int64)
    if np.abs(turns - whole_turns).max() > SAME_PHASE:
        return None
    # the second kind's indices along the first kind's vectors
    second = [Sublattice(part.members, part.indices @ whole_turns) for part in second]
    return one, sorted([*first, *second], key=lambda part: -len(part.members))


def _two_kinds(atoms: AtomicConfiguration) -> tuple[Integers, Integers] | None:
    """Return the atoms of two species, or of two clearly different brightnesses, or None."""
    if atoms.species is not None and len(np.unique(atoms.species)) == 2:
        low = int(atoms.species.min())
        return np.flatnonzero(atoms.species == low), np.flatnonzero(atoms.species != low)
    if atoms.intensity is None or np.min(atoms.intensity) <= 0:
        return None
    level = np.log(atoms.intensity)
    order = np.sort(level)
    n = len(order)
    below = np.cumsum(order)[:-1] / np.arange(1, n)
    above = (order.sum() - np.cumsum(order)[:-1]) / np.arange(n - 1, 0, -1)
    share = np.arange(1, n) / n
    cut = int(np.argmax(share * (1 - share) * (above - below) ** 2))
    dim = level <= order[cut]
    if dim.all():
        return None
    spread = max(level[dim].std(), level[~dim].std())
    if above[cut] - below[cut] < CLEAR_GAP * spread:
        return None
    return np.flatnonzero(dim), np.flatnonzero(~dim)


def sublattice_codes(atoms: AtomicConfiguration) -> Integers:
    """Return each atom's sublattice, 0 for the fullest; -1 on none."""
    vectors, parts = lattice_parts(atoms)
    inverse = np.linalg.inv(vectors)
    codes = np.full(atoms.n, -1, dtype=np.int64)
    anchor = parts[0].members
    codes[anchor] = 0
    tree = cKDTree(atoms.positions[anchor])
    phases = [np.zeros(2)]
    for part in parts[1:]:
        near = tree.query(atoms.positions[part.members])[1]
        shares = (atoms.positions[part.members] - atoms.positions[anchor[near]]) @ inverse
        phase = np.angle(np.exp(2j * np.pi * shares).mean(axis=0)) / (2 * np.pi)
        gaps = [np.abs(phase - other - np.round(phase - other)).max() for other in phases]
        code = int(np.argmin(gaps))
        if gaps[code] > SAME_PHASE:
            code = len(phases)
            phases.append(phase)
        codes[part.members] = code
    return codes


def _alternating(atoms: AtomicConfiguration, part: Sublattice) -> tuple[int, int] | None:
    """Return the step along which brightness alternates, or None.

    Where unlike columns stand evenly, the shortest translation leads from one kind to the other.
    """
    if atoms.intensity is None:
        return None
    bright = atoms.intensity[part.members]
    best, found = ALTERNATING_Z, None
    for step in WIDER:
        turn = (part.indices @ np.array(step)) % 2
        if min(turn.sum(), (1 - turn).sum()) < 4:
            continue
        one, two = bright[turn == 0], bright[turn == 1]
        spread = np.sqrt(_robust_variance(one) / len(one) + _robust_variance(two) / len(two))
        z = abs(np.median(one) - np.median(two)) / max(float(spread), 1e-300)
        if z > best:
            best, found = z, step
    return found


def _halves(part: Sublattice, step: tuple[int, int], wider: Integers) -> list[Sublattice]:
    """Return the two sublattices of a part, indexed along the wider lattice's vectors."""
    found = []
    inverse = np.linalg.inv(wider)
    for turn in range(2):
        chosen = (part.indices @ np.array(step)) % 2 == turn
        index = part.indices[chosen]
        if len(index) >= FEWEST_ATOMS:
            moved = np.round((index - index[0]) @ inverse).astype(np.int64)
            found.append(Sublattice(part.members[chosen], moved))
    return found


def _robust_variance(values: Floats) -> float:
    """Return the variance of a median's normal sample, from the median absolute deviation."""
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return 0.5 * np.pi * max(spread, 1e-6 * abs(float(np.median(values)))) ** 2


def center_and_cage(
    atoms: AtomicConfiguration,
    center: str | int | ArrayLike | None,
    cage: str | int | ArrayLike | None,
    warnings: list[str],
) -> tuple[Integers, Integers]:
    """Return the numbers of the displaced atoms and of their cage's atoms."""
    if (center is None) != (cage is None):
        raise InputError("give both center and cage, or neither.")
    if center is not None and cage is not None:
        inner, outer = _chosen(atoms, center, "center"), _chosen(atoms, cage, "cage")
        if np.intersect1d(inner, outer).size:
            raise InputError("center and cage must be different atoms; they share some.")
        return inner, outer
    if atoms.species is not None and len(np.unique(atoms.species)) == 2:
        codes, word = atoms.species, "species"
    else:
        codes, word = sublattice_codes(atoms), "sublattices"
    present = np.unique(codes[codes >= 0])
    if len(present) != 2:
        raise NotIdentified(
            f"{len(present)} {word} found and two are needed: say which atoms are center and cage."
        )
    groups = [np.flatnonzero(codes == code) for code in present]
    if atoms.intensity is None:
        raise NotIdentified(
            "the atoms carry no intensity to tell the cage (the brighter columns) by: give center "
            "and cage."
        )
    levels = [float(np.median(atoms.intensity[group])) for group in groups]
    bright = int(np.argmax(levels))
    warnings.append(
        f"of the two {word} the brighter one ({len(groups[bright])} columns) was taken as the cage."
    )
    return groups[1 - bright], groups[bright]


def _chosen(atoms: AtomicConfiguration, which: str | int | ArrayLike, name: str) -> Integers:
    """Return the numbers of the atoms that a species or a mask names."""
    if isinstance(which, str):
        if which not in atoms.species_names:
            raise InputError(
                f"{name} must be one of the species {', '.join(atoms.species_names) or '(none)'}; "
                f"got {which!r}."
            )
        which = atoms.species_names.index(which)
    if isinstance(which, int | np.integer) and not isinstance(which, bool):
        if atoms.species is None:
            raise InputError(
                f"{name} names a species and the atoms are not classified: classify them, or give "
                "a mask."
            )
        return np.flatnonzero(atoms.species == which)
    mask = np.asarray(which)
    if mask.dtype != np.bool_ or mask.shape != (atoms.n,):
        raise InputError(
            f"{name} must be a species or a bool mask of shape ({atoms.n},); got {mask.dtype} of "
            f"shape {mask.shape}."
        )
    return np.flatnonzero(mask)
