"""Figure and table of ``can_my_microscope_see_it.md``: ``python docs/figures.py envelope``."""

from __future__ import annotations

from matplotlib.figure import Figure

from physlearn.datasets import OperatingEnvelope, operating_envelope
from physlearn.plots import plot_envelope

CONDITIONS = {
    "counts": [100, 300, 1000, 3000, 10_000], "pixel_size": 0.2, "width": 0.5,
    "spacing": [1.6, 2.0, 2.5, 3.5], "weak": 0.4, "displacement": 0.1,
}  # fmt: skip
N_SIMULATED = 10


def envelope() -> OperatingEnvelope:
    """Return the envelope of the page: two species on a square lattice, lengths in angstrom."""
    return operating_envelope(**CONDITIONS, verify=N_SIMULATED, rng=2026)  # type: ignore[arg-type]


def envelope_figure() -> Figure:
    """Draw what can be told over dose and spacing, with simulated pictures."""
    figure = plot_envelope(envelope(), against="spacing")
    for ax in figure.axes:  # the page's lengths are in angstrom; the function's, in any one unit
        if ax.get_ylabel() == "spacing":
            ax.set_ylabel("spacing (Å)")
    return figure
