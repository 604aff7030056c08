"""A film opened frame by frame holds what the reader of whole films reads."""

import h5py
import numpy as np
import pytest
import tifffile
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import open_stack, read_video
from physlearn.datasets.reading import frame_reader
from physlearn.datasets.reading.frame_reader import FrameReader, array_reader


@pytest.fixture
def film():
    return np.random.default_rng(3).integers(0, 4000, (7, 20, 24)).astype(np.uint16)


def same(stack, whole):
    assert stack.shape == whole.shape
    for k in (0, 6, 3, 3):
        np.testing.assert_array_equal(stack.frames[k], whole.to_numpy()[k])
        assert stack.frames[k].flags.writeable
    np.testing.assert_array_equal(stack.times, whole["time"].to_numpy())
    for dim in ("time", "y", "x"):
        np.testing.assert_array_equal(stack.template[dim].to_numpy(), whole[dim].to_numpy())
        assert stack.template[dim].attrs["units"] == whole[dim].attrs["units"]
    assert stack.template.attrs == whole.attrs


@pytest.mark.parametrize("kind", ["npy", "tif", "paged.tif", "big.tif", "h5"])
def test_files_give_the_frames_and_words_of_read_video(tmp_path, film, kind):
    path = tmp_path / f"film.{kind}"
    if kind == "npy":
        np.save(path, film)
    elif kind == "tif":
        tifffile.imwrite(path, film, photometric="minisblack")
    elif kind == "paged.tif":
        tifffile.imwrite(path, film, photometric="minisblack", compression="zlib")
    elif kind == "big.tif":
        tifffile.imwrite(path, film.astype(">u2"), byteorder=">", photometric="minisblack")
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("film", data=film, chunks=(3, 20, 24), compression="gzip")
    same(open_stack(path), read_video(path))


def test_zarr_with_axes_and_units(tmp_path, film):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "film.zarr", mode="w")
    item = group.create_array("film", data=film[:, ::-1], chunks=(2, 20, 24),
                              dimension_names=("time", "y", "x"))  # fmt: skip
    item.attrs["units"] = "V"
    for name, values in (("y", np.arange(20)[::-1] * 0.5), ("x", np.arange(24) * 0.5),
                         ("time", np.arange(7) * 2.0)):  # fmt: skip
        axis = group.create_array(name, data=values.astype(float), dimension_names=(name,))
        axis.attrs["units"] = "s" if name == "time" else "nm"
    whole = read_video(tmp_path / "film.zarr", channel="film")
    stack = open_stack(tmp_path / "film.zarr", channel="film")
    same(stack, whole)
    assert stack.frames.chunk == 2
    np.testing.assert_array_equal(stack.frames[2], film[2].astype(float))


def test_arrays_in_parts_and_functions(film):
    dask = pytest.importorskip("dask.array")
    lazy = dask.from_array(film, chunks=(3, 20, 24))
    labelled = xr.DataArray(lazy.transpose(1, 0, 2), dims=("y", "time", "x"))
    for source in (film, lazy, labelled):
        stack = open_stack(source)
        np.testing.assert_array_equal(stack.frames[np.array([1, 6])], film[[1, 6]].astype(float))
    function = open_stack(lambda k: film[k], shape=film.shape, frame_interval_s=0.5)
    np.testing.assert_array_equal(function.picture(4), film[4])
    assert function.time_unit == "s"
    assert function.times[-1] == 3.0


def test_one_block_is_held_and_each_chunk_is_read_once(film, monkeypatch):
    asked = []

    def read(first, last):
        asked.append((first, last))
        return film[first:last]

    reader = FrameReader(read, film.shape, chunk=3)
    for k in range(7):
        reader[k]
    assert asked == [(0, 3), (3, 6), (6, 7)]
    monkeypatch.setattr(frame_reader, "MOST_HELD_BYTES", 2 * 8 * 20 * 24)
    assert array_reader(film).chunk == 1
    assert FrameReader(read, film.shape, chunk=5).chunk == 2


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (3, {}, "path, an array"),
        (np.zeros((20, 20)), {}, "frames"),
        (np.zeros((3, 20, 20), complex), {}, "real numbers"),
        (lambda k: np.zeros((20, 20)), {}, "shape must say"),
        (np.zeros((3, 20, 20)), {"pixel_size": (0.2, "inch")}, "unit of y"),
        (np.zeros((3, 20, 20)), {"pixel_size": 0.2}, "length and its unit"),
        (np.zeros((3, 20, 20)), {"frame_interval_s": 0}, "frame_interval_s"),
        ("film.avi", {}, "does not exist"),
        (np.zeros((3, 20, 20)), {"channel": 1}, "channel names one of a file's"),
        (np.zeros((3, 20, 20)), {"shape": (3, 20, 20)}, "what a function returns"),
        (lambda k: np.zeros((20, 20)), {"shape": (0, 20, 20)}, "at least 1"),
    ],
)
def test_what_is_no_stack_is_refused(source, options, said):
    with pytest.raises(InputError, match=said):
        open_stack(source, **options)


def test_frames_of_another_shape_and_truncated_files_are_refused(tmp_path, film):
    stack = open_stack(lambda k: film[k] if k < 3 else film[k][:4], shape=film.shape)
    with pytest.raises(InputError, match="frames 3 to 3"):
        stack.frames[3]
    path = tmp_path / "film.npy"
    np.save(path, film)
    stack = open_stack(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    with pytest.raises(InputError, match="truncated"):
        stack.frames[6]
    with pytest.raises(InputError, match=r"film\.npy"):
        open_stack(path)
