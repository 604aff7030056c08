"""What hyperspy and sidpy hold in memory comes over with values, units and metadata."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import as_image, find_atoms, make_stm_image

VALUES = np.random.default_rng(1).normal(size=(20, 30))


class Tree:
    def __init__(self, content):
        self.content = content

    def as_dictionary(self):
        return self.content


class Signal:
    """As hyperspy lays a signal out: axes in the order of the array."""

    def __init__(self, data, axes, metadata=None):
        self.data = data
        self.axes_manager = Tree({f"axis-{k}": axis for k, axis in enumerate(axes)})
        self.metadata = Tree(metadata or {})


class Dimension(np.ndarray):
    """As sidpy's: values with a name and units."""

    @classmethod
    def of(cls, values, name, units):
        made = np.asarray(values, float).view(cls)
        made.name, made.units = name, units
        return made

    @property
    def values(self):
        return np.asarray(self)


class Dataset(np.ndarray):
    """As sidpy's: an array with dimensions, quantity and units."""


def a_dataset(values, dimensions, units="nA"):
    made = np.asarray(values).view(Dataset)
    made.quantity, made.units, made.title, made.metadata = "current", units, "scan", {"bias": 0.1}
    made._axes = dict(enumerate(dimensions))
    return made


def step(name, scale, unit, size, offset=0.0):
    return {"name": name, "scale": scale, "offset": offset, "units": unit, "size": size}


def test_a_hyperspy_picture_keeps_values_scale_unit_title_and_metadata():
    told = {"General": {"title": "HAADF"}, "Signal": {"quantity": "Intensity (Counts)"},
            "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}}}  # fmt: skip
    signal = Signal(VALUES, [step("y", 0.02, "nm", 20, 1.0), step("x", 0.02, "nm", 30)], told)
    picture = as_image(signal)
    np.testing.assert_array_equal(picture, VALUES)
    assert picture.dims == ("y", "x")
    np.testing.assert_allclose(picture.y, 1.0 + 0.02 * np.arange(20))
    assert (picture.x.attrs["units"], picture.attrs["units"]) == ("nm", "Counts")
    assert picture.attrs["channel"] == "HAADF"
    assert "200" in str(picture.attrs["metadata"])


def test_a_stack_and_a_spectrum_image_have_their_axes():
    frames = Signal(
        np.zeros((4, 20, 30)),
        [step("time", 0.5, "s", 4), step("y", 1.0, "nm", 20), step("x", 1.0, "nm", 30)],
    )
    film = as_image(frames)
    assert film.dims == ("time", "y", "x")
    assert float(film.time[1]) == 0.5
    spectra = Signal(
        np.zeros((20, 30, 50)),
        [step("y", 1.0, "nm", 20), step("x", 1.0, "nm", 30), step("Energy loss", 0.5, "eV", 50)],
    )
    cube = as_image(spectra)
    assert cube.dims[:2] == ("y", "x")
    assert cube[cube.dims[2]].attrs["units"] == "eV"


def test_a_sidpy_dataset_keeps_dimensions_and_units():
    dimensions = [
        Dimension.of(0.1 * np.arange(n), name, "nm") for name, n in (("y", 20), ("x", 30))
    ]
    picture = as_image(a_dataset(VALUES, dimensions))
    np.testing.assert_array_equal(picture, VALUES)
    assert (picture.attrs["units"], picture.x.attrs["units"]) == ("nA", "nm")
    np.testing.assert_allclose(picture.x, 0.1 * np.arange(30))
    assert picture.attrs["channel"] == "scan"


def test_what_comes_over_is_taken_by_the_estimators():
    made = make_stm_image((96, 96), rng=3).image
    scale = float(made.x[1] - made.x[0])
    unit = made.x.attrs["units"]
    signal = Signal(made.to_numpy(), [step("y", scale, unit, 96), step("x", scale, unit, 96)])
    ours, theirs = find_atoms(made), find_atoms(as_image(signal))
    assert theirs.n == ours.n
    assert theirs.unit == ours.unit


def test_a_data_array_comes_back_and_strangers_are_refused():
    picture = xr.DataArray(VALUES, dims=("y", "x"))
    assert as_image(picture) is picture
    with pytest.raises(InputError, match="got ndarray"):
        as_image(VALUES)
    with pytest.raises(InputError, match="one axis for each dimension"):
        as_image(Signal(VALUES, [step("y", 1.0, "nm", 20)]))
    with pytest.raises(InputError, match=r"lengths \[19, 30\]"):
        as_image(Signal(VALUES, [step("y", 1.0, "nm", 19), step("x", 1.0, "nm", 30)]))
