"""Predicted thermodynamics against sums over all states, Kaufman's torus and Onsager."""


import numpy as np
from scipy import stats

from physlearn.inference.fit_contents import constants_of, model_attrs
from physlearn.inference.lattice_data import gather_snapshots
from physlearn.inference.lattice_family import lattice_family
from physlearn.inference.priors import make_prior
from physlearn.inference.thermodynamics import LadderOptions, predict_thermodynamics
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    critical_coupling,
    exact_enumeration,
    kaufman_torus,
    square_lattice,
)
from physlearn.records import LatticeSnapshots
from physlearn.results import fit_from_draws

SQUARE = critical_coupling("square")
FEW = LadderOptions(n_draws=16, burn_in_sweeps=200, n_sweeps=400, most_rounds=1)


def fit_of(theta, family, graph, seed=0, warnings=()):
    """Return a fit with given draws, of a random picture that only names the crystal."""
    rng = np.random.default_rng(seed)
    states = rng.choice(family.state_values, size=(1, graph.n_sites))
    picture = LatticeSnapshots(states, graph, state_values=family.state_values)
    data = gather_snapshots(picture, family)
    prior = make_prior(None, data)
    named = {v.name: v for v in family.variables}
    return fit_from_draws(
        family.values(np.asarray(theta)), model="given", likelihood="given", approximation="none",
        seed=1, data=b"", warnings=warnings,
        dims={name: list(v.dims) for name, v in named.items() if v.dims},
        coords={dim: list(c) for v in named.values() for dim, c in zip(v.dims, v.coords)},
        constants=constants_of(data, prior, None, None),
        attrs=model_attrs(
            family, prior, {"label_noise": None, "covariates": None, "margin": None}
        ),
    )  # fmt: skip


def at(prediction, quantity, ratio):
    table = prediction.table
    row = table[(table.quantity == quantity) & np.isclose(table.temperature_ratio, ratio)]
    assert len(row) == 1
    return row.iloc[0]


def structure(exact, graph, values, wavevector):
    """Return the structure factor per site of every state of a small lattice."""
    wave = np.exp(-2j * np.pi * graph.positions @ wavevector)
    field = values(exact.states.astype(float))
    return (np.abs(np.tensordot(field, wave, axes=(1, 0))) ** 2).reshape(len(field), -1).sum(
        axis=1
    ) / graph.n_sites


def p_of(values, exact):
    """Return the p of a few independent means by Student's t."""
    return stats.ttest_1samp(values, exact).pvalue


def eight_runs(family, theta, quantity, ratio):
    """Return a quantity of a 3 x 3 torus from eight independent predictions."""
    fit = fit_of(np.tile(theta, (16, 1)), family, square_lattice((6, 6)))
    return [
        at(
            predict_thermodynamics(
                fit, [ratio], shape=(3, 3), transition=False, options=FEW, rng=seed
            ),
            quantity, ratio,
        )["mean"]
        for seed in range(8)
    ]  # fmt: skip


def check_against_exact(oracle, name, family, theta, hamiltonian, graph, vectors, star, order):
    """Compare all quantities at two ratios with sums over all states; eight independent runs."""
    fit = fit_of(np.tile(theta, (16, 1)), family, graph)
    ratios = (0.8, 1.6)
    runs = [
        predict_thermodynamics(fit, ratios, shape=(4, 4), transition=False, options=FEW, rng=seed)
        for seed in range(8)
    ]
    if order is not None:
        assert all(run.ordering.get(order, 0) > 0.9 for run in runs)
    for ratio in ratios:
        exact = exact_enumeration(hamiltonian(ratio), graph)
        mean_m = np.sqrt((vectors(exact.states.astype(float)).mean(axis=1) ** 2).sum(axis=-1))
        peak = sum(structure(exact, graph, vectors, q) for q in star)
        amplitude = np.sqrt(peak / graph.n_sites)
        energy = exact.average(exact.energies)
        moments = exact.moments(amplitude)
        expected = {
            "energy": energy * ratio / graph.n_sites,
            "heat_capacity": (exact.average(exact.energies**2) - energy**2) / graph.n_sites,
            "magnetization": exact.average(mean_m),
            "order_parameter": moments[0],
            "susceptibility": graph.n_sites * (moments[1] - moments[0] ** 2),
            "binder_cumulant": 1 - moments[3] / (3 * moments[1] ** 2),
        }
        for quantity, value in expected.items():
            found = [at(run, quantity, ratio)["mean"] for run in runs]
            oracle(f"{name}: {quantity} at {ratio}, 4 x 4", p=p_of(found, value))


