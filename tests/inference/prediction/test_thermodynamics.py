"""Predicted thermodynamics against sums over all states, Kaufman's torus and Onsager."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from lattice_forecasts import FEW, SQUARE, at, fit_of
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.prediction.phase_diagram import predict_phase_diagram
from physlearn.inference.prediction.predicted_pictures import predict_pictures
from physlearn.inference.prediction.thermodynamics import LadderOptions, predict_thermodynamics
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    critical_coupling,
    exact_enumeration,
    honeycomb_lattice,
    kaufman_torus,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots
from physlearn.results import fit_from_draws


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


@pytest.mark.parametrize(
    ("build", "coupling", "order"),
    [
        (square_lattice, 0.8 * SQUARE, "uniform"),
        (square_lattice, -0.8 * SQUARE, "checkerboard"),
        (triangular_lattice, 0.8 * critical_coupling("triangular"), "uniform"),
        (honeycomb_lattice, -0.8 * critical_coupling("honeycomb"), "alternating sublattices"),
    ],
)
def test_transition_lies_where_the_closed_form_has_it(oracle, build, coupling, order):
    """Couplings with a posterior of 1 %: each draw's Binder crossing against its own exact T_c."""
    family = lattice_family("ising", (-1, 1), 1)
    rng = np.random.default_rng(2)
    theta = np.column_stack(
        [0.02 * rng.standard_normal(32), coupling * (1 + 0.01 * rng.standard_normal(32))]
    )
    found = predict_thermodynamics(
        fit_of(theta, family, build((12, 12))), np.linspace(0.6, 1.1, 6), rng=3,
        shape=(12, 12) if build is honeycomb_lattice else (16, 16),
        options=LadderOptions(n_draws=32, n_sweeps=800, most_rounds=1),
    )  # fmt: skip
    transition = found.transition
    assert transition.order == order
    assert transition.probability == 1.0
    assert transition.growth > 2.5
    assert any("take a larger shape, or exact_ratios" in text for text in found.warnings)
    assert transition.method.startswith("Binder")
    off = transition.ratios / transition.exact_ratios - 1
    # crossings of 8 and 16 cells lie up to a per cent off; the spread over draws is the posterior's
    oracle(f"Binder crossing, {order}: mean relative error", error=off.mean(), bound=0.015)
    oracle(f"Binder crossing, {order}: spread", error=off.std(), bound=0.006)
    assert np.corrcoef(transition.ratios, transition.exact_ratios)[0, 1] > 0.85


def test_kelvin_carry_the_uncertainty_of_the_freezing_temperature(oracle):
    family = lattice_family("ising", (-1, 1), 1)
    theta = np.tile([0.0, 0.3], (64, 1))
    fit = fit_of(theta, family, square_lattice((10, 10)))
    found = predict_thermodynamics(
        fit, temperature_k=[600.0, 900.0], snapshot_temperature=(700.0, 70.0), shape=(10, 10),
        transition=False, options=LadderOptions(n_sweeps=800, most_rounds=1), rng=1,
    )  # fmt: skip
    assert found.table.temperature_k.unique().tolist() == [600.0, 900.0]
    ratios = found.draws["temperature_ratio"].to_numpy()
    frozen = 600.0 / ratios[:, 0]
    np.testing.assert_allclose(frozen, 900.0 / ratios[:, 1])
    oracle("freezing temperatures: mean", z=(frozen.mean() - 700) / (70 / 8))
    exact = np.array([kaufman_torus((10, 10), 0.3 / r).energy * r / 100 for r in ratios[:, 0]])
    energy = found.draws["energy"].to_numpy()[:, 0]
    assert exact.std() > 0.02
    oracle("energy at 600 K: worst draw", error=np.abs(energy - exact).max(), bound=0.02)


