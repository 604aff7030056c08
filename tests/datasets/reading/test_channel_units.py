"""Lengths in every spelling of their unit are the same lengths."""

from pathlib import Path

import numpy as np
import pytest

from physlearn.datasets.reading.channel import Axis, Channel, channel_array

NM = {"nm": 1.0, "um": 1e3, "angstrom": 0.1}
SPELT = {
    "nm": 1.0, "nanometer": 1.0, "Å": 0.1, "\u212b": 0.1, "angstrom": 0.1, "Angstroms": 0.1,
    "A": 0.1, "ang": 0.1, "pm": 1e-3, "m": 1e9, "mm": 1e6, "µm": 1e3, "\u03bcm": 1e3, "um": 1e3,
    "micron": 1e3, "microns": 1e3, "micrometer": 1e3,
}  # fmt: skip


def lengths(unit_x, unit_y):
    """Return pixel sizes along x and y in nm of steps of 2.5 in these units."""
    axes = (Axis("y", 2.5 * np.arange(20.0), unit_y), Axis("x", 2.5 * np.arange(30.0), unit_x))
    picture = channel_array(Channel("height", axes, lambda: np.ones((20, 30))), Path("a.nc"))
    return [
        float(picture[dim].diff(dim).mean()) * NM[picture[dim].attrs["units"]] for dim in ("x", "y")
    ]


@pytest.mark.parametrize(("unit", "nm"), SPELT.items())
def test_a_length_is_the_same_in_every_unit(unit, nm):
    assert lengths(unit, unit) == pytest.approx([2.5 * nm] * 2, rel=1e-12)


@pytest.mark.parametrize(("x", "y"), [("nm", "Å"), ("Å", "nm"), ("um", "angstrom"), ("pm", "µm")])
def test_axes_in_two_units_keep_their_lengths(x, y):
    assert lengths(x, y) == pytest.approx([2.5 * SPELT[x], 2.5 * SPELT[y]], rel=1e-12)