def spins(states):
    return states[..., None]


def test_two_shells_in_a_field_match_the_sum_over_all_states(oracle):
    family = lattice_family("ising", (-1, 1), 2)
    theta = np.array([0.1, 0.25, -0.08])
    check_against_exact(
        oracle, "Ising, two shells", family, theta,
        lambda t: Ising(theta[1:] / t, theta[0] / t), square_lattice((4, 4), 2), spins,
        [np.zeros(2)], None,
    )  # fmt: skip


def test_antiferromagnet_has_the_staggered_order_parameter(oracle):
    family = lattice_family("ising", (-1, 1), 1)
    theta = np.array([0.05, -0.5])
    check_against_exact(
        oracle, "antiferromagnet", family, theta,
        lambda t: Ising(theta[1:] / t, theta[0] / t), square_lattice((4, 4)), spins,
        [np.array([0.5, 0.5])], "checkerboard",
    )  # fmt: skip


def test_stripes_sum_over_both_directions(oracle):
    family = lattice_family("ising", (-1, 1), 2)
    theta = np.array([0.0, 0.1, -0.6])
    check_against_exact(
        oracle, "stripes", family, theta, lambda t: Ising(theta[1:] / t),
        square_lattice((4, 4), 2), spins, [np.array([0.5, 0.0]), np.array([0.0, 0.5])], "stripes",
    )  # fmt: skip


def test_blume_capel_matches_the_sum_over_all_states(oracle):
    values = eight_runs(
        lattice_family("blume_capel", (-1, 0, 1), 1), np.array([0.1, 0.3, 0.4]), "energy", 1.2
    )
    exact = exact_enumeration(BlumeCapel([0.4 / 1.2], 0.3 / 1.2, 0.1 / 1.2), square_lattice((3, 3)))
    energy = exact.average(exact.energies) * 1.2 / 9
    oracle("Blume-Capel: energy at 1.2, 3 x 3", p=p_of(values, energy))


def test_potts_order_is_the_length_of_the_simplex_vector(oracle):
    family = lattice_family("potts", (0, 1, 2), 1)
    values = eight_runs(family, np.array([0.0, 0.0, 0.9]), "magnetization", 1.1)
    exact = exact_enumeration(Potts(3, [0.9 / 1.1]), square_lattice((3, 3)))
    shares = np.stack([(exact.states == k).mean(axis=1) for k in range(3)], axis=1)
    length = np.sqrt((3 * (shares**2).sum(axis=1) - 1) / 2)
    oracle("Potts: |m| at 1.1, 3 x 3", p=p_of(values, exact.average(length)))


def test_posterior_is_carried_through_draw_by_draw(oracle):
    family = lattice_family("ising", (-1, 1), 1)
    rng = np.random.default_rng(4)
    couplings = SQUARE * 0.8 + 0.015 * rng.standard_normal(48)
    fit = fit_of(np.column_stack([np.zeros(48), couplings]), family, square_lattice((12, 12)))
    found = predict_thermodynamics(
        fit, (0.7, 0.85, 1.3), shape=(12, 12), transition=False, rng=1,
        options=LadderOptions(n_draws=48, n_sweeps=800, most_rounds=1),
    )  # fmt: skip
    for index, ratio in enumerate((0.7, 0.85, 1.3)):
        torus = [kaufman_torus((12, 12), coupling / ratio) for coupling in couplings]
        energy = np.array([t.energy * ratio / 144 for t in torus])
        capacity = np.array([t.heat_capacity for t in torus])
        for name, exact in (("energy", energy), ("heat_capacity", capacity)):
            draws = found.draws[name].to_numpy()[:, index]
            # Monte Carlo error small against the posterior, and the same draw on the same place
            oracle(f"{name} at {ratio}: shift of the mean in posterior sd",
                   error=(draws.mean() - exact.mean()) / exact.std(), bound=0.25)  # fmt: skip
            oracle(f"{name} at {ratio}: log ratio of sd", error=np.log(draws.std() / exact.std()),
                   bound=0.2)  # fmt: skip
            if name == "energy":
                assert np.corrcoef(draws, exact)[0, 1] > 0.97
