"""Atoms of a scanning tunnelling picture: lines levelled in the fit, bright or dark, bias kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified, check_choice
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.datasets.surfaces.level_scan import LeveledScan, level_scan
from physlearn.datasets.surfaces.tip_changes import TipChanges, find_tip_changes
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["SurfaceAtoms", "compare_biases", "find_surface_atoms"]

Floats = NDArray[np.float64]
POLARITIES = ("auto", "bright", "dark")
SMALLEST_SKEWNESS = 0.1
FEWEST_ATOMS = 24
FEWEST_PAIRS = 12
NEAREST_SHARE = 0.4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SurfaceAtoms:
    """Atoms of a surface, its levelled picture, and what the tip did.

    Attributes
    ----------
    atoms
        Columns with covariances; ``metadata`` holds ``bias_v`` (absent where the file does not
        say), ``polarity``, and that ``intensity`` stands for apparent height.
    height, height_sd
        Shape (n,): apparent height of each atom (depth for dark ones) in the picture's units.
    leveled
        The levelled picture with plane, row levels and noise.
    tip
        Where the tip changed; None for fewer than 24 atoms.

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image
    >>> found = find_surface_atoms(make_stm_image((96, 96), rng=3).image)
    >>> found.atoms.n > 20
    True
    """

    atoms: AtomicConfiguration
    height: Floats
    height_sd: Floats
    leveled: LeveledScan
    tip: TipChanges | None

    __repr__ = short_repr
    _repr_html_ = html_table


def find_surface_atoms(
    image: xr.DataArray | ArrayLike,
    *,
    polarity: str = "auto",
    bias_v: float | None = None,
    width: float | None = None,
    options: FindAtomsOptions | None = None,
) -> SurfaceAtoms:
    """Find the atoms of a tunnelling picture, each row's level fitted together with them.

    Tilt and coarse line offsets are taken off first, so that no step hides atoms; then an offset
    per row is fitted jointly with atoms and background, rows in which the tip changed are left
    out, and the atoms are fitted again.

    Parameters
    ----------
    image
        Heights or current; rows are scan lines. The attribute ``bias_v`` is kept.
    polarity
        ``bright``, ``dark`` or ``auto``: the side to which the levelled picture is skewed.
    bias_v
        Sample bias in volts where the file does not say it.
    width
        Standard deviation of a typical atom, in pixels; None measures it.
    options
        See ``FindAtomsOptions``; its polarity and ``row_levels`` are set here.

    Returns
    -------
    SurfaceAtoms
        Atoms, apparent heights, levelled picture and tip changes.

    Raises
    ------
    NotIdentified
        With ``auto``, where bumps and dents cannot be told apart.
    InputError
        For a picture that is none.

    Notes
    -----
    An apparent height mixes topography and electronic states: which of two species looks higher
    depends on the bias. Compare biases with ``compare_biases`` before naming species.

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image
    >>> scene = make_stm_image((96, 96), rng=3)
    >>> found = find_surface_atoms(scene.image)
    >>> found.atoms.metadata["bias_v"], found.atoms.metadata["polarity"]
    (-0.2, 'bright')
    """
    check_choice("polarity", polarity, POLARITIES)
    frame = picture_frame(image)
    attributes = dict(image.attrs) if isinstance(image, xr.DataArray) else {}
    bias = attributes.get("bias_v") if bias_v is None else float(bias_v)
    picture = (
        image if isinstance(image, xr.DataArray) else xr.DataArray(frame.values, dims=("y", "x"))
    )
    side = polarity if polarity != "auto" else _polarity(frame.values)
    sign = -1.0 if side == "dark" else 1.0
    flat = level_scan(picture.copy(data=sign * frame.values)).image
    flat = flat.copy(data=sign * flat.values)
    settings = replace(options or FindAtomsOptions(), polarity=side, row_levels=True)
    mask = np.ones(frame.values.shape, dtype=np.bool_)
    atoms = find_atoms(flat, noise="gaussian", width=width, options=settings)
    tip = None
    if atoms.n >= FEWEST_ATOMS:
        atoms = atoms.with_changes(metadata={**atoms.metadata, "polarity": side})
        tip = find_tip_changes(flat, atoms)
        if len(tip.broken_rows):
            mask[tip.broken_rows] = False
            atoms = find_atoms(flat, noise="gaussian", width=width, mask=mask, options=settings)
    return _record(picture, atoms, tip, side, bias)


def _record(
    picture: xr.DataArray,
    atoms: AtomicConfiguration,
    tip: TipChanges | None,
    side: str,
    bias: float | None,
) -> SurfaceAtoms:
    """Return the record, with what a reader must know of heights."""
    said = [
        "species by apparent height hold at this bias only"
        + (f" ({bias:+.3g} V)." if bias is not None else "; the bias is not known.")
    ]
    metadata = {**atoms.metadata, "polarity": side, "intensity_stands_for": "apparent height"}
    if bias is not None:
        metadata["bias_v"] = bias
    if tip is not None and len(tip.rows):
        listed = ", ".join(str(row) for row in tip.rows[:6])
        said.append(
            f"the tip changed at row(s) {listed}: heights and places before and after are not "
            "comparable."
        )
    atoms = atoms.with_changes(metadata=metadata, warnings=(*atoms.warnings, *said))
    height, height_sd = _heights(atoms, picture)
    return SurfaceAtoms(atoms, height, height_sd, level_scan(picture, atoms), tip)


def _heights(atoms: AtomicConfiguration, picture: xr.DataArray) -> tuple[Floats, Floats]:
    """Return apparent heights and their errors; widths are shared by all atoms of a picture.

    A common width makes height and intensity proportional, and their relative errors equal.
    """
    if atoms.n == 0 or atoms.width is None or atoms.intensity is None:
        return np.empty(0), np.empty(0)
    pixel = picture_frame(picture).pixel_size
    width = float(np.median(np.asarray(atoms.width))) / float(np.sqrt(pixel[0] * pixel[1]))
    area = 2 * np.pi * width**2
    sd = atoms.intensity_sd if atoms.intensity_sd is not None else np.full(atoms.n, np.nan)
    return np.asarray(atoms.intensity) / area, np.asarray(sd) / area


def _polarity(values: Floats) -> str:
    """Return the side to which the levelled picture is skewed at the scale of its bumps."""
    rough = values - np.median(values, axis=1, keepdims=True)
    x = np.arange(values.shape[1]) - 0.5 * (values.shape[1] - 1)
    rough = rough - (rough @ x / (x @ x))[:, None] * x
    best, where, chance = 0.0, 0.0, 1.0
    for scale in (1.0, 2.0, 4.0):
        band = ndimage.gaussian_filter(rough, scale)
        band = band - ndimage.gaussian_filter(rough, 4.0 * scale)
        limit = np.quantile(np.abs(band), 0.999)
        band = np.clip(band, -limit, limit)
        energy = float(band.var()) / scale
        if energy > best:
            skewness = float(
                np.mean((band - band.mean()) ** 3) / max(float(band.std()) ** 3, 1e-300)
            )
            best, where = energy, skewness
            # three standard errors of noise that is as smooth as this scale
            chance = 3.0 * float(np.sqrt(6.0 * 2.0 * np.pi * scale**2 / band.size))
    if abs(where) < max(SMALLEST_SKEWNESS, chance):
        raise NotIdentified(
            f"bumps and dents cannot be told apart (skewness {where:+.2f}): give polarity='bright' "
            "or polarity='dark'."
        )
    return "bright" if where > 0 else "dark"


def compare_biases(first: SurfaceAtoms, second: SurfaceAtoms) -> pd.DataFrame:
    """Match the atoms of one place at two biases and compare their apparent heights.

    Parameters
    ----------
    first, second
        Of ``find_surface_atoms``, already in one frame to within .4 of the nearest distance
        (``register_images``).

    Returns
    -------
    pandas.DataFrame
        One row an atom seen at both: x, y, height and sd at each bias, ``rank`` (share of atoms
        that are lower) at each bias, and ``z`` of the change of height against the mean change.

    Raises
    ------
    InputError
        For heights of different biases missing, or of one and the same bias.
    NotIdentified
        For fewer than 12 common atoms.

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image, StmSettings
    >>> one, two = (
    ...     find_surface_atoms(make_stm_image((96, 96), StmSettings(bias_v=v), rng=3).image)
    ...     for v in (-0.2, 1.0))
    >>> sorted(compare_biases(one, two).columns)[:2]
    ['height_first', 'height_first_sd']
    """
    biases = [found.atoms.metadata.get("bias_v") for found in (first, second)]
    if biases[0] is None or biases[1] is None or biases[0] == biases[1]:
        raise InputError(f"first and second must have two known biases; got {biases}.")
    a, b = first.atoms.positions, second.atoms.positions
    if min(len(a), len(b)) < FEWEST_PAIRS:
        raise NotIdentified(f"fewer than {FEWEST_PAIRS} atoms at one of the biases.")
    spacing = float(np.median(np.asarray(cKDTree(a).query(a, k=2)[0])[:, 1]))
    distance, near = map(np.asarray, cKDTree(b).query(a))
    mutual = np.asarray(cKDTree(a).query(b)[1])[near] == np.arange(len(a))
    kept = np.flatnonzero(mutual & (distance < NEAREST_SHARE * spacing))
    if len(kept) < FEWEST_PAIRS:
        raise NotIdentified(
            f"only {len(kept)} atoms stand at the same place at both biases: register first."
        )
    other = near[kept]
    change = second.height[other] - first.height[kept]
    sd = np.hypot(second.height_sd[other], first.height_sd[kept])

    def rank(values: Floats) -> Floats:
        order = np.empty(len(values))
        order[np.argsort(values)] = np.arange(len(values))
        return order / max(len(values) - 1, 1)

    return pd.DataFrame(
        {
            "x": a[kept, 0], "y": a[kept, 1],
            "height_first": first.height[kept], "height_first_sd": first.height_sd[kept],
            "height_second": second.height[other], "height_second_sd": second.height_sd[other],
            "rank_first": rank(first.height[kept]), "rank_second": rank(second.height[other]),
            "z": (change - np.median(change)) / sd,
        }
    )  # fmt: skip
