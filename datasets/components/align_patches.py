"""Patches turned and shifted onto common references before they are compared pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.datasets.components.alignment import (
    Disc,
    best_pose,
    disc_of,
    own_center,
    pose_bank,
    refine_poses,
    resample,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records.storage import html_table, short_repr

__all__ = ["AlignedPatches", "align_patches"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SMALLEST_EDGE = 8
CANDIDATES = 16
"""Patches among which the first reference is looked for."""
ROUNDS = 3
STARTS = 3
PART = 120
"""Patches from which references are found before all are used."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AlignedPatches:
    """Patches in the frame of the reference each resembles most.

    Attributes
    ----------
    patches
        float64 (n, edge, edge): resampled; NaN where a patch of a stack does not reach.
    shift
        float64 (n, 2): (x, y) of the motif from the patch's middle, in pixels.
    angle
        float64 (n,): turn of the motif against its reference in radians, positive from x to y; 0
        without ``rotate``. A motif of k-fold symmetry may be turned by any 2 pi / k.
    covariance
        float64 (n, 3, 3) of (x, y, angle), from the noise; the reference's own is left out.
    brightness, offset
        float64 (n,): patch = offset + brightness x reference.
    correlation
        float64 (n,): with the reference, over the disc, at the best pose.
    reference
        int64 (n,): which reference.
    references
        float64 (k, edge, edge).
    disc
        bool (edge, edge): pixels that are compared.
    edge_of_reach
        bool (n,): the best shift lies at the end of ``largest_shift_px``.
    seed
        Repeats the result.

    Examples
    --------
    >>> y, x = np.mgrid[:24, :24] - 11.5
    >>> spot = np.exp(-((x - 1) ** 2 + y**2) / 8)
    >>> found = align_patches(spot[None], references=np.exp(-(x**2 + y**2) / 8), rotate=False)
    >>> found.shift.round(1), found.vectors().shape
    (array([[1., 0.]]), (1, 276))
    """

    patches: Floats
    shift: Floats
    angle: Floats
    covariance: Floats
    brightness: Floats
    offset: Floats
    correlation: Floats
    reference: Integers
    references: Floats
    disc: NDArray[np.bool_]
    edge_of_reach: NDArray[np.bool_]
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table

    def vectors(self) -> Floats:
        """Return the pixels of the disc as rows (n, m), ready for ``find_components``."""
        return np.nan_to_num(self.patches[:, self.disc])


def align_patches(
    pixels: ArrayLike | xr.DataArray,
    centers: ArrayLike | None = None,
    size: int | None = None,
    *,
    references: ArrayLike | None = None,
    n_references: int = 1,
    largest_shift_px: float = 2.5,
    rotate: bool = True,
    noise: float | None = None,
    rng: int | np.random.Generator | None = None,
) -> AlignedPatches:
    """Turn and shift each patch onto the reference that it resembles most.

    Pixels of patches that are turned or off-centre differ even where the matter is the same, and
    components of such patches are those of turning and shifting. Each patch is compared with every
    reference at all turns and shifts (correlation over a disc), and the best pose is refined by
    least squares of patch = offset + brightness x reference(turned, shifted) to a fraction of a
    pixel. References that are not given are patches that resemble many others, then means of
    aligned patches.

    Parameters
    ----------
    pixels
        Stack (n, edge, edge), or a picture (rows, columns) with ``centers``.
    centers, size
        (x, y) of each patch's middle in pixels of the picture, and the patches' edge in pixels.
    references
        (edge, edge) or (k, edge, edge); found from the patches when None.
    n_references
        How many to find.
    largest_shift_px
        Farthest that a motif may lie from the middle, along x and y.
    rotate
        False: shifts only.
    noise
        Standard deviation of a pixel; None takes it from each patch's misfit.
    rng
        The first reference.

    Returns
    -------
    AlignedPatches
        Aligned patches with their poses and errors.

    Raises
    ------
    InputError
        For patches that are not finite, reach beyond the picture or are smaller than 8 pixels.

    Examples
    --------
    >>> y, x = np.mgrid[:24, :24] - 11.5
    >>> pair = np.exp(-((abs(x) - 4) ** 2 + y**2) / 4)
    >>> turned = np.exp(-((abs(y - 1) - 4) ** 2 + (x + 0.5) ** 2) / 4)
    >>> found = align_patches(np.stack([pair, turned]), references=pair)
    >>> found.shift[1].round(2), round(abs(np.degrees(found.angle[1])))
    (array([-0.5,  1. ]), 90)
    """
    stack = _stack_of(pixels, centers, size)
    reach = check_positive("largest_shift_px", largest_shift_px, allow_zero=True)
    generator, seed = as_generator(rng)
    disc = disc_of(stack.shape[1], reach)
    with one_blas_thread():
        if references is None:
            count = check_count("n_references", n_references, 1)
            if count > len(stack):
                raise InputError(
                    f"n_references must not exceed the {len(stack)} patches; got {count}."
                )
            means = _find_references(stack, count, disc, rotate, generator)
        else:
            means = check_array("references", references)
            means = means[None] if means.ndim == 2 else means
            if means.ndim != 3 or means.shape[1:] != stack.shape[1:]:
                raise InputError(
                    f"references must have shape (k, {stack.shape[1]}, {stack.shape[1]}); "
                    f"got {means.shape}."
                )
        poses, kind, correlation = best_pose(stack, pose_bank(means, disc, rotate), disc)
        poses, lines, covariance = refine_poses(stack, means, kind, poses, disc, rotate, noise)
    outside = np.abs(poses[:, :2]).max(axis=1) >= reach + 0.5
    aligned = resample(stack, poses)
    return AlignedPatches(
        aligned, poses[:, :2], poses[:, 2], covariance, lines[:, 1], lines[:, 0], correlation, kind,
        means, disc.mask, outside, seed,
    )  # fmt: skip


