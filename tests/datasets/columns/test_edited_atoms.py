"""Atoms that a person added, moved and removed come back with errors and a mark."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.datasets import ImagingSettings, apply_edits, image_columns
from physlearn.datasets.columns.edited_atoms import edited_by_hand
from physlearn.datasets.columns.given_columns import fit_given_columns

GRID = 12.0 * np.argwhere(np.ones((9, 9))).astype(float) + 14.0


@pytest.fixture(scope="module")
def scene():
    return image_columns(GRID, 100.0, (124, 124), ImagingSettings(width_px=2.2), rng=3)


@pytest.fixture(scope="module")
def atoms(scene):
    return fit_given_columns(scene.image, GRID)


def without(atoms, rows):
    """Return the record as if the detection had missed some columns."""
    keep = np.setdiff1d(np.arange(atoms.n), rows)
    names = ("positions", "position_covariance", "width", "intensity", "intensity_sd")
    changes = {name: getattr(atoms, name)[keep] for name in names}
    return atoms.with_changes(**changes, covariance=None, detection_probability=None)


def nearest(points, truth):
    return np.argmin(np.hypot(*(points[:, None] - truth).transpose(2, 0, 1)), axis=1)


def test_an_unedited_file_changes_nothing(atoms, scene, tmp_path):
    atoms.to_csv(tmp_path / "atoms.csv")
    assert apply_edits(atoms, tmp_path / "atoms.csv", scene.image) is atoms
    assert not edited_by_hand(atoms)


def test_a_file_that_a_spreadsheet_rounded_changes_nothing(atoms, scene):
    table = atoms.to_pandas().round(4)
    assert apply_edits(atoms, table, scene.image) is atoms


def test_rows_in_another_order_are_the_same_atoms(atoms, scene):
    order = np.random.default_rng(1).permutation(atoms.n)
    turned = apply_edits(atoms, atoms.to_pandas().iloc[order], scene.image)
    assert np.array_equal(turned.positions, atoms.positions[order])
    assert np.array_equal(turned.intensity, atoms.intensity[order])
    assert not edited_by_hand(turned)


def test_added_atoms_are_fitted_with_errors(atoms, scene, oracle, tmp_path):
    missed = np.arange(0, 81, 4)
    rng = np.random.default_rng(2)
    table = without(atoms, missed).to_pandas()
    pointed = atoms.positions[missed] + rng.uniform(-1.5, 1.5, (len(missed), 2))
    added = pd.DataFrame(pointed, columns=["x", "y"])
    table = pd.concat([table, added], ignore_index=True)
    table.to_csv(tmp_path / "edited.csv", index=False)
    edited = apply_edits(without(atoms, missed), tmp_path / "edited.csv", scene.image)
    assert edited.n == 81
    assert edited.metadata["edit_added"] == len(missed)
    assert edited.metadata["edit_unsupported"] == 0
    assert len(edited.metadata["edit_sha256"]) == 64
    # they are fitted to where the blind detection had them, with its errors
    back = np.argsort(nearest(edited.positions, atoms.positions))
    sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance))
    moved = np.abs(edited.positions[back] - atoms.positions) / sd
    oracle("refitted against found, in sd", error=moved.max(), bound=0.1)
    ratio = np.einsum("nii->ni", edited.position_covariance)[back] / sd**2
    oracle("variance against found", error=np.abs(ratio - 1).max(), bound=0.05)
    truth = GRID[nearest(edited.positions, GRID)]
    pull = (edited.positions - truth) / np.sqrt(np.einsum("nii->ni", edited.position_covariance))
    oracle("pull of edited atoms", p=2 * min(stats.chi2.cdf((pull**2).sum(), 162),
                                             stats.chi2.sf((pull**2).sum(), 162)))  # fmt: skip


def test_moved_atoms_are_fitted_from_where_they_were_put(atoms, scene, oracle):
    table = atoms.to_pandas()
    table.loc[[7, 40], "x"] += 1.2
    edited = apply_edits(atoms, table, scene.image)
    assert edited.metadata["edit_moved"] == 2
    assert edited.metadata["edit_moved_rows"] == "7 40"
    sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance))
    error = np.abs((edited.positions - atoms.positions) / sd).max()
    oracle("moved atoms return, in sd", error=error, bound=0.1)


def test_what_the_picture_does_not_support_stays_and_is_said_to(scene, atoms):
    table = atoms.to_pandas()[["x", "y"]]
    between = GRID[0] + 6.0
    table.loc[len(table)] = between
    edited = apply_edits(atoms, table, scene.image, hand_error_px=2.0)
    assert edited.metadata["edit_unsupported_rows"] == "81"
    assert np.array_equal(edited.positions[81], between)
    assert np.allclose(edited.position_covariance[81], 4.0 * np.eye(2))
    assert any("not supported by the picture" in text for text in edited.warnings)


def test_light_of_a_removed_atom_does_not_move_its_neighbours(atoms, scene, oracle):
    rows = np.setdiff1d(np.arange(81), [40])
    edited = apply_edits(atoms, atoms.to_pandas().iloc[rows], scene.image)
    assert edited.n == 80
    assert edited.metadata["edit_removed"] == 1
    sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance))[rows]
    error = np.abs((edited.positions - atoms.positions[rows]) / sd).max()
    oracle("neighbours of a removed atom, in sd", error=error, bound=0.1)
    assert edited.warnings[0].startswith("selection by hand")
    assert edited_by_hand(edited)


def test_the_mark_reaches_the_lattice(atoms, scene):
    from physlearn.datasets import assign_sites, classify_species

    edited = apply_edits(atoms, atoms.to_pandas().iloc[3:], scene.image)
    snapshots = assign_sites(classify_species(edited))
    assert any(text.startswith("selection by hand") for text in snapshots.warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="x"), "columns x and y"),
        (lambda t: t.assign(x="here"), "numbers"),
        (lambda t: t.assign(x=np.nan), "edited"),
        (lambda t: t.assign(x=t["x"] + 1e4), "inside the picture; row 1"),
        (lambda t: pd.concat([t, t.iloc[[2]]]), "rows 3 and 82"),
    ],
)
def test_bad_tables_get_one_sentence(atoms, scene, change, words):
    with pytest.raises(InputError, match=words):
        apply_edits(atoms, change(atoms.to_pandas()), scene.image)


def test_a_table_in_another_unit_is_refused(atoms, scene, tmp_path):
    atoms.with_changes(unit="nm").to_csv(tmp_path / "edited.csv")
    with pytest.raises(InputError, match=r"pixel; edited\.csv says nm"):
        apply_edits(atoms, tmp_path / "edited.csv", scene.image)


def test_all_atoms_removed_is_an_empty_record(atoms, scene):
    edited = apply_edits(atoms, atoms.to_pandas().iloc[:0], scene.image)
    assert edited.n == 0
    assert edited.metadata["edit_removed"] == 81
