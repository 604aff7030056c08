"""Every pixel descriptor keeps what its term says it keeps: turns, shifts, brightness, offset."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.descriptors.pixel_blocks import pixel_blocks
from physlearn.datasets.descriptors.vocabulary import find_term

EDGE = 32
GROUPS = ("moments", "texture", "periodicity", "radial", "polar_fourier")
POINTS = np.array([[-4.0, -2.3], [4.0, -2.3], [0.0, 4.6], [0.0, 0.3]])
PLACE = PatchPlaces(np.array([[15.5, 15.5]]), float(EDGE), "pixel")
# a square of pixels sees a turned motif through other corners: share of the value that may differ
LOOSE = {
    "radial_power": 0.1,
    "skewness": 0.01,
    "symmetry": 0.12,
    "crystallinity": 0.15,
    "sharpness": 0.06,
    "anisotropy": 0.1,
}


def values(angle=0.0, shift=(0.0, 0.0), scale=1.0, offset=0.0, mirror=False):
    """Return name -> value of a drawn motif: nothing is interpolated."""
    points = POINTS - POINTS.mean(axis=0)
    if mirror:
        points = points * np.array([-1.0, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y, x = np.mgrid[:EDGE, :EDGE] - 0.5 * (EDGE - 1)
    strength = np.array([1.0, 1.0, 1.6, 1.0])
    picture = sum(
        w * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / 1.7**2)
        for w, (a, b) in zip(strength, points @ turn.T + np.array(shift), strict=True)
    )
    channel = xr.DataArray(scale * picture + offset, dims=("y", "x"), attrs={"units": "V"})
    (block,) = pixel_blocks("h", channel, PLACE, GROUPS)
    return dict(zip(block.names, block.values[0], strict=True))


CHANGES = {
    "rotation": ({"angle": 0.4}, {"angle": 2.2}),
    "shift": ({"shift": (0.9, -0.6)}, {"shift": (-1.2, 0.5)}),
    "intensity scale": ({"scale": 5.0},),
    "intensity offset": ({"offset": 40.0},),
    "mirror image": ({"mirror": True},),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_descriptors_keep_what_their_terms_say(change, oracle):
    before = values()
    held = 0
    for settings in CHANGES[change]:
        after = values(**settings)
        for name, value in before.items():
            term = find_term(name, ("h",))
            assert term is not None, name
            if change not in term.invariant_under:
                continue
            held += 1
            # one scale for all coefficients of a kind: small ones are held to the large
            kind = [abs(each) for other, each in before.items()
                    if find_term(other, ("h",)) is term]  # fmt: skip
            size = max(*kind, 0.05) if len(kind) > 1 else max(abs(value), 0.05)
            oracle(f"{name} under {change}", error=abs(after[name] - value) / size,
                   bound=LOOSE.get(term.name, 0.02))  # fmt: skip
    assert held > 4


def test_brightness_moves_what_it_should():
    before, after = values(), values(scale=5.0)
    assert after["h_local_variance"] == pytest.approx(25 * before["h_local_variance"], rel=1e-3)
    assert after["h_polar_fourier_1"] == pytest.approx(5 * before["h_polar_fourier_1"], rel=1e-3)
    assert after["h"] == pytest.approx(5 * before["h"])
