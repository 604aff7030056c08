"""The menu of channels: every kind of file keeps its values, units and what it says of itself."""

import json

import h5py
import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import list_channels, read_channels, read_image, read_video
from physlearn.datasets.reading import picture_frame


@pytest.fixture
def picture():
    return np.random.default_rng(0).normal(size=(24, 30)).astype(np.float32)


def write_nsid(path, picture, x_unit="m"):
    """Write two channels as pyNSID does: dimensions x, y in this order, scales attached."""
    with h5py.File(path, "w") as file:
        for number, (name, unit) in enumerate((("Height", "m"), ("Phase", "deg"))):
            group = file.create_group(f"Measurement_000/Channel_{number}/{name}")
            data = group.create_dataset(name, data=picture.T * (number + 1))
            data.attrs.update(
                quantity=name, units=unit, main_data_name=name, data_type="IMAGE",
                DIMENSION_LABELS=np.array(["x", "y"], dtype=h5py.string_dtype()),
            )  # fmt: skip
            for place, (axis, n) in enumerate((("x", 30), ("y", 24))):
                scale = group.create_dataset(axis, data=np.arange(n) * 2e-9)
                scale.attrs.update(units=x_unit if number == 0 else "deg", name=axis)
                scale.make_scale(axis)
                data.dims[place].attach_scale(scale)
            said = group.create_group("original_metadata")
            said.attrs.update({"Sample Bias": "0.5 V", "Temperature": "77 K", "ScanRate": 1.5})


def test_nsid_keeps_orientation_units_and_conditions(tmp_path, picture):
    write_nsid(tmp_path / "a.h5", picture)
    menu = list_channels(tmp_path / "a.h5")
    assert menu["name"].tolist() == ["Height", "Phase"]
    assert menu["kind"].tolist() == ["picture", "picture"]
    scan = read_channels(tmp_path / "a.h5")
    assert np.array_equal(scan["Height"], picture)
    assert np.array_equal(scan["Phase"], 2 * picture)
    assert scan["Height"].dims == ("y", "x")
    assert (scan.x.attrs["units"], float(scan.x[1])) == ("nm", pytest.approx(2.0))
    assert scan["Phase"].attrs["units"] == "deg"
    assert scan["Height"].attrs["bias_v"] == 0.5
    assert scan["Height"].attrs["temperature_k"] == 77.0
    assert scan["Height"].attrs["absent"] == ("dwell time", "dose")
    assert any("states deg along x of Phase" in note for note in scan.attrs["warnings"])
    image = read_image(tmp_path / "a.h5", channel="Phase")
    assert np.array_equal(image, 2 * picture)
    assert json.loads(image.attrs["metadata"])["ScanRate"] == 1.5


@pytest.mark.parametrize("link", ["DIMENSION_LIST", "DIMENSION_LABELS"])
@pytest.mark.parametrize("damaged", [-1, [1.5, 2.5, 3.5], "x", np.zeros((2, 2))])
def test_damaged_links_to_the_axes_leave_pixels_counted(tmp_path, picture, link, damaged):
    """libhdf5's own look-up of scales ends the process on such a file."""
    write_nsid(tmp_path / "a.h5", picture)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["Measurement_000/Channel_0/Height/Height"].attrs[link] = damaged
    for number in (0, 1):
        read = read_image(tmp_path / "a.h5", channel=number)
        assert sorted(read.shape) == [24, 30]
        sent = np.sort(picture * (number + 1), axis=None)
        assert np.array_equal(np.sort(read, axis=None), sent)


def test_an_axis_without_numbers_is_refused(tmp_path, picture):
    write_nsid(tmp_path / "a.h5", picture)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for number, name in enumerate(("Height", "Phase")):
            file[f"Measurement_000/Channel_{number}/{name}/x"][:] = np.nan
    with pytest.raises(InputError, match="gives Height"):
        read_channels(tmp_path / "a.h5")


def test_no_channel_is_chosen_silently(tmp_path, picture):
    write_nsid(tmp_path / "a.h5", picture)
    with pytest.raises(InputError, match=r"holds 2 channels; name one .*0 Height, 1 Phase"):
        read_image(tmp_path / "a.h5")
    for wrong in ("Heigth", 2, -1, True):
        with pytest.raises(InputError, match="channel must be"):
            read_image(tmp_path / "a.h5", channel=wrong)
    with pytest.raises(InputError, match="holds picture of shape"):
        read_video(tmp_path / "a.h5", channel="Height")


def test_numbers_and_names_of_the_menu_are_taken(tmp_path, picture):
    write_nsid(tmp_path / "two.h5", picture)
    menu = list_channels(tmp_path / "two.h5")
    for column in ("channel", "name"):
        read = [read_image(tmp_path / "two.h5", channel=one) for one in menu[column]]
        assert np.allclose(read[1].to_numpy(), 2 * read[0].to_numpy())


