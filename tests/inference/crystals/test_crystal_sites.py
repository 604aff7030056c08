"""Crystals laid on their lattices: recognised, counted, refused."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_crystal, sample_harmonic_crystal
from physlearn.inference.crystals.crystal_kinds import KINDS
from physlearn.inference.crystals.crystal_sites import find_sites
from physlearn.inference.crystals.wave_vectors import (
    amplitudes,
    cells_of,
    half_the_waves,
    reduce_rows,
    row_form,
)
from physlearn.records import AtomicConfiguration

SIZES = {2: 9, 3: 5}
RIGID = {
    "honeycomb": [300.0, 80.0, 50.0, 5.0], "square": [300.0, 30.0, 100.0, 5.0],
    "simple_cubic": [300.0, 30.0, 100.0, 5.0],
}  # fmt: skip


def crystal(name, seed=3, size=None):
    springs = np.array(RIGID.get(name, [300.0, 0.0, 60.0, 0.0]))
    size = SIZES[KINDS[name].dimension] if size is None else size
    return sample_harmonic_crystal(name, size, springs, spacing=1.7, rng=seed)[0]


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_is_recognised_at_any_orientation(name):
    atoms = crystal(name)
    d = atoms.dimension
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((d, d)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    places, cell = atoms.positions @ turn + 0.4, atoms.cell @ turn
    whole = find_sites(places, cell)
    assert whole.kind.name == name
    assert whole.n_missing == 0
    assert whole.spacing == pytest.approx(1.7, rel=1e-9)  # the box fixes it
    sites = whole.sites + whole.displacement
    shift = (places - sites) @ np.linalg.inv(cell)
    assert np.allclose((shift - shift[0] + 0.5) % 1.0, 0.5, atol=1e-9)  # the same atoms
    piece = find_sites(places, None, name)
    assert piece.spacing == pytest.approx(1.7, rel=0.02)
    assert piece.n_missing == 0


def test_missing_atoms_are_counted():
    atoms = crystal("triangular", size=14)
    fewer = np.delete(atoms.positions, [60, 100], axis=0)
    assert find_sites(fewer, atoms.cell).n_missing == 2
    inside = np.argsort(((atoms.positions - atoms.positions.mean(axis=0)) ** 2).sum(axis=1))[:3]
    assert find_sites(np.delete(atoms.positions, inside[1], axis=0), None).n_missing == 1


def test_what_is_no_crystal_is_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(NotIdentified, match="one crystal"):
        find_sites(rng.random((200, 2)) * 14, np.diag([14.0, 14.0]))
    atoms = crystal("triangular", size=12)
    doubled = np.concatenate([atoms.positions, atoms.positions[:1] + 0.05])
    with pytest.raises(NotIdentified, match="share a site"):
        find_sites(doubled, atoms.cell, "triangular")
    with pytest.raises(InputError, match="lattice must be"):
        find_sites(atoms.positions, atoms.cell, "quasicrystal")
    with pytest.raises(InputError, match="2 dimensions"):
        find_sites(atoms.positions, atoms.cell, "fcc")
    with pytest.raises(NotIdentified, match="too few"):
        find_sites(atoms.positions[:5], None)
    holes = np.delete(atoms.positions, np.arange(0, atoms.n, 9), axis=0)
    few = AtomicConfiguration(holes, unit="reduced", cell=atoms.cell)
    with pytest.raises(NotIdentified, match="empty"):
        fit_crystal(few, sampling="thermal_snapshot", position_sd=0, lattice="triangular")


@pytest.mark.parametrize("rows", [[[4, 0], [-2, 5]], [[3, 1], [1, -4]], [[0, 3], [5, 2]]])
def test_classes_of_integer_points(rows):
    rows = np.array(rows)
    form = row_form(rows)
    count = round(abs(np.linalg.det(rows)))
    cells = cells_of(form)
    assert len(cells) == count
    points = np.random.default_rng(2).integers(-20, 20, (50, 2))
    steps = np.random.default_rng(3).integers(-3, 3, (50, 2)) @ rows
    assert np.array_equal(reduce_rows(points, form), reduce_rows(points + steps, form))
    assert len(np.unique(reduce_rows(points, form), axis=0)) <= count


def test_the_waves_hold_the_whole_field():
    periods = np.array([[6, 1], [-3, 8]])
    cells = cells_of(row_form(periods))
    field = np.random.default_rng(4).standard_normal((len(cells), 2))
    field -= field.mean(axis=0)
    waves, weight = half_the_waves(periods)
    wave = amplitudes(field, cells @ np.linalg.inv(periods), waves) / np.sqrt(len(cells))
    power = 2.0 * (weight[:, None] * np.abs(wave) ** 2).sum()
    assert power == pytest.approx((field**2).sum(), rel=1e-12)
    assert weight.sum() == pytest.approx((len(cells) - 1) / 2)
