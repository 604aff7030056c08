"""Films from files: what is read, and the one sentence that a bad file gets."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from physlearn.checks import InputError
from physlearn.datasets.reading.read_video import read_video


@pytest.fixture
def film():
    return np.random.default_rng(3).integers(0, 255, size=(4, 20, 24)).astype(np.uint8)


def save_gif(path, frames):
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, loop=0)


def test_the_three_kinds_of_files_hold_the_same_film(tmp_path, film):
    np.save(tmp_path / "a.npy", film)
    tifffile.imwrite(tmp_path / "a.tif", film, photometric="minisblack")
    save_gif(tmp_path / "a.gif", film)
    for name in ("a.npy", "a.tif", "a.gif"):
        video = read_video(tmp_path / name)
        assert video.dims == ("time", "y", "x")
        np.testing.assert_array_equal(video.to_numpy(), film)
        assert video.time.attrs["units"] == "frame"
        assert video.x.attrs["units"] == "pixel"
        assert any("no time scale" in note for note in video.attrs["warnings"])


def test_scales_of_an_imagej_stack_are_kept(tmp_path, film):
    tifffile.imwrite(
        tmp_path / "a.tif", film, imagej=True, resolution=(4.0, 4.0),
        metadata={"unit": "um", "finterval": 0.5, "axes": "TYX"},
    )  # fmt: skip
    video = read_video(tmp_path / "a.tif")
    assert video.time.attrs["units"] == "s"
    assert float(video.time[1]) == 0.5
    assert video.x.attrs["units"] == "um"
    assert float(video.x[1]) == pytest.approx(0.25)


def test_drive_travels_with_the_film(tmp_path, film):
    np.save(tmp_path / "a.npy", film)
    assert read_video(tmp_path / "a.npy", drive=[1, 0, -1, 0]).drive.to_numpy().tolist() == [
        1,
        0,
        -1,
        0,
    ]
    with pytest.raises(InputError, match="drive must have shape"):
        read_video(tmp_path / "a.npy", drive=[1, 0])


def test_a_pixel_that_is_never_seen_may_be_nan(tmp_path, film):
    frames = film.astype(float)
    frames[:, 3, 4] = np.nan
    np.save(tmp_path / "a.npy", frames)
    assert np.isnan(read_video(tmp_path / "a.npy").to_numpy()[:, 3, 4]).all()


def bad_still(folder, film):
    Image.fromarray(film[0]).save(folder / "bad.gif")
    return folder / "bad.gif"


def bad_still_tiff(folder, film):
    tifffile.imwrite(folder / "bad.tif", film[0])
    return folder / "bad.tif"


def bad_truncated_tiff(folder, film):
    tifffile.imwrite(folder / "whole.tif", film, photometric="minisblack")
    (folder / "bad.tif").write_bytes((folder / "whole.tif").read_bytes()[:700])
    return folder / "bad.tif"


def bad_truncated_gif(folder, film):
    save_gif(folder / "whole.gif", film)
    (folder / "bad.gif").write_bytes((folder / "whole.gif").read_bytes()[:9])
    return folder / "bad.gif"


def bad_renamed(folder, film):
    Image.fromarray(film[0]).save(folder / "picture.png")
    (folder / "picture.png").rename(folder / "bad.gif")
    return folder / "bad.gif"


def bad_array(change):
    def make(folder, film):
        np.save(folder / "bad.npy", change(film.astype(float)))
        return folder / "bad.npy"

    return make


def one_nan(frames):
    frames[1, 2, 3] = np.nan
    return frames


def one_constant_frame(frames):
    frames[2] = 7.0
    return frames


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bad_still, "read it with read_image"),
        (bad_still_tiff, "read it with read_image"),
        (bad_truncated_tiff, "cannot be read as TIF"),
        (bad_truncated_gif, "cannot be read as GIF"),
        (bad_renamed, "first bytes are those of a PNG"),
        (bad_array(lambda frames: frames[0]), "read it with read_image"),
        (bad_array(lambda frames: frames[None]), r"\(time, y, x\)"),
        (bad_array(lambda frames: frames[:, :8, :8]), "at least 16 x 16"),
        (bad_array(lambda frames: frames * 0), "constant"),
        (bad_array(one_nan), r"NaN or infinite values, first at frame, row, column \(1, 2, 3\)"),
        (bad_array(one_constant_frame), "first frame 2"),
        (bad_array(lambda frames: frames * 1j), "real numbers"),
        (lambda folder, film: folder, "is a folder"),
        (lambda folder, film: folder / "none.gif", "does not exist"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path, film, make, message):
    with pytest.raises(InputError, match=message) as caught:
        read_video(make(tmp_path, film))
    assert "\n" not in str(caught.value)


def test_empty_and_unknown_files(tmp_path):
    (tmp_path / "a.gif").touch()
    with pytest.raises(InputError, match="empty"):
        read_video(tmp_path / "a.gif")
    (tmp_path / "a.txt").write_text("no film")
    with pytest.raises(InputError, match="no kind that read_video knows"):
        read_video(tmp_path / "a.txt")


def test_the_xpeem_film_is_read_without_scales(public_file):
    video = read_video(public_file("xpeem_domain_wall_fluctuations/i161204_084_Original.gif"))
    assert video.shape == (16, 512, 512)
    assert (video.time.attrs["units"], video.x.attrs["units"]) == ("frame", "pixel")
