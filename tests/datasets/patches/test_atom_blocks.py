"""Columns of atoms in patches: planted noise against the joint covariance, and invariances."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import assign_sites, classify_species, find_atoms, read_image
from physlearn.datasets.descriptors.patch_places import PatchPlaces, grid_places
from physlearn.datasets.patches.atom_blocks import atom_blocks
from physlearn.datasets.patches.site_columns import site_rows
from physlearn.records import AtomicConfiguration, LatticeSnapshots, SiteGraph

SPACING = 10.0
SHAPE = np.array([[1.0, 0.3], [0.3, 0.7]])


def crystal(n, *, wave=0.02, disorder=0.0, seed=0):
    """Return positions of a triangular crystal with a strain wave, and two kinds of sites."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:n, :n].reshape(2, -1)
    places = SPACING * np.stack([column + 0.5 * (row % 2), np.sqrt(0.75) * row], axis=1)
    turns = 2 * np.pi / (n * SPACING)
    places = places + wave / turns * np.stack(
        [np.sin(places[:, 1] * turns), np.cos(places[:, 0] * turns)], axis=1
    )
    places += disorder * SPACING * rng.normal(size=places.shape)
    return places, rng.integers(0, 2, n * n)


def measured(places, states, sd, brightness, intensity_sd):
    """Return atoms with the errors that they carry."""
    return AtomicConfiguration(
        places, species=states, species_names=("dim", "bright"), intensity=np.exp(brightness),
        intensity_sd=np.exp(brightness) * intensity_sd,
        position_covariance=np.tile(sd**2 * SHAPE, (len(places), 1, 1)),
    )  # fmt: skip


def planted(n, sd, n_grids, *, lattice, overlap=0.0, disorder=0.0, orders=(), wave=0.02):
    """Return names, errors (repeats, patches, columns) and claimed covariances of noisy repeats.

    Every grid of patches lies elsewhere: which points stand near an edge is a matter of chance.
    """
    rng = np.random.default_rng(1)
    places, states = crystal(n, disorder=disorder, wave=wave)
    brightness = 0.7 * states + 0.1 * rng.normal(size=n * n)
    true = measured(places, states, 1e-7, brightness, 1e-7)
    sites = assign_sites(true) if lattice else None
    order = None if sites is None else site_rows(true, sites.graph.positions)
    root = np.linalg.cholesky(SHAPE)
    errors, covariances = [], []
    for _ in range(n_grids):
        corner = places.min(axis=0) + rng.uniform(0, SPACING, 2)
        patches = grid_places(
            corner, corner + 0.95 * np.ptp(places, axis=0).min(), 2.6 * SPACING, overlap=overlap
        )

        def block(atoms, patches=patches):
            here = sites
            if sites is not None:
                graph = replace(sites.graph, positions=atoms.positions[order])
                here = replace(sites, graph=graph)
            return atom_blocks(atoms, here, patches, orders=orders)[0]

        truth = block(true)
        for _ in range(3):
            moved = places + sd * rng.normal(size=places.shape) @ root.T
            seen = brightness + 0.05 * rng.normal(size=n * n)
            found = block(measured(moved, states, sd, seen, 0.05))
            assert found.names == truth.names
            errors.append(found.values - truth.values)
            covariances.append(found.covariance)
    return truth.names, np.array(errors), np.array(covariances)


def check_errors(names, errors, covariances, columns):
    """Hold z against 1 and seen against claimed correlations; return rows of the chosen columns."""
    chosen = [names.index(name) for name in columns]
    errors = errors[:, :, chosen].reshape(-1, len(chosen))
    covariances = covariances[:, :, chosen][:, :, :, chosen].reshape(-1, len(chosen), len(chosen))
    sd = np.sqrt(np.einsum("nii->ni", covariances))
    z = errors / sd
    n = len(z)
    assert n > 4000
    for k, name in enumerate(columns):
        rms = np.sqrt(np.mean(errors[:, k] ** 2) / np.mean(sd[:, k] ** 2))
        assert abs(rms - 1) < 0.05, (name, rms)
        if name != "shear_squared":  # a chi-square of two: its own error grows with it
            assert abs(z[:, k].std() - 1) < 0.05, (name, z[:, k].std())
            assert abs(errors[:, k].mean() / sd[:, k].mean()) < 0.1, name
    mean = covariances.mean(axis=0)
    scale = np.sqrt(np.diag(mean))
    claimed = mean / np.outer(scale, scale)
    seen = np.corrcoef(errors.T)
    assert np.abs(claimed - seen).max() < 4 / np.sqrt(n) + 0.03
    return errors, covariances, claimed