def test_transition_in_kelvin_is_ratio_times_freezing_temperature():
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([0.0, 0.8 * SQUARE], (32, 1)), family, square_lattice((10, 10)))
    found = predict_thermodynamics(
        fit, [0.6, 0.7, 0.8, 0.9, 1.0], snapshot_temperature=(700.0, 70.0), shape=(8, 8), rng=1,
        options=LadderOptions(n_draws=32, most_rounds=1),
    )  # fmt: skip
    low, high = found.transition.interval_k()
    # 90 % of a normal deviate lie within 1.645 of its sd, here of 32 draws
    assert high - low == pytest.approx(2 * 1.645 * 70 * found.transition.mean, rel=0.45)
    assert np.nanmean(found.transition.temperatures_k) == pytest.approx(0.8 * 700, rel=0.06)


def test_executor_changes_no_number():
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([0.0, 0.3], (40, 1)), family, square_lattice((10, 10)))
    few = LadderOptions(n_draws=40, burn_in_sweeps=40, n_sweeps=40, most_rounds=1)
    options = {"shape": (6, 6), "options": few, "rng": 5, "transition": False}
    calls = []
    alone = predict_thermodynamics(
        fit, [1.0], progress=lambda done, total: calls.append((done, total)), **options
    )
    with ThreadPoolExecutor(2) as pool:
        spread = predict_thermodynamics(fit, [1.0], executor=pool, **options)
    assert alone.table.equals(spread.table)
    assert calls[-1][0] == calls[-1][1] == len(calls)


def test_predicted_pictures_follow_the_exact_distribution(oracle, chi_square_p):
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([0.05, 0.3], (64, 1)), family, square_lattice((6, 6)))
    graph = square_lattice((3, 3))
    pictures = predict_pictures(fit, 0.9, 4000, shape=(3, 3), burn_in_sweeps=80, rng=2)
    exact = exact_enumeration(Ising([0.3 / 0.9], 0.05 / 0.9), graph)
    numbers = exact.numbers(pictures.states)
    oracle("pictures at 0.9: all 512 states", p=chi_square_p(numbers, exact.probabilities))


def test_warnings_name_what_the_picture_did_not_show():
    family = lattice_family("ising", (-1, 1), 1)
    rng = np.random.default_rng(1)
    theta = np.column_stack(
        [0.01 * rng.standard_normal(40), 0.8 * SQUARE + 0.01 * rng.standard_normal(40)]
    )
    found = predict_thermodynamics(
        fit_of(theta, family, square_lattice((12, 12))), [0.4, 0.7, 1.0, 1.3], shape=(12, 12),
        options=FEW, rng=1,
    )  # fmt: skip
    said = " | ".join(found.warnings)
    assert "is not in the picture, which is disordered" in said
    assert "the couplings weigh 2.5 times as much" in said
    assert "without a field" in said
    # couplings known to 3 % place the transition worse than the crystal's size does
    assert "take a larger shape" not in said
    beyond = predict_thermodynamics(
        fit_of(theta, family, square_lattice((12, 12))), [0.4, 0.5, 0.6], shape=(12, 12),
        options=FEW, rng=1,
    )  # fmt: skip
    assert beyond.transition.probability == 0.0
    assert any("100% of the posterior has no transition" in text for text in beyond.warnings)


def test_fixed_composition_keeps_the_pictures_composition():
    family = lattice_family("ising", (-1, 1), 1, fixed_composition=True)
    graph = square_lattice((12, 12))
    states = np.where(np.arange(144) < 36, 1, -1)[None]
    fit = fit_of(np.full((16, 1), 0.6), family, graph, states=states)
    found = predict_thermodynamics(fit, [0.7, 3.0], shape=(12, 12), options=FEW, rng=1)
    assert found.ordering == {"phase separation": 1.0}
    for ratio in (0.7, 3.0):
        assert at(found, "magnetization", ratio)["mean"] == pytest.approx(0.5)
    assert at(found, "order_parameter", 0.7)["q05"] > 2 * at(found, "order_parameter", 3.0)["q95"]


