"""Pictures whose patches have known classes: motifs under any rotation, ordered and disordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count, check_positive
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["MOTIFS", "PatchScene", "PatchSceneSettings", "make_patch_scene"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _ring(n: int, turn: float = 0.0) -> Floats:
    """Return n points evenly on the unit circle."""
    angle = turn + 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


MIDDLE = np.zeros((1, 2))
MOTIFS: dict[str, Callable[[], Floats]] = {
    "hexagon": lambda: _ring(6),
    "filled_hexagon": lambda: np.concatenate([MIDDLE, _ring(6)]),
    "pentagon": lambda: _ring(5),
    "filled_square": lambda: np.concatenate([MIDDLE, _ring(4)]),
    "square": lambda: _ring(4),
    "open_hexagon": lambda: np.concatenate([MIDDLE, _ring(6)[:5]]),
    "triangle": lambda: _ring(3),
    "dumbbell": lambda: np.concatenate([MIDDLE, _ring(2)]),
}
"""Columns of each motif (m, 2) in units of the spacing: rings around a hollow or a column."""
FOUR = ("hexagon", "filled_hexagon", "pentagon", "filled_square")
KINDS = ("motifs", "grains", "crystal")
TRIANGULAR = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


@dataclass(frozen=True, slots=True)
class PatchSceneSettings:
    """What the patches show and what stands between them and their numbers.

    Attributes
    ----------
    patch_px
        Edge of a patch.
    margin_px
        Pixels around each patch in which its own picture goes on, so that it may be re-centred.
    motifs
        Names of ``MOTIFS``; patch i has the motif of ``labels[i]``.
    spacing_px, width_px
        Distance of neighbouring columns and standard deviation of a column.
    peak_counts
        Counts at the centre of a column above the background; where ``equal_light``, of the motif
        with the fewest columns: the others are dimmer, so that every motif holds the same light.
    background_share
        Counts of a pixel without columns, in peaks.
    off_center_px
        How far each motif's middle stands from its patch's, in a random direction.
    brightness_spread
        Relative standard deviation of the patches' brightness.
    equal_light
        Whether all motifs hold the same light.
    disorder
        For grains and crystal: standard deviation, in spacings, of the columns' shifts in ordered
        (label 0) and disordered (label 1) patches.

    Examples
    --------
    >>> PatchSceneSettings(peak_counts=50.0).patch_px
    24
    """

    patch_px: int = 24
    margin_px: int = 4
    motifs: tuple[str, ...] = FOUR
    spacing_px: float = 7.0
    width_px: float = 1.8
    peak_counts: float = 20.0
    background_share: float = 0.1
    off_center_px: float = 1.5
    brightness_spread: float = 0.1
    equal_light: bool = True
    disorder: tuple[float, float] = (0.04, 0.08)

    def __post_init__(self) -> None:
        check_count("patch_px", self.patch_px, 8)
        check_count("margin_px", self.margin_px, 0)
        for name in ("spacing_px", "width_px", "peak_counts"):
            check_positive(name, getattr(self, name))
        for name in ("background_share", "off_center_px", "brightness_spread"):
            check_positive(name, getattr(self, name), allow_zero=True)
        for motif in self.motifs:
            check_choice("motifs", motif, tuple(MOTIFS))
        if len(self.motifs) < 2:
            raise InputError(f"motifs must name at least 2, got {len(self.motifs)}.")
        if len(self.disorder) != 2 or not 0 <= self.disorder[0] < self.disorder[1] < 0.5:
            raise InputError(
                f"disorder must be two shifts in spacings, 0 <= ordered < disordered < 0.5; "
                f"got {self.disorder}."
            )
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class PatchScene:
    """A picture of patches and what they are.

    Attributes
    ----------
    image
        DataArray (y, x) of counts, in pixels.
    centers
        Shape (n, 2): x, y of the patches' centres.
    patch_px
        Edge of a patch; a patch of an even edge is centred between two pixels.
    labels
        int64, shape (n,): motif, or 1 where disordered.
    names
        Name of each label.
    angles
        Shape (n,): how far each patch's motif or crystal is turned, radians.
    offsets
        Shape (n, 2): x, y of the motif's middle from the patch's centre (crystals: any place).
    brightness
        Shape (n,): factor on the peak counts.
    displacement
        Shape (n,): root mean square shift of the patch's columns from their ideal places, pixels.
    columns
        Shape (m, 2): true x, y of every column.
    column_patch
        int64, shape (m,): patch that a column was drawn in.
    mean
        Shape (rows, columns): expected counts.
    seed
        Makes the same picture again.

    Examples
    --------
    >>> scene = make_patch_scene("motifs", n_patches=9, rng=1)
    >>> scene.stack().shape, scene.names[0]
    ((9, 24, 24), 'hexagon')
    """

    image: xr.DataArray
    centers: Floats
    patch_px: int
    labels: Integers
    names: tuple[str, ...]
    angles: Floats
    offsets: Floats
    brightness: Floats
    displacement: Floats
    columns: Floats = field(repr=False)
    column_patch: Integers = field(repr=False)
    mean: Floats = field(repr=False)
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table

    def stack(self, margin: int = 0) -> Floats:
        """Return the pixels of every patch, shape (n, edge + 2 margin, edge + 2 margin)."""
        edge = self.patch_px + 2 * check_count("margin", margin, 0)
        first = np.round(self.centers - 0.5 * (edge - 1)).astype(int)
        picture = np.pad(np.asarray(self.image.to_numpy(), dtype=np.float64), margin, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(picture, (edge, edge))
        return np.asarray(windows[first[:, 1] + margin, first[:, 0] + margin])


def make_patch_scene(
    kind: str = "motifs",
    *,
    n_patches: int = 400,
    settings: PatchSceneSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> PatchScene:
    """Make a picture whose patches have known classes.

    Parameters
    ----------
    kind
        ``motifs``: one motif a patch, turned by any angle, off-centre, all with the same light.
        ``grains``: a triangular crystal a patch, turned and shifted at random; label 1 where its
        columns are shifted more. ``crystal``: the same in one crystal without turns, for
        descriptors that use the whole picture's periods.
    n_patches
        At least 4; they lie row by row on a grid as square as can be.
    settings
        See ``PatchSceneSettings``.
    rng
        Seed or generator.

    Returns
    -------
    PatchScene
        Picture and truth.

    Raises
    ------
    InputError
        For another kind or fewer than 4 patches.

    Notes
    -----
    How far columns are shifted is drawn anew for each: a patch of the disordered kind with few
    columns may be as regular as an ordered one, so no method can tell all of them apart.

    Examples
    --------
    >>> scene = make_patch_scene("grains", n_patches=16, rng=1)
    >>> scene.image.shape, sorted(set(scene.labels.tolist()))
    ((128, 128), [0, 1])
    """
    check_choice("kind", kind, KINDS)
    check_count("n_patches", n_patches, 4)
    s = settings or PatchSceneSettings()
    generator, seed = as_generator(rng)
    plan = _plan(kind, n_patches, s, generator)
    mean = np.full(plan.shape, s.background_share * s.peak_counts)
    whole = None
    if kind == "crystal":
        whole = _crystal(plan.shape, plan.angles[0], plan.offsets[0], s)
    columns, owners, displacement = [], [], np.zeros(n_patches)
    room = 0 if whole is None else int(np.ceil(6 * s.width_px))
    for patch in range(n_patches):
        if kind == "motifs":
            places, peak = _motif_columns(plan, patch, s)
            shift = np.zeros_like(places)
        else:
            ideal = _crystal_columns(plan, patch, whole, s)
            shift = generator.normal(
                0.0, s.disorder[plan.labels[patch]] * s.spacing_px, ideal.shape
            )
            places, peak = ideal + shift, s.peak_counts * plan.brightness[patch]
        inner = np.all(np.abs(places - plan.centers[patch]) < 0.5 * s.patch_px, axis=1)
        displacement[patch] = np.sqrt(2 * (shift[inner] ** 2).mean()) if inner.any() else 0.0
        _draw(mean, places, peak, plan.corners[patch], plan.pitch, room, s.width_px)
        columns.append(places)
        owners.append(np.full(len(places), patch))
    return PatchScene(
        _as_image(generator.poisson(mean)), plan.centers, s.patch_px, plan.labels,
        s.motifs if kind == "motifs" else ("ordered", "disordered"), plan.angles, plan.offsets,
        plan.brightness, displacement, np.concatenate(columns), np.concatenate(owners), mean, seed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Where every patch lies and how its picture is turned, shifted and lit."""

    shape: tuple[int, int]
    pitch: int
    corners: Floats
    centers: Floats
    labels: Integers
    angles: Floats
    offsets: Floats
    brightness: Floats


