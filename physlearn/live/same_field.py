"""Is this frame of a field that was seen before? Patterns of species, matched by their shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.records import AtomicConfiguration

__all__ = ["FieldMatch", "match_fields"]

Floats = NDArray[np.float64]

SAME, OTHER, UNCLEAR = "same", "other", "unclear"
FEWEST_ATOMS = 40
LEAST_OVERLAP = 0.25
"""Share of the atoms that two frames must have in common to be compared."""
SAME_AGREEMENT = 0.5
"""Correlation of the species of matched atoms from which on two frames show one field."""
CLEAR_SDS = 8.0
"""Standard deviations of chance that the correlation must reach; shifts tried number thousands,
and neighbours of one kind make chance wider, so five would not do."""
RIVAL_MARGIN = 0.15
"""A pattern that repeats itself fits as well at another shift: then nothing can be told."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """How a frame lies on an earlier one.

    Attributes
    ----------
    relation
        ``same``, ``other`` or ``unclear`` (one species, too few atoms, or a pattern that repeats).
    shift
        (x, y) of the later against the earlier, in the atoms' unit; only where ``same``.
    agreement
        Correlation of what sits on matched atoms at the best shift.
    """

    relation: str
    shift: tuple[float, float] | None = None
    agreement: float = 0.0


def match_fields(before: AtomicConfiguration, after: AtomicConfiguration) -> FieldMatch:
    """Tell whether two pictures show one field of view, by the pattern of their species.

    The lattice fits itself at every lattice vector; what sits on its sites does not. Maps of the
    species are cross-correlated over all shifts, and the best few are judged atom by atom.

    Parameters
    ----------
    before, after
        Atoms with species, in one unit.

    Returns
    -------
    FieldMatch
        The relation, and the shift where the field is the same.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2) * 4
    >>> kinds = rng.integers(0, 2, 144)
    >>> one = AtomicConfiguration(grid, species=kinds, species_names=("a", "b"))
    >>> two = AtomicConfiguration(grid + [4.0, 0.5], species=kinds, species_names=("a", "b"))
    >>> match_fields(one, two).relation
    'same'
    >>> other = AtomicConfiguration(grid, species=rng.permutation(kinds), species_names=("a", "b"))
    >>> match_fields(one, other).relation
    'other'
    """
    first, second = _signs(before), _signs(after)
    if first is None or second is None:
        return FieldMatch(UNCLEAR)
    spacing = _spacing(before.positions)
    candidates = _best_shifts(before.positions, first, after.positions, second, spacing)
    found_or_none = [
        _judge(before.positions, first, after.positions, second, move, spacing)
        for move in candidates
    ]
    judged = [found for found in found_or_none if found is not None]
    if not judged:
        return FieldMatch(OTHER)
    agreement, n_both, shift = max(judged, key=lambda found: found[0] * np.sqrt(found[1]))
    rivals = [found[0] for found in judged if np.hypot(*(found[2] - shift)) > 0.5 * spacing]
    sds = np.arctanh(min(agreement, 0.999)) * np.sqrt(max(n_both - 3, 1))
    if agreement < SAME_AGREEMENT or sds < CLEAR_SDS:
        return FieldMatch(OTHER, agreement=float(agreement))
    if rivals and agreement - max(rivals) < RIVAL_MARGIN:
        return FieldMatch(UNCLEAR, agreement=float(agreement))
    return FieldMatch(SAME, (float(shift[0]), float(shift[1])), float(agreement))


def _signs(atoms: AtomicConfiguration) -> Floats | None:
    """Return what tells the atoms apart, mean 0 and variance 1; None where nothing does."""
    if atoms.species is None or atoms.n < FEWEST_ATOMS:
        return None
    values = np.asarray(atoms.species, dtype=np.float64)
    sd = float(values.std())
    return None if sd == 0 else np.asarray((values - values.mean()) / sd)


def _spacing(points: Floats) -> float:
    distance, _ = cKDTree(points).query(points, k=2)
    return float(np.median(np.asarray(distance)[:, 1]))


def _best_shifts(
    one: Floats, first: Floats, two: Floats, second: Floats, spacing: float, n: int = 12
) -> list[Floats]:
    """Return the shifts at which maps of the species correlate best, by FFT over all shifts."""
    step = spacing / 3
    corner = np.minimum(one.min(axis=0), two.min(axis=0))
    size = np.ceil((np.maximum(one.max(axis=0), two.max(axis=0)) - corner) / step).astype(int) + 1
    shape = tuple(int(2 * edge) for edge in size)
    maps = []
    for points, values in ((one, first), (two, second)):
        cells = np.floor((points - corner) / step).astype(int)
        grid = np.zeros(shape)
        np.add.at(grid, (cells[:, 0], cells[:, 1]), values)
        maps.append(np.fft.rfft2(grid))
    product = np.fft.irfft2(np.conj(maps[0]) * maps[1], s=shape)
    # Atoms fall on either side of a cell's edge: each cell borrows from its neighbours
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    product = np.sum([np.roll(product, shift, (0, 1)) for shift in shifts], axis=0)
    best = []
    for _ in range(n):
        at = np.unravel_index(int(product.argmax()), shape)
        move = np.array([a if a < s // 2 else a - s for a, s in zip(at, shape, strict=True)])
        best.append(move * step)
        near = np.ix_(*[(a + np.arange(-2, 3)) % s for a, s in zip(at, shape, strict=True)])
        product[near] = -np.inf
    return best


def _judge(
    one: Floats, first: Floats, two: Floats, second: Floats, move: Floats, spacing: float
) -> tuple[float, int, Floats] | None:
    """Return (correlation of matched atoms, their number, the refined shift), if enough match."""
    tree = cKDTree(one)
    for _ in range(3):
        distance, there = (np.asarray(part) for part in tree.query(two - move))
        near = distance < 0.45 * spacing
        if near.sum() < max(FEWEST_ATOMS, LEAST_OVERLAP * min(len(one), len(two))):
            return None
        move = move + np.median((two - move - one[there])[near], axis=0)
    x, y = first[there[near]], second[near]
    if x.std() == 0 or y.std() == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1]), int(near.sum()), move
