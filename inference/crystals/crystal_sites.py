"""The perfect lattice under a crystal's atoms: the site of each, and how far it is off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.crystals.crystal_kinds import KINDS, CrystalKind, crystal_kind

__all__ = ["CrystalSites", "find_sites", "lay_again", "name_alike", "nearest_sites"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
LARGEST_DISPLACEMENT = 0.48
"""Of the distance of neighbours: further off, an atom may as well belong to another site."""
N_SEEDS = 12
GOOD_MATCH = 0.1
"""Misfit of an atom's neighbours, in spacings, from which on no other atom is tried."""
GROWTH = 1.6
ENCLOSED = 0.84
"""Share of its neighbours that are there, above which an empty site lies inside."""


@dataclass(frozen=True, eq=False)
class CrystalSites:
    """A crystal laid on its perfect lattice.

    Attributes
    ----------
    kind
        Which lattice.
    primitive
        float64, shape (d, d): rows are the primitive vectors, in the data's unit.
    indices, basis
        int64, shapes (n, d), (n,): cell and atom of the cell of each atom's site.
    displacement
        float64, shape (n, d): atom minus its site. Periodic: their mean is 0; in a field of view
        the affine map of sites to atoms is fitted, and displacements are what it leaves.
    periods
        int64, shape (d, d): the periodic box in primitive vectors; None in a field of view.
    n_missing
        Sites without an atom.
    """

    kind: CrystalKind
    primitive: Float
    indices: Int
    basis: Int
    displacement: Float
    periods: Int | None
    n_missing: int

    @property
    def n(self) -> int:
        """Number of atoms."""
        return len(self.indices)

    @property
    def dimension(self) -> int:
        """Number of dimensions."""
        return self.kind.dimension

    @property
    def spacing(self) -> float:
        """Mean distance of nearest neighbours on the lattice."""
        cells, kinds = self.kind.shells(0, 1)[0]
        vectors = (cells + self.kind.offsets[kinds] - self.kind.offsets[0]) @ self.primitive
        return float(np.linalg.norm(vectors, axis=1).mean())

    @property
    def cell_volume(self) -> float:
        """Area or volume of a primitive cell."""
        return float(abs(np.linalg.det(self.primitive)))

    @property
    def sites(self) -> Float:
        """Places of the sites up to a common shift, shape (n, d)."""
        return (self.indices + self.kind.offsets[self.basis]) @ self.primitive


def find_sites(positions: Float, cell: Float | None, lattice: str | None = None) -> CrystalSites:
    """Lay a crystal on its lattice, periodic in ``cell`` or cut out of a larger one.

    Raises
    ------
    InputError
        For an unknown lattice or one of another dimension.
    NotIdentified
        Where the atoms do not lie on one crystal.
    """
    n, d = positions.shape
    if lattice is not None and crystal_kind(lattice).dimension != d:
        raise InputError(f"lattice {lattice} does not have the positions' {d} dimensions.")
    chosen = [crystal_kind(lattice)] if lattice else [k for k in KINDS.values() if k.dimension == d]
    if n < 8 * (d - 1):
        raise NotIdentified(f"{n} atoms are too few to recognise a crystal; give more of it.")
    found, reasons = [], []
    for kind in chosen:
        try:
            found.append(_lay_out(positions, cell, kind))
        except NotIdentified as error:
            reasons.append(f"{kind.name}: {error}")
    if not found:
        raise NotIdentified(
            "the atoms do not lie on one crystal (" + "; ".join(reasons) + "); cut out a single "
            "grain without dislocations, or take fit_pair_potential's methods for liquids."
        )
    spread = [_rms_share(s) + s.n_missing / s.n + _distortion(s) for s in found]
    return found[int(np.argmin(spread))]


def _rms_share(sites: CrystalSites) -> float:
    return float(np.sqrt((sites.displacement**2).mean()) / sites.spacing)


def _distortion(sites: CrystalSites) -> float:
    """How far the lattice is strained from the ideal kind: a strained bcc may pass for an fcc."""
    stretch = np.linalg.svd(np.linalg.solve(sites.kind.primitive, sites.primitive))[1]
    return float(stretch.max() / stretch.min() - 1.0)


