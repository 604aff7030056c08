"""Declared deviations from a hypothesis: what a claim must have evidence against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError

__all__ = ["DeviationClass", "deviation_classes", "region_mask", "tangent_directions"]

Kind = Literal["smooth", "local"]

SHAPES_PER_MEMBER = 6
MOST_FUNCTIONS = 24_000
MOST_NUMBERS = 4_000_000
"""Functions times actions of one class: 16 MB."""
N_NEIGHBOURS = 24
TANGENT_SHARE = 0.95
"""Share of the neighbours' variance that the tangent directions must hold."""
MOST_DIRECTIONS = 8
LEAST_LEFT = 0.5
"""A local deviation of which the hypothesis absorbs more than half is none, and left out."""
JITTER = 1e-6
MEMBERS_FOR_REACH = 400


@dataclass(frozen=True, slots=True, eq=False)
class DeviationClass:
    """Functions that differ from a hypothesis by a declared size.

    Attributes
    ----------
    kind
        "smooth" or "local".
    size
        Declared size, in standard deviations of one readout.
    member
        int32, (n_functions,): the member of the hypothesis that each deviates from.
    shape
        float32, (n_actions, n_functions): deviations of size 1, in standard deviations of one
        readout; 0 outside the region.
    """

    kind: Kind
    size: float
    member: NDArray[np.int32]
    shape: NDArray[np.float32]


def region_mask(table: DesignTable, options: SeverityOptions) -> NDArray[np.bool_]:
    """Return which actions the claim is to hold for, bool (n_actions,)."""
    if options.region is None:
        return np.ones(table.n_actions, dtype=bool)
    if max(options.region) >= table.n_actions:
        raise InputError(
            f"region must hold indices below {table.n_actions}; got {max(options.region)}."
        )
    mask = np.zeros(table.n_actions, dtype=bool)
    mask[list(options.region)] = True
    return mask