def test_usid_is_unfolded_along_its_dimensions(tmp_path):
    loops = np.random.default_rng(1).normal(size=(17, 20, 5))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        file["Measurement_000"].attrs["Temperature"] = "25 C"
        data = group.create_dataset("Raw_Data", data=loops.reshape(340, 5))
        data.attrs.update(quantity="Response", units="a.u.")
        columns, rows = np.tile(np.arange(20), 17), np.repeat(np.arange(17), 20)
        tables = {
            "Position_Indices": (np.stack([columns, rows], 1), ["X", "Y"], ["um", "um"]),
            "Position_Values": (np.stack([columns, rows], 1) * 0.1, ["X", "Y"], ["um", "um"]),
            "Spectroscopic_Indices": (np.arange(5)[None], ["Bias"], ["V"]),
            "Spectroscopic_Values": (np.linspace(-2, 2, 5)[None], ["Bias"], ["V"]),
        }
        for name, (values, labels, units) in tables.items():
            item = group.create_dataset(name, data=values)
            item.attrs["labels"] = np.array(labels, dtype=h5py.string_dtype())
            item.attrs["units"] = np.array(units, dtype=h5py.string_dtype())
            data.attrs[name] = item.ref
    scan = read_channels(tmp_path / "a.h5")
    assert np.array_equal(scan["Response"], loops)
    assert scan["Response"].dims == ("y", "x", "Bias")
    assert np.allclose(scan.Bias, np.linspace(-2, 2, 5))
    assert scan.x.attrs["units"] == "um"
    assert float(scan.x[1]) == pytest.approx(0.1)
    assert scan["Response"].attrs["temperature_k"] == pytest.approx(298.15)


def test_npz_netcdf_and_zarr(tmp_path, picture):
    np.savez(tmp_path / "a.npz", haadf=picture, dwell_time_us=np.array(4.0), label="no picture")
    image = read_image(tmp_path / "a.npz")
    assert np.array_equal(image, picture)
    assert image.attrs["dwell_time_s"] == pytest.approx(4e-6)
    assert image.attrs["absent"] == ("scale", "dose", "bias", "temperature")
    coords = {
        "y": ("y", np.arange(24) * 0.5, {"units": "angstrom"}),
        "x": ("x", np.arange(30) * 0.5, {"units": "angstrom"}),
    }
    data = xr.DataArray(
        picture, dims=("y", "x"), coords=coords, name="haadf", attrs={"units": "counts"}
    )
    data.attrs["beam_current"] = "30 pA"
    data.attrs["dwell_time"] = "10 us"
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    data.astype(np.float64).to_netcdf(tmp_path / "b.nc", engine="scipy")
    for name in ("a.nc", "b.nc"):
        image = read_image(tmp_path / name)
        assert np.allclose(image, picture)
        assert (image.x.attrs["units"], float(image.x[2])) == ("angstrom", 1.0)
        # 30 pA for 10 us on 0.25 square angstrom
        dose = 30e-12 * 10e-6 / 1.602176634e-19 / 0.25
        assert image.attrs["dose_e_per_angstrom2"] == pytest.approx(dose)
    pytest.importorskip("zarr")
    data.to_dataset().to_zarr(tmp_path / "a.zarr", consolidated=False)
    image = read_image(tmp_path / "a.zarr")
    assert np.allclose(image, picture)
    assert (image.x.attrs["units"], float(image.x[2])) == ("angstrom", 1.0)


def test_films_keep_their_time(tmp_path, picture):
    film = np.stack([picture + shift for shift in range(4)])
    np.savez(tmp_path / "a.npz", film=film)
    video = read_video(tmp_path / "a.npz")
    assert np.allclose(video, film)
    assert video.time.attrs["units"] == "frame"
    xr.DataArray(
        film, dims=("time", "y", "x"), name="film",
        coords={"time": ("time", np.arange(4) * 20.0, {"units": "ms"})},
    ).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")  # fmt: skip
    video = read_video(tmp_path / "a.nc", drive=[0, 1, 0, 1])
    assert (video.time.attrs["units"], float(video.time[1])) == ("s", pytest.approx(0.02))
    assert video.drive.to_numpy().tolist() == [0, 1, 0, 1]
    with pytest.raises(InputError, match="holds no picture, but film"):
        read_image(tmp_path / "a.nc")