def _lay_out(positions: Float, cell: Float | None, kind: CrystalKind) -> CrystalSites:
    seed, rotation, scale = _orientation(positions, cell, kind)
    away = positions - positions[seed]
    if cell is not None:
        away = _nearest_image(away, cell)
    primitive = scale * kind.primitive @ rotation
    distance = np.linalg.norm(away, axis=1)
    radius, origin = 1.9 * scale, np.zeros(positions.shape[1])
    while True:
        near = distance <= radius
        indices, basis, _ = nearest_sites(away[near] - origin, primitive, kind)
        design = np.column_stack([indices + kind.offsets[basis], np.ones(near.sum())])
        solution, _, rank, _ = np.linalg.lstsq(design, away[near], rcond=None)
        if rank < design.shape[1]:
            raise NotIdentified("too few atoms lie around the centre")
        primitive = np.asarray(solution[:-1], dtype=np.float64)
        origin = np.asarray(solution[-1], dtype=np.float64)
        if near.all():
            break
        radius *= GROWTH
    return _finish(away, origin, primitive, cell, kind)


def _finish(
    away: Float, origin: Float, primitive: Float, cell: Float | None, kind: CrystalKind
) -> CrystalSites:
    periods = None
    if cell is not None:
        raw = cell @ np.linalg.inv(primitive)
        periods = np.rint(raw).astype(np.int64)
        if abs(np.linalg.det(periods)) < 0.5 or np.abs(raw - periods).max() > 0.3:
            raise NotIdentified("the periodic box does not hold whole cells of it")
        primitive = np.linalg.solve(periods.astype(float), cell)
    for _ in range(3):
        indices, basis, off = nearest_sites(away - origin, primitive, kind)
        if periods is not None:
            origin = origin + off.mean(axis=0)
            continue
        design = np.column_stack([indices + kind.offsets[basis], np.ones(len(away))])
        solution = np.linalg.lstsq(design, away, rcond=None)[0]
        primitive = np.asarray(solution[:-1], dtype=np.float64)
        origin = np.asarray(solution[-1], dtype=np.float64)
        off = np.asarray(away - design @ solution, dtype=np.float64)
    off = off - off.mean(axis=0)
    n_missing = _missing(indices, basis, periods, kind)
    sites = CrystalSites(kind, primitive, indices, basis, off, periods, n_missing)
    worst = np.linalg.norm(off, axis=1) / sites.spacing
    if worst.max() > LARGEST_DISPLACEMENT:
        atom = int(worst.argmax())
        raise NotIdentified(f"atom {atom} lies {worst[atom]:.2f} spacings off every site")
    return sites


def lay_again(positions: Float, first: CrystalSites) -> CrystalSites:
    """Lay another frame of the same periodic crystal on its lattice; it may have drifted.

    Raises
    ------
    NotIdentified
        Where the atoms do not lie on that lattice any more.
    """
    kind, primitive = first.kind, first.primitive
    share = positions @ np.linalg.inv(primitive)
    turn = np.angle(np.exp(2j * np.pi * share).mean(axis=0)) / (2.0 * np.pi)
    tries = [(turn - offset) @ primitive for offset in kind.offsets]
    if kind.n_basis > 1:  # atoms of the cell blur the phase: start from any one of them
        tries = [positions[0] - offset @ primitive for offset in kind.offsets]
    tries = [one - np.rint(one @ np.linalg.inv(primitive)) @ primitive for one in tries]
    spreads = [
        (nearest_sites(positions - origin, primitive, kind)[2] ** 2).sum() for origin in tries
    ]
    return _finish(
        positions, tries[int(np.argmin(spreads))], primitive,
        np.asarray(first.periods) @ primitive, kind,
    )  # fmt: skip