def _plan(
    kind: str, n_patches: int, s: PatchSceneSettings, generator: np.random.Generator
) -> _Plan:
    pitch = s.patch_px + 2 * s.margin_px
    across = int(np.ceil(np.sqrt(n_patches)))
    row, column = np.divmod(np.arange(n_patches), across)
    corners = np.stack([column, row], axis=1) * float(pitch)
    n_labels = len(s.motifs) if kind == "motifs" else 2
    labels = generator.permutation(np.arange(n_patches) % n_labels)
    angles = generator.uniform(0.0, 2 * np.pi, n_patches)
    brightness = np.exp(s.brightness_spread * generator.normal(size=n_patches))
    direction = generator.uniform(0.0, 2 * np.pi, n_patches)
    offsets = s.off_center_px * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    if kind == "grains":
        offsets = generator.uniform(-0.5, 0.5, offsets.shape) * s.spacing_px
    if kind == "crystal":
        angles[:], offsets[:], brightness[:] = angles[0], offsets[0], 1.0
    return _Plan(
        (-(-n_patches // across) * pitch, across * pitch), pitch, corners,
        corners + 0.5 * (pitch - 1), labels, angles, offsets, brightness,
    )  # fmt: skip


def _motif_columns(plan: _Plan, patch: int, s: PatchSceneSettings) -> tuple[Floats, float]:
    """Return where a patch's columns stand and their peak."""
    points = MOTIFS[s.motifs[plan.labels[patch]]]()
    fewest = min(len(MOTIFS[name]()) for name in s.motifs)
    light = fewest / len(points) if s.equal_light else 1.0
    places = _turned(points, plan.angles[patch]) * s.spacing_px
    return (
        plan.centers[patch] + plan.offsets[patch] + places,
        s.peak_counts * light * plan.brightness[patch],
    )


def _crystal_columns(
    plan: _Plan, patch: int, whole: Floats | None, s: PatchSceneSettings
) -> Floats:
    """Return where the columns of a patch would stand without disorder."""
    corner = plan.corners[patch]
    if whole is not None:
        inside = (whole >= corner - 0.5) & (whole < corner + plan.pitch - 0.5)
        return np.asarray(whole[inside.all(axis=1)])
    reach = plan.pitch + 8 * s.width_px
    grain = _crystal((reach, reach), plan.angles[patch], plan.offsets[patch], s)
    return np.asarray(plan.centers[patch] + grain - 0.5 * reach)


def _turned(points: Floats, angle: float) -> Floats:
    """Return points turned by an angle from x towards y."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ turn)


def _crystal(
    shape: tuple[float, float], angle: float, origin: Floats, s: PatchSceneSettings
) -> Floats:
    """Return the places of a turned triangular lattice in a picture of (rows, columns)."""
    size = np.array(shape[::-1], dtype=np.float64)
    reach = int(np.ceil(np.hypot(*size) / s.spacing_px)) + 1
    i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    lattice = np.stack([i.ravel(), j.ravel()], axis=1) @ TRIANGULAR
    points = _turned(lattice, angle) * s.spacing_px + 0.5 * size + origin
    keep = np.all((points > -s.spacing_px) & (points < size + s.spacing_px), axis=1)
    return np.asarray(points[keep])


def _draw(
    mean: Floats, places: Floats, peak: float, corner: Floats, pitch: int, room: int, width: float
) -> None:
    """Add round Gaussian columns to one square of the picture, ``room`` pixels larger all round."""
    if not len(places):
        return
    low = np.maximum(corner.astype(int) - room, 0)
    high = np.minimum(corner.astype(int) + pitch + room, mean.shape[::-1])
    x = np.exp(-0.5 * ((np.arange(low[0], high[0]) - places[:, :1]) / width) ** 2)
    y = np.exp(-0.5 * ((np.arange(low[1], high[1]) - places[:, 1:]) / width) ** 2)
    mean[low[1] : high[1], low[0] : high[0]] += peak * (y.T @ x)


def _as_image(counts: NDArray[np.int64]) -> xr.DataArray:
    """Return counts as a picture in pixels."""
    rows, columns = counts.shape
    return xr.DataArray(
        counts.astype(np.float64),
        dims=("y", "x"),
        coords={
            "y": ("y", np.arange(rows, dtype=np.float64), {"units": "pixel"}),
            "x": ("x", np.arange(columns, dtype=np.float64), {"units": "pixel"}),
        },
        attrs={"counts": "known", "source": "synthetic picture", "channel": "grey", "units": "1"},
        name="image",
    )
