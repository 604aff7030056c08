"""What makes a channel an angle, and where it is decided."""

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets.channels.angles import angle_period, angle_with_unit
from physlearn.datasets.channels.given_channels import channel_items


def degrees(unit=None):
    """Directions about the jump at half a turn."""
    attrs = {} if unit is None else {"units": unit}
    return xr.DataArray([[-170.0, 170.0], [160.0, -150.0]], dims=("y", "x"), attrs=attrs)


@pytest.mark.parametrize(
    ("unit", "turn"),
    [("deg", 360.0), ("°", 360.0), ("Grad", 360.0), ("grad", 400.0), ("gon", 400.0),
     ("mrad", 2000 * np.pi), ("Radians", 2 * np.pi), ("turn", 1.0), ("V", None), ("pm", None)],
)  # fmt: skip
def test_a_full_turn_in_every_unit(unit, turn):
    found = angle_period(degrees(unit))
    assert found == (None if turn is None else pytest.approx(turn))


def test_a_name_makes_an_angle_once():
    found, said = angle_with_unit("phase", degrees())
    assert (found.attrs["units"], angle_period(found)) == ("deg", 360.0)
    assert "phase has no unit" in said
    small, _ = angle_with_unit("phase", degrees() / 60.0)
    assert small.attrs["units"] == "rad"
    for name, channel in (("phase", degrees("V")), ("height", degrees()), ("phase", degrees("°"))):
        same, nothing = angle_with_unit(name, channel)
        assert same is channel
        assert nothing is None


def test_channels_of_a_mapping_know_their_name():
    assert angle_period(degrees()) is None
    assert angle_period(channel_items({"phase": degrees()})["phase"]) == 360.0
