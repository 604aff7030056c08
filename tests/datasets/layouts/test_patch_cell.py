"""A patch as a simulation cell: what ASE reads back, and what is refused."""

import sys

import numpy as np
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets import patch_to_cell
from physlearn.records import AtomicConfiguration

TRIANGULAR = 3.16 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def crystal(vectors=TRIANGULAR, n=24, turn=0.3, unit="angstrom", scale=1.0, **more):
    """Return a turned crystal around the origin, every third atom of another species."""
    index = np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1)), axis=-1)
    index = index.reshape(-1, 2)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    vectors = vectors @ rotation.T
    atoms = AtomicConfiguration(
        index @ vectors * scale, unit, species=(index.sum(axis=1) % 3 == 0).astype(int),
        species_names=("Mo", "S2"), **more,
        position_covariance=np.tile(0.0025 * np.eye(2), (len(index), 1, 1)),
    )  # fmt: skip
    return atoms, vectors


def test_ase_reads_back_a_periodic_cell(tmp_path):
    ase_io = pytest.importorskip("ase.io")
    atoms, vectors = crystal()
    cell = patch_to_cell(
        atoms, (1.0, 2.0), (20.0, 20.0), tmp_path / "patch.xyz", lattice=vectors,
        symbols={"S2": [("S", 1.56), ("S", -1.56)]},
    )  # fmt: skip
    back = ase_io.read(tmp_path / "patch.xyz")
    assert back.pbc.tolist() == [True, True, False]
    np.testing.assert_allclose(back.cell[:], cell.cell, atol=1e-7)
    np.testing.assert_allclose(back.positions, cell.positions, atol=1e-7)
    assert set(back.get_chemical_symbols()) == {"Mo", "S"}
    assert back.info["patch_unit"] == "angstrom"
    assert float(back.info["position_sd_angstrom"]) == pytest.approx(0.05)
    # 6 x 6 periods (20 / 3.16 = 6.3): 36 columns, a third of them sulphur pairs
    assert np.linalg.det(cell.cell[:2, :2]) == pytest.approx(36 * np.linalg.det(vectors))
    assert (back.get_chemical_symbols()).count("Mo") == 24
    assert (back.get_chemical_symbols()).count("S") == 24
    # the periodic cell is the crystal again: each column has six neighbours at 3.16 angstrom
    from ase.neighborlist import neighbor_list

    columns = patch_to_cell(atoms, (1.0, 2.0), 20.0, tmp_path / "columns.xyz", lattice=vectors,
                            symbols={"S2": "S"})  # fmt: skip
    flat = ase_io.read(tmp_path / "columns.xyz")
    assert set(np.bincount(neighbor_list("i", flat, 3.3))) == {6}
    assert columns.n == 36
    assert cell.warnings == ()


def test_a_patch_without_lattice_stands_alone(tmp_path):
    ase_io = pytest.importorskip("ase.io")
    atoms, _ = crystal(unit="nm", scale=0.1)
    cell = patch_to_cell(
        atoms, (0.0, 0.0), 2.0, tmp_path / "patch.extxyz", symbols={"S2": "S"}, vacuum_angstrom=8.0
    )
    back = ase_io.read(tmp_path / "patch.extxyz", format="extxyz")
    assert not back.pbc.any()
    np.testing.assert_allclose(np.diag(cell.cell), [36.0, 36.0, 16.0])
    # .05 nm along each axis, in the unit of the cell
    assert float(back.info["position_sd_angstrom"]) == pytest.approx(0.5)
    inside = np.all(np.abs(atoms.positions) <= 1.0, axis=1)
    assert len(back) == inside.sum()
    np.testing.assert_allclose(
        back.positions[:, :2] - 18.0, 10.0 * atoms.positions[inside], atol=1e-6
    )
    assert np.all((back.positions >= 0) & (back.positions <= np.diag(cell.cell)))


@pytest.mark.parametrize("turn", [0.0, 0.7, 1.4, 2.9])
def test_whole_periods_hold_each_site_once(turn):
    atoms, vectors = crystal(turn=turn)
    for center in ((0.0, 0.0), (1.58, 0.3), (-2.2, 5.0)):
        cell = patch_to_cell(atoms, center, (25.0, 16.0), lattice=vectors, symbols={"S2": "S"})
        periods = np.linalg.det(cell.cell[:2, :2]) / np.linalg.det(vectors)
        assert cell.n == round(periods)


def test_a_lattice_that_does_not_fit_is_said():
    atoms, vectors = crystal(turn=0.0)
    good = patch_to_cell(atoms, (0.3, 0.3), 19.0, lattice=vectors, symbols={"S2": "S"})
    # seven periods of a lattice 7 % too large hold half a column too much across the seam
    bad = patch_to_cell(atoms, (0.3, 0.3), 19.0, lattice=1.07 * vectors, symbols={"S2": "S"})
    assert good.warnings == ()
    assert "seam" in bad.warnings[0]


def test_what_cannot_be_simulated_is_refused(tmp_path, monkeypatch):
    atoms, _ = crystal()
    pixels, _ = crystal(unit="pixel")
    seen, _ = crystal(field_of_view=(-10.0, -10.0, 10.0, 10.0))
    cases = [
        (pixels, (0, 0), 8.0, {}, "size of a pixel"),
        (atoms, (0, 0), 8.0, {}, "which element species 'S2'"),
        (atoms, (0, 0), 8.0, {"symbols": {"S2": "Unobtainium"}}, "Unobtainium"),
        (atoms, (0, 0), -8.0, {"symbols": {"S2": "S"}}, "above 0"),
        (atoms, (900.0, 0), 8.0, {"symbols": {"S2": "S"}}, "at least one atom"),
        (seen, (8.0, 0), 8.0, {"symbols": {"S2": "S"}}, "field of view"),
        (atoms, (0, 0), 8.0, {"symbols": {"S2": "S"}, "lattice": [[1, 1], [2, 2]]}, "independent"),
        (AtomicConfiguration([[0.0, 0.0]], "nm"), (0, 0), 8.0, {}, "classify"),
    ]  # fmt: skip
    for given, center, size, more, said in cases:
        with pytest.raises(InputError, match=said):
            patch_to_cell(given, center, size, tmp_path / "patch.xyz", **more)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "ase.io.extxyz", None)
    with pytest.raises(BackendUnavailable, match="ASE"):
        patch_to_cell(atoms, (0, 0), 8.0, tmp_path / "patch.xyz", symbols={"S2": "S"})