LINEAR = ("intensity_residual", "dilation", "deviatoric_strain", "shear_strain",
          "lattice_rotation", "spacing")  # fmt: skip


def test_errors_and_correlations_are_those_of_planted_noise():
    names, errors, covariances = planted(50, 0.3, 6, lattice=True)
    found = check_errors(names, errors, covariances, (*LINEAR, "bond_order", "shear_squared"))
    errors, covariances, claimed = found
    spacing, dilation = LINEAR.index("spacing"), LINEAR.index("dilation")
    assert claimed[spacing, dilation] > 0.3
    # jointly right with the correlations, wrong without them
    pair = [dilation, spacing]
    error, covariance = errors[:, pair], covariances[:, pair][:, :, pair]
    difference = error[:, 1] / SPACING - error[:, 0] / 2
    weights = np.array([-0.5, 1 / SPACING])
    joint = np.einsum("i,nij,j->n", weights, covariance, weights)
    alone = np.einsum("i,nii,i->n", weights, covariance, weights)
    assert abs((difference / np.sqrt(joint)).std() - 1) < 0.05
    assert (difference / np.sqrt(alone)).std() < 0.9
    square = np.einsum("ni,nij,nj->n", errors[:, :6], np.linalg.inv(covariances[:, :6, :6]),
                       errors[:, :6])  # fmt: skip
    assert square.mean() == pytest.approx(6, rel=0.06)


def test_errors_without_a_lattice():
    names, errors, covariances = planted(50, 0.2, 6, lattice=False, disorder=0.02, orders=(3,))
    assert "bond_order_squared_3" in names
    check_errors(names, errors, covariances, ("intensity_residual", "spacing", "bond_order"))


def test_errors_of_overlapping_patches():
    names, errors, covariances = planted(30, 0.3, 5, lattice=True, overlap=0.5)
    check_errors(names, errors, covariances, LINEAR)


def test_a_label_in_doubt_is_an_error_of_composition_and_intensity():
    rng = np.random.default_rng(3)
    n, level, own, noise = 120, 0.5, 0.1, 0.15
    row, column = np.mgrid[:n, :n].reshape(2, -1)
    places = SPACING * np.stack([column, row], axis=1).astype(np.float64)
    patches = grid_places(places.min(axis=0) - 5, places.max(axis=0) + 5, 3 * SPACING)
    weights = np.zeros((patches.n, n * n))
    patch, point = patches.members(places)
    weights[patch, point] = 1 / 9
    rows = []
    for _ in range(4):
        true = (rng.random(n * n) < 0.3).astype(np.int64)
        residual = own * rng.normal(size=n * n)
        log_intensity = level * true + residual + noise * rng.normal(size=n * n)
        spread = own**2 + noise**2
        labels = -0.5 * np.stack([log_intensity, log_intensity - level], axis=1) ** 2 / spread
        atoms = AtomicConfiguration(
            places, intensity=np.exp(log_intensity), intensity_sd=noise * np.exp(log_intensity),
            species=labels.argmax(axis=1), species_names=("a", "b"), species_log_likelihood=labels,
        )  # fmt: skip
        block = next(b for b in atom_blocks(atoms, None, patches) if "composition" in b.names)
        k = [block.names.index(name) for name in ("composition", "intensity_residual")]
        error = block.values[:, k] - np.stack([weights @ true, weights @ residual], axis=1)
        rows.append((error, block.covariance[:, k][:, :, k]))
    error = np.concatenate([row[0] for row in rows])
    covariance = np.concatenate([row[1] for row in rows])
    assert len(error) > 4000
    z = error / np.sqrt(np.einsum("nii->ni", covariance))
    assert np.abs(z.std(axis=0) - 1).max() < 0.05
    assert np.abs(z.mean(axis=0)).max() < 0.1
    mean = covariance.mean(axis=0)
    claimed = mean[0, 1] / np.sqrt(mean[0, 0] * mean[1, 1])
    assert claimed < -0.1
    assert abs(claimed - np.corrcoef(error.T)[0, 1]) < 0.05


