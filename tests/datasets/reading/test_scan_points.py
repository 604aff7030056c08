"""Samples on no grid, the picture made of them, and when each pixel was taken."""

import h5py
import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import grid_scan_points, pixel_times, read_scan_points


def spiral(n=6000, radius=16.0, pitch=0.4, rng=None, noise=0.0):
    """Return x, y, t, value along an Archimedean spiral over a plane wave."""
    turns = radius / pitch
    phase = np.sqrt(np.linspace(0, 1, n))
    x = 16 + radius * phase * np.cos(2 * np.pi * turns * phase)
    y = 16 + radius * phase * np.sin(2 * np.pi * turns * phase)
    value = np.sin(x / 2) + 0.5 * np.cos(y / 3)
    if rng is not None:
        value = value + rng.normal(0, noise, n)
    return x, y, np.arange(n) * 1e-5, value


def test_every_kind_of_file_holds_the_same_samples(tmp_path):
    x, y, t, value = spiral(500)
    np.save(tmp_path / "a.npy", np.stack([x, y, t, value], 1))
    np.savez(tmp_path / "a.npz", x=x, y=y, t=t, value=value, unit="nm", bias_v=0.3)
    table = "\n".join(f"{a!r},{b!r},{c!r},{d!r}" for a, b, c, d in zip(
        x.tolist(), y.tolist(), t.tolist(), value.tolist(), strict=True))  # fmt: skip
    (tmp_path / "a.csv").write_text("# unit: nm\nx,y,t,value\n" + table + "\n")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in (("x", x), ("y", y), ("time", t), ("value", value)):
            file.create_dataset(name, data=values)
        file["x"].attrs["units"] = "nm"
        file.attrs["bias_v"] = 0.3
    for name in ("a.npy", "a.npz", "a.csv", "a.h5"):
        points = read_scan_points(tmp_path / name, unit="nm" if name == "a.npy" else None)
        assert np.array_equal(points.x, x)
        assert np.array_equal(points["value"], value)
        assert np.array_equal(points.time, t)
        assert points.x.attrs["units"] == "nm"
        assert points.attrs["dwell_time_s"] == pytest.approx(1e-5)
        assert ("bias" in points.attrs["absent"]) == (name in ("a.npy", "a.csv"))


def test_bad_samples_get_one_sentence(tmp_path):
    x, y, t, value = spiral(500)
    cases = {
        "no x or y": ({"x": x, "value": value}, "y missing"),
        "no value": ({"x": x, "y": y, "t": t}, "0 value"),
        "few": ({"x": x[:5], "y": y[:5], "v": y[:5]}, "5 samples"),
        "back": ({"x": x, "y": y, "t": t[::-1], "v": value}, "must not go back"),
        "nan": ({"x": x, "y": y, "v": np.where(t > 0, value, np.nan)}, "finite"),
    }
    for name, (arrays, words) in cases.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=words) as caught:
            read_scan_points(path)
        assert path.name in str(caught.value)
    np.save(tmp_path / "five.npy", np.zeros((20, 5)))
    with pytest.raises(InputError, match="5 columns without names"):
        read_scan_points(tmp_path / "five.npy")
    (tmp_path / "a.dat").write_text("1")
    with pytest.raises(InputError, match="no kind"):
        read_scan_points(tmp_path / "a.dat")
    points = read_scan_points_of(x, y, value, tmp_path)
    assert points.attrs["absent"][:2] == ("scale", "dwell time")
    assert any("no times" in note for note in points.attrs["warnings"])


def read_scan_points_of(x, y, value, folder):
    np.savez(folder / "fine.npz", x=x, y=y, value=value)
    return read_scan_points(folder / "fine.npz")