def test_phase_diagram_of_an_antiferromagnet_is_highest_at_equal_shares(oracle):
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([0.3, -0.8 * SQUARE], (16, 1)), family, square_lattice((12, 12)))
    diagram = predict_phase_diagram(
        fit, [0.2, 0.4, 0.5], np.linspace(0.3, 1.2, 10), shape=(16, 16), rng=1,
        options=LadderOptions(n_draws=16, n_sweeps=800, most_rounds=1),
    )  # fmt: skip
    # in whole sites
    assert diagram.boundary.composition.tolist() == [51 / 256, 102 / 256, 0.5]
    rows = diagram.boundary.set_index(diagram.boundary.composition.round(1))
    assert rows.loc[0.5, "order"] == rows.loc[0.4, "order"] == "checkerboard"
    assert rows.loc[0.2, "order"] == "none"  # hard squares order above a coverage of .37 only
    assert rows.loc[0.4, "transition_ratio"] < rows.loc[0.5, "transition_ratio"]
    # at equal shares this is the model without a field
    oracle("phase diagram, antiferromagnet at 1/2: relative error",
           error=rows.loc[0.5, "transition_ratio"] / 0.8 - 1, bound=0.04)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature_ratio": [0.0]}, "must be positive"),
        ({"temperature_k": [300.0]}, "needs snapshot_temperature"),
        ({"temperature_ratio": [1.0], "temperature_k": [300.0]}, "exclude each other"),
        ({"temperature_ratio": [1.0], "snapshot_temperature": (300.0, 200.0)}, "below half"),
        ({"temperature_ratio": [1.0], "quantities": ["entropy"]}, "quantities must name"),
        ({"temperature_ratio": [1.0], "lattice": "kagome"}, "lattice must be"),
        ({"temperature_ratio": [1.0], "shape": (4, 4, 4)}, "2 numbers of cells"),
    ],
)
def test_bad_requests_get_one_clear_sentence(options, said):
    family = lattice_family("ising", (-1, 1), 1)
    fit = fit_of(np.tile([0.0, 0.2], (16, 1)), family, square_lattice((6, 6)))
    with pytest.raises(InputError, match=said):
        predict_thermodynamics(fit, **options)


def test_options_and_foreign_fits_are_refused():
    with pytest.raises(InputError, match="n_draws"):
        LadderOptions(n_draws=2)
    other = fit_from_draws(
        {"a": np.zeros(8)}, model="x", likelihood="x", approximation="x", seed=1, data=b""
    )
    with pytest.raises(InputError, match="must come from fit_lattice_hamiltonian"):
        predict_thermodynamics(other, [1.0])


def test_three_states_have_no_diagram_over_one_composition():
    family = lattice_family("potts", (0, 1, 2), 1)
    fit = fit_of(np.tile([0.0, 0.0, 0.5], (16, 1)), family, square_lattice((6, 6)))
    with pytest.raises(InputError, match="two states"):
        predict_phase_diagram(fit, [0.5])


def test_ratios_of_a_fit_to_several_temperatures_name_their_reference():
    pictures = [
        LatticeSnapshots(
            simulate_lattice(Ising([90.0 / kelvin]), square_lattice((16, 16)), rng=seed).states,
            square_lattice((16, 16)), conditions={"temperature": np.array([kelvin])},
        )
        for seed, kelvin in enumerate((300.0, 400.0))
    ]  # fmt: skip
    fit = fit_lattice_hamiltonian(pictures, 1, rng=1)
    found = predict_thermodynamics(fit, [1.2], shape=(6, 6), options=FEW, rng=1)
    assert any("ratios refer to the temperature 300" in text for text in found.warnings)


def test_a_hidden_shell_is_repeated_by_the_prediction():
    picture = simulate_lattice(
        Ising([0.34, -0.16]), square_lattice((40, 40), 2), burn_in=400, rng=3
    )
    fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    found = predict_thermodynamics(
        fit, [0.7], shape=(8, 8), lattice="square", options=FEW, transition=False, rng=1
    )
    assert any("does not explain the pair correlation at shell 2" in w for w in found.warnings)
