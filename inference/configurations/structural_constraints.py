"""What a time-averaged image of a solid tells: spacings and the static strain of its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified, as_generator, check_positive
from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.inference.configurations.snapshots import Snapshot, read_snapshots, wrapped
from physlearn.inference.configurations.spatial_covariance import spatial_covariance
from physlearn.records import AtomicConfiguration
from physlearn.results import Fit, fit_from_draws

__all__ = ["measure_structure"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
REACH = 1.35
"""Length of the longest bond over the typical distance of neighbours."""
SAME_BOND = 0.22
"""Distance between two bond vectors of one sort, over the typical distance of neighbours."""
LEAST_SHARE = 0.2
"""Bonds of a sort over the particles, below which it is a defect's."""
CORRELATED = 4.0
"""Distances of neighbours over which errors of means may be correlated: fully up to half."""
FEWEST_ATOMS = 30
SAME_ATOM = 0.3
"""Distances of neighbours that an atom may lie off between images of one piece."""
N_DRAWS = 2000
COMPONENTS = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))}


@dataclass(frozen=True, eq=False)
class Bonds:
    """Bonds of a frame: ends (m, 2), vectors (m, d) in one half space, sort (m,), -1: none."""

    ends: Int
    vectors: Float
    sort: Int
    snapshot: Snapshot


def measure_structure(
    configurations: Any,
    *,
    position_sd: float | None = None,
    rng: int | np.random.Generator | None = None,
    refused: str = "",
) -> Fit:
    """Measure spacings and static strain of a solid, all that a time-averaged image tells.

    Bonds to near neighbours are sorted by direction. Each sort has a mean spacing; each particle
    has a local strain e, symmetric part of the affine map that takes the mean bonds to its own.
    The variance of e less what the errors of fitted positions make of it is static strain.

    Parameters
    ----------
    configurations
        ``AtomicConfiguration``, a list of them or a ``Trajectory``.
    position_sd
        Standard deviation of each coordinate's fit error, in the positions' unit; None:
        ``position_covariance``, and without it the strain includes fit errors (warned of).
    rng
        Seed or generator.
    refused
        A sentence that heads the warnings.

    Returns
    -------
    Fit
        ``spacing`` (each sort of bond, its direction as label), ``strain_sd`` (components xx, yy,
        xy), ``strain_anisotropy`` = ln(strain_sd xx / strain_sd yy). Errors of
        the means allow for correlation over two distances of neighbours, and in part over four.
        Images of one piece of material (the same atoms) are averaged first.

    Raises
    ------
    NotIdentified
        Where fewer than two directions of bonds recur: no crystal, or fewer than 30 atoms
        inside it.

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(*[np.arange(20.0)] * 2), -1).reshape(-1, 2)
    >>> shaken = grid + np.random.default_rng(1).normal(0, 0.02, grid.shape)
    >>> atoms = AtomicConfiguration(shaken, unit="angstrom")
    >>> fit = measure_structure(atoms, position_sd=0.01, rng=1)
    >>> low, high = fit.interval("spacing")[0]
    >>> bool(low < 1.0 < high)
    True
    """
    generator, seed = as_generator(rng)
    errors_known = position_sd is not None or _has_errors(configurations)
    if position_sd is not None:
        check_positive("position_sd", position_sd, allow_zero=True)
    snapshots = read_snapshots(configurations, position_sd if errors_known else 0.0)
    snapshots, n_images = _average_images(snapshots)
    frames = _sorted_bonds(snapshots)
    means = _mean_bonds(frames)
    means, variance, covariance = _estimates(frames, means)
    draws = _draw(means, variance, covariance, _freedom(frames, means), generator)
    warnings = [refused] if refused else []
    if not errors_known:
        warnings.append(
            "The errors of positions are not known, so strain_sd includes them: give position_sd."
        )
    if len(snapshots) > 1:
        warnings.append(
            f"The {len(snapshots)} images do not show the same atoms and are taken as independent "
            "pieces of the material."
        )
    d, unit = means.shape[1], snapshots[0].unit
    components = ["xyz"[a] + "xyz"[b] for a, b in COMPONENTS[d]]
    return fit_from_draws(
        draws, model=f"spacings and static strain of a solid of {snapshots[0].n} atoms",
        likelihood="means over bonds", approximation="Gaussian means, errors correlated in space",
        seed=seed,
        data=[snapshot.positions for snapshot in snapshots],
        units={"spacing": unit, "strain_sd": "1", "strain_anisotropy": "1"},
        dims={"spacing": ["bond"], "strain_sd": ["component"]},
        coords={"bond": [_direction(mean) for mean in means], "component": components},
        diagnostics={
            "mean_bonds": means.tolist(), "errors_known": errors_known, "images_averaged": n_images,
            "bonds_sorted": float(np.mean([(f.sort >= 0).mean() for f in frames])),
        },
        warnings=warnings,
    )  # fmt: skip


