"""Structures and forces of one file: the same entries, in the same order."""

import json

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import read_forces, read_structures


def entry(tags, push):
    return {
        "structure": {
            "lattice": {"matrix": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]},
            "sites": [{"label": "Li", "xyz": [push, 0, 0]}],
        },
        "outputs": {"energy": -1.9, "forces": [[push, 0.0, 0.0]]}, "tags": tags,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path):
    out = tmp_path / "three.json"
    entries = [entry(["relax"], 0.1), entry(["slab relax", "Li"], 0.2), entry("slab relax", 0.3)]
    out.write_text(json.dumps(entries))
    return out


@pytest.mark.parametrize(
    ("tag", "pushes"),
    [(None, [0.1, 0.2, 0.3]), ("slab relax", [0.2, 0.3]), ("relax", [0.1, 0.3]), ("Li", [0.2])],
)
def test_a_tag_keeps_the_same_entries_of_both(path, tag, pushes):
    assert [one.positions[0, 0] for one in read_structures(path, tag)] == pushes
    assert [one[0, 0] for one in read_forces(path, tag)] == pushes
    assert read_structures(path, "Li")[0].metadata["tags"] == "slab relax Li"


@pytest.mark.parametrize("read", [read_structures, read_forces])
def test_bad_files_and_tags_get_the_same_sentence(path, tmp_path, read):
    with pytest.raises(InputError, match=r"three\.json \(Li, relax, slab, slab relax\); got 'sl'"):
        read(path, "sl")
    for content, words in (
        ("[]", "holds none"), ("[1]", "entry 0 is of type int"), ("{no", "cannot be read as JSON"),
    ):  # fmt: skip
        bad = tmp_path / "bad.json"
        bad.write_text(content)
        with pytest.raises(InputError, match=words):
            read(bad)


def test_frames_of_ase_have_tags_and_forces(tmp_path):
    ase = pytest.importorskip("ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    frames = []
    for tags, push in (("relax", 0.1), ("slab relax", 0.2), ("slab", 0.3)):
        cube = ase.Atoms("Li", [[0, 0, 0]], cell=[3, 3, 3], pbc=True, info={"tags": tags})
        cube.calc = SinglePointCalculator(cube, energy=-1.0, forces=[[push, 0, 0]])
        frames.append(cube)
    path = tmp_path / "three.extxyz"
    write(path, frames)
    for tag, pushes in ((None, [0.1, 0.2, 0.3]), ("relax", [0.1, 0.2]), ("slab relax", [0.2])):
        assert np.allclose([one[0, 0] for one in read_forces(path, tag)], pushes)
        assert len(read_structures(path, tag)) == len(pushes)
    with pytest.raises(InputError, match="tag must be one of"):
        read_forces(path, "bulk")
