"""Structures and their energies from files."""

import json

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets.reading.read_structures import configuration_from_ase, read_structures


def entry(**changes):
    whole = {
        "structure": {
            "lattice": {"matrix": [[3.2, 0, 0], [0, 3.2, 0], [0, 0, 3.2]]},
            "sites": [{"label": "Nb", "xyz": [0, 0, 0]}, {"label": "Mo", "xyz": [1.6, 1.6, 1.6]}],
        },
        "outputs": {"energy": -21.5}, "tags": ["relax"], "group": "Nb-Mo",
    }  # fmt: skip
    return whole | changes


def write(path, entries):
    path.write_text(json.dumps(entries))
    return path


def test_entries_come_with_cell_species_energy_and_tags(tmp_path):
    path = write(tmp_path / "two.json", [entry(), entry(tags=["unrelax"], outputs={})])
    both = read_structures(path)
    assert len(both) == 2
    first = both[0]
    assert first.unit == "angstrom"
    assert first.cell.tolist() == np.diag([3.2] * 3).tolist()
    assert [first.species_names[code] for code in first.species] == ["Nb", "Mo"]
    assert first.metadata["energy_ev"] == -21.5
    assert first.metadata["group"] == "Nb-Mo"
    assert "energy_ev" not in both[1].metadata
    assert read_structures(path, "unrelax")[0].metadata["entry"] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "holds none"),
        ("{nonsense", "cannot be read as JSON"),
        (json.dumps([{"structure": {"sites": []}}]), "entry 0 lacks 'lattice'"),
    ],
)
def test_bad_files_get_a_sentence(tmp_path, content, words):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        read_structures(path)


def test_unknown_tag_names_those_there_are(tmp_path):
    path = write(tmp_path / "one.json", [entry()])
    with pytest.raises(InputError, match=r"tags in one\.json \(relax\)"):
        read_structures(path, "relaxed")


def test_absent_file():
    with pytest.raises(InputError, match="does not exist"):
        read_structures("nowhere.json")


def test_what_ase_writes_is_read(tmp_path):
    ase = pytest.importorskip("ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write as write_ase

    frames = []
    for energy in (-3.0, -4.5):
        cube = ase.Atoms("NbMo", [[0, 0, 0], [1.6, 1.6, 1.6]], cell=[3.2, 3.2, 3.3], pbc=True)
        cube.calc = SinglePointCalculator(cube, energy=energy)
        frames.append(cube)
    path = tmp_path / "two.extxyz"
    write_ase(path, frames)
    found = read_structures(path)
    assert [one.metadata["energy_ev"] for one in found] == [-3.0, -4.5]
    assert np.allclose(found[1].cell, np.diag([3.2, 3.2, 3.3]))
    path.write_text("not a structure at all")
    with pytest.raises(InputError, match="cannot be read by ASE"):
        read_structures(path)


def test_only_periodic_atoms_are_taken():
    ase = pytest.importorskip("ase")
    film = ase.Atoms("Nb", [[0, 0, 0]], cell=[3.2, 3.2, 3.2], pbc=[True, True, False])
    with pytest.raises(InputError, match="periodic along all three"):
        configuration_from_ase(film)
    with pytest.raises(InputError, match="must be ASE Atoms; got dict"):
        configuration_from_ase({})


def test_public_alloys(public_file):
    path = public_file("dft_alloys_bcc/NbMo_SS.json")
    relaxed = read_structures(path, "relax")
    assert len(relaxed) == 329
    assert {one.n for one in relaxed} == {16}
    assert len(read_structures(path)) == 658


def test_an_energy_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "a.extxyz"
    path.write_text(
        '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 energy=-10.0T pbc="T T T"\n'
        "Nb 0.0 0.0 0.0\n"
    )
    with pytest.raises(InputError, match=r"must be a number; got '-10\.0T'"):
        read_structures(path)


def test_atoms_that_do_not_exist_are_refused():
    ase = pytest.importorskip("ase")
    with pytest.raises(InputError, match="number 300"):
        configuration_from_ase(ase.Atoms([300], [[0, 0, 0]], cell=[3, 3, 3], pbc=True))
