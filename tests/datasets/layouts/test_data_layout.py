"""Files that keep: round trips, the schema, and what a file of another program lacks."""

import jsonschema
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import (
    check_layout,
    descriptor_terms,
    layout_schema,
    load_channels,
    read_channels,
    required_metadata,
    save_channels,
    save_table,
)
from physlearn.datasets.layouts.data_layout import describe_layout, layout_problems
from physlearn.records import PatchTable

METADATA = {
    "dose_e_per_angstrom2": 0.0, "dwell_time_s": 2e-3, "temperature_k": 293.0,
    "history": "as recorded", "frame_of_reference": "x is the fast axis, y points down",
}  # fmt: skip
NOTHING = dict.fromkeys(required_metadata(), "not recorded")


def scan(rng=0):
    rng = np.random.default_rng(rng)
    shape = (6, 5)
    values = rng.normal(size=shape)
    values[2, 3] = np.nan
    axes = {"y": ("y", 0.5 * np.arange(6), {"units": "nm"}),
            "x": ("x", 0.25 * np.arange(5), {"units": "nm"})}  # fmt: skip
    units = {"units": "nm"}
    return xr.Dataset(
        {
            "HeightRetrace": (("y", "x"), values, {**units, "warnings": ("a", "b"), "n": 3}),
            "count": (("y", "x"), rng.integers(0, 9, shape), {"units": "1"}),
            "single": (("y", "x"), values.astype(np.float32), {"units": "V"}),
            "response": (("y", "x"), values + 1j * values[::-1], {"units": "V"}),
            "good": (("y", "x"), values > 0, {"units": "1"}),
            "loop": (("y", "x", "Voltage"), rng.normal(size=(6, 5, 4)), {"units": "a.u."}),
        },
        coords={**axes, "Voltage": ("Voltage", np.arange(4.0), {"units": "V"}),
                "wave": ("Voltage", ["a", "b", "ä", ""], {"units": "1"})},
        attrs={"source": "made here", "absent": ("bias",), "known": None},
    )  # fmt: skip


def test_round_trip_loses_nothing(tmp_path):
    given = scan()
    save_channels(tmp_path / "scan.nc", given, METADATA)
    back = load_channels(tmp_path / "scan.nc")
    for name in given.variables:
        assert back[name].dtype == given[name].dtype or name == "wave"
        assert back[name].dims == given[name].dims
        np.testing.assert_array_equal(back[name].to_numpy(), given[name].to_numpy())
        for key, value in given[name].attrs.items():
            assert back[name].attrs[key] == value
    assert {k: back.attrs[k] for k in given.attrs} == given.attrs
    assert {k: back.attrs[k] for k in METADATA} == METADATA
    np.testing.assert_allclose(back.attrs["pixel_size"], [0.25, 0.5])
    assert back.HeightRetrace.attrs["controlled_name"] == "height_retrace"
    assert "controlled_name" not in given.HeightRetrace.attrs  # the user's data are left alone
    assert check_layout(tmp_path / "scan.nc") == []
    save_channels(tmp_path / "again.nc", back, {})
    xr.testing.assert_identical(load_channels(tmp_path / "again.nc"), back)


def test_an_old_packing_does_not_round_the_numbers(tmp_path):
    data = scan()[["single"]]
    data.single.encoding = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1}
    save_channels(tmp_path / "scan.nc", data, METADATA)
    back = load_channels(tmp_path / "scan.nc")
    np.testing.assert_array_equal(back.single.to_numpy(), data.single.to_numpy())