def test_other_grids_are_left_out_and_named(tmp_path, picture):
    np.savez(tmp_path / "a.npz", one=picture, two=-picture, small=picture[:20])
    scan = read_channels(tmp_path / "a.npz")
    assert list(scan) == ["one", "two"]
    assert any("small stands on another grid" in note for note in scan.attrs["warnings"])
    with pytest.raises(InputError, match=r"small of .* another grid than one"):
        read_channels(tmp_path / "a.npz", ["one", "small"])
    assert list(read_channels(tmp_path / "a.npz", ["small"])) == ["small"]
    with pytest.raises(InputError, match="must be a list"):
        read_channels(tmp_path / "a.npz", "one")


def cut(path, n):
    path.write_bytes(path.read_bytes()[:n])


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".nc", ".dm4", ".emd", ".mrc", ".ibw", ".gwy",
                                    ".sxm", ".hspy", ".ser", ".3ds", ".gsf"])  # fmt: skip
def test_renamed_and_empty_files_get_one_sentence(tmp_path, suffix):
    path = tmp_path / f"renamed{suffix}"
    for content, words in ((b"this is no such file " * 100, "cannot be read as"), (b"", "empty")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            read_image(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        list_channels(path)
    path.mkdir()
    with pytest.raises(InputError, match="folder"):
        list_channels(path)


def test_truncated_arrays_get_one_sentence(tmp_path, picture):
    write_nsid(tmp_path / "a.h5", picture)
    cut(tmp_path / "a.h5", 4000)
    np.savez(tmp_path / "a.npz", picture)
    cut(tmp_path / "a.npz", 1000)
    xr.DataArray(picture, dims=("y", "x"), name="p").to_netcdf(tmp_path / "a.nc", engine="scipy")
    cut(tmp_path / "a.nc", 600)
    for name in ("a.h5", "a.npz", "a.nc"):
        with pytest.raises(InputError, match="cannot be read as") as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)


def test_pickles_are_not_opened(tmp_path, picture):
    np.savez(tmp_path / "a.npz", objects=np.array([{}, 1], dtype=object))
    with pytest.raises(InputError, match="may run code"):
        read_image(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", objects=np.array([{}, 1], dtype=object), fine=picture)
    assert np.array_equal(read_image(tmp_path / "b.npz"), picture)


def test_files_without_pictures_say_so(tmp_path, picture):
    np.savez(tmp_path / "a.npz", line=np.arange(50.0))
    with pytest.raises(InputError, match="no array of two or more dimensions"):
        list_channels(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", picture)
    with pytest.raises(InputError, match="read one picture with read_image"):
        list_channels(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", wave=picture + 1j)
    with pytest.raises(InputError, match="real numbers"):
        read_image(tmp_path / "b.npz")


def test_huge_channels_are_refused_from_their_header(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("big", shape=(20000, 20000), dtype=np.uint8, chunks=(1000, 1000))
    monkeypatch.setattr(picture_frame, "free_memory_bytes", lambda: 10**9)
    assert list_channels(tmp_path / "huge.h5")["shape"].tolist() == [(20000, 20000)]
    with pytest.raises(InputError, match=r"20000 x 20000 pixels and needs 12\.8 GB"):
        read_image(tmp_path / "huge.h5")


def test_public_nsid_files_are_read_with_units(public_file):
    scan = read_channels(public_file("pfm_pto_pmnpt/PMN28Pt0000.h5"))
    assert list(scan) == [
        "HeightRetrace", "AmplitudeRetrace", "DeflectionRetrace", "PhaseRetrace"
    ]  # fmt: skip
    assert [scan[name].attrs["units"] for name in scan] == ["m", "m", "m", "deg"]
    assert scan.x.attrs["units"] == "nm"
    assert float(scan.x[-1]) == pytest.approx(4000.0)
    loops = read_channels(public_file("beps_pto_loops/BEPS_PTO_50x50.h5"))
    piezo = loops["Piezoresponse"]
    assert piezo.dims == ("y", "x", "Voltage")
    assert piezo.shape == (50, 50, 64)
    assert (loops.Voltage.attrs["units"], float(loops.Voltage.max())) == ("V", 8.5)
    assert float(loops.x[-1]) == pytest.approx(2000.0)
    # the mean loop is spoiled by spikes, the median loop switches between -3 and 5.5 V
    median = piezo.median(("y", "x")).to_numpy()
    assert np.abs(median).max() < 1e-4
    assert float(np.abs(piezo).max()) > 3e-3


def test_stated_conditions_beside_an_npy(public_file):
    image = read_image(public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    assert image.attrs["beam_energy_kev"] == 60.0
    assert image.attrs["beam_current_pa"] == 30.0
    assert image.attrs["absent"] == ("dwell time", "dose", "bias", "temperature")
    assert json.loads(image.attrs["metadata"])["material_type"] == "1% V-doped MoS2 monolayer"
    assert float(image.x[1]) == pytest.approx(9.0 / 512)
