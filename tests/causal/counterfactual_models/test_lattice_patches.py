import itertools

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal.counterfactual_models.comparison import compare_counterfactuals
from physlearn.causal.counterfactual_models.lattice_patches import LatticePatches, lattice_model
from physlearn.causal.counterfactual_models.physical_models import physical_counterfactual
from physlearn.causal.counterfactual_models.structural_answers import counterfactuals
from physlearn.checks import InputError
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.records import PatchTable

EDGE, SIDE = 64, 8


@pytest.fixture(scope="module")
def picture():
    return simulate_lattice(Ising([0.2], 0.1), square_lattice((EDGE, EDGE)), burn_in=300, rng=0)


@pytest.fixture(scope="module")
def fit(picture):
    return fit_lattice_hamiltonian(picture, 1, method="pseudolikelihood", n_draws=400, rng=0)


def layout():
    row, column = np.mgrid[:EDGE, :EDGE].reshape(2, -1)
    patch = (row // SIDE) * (EDGE // SIDE) + column // SIDE
    return patch, (row + column) % 2 == 0


def table_of(picture):
    """Patches with the mean spin of the one and of the other sublattice."""
    patch, even = layout()
    spins = picture.states[0].astype(float)
    frame = pd.DataFrame(
        {
            name: np.bincount(patch[which], spins[which]) / np.bincount(patch[which])
            for name, which in (("even", even), ("odd", ~even))
        }
    )
    row, column = np.mgrid[: EDGE // SIDE, : EDGE // SIDE].reshape(2, -1)
    centers = 8.0 * np.stack([column, row], axis=1) + 4
    return PatchTable.from_frame(
        frame, centers, 8.0, unit="nm", measurement_covariance=np.zeros((1, 2, 2))
    )


def model_of(fit, n_sweeps=100, **options):
    patch, even = layout()
    patches = LatticePatches(patch, even, ~even, **options)
    return lattice_model(fit, patches, cause="even", outcome="odd", n_sweeps=n_sweeps)


def test_graph_and_hamiltonian_agree_where_both_are_right(picture, fit):
    table = table_of(picture)
    do = {"even": table.frame["even"] - 0.3}
    physical = physical_counterfactual(model_of(fit), table, do=do, rng=0)
    structural = counterfactuals(table, nx.DiGraph([("even", "odd")]), do=do, outcome="odd", rng=0)
    compared = compare_counterfactuals(structural, physical)
    assert compared.agree
    assert compared.n_effective < 10
    assert "agree" in compared.sentence()
    # the change is seen, and far larger than what it is uncertain by
    assert physical.change.mean() < -5 * physical.sd_parameters.mean()


def test_the_simulated_change_is_that_of_exact_sums(picture, fit):
    """One patch whose odd sites, given all others, do not touch each other: a product of tanh."""
    table = table_of(picture)
    answer = physical_counterfactual(model_of(fit, 400), table, do={"even": -1.0}, patches=[9],
                                     rng=3)  # fmt: skip
    patch, even = layout()
    spins = picture.states[0].astype(float)
    changed = spins.copy()
    changed[(patch == 9) & even] = -1.0
    coupling, field = fit["couplings"].mean(), fit["field"].mean()
    moved = []
    for states in (spins, changed):
        grid = states.reshape(EDGE, EDGE)
        pull = sum(np.roll(grid, shift, axis) for shift, axis in itertools.product((1, -1), (0, 1)))
        mean = np.tanh(field + coupling * pull).ravel()
        moved.append(mean[(patch == 9) & ~even].mean())
    exact = moved[1] - moved[0]
    # 32 sites x 64 copies x 400 sweeps of two states
    assert answer.change[0] == pytest.approx(exact, abs=4 * 2 / np.sqrt(32 * 64 * 100))


def test_sites_as_seen_change_nothing(picture, fit):
    table = table_of(picture)
    answer = physical_counterfactual(model_of(fit, 50), table, do={"even": table.frame["even"]},
                                     patches=[0, 1, 30], rng=0)  # fmt: skip
    assert np.all(np.abs(answer.change) < 0.02)
    assert not answer.out_of_support.any()


def test_columns_that_are_not_those_of_the_sites_are_flagged(picture, fit):
    table = table_of(picture)
    other = PatchTable.from_frame(table.frame.add([0.3, 0.0], axis=1), table.centers, 8.0)
    answer = physical_counterfactual(model_of(fit, 20), other, do={"even": 0.0}, patches=[3], rng=0)
    assert answer.out_of_support.all()


def test_a_share_of_a_state_as_a_column(picture, fit):
    table = table_of(picture)
    shares = PatchTable.from_frame((table.frame + 1) / 2, table.centers, 8.0)
    model = model_of(fit, 100, state=1)
    share = physical_counterfactual(model, shares, do={"even": 0.0}, patches=[3], rng=0)
    mean = physical_counterfactual(model_of(fit, 100), table, do={"even": -1.0}, patches=[3], rng=0)
    assert share.change[0] == pytest.approx(mean.change[0] / 2, abs=0.02)


def test_bad_sites(fit):
    patch, even = layout()
    ask = {"cause": "even", "outcome": "odd"}
    with pytest.raises(InputError, match="site 0 is both"):
        LatticePatches(patch, even, even)
    with pytest.raises(InputError, match="true or false for each of 4096"):
        LatticePatches(patch, even, even * 1)
    with pytest.raises(InputError, match="patch_of_site"):
        lattice_model(fit, LatticePatches(patch[:4], even[:4], ~even[:4]), **ask)
    with pytest.raises(InputError, match="snapshot must lie in 0 to 0"):
        lattice_model(fit, LatticePatches(patch, even, ~even, snapshot=3), **ask)
    with pytest.raises(InputError, match="state must be one of"):
        lattice_model(fit, LatticePatches(patch, even, ~even, state=7), **ask)
    with pytest.raises(InputError, match="n_sweeps"):
        lattice_model(fit, LatticePatches(patch, even, ~even), n_sweeps=1, **ask)


def test_a_patch_without_sites_is_named(picture, fit):
    patch, even = layout()
    emptied = np.where(patch == 5, -1, patch)
    model = lattice_model(fit, LatticePatches(emptied, even, ~even), cause="even", outcome="odd")
    with pytest.raises(InputError, match="patch 5 holds no site"):
        physical_counterfactual(model, table_of(picture), do={"even": 0.0}, patches=[5], rng=0)
