"""How many independent frames a film of a crystal is worth, wave by wave."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.crystals.crystal_sites import CrystalSites
from physlearn.inference.crystals.wave_vectors import cell_number, cells_of, row_form

__all__ = ["aligned_fields", "bond_changes", "frame_variance", "wave_frames"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
N_BANDS = 8
SIGNIFICANT = 3.0
"""Standard errors of a correlation below which longer lags are not looked at."""
SAME = 0.3
"""Correlation of two frames from which on their sites are named anew to fit."""
PADDING = 4


def wave_frames(wave: NDArray[Any], softness: Float) -> Float:
    """Return the independent frames (q,) that amplitudes (frames, q, D) are worth.

    A mean square over n frames of correlation rho(l) varies as one over n / (1 + 2 sum (1 - l / n)
    rho(l)^2) independent frames; rho is pooled over bands of waves, from soft to stiff.
    """
    n = len(wave)
    worth = np.full(wave.shape[1], float(n))
    if n == 1:
        return worth
    for band in np.array_split(np.argsort(softness), min(N_BANDS, len(softness))):
        if len(band):
            # real and imaginary parts are two numbers
            flat = np.ascontiguousarray(wave[:, band]).reshape(n, -1).view(np.float64)
            worth[band] = n / frame_variance(flat)
    return worth


def frame_variance(field: Float, stride: int = 1) -> float:
    """Return the variance of a mean square over frames, over that of independent frames.

    ``field`` (frames, m), nan where not seen; ``stride``: of which frames every so many-th is kept.
    """
    n = len(field)
    seen = np.isfinite(field)
    filled = np.where(seen, field, 0.0)
    kept = -(-n // stride)
    total = 1.0
    for lag in range(stride, n, stride):
        both = seen[lag:] & seen[:-lag]
        count = int(both.sum())
        if count == 0:
            break
        cross = float((filled[lag:] * filled[:-lag]).sum())
        early = float((filled[:-lag] ** 2)[both].sum())
        late = float((filled[lag:] ** 2)[both].sum())
        correlation = cross / max(np.sqrt(early * late), 1e-300)
        if correlation < SIGNIFICANT / np.sqrt(count):
            break
        total += 2.0 * (1.0 - lag / stride / kept) * correlation**2
    return total


def aligned_fields(sites: list[CrystalSites]) -> tuple[Float, Int]:
    """Return displacements (frames, cells, b, d), nan where no atom was seen, and the grid's form.

    The name of a site is known up to a lattice vector (a film drifts): frames whose displacements
    then agree with the frame before are named as that one.
    """
    first = sites[0]
    if first.periods is not None:
        form = row_form(first.periods)
    else:
        extent = np.max([np.ptp(s.indices, axis=0) for s in sites], axis=0)
        form = np.diag(extent + PADDING).astype(np.int64)
    pairs = _pairs(first, form)
    steps = np.array(list(product((-1, 0, 1), repeat=first.dimension)))
    steps = steps[np.argsort(np.abs(steps).sum(axis=1), kind="stable")]
    fields = [_on_grid(first, np.zeros(first.dimension, dtype=np.int64), form)]
    shift = np.zeros(first.dimension, dtype=np.int64)
    for one in sites[1:]:
        before = _changes(fields[-1], pairs)
        tried = [_on_grid(one, shift + step, form) for step in steps]
        alike = [_likeness(before, _changes(field, pairs)) for field in tried]
        best = int(np.argmax(alike)) if max(alike) > SAME else 0
        shift = shift + steps[best]
        fields.append(tried[best])
    return np.stack(fields), form


def bond_changes(sites: CrystalSites, fields: Float, form: Int) -> Float:
    """Return how bonds of the first shell differ from the lattice's, shape (frames, m).

    All waves count alike in them, in displacements the longest ones count most.
    """
    pairs = _pairs(sites, form)
    return np.stack([_changes(field, pairs).ravel() for field in fields])


def _pairs(sites: CrystalSites, form: Int) -> list[tuple[int, int, Int]]:
    """Bonds of the first shell: atoms of the cell, and the cell of the second atom."""
    cells, kind = cells_of(form), sites.kind
    return [
        (b, int(other), cell_number(cells + step, form))
        for b in range(kind.n_basis)
        for step, other in zip(*kind.shells(b, 1)[0], strict=True)
        if (*step, other - b) > (*np.zeros_like(step), 0)  # each bond once
    ]


def _changes(field: Float, pairs: list[tuple[int, int, Int]]) -> Float:
    return np.stack([field[cell, other] - field[:, b] for b, other, cell in pairs])


def _likeness(one: Float, two: Float) -> float:
    both = np.isfinite(one) & np.isfinite(two)
    if not both.any():
        return 0.0
    x, y = one[both], two[both]
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _on_grid(sites: CrystalSites, shift: Int, form: Int) -> Float:
    """Displacements (cells, b, d) by site."""
    field = np.full((len(cells_of(form)), sites.kind.n_basis, sites.dimension), np.nan)
    field[cell_number(sites.indices + shift, form), sites.basis] = sites.displacement
    return field
