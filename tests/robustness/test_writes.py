"""Full disks, folders that refuse or are gone, links, locks, Ctrl-C: said, and nothing is lost."""

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap

import numpy as np
import pytest

from physlearn import Study, long_run, run_study
from physlearn.checks import InputError, NotWritten
from physlearn.file_lock import alone_with, lock_beside
from physlearn.long_run import LongRun
from physlearn.study_folder import damaged_files
from physlearn.whole_files import LEFT, atomic_write, this_machine, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="of the POSIX systems")


def run_script(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True,
    )  # fmt: skip


def hidden(folder):
    return [path.name for path in folder.rglob(".*") if LEFT.fullmatch(path.name)]


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from physlearn.checks import NotWritten
    from physlearn.results import Fit, fit_from_draws

    folder = Path(sys.argv[1])
    fit = fit_from_draws({"a": np.random.default_rng(1).normal(size=(40_000, 1))}, model="",
                         likelihood="", approximation="", seed=0, data=b"")
    fit.save(folder / "fit.nc")
    before = (folder / "fit.nc").read_bytes()
    # a file may not grow beyond this: to the writers it is a disk that is full
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        fit.save(folder / "fit.nc")
    except NotWritten as error:
        print(error.errno, error)
    assert (folder / "fit.nc").read_bytes() == before
    assert len(Fit.load(folder / "fit.nc")["a"]) == 40_000
"""


@posix
def test_a_full_disk_costs_neither_the_process_nor_the_file(tmp_path):
    done = run_script(FULL_DISK, tmp_path)
    assert done.returncode == 0, done.stderr  # HDF5 itself would end in a segmentation fault
    number, said = done.stdout.split(" ", 1)
    assert int(number) == errno.EFBIG
    assert f"{tmp_path / 'fit.nc'} was not written (File too large): free space" in said
    assert hidden(tmp_path) == []


@posix
def test_a_study_on_a_full_disk_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "noise.npy"
    np.save(path, np.random.default_rng(0).normal(size=(64, 64)))
    options = {"out": tmp_path / "study", "seed": 1, "keep": True}
    run_study(Study(path), **options)
    before = (tmp_path / "study" / "summary.json").read_bytes()

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("physlearn.report.downloads.write_downloads", full)
        with pytest.raises(NotWritten, match=r"study was not written \(No space left on device\)"):
            run_study(Study(path), **options)
    assert (tmp_path / "study" / "summary.json").read_bytes() == before
    assert damaged_files(tmp_path / "study") == []
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"noise.npy", "study", ".physlearn-cache"}
    # the input is gone: said, and the earlier study stands
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"noise\.npy"):
        run_study(Study(path), **options)
    assert damaged_files(tmp_path / "study") == []


AS_NOBODY = """
    import os, sys
    from pathlib import Path
    from physlearn.checks import InputError, NotWritten
    from physlearn.whole_files import write_whole
    from physlearn.file_lock import alone_with
    from physlearn.long_run import LongRun
    from physlearn.study_folder import study_folder

    folder = Path(sys.argv[1])
    folder.chmod(0o555)
    if os.getuid() == 0:  # whom no mode stops
        os.setuid(65534)
    def refused(call):
        try:
            call()
        except InputError as error:
            print(error)
    refused(lambda: write_whole(folder / "a.txt", "new"))
    refused(lambda: LongRun(10, checkpoint=folder / "a.npz"))
    refused(lambda: study_folder(folder / "study").__enter__())
    with alone_with(folder / "a.lock", "held"):
        print("no lock, no harm")
"""


@posix
def test_a_folder_that_refuses_is_said_at_once(tmp_path):
    place = tmp_path / "kept"
    place.mkdir()
    (place / "a.txt").write_text("old")
    for parent in (*place.parents, place):
        if parent.stat().st_uid == os.getuid() and str(parent).startswith(tempfile.gettempdir()):
            parent.chmod(0o755)
    done = run_script(AS_NOBODY, place)
    place.chmod(0o755)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 4 and all("may write to" in one or "can be written to" in one
                                  for one in said[:3])  # fmt: skip
    assert (place / "a.txt").read_text() == "old"
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_a_folder_that_goes_away_is_said(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    with (
        pytest.raises(NotWritten, match="its folder is gone"),
        atomic_write(place / "a.txt") as temporary,
    ):
        temporary.unlink()
        place.rmdir()
    with pytest.raises(InputError, match="folder that exists"):
        write_whole(place / "a.txt", "new")


@posix
def test_links_modes_folders_and_devices(tmp_path):
    (tmp_path / "real").mkdir()
    write_whole(tmp_path / "real" / "a.txt", "old")
    (tmp_path / "real" / "a.txt").chmod(0o600)
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    write_whole(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real" / "a.txt").stat().st_mode) == 0o600
    with pytest.raises(InputError, match="is a folder"):
        write_whole(tmp_path / "real", "new")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no ordinary file"):
        write_whole(tmp_path / "pipe", "new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_was_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    flush = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (seen.append(os.fstat(number).st_ino), flush(number))
    )
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        number = temporary.stat().st_ino
        assert seen == []
    assert seen[0] == number
    assert seen[1:] == [tmp_path.stat().st_ino]


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [
        f".a.12ab.{ended.pid}@{this_machine()}.part.nc", f".a.12ab.{ended.pid}@elsewhere.part.nc",
        f".a.12ab.{os.getpid()}@{this_machine()}.part.nc", ".notes.part.nc",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("half")
    write_whole(tmp_path / "b.txt", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[1:], "b.txt"])


def test_ctrl_c_while_a_file_is_written_leaves_the_old_one(tmp_path):
    write_whole(tmp_path / "a.txt", "old")
    # a shell starts its background jobs deaf to Ctrl-C
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("ha")
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, heard)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def counted(folder, n_units=50, **options):
    count = np.zeros(1)

    def step(n):
        count[0] += n

    with LongRun(n_units, checkpoint=folder / "c.npz", arguments={"seed": 1}, **options) as run:
        if run.saved is not None:
            count[:] = run.saved["count"]
        run.advance_to(n_units, step, lambda: {"count": count})
    return int(count[0]), run.finish(1, 1, "counts")


def test_a_disk_that_is_full_when_a_checkpoint_is_due_does_not_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(long_run, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(long_run, "SAVE_SECONDS", 0.0)
    tries = []

    def full(*_arguments, **_options):
        tries.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(long_run, "atomic_write", full)
    assert counted(tmp_path) == (50, ())
    assert len(tries) > 1


def test_a_checkpoint_is_for_one_process_and_a_damaged_one_is_refused(tmp_path, monkeypatch):
    busy = pytest.raises(InputError, match="is in use by process")
    with alone_with(lock_beside(tmp_path / "c.npz"), ""), busy:
        counted(tmp_path)
    monkeypatch.setattr(long_run, "PIECE_SECONDS", 0.0)

    def stop(done, _total):
        if done == 20:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        counted(tmp_path, progress=stop)
    path = tmp_path / "c.npz"
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    np.savez(path, allow_pickle=False, **{**held, "count": held["count"] + 1})
    with pytest.raises(InputError, match="a stopped run wrote"):
        counted(tmp_path)
    np.savez(path, allow_pickle=False, **held)
    assert counted(tmp_path) == (50, ())
    assert list(tmp_path.iterdir()) == []
