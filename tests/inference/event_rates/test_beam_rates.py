"""Rates under the beam: separation, barrier, threshold, heating; refusals on both sides."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import binomtest, poisson

from physlearn.causal import actions_from_event_rates
from physlearn.checks import InputError, NotIdentified
from physlearn.inference import (
    event_probability,
    event_rate_model,
    fit_beam_rates,
    fit_hop_rates,
    is_hopping,
    knock_on_cross_section,
    transformation_table,
)
from physlearn.inference.event_rates.beam_model import BeamModel
from physlearn.inference.event_rates.beam_table import BeamCounts, read_beam_counts
from physlearn.inference.event_rates.knock_on import largest_transfer_ev
from physlearn.lattice_models import (
    BeamSchedule,
    Transformation,
    simulate_transformations,
    square_lattice,
)
from physlearn.records import LatticeSnapshots, Trajectory

BOLTZMANN = 8.617333262e-5


def gone(rng, rate, duration, sites):
    """Sites that changed, each once."""
    return rng.binomial(sites, -np.expm1(-rate * duration))


def test_thermal_part_and_cross_section_are_calibrated(oracle):
    n, duration, sites = 20, 20.0, 300
    dose_rate = np.array([0.0, 50.0, 200.0])
    inside = []
    for index in range(n):
        rng = np.random.default_rng((index, 3))
        counts = gone(rng, 2e-3 + 2e-5 * dose_rate, duration, sites)
        fit = fit_beam_rates(
            counts, n_sites=sites, duration_s=duration, dose_rate=dose_rate, rng=index
        )
        assert fit.diagnostics["pareto_k"] < 0.7
        inside.append([
            low < truth < high for truth, (low, high) in (
                (2e-3, fit.interval("thermal_rate")), (2e-5, fit.interval("cross_section")),
            )
        ])  # fmt: skip
    for name, column in zip(("thermal rate", "cross section"), np.array(inside).T, strict=True):
        oracle(f"cov90 of the {name}", p=binomtest(int(column.sum()), n, 0.9).pvalue)


def test_posterior_is_that_of_a_fine_grid(oracle):
    counts, sites, duration, dose = np.array([3, 9]), 50, 10.0, np.array([0.0, 400.0])
    fit = fit_beam_rates(counts, n_sites=sites, duration_s=duration, dose=dose, rng=1,
                         n_draws=20_000)  # fmt: skip
    middle = (np.arange(800) + 0.5) / 800
    roots = 0.25 * middle, 0.04 * middle
    thermal, area = np.meshgrid(*(root**2 for root in roots), indexing="ij")
    # flat in the square roots of the thermal rate and of what is counted with the beam on
    log_p = 0.5 * np.log(area) - 0.5 * np.log(area + thermal / 40.0)
    for k in range(2):
        mean = thermal * duration + area * dose[k]
        log_p += counts[k] * np.log(-np.expm1(-mean)) - (sites - counts[k]) * mean
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for name, grid in (("thermal_rate", thermal), ("cross_section", area)):
        mean = float((p * grid).sum())
        sd = float(np.sqrt((p * grid**2).sum() - mean**2))
        error = np.sqrt(1 / fit.diagnostics["effective_draws"] + 1 / 20_000)
        oracle(f"mean of {name}", z=(fit[name].mean() - mean) / sd / error)


@pytest.mark.parametrize(("off", "struck"), [(36.0, 34.0), (60.0, 45.0)])
def test_intervals_hold_the_truth_summed_over_every_count(off, struck, oracle):
    # 500 films cannot tell .88 from .90: here every pair of counts has its weight, no film is drawn
    frame = 1e-4  # sites x seconds make the rates those of counts
    data = BeamCounts(
        np.zeros(2), np.full(2, 1.0 / frame), np.full(2, frame), np.array([0.0, frame]),
        np.zeros(2, int), np.array([np.nan]), np.zeros(2, int), np.array([np.nan]), False,
    )  # fmt: skip
    n = 130
    edges = [np.linspace(0.0, np.sqrt(top), n + 1) for top in (
        off + 6 * np.sqrt(off) + 10, struck + 6 * np.sqrt(2 * off + struck) + 10
    )]  # fmt: skip
    x, y = (0.5 * (edge[1:] + edge[:-1]) for edge in edges)
    roots = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    dark, lit = x[:, None] ** 2, x[:, None] ** 2 + y**2
    prior = BeamModel(data).log_prior(roots) - dark - lit
    held, total = np.zeros(2), 0.0
    seen = [np.arange(*poisson.ppf([1e-4, 1 - 1e-4], m).astype(int)) for m in (off, off + struck)]
    for a in seen[0]:
        for b in seen[1]:
            log_p = prior + a * np.log(dark) + b * np.log(lit)
            p = np.exp(log_p - log_p.max())
            weight = poisson.pmf(a, off) * poisson.pmf(b, off + struck)
            total += weight
            for k, truth in enumerate((off, struck)):
                below = np.append(0.0, np.cumsum(p.sum(axis=1 - k)) / p.sum())
                held[k] += weight * (0.05 < np.interp(np.sqrt(truth), edges[k], below) < 0.95)
    for name, share in zip(("thermal rate", "cross section"), held / total, strict=True):
        oracle(f"exact cov90 of the {name}", error=abs(share - 0.9), bound=0.0125)


def test_prior_of_the_cross_section_given_the_thermal_rate_has_a_mass_of_one(oracle):
    data = read_beam_counts(
        [1, 2, 3], {"n_sites": 50, "duration_s": 2.0, "dose_rate": [0, 5, 20]}, None
    )
    model = BeamModel(data)
    for rate in (1e-3, 1.0, 300.0):
        root = np.linspace(-80.0, 80.0, 40_001)
        both = model.log_prior(np.stack([np.full(root.shape, np.sqrt(rate)), root], axis=1))
        alone = BeamModel(data, beam=False).log_prior(np.array([[np.sqrt(rate)]]))
        mass = np.sum(np.exp(both - alone)) * (root[1] - root[0])
        oracle(f"mass at {rate} /s", error=abs(mass - 1.0), bound=1e-4)


def test_one_dose_rate_gives_the_sum_and_two_the_parts():
    one = fit_beam_rates([40], n_sites=1000, duration_s=10.0, dose_rate=[50], rng=1)
    assert one.variables == ["total_rate", "cross_section_at_most"]
    low, high = one.interval("total_rate")
    assert low < -np.log1p(-0.04) / 10 < high
    assert any("SUM" in text for text in one.warnings)
    two = fit_beam_rates([10, 40], n_sites=1000, duration_s=10.0, dose_rate=[0, 50], rng=1)
    assert {"thermal_rate", "cross_section"} <= set(two.variables)
    lit = fit_beam_rates([20, 40], n_sites=1000, duration_s=10.0, dose_rate=[25, 50], rng=1)
    assert {"thermal_rate", "cross_section"} <= set(lit.variables)
    # two voltages, each at a dose rate of its own, do not separate three numbers
    each = fit_beam_rates([10, 40], n_sites=1000, duration_s=10.0, dose_rate=[25, 50],
                          voltage_kv=[60, 80], rng=1)  # fmt: skip
    assert "total_rate" in each.variables
    with pytest.raises(NotIdentified, match="do not separate"):
        fit_beam_rates([10, 40, 90], n_sites=1000, duration_s=10.0, dose_rate=50,
                       temperature_kelvin=[300, 320, 340], barrier=True)  # fmt: skip


def test_barrier_needs_three_temperatures():
    rng = np.random.default_rng(2)
    temperature = np.repeat([320.0, 340.0, 360.0], 2)
    dose_rate = np.tile([0.0, 100.0], 3)
    rate = 1e13 * np.exp(-0.95 / BOLTZMANN / temperature)
    counts = rng.poisson(2000 * (rate + 1e-4 * dose_rate) * 10)
    given = {"n_sites": 2000, "duration_s": 10.0, "once": False, "rng": 1}
    fit = fit_beam_rates(counts, dose_rate=dose_rate, temperature_kelvin=temperature, **given)
    for name, truth in (("barrier_ev", 0.95), ("log10_attempt_frequency", 13.0)):
        low, high = fit.interval(name)
        assert low < truth < high
    low, high = fit.interval("cross_section")
    assert low < 1e-4 < high
    few = {"dose_rate": dose_rate[:4], "temperature_kelvin": temperature[:4]}
    assert "barrier_ev" not in fit_beam_rates(counts[:4], **few, **given).variables
    with pytest.raises(NotIdentified, match="at least 3 temperatures"):
        fit_beam_rates(counts[:4], **few, barrier=True, **given)


def threshold_counts(voltage, rng):
    voltage = np.repeat(voltage, 2)
    dose_rate = np.tile([0.0, 1e6], len(voltage) // 2)
    area = knock_on_cross_section(voltage, 21.14, "C", speed_sd_m_per_s=563.0)
    counts = gone(rng, 1e-6 + area * dose_rate, 100.0, 20_000)
    return counts, {
        "n_sites": 20_000, "duration_s": 100.0, "dose_rate": dose_rate, "voltage_kv": voltage,
        "element": "C", "speed_sd_m_per_s": 563.0, "rng": 1,
    }  # fmt: skip


def test_threshold_needs_voltages_on_both_sides():
    rng = np.random.default_rng(4)
    counts, given = threshold_counts([60.0, 80.0, 95.0, 100.0], rng)
    fit = fit_beam_rates(counts, threshold=True, **given)
    low, high = fit.interval("displacement_energy_ev")
    assert low < 21.14 < high and high - low < 0.6
    assert fit.diagnostics["threshold_between_kv"] == [80.0, 95.0]
    for voltage, lack in (([95.0, 100.0], "below it"), ([60.0, 70.0], "above it")):
        counts, given = threshold_counts(voltage, rng)
        with pytest.raises(NotIdentified, match=lack):
            fit_beam_rates(counts, threshold=True, **given)
        soft = fit_beam_rates(counts, **given)
        assert "displacement_energy_ev" not in soft.variables
        assert any("both sides" in text for text in soft.warnings)


def test_heating_is_told_from_knock_on_with_many_dose_rates():
    rng = np.random.default_rng(5)
    dose_rate = np.array([0.0, 30, 60, 90, 120])
    hot = rng.poisson(1e4 * 1e-3 * np.exp(3.0 * dose_rate / 120) * 10)
    struck = rng.poisson(1e4 * (1e-3 + 1.6e-4 * dose_rate) * 10)
    given = {"n_sites": 1e4, "duration_s": 10.0, "once": False, "rng": 1}
    fits = [fit_beam_rates(c, dose_rate=dose_rate, **given) for c in (hot, struck)]
    assert fits[0].diagnostics["log_odds_heating"] > 5
    assert any("heating" in text for text in fits[0].warnings)
    assert fits[1].diagnostics["log_odds_heating"] < -5
    assert not any("heating" in text for text in fits[1].warnings)
    two = fit_beam_rates(struck[:2], dose_rate=dose_rate[:2], **given)
    assert any("cannot be told from knock-on" in text for text in two.warnings)


def test_sites_that_are_all_gone_give_a_lower_bound():
    given = {"duration_s": 10.0, "rng": 1}
    fit = fit_beam_rates([4, 100], n_sites=100, dose_rate=[0, 50], **given)
    assert fit.summary()["verdict"].tolist()[:2] == ["", "lower bound only"]
    assert any("take shorter exposures" in text for text in fit.warnings)
    both = fit_beam_rates([100], n_sites=100, dose_rate=[50], **given)
    assert both.summary()["verdict"].tolist()[0] == "lower bound only"
    nearly = fit_beam_rates([4, 95], n_sites=100, dose_rate=[0, 50], **given)
    assert not any("lower bound" in text for text in nearly.warnings)


def test_a_series_of_close_dose_rates_is_not_one_dose_rate():
    rate = 50 * 1.006 ** np.arange(60)
    counts = np.random.default_rng(6).poisson(1e5 * (1e-3 + 2e-5 * rate))
    given = {"n_sites": 1e4, "duration_s": 10.0, "once": False, "rng": 1}
    low, high = fit_beam_rates(counts, dose_rate=rate, **given).interval("cross_section")
    assert low < 2e-5 < high
    same = 50 * (1 + 0.004 * (-1.0) ** np.arange(60))  # as a current that is not quite steady
    assert "total_rate" in fit_beam_rates(counts, dose_rate=same, **given).variables


def test_sites_lost_to_another_change_were_watched_for_half_the_time(oracle):
    rng = np.random.default_rng(2)
    first, other = rng.exponential(10.0, (2, 40_000))  # .1 of each kind an interval
    states = np.ones((2, 40_000), int)
    states[1, np.minimum(first, other) < 1.0] = 0
    states[1, (other < first) & (other < 1.0)] = 2
    film = LatticeSnapshots(states, square_lattice((200, 200)), state_values=(0, 1, 2),
                            times=[0.0, 1.0])  # fmt: skip
    table = transformation_table(film, from_state=1, to_state=0, dose_rate=0.0)
    rate = fit_beam_rates(table, rng=1)["thermal_rate"]
    oracle("rate beside another change", z=(rate.mean() - 0.1) / rate.std())


def test_no_event_gives_upper_bounds():
    fit = fit_beam_rates([0, 0], n_sites=100, duration_s=10.0, dose_rate=[0, 50], rng=1)
    # half a chi square of 1 over each exposure, the thermal one the smaller of the two
    assert fit["thermal_rate"].mean() == pytest.approx((0.5 - 1 / np.pi) / 1000, rel=0.05)
    assert "upper bound only" in fit.summary()["verdict"].tolist()


def test_knock_on_cross_section_against_its_integral(oracle):
    # the Mott cross section of McKinley and Feshbach integrated over angle, numerically
    energy, threshold, charge = 200e3, 17.0, 6
    gamma = 1 + energy / 510_998.95
    beta = np.sqrt(1 - gamma**-2)
    alpha = charge / 137.035999
    top = largest_transfer_ev(200.0, "C").item()
    radius = 2.8179403e-5

    def per_solid_angle(half):
        s = np.sin(half)
        rutherford = (charge * radius / 2) ** 2 * (1 - beta**2) / beta**4 / s**4
        return rutherford * (1 - beta**2 * s**2 + np.pi * alpha * beta * s * (1 - s))

    least = np.arcsin(np.sqrt(threshold / top))
    area, _ = quad(lambda h: per_solid_angle(h) * 4 * np.pi * np.sin(2 * h), least, np.pi / 2)
    ours = knock_on_cross_section(200.0, threshold, "C").item()
    oracle("McKinley-Feshbach by quadrature", error=abs(ours / area - 1), bound=1e-6)
    moving = knock_on_cross_section(200.0, threshold, "C", speed_sd_m_per_s=1.0).item()
    oracle("atom almost at rest", error=abs(moving / ours - 1), bound=1e-3)


def test_film_of_sites_with_missed_frames_gives_the_cross_section():
    graph = square_lattice((20, 20))
    times = np.arange(12) * 1.0
    film = simulate_transformations(
        [Transformation(1, 0, 0.01, 1e-3)], graph, np.ones(400), times,
        beam=BeamSchedule([0.0, 60.0], start_times_s=[0.0, 6.0]), rng=4,
    )  # fmt: skip
    seen = np.random.default_rng(1).random(film.states.shape) > 0.2
    partly = LatticeSnapshots(film.states, graph, observed=seen, state_values=(0, 1), times=times)
    rate = np.where(times[:-1] < 6.0, 0.0, 60.0)
    table = transformation_table(partly, from_state=1, to_state=0, dose_rate=rate)
    fit = fit_beam_rates(table, rng=1)
    for name, truth in (("thermal_rate", 0.01), ("cross_section", 1e-3)):
        low, high = fit.interval(name)
        assert low < truth < high


def test_planner_takes_chances_with_their_uncertainty():
    fit = fit_beam_rates([4, 40], n_sites=1000, duration_s=10.0, dose_rate=[0, 50], rng=1)
    library = actions_from_event_rates(
        fit, [[1.0, 2.0], [3.0, 4.0]], doses=[100, 5000], dose_rate=50.0
    )
    assert len(library) == 4
    chance = event_probability(fit, duration_s=100.0, dose=5000.0)
    action = library.actions[-1]
    assert library.success_probability(action) == pytest.approx(chance.mean(), rel=1e-9)
    again = library.observe(action, succeeded=True)
    assert again.success_probability(action) > library.success_probability(action)
    assert again.success_probability(library.actions[0]) == library.success_probability(
        library.actions[0]
    )
    good, bad = library.attempts["expose_site: 5000 e/A^2"]
    a, b = good + 1, bad + 1
    assert a * b / (a + b) ** 2 / (a + b + 1) == pytest.approx(chance.var(), rel=1e-6)
    one = fit_beam_rates([40], n_sites=1000, duration_s=10.0, dose_rate=[50], rng=1)
    with pytest.raises(InputError, match="apart"):
        actions_from_event_rates(one, [[1.0, 2.0]], doses=[100], dose_rate=50.0)


def test_chances_at_conditions_that_the_fit_does_not_have_are_refused():
    given = {"n_sites": 1000, "duration_s": 10.0, "dose_rate": [0, 50], "rng": 1}
    stated = fit_beam_rates([4, 40], voltage_kv=80, temperature_kelvin=300, **given)
    chance = event_probability(stated, duration_s=10.0, dose=500.0)
    same = {"voltage_kv": 80.0, "temperature_kelvin": 300.0}
    assert np.array_equal(event_probability(stated, duration_s=10.0, dose=500.0, **same), chance)
    for other in ({"voltage_kv": 60.0}, {"temperature_kelvin": 1000.0}):
        with pytest.raises(InputError, match="that of the data: the fit holds at"):
            event_probability(stated, duration_s=10.0, dose=500.0, **other)
        with pytest.raises(InputError, match="was told none"):
            event_probability(fit_beam_rates([4, 40], **given), duration_s=10.0, **other)


def test_tracks_that_hop_are_told_from_tracks_that_wander():
    rng = np.random.default_rng(3)
    frame, particle = (x.ravel() for x in np.mgrid[:60, :10])
    wander = np.cumsum(rng.normal(0, 1, (60, 10, 2)), axis=0).reshape(-1, 2)
    drift = np.repeat(np.arange(60)[:, None] * [0.3, 0.1], 10, axis=0)
    jump = 5.0 * np.cumsum(rng.random((60, 10, 2)) < 0.02, axis=0).reshape(-1, 2)
    noise = rng.normal(0, 0.2, (600, 2))
    for places, hops in ((wander, False), (jump + noise + drift, True), (noise, False)):
        assert is_hopping(Trajectory(frame, particle, places, np.arange(60.0))) is hops
    with pytest.raises(NotIdentified, match="at least 20"):
        is_hopping(Trajectory([0, 1], [0, 0], [[0.0, 0], [1, 0]], [0.0, 1.0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": [1.5, 2]}, "whole numbers"),
        ({"counts": []}, "at least one row"),
        ({"counts": [-1, 2]}, "at least 0"),
        ({"counts": [11, 2]}, "must not exceed n_sites"),
        ({"duration_s": None}, "two of duration_s"),
        ({"duration_s": None, "dose": [0, 10.0]}, "beam off"),
        ({"duration_s": [0.0, 1.0]}, "above 0"),
        ({"n_sites": [10, 10, 10]}, "each of 2 rows"),
        ({"element": "Xx"}, "element"),
        ({"threshold": True}, "element="),
        ({"threshold": True, "element": "C"}, "voltage_kv"),
        ({"counts": pd.DataFrame({"events": [1], "colour": [2]})}, "colour"),
        ({"counts": pd.DataFrame({"events": [1, 2], "n_sites": [9, 9]})}, "both as an argument"),
    ],
)
def test_what_cannot_be_used_is_refused(change, said):
    good = {"counts": [1, 2], "n_sites": 10, "duration_s": 1.0, "dose_rate": [0, 5.0]}
    with pytest.raises(InputError, match=said):
        fit_beam_rates(**(good | change))


@pytest.mark.slow
def test_nuts_agrees_with_the_fast_posterior(oracle):
    import pymc

    rng = np.random.default_rng(7)
    frame, particle = (x.ravel() for x in np.mgrid[:60, :6])
    places = np.cumsum(rng.random((60, 6, 2)) < 0.06, axis=0).reshape(-1, 2) * 1.0
    track = Trajectory(frame, particle, places, np.arange(60.0), time_unit="frame")
    fits = [
        fit_hop_rates(track, by="direction", hop_vectors=[[1, 0], [0, 1]], rng=1),
        fit_beam_rates([4, 40, 80], n_sites=1000, duration_s=10.0, dose_rate=[0, 50, 100], rng=1),
    ]
    for fit in fits:
        with event_rate_model(fit) as model:
            trace = pymc.sample(500, tune=500, chains=2, cores=1, progressbar=False, random_seed=1)
        for name in (variable.name for variable in model.free_RVs):
            drawn = trace.posterior[name].to_numpy().reshape(1000, -1)
            ours = fit[name].reshape(len(fit[name]), -1)
            for k in range(drawn.shape[1]):
                error = ours[:, k].std() * np.sqrt(1 / 300 + 1 / 1000)
                z = (drawn[:, k].mean() - ours[:, k].mean()) / error
                oracle(f"NUTS mean of {name}[{k}]", z=z)