def test_gridding_says_what_it_interpolated(tmp_path, oracle):
    rng = np.random.default_rng(2)
    x, y, t, value = spiral(9000, pitch=0.9, rng=rng, noise=0.05)
    np.savez(tmp_path / "a.npz", x=x, y=y, t=t, current=value, unit="nm")
    points = read_scan_points(tmp_path / "a.npz")
    grid = grid_scan_points(points, 0.5)
    truth = np.sin(grid.x / 2) + 0.5 * np.cos(grid.y / 3)
    error = (grid.image - truth.transpose("y", "x")).to_numpy()
    measured = grid.filled.to_numpy() == 0
    between = grid.filled.to_numpy() == 1
    assert measured.sum() + between.sum() + (grid.filled == 2).sum() == grid.filled.size
    # a pixel of n samples has noise .05 / sqrt(n); samples lie off its centre by up to .35,
    # where the wave's slope is at most .5
    assert np.abs(error[measured]).max() < 5 * 0.05 + 0.5 * 0.36
    scaled = error[measured] * np.sqrt(grid.n_samples.to_numpy()[measured]) / 0.05
    assert np.median(np.abs(scaled)) < 2.0
    oracle("interpolated pixels, sd of the wave", error=np.std(error[between]), bound=0.1)
    corner = grid.filled.to_numpy()[0, 0]
    assert corner == 2  # a round scan holds no corners
    share = 100 * np.mean(measured)
    assert any(f"{share:.1f} % of the pixels hold samples" in n for n in grid.attrs["warnings"])
    assert grid.image.x.attrs["units"] == "nm"
    assert np.isnan(grid.time.to_numpy()[~measured]).all()
    middle = np.nanmin(grid.time.to_numpy())  # the spiral starts in the middle
    row, column = np.argwhere(grid.time.to_numpy() == middle)[0]
    assert abs(row - 32) <= 1
    assert abs(column - 32) <= 1


def test_gridding_refuses_what_makes_no_picture(tmp_path):
    x, y, _, value = spiral(2000)
    np.savez(tmp_path / "a.npz", x=x, y=y, one=value, two=value)
    points = read_scan_points(tmp_path / "a.npz")
    with pytest.raises(InputError, match="name one of one, two"):
        grid_scan_points(points, 1.0)
    with pytest.raises(InputError, match="at least 16 x 16"):
        grid_scan_points(points, 5.0, value="one")
    with pytest.raises(InputError, match="needs"):
        grid_scan_points(points, 1e-5, value="one")
    with pytest.raises(InputError, match="must be a dataset"):
        grid_scan_points(x, 1.0)
    assert grid_scan_points(points, 1.0, value="two").image.attrs["channel"] == "two"


def test_times_of_pixels():
    image = xr.DataArray(
        np.zeros((3, 4)), dims=("y", "x"),
        attrs={"dwell_time_s": 1e-6, "flyback_time_s": 5e-6, "scan_direction": "down"},
    )  # fmt: skip
    times = pixel_times(image)
    rows, columns = np.mgrid[:3, :4]
    assert np.allclose(times, rows * 9e-6 + columns * 1e-6, atol=1e-15)
    assert times.attrs["warnings"] == ()
    image.attrs |= {"scan_direction": "up", "line_time_s": 20e-6}
    times = pixel_times(image)
    assert np.allclose(times, (2 - rows) * 20e-6 + columns * 1e-6, atol=1e-15)
    image.attrs["fast_direction"] = "left"
    assert np.allclose(pixel_times(image), (2 - rows) * 20e-6 + (3 - columns) * 1e-6, atol=1e-15)
    # what the caller says overrides the file
    assert np.allclose(pixel_times(image, flyback_time_s=0).to_numpy()[0, 0], 8e-6 + 3e-6)
    with pytest.raises(NotIdentified, match="how long a pixel takes"):
        pixel_times(np.zeros((3, 4)))
    with pytest.raises(NotIdentified, match="0 where there is no fly-back"):
        pixel_times(np.zeros((3, 4)), dwell_time_s=1e-6)
    with pytest.raises(InputError, match="at least the time of its pixels"):
        pixel_times(np.zeros((3, 4)), dwell_time_s=1e-6, line_time_s=1e-6)
    with pytest.raises(InputError, match="must be one picture"):
        pixel_times(np.zeros((3, 4, 5)), dwell_time_s=1e-6, line_time_s=1e-6)
    assert pixel_times(np.zeros((3, 4)), dwell_time_s=1, flyback_time_s=0).attrs["warnings"]
