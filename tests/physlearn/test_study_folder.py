"""A study's folder appears whole or not at all, and nobody's files are lost."""

import os
import subprocess
import sys

import pytest

from physlearn.checks import InputError
from physlearn.study_folder import (
    MARKER,
    MARKER_TITLE,
    check_out,
    damaged_files,
    study_folder,
)
from physlearn.whole_files import this_machine


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
    here = this_machine()
    left = [
        tmp_path / name
        for name in (
            f".study-{ended.pid}@{here}-killed", f".study-{os.getpid()}@{here}-running",
            f".study-{ended.pid}@another-machine-abc", ".study-odd@name",
            f".other-{ended.pid}@{here}-killed", ".study-notes",
        )
    ]  # fmt: skip
    for place in left:
        place.mkdir()
    with study_folder(tmp_path / "study"):
        pass
    assert not left[0].exists()
    assert all(place.is_dir() for place in left[1:])
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


def test_a_study_killed_between_its_two_moves_gives_the_earlier_one_back(tmp_path):
    place = tmp_path / "study"
    with study_folder(place) as folder:
        (folder / "a.txt").write_text("earlier")
    aside = tmp_path / f".study-999999999@{this_machine()}-killed"
    aside.mkdir()
    place.rename(aside / "former")
    with pytest.raises(RuntimeError), study_folder(place):
        raise RuntimeError
    assert (place / "a.txt").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_study_is_checked_against_its_manifest(tmp_path):
    place = tmp_path / "study"
    with study_folder(place) as folder:
        (folder / "figures").mkdir()
        for name in ("a.txt", "figures/b.png", "c.csv"):
            (folder / name).write_text(name)
    assert damaged_files(place) == []
    (place / "a.txt").unlink()
    (place / "figures" / "b.png").write_text("edited")
    assert damaged_files(place) == ["a.txt", "figures/b.png"]
    with pytest.raises(InputError, match="a study wrote"):
        damaged_files(tmp_path)
    # a folder that an earlier version wrote names its files only
    (place / MARKER).write_text(f"{MARKER_TITLE}\nc.csv\n")
    assert damaged_files(place) == []


def test_two_processes_do_not_write_one_folder(tmp_path):
    with study_folder(tmp_path / "study") as folder:
        (folder / "a.txt").write_text("first")
        busy = pytest.raises(InputError, match=r"another process writes .* right now \(process")
        with busy, study_folder(tmp_path / "study"):
            pass
    assert (tmp_path / "study" / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
