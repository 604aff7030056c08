"""Columns fitted from given places: as find_atoms fits them, one row for each place."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import ImagingSettings, apply_edits, find_atoms, image_columns
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.given_columns import fit_given_columns
from physlearn.datasets.columns.recorded_settings import recorded_options

X, Y = np.meshgrid(np.arange(15.0, 190.0, 14.0), np.arange(15.0, 140.0, 14.0))
GRID = np.stack([X.ravel(), Y.ravel()], axis=1)


@pytest.fixture(scope="module")
def counts():
    places = GRID + np.random.default_rng(0).uniform(-1, 1, GRID.shape)
    return image_columns(places, 200.0, (150, 200), rng=1).image.to_numpy()


def picture(counts, kind):
    """Return a picture of some kind, with how its columns are found."""
    if kind == "dark":
        return 500.0 - counts, {"noise": "gaussian", "options": FindAtomsOptions(polarity="dark")}
    if kind == "row levels":
        # steps of 1.6 times the noise; of five times they are found as columns (the option says so)
        levels = np.cumsum(np.random.default_rng(3).normal(0, 10, len(counts)))
        return counts + levels[:, None], {"options": FindAtomsOptions(row_levels=True)}
    mask = np.ones(counts.shape, dtype=np.bool_)
    mask[40:46] = False
    return np.where(mask, counts, 1e4), {"mask": mask}


@pytest.mark.parametrize("kind", ["dark", "row levels", "mask"])
def test_edits_are_fitted_as_the_atoms_were(counts, kind, oracle, tmp_path):
    image, how = picture(counts, kind)
    atoms = find_atoms(image, **how)
    assert abs(atoms.n - len(GRID)) <= 2
    # what the fit needs survives the file
    atoms.save(tmp_path / "a.nc")
    atoms = type(atoms).load(tmp_path / "a.nc")
    edited = apply_edits(atoms, atoms.to_pandas().iloc[1:], image, mask=how.get("mask"))
    assert edited.n == atoms.n - 1
    rest = atoms.position_covariance[1:]
    sd = np.sqrt(np.einsum("nii->ni", rest))
    moved = (edited.positions - atoms.positions[1:]) / sd
    # .05 to .09 measured; sweeps of row levels stop a little apart
    oracle("rms move of the kept, in sd", error=np.sqrt((moved**2).mean()), bound=0.2)
    ratio = np.einsum("nii->ni", edited.position_covariance) / sd**2
    oracle("variance against found", error=np.abs(np.median(ratio) - 1), bound=0.05)
    light = np.std(edited.intensity / atoms.intensity[1:])
    oracle("intensity against found", error=light, bound=0.02)
    assert recorded_options(edited.metadata) == how.get("options", FindAtomsOptions())


def test_common_tails_are_kept(oracle):
    settings = ImagingSettings(width_px=2.2, tail_share=0.3, tail_widths=2.0, background_counts=10)
    image = image_columns(GRID, 300.0, (150, 200), settings, rng=2).image
    atoms = find_atoms(image, options=FindAtomsOptions(shape="two_widths"))
    edited = apply_edits(atoms, atoms.to_pandas().iloc[1:], image)
    assert edited.metadata["column_tail_height"] > 0
    light = np.median(edited.intensity / atoms.intensity[1:]) - 1.0
    oracle("light with its tail against found", error=abs(light), bound=0.03)


def test_untouched_atoms_that_move_are_named(counts):
    image = counts[:, :110]
    mask = np.ones(image.shape, dtype=np.bool_)
    mask[:, :62] = False
    atoms = find_atoms(image, mask=mask)
    quiet = apply_edits(atoms, atoms.to_pandas().iloc[1:], image, mask=mask)
    sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance[1:]))
    moved = (np.abs(quiet.positions - atoms.positions[1:]) > 2 * sd).any()
    assert any("nobody touched" in text for text in quiet.warnings) == moved
    elsewhere = atoms.positions + 3 * np.sqrt(np.einsum("nii->ni", atoms.position_covariance))
    wrong = atoms.with_changes(positions=elsewhere)
    loud = apply_edits(wrong, wrong.to_pandas().iloc[1:], image, mask=mask)
    assert any("nobody touched" in text for text in loud.warnings)


def test_another_mask_is_refused(counts):
    image, how = picture(counts, "mask")
    atoms = find_atoms(image, **how)
    table = atoms.to_pandas().iloc[1:]
    with pytest.raises(InputError, match="got none"):
        apply_edits(atoms, table, image)
    with pytest.raises(InputError, match="got another one"):
        apply_edits(atoms, table, image, mask=how["mask"][::-1])


def test_settings_of_another_version_are_refused(counts):
    atoms = find_atoms(counts[:60, :60], noise="poisson")
    said = dict(atoms.metadata) | {"fit_options": '{"colour": "red"}'}
    with pytest.raises(InputError, match="colour"):
        apply_edits(atoms.with_changes(metadata=said), atoms.to_pandas().iloc[1:], counts[:60, :60])
    assert recorded_options({"polarity": "dark"}).polarity == "dark"
    with pytest.raises(InputError, match="fit_options"):
        recorded_options({"fit_options": "none"})


def test_no_row_is_lost_at_the_edge():
    image = image_columns([[14.0, 20], [34, 20], [14, 40], [34, 40]], 200.0, (60, 60), rng=1).image
    atoms = find_atoms(image)
    for x in (-0.4, 0.0, 0.5, 2.0, 57.0, 59.4):
        for y in (-0.4, 0.0, 30.0, 59.4):
            # the removed column is fitted behind the added one: a lost row would shift it
            added = pd.DataFrame([(x, y)], columns=["x", "y"])
            table = pd.concat([atoms.to_pandas().iloc[1:][["x", "y"]], added], ignore_index=True)
            edited = apply_edits(atoms, table, image)
            assert edited.n == 4
            assert np.abs(edited.positions[:3] - atoms.positions[1:]).max() < 0.1
            assert edited.metadata["edit_unsupported_rows"] == "3"
            assert np.array_equal(edited.positions[3], [x, y])
            assert np.isfinite(edited.position_covariance).all()


def test_a_column_that_leaves_is_held_on_its_place():
    rng = np.random.default_rng(3)
    image = rng.poisson(20.0, (40, 40)).astype(float)
    places = np.column_stack([rng.uniform(-0.5, 39.5, 60), np.full(60, -0.5)])[::4]
    fitted = fit_given_columns(image, places, noise="poisson", width=2.0)
    assert fitted.n == len(places)
    assert np.all(np.abs(np.clip(fitted.positions, 0, 39) - fitted.positions) <= 2.0 + 1e-9)
    assert np.isfinite(fitted.position_covariance).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": "foo"}, "noise must be one of"),
        (
            {"image": np.random.default_rng(0).normal(0.0, 1.0, (40, 40)), "noise": "poisson"},
            "negative values",
        ),
        ({"positions": [[10.0, 10.0], [60.0, 5.0]]}, "row 1 stands at x 60"),
    ],
)
def test_bad_arguments(change, words):
    image = np.random.default_rng(0).poisson(9.0, (40, 40)).astype(float)
    arguments = {"image": image, "positions": [[10.0, 10.0]], "width": 2.0} | change
    with pytest.raises(InputError, match=words):
        fit_given_columns(**arguments)


def test_row_levels_take_one_variance(counts):
    image, how = picture(counts, "row levels")
    known = xr.DataArray(image, dims=("y", "x"))
    fitted = fit_given_columns(known, GRID, options=how["options"])
    assert fitted.metadata["noise_model"] == "gaussian"