def deviation_classes(
    table: DesignTable, hypothesis: int, options: SeverityOptions, rng: np.random.Generator
) -> tuple[tuple[DeviationClass, ...], int]:
    """Return the classes of one hypothesis and in how many directions it can move a noise sd.

    Each function is a member of the hypothesis, drawn from its prior, and a deviation of which
    the hypothesis' own tangent at that member has taken up what it can (along each direction as
    far as two standard deviations of the members go); the size of what is left is exactly the
    declared one. Deviations are Gaussian random fields (smooth) or Gaussian bumps
    (local) over the coordinates of the actions, zero outside the region.

    Parameters
    ----------
    table
        Expected readouts.
    hypothesis
        Index of the hypothesis.
    options
        Region, sizes, lengths.
    rng
        Generator of members and shapes.
    """
    mask = region_mask(table, options)
    noise = table.noise_sd[hypothesis][mask]
    white = table.members[hypothesis][:, mask] / noise
    n_functions = max(min(MOST_FUNCTIONS, MOST_NUMBERS // table.n_actions), SHAPES_PER_MEMBER)
    n_base = min(len(white), n_functions // SHAPES_PER_MEMBER)
    base = rng.permutation(len(white))[:n_base]
    directions, rank = tangent_directions(white, base)
    reach = _reach(white, directions, rng)
    if rank:
        rank = int(np.median((reach >= 1.0).sum(axis=1)))
    places = table.coordinates[mask]
    relative = np.median(noise) / noise
    classes = []
    owner = np.tile(np.arange(n_base), n_functions // n_base)
    for kind, size in (("smooth", options.smooth_deviation), ("local", options.local_deviation)):
        if size == 0:
            continue
        drawn = _fields if kind == "smooth" else _bumps
        shape = drawn(places, len(owner), options, rng) * relative
        left = _not_taken_up(shape, kind, size, directions, reach, owner)
        kept = left > (LEAST_LEFT if kind == "local" else 1e-3)
        if not kept.any():
            continue
        whole = np.zeros((table.n_actions, int(kept.sum())), dtype=np.float32)
        whole[mask] = shape[kept].T
        member = base[owner[kept]].astype(np.int32)
        classes.append(DeviationClass(kind, size, member, whole))  # type: ignore[arg-type]
    if not classes:
        raise InputError(
            f"hypothesis {table.hypotheses[hypothesis]!r} can take up every deviation on the "
            f"region ({int(mask.sum())} actions, {rank} directions of its own): no claim can be "
            "put to the test there. Widen the region, or fix parameters of the hypothesis."
        )
    return tuple(classes), rank


def tangent_directions(white: Floats, base: NDArray[np.intp]) -> tuple[Floats, int]:
    """Return orthonormal directions in which a hypothesis moves around some of its members.

    Principal directions of the differences to the 24 nearest members; the number of directions
    is the same everywhere: the smallest that holds 95 % of the differences' squares at the median
    member (8 at most).

    Parameters
    ----------
    white
        (n_members, n_actions) expected readouts in standard deviations of one readout.
    base
        Members to return the directions of.

    Returns
    -------
    tuple
        Directions (n_base, rank, n_actions), and the rank.

    Examples
    --------
    >>> slopes = np.linspace(0, 1, 30)[:, None]
    >>> directions, rank = tangent_directions(slopes * np.array([3.0, 4.0]), np.array([5]))
    >>> rank, np.abs(directions[0, 0]).round(3).tolist()
    (1, [0.6, 0.8])
    """
    n_members, n_actions = white.shape
    n_near = min(N_NEIGHBOURS, n_members - 1)
    if n_near < 1 or np.ptp(white, axis=0).max() < 1e-9:
        return np.zeros((len(base), 0, n_actions)), 0
    squares = (white**2).sum(axis=1)
    distance = squares[base][:, None] + squares[None] - 2 * white[base] @ white.T
    near = np.argpartition(distance, n_near, axis=1)[:, : n_near + 1]
    differences = white[near] - white[base][:, None]
    values, vectors = np.linalg.eigh(differences @ differences.transpose(0, 2, 1))
    values, vectors = np.maximum(values[:, ::-1], 0), vectors[:, :, ::-1]
    shares = np.cumsum(values, axis=1) / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)
    rank = int(np.median((shares < TANGENT_SHARE).sum(axis=1))) + 1
    rank = min(rank, MOST_DIRECTIONS, n_near, n_actions)
    directions = vectors[:, :, :rank].transpose(0, 2, 1) @ differences
    length = np.sqrt(values[:, :rank, None])
    usable = length > 1e-6 * np.maximum(length[:, :1], 1e-300)
    return np.where(usable, directions / np.where(usable, length, 1.0), 0.0), rank


def _reach(white: Floats, directions: Floats, rng: np.random.Generator) -> Floats:
    """Return how far the members go along each direction: two sds, (n_base, rank)."""
    some = white[rng.permutation(len(white))[:MEMBERS_FOR_REACH]]
    some = some - some.mean(axis=0)
    n_base, rank, n_actions = directions.shape
    along = directions.reshape(n_base * rank, n_actions) @ some.T
    return np.asarray(2.0 * np.sqrt((along**2).mean(axis=1)).reshape(n_base, rank))


def _not_taken_up(
    shape: Floats,
    kind: str,
    size: float,
    directions: Floats,
    reach: Floats,
    owner: NDArray[np.intp],
) -> Floats:
    """Change shapes in place to what a refit leaves, of size 1; return the share that is left.

    What is taken up is that of a deviation of the declared size; the rest is then made as large.
    """
    shape *= (size / np.maximum(_sizes(shape, kind), 1e-300))[:, None]
    for direction in range(directions.shape[1]):
        unit, limit = directions[owner, direction], reach[owner, direction]
        taken = np.clip(np.einsum("ij,ij->i", shape, unit), -limit, limit)
        shape -= taken[:, None] * unit
    left = np.maximum(_sizes(shape, kind), 1e-12 * size)
    shape /= left[:, None]
    return np.asarray(left / size)


def _fields(places: Floats, n: int, options: SeverityOptions, rng: np.random.Generator) -> Floats:
    """Return n random fields over the places, one after the other of the declared lengths."""
    squares = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    fields = rng.standard_normal((n, len(places)))
    n_lengths = len(options.smooth_lengths)
    for start, length in enumerate(options.smooth_lengths):
        covariance = np.exp(-0.5 * squares / length**2)
        root = np.linalg.cholesky(covariance + JITTER * np.eye(len(places)))
        fields[start::n_lengths] = fields[start::n_lengths] @ root.T
    return fields


def _bumps(places: Floats, n: int, options: SeverityOptions, rng: np.random.Generator) -> Floats:
    """Return n bumps of the declared width and either sign, each centred on an action."""
    centre = places[rng.integers(len(places), size=n)]
    squares = np.zeros((n, len(places)))
    for column in range(places.shape[1]):
        squares += (places[None, :, column] - centre[:, None, column]) ** 2
    sign = rng.choice(np.array([-1.0, 1.0]), size=n)
    return np.asarray(sign[:, None] * np.exp(-0.5 * squares / options.local_width**2))


def _sizes(shape: Floats, kind: str) -> Floats:
    if kind == "smooth":
        return np.asarray(np.sqrt((shape**2).mean(axis=1)))
    return np.asarray(np.abs(shape).max(axis=1))
