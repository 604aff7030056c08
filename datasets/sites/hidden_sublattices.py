"""Sublattices too dim to be found column by column: they show in the average of all cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.datasets.sites.site_frame import SiteFrame, site_spacing
from physlearn.datasets.sites.site_picture import SitePicture

__all__ = ["add_hidden_sublattices"]

Floats = NDArray[np.float64]
STEPS = 24
SMALLEST_Z = 10.0
SMALLEST_SHARE = 0.015
"""Amplitude of a hidden sublattice in units of the brightest one's."""
CLOSEST = 0.35
"""Closest place to a known sublattice, in units of the shorter lattice vector."""
FEWEST_CELLS = 30
FOOT_WIDTHS = 2.5
"""A misfit of the profile's shape is largest 2 widths from its column."""


def add_hidden_sublattices(
    frame: SiteFrame, picture: SitePicture, warnings: list[str]
) -> SiteFrame:
    """Return the frame with the sites of dim sublattices that the cell average shows."""
    anchor = frame.sublattice == 0
    if anchor.sum() < FEWEST_CELLS:
        return frame
    amplitude, variance = picture.amplitude_map()
    bright = float(
        np.exp(np.median(picture.columns[frame.column[anchor & (frame.column >= 0)], 2]))
    )
    phases = frame.phases
    steps = (np.arange(STEPS) + 0.5) / STEPS
    trial = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    z, mean = _folded(trial, frame, picture, amplitude, variance)
    length = min(np.hypot(*frame.vectors[0]), np.hypot(*frame.vectors[1]))
    off = trial[:, None, :] - phases
    near = np.hypot(*np.moveaxis((off - np.round(off)) @ frame.vectors, 2, 0)).min(axis=1)
    width = float(np.median(picture.widths) * np.sqrt(np.prod(picture.scale)))
    free = near > max(CLOSEST * length, FOOT_WIDTHS * width)
    if not free.any():
        return frame
    # tails of the bright columns lift every place between them alike
    floor = float(np.median(mean[free]))
    dim = mean - floor < np.maximum(SMALLEST_SHARE * bright, 0.3 * mean)
    z[~free | dim] = -np.inf
    best = int(np.argmax(z))
    if not z[best] > SMALLEST_Z:
        return frame
    # a profile that is not round leaves lobes at its columns' feet: the way up leads there
    if not free[_summit(mean, best)]:
        warnings.append(
            "the average of all cells shows lobes beside the columns, whose profile is not the "
            "fitted one (tilt, astigmatism, scan jitter): no dim sublattice can be told from them."
        )
        return frame
    phase = _climb(trial[best], frame, picture, amplitude, variance)
    known = phase - phases
    if np.hypot(*((known - np.round(known)) @ frame.vectors).T).min() < CLOSEST * length:
        return frame
    warnings.append(
        f"sublattice {len(phases)} is too dim to be found column by column; the average of "
        f"all cells shows it ({mean[best] / bright:.0%} of the brightest, {z[best]:.0f} "
        "standard errors)."
    )
    return _with_phase(frame, phase, picture)


def _summit(mean: Floats, place: int) -> int:
    """Return the place of the cell that the steepest way up ends at."""
    cell = mean.reshape(STEPS, STEPS)
    steps = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)])
    for _ in range(STEPS):
        around = (np.array(divmod(place, STEPS)) + steps) % STEPS
        highest = around[np.argmax(cell[around[:, 0], around[:, 1]])]
        now = int(highest[0] * STEPS + highest[1])
        if mean[now] <= mean[place]:
            break
        place = now
    return place


def _places(frame: SiteFrame, phase: Floats) -> Floats:
    """Return where a place of the cell lies in each cell whose anchor site is in view."""
    anchor = np.flatnonzero(frame.sublattice == 0)
    shift = (phase - frame.phases[0]) @ frame.vectors
    return np.asarray(frame.predicted[anchor] + shift)


