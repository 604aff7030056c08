"""A study's folder appears whole or not at all, and nobody's files are lost."""

import os
import platform
import subprocess
import sys

import pytest

from physlearn.checks import InputError
from physlearn.study_folder import MARKER, RUNNING, check_out, study_folder


def test_nothing_is_left_after_an_error_or_ctrl_c(tmp_path):
    for failure in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(failure), study_folder(tmp_path / "study") as folder:
            (folder / "half.txt").write_text("half")
            raise failure
        assert list(tmp_path.iterdir()) == []


def test_an_earlier_study_is_replaced_whole(tmp_path):
    for text in ("first", "second"):
        with study_folder(tmp_path / "study") as folder:
            (folder / f"{text}.txt").write_text(text)
    names = {file.name for file in (tmp_path / "study").iterdir()}
    assert names == {MARKER, "second.txt"}
    assert [file.name for file in tmp_path.iterdir()] == ["study"]


def test_a_failure_keeps_the_earlier_study(tmp_path):
    with study_folder(tmp_path / "study") as folder:
        (folder / "first.txt").write_text("first")
    with pytest.raises(RuntimeError), study_folder(tmp_path / "study") as folder:
        raise RuntimeError
    assert (tmp_path / "study" / "first.txt").read_text() == "first"


def test_what_a_killed_study_left_is_removed_by_the_next(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    left = {}
    for name, words in (
        ("study-killed", f"{platform.node()} {ended.pid}"),
        ("study-running", f"{platform.node()} {os.getpid()}"),
        ("study-elsewhere", f"another-machine {ended.pid}"),
        ("study-odd", "nonsense"),
        ("other-killed", f"{platform.node()} {ended.pid}"),
    ):
        left[name] = tmp_path / f".{name}"
        left[name].mkdir()
        (left[name] / RUNNING).write_text(words)
    mine = tmp_path / ".study-notes"  # no study wrote this
    mine.mkdir()
    with study_folder(tmp_path / "study") as folder:
        assert (folder / RUNNING).is_file()
    assert not left.pop("study-killed").exists()
    assert all(path.is_dir() for path in (*left.values(), mine))
    assert [path.name for path in (tmp_path / "study").iterdir()] == [MARKER]


def test_other_peoples_files_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        check_out(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        check_out(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="does not"):
        check_out(tmp_path / "absent" / "study")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_files_that_someone_put_into_a_study_are_not_lost(tmp_path):
    place = tmp_path / "study"
    with study_folder(place) as folder:
        (folder / "figures").mkdir()
        (folder / "figures" / "a.png").write_text("ours")
    for mine in (place / "notes.txt", place / "figures" / "mine.png"):
        mine.write_text("mine")
        with pytest.raises(InputError, match=f"such as .*{mine.name}"), study_folder(place):
            pass
        assert mine.read_text() == "mine"
        mine.unlink()
    (place / "my_folder").mkdir()
    with pytest.raises(InputError, match="my_folder"):
        check_out(place)
    (place / "my_folder").rmdir()
    with study_folder(place) as folder:
        (folder / "b.txt").write_text("new")
    assert sorted(path.name for path in place.iterdir()) == [MARKER, "b.txt"]


def test_a_link_stays_a_link(tmp_path):
    with study_folder(tmp_path / "study"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "study")
    with study_folder(tmp_path / "link") as folder:
        (folder / "b.txt").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "study" / "b.txt").read_text() == "new"
