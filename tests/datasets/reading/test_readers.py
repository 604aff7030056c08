"""Readers given from outside: registered, named, installed, and what is said of their faults."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import (
    Axis,
    Channel,
    list_channels,
    read_channels,
    read_image,
    read_video,
    register_reader,
)
from physlearn.datasets.reading import readers
from physlearn.inputs import read_input


@pytest.fixture(autouse=True)
def own_table(monkeypatch):
    monkeypatch.setattr(readers, "READERS", dict(readers.READERS))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scan.FOO"
    path.write_bytes(b"foo 2")
    return path


def list_foo(path):
    assert path.read_bytes().startswith(b"foo")
    rows = np.random.default_rng(0).normal(size=(18, 20)).astype(np.float32)
    axes = (Axis("y", 0.4 * np.arange(18), "um"), Axis("x", 0.4 * np.arange(20), "um"))
    film = (Axis("time", 5.0 * np.arange(3), "ms"), *axes)
    return [
        Channel("height", axes, lambda: rows, unit="nm"),
        Channel("growth", film, lambda: np.stack([rows, 2 * rows, 3 * rows]), unit="nm"),
    ]


def test_a_registered_reader_serves_every_way_of_reading(file):
    register_reader(".foo", list_foo)
    assert list_channels(file)["kind"].tolist() == ["picture", "film"]
    picture = read_image(file)
    assert picture.sizes == {"y": 18, "x": 20}
    assert (picture.x.attrs["units"], float(picture.x[1])) == ("um", pytest.approx(0.4))
    assert picture.attrs["units"] == "nm"
    film = read_video(file)
    assert film.time.to_numpy() == pytest.approx([0.0, 0.005, 0.01])
    assert list(read_channels(file)) == ["height"]
    # a study opens it as any other
    assert read_input(file, channel="height").dims == ("y", "x")


def test_a_reader_may_be_a_name_or_an_entry_point(file, tmp_path, monkeypatch):
    (tmp_path / "foo_files.py").write_text(
        "from physlearn.datasets import Axis, Channel\nimport numpy as np\n"
        "def list_foo(path):\n"
        "    axes = Axis('y', np.arange(20.0)), Axis('x', np.arange(16.0))\n"
        "    return [Channel('a', axes, lambda: np.eye(20, 16))]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    register_reader(".foo", "foo_files:list_foo")
    assert "foo_files" not in sys.modules
    assert read_image(file).shape == (20, 16)
    del readers.READERS[".foo"]
    with pytest.raises(InputError, match="of no kind"):
        list_channels(file)
    point = EntryPoint("foo", "foo_files:list_foo", readers.GROUP)
    monkeypatch.setattr(
        readers, "entry_points",
        lambda *, group, name: [point] if (group, name) == (point.group, point.name) else [],
    )  # fmt: skip
    assert list_channels(file)["name"].tolist() == ["a"]


def test_faults_of_a_reader_are_one_sentence(file):
    def breaks(path):
        raise struct_error

    struct_error = ZeroDivisionError("unpack requires 4 bytes")
    register_reader(".foo", breaks)
    with pytest.raises(InputError, match=r"cannot be read as FOO .*unpack requires 4 bytes"):
        read_image(file)
    register_reader(".foo", "no_such_package.files:list_foo")
    with pytest.raises(InputError, match=r"reader of \.foo files, no_such_package.files:list_foo"):
        read_image(file)
    register_reader(".foo", lambda path: [np.zeros((20, 20))])
    with pytest.raises(InputError, match="a list of Channel; got ndarray"):
        read_image(file)
    register_reader(".foo", lambda path: [])
    with pytest.raises(InputError, match="there is no picture"):
        read_image(file)


@pytest.mark.parametrize(
    ("suffix", "lister", "said"),
    [("foo", list_foo, "a dot and letters"), (".", list_foo, "a dot and letters"),
     (".tar.gz", list_foo, "a dot and letters"), (".foo", 3, "a function of a path"),
     (".foo", "foo_files.list_foo", "package.module:function")],
)  # fmt: skip
def test_what_is_no_reader_is_refused(suffix, lister, said):
    with pytest.raises(InputError, match=said):
        register_reader(suffix, lister)


def test_any_callable_will_do(file):
    class Reader:
        __module__ = None  # what is typed into a notebook's exec has none

        def __call__(self, path):
            return list_foo(path)

    register_reader(".foo", Reader())
    assert read_image(file).shape == (18, 20)


def test_every_reader_of_ours_can_be_found():
    for suffix in readers.READERS:
        assert callable(readers.find_lister(suffix))