def name_alike(sites: CrystalSites, origin: Float, first: CrystalSites) -> CrystalSites:
    """Name the sites of a field of view along the first frame's primitive vectors.

    ``origin`` (d,): where this frame's site 0 lies from the first frame's.
    """
    turn = np.rint(sites.primitive @ np.linalg.inv(first.primitive))
    if abs(abs(np.linalg.det(turn)) - 1.0) > 0.1:
        return sites  # the film turns: frames have nothing in common
    # the crystal without its atoms' displacements, on the first frame's vectors
    places = (sites.indices + sites.kind.offsets[sites.basis]) @ turn @ first.primitive
    tries = [places[0] - offset @ first.primitive for offset in first.kind.offsets]
    laid = [nearest_sites(places - one, first.primitive, first.kind) for one in tries]
    best = int(np.argmin([(off**2).sum() for _, _, off in laid]))
    indices, basis, _ = laid[best]
    lattice = np.asarray(np.linalg.solve(turn, sites.primitive), dtype=np.float64)
    shift = np.rint((origin + tries[best]) @ np.linalg.inv(first.primitive))
    return replace(
        sites, primitive=lattice, indices=indices + shift.astype(np.int64), basis=basis
    )  # fmt: skip


def _nearest_image(vectors: Float, cell: Float) -> Float:
    return vectors - np.rint(vectors @ np.linalg.inv(cell)) @ cell


def nearest_sites(places: Float, primitive: Float, kind: CrystalKind) -> tuple[Int, Int, Float]:
    """Nearest site of each place: cell (n, d), atom of the cell (n,), and place minus site."""
    around = np.array(list(product((-1, 0, 1), repeat=kind.dimension)))
    inverse = np.linalg.inv(primitive)
    best = np.full(len(places), np.inf)
    indices = np.zeros(places.shape, dtype=np.int64)
    basis, off = np.zeros(len(places), dtype=np.int64), np.zeros(places.shape)
    for b, offset in enumerate(kind.offsets):
        share = places @ inverse - offset
        whole = np.rint(share)
        for step in around:
            rest = (share - whole - step) @ primitive
            square = (rest**2).sum(axis=1)
            better = square < best
            best[better], off[better], basis[better] = square[better], rest[better], b
            indices[better] = (whole[better] + step).astype(np.int64)
    return indices, basis, off


def _missing(indices: Int, basis: Int, periods: Int | None, kind: CrystalKind) -> int:
    """Return how many sites lack an atom; refuse two atoms on one."""
    if periods is not None:
        from physlearn.inference.crystals.wave_vectors import reduce_rows, row_form

        indices = reduce_rows(indices, row_form(periods))
    rows = np.column_stack([indices, basis])
    occupied = np.unique(rows, axis=0)
    if len(occupied) < len(rows):
        raise NotIdentified(f"{len(rows) - len(occupied)} atom(s) share a site with another")
    if periods is not None:
        return int(abs(np.rint(np.linalg.det(periods)))) * kind.n_basis - len(rows)
    # a piece may have a ragged edge: only an enclosed site lacks its atom
    shift = occupied.min(axis=0) - 1
    shape = occupied.max(axis=0) - shift + 2
    filled = np.zeros(shape, dtype=np.int64)
    filled[tuple((occupied - shift).T)] = 1
    count, most = np.zeros(shape, dtype=np.int64), 0
    for b in range(kind.n_basis):
        cells, kinds = kind.shells(b, 1)[0]
        most = len(cells)
        at = (..., b - shift[-1])
        for step, other in zip(cells, kinds, strict=True):
            axes = tuple(range(kind.dimension))
            count[at] += np.roll(filled[..., other - shift[-1]], tuple(-step), axis=axes)
    return int(((filled == 0) & (count > ENCLOSED * most)).sum())


