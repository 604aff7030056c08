"""Damaged files of every format: read or refused in a sentence, never anything else.

The same as ``python -m benchmarks.fuzz``, in small and from a seed; in a process of its own, whose
forks lose no threads of other tests.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
N_FILES = 20
SEED = 4
LONGEST_SECONDS = 600
GROUPS = {
    "pictures": (
        "tiff", "png", "jpeg", "bmp", "gif", "npy", "npz", "hdf5", "netcdf", "zarr",
    ),
    "films": ("avi", "mp4", "mkv"),
    "microscopes": (
        "sxm", "3ds", "gsf", "gwy", "ibw", "mrc", "dm3", "hspy", "emd", "nxs", "rpl", "unf", "sur",
        "prz",
    ),
    "positions": (
        "csv", "xyz", "extxyz", "cif", "poscar", "lammps data", "lammps dump", "ase traj", "ase db",
        "gsd", "atomai", "bare npy", "atomap", "entries", "drive",
    ),
    "records": (
        "study", "plan", "planner state", "act record", "laws", "graph", "campaign", "fit",
        "records", "layout", "stored value", "kept step", "watch", "checkpoint",
    ),
}  # fmt: skip
SLOW = {"films": 8}  # a film's decoder starts anew for each file
NEEDS = {
    "ase": ("ase db", "ase traj", "cif", "extxyz", "lammps data", "lammps dump", "poscar"),
    "av": GROUPS["films"], "gsd": ("gsd",), "gwyfile": ("gwy",), "igor2": ("ibw",),
    "rsciio": ("dm3", "emd", "hspy", "mrc", "nxs", "prz", "rpl", "sur", "unf"), "zarr": ("zarr",),
}  # fmt: skip
capped = pytest.mark.skipif(
    sys.platform != "linux", reason="files are read in forked, capped processes"
)


def run(arguments):
    """Run Python in the repository's folder for a limited time and return what it says."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=LONGEST_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


@capped
@pytest.mark.parametrize("group", GROUPS)
def test_damaged_files_are_read_or_refused(tmp_path, group):
    absent = {
        name
        for library, names in NEEDS.items()
        if importlib.util.find_spec(library) is None
        for name in names
    }
    names = [name for name in GROUPS[group] if name not in absent]
    if not names:
        pytest.skip(f"the libraries that read {group} are absent")
    n_files = SLOW.get(group, N_FILES)
    only = [part for name in names for part in ("--only", name)]
    _, errors = run(
        ["-m", "benchmarks.fuzz", "--n", str(n_files), "--seed", str(SEED), "--out", str(tmp_path),
         *only]
    )  # fmt: skip
    for name in names:
        path = tmp_path / f"{name.replace(' ', '_')}.json"
        assert path.is_file(), f"{name}: {errors[-2000:]}"
        held = json.loads(path.read_text())
        assert held["findings"] == [], name
        assert set(held["counts"]) <= {"read", "refused"}, name
        assert sum(held["counts"].values()) == held["n"] == n_files, name


def test_every_format_is_damaged(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.fuzz.formats import all_formats

    assert {name for names in GROUPS.values() for name in names} == set(all_formats())


@capped
def test_what_a_reader_must_not_do_is_seen(tmp_path):
    said, _ = run(["-m", "tests.robustness.toy_readers", str(tmp_path)])
    assert json.loads(said) == {
        "good": ["read"],
        "refuses": ["refused"],
        "fails": ["error"],
        "ends": ["killed"],
        "leaks": ["memory"],
        "spins": ["hang"],
        "writes": ["escape"],
        "looks": ["escape"],
        "runs": ["escape"],
    }
