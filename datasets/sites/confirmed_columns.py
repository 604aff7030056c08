"""Columns that detection missed and their lattice sites show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.sites.site_frame import SiteFrame, lay_out_sites
from physlearn.datasets.sites.site_picture import SitePicture, with_columns

__all__ = ["confirmed_columns"]

Floats = NDArray[np.float64]
SMALLEST_LOG_ODDS = 3.0
SMALLEST_Z = 2.5
FEWEST_SHARE = 0.02
"""Below this share of the sites the missed columns change nothing."""


def confirmed_columns(
    frame: SiteFrame, picture: SitePicture, evidence: Floats, amplitudes: Floats
) -> tuple[SiteFrame, SitePicture] | None:
    """Return frame and picture with the columns that detection missed, or None where there are few.

    A missed column counts when its site is likelier full than empty by e^3. With them the places of
    their neighbours are predicted better, and their light is taken for no background.
    """
    significant = amplitudes[:, 2] > SMALLEST_Z * amplitudes[:, 3]
    missed = (frame.column < 0) & (evidence[:, 0] > SMALLEST_LOG_ODDS) & significant
    if missed.sum() < max(FEWEST_SHARE * len(missed), 1):
        return None
    known = frame.column >= 0
    n = len(picture.columns)
    chosen = np.flatnonzero(missed)
    width = np.empty(len(frame.phases))
    for part in range(len(frame.phases)):
        mine = frame.column[known & (frame.sublattice == part)]
        width[part] = np.median(picture.columns[mine, 3]) if len(mine) else np.median(
            picture.columns[:, 3]
        )  # fmt: skip
    new = np.column_stack(
        [amplitudes[chosen, :2], np.log(np.maximum(amplitudes[chosen, 2], 1e-300)),
         width[frame.sublattice[chosen]]]
    )  # fmt: skip
    wider = with_columns(picture, new)
    column = frame.column.copy()
    column[chosen] = n + np.arange(len(chosen))
    on = column >= 0
    rows, length = picture.image.shape
    corners = picture.to_unit(np.array([[0.0, 0.0], [length - 1.0, rows - 1.0]]))
    laid = lay_out_sites(
        wider.to_unit(wider.columns[:, :2]), (*corners[0], *corners[1]),
        (frame.vectors, frame.offset, frame.phases),
        (frame.indices[on], frame.sublattice[on], column[on]),
    )  # fmt: skip
    return replace(laid, off_lattice=frame.off_lattice), wider