def _orientation(
    positions: Float, cell: Float | None, kind: CrystalKind
) -> tuple[int, Float, float]:
    """Atom whose surroundings look most like the lattice, the rotation (rows) and its spacing."""
    n = len(positions)
    if cell is not None:  # images of the next boxes are looked at: every atom must be in its own
        share = positions @ np.linalg.inv(cell)
        positions = (share - np.floor(share)) @ cell
    middle = positions.mean(axis=0)
    order = np.argsort(((positions - middle) ** 2).sum(axis=1))
    seeds = order[np.linspace(0, max(n // 3, 1), min(N_SEEDS, n // 3 + 1)).astype(int)]
    ideal = kind.neighbours(0)[2][: kind.n_matched]
    tree, source, shifts = _tree(positions, cell, kind.n_matched)
    best: tuple[float, int, Float, float] = (np.inf, -1, np.eye(kind.dimension), 1.0)
    for seed in dict.fromkeys(seeds.tolist()):
        _, near = tree.query(positions[seed], k=min(kind.n_matched + 7, len(source)))
        vectors = (positions[source[near]] + shifts[near] - positions[seed])[1:]
        if len(vectors) < kind.n_matched:
            continue
        lengths = np.sort(np.linalg.norm(vectors, axis=1))[: kind.n_matched]
        scale = float(lengths.mean() / np.linalg.norm(ideal, axis=1).mean())
        misfit, rotation = _match(vectors / scale, ideal)
        if misfit < best[0]:
            best = (misfit, int(seed), rotation, scale)
        if misfit < GOOD_MATCH:
            break
    if best[0] > 0.3:
        raise NotIdentified("no atom has such surroundings")
    return best[1], best[2], best[3]


def _tree(positions: Float, cell: Float | None, n_near: int) -> tuple[cKDTree, Int, Float]:
    """Search tree over the atoms and, in a periodic box, their images that can be near."""
    n, d = positions.shape
    source, shifts = np.arange(n), np.zeros((n, d))
    if cell is not None:
        turns = np.array(list(product((-1, 0, 1), repeat=d)))
        source, shifts = np.tile(np.arange(n), len(turns)), np.repeat(turns @ cell, n, axis=0)
        reach = 1.5 * (abs(np.linalg.det(cell)) / n * (n_near + 8)) ** (1 / d)
        everywhere = positions[source] + shifts
        low, high = positions.min(axis=0) - reach, positions.max(axis=0) + reach
        keep = ((everywhere > low) & (everywhere < high)).all(axis=1)
        source, shifts = source[keep], shifts[keep]
    return cKDTree(positions[source] + shifts), source, shifts


def _match(vectors: Float, ideal: Float) -> tuple[float, Float]:
    """Rotation that lays the ideal neighbours on the seen ones: misfit, rows ideal @ rotation."""
    best, turned = np.inf, np.eye(ideal.shape[1])
    d = ideal.shape[1]
    first = vectors[int(np.argmin(np.abs(np.linalg.norm(vectors, axis=1) - 1.0)))]
    others = vectors[:3] if d == 3 else first[None]
    for i, one in enumerate(ideal[: min(len(ideal), 12)]):
        for two in others if d == 3 else others[:1]:
            for j, three in enumerate(ideal[: min(len(ideal), 12)] if d == 3 else ideal[:1]):
                if d == 3 and (i == j or abs(three @ one - two @ first) > 0.3):
                    continue
                rotation = _frame(one, three, d).T @ _frame(first, two, d)
                if not np.isfinite(rotation).all():
                    continue
                misfit = _misfit(ideal @ rotation, vectors)[0]
                if misfit < best:
                    best, turned = misfit, rotation
    for _ in range(3):
        _, nearest = _misfit(ideal @ turned, vectors)
        u, _, v = np.linalg.svd(ideal.T @ vectors[nearest])
        u[:, -1] *= np.sign(np.linalg.det(u @ v))
        turned = u @ v
    return _misfit(ideal @ turned, vectors)[0], turned


def _frame(one: Float, two: Float, d: int) -> Float:
    """Right-handed orthonormal rows, the first along ``one``, the second in the plane of both."""
    x = one / np.linalg.norm(one)
    if d == 2:
        return np.array([x, [-x[1], x[0]]])
    y = two - (two @ x) * x
    length = np.linalg.norm(y)
    if length < 0.1:
        return np.full((3, 3), np.nan)
    y = y / length
    return np.array([x, y, np.cross(x, y)])


def _misfit(turned: Float, vectors: Float) -> tuple[float, Int]:
    square = ((turned[:, None] - vectors[None]) ** 2).sum(axis=2)
    nearest = square.argmin(axis=1)
    twice = len(nearest) - len(np.unique(nearest))  # two ideal neighbours on one atom
    return float(np.sqrt(square.min(axis=1).mean()) + 0.2 * twice), nearest