def test_schema_is_sound_and_a_file_fits_it(tmp_path):
    jsonschema.Draft202012Validator.check_schema(layout_schema())
    save_channels(tmp_path / "scan.nc", scan(), METADATA)
    with xr.open_dataset(tmp_path / "scan.nc", engine="h5netcdf") as opened:
        description = describe_layout(opened)
    jsonschema.validate(description, layout_schema())
    for name in required_metadata():
        short = {**description, "metadata": dict(description["metadata"])}
        del short["metadata"][name]
        assert [name in text and "is missing" in text for text in layout_problems(short)] == [True]


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("dwell_time_s", -1.0), ("dwell_time_s", "long ago"), ("temperature_k", -3),
        ("dose_e_per_angstrom2", -1), ("history", ""), ("pixel_size_unit", 3),
        ("temperature_k", float("nan")),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused(tmp_path, entry, value):
    with pytest.raises(InputError, match=r"metadata|fit"):
        save_channels(tmp_path / "scan.nc", scan(), {**METADATA, entry: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", METADATA)
def test_what_is_said_nowhere_must_be_said_to_be_unknown(tmp_path, name):
    short = {key: value for key, value in METADATA.items() if key != name}
    with pytest.raises(InputError, match=rf"{name}.*not recorded"):
        save_channels(tmp_path / "scan.nc", scan(), short)
    save_channels(tmp_path / "scan.nc", scan(), {**short, name: "not recorded"})
    assert load_channels(tmp_path / "scan.nc").attrs[name] == "not recorded"


def test_metadata_may_not_contradict_the_data(tmp_path):
    with pytest.raises(InputError, match=r"pixel_size.*agree"):
        save_channels(tmp_path / "a.nc", scan(), {**METADATA, "pixel_size": [0.3, 0.5]})
    data = scan()
    data.single.attrs["dwell_time_s"] = 1.0
    with pytest.raises(InputError, match=r"dwell_time_s.*agree"):
        save_channels(tmp_path / "a.nc", data, METADATA)
    data["count"].attrs["dwell_time_s"] = 2.0
    short = {key: value for key, value in METADATA.items() if key != "dwell_time_s"}
    with pytest.raises(InputError, match="contradict"):
        save_channels(tmp_path / "a.nc", data, short)


def test_channels_that_do_not_fit_are_refused(tmp_path):
    def picture(shape, **attrs):
        return xr.DataArray(np.zeros(shape), dims=("y", "x"), attrs=attrs)

    good = picture((4, 4), units="1")
    cases = [
        ({"a": good, "b": picture((5, 4), units="1")}, "one grid"),
        ({"a": picture((4, 4))}, "units"),
        ({"a/b": good}, "slash"),
        ({"complex_part": good}, "complex_part"),
        ({"a": good.assign_attrs({"": "x"})}, "netCDF can hold"),
        ({"a": good.assign_attrs(shape=np.ones((2, 2)))}, "attributes must be"),
        ({}, "at least one"),
        ({"a": xr.DataArray([["x"]], dims=("y", "x"), attrs={"units": "1"})}, "numbers"),
        (3.0, "mapping"),
        ({"a": xr.DataArray(np.zeros((2, 2, 2)), dims=("y", "x", "bias"), attrs={"units": "1"},
                            coords={"bias": [0.0, 1.0]})}, "coordinate bias"),
    ]  # fmt: skip
    for channels, said in cases:
        with pytest.raises(InputError, match=said):
            save_channels(tmp_path / "a.nc", channels, NOTHING)


def test_a_file_of_another_program_is_told_what_it_lacks(tmp_path):
    xr.Dataset({"height": (("y", "x"), np.zeros((3, 3)))}).to_netcdf(
        tmp_path / "foreign.nc", engine="h5netcdf"
    )
    text = " ".join(check_layout(tmp_path / "foreign.nc"))
    for name in (*required_metadata(), "layout", "kind", "coordinates/y", "height/units"):
        assert name in text
    with pytest.raises(InputError, match="check_layout"):
        load_channels(tmp_path / "foreign.nc")
    (tmp_path / "words.nc").write_text("no HDF5")
    for reads in (check_layout, load_channels):
        with pytest.raises(InputError, match="words"):
            reads(tmp_path / "words.nc")
        with pytest.raises(FileNotFoundError):
            reads(tmp_path / "absent.nc")


def test_a_patch_table_keeps_everything_in_the_same_layout(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"composition": rng.random(9), "phase": rng.random(9), "mine": rng.random(9)}
    )
    centers = np.stack(np.divmod(np.arange(9.0), 3), axis=1)
    table = PatchTable(
        frame, centers, 1.0, unit="nm", units={"phase": "deg"},
        tiers={"composition": 0, "phase": 2}, measurement_covariance=0.1 * np.eye(3)[None],
        overlap=0.5, flags={"phase": "no signal above its noise"},
        derived={"mine": ("phase",)}, errors_unknown=("mine",),
        metadata={"channels": ["phase"], "seed": 3},
    )  # fmt: skip
    save_table(tmp_path / "patches.nc", table, NOTHING)
    assert check_layout(tmp_path / "patches.nc") == []
    back = PatchTable.load(tmp_path / "patches.nc")
    pd.testing.assert_frame_equal(back.frame, table.frame)
    for name in ("units", "tiers", "derived", "flags", "errors_unknown", "overlap", "selection"):
        assert getattr(back, name) == getattr(table, name)
    np.testing.assert_array_equal(back.measurement_covariance, table.measurement_covariance)
    assert back.metadata["dwell_time_s"] == "not recorded"
    assert back.metadata["seed"] == 3
    with xr.open_dataset(tmp_path / "patches.nc", engine="h5netcdf") as opened:
        assert opened.column_phase.attrs["controlled_name"] == "channel_mean"
        assert opened.column_mine.attrs["controlled_name"] == "none"
        formula = descriptor_terms().set_index("name").loc["composition", "formula"]
        assert opened.column_composition.attrs["formula"] == formula
    table.save(tmp_path / "plain.nc")
    assert any("dwell_time_s is missing" in text for text in check_layout(tmp_path / "plain.nc"))
    with pytest.raises(InputError, match="not recorded"):
        save_table(tmp_path / "patches.nc", table, {})


@pytest.mark.parametrize(
    "name", ["pfm_pto_pmnpt/PTO_Funakubo0001.h5", "beps_pto_loops/BEPS_PTO_50x50.h5"]
)
def test_real_scans_survive(public_file, tmp_path, name):
    given = read_channels(public_file(name))
    said = {key: value for key, value in NOTHING.items() if not key.startswith("pixel_size")}
    first = next(iter(given.data_vars.values()))
    said = {key: value for key, value in said.items() if key not in first.attrs}
    assert any("dwell_time_s is missing" in text for text in check_layout(public_file(name)))
    save_channels(tmp_path / "kept.nc", given, said)
    back = load_channels(tmp_path / "kept.nc")
    assert check_layout(tmp_path / "kept.nc") == []
    for channel in given.data_vars:
        np.testing.assert_array_equal(back[channel].to_numpy(), given[channel].to_numpy())
        assert given[channel].attrs.items() <= back[channel].attrs.items()
