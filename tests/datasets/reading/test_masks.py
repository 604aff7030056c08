"""Masks of segmentation nets: centres to sub-pixel accuracy, and no invented errors."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import atoms_from_mask


def blobs(centers, shape, width=2.0):
    """Return a probability map with one Gaussian of height 1 a centre (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    found = np.zeros(shape)
    for cx, cy in centers:
        found = np.maximum(found, np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2)))
    return found


@pytest.fixture
def centers():
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(6)), -1).reshape(-1, 2) * 14.0 + 12
    return grid + rng.uniform(-2, 2, grid.shape)


def test_centres_of_a_probability_map(centers, oracle):
    shape = (96, 124)
    atoms = atoms_from_mask(blobs(centers, shape))
    assert atoms.n == len(centers)
    order = np.linalg.norm(atoms.positions[:, None] - centers[None], axis=2).argmin(axis=1)
    error = np.linalg.norm(atoms.positions - centers[order], axis=1)
    # cut at half height the centre moves by a small part of a pixel
    oracle("mask centre, pixels", error=error.max(), bound=0.25)
    assert atoms.position_covariance is None
    assert any("carry no errors" in note for note in atoms.warnings)
    assert atoms.field_of_view == (-0.5, -0.5, 123.5, 95.5)


def test_classes_of_atomai_have_their_background_last(centers):
    one, two = blobs(centers[::2], (96, 124)), blobs(centers[1::2], (96, 124))
    net = np.stack([one, two, 1 - np.maximum(one, two)], axis=-1)[None].astype(np.float32)
    atoms = atoms_from_mask(net, species_names=("Mo", "S"))
    assert np.bincount(atoms.species).tolist() == [24, 24]
    assert atoms.species_names == ("Mo", "S")
    first = np.moveaxis(net[0], -1, 0)[[2, 0, 1]]
    same = atoms_from_mask(np.moveaxis(first, 0, -1), background="first")
    assert np.allclose(np.sort(same.positions, 0), np.sort(atoms.positions, 0))
    with pytest.raises(InputError, match="2 name"):
        atoms_from_mask(net, species_names=("Mo",))


def test_whole_numbers_are_not_guessed_at():
    mask = np.zeros((40, 40), dtype=np.int64)
    mask[5:9, 5:9], mask[5:9, 9:13], mask[20:24, 20:24] = 1, 2, 3
    with pytest.raises(InputError, match="may be classes or instances"):
        atoms_from_mask(mask)
    apart = atoms_from_mask(mask, kind="instances")
    assert apart.positions.tolist() == [[6.5, 6.5], [10.5, 6.5], [21.5, 21.5]]
    assert apart.species_names == ("class 1",)
    classes = atoms_from_mask(mask, kind="classes")
    assert classes.species.tolist() == [0, 1, 2]
    assert atoms_from_mask(mask == 1).n == 1
    joined = atoms_from_mask(mask > 0)  # two that touch, seen as one
    assert joined.n == 2
    with pytest.raises(InputError, match="probabilities up to 1"):
        atoms_from_mask(mask.astype(float))


def test_scale_specks_and_empty_masks():
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:13, 20:23] = mask[30, 30] = True
    image = xr.DataArray(
        mask, dims=("y", "x"),
        coords={dim: (dim, 1.0 + 0.1 * np.arange(40), {"units": "nm"}) for dim in ("y", "x")},
    )  # fmt: skip
    atoms = atoms_from_mask(image)
    assert np.allclose(atoms.positions, [[3.1, 2.1]])
    assert atoms.unit == "nm"
    assert any("1 region(s) of fewer than 3" in note for note in atoms.warnings)
    assert np.allclose(
        atoms_from_mask(mask, pixel_size=0.1, unit="nm").positions, atoms.positions - 1.0
    )
    empty = atoms_from_mask(np.zeros((20, 20), bool))
    assert empty.n == 0
    assert any("no column was found" in note for note in empty.warnings)
    with pytest.raises(InputError, match="go together"):
        atoms_from_mask(mask, pixel_size=0.1)
    with pytest.raises(InputError, match="mask brings its scale"):
        atoms_from_mask(image, pixel_size=0.1, unit="nm")
    with pytest.raises(InputError, match="rows, columns"):
        atoms_from_mask(mask[0])
    with pytest.raises(InputError, match="finite"):
        atoms_from_mask(np.full((20, 20), np.nan))