def islands(angle, *, shift=(0.0, 0.0), gain=1.0):
    """Return round pieces of a strained crystal, a patch each, all turned about the origin."""
    rng = np.random.default_rng(5)
    row, column = np.mgrid[-5:6, -5:6].reshape(2, -1)
    flat = SPACING * np.stack([column + 0.5 * (row % 2), np.sqrt(0.75) * row], axis=1)
    flat = flat[np.hypot(*flat.T) < 3.2 * SPACING]
    centers = np.array([[x, y] for y in range(3) for x in range(3)]) * 12.0 * SPACING
    places, edges = [], []
    for number, center in enumerate(centers):
        strain = np.eye(2) + 0.02 * rng.normal(size=(2, 2))
        here = flat @ strain.T + 0.1 * rng.normal(size=flat.shape)
        near = np.hypot(*(flat[:, None] - flat[None]).transpose(2, 0, 1))
        edges.append(np.argwhere((near > 0) & (near < 1.2 * SPACING)) + number * len(flat))
        places.append(center + here)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    positions = np.concatenate(places) @ turn.T + shift
    pairs = np.concatenate(edges)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    n = len(positions)
    states = rng.choice([-1, 1], n)
    vectors = SPACING * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]]) @ turn.T
    names = ("vector_1_x", "vector_1_y", "vector_2_x", "vector_2_y")
    sites = LatticeSnapshots(
        states[None].astype(np.int8),
        SiteGraph(n, pairs, np.zeros(len(pairs)), np.ones(len(pairs)), positions=positions),
        metadata={"lattice": "triangular"} | dict(zip(names, vectors.ravel(), strict=True)),
    )
    atoms = AtomicConfiguration(
        positions, intensity=gain * np.exp(0.1 * rng.normal(size=n) + 0.3 * states),
        intensity_sd=gain * np.full(n, 0.02), species=(states > 0).astype(np.int64),
        position_covariance=np.tile(0.01 * np.eye(2), (n, 1, 1)),
    )  # fmt: skip
    return atoms, sites, PatchPlaces(centers @ turn.T + shift, 9.0 * SPACING, "pixel")


TURNS_WITH_AXES = ("deviatoric_strain", "shear_strain")


@pytest.mark.parametrize("lattice", [True, False])
def test_nothing_but_components_changes_when_the_picture_is_turned_moved_or_brighter(lattice):
    first, sites, patches = islands(0.0)
    before = atom_blocks(first, sites if lattice else None, patches, orders=(2, 4))[0]
    for angle, shift, gain in ((0.4, (0, 0), 1), (2.2, (31.7, -8.1), 1), (0, (0, 0), 7.0)):
        turned, here, places = islands(angle, shift=shift, gain=gain)
        after = atom_blocks(turned, here if lattice else None, places, orders=(2, 4))[0]
        assert after.names == before.names
        for k, name in enumerate(before.names):
            if angle and name in TURNS_WITH_AXES:
                assert np.abs(after.values[:, k] - before.values[:, k]).max() > 1e-3
                continue
            assert np.allclose(after.values[:, k], before.values[:, k], rtol=1e-6, atol=1e-9), name
            if name != "bond_order":  # an edge of a square patch that turns lies elsewhere
                assert np.allclose(
                    after.covariance[:, k, k], before.covariance[:, k, k], rtol=1e-5, atol=1e-15
                ), name


