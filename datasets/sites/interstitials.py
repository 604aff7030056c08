"""Columns that stand on no site: neither pieces of a site's column nor lobes of its profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import ndtr
from scipy.stats import chi2

from physlearn.datasets.sites.amplitude_mixture import OTHER_RANGE
from physlearn.datasets.sites.site_decisions import select_discoveries
from physlearn.datasets.sites.site_frame import SiteFrame
from physlearn.datasets.sites.site_picture import SitePicture, with_only
from physlearn.records import AtomicConfiguration

__all__ = ["find_interstitials"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
EDGE_WIDTHS = 1.0
OWN_WIDTHS, PIECE_WIDTHS = 1.5, 2.5
"""Within the first a column is part of the site's own; within the second, where both together are
nearer to a full column than the site's alone."""
FEWEST_SUMMITS = 20
MANY, SHATTERED = 0.02, 0.1
"""Shares of sites with pieces beside them above which it is said, and nothing can be told."""


def find_interstitials(
    atoms: AtomicConfiguration, frame: SiteFrame, picture: SitePicture, rate: float,
    warnings: list[str],
) -> tuple[NDArray[np.int64], Floats]:  # fmt: skip
    """Return columns that stand on no site, and how improbable that is for a site's column.

    Three ways not to be one: it may stand on its site, it may be dim enough for noise, or for the
    misfit of the sites' columns, which the other summits of their residual show.
    """
    off = frame.off_lattice
    if len(off) == 0 or len(frame.predicted) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0)
    positions = atoms.positions[off, :2]
    near = cKDTree(frame.predicted).query(positions)[1]
    miss = positions - frame.predicted[near]
    covariance = frame.covariance[near]
    if atoms.position_covariance is not None:
        covariance = covariance + atoms.position_covariance[off, :2, :2]
    square = np.einsum("ni,nij,nj->n", miss, np.linalg.inv(covariance), miss)
    p = chi2.sf(square, 2)
    place = picture.to_pixel(positions)
    rows, columns = picture.image.shape
    margin = EDGE_WIDTHS * float(np.median(picture.widths))
    inside = np.all(place >= margin, axis=1) & (place[:, 0] <= columns - 1 - margin)
    inside &= place[:, 1] <= rows - 1 - margin
    if atoms.intensity_sd is not None and atoms.intensity is not None:
        # a column as dim as noise makes one is none
        real = ndtr(-atoms.intensity[off] / np.maximum(atoms.intensity_sd[off], 1e-300))
        p = np.maximum(p, real)
    p = np.maximum(p, _misfit(place, frame, picture))
    pieces = _pieces(atoms, frame, picture)
    p[pieces | _too_dim(atoms, frame)] = 1.0
    if pieces.sum() > MANY * len(frame.predicted):
        shattered = pieces.sum() > SHATTERED * len(frame.predicted)
        if shattered:
            p[:] = 1.0
        warnings.append(
            f"{int(pieces.sum())} columns are pieces of a site's column beside them, not "
            "interstitials: the rows are shifted against each other (correct_scan first) or the "
            "columns are not round." + (" No interstitial is named." if shattered else "")
        )
    # every column was asked whether it stands on its site
    everyone = np.concatenate([p, np.ones(max(atoms.n - len(p), 0))])
    chosen = select_discoveries(everyone, rate)[: len(p)] & inside
    return off[chosen], p[chosen]


def _full(atoms: AtomicConfiguration, frame: SiteFrame) -> Floats:
    """Return the intensity of a full column of each sublattice, NaN where it has none."""
    assert atoms.intensity is not None  # noqa: S101 -- find_vacancies has checked it
    columns = [frame.column[(frame.sublattice == k) & (frame.column >= 0)]
               for k in range(len(frame.phases))]  # fmt: skip
    return np.array([np.median(atoms.intensity[own]) if len(own) else np.nan for own in columns])


def _too_dim(atoms: AtomicConfiguration, frame: SiteFrame) -> Flags:
    """Return which columns off the lattice are dimmer than any other species may be."""
    full = _full(atoms, frame)
    if atoms.intensity is None or not np.isfinite(full).any():
        return np.zeros(len(frame.off_lattice), dtype=np.bool_)
    least = OTHER_RANGE[0] * np.nanmin(full)
    return np.asarray(atoms.intensity[frame.off_lattice] < least)


def _pieces(atoms: AtomicConfiguration, frame: SiteFrame, picture: SitePicture) -> Flags:
    """Return which of the columns off the lattice are parts of a site's own column."""
    own, off = frame.column[frame.column >= 0], frame.off_lattice
    if len(own) == 0 or atoms.intensity is None:
        return np.zeros(len(off), dtype=np.bool_)
    part = frame.sublattice[frame.column >= 0]
    full = _full(atoms, frame)[part]
    place = picture.to_pixel(atoms.positions[:, :2])
    distance, near = cKDTree(place[own]).query(place[off])
    alone = atoms.intensity[own[near]] / full[near]
    both = alone + atoms.intensity[off] / full[near]
    apart = np.asarray(distance) / picture.widths[own[near]].clip(np.median(picture.widths))
    joined = (apart < PIECE_WIDTHS) & (np.abs(both - 1.0) < np.abs(alone - 1.0))
    return np.asarray((apart < OWN_WIDTHS) | joined)


def _misfit(place: Floats, frame: SiteFrame, picture: SitePicture) -> Floats:
    """Return how often the residual of the sites' columns alone has a summit as high.

    The tail of all summits off the sites is continued exponentially from its upper quarter and
    tenth (the tail of maxima); interstitials are taken to be less than a tenth of the summits.
    """
    own = frame.column[frame.column >= 0]
    rest = with_only(picture, own)
    amplitude = rest.amplitude_map()[0]
    width = float(np.median(picture.widths))
    size = 2 * max(1, round(width)) + 1
    highest = ndimage.maximum_filter(amplitude, size)
    summit = np.argwhere(amplitude == highest)[:, ::-1].astype(np.float64)
    margin = EDGE_WIDTHS * width
    far = np.array(amplitude.shape[::-1]) - 1 - margin
    inside = np.all((summit >= margin) & (summit <= far), axis=1)
    apart = np.asarray(cKDTree(picture.to_pixel(frame.predicted)).query(summit)[0])
    summit = summit[inside & (apart > OWN_WIDTHS * width)].astype(np.int64)
    if len(summit) < FEWEST_SUMMITS:
        return np.zeros(len(place))
    heights = amplitude[summit[:, 1], summit[:, 0]]
    middle, upper = np.quantile(heights, (0.75, 0.9))
    at = np.clip(np.round(place).astype(np.int64), 0, np.array(amplitude.shape[::-1]) - 1)
    steps = (highest[at[:, 1], at[:, 0]] - upper) / max(float(upper - middle), 1e-300)
    return np.asarray(np.minimum(1.0, 0.1 * 0.4 ** np.maximum(steps, -3.0)))
