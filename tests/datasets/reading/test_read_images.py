"""Every kind of picture that people bring, and every way in which a file can be wrong."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from physlearn.checks import InputError
from physlearn.datasets import read_image, read_video
from physlearn.datasets.reading import picture_frame
from physlearn.inputs import count_frames


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (24, 30)).astype(np.uint8)


def test_grey_in_all_formats(tmp_path, picture):
    tifffile.imwrite(tmp_path / "a.tif", picture, compression="lzw")
    tifffile.imwrite(tmp_path / "b.tif", picture.astype(np.uint16) * 200)
    tifffile.imwrite(tmp_path / "c.tiff", picture.astype(np.float32) / 7)
    tifffile.imwrite(tmp_path / "d.tif", np.stack([picture] * 3, -1), photometric="rgb")
    Image.fromarray(picture).save(tmp_path / "e.png")
    Image.fromarray(np.stack([picture] * 3, -1)).save(tmp_path / "f.png")
    Image.fromarray(picture).save(tmp_path / "g.jpg", quality=100)
    Image.fromarray(picture).save(tmp_path / "h.gif")
    np.save(tmp_path / "i.npy", picture)
    factors = {"b.tif": 200.0, "c.tiff": 1 / 7}
    for path in sorted(tmp_path.iterdir()):
        image = read_image(path)
        assert image.dims == ("y", "x")
        assert image.dtype == np.float64
        assert image.attrs["channel"] == "grey"
        assert image.attrs["counts"] == "unknown"
        assert image.x.attrs["units"] == "pixel"
        assert any("no scale" in note for note in image.attrs["warnings"])
        wanted = picture * factors.get(path.name, 1.0)
        tolerance = 12 if path.suffix == ".jpg" else 1e-4
        assert np.abs(image.to_numpy() - wanted).max() <= tolerance, path.name


def test_colour_gives_luminance_with_a_warning_or_a_channel(tmp_path, picture):
    colour = np.stack([picture, picture[::-1], 255 - picture], -1)
    Image.fromarray(colour).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert np.allclose(image, colour @ np.array([0.2126, 0.7152, 0.0722]))
    assert any("luminance" in note for note in image.attrs["warnings"])
    assert np.array_equal(read_image(tmp_path / "a.png", channel=2), colour[..., 2])
    with pytest.raises(InputError, match="coloured"):
        read_image(tmp_path / "a.png", as_grey=False)


def test_scale_of_json_beside_npy_and_of_imagej(tmp_path, picture):
    np.save(tmp_path / "a.npy", picture)
    said = {"field_of_view_x": 9.0, "field_of_view_y": 7.2, "field_of_view_units": "nm"}
    (tmp_path / "a.json").write_text(json.dumps({"experimental_details": {"spatial_info": said}}))
    image = read_image(tmp_path / "a.npy")
    assert image.x.attrs["units"] == "nm"
    assert np.isclose(image.x[1], 0.3)
    assert np.isclose(image.y[1], 0.3)
    tifffile.imwrite(
        tmp_path / "b.tif", picture, imagej=True, resolution=(4.0, 5.0), metadata={"unit": "nm"}
    )
    image = read_image(tmp_path / "b.tif")
    assert image.x.attrs["units"] == "nm"
    assert np.allclose([image.x[1], image.y[1]], [0.25, 0.2])
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json"):
        read_image(tmp_path / "a.npy")


def test_scales_and_words_of_ome_and_of_tags(tmp_path, picture):
    told = {"PhysicalSizeX": 25.0, "PhysicalSizeXUnit": "pm", "PhysicalSizeY": 0.05,
            "PhysicalSizeYUnit": "nm", "axes": "YX"}  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", picture, metadata=told)
    image = read_image(tmp_path / "a.ome.tif")
    assert np.allclose([image.x[1], image.y[1]], [0.025, 0.05])
    assert image.x.attrs["units"] == "nm"
    tifffile.imwrite(
        tmp_path / "b.tif", picture, imagej=True, resolution=(4.0, 5.0),
        metadata={"unit": "nm", "DwellTime": "8 us", "Bias": "-0.2 V"},
    )  # fmt: skip
    image = read_image(tmp_path / "b.tif")
    assert image.attrs["dwell_time_s"] == pytest.approx(8e-6)
    assert image.attrs["bias_v"] == -0.2
    assert image.attrs["absent"] == ("dose", "temperature")
    tifffile.imwrite(tmp_path / "c.tif", picture, resolution=(300, 300), software="a program")
    image = read_image(tmp_path / "c.tif")
    assert image.x.attrs["units"] == "pixel"  # 300 dots an inch is for printers
    assert json.loads(image.attrs["metadata"])["Software"] == "a program"
    assert image.attrs["absent"] == ("scale", "dwell time", "dose", "bias", "temperature")


def write_bad(folder):
    """Return (path, words of the message) for each way to be wrong."""
    good = np.random.default_rng(0).normal(size=(32, 32))
    cases = {}

    def case(name, words):
        cases[folder / name] = words
        return folder / name

    case("missing.tif", "does not exist")
    case("empty.tif", "empty").touch()
    np.save(case("constant.npy", "constant"), np.ones((32, 32)))
    np.save(case("nan.npy", "finite"), np.where(good > 2, np.nan, good))
    np.save(case("line.npy", "rows, columns"), good[0])
    np.save(case("four.npy", "rows, columns"), np.zeros((2, 2, 3, 4)))
    np.save(case("tiny.npy", "16 x 16"), good[:8])
    np.save(case("film.npy", "video of 5 frames"), np.stack([good] * 5))
    np.save(case("complex.npy", "real numbers"), good + 1j)
    np.save(case("objects.npy", "cannot be read"), np.array([{}, 1], dtype=object))
    tifffile.imwrite(case("stack.tif", "video of 4 frames"), np.stack([good] * 4),
                     photometric="minisblack")  # fmt: skip
    frames = [Image.fromarray((np.abs(good) * 50 * k % 255).astype(np.uint8)) for k in (1, 2, 3)]
    frames[0].save(case("film.gif", "video of"), save_all=True, append_images=frames[1:])
    case("film.mp4", "read_video").write_bytes(b"1234")
    case("notes.txt", "no kind").write_text("hello")
    case("renamed.tif", "cannot be read").write_bytes(b"this is no picture" * 20)
    case("renamed.png", "cannot be read").write_bytes(b"this is no picture" * 20)
    whole = folder / "whole.png"
    Image.fromarray((np.abs(good) * 50 % 255).astype(np.uint8)).save(whole)
    case("cut.png", "cannot be read").write_bytes(whole.read_bytes()[:300])
    tifffile.imwrite(folder / "whole.tif", good)
    case("cut.tif", "cannot be read").write_bytes((folder / "whole.tif").read_bytes()[:1500])
    case("cut.npy", "cannot be read").write_bytes((folder / "tiny.npy").read_bytes()[:200])
    cases[folder] = "folder"
    return cases


def test_bad_files_get_one_sentence_that_names_them(tmp_path):
    for path, words in write_bad(tmp_path).items():
        try:
            read_image(path)
        except InputError as error:
            message = str(error)
        else:
            pytest.fail(f"{path.name} was read")
        assert words in message, f"{path.name}: {message}"
        assert path.name in message
        assert "\n" not in message


def test_huge_picture_is_refused_from_its_header(tmp_path, monkeypatch):
    path = tmp_path / "huge.npy"
    header = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(20000, 20000))
    del header  # a sparse file: nothing is written, nothing must be read
    monkeypatch.setattr(picture_frame, "free_memory_bytes", lambda: 10**9)
    with pytest.raises(InputError, match=r"20000 x 20000 pixels and needs 12\.8 GB"):
        read_image(path)


def test_a_renamed_file_is_told_by_its_first_bytes(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", picture)
    np.save(tmp_path / "a.npy", picture)
    for held, named, kind in (
        ("a.png", "b.tif", "a PNG; rename it to .png"), ("a.tif", "b.dm4", "a TIFF; rename it"),
        ("a.tif", "b.npy", "a TIFF; rename it"), ("a.npy", "b.png", "a NumPy array; rename it"),
        ("a.png", "b.npz", "a PNG; rename it"),
    ):  # fmt: skip
        (tmp_path / named).write_bytes((tmp_path / held).read_bytes())
        with pytest.raises(InputError, match=f"first bytes are those of {kind}"):
            read_image(tmp_path / named)


def test_layers_of_real_numbers_are_no_colours(tmp_path):
    layers = np.random.default_rng(0).normal(size=(40, 30, 4)) + 10 * np.arange(4)
    np.save(tmp_path / "a.npy", layers)
    with pytest.raises(InputError, match=r"4 layers of real numbers.*--picture .*0 to 3; got None"):
        read_image(tmp_path / "a.npy")
    for number in range(4):
        image = read_image(tmp_path / "a.npy", channel=number)
        assert np.array_equal(image, layers[..., number])
        assert image.attrs["channel"] == f"layer {number}"
    np.save(tmp_path / "b.npy", np.random.default_rng(0).random((40, 30, 3)))
    assert read_image(tmp_path / "b.npy").attrs["channel"] == "luminance"


def test_planes_of_real_numbers_are_frames_for_every_reader(tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, 40, 30)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="rgb", planarconfig="separate")
    assert count_frames(tmp_path / "a.tif") == 3
    assert np.array_equal(read_video(tmp_path / "a.tif"), frames)
    with pytest.raises(InputError, match="video of 3 frames"):
        read_image(tmp_path / "a.tif")
    colours = (100 * np.abs(frames)).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", colours, photometric="rgb", planarconfig="separate")
    assert count_frames(tmp_path / "b.tif") == 1
    assert read_image(tmp_path / "b.tif").attrs["channel"] == "luminance"
