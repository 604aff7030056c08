"""What a lattice fit carries comes back, also from a file."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.lattices.fit_contents import (
    data_of,
    family_of,
    prior_of,
    snapshots_of,
    theta_of,
)
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.prediction.thermodynamics import predict_thermodynamics
from physlearn.lattice_models import (
    Ising,
    Potts,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit, fit_from_draws


def assert_same_record(first, second):
    for name in ("states", "observed", "label_log_likelihood", "times", "state_values",
                 "state_names", "warnings"):  # fmt: skip
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None and other is None) or np.array_equal(one, other)
    assert dict(first.metadata) == dict(second.metadata)
    for name in ("edges", "shell", "multiplicity", "positions", "cell", "shell_radii", "unit"):
        one, other = getattr(first.graph, name), getattr(second.graph, name)
        assert (one is None and other is None) or np.array_equal(one, other)
    assert set(first.conditions) == set(second.conditions)
    for name, values in first.conditions.items():
        assert np.array_equal(values, second.conditions[name])


@pytest.fixture(scope="module")
def two_records():
    first = simulate_lattice(Ising([0.2], 0.1), square_lattice((16, 16)), rng=1)
    second = simulate_lattice(Ising([0.1], 0.05), square_lattice((12, 10), periodic=False), rng=2)
    return [
        LatticeSnapshots(
            first.states, first.graph, conditions={"temperature": [1.0]}, warnings=("cold",),
            metadata={"operator": "A", "list": [1, 2]}, state_names=("Mo", "Re"),
        ),
        LatticeSnapshots(
            second.states, second.graph, conditions={"temperature": [2.0]},
            metadata={"boundary": "free"}, times=[3.0],
        ),
    ]  # fmt: skip


def test_pictures_model_prior_and_data_come_back(two_records, tmp_path):
    pm = pytest.importorskip("pymc")
    prior = {"couplings": pm.Uniform.dist(-0.5, 0.5), "field": (0.0, 0.4)}
    fit = fit_lattice_hamiltonian(two_records, 1, prior=prior, covariates="gradient", rng=1)
    fit.save(tmp_path / "fit.nc")
    again = Fit.load(tmp_path / "fit.nc")
    for held in (fit, again):
        for one, other in zip(two_records, snapshots_of(held), strict=True):
            assert_same_record(one, other)
        assert family_of(held).labels == ["field", "couplings[1]"]
        assert prior_of(held).sd[:2] == pytest.approx([0.4, 1 / 12**0.5], rel=1e-4)
        assert prior_of(held).upper[1] == pytest.approx(0.5)
        assert prior_of(held).log_density([[0, 0.6, 0, 0]])[0] == -np.inf
        theta = theta_of(held)
        assert np.array_equal(theta[:, 0], held["field"])
        assert np.array_equal(theta[:, 2:], held["field_gradient"])
        data = data_of(held)
        assert data.names == ["field", "couplings[1]", "field_gradient[x]", "field_gradient[y]"]
        assert [group.design[1, 1] for group in data.groups] == [1.0, 0.5]
    assert "temperature 1" in again.model
    assert any("temperatures differ" in warning for warning in again.warnings)


def test_parameters_come_back_from_a_zero_sum_gauge(tmp_path):
    snapshots = simulate_lattice(Potts(3, [0.5]), square_lattice((12, 12)), rng=1)
    fit = fit_lattice_hamiltonian(snapshots, 1, rng=1, n_draws=200)
    family, theta = family_of(fit), theta_of(fit)
    assert family.model == "pair"
    values = family.values(theta)
    assert np.allclose(values["couplings"], fit["couplings"])
    assert np.allclose(values["field"], fit["field"])
    assert np.allclose(fit["couplings"].sum(axis=-1), 0)
    assert np.allclose(fit["field"].sum(axis=-1), 0)


def test_options_of_the_data_come_back():
    graph = triangular_lattice((14, 14))
    truth = simulate_lattice(Ising([0.1], triplets={(0, 0, 0): 0.05}), graph, rng=3)
    observed = np.random.default_rng(1).random(truth.states.shape) > 0.05
    snapshots = LatticeSnapshots(truth.states, graph, observed=observed)
    field = np.linspace(-0.2, 0.2, graph.n_sites)
    fit = fit_lattice_hamiltonian(
        snapshots, 1, triplets=[(0, 0, 0)], label_noise=0.02, site_field=field, rng=1, n_draws=200
    )
    data = data_of(fit)
    assert data.family.motifs == ((0, 0, 0),)
    assert np.allclose(data.groups[0].offset[:, 1], field)
    assert data.uncertain
    assert not data.groups[0].labelled[~observed[0]].any()
    assert_same_record(snapshots, snapshots_of(fit)[0])


def test_other_fits_are_refused():
    other = fit_from_draws(
        {"a": np.zeros(3)}, model="m", likelihood="l", approximation="a", seed=0, data=b""
    )
    for read in (snapshots_of, family_of, theta_of, prior_of, data_of):
        with pytest.raises(InputError, match="fit_lattice_hamiltonian"):
            read(other)


def test_conditions_of_any_name_come_back_for_every_record():
    graph = square_lattice((6, 6))
    records = [
        LatticeSnapshots(
            np.random.default_rng(k).choice([-1, 1], (2, 36)), graph,
            conditions={"field": [0.0, 1.0 + k], "field_2": [7.0, 8.0]},
        )
        for k in (0, 1)
    ]  # fmt: skip
    fit = fit_lattice_hamiltonian(records, 1, method="pseudolikelihood", rng=1)
    for given, back in zip(records, snapshots_of(fit), strict=True):
        for name, values in given.conditions.items():
            assert np.array_equal(back.conditions[name], values)


def test_a_fit_to_energies_is_no_fit_to_pictures():
    fit = fit_from_draws(
        {"bond_energies": np.ones((10, 1))}, model="", likelihood="", approximation="", seed=0,
        data=[np.ones(1)], attrs={"energy_unit": "meV", "lattice": "bcc"},
    )  # fmt: skip
    with pytest.raises(InputError, match="fit_lattice_hamiltonian"):
        data_of(fit)
    with pytest.raises(InputError, match="fit_lattice_hamiltonian"):
        predict_thermodynamics(fit, [0.5, 1.0])
