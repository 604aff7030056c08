"""Pictures of spectra by pixel."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physlearn.report.drawing import BLUE, RED, get_axes, unit_label

__all__ = ["plot_spectra"]


def plot_spectra(spectra: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw the robust spectrum of a field with its error, and the plain mean for comparison.

    Parameters
    ----------
    spectra
        Dims (y, x, axis), real, of at least 4 pixels.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For complex spectra, or where no pixel is sound.

    Examples
    --------
    >>> from physlearn.datasets import make_spectra
    >>> loops = make_spectra("loops", (12, 12), rng=1).spectra
    >>> [line.get_label() for line in plot_spectra(loops).get_lines()]
    ['median of sound pixels', 'mean of all pixels']
    """
    from physlearn.datasets import robust_spectrum

    found = robust_spectrum(spectra)
    dim = str(found["median"].dims[0])
    axis = found.coords[dim]
    x = axis.to_numpy()
    middle, sd = found["median"].to_numpy(), found["median_sd"].to_numpy()
    mean = found["mean"].to_numpy()
    ax = get_axes(ax, (5.4, 3.6))
    ax.fill_between(x, middle - 2 * sd, middle + 2 * sd, color=BLUE, alpha=0.25, lw=0)
    ax.plot(x, middle, color=BLUE, lw=1.8, label="median of sound pixels")
    ax.plot(x, mean, color=RED, lw=1.0, ls="--", label="mean of all pixels")
    # a mean that spikes rule would hide the median that says something
    room = 3.0 * max(float(np.ptp(middle)), 1e-300)
    low, high = float(middle.min()) - room, float(middle.max()) + room
    ax.set_ylim(max(low, float(min(mean.min(), middle.min())) - 0.05 * room),
                min(high, float(max(mean.max(), middle.max())) + 0.05 * room))  # fmt: skip
    ax.set_xlabel(unit_label(dim.replace("_", " "), str(axis.attrs.get("units", "1"))))
    name = str(spectra.name or "response").replace("_", " ")
    ax.set_ylabel(unit_label(name, str(spectra.attrs.get("units", "1"))))
    ax.legend(loc="best")
    return ax
