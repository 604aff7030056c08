import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import read_coordinates
from physlearn.records import AtomicConfiguration


def test_csv_and_xyz_come_back(tmp_path):
    atoms = AtomicConfiguration(
        np.random.default_rng(0).uniform(0, 5, (7, 2)), unit="nm", species=np.arange(7) % 2,
        species_names=("Mo", "Re"), position_covariance=np.tile(1e-4 * np.eye(2), (7, 1, 1)),
    )  # fmt: skip
    atoms.to_csv(tmp_path / "a.csv")
    read = read_coordinates(tmp_path / "a.csv")
    assert read.unit == "nm"
    assert np.allclose(read.positions, atoms.positions)
    assert np.allclose(read.position_covariance, atoms.position_covariance)
    atoms.to_xyz(tmp_path / "a.xyz")
    read = read_coordinates(tmp_path / "a.xyz")
    assert read.unit == "angstrom"
    assert np.allclose(read.positions, 10 * atoms.positions)
    assert [read.species_names[k] for k in read.species] == ["Mo", "Re"] * 3 + ["Mo"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "empty"),
        ("b.csv", "u,v\n1,2\n", "columns x and y"),
        ("c.csv", "x,y\n1,two\n", "must hold real numbers"),
        ("d.xyz", "many\n\nMo 0 0 0\n", "number of atoms"),
        ("e.xyz", "3\n\nMo 0 0 0\n", "truncated"),
        ("f.xyz", "1\n\nMo 0 zero 0\n", "symbol x y z"),
        ("g.dat", "1 2 3", "no kind"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_coordinates(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_coordinates(tmp_path / "no.csv")
