"""A file is what it holds, not what it is called."""

import numpy as np
import pytest
import tifffile

from physlearn.checks import InputError
from physlearn.datasets.reading.read_drive import read_drive
from physlearn.inputs import count_frames, cut_region, read_input


@pytest.fixture
def picture():
    return np.random.default_rng(3).normal(100, 10, (40, 50))


def test_npy_stack_is_a_video_and_rgb_is_not(tmp_path, picture):
    np.save(tmp_path / "film.npy", np.stack([picture] * 4))
    np.save(tmp_path / "colour.npy", np.stack([picture] * 3, axis=-1))
    assert count_frames(tmp_path / "film.npy") == 4
    assert count_frames(tmp_path / "colour.npy") == 1


def test_tiff_pages_count_and_colour_planes_do_not(tmp_path, picture):
    grey = picture.astype(np.uint8)
    tifffile.imwrite(tmp_path / "stack.dat", np.stack([grey] * 3), photometric="minisblack")
    rgb = np.stack([grey] * 3, axis=-1)
    tifffile.imwrite(tmp_path / "rgb.tif", rgb, photometric="rgb", compression="lzw")
    assert count_frames(tmp_path / "stack.dat") == 3
    assert count_frames(tmp_path / "rgb.tif") == 1


def test_gif_frames_count_whatever_the_name(tmp_path, picture):
    from PIL import Image

    frames = [Image.fromarray((picture + 20 * i).astype(np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / "movie.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "movie.gif").rename(tmp_path / "movie.png")
    assert count_frames(tmp_path / "movie.png") == 3


def test_files_with_a_menu_are_pictures_or_films_by_what_they_offer(tmp_path, picture):
    np.savez(tmp_path / "film.npz", stack=np.stack([picture] * 5))
    np.savez(tmp_path / "both.npz", stack=np.stack([picture] * 5), mean=picture)
    np.savez(tmp_path / "two.npz", height=picture, phase=-picture)
    counts = [count_frames(tmp_path / name) for name in ("film.npz", "both.npz", "two.npz")]
    assert counts == [5, 1, 1]
    assert read_input(tmp_path / "film.npz").dims == ("time", "y", "x")
    assert np.array_equal(read_input(tmp_path / "both.npz"), picture)
    assert np.array_equal(read_input(tmp_path / "two.npz", channel="phase"), -picture)
    with pytest.raises(InputError, match="0 height, 1 phase"):
        read_input(tmp_path / "two.npz")
    (tmp_path / "damaged.npz").write_bytes(b"no archive")
    assert count_frames(tmp_path / "damaged.npz") == 1
    with pytest.raises(InputError, match="cannot be read as NPZ"):
        read_input(tmp_path / "damaged.npz")


def test_missing_empty_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        count_frames(tmp_path / "absent.npy")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(InputError, match="empty"):
        count_frames(tmp_path / "empty.tif")
    with pytest.raises(InputError, match="folder"):
        count_frames(tmp_path)


def test_drive_needs_one_row_a_frame(tmp_path):
    table = tmp_path / "drive.csv"
    table.write_text("bias\n1.0\n2.0\n")
    np.testing.assert_array_equal(read_drive(table, 2)[0], [1.0, 2.0])
    with pytest.raises(InputError, match="one row a frame"):
        read_drive(table, 3)
    table.write_text("drive,note\n1.0,a\nx,b\n")
    with pytest.raises(InputError, match=r"column drive of drive\.csv holds 'x'"):
        read_drive(table, 2)


def test_a_drive_is_the_column_beside_time_or_the_one_called_drive(tmp_path):
    file = tmp_path / "drive.csv"
    file.write_text("bias_V,time_s\n1,0\n2,5\n")
    np.testing.assert_array_equal(read_drive(file, 2)[0], [1.0, 2.0])
    file.write_text("frame,field,drive\n0,9,1\n1,9,2\n")
    np.testing.assert_array_equal(read_drive(file, 2)[0], [1.0, 2.0])
    for header in ("frame,time_ms,bias", "time [s],frame number,bias_mV", "t (s),index,V"):
        file.write_text(f"{header}\n0,9,1\n1,9,2\n")
        np.testing.assert_array_equal(read_drive(file, 2)[0], [1.0, 2.0])
    file.write_text("bias_V,current_A\n1,0\n2,5\n")
    with pytest.raises(InputError, match="it has bias_V, current_A: rename one"):
        read_drive(file, 2)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("bias_V", "V"), ("bias (kV)", "kV"), ("bias [mV]", "mV"), ("drive_mV", "mV"), ("drive", ""),
     ("field_kV/cm", "kV/cm"), ("temperature (K)", "K"), ("tip_bias", ""), ("V", "")],
)  # fmt: skip
def test_the_drives_unit_stands_in_its_columns_name(tmp_path, name, unit):
    file = tmp_path / "drive.csv"
    file.write_text(f"time_s,{name}\n0,2.5\n1,-1\n")
    values, found = read_drive(file, 2)
    assert (values.tolist(), found) == ([2.5, -1.0], unit)


def test_a_film_carries_its_drives_unit(tmp_path):
    np.save(tmp_path / "film.npy", np.random.default_rng(0).normal(size=(3, 20, 20)))
    (tmp_path / "drive.csv").write_text("frame,note,drive_mV\n0,7,1\n1,7,2\n2,7,3\n")
    film = read_input(tmp_path / "film.npy", drive=tmp_path / "drive.csv")
    assert film.coords["drive"].attrs["units"] == "mV"
    assert film.coords["drive"].to_numpy().tolist() == [1.0, 2.0, 3.0]


def test_a_region_is_counted_in_the_pictures_pixels():
    import xarray as xr

    picture = xr.DataArray(np.arange(4800.0).reshape(60, 80), dims=("y", "x"))
    coarse = picture.coarsen(y=2, x=2).mean()
    region = (4, 44, 8, 48)
    np.testing.assert_array_equal(cut_region(picture, region, picture), picture[8:48, 4:44])
    np.testing.assert_array_equal(cut_region(coarse, region, picture), coarse[4:24, 2:22])
    with pytest.raises(InputError, match="inside the picture of 80 pixels along x"):
        cut_region(picture, (0, 90, 0, 40), picture)
    with pytest.raises(InputError, match="0:20 leaves 10 of 40"):
        cut_region(coarse, (0, 20, 0, 40), picture)