def test_strain_of_islands_comes_back():
    atoms, sites, patches = islands(0.0)
    block = atom_blocks(atoms, sites, patches)[0]
    values = dict(zip(block.names, block.values.T, strict=True))
    square = values["deviatoric_strain"] ** 2 + values["shear_strain"] ** 2
    assert np.allclose(values["shear_squared"], square, atol=1e-4)
    assert block.derived["shear_squared"] == TURNS_WITH_AXES
    assert block.derived["spacing"] == ("dilation",)


def test_atoms_without_errors_give_columns_without_errors():
    places, states = crystal(12)
    atoms = AtomicConfiguration(places, species=states, species_names=("a", "b"))
    blocks = atom_blocks(atoms, None, grid_places([0, 0], [110, 90], 30.0))
    known, unknown = blocks
    assert known.names == ("composition",)
    assert unknown.covariance is None
    assert {"spacing", "bond_order", "density"} <= set(unknown.names)
    assert any("no position errors" in note for note in known.notes)


def test_pooled_errors_are_the_mean_and_empty_patches_hold_nan():
    places, states = crystal(16)
    atoms = measured(places, states, 0.1, 0.7 * states, 0.05)
    patches = grid_places([-60, 0], [160, 130], 30.0)
    each = atom_blocks(atoms, assign_sites(atoms), patches)[0]
    one = atom_blocks(atoms, assign_sites(atoms), patches, pooled=True)[0]
    whole = np.isfinite(each.values).all(axis=1)
    assert not whole.all()
    assert one.covariance.shape == (1, len(one.names), len(one.names))
    k = each.names.index("intensity_residual")
    there = np.isfinite(each.values[:, k])
    assert one.covariance[0, k, k] == pytest.approx(each.covariance[there, k, k].mean())
    assert np.linalg.eigvalsh(each.covariance[whole]).min() > -1e-12


def test_bad_arguments():
    places, states = crystal(12)
    atoms = measured(places, states, 0.1, 0.7 * states, 0.05)
    patches = grid_places([0, 0], [110, 90], 30.0)
    with pytest.raises(InputError, match="plane"):
        atom_blocks(AtomicConfiguration(np.zeros((4, 3))), None, patches)
    with pytest.raises(InputError, match="orders"):
        atom_blocks(atoms, None, patches, orders=(0,))
    with pytest.raises(InputError, match="measurements must be"):
        atom_blocks(atoms, None, patches, [3])
    with pytest.raises(InputError, match="these atoms"):
        sites = assign_sites(atoms)
        atom_blocks(atoms.with_changes(positions=places + 3.0), sites, patches)


@pytest.mark.slow
def test_real_picture_has_composition_spacing_and_strain_with_covariances(public_file):
    image = read_image(public_file("stem_mo_re_s2/re05.tiff"))
    atoms = classify_species(find_atoms(image))
    sites = assign_sites(atoms)
    view = np.array(atoms.field_of_view)
    patches = grid_places(view[:2], view[2:], 3 * sites.metadata["lattice_constant"])
    block = atom_blocks(atoms, sites, patches)[0]
    assert {"composition", "spacing", "bond_order", *LINEAR} <= set(block.names)
    whole = np.isfinite(block.values).all(axis=1)
    assert whole.sum() >= 60
    values = dict(zip(block.names, block.values[whole].T, strict=True))
    covariance = block.covariance[whole]
    sd = dict(zip(block.names, np.sqrt(np.einsum("nii->in", covariance)), strict=True))
    assert values["composition"].mean() == pytest.approx(0.019, abs=0.006)
    assert values["spacing"].mean() == pytest.approx(30.2, abs=0.3)
    for name in (*LINEAR, "bond_order"):
        # what patches differ by is at least what errors make of it
        assert 0.7 < values[name].std() / np.sqrt(np.mean(sd[name] ** 2)) < 5, name
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    i, j = block.names.index("dilation"), block.names.index("spacing")
    mean = covariance.mean(axis=0)
    assert 0.2 < mean[i, j] / np.sqrt(mean[i, i] * mean[j, j]) < 0.7