def _has_errors(configurations: Any) -> bool:
    frames = configurations if isinstance(configurations, Sequence) else [configurations]
    if all(isinstance(frame, AtomicConfiguration) for frame in frames):
        return all(frame.position_covariance is not None for frame in frames)
    return getattr(configurations, "localization_sd", None) is not None


def _average_images(snapshots: list[Snapshot]) -> tuple[list[Snapshot], int]:
    """Average images of the same atoms: their static disorder is one and the same in all."""
    from scipy.spatial import cKDTree

    first = snapshots[0]
    tree = cKDTree(first.positions, boxsize=first.box)
    near = SAME_ATOM * float(np.median(np.asarray(tree.query(first.positions, k=2)[0])[:, 1]))
    total, variance = np.zeros_like(first.positions), np.zeros(first.n)
    for snapshot in snapshots:
        distance, whose = tree.query(snapshot.positions)
        if snapshot.n != first.n or (np.sort(whose) != np.arange(first.n)).any() or (
            np.median(distance) > near
        ):  # fmt: skip
            return snapshots, 1
        gap = snapshot.positions - first.positions[whose]
        if first.box is not None:
            gap -= np.round(gap / first.box) * first.box
        total[whose] += gap
        variance[whose] += snapshot.position_sd**2
    n = len(snapshots)
    positions = first.positions + total / n
    if first.box is not None:
        positions = wrapped(positions, first.box)
    return [replace(first, positions=positions, position_sd=np.sqrt(variance) / n)], n


def _sorted_bonds(snapshots: Sequence[Snapshot]) -> list[Bonds]:
    """List the bonds of all frames, sorted by the mean vectors of the first."""
    from scipy.spatial import cKDTree

    first = snapshots[0]
    tree = cKDTree(first.positions, boxsize=first.box)
    nearest = np.asarray(tree.query(first.positions, k=2)[0])[:, 1]
    length = float(np.median(nearest))
    centres: Float | None = None
    frames = []
    for snapshot in snapshots:
        ends, vectors, _ = close_pairs(snapshot.positions, REACH * length, snapshot.box)
        if centres is None:
            both = np.concatenate([vectors, -vectors])
            centres = _find_centres(both, SAME_BOND * length, LEAST_SHARE * snapshot.n)
        forward = ((vectors[:, None] - centres) ** 2).sum(axis=2)
        back = ((vectors[:, None] + centres) ** 2).sum(axis=2)
        turned = back.min(axis=1) < forward.min(axis=1)
        best = np.minimum(forward, back)
        sort = np.where(best.min(axis=1) < (SAME_BOND * length) ** 2, best.argmin(axis=1), -1)
        ends = np.where(turned[:, None], ends[:, ::-1], ends)
        frames.append(Bonds(ends, np.where(turned[:, None], -vectors, vectors), sort, snapshot))
    return frames


