"""What a study of a picture refuses before it looks for atoms."""

import numpy as np
import pytest
import xarray as xr

from physlearn.findings import Findings, run_steps
from physlearn.steps_atoms import ATOM_STEPS

FIND = ATOM_STEPS[:1]


CASES = [
    (3.9, "nm", True),
    (0.0039, "um", True),
    (0.6, "nm", True),
    (0.02, "nm", False),
    (0.2, "angstrom", False),
    (9.0, "pixel", False),
]


@pytest.mark.parametrize(("pixel", "unit", "refused"), CASES)
def test_no_atoms_are_seen_in_pixels_wider_than_one(pixel, unit, refused):
    places = pixel * np.arange(48.0)
    image = xr.DataArray(np.random.default_rng(1).normal(5, 1, (48, 48)),
                         {"y": places, "x": places}, ("y", "x"))  # fmt: skip
    for axis in "xy":
        image[axis].attrs["units"] = unit
    (note,) = run_steps(FIND, Findings("a", 1, image=image)).notes
    assert ("wide" in note.reason) == refused
    if refused:
        assert note.status == "could not"
        assert "find_walls" in note.reason
