"""A film of walls written as every kind of file that a laboratory has, and read back."""

import h5py
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from physlearn.checks import InputError
from physlearn.datasets import WallSceneOptions, make_wall_scene, read_video


@pytest.fixture(scope="module")
def film():
    options = WallSceneOptions(radius_pixel=9.0, n_domains=1, noise_sd=0.2)
    return make_wall_scene("domains", (48, 40), 5, options=options, rng=1).video.to_numpy()


def as_bytes(film):
    return np.rint(255 * np.clip((film + 2.0) / 4.0, 0, 1)).astype(np.uint8)


def as_npz(path, film):
    np.savez(path, film=film)
    return film


def as_hdf5(path, film):
    with h5py.File(path, "w") as file:
        file["measurement/film"] = film
    return film


def as_float_tiff(path, film):
    tifffile.imwrite(path, film.astype(np.float32), photometric="minisblack")
    return film.astype(np.float32)


def as_pages(path, film):
    """Write every frame as a page of its own, as microscopes do."""
    with tifffile.TiffWriter(path) as file:
        for frame in as_bytes(film):
            file.write(frame, contiguous=False, photometric="minisblack")
    return as_bytes(film)


def as_gif(path, film):
    imageio.imwrite(path, as_bytes(film), duration=100, loop=0)
    return as_bytes(film)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("film.npz", as_npz),
        ("film.h5", as_hdf5),
        ("film.tif", as_float_tiff),
        ("pages.tif", as_pages),
        ("film.gif", as_gif),
    ],
)
def test_a_film_comes_back_as_it_was_written(tmp_path, film, name, write):
    expected = write(tmp_path / name, film)
    found = read_video(tmp_path / name)
    assert found.dims == ("time", "y", "x")
    np.testing.assert_array_equal(found.to_numpy(), expected)


@pytest.mark.parametrize("kind", ["avi", "mp4"])
def test_movies_come_back_to_a_few_grey_levels_or_the_missing_decoder_is_named(
    tmp_path, film, kind
):
    av = pytest.importorskip("av")
    bright = as_bytes(film)
    file = tmp_path / f"film.{kind}"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        for picture in bright:
            frame = av.VideoFrame.from_ndarray(np.repeat(picture[..., None], 3, 2), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    found = read_video(file).to_numpy()
    assert found.shape == bright.shape
    assert np.abs(found - bright).mean() < 6


def test_without_a_decoder_the_sentence_says_what_to_install(tmp_path):
    try:
        import av  # noqa: F401
    except ImportError:
        (tmp_path / "film.mp4").write_bytes(b"\x00" * 64)
        with pytest.raises(InputError, match=r"imageio\[pyav\]"):
            read_video(tmp_path / "film.mp4")


@pytest.mark.parametrize("write", [as_npz, as_hdf5])
def test_a_missing_frame_is_kept_and_said(tmp_path, film, write):
    lost = film.copy()
    lost[2] = np.nan
    path = tmp_path / ("film.npz" if write is as_npz else "film.h5")
    write(path, lost)
    found = read_video(path)
    assert np.isnan(found.to_numpy()[2]).all()
    assert np.isfinite(found.to_numpy()[[0, 1, 3, 4]]).all()
    assert any("missing frame" in note for note in found.attrs["warnings"])