def _find_centres(vectors: Float, reach: float, least: float) -> Float:
    """Return bond vectors that recur, one of each pair of opposite ones, (k, d)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(vectors)
    counts = np.array(tree.query_ball_point(vectors, reach, return_length=True))
    free = np.ones(len(vectors), dtype=bool)
    centres: list[Float] = []
    while free.any():
        at = int(np.where(free, counts, -1).argmax())
        if counts[at] < least:
            break
        near = np.asarray(tree.query_ball_point(vectors[at], reach), dtype=np.int64)
        centre = vectors[near].mean(axis=0)
        free[np.asarray(tree.query_ball_point(centre, 1.5 * reach), dtype=np.int64)] = False
        free[near] = False
        gaps = [np.linalg.norm(centre + sign * other) for other in centres for sign in (-1, 1)]
        if min(gaps, default=np.inf) > 2.0 * reach:
            first = centre[np.flatnonzero(np.abs(centre) > 0.3 * np.linalg.norm(centre))[0]]
            centres.append(centre if first > 0.0 else -centre)
    if len(centres) < vectors.shape[1]:
        raise NotIdentified(
            f"{len(centres)} direction(s) of bonds recur, and a crystal has at least "
            f"{vectors.shape[1]}: these positions hold no lattice whose spacings could be told."
        )
    return np.array(centres)


def _mean_bonds(frames: Sequence[Bonds]) -> Float:
    n_sorts = max(int(frame.sort.max()) for frame in frames) + 1
    vectors = np.concatenate([frame.vectors for frame in frames])
    sort = np.concatenate([frame.sort for frame in frames])
    return np.array([vectors[sort == k].mean(axis=0) for k in range(n_sorts)])


def _estimates(frames: Sequence[Bonds], means: Float) -> tuple[Float, Float, Float]:
    """Return mean bonds (k, d), variances of strain (c,), and the covariance of all of them."""
    k, d = means.shape
    pairs = COMPONENTS[d]
    reach = CORRELATED * float(np.linalg.norm(means, axis=1).min())
    found = [_strains(frame, means) for frame in frames]
    n_known = sum(int(known.sum()) for _, known, _ in found)
    if n_known < FEWEST_ATOMS:
        raise NotIdentified(
            f"{n_known} atoms have all their neighbours; at least {FEWEST_ATOMS} are needed to "
            "tell the scatter of strain: give a larger field."
        )
    columns = [np.stack([strain[known, a, b] for a, b in pairs], 1) for strain, known, _ in found]
    mean = np.concatenate(columns).mean(axis=0)
    excess = [(c - mean) ** 2 - noise[known]
              for c, (_, known, noise) in zip(columns, found, strict=True)]  # fmt: skip
    variance = np.concatenate(excess).mean(axis=0)
    counts = np.bincount(np.concatenate([f.sort[f.sort >= 0] for f in frames]), minlength=k)
    covariance = np.zeros((k * d + len(pairs),) * 2)
    for frame, own, (_, known, _) in zip(frames, excess, found, strict=True):
        shares = np.zeros((frame.snapshot.n, k * d + len(pairs)))
        for sort in range(k):
            mine = frame.sort == sort
            away = (frame.vectors[mine] - means[sort]) / counts[sort]
            for end in (0, 1):
                for axis in range(d):
                    shares[:, sort * d + axis] += 0.5 * np.bincount(
                        frame.ends[mine, end], away[:, axis], frame.snapshot.n
                    )
        shares[known, k * d :] = (own - variance) / n_known
        for own_columns in (slice(0, k * d), slice(k * d, None)):
            # block by block: directions that are set to 0 in one must not widen the other
            covariance[own_columns, own_columns] += spatial_covariance(
                frame.snapshot.positions, shares[:, own_columns], reach, frame.snapshot.box,
                flat_top=True,
            )  # fmt: skip
    return means, variance, covariance


def _strains(frame: Bonds, means: Float) -> tuple[Float, NDArray[np.bool_], Float]:
    """Local strains (n, d, d), which particles have one, and the errors' variance (n, c)."""
    n, d = frame.snapshot.positions.shape
    here = frame.sort >= 0
    ends, vectors, ideal = frame.ends[here], frame.vectors[here], means[frame.sort[here]]
    inertia, moment = np.zeros((n, d, d)), np.zeros((n, d, d))
    for end in (0, 1):
        np.add.at(inertia, ends[:, end], ideal[:, :, None] * ideal[:, None, :])
        np.add.at(moment, ends[:, end], (vectors - ideal)[:, :, None] * ideal[:, None, :])
    count = np.bincount(ends.ravel(), minlength=n)
    known = count == 2 * len(means)  # at an edge or a vacancy strains are worse known
    inverse = np.zeros_like(inertia)
    inverse[known] = np.linalg.inv(inertia[known])
    gradient = moment @ inverse
    strain = 0.5 * (gradient + gradient.transpose(0, 2, 1))
    # strain = sum over bonds of (error of the far end - own error) x weight; weight = inverse ideal
    pairs = COMPONENTS[d]
    variance = frame.snapshot.position_sd**2
    total, noise = np.zeros((n, d)), np.zeros((n, len(pairs)))
    for end in (0, 1):
        at, far = ends[:, end], ends[:, 1 - end]
        weight = np.einsum("mab,mb->ma", inverse[at], ideal if end == 0 else -ideal)
        np.add.at(total, at, weight)
        for c, (a, b) in enumerate(pairs):
            np.add.at(noise[:, c], at, variance[far] * _square(weight, a, b))
    for c, (a, b) in enumerate(pairs):
        noise[:, c] += variance * _square(total, a, b)
    return strain, known, noise