def _folded(
    trial: Floats, frame: SiteFrame, picture: SitePicture, amplitude: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    """Return z and mean of one more column's amplitude at each place of the cell."""
    z, mean = np.empty(len(trial)), np.empty(len(trial))
    rows, columns = amplitude.shape
    for k, phase in enumerate(trial):
        where = picture.to_pixel(_places(frame, phase))[:, ::-1]
        inside = np.all(where > 3, axis=1) & np.all(where < np.array([rows, columns]) - 4, axis=1)
        seen = ndimage.map_coordinates(amplitude, where[inside].T, order=1)
        weight = 1.0 / ndimage.map_coordinates(variance, where[inside].T, order=1)
        mean[k] = (seen * weight).sum() / weight.sum()
        # the scatter of the cells themselves, not only the pixel noise
        spread = np.sqrt(max(1.0, np.mean((seen - mean[k]) ** 2 * weight)) / weight.sum())
        z[k] = mean[k] / spread
    return z, mean


def _climb(
    phase: Floats, frame: SiteFrame, picture: SitePicture, amplitude: Floats, variance: Floats
) -> Floats:
    """Return the place of the local maximum of the folded amplitude."""
    step = 0.5 / STEPS
    for _ in range(6):
        around = phase + step * np.array([[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)])
        z, _ = _folded(around, frame, picture, amplitude, variance)
        best = int(np.argmax(z))
        phase = around[best]
        if best == 4:
            step *= 0.5
    return np.asarray(phase)


def _with_phase(frame: SiteFrame, phase: Floats, picture: SitePicture) -> SiteFrame:
    """Return the frame with one more sublattice; its sites are predicted from the anchor's."""
    anchor = np.flatnonzero(frame.sublattice == 0)
    # the mean of the nearest anchor sites' own predictions carries the local distortion
    ideal = (frame.indices[anchor] + frame.phases[0]) @ frame.vectors
    goals = (frame.indices[anchor] + phase) @ frame.vectors
    known = frame.predicted[anchor] - ideal
    near = np.asarray(cKDTree(ideal).query(goals, k=3)[1])
    predicted = goals + known[near].mean(axis=1)
    inside = np.all(predicted > frame.predicted.min(axis=0), axis=1)
    inside &= np.all(predicted < frame.predicted.max(axis=0), axis=1)
    chosen = np.flatnonzero(inside)
    n = len(chosen)
    own, left = _claim(
        frame, predicted[chosen], picture, np.concatenate([frame.phases, phase[None]])
    )
    return replace(
        frame,
        off_lattice=left,
        phases=np.concatenate([frame.phases, phase[None]]),
        indices=np.concatenate([frame.indices, frame.indices[anchor][chosen]]),
        sublattice=np.concatenate(
            [frame.sublattice, np.full(n, len(frame.phases), dtype=np.int64)]
        ),
        predicted=np.concatenate([frame.predicted, predicted[chosen]]),
        covariance=np.concatenate([frame.covariance, frame.covariance[anchor][near[chosen, 0]]]),
        column=np.concatenate([frame.column, own]),
    )


def _claim(
    frame: SiteFrame, places: Floats, picture: SitePicture, phases: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the column that stands on each new site, or -1, and those that stand on none."""
    own = np.full(len(places), -1, dtype=np.int64)
    free = frame.off_lattice
    if len(free) == 0 or len(places) == 0:
        return own, free
    found = cKDTree(places).query(picture.to_unit(picture.columns[free, :2]))
    distance, site = np.asarray(found[0]), np.asarray(found[1])
    reach = 0.3 * site_spacing(frame.vectors, phases)
    claimed = np.zeros(len(free), dtype=np.bool_)
    for k in np.argsort(distance):
        if distance[k] > reach:
            break
        if own[site[k]] < 0:
            own[site[k]], claimed[k] = free[k], True
    return own, free[~claimed]