def _stack_of(
    pixels: ArrayLike | xr.DataArray, centers: ArrayLike | None, size: int | None
) -> Floats:
    """Return patches (n, edge, edge)."""
    array = np.asarray(pixels)
    if array.ndim == 2 and centers is not None and size is not None:
        edge = check_count("size", size, SMALLEST_EDGE)
        places = check_array("centers", centers, shape=(None, 2))
        first = np.round(places - 0.5 * (edge - 1)).astype(np.int64)
        if (first < 0).any() or (first + edge > np.array(array.shape[::-1])).any():
            raise InputError(
                f"centers must leave room for patches of {edge} pixels in the picture."
            )
        view = np.lib.stride_tricks.sliding_window_view(array, (edge, edge))
        array = view[first[:, 1], first[:, 0]]
    elif array.ndim != 3 or centers is not None:
        raise InputError(
            "pixels must be a stack (n, edge, edge), or a picture (rows, columns) given with "
            f"centers and size; got shape {array.shape}."
        )
    stack = check_array("pixels", array, ndim=3)
    if stack.shape[1] != stack.shape[2] or stack.shape[1] < SMALLEST_EDGE:
        raise InputError(
            f"patches must be squares of at least {SMALLEST_EDGE} pixels; got {stack.shape[1:]}."
        )
    return stack


def _find_references(
    stack: Floats, count: int, disc: Disc, rotate: bool, generator: np.random.Generator
) -> Floats:
    """Return references from the start that resembles a part of the patches best, then all."""
    part = stack[generator.choice(len(stack), min(PART, len(stack)), replace=False)]
    best, most = part[:count], -np.inf
    for _ in range(STARTS if count > 1 else 1):
        means = _first_references(part, count, disc, rotate, generator)
        for _ in range(ROUNDS):
            means = _better_references(part, means, disc, rotate)
        alike = float(best_pose(part, pose_bank(means, disc, rotate), disc)[2].mean())
        if alike > most:
            best, most = means, alike
    return _better_references(stack, best, disc, rotate)


def _first_references(
    stack: Floats, count: int, disc: Disc, rotate: bool, generator: np.random.Generator
) -> Floats:
    """Return patches that resemble many others, each unlike those before."""
    some = generator.choice(len(stack), min(CANDIDATES, len(stack)), replace=False)
    if count > len(some):
        some = np.arange(len(stack))
    alike = np.stack(
        [
            best_pose(stack[some], pose_bank(stack[each][None], disc, rotate), disc)[2]
            for each in some
        ]
    )
    chosen = [int(alike.mean(axis=1).argmax())]
    while len(chosen) < count:
        # of the patches that no reference resembles, the one that resembles the others of them
        left = np.clip(1.0 - alike[chosen].max(axis=0), 0.0, None)
        value = (alike * left).sum(axis=1)
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
    return stack[some[chosen]]


def _better_references(stack: Floats, references: Floats, disc: Disc, rotate: bool) -> Floats:
    """Return the means of the patches aligned on each reference, centred."""
    means = references.copy()
    poses, kind, _ = best_pose(stack, pose_bank(means, disc, rotate), disc)
    poses, _, _ = refine_poses(stack, means, kind, poses, disc, rotate, None)
    for each in range(len(means)):
        own = poses[kind == each]
        if len(own):
            # the reference's middle moves to the motif's centre
            center = own_center(own)
            c, s = np.cos(own[:, 2]), np.sin(own[:, 2])
            own[:, 0] += c * center[0] - s * center[1]
            own[:, 1] += s * center[0] + c * center[1]
            mine = resample(stack[kind == each], own)
            seen = np.isfinite(mine).sum(axis=0)
            mean = np.nansum(mine, axis=0) / np.maximum(seen, 1)
            means[each] = np.where(seen > 0, mean, float(np.nanmean(mine)))
    return means
