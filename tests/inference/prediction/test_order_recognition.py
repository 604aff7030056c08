"""Crystals and orders are recognised: which pattern a prediction names."""

import numpy as np
import pytest
from lattice_forecasts import FEW, SQUARE, at, fit_of

from physlearn.inference.energies.periodic_crystal import make_crystal
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.prediction.crystal_recognition import recognise_crystal
from physlearn.inference.prediction.pattern_order import find_order
from physlearn.inference.prediction.thermodynamics import predict_thermodynamics
from physlearn.lattice_models import (
    cubic_lattice,
    honeycomb_lattice,
    square_lattice,
    triangular_lattice,
)


@pytest.mark.parametrize("kind", ["sc", "bcc", "fcc"])
def test_cubic_crystals_are_recognised(kind):
    assert recognise_crystal(cubic_lattice((4, 4, 4), kind, 2, periodic=False)) == kind


@pytest.mark.parametrize(
    "build", [square_lattice, triangular_lattice, honeycomb_lattice], ids=lambda b: b.__name__
)
def test_plane_crystals_are_recognised_with_and_without_rim(build):
    for periodic in (False, True):
        graph = build((12, 12), 2, periodic=periodic)
        assert f"{recognise_crystal(graph)}_lattice" == build.__name__


def perfect(crystal, contrast):
    """Return the codes of an ordered pattern: the sign of a function of cell and motif."""
    place = np.indices(crystal.sizes).reshape(len(crystal.sizes), -1)
    sites = [contrast(place, motif) for motif in range(crystal.n_motif)]
    return np.stack(sites, axis=1).reshape(-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "sizes", "contrast", "order", "n_star"),
    [
        ("square", (6, 6), lambda p, m: p.sum(axis=0) % 2, "checkerboard", 1),
        ("square", (6, 6), lambda p, m: p[0] % 2, "stripes", 2),
        ("triangular", (6, 6), lambda p, m: (p[0] - p[1]) % 3 == 0, "three sublattices", 2),
        ("triangular", (6, 6), lambda p, m: p[0] % 2, "stripes", 3),
        ("honeycomb", (4, 4), lambda p, m: 0 * p[0] + m, "alternating sublattices", 1),
        ("sc", (4, 4, 4), lambda p, m: p.sum(axis=0) % 2, "rock salt", 1),
        ("bcc", (4, 4, 4), lambda p, m: 0 * p[0] + m, "B2", 1),
        ("fcc", (4, 4, 4), lambda p, m: 0 * p[0] + (m < 1), "L1_0 or L1_2", 1),
        ("square", (8, 8), lambda p, m: p[0] % 4 < 2, "superstructure at q = (0, 0.25)", 4),
    ],
)
def test_perfect_patterns_are_named(kind, sizes, contrast, order, n_star):
    family = lattice_family("ising", (-1, 1), 1)
    crystal = make_crystal(kind, sizes, 1)
    codes = perfect(crystal, contrast)
    # both signs, as equilibrium has them: the mean over patterns is no order
    pictures = np.stack([codes, 1 - codes])[None]
    found = find_order(family, crystal, pictures)
    assert found.modes.name == order
    assert len(found.modes.wavevectors) == n_star
    # of three sublattices that are (+, -, -), 1/9 of the variance is uniform
    share = 8 / 9 if "three" in order else 1.0
    assert found.shares[0] == pytest.approx(share, abs=1e-6)


def test_no_order_is_said_where_couplings_are_weak():
    family = lattice_family("ising", (-1, 1), 1)
    rng = np.random.default_rng(1)
    theta = np.column_stack([np.zeros(40), 0.02 * rng.standard_normal(40)])
    found = predict_thermodynamics(
        fit_of(theta, family, square_lattice((12, 12)), warnings=("made up",)), [0.7, 1.3],
        shape=(12, 12), options=FEW, rng=1,
    )  # fmt: skip
    assert found.transition is None
    assert found.ordering == {"none": 1.0}
    assert found.warnings[0] == "the fit says: made up"
    assert any("no order down to ratio 0.7" in text for text in found.warnings)


def test_fields_of_either_sign_do_not_hide_the_uniform_order():
    """One draw in four is magnetized the other way: no draw is without order."""
    family = lattice_family("ising", (-1, 1), 1)
    theta = np.tile([0.02, 0.8 * SQUARE], (32, 1))
    theta[::4, 0] *= -1
    fit = fit_of(theta, family, square_lattice((12, 12)))
    found = predict_thermodynamics(
        fit, [0.6, 1.2], shape=(12, 12), options=FEW, transition=False, rng=1
    )
    assert found.ordering == {"uniform": 1.0}


def test_a_field_alone_is_no_order():
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([1.0, 0.05], (16, 1)), family, square_lattice((12, 12)))
    found = predict_thermodynamics(fit, [0.8, 1.2], shape=(12, 12), options=FEW, rng=1)
    assert found.ordering == {"none": 1.0}
    assert found.transition is None
    assert at(found, "magnetization", 0.8)["mean"] > 0.8


def test_b2_is_found_at_fixed_composition():
    """Two sublattices of a cell at wavevector 0: not to be taken for the composition itself."""
    family = lattice_family("ising", (-1, 1), 1, fixed_composition=True)
    graph = cubic_lattice((4, 4, 4), "bcc")
    states = np.where(np.arange(128) % 2, 1, -1)[None]
    fit = fit_of(np.full((16, 1), -0.3), family, graph, states=states)
    found = predict_thermodynamics(fit, [0.8], shape=(4, 4, 4), options=FEW, rng=1)
    assert found.ordering == {"B2": 1.0}