def _square(weight: Float, a: int, b: int) -> Float:
    """Variance of a strain component for unit errors of one end."""
    if a == b:
        return np.asarray(weight[:, a] ** 2)
    return np.asarray(0.25 * (weight[:, a] ** 2 + weight[:, b] ** 2))


def _freedom(frames: Sequence[Bonds], means: Float) -> float:
    """Degrees of freedom of the errors' estimate: the area over that of the kernel's square."""
    d = means.shape[1]
    extents = [np.ptp(frame.snapshot.window, axis=0) for frame in frames]
    square = (4.0 / 3.0 * CORRELATED * float(np.linalg.norm(means, axis=1).min())) ** d
    return float(max(float(np.sum(np.prod(extents, axis=1))) / square, 3.0))


def _draw(
    means: Float, variance: Float, covariance: Float, freedom: float, rng: np.random.Generator
) -> dict[str, Float]:
    """Draw bonds as Gaussian, variances as log-normal where they stand clear of 0."""
    k, d = means.shape
    c = len(variance)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, (N_DRAWS, 1)))
    away = stretch * rng.standard_normal((N_DRAWS, k * d + c)) @ root.T
    bonds = means + away[:, : k * d].reshape(-1, k, d)
    spread = np.sqrt(np.maximum(np.diag(covariance)[k * d :], 0.0))
    clear = variance > 3.0 * spread
    safe = np.where(clear, variance, 1.0)
    drawn = np.where(clear, safe * np.exp(away[:, k * d :] / safe), variance + away[:, k * d :])
    strain_sd = np.sqrt(np.maximum(drawn, 1e-16))
    return {
        "spacing": np.linalg.norm(bonds, axis=2),
        "strain_sd": strain_sd,
        "strain_anisotropy": np.log(strain_sd[:, 0] / strain_sd[:, 1]),
    }


def _direction(vector: Float) -> str:
    if len(vector) == 2:
        return f"{np.degrees(np.arctan2(vector[1], vector[0])):.0f} deg"
    return " ".join(f"{number:.2f}" for number in vector / np.linalg.norm(vector))
