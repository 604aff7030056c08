"""Forces and diffusion from exact tracks: the truth, what can't change them, and refusals."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import cut_swaps, fit_langevin
from physlearn.inference.langevin.displacement_regression import regress_displacements
from physlearn.inference.langevin.motion_data import read_motion
from physlearn.inference.langevin.motion_equations import MotionProblem, solve_motion
from physlearn.inference.langevin.motion_posterior import MotionPosterior, motion_model
from physlearn.inference.langevin.short_runs import list_frames, tables_at
from physlearn.inference.langevin.static_score import score_sums
from physlearn.inference.langevin.stiffness_guard import diffusion_seen
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import (
    LangevinSettings,
    LennardJones,
    PairTable,
    Yukawa,
    simulate_langevin,
)
from physlearn.records import AtomicConfiguration, Trajectory

DEPTH, DIAMETER, DIFFUSION = 1.25, 1.0, 1.0
CUTOFF = 2.0


@cache
def simulate(n_side=8, n_frames=11, interval=2e-3, seed=1, burn_in=3000, species=False):
    """Return a film of a dense Lennard-Jones liquid in a box."""
    n = n_side**2
    side = np.sqrt(n / 0.7)
    grid = (np.arange(n_side) + 0.5) * side / n_side
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    one = LennardJones(DEPTH, DIAMETER, cutoff=CUTOFF)
    codes = np.arange(n) % 2 if species else None
    potential = one
    if species:
        other = LennardJones(0.6, 0.95, cutoff=CUTOFF)
        potential = PairTable({(0, 0): one, (0, 1): other, (1, 1): one})
    fine = max(2, round(interval / 5e-5))
    return simulate_langevin(
        potential,
        AtomicConfiguration(places, species=codes, unit="reduced", cell=side * np.eye(2)),
        n_frames,
        fine,
        time_step=interval / fine,
        settings=LangevinSettings(diffusion=DIFFUSION, burn_in_steps=burn_in),
        rng=seed,
    )


def fit(film, **options):
    return fit_langevin(film, **({"localization_sd": 0.0, "cutoff": CUTOFF, "rng": 1} | options))


def changed(film, positions, **more):
    return Trajectory(
        film.frame, film.particle, positions, film.times,
        **({"unit": "reduced", "time_unit": "reduced", "cell": film.cell} | more),
    )  # fmt: skip


@cache
def base_fit():
    return fit(simulate(10, 13))


def test_truth_lies_where_the_posterior_is(oracle):
    found = base_fit()
    for name, truth in (("depth", DEPTH), ("diameter", DIAMETER), ("diffusion", DIFFUSION)):
        logs = np.log(found[name])
        oracle(f"{name} of a liquid", z=(logs.mean() - np.log(truth)) / logs.std())
    assert found.diagnostics["method"] == "sub_steps"
    assert found.diagnostics["pareto_k"] < 0.7


def test_the_posterior_is_nearly_as_narrow_as_motion_seen_without_pause():
    # information of continuous motion (Girsanov): D dt / 2 times the sum of dF/dtheta squared
    film = simulate(10, 13)
    data = read_motion(film)
    family = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)
    frames = list_frames(data, family, DIFFUSION)
    curvature = score_sums(frames, family, np.log([DEPTH, DIAMETER]))[1]
    bound = np.sqrt(np.diag(np.linalg.inv(0.5 * DIFFUSION * data.interval * curvature)))
    sd = np.log([base_fit()["depth"], base_fit()["diameter"]]).std(axis=1)
    assert (sd < 1.5 * bound).all()


@pytest.mark.slow
def test_intervals_hold_the_truth(oracle):
    n, inside, errors = 60, np.zeros(3), []
    for seed in range(n):
        found = fit(simulate(8, 9, 2e-3, 100 + seed, 3000), method="sub_steps", rng=seed)
        for k, (name, truth) in enumerate(
            (("depth", DEPTH), ("diameter", DIAMETER), ("diffusion", DIFFUSION))
        ):
            low, high = found.interval(name)
            inside[k] += low < truth < high
        logs = np.log([found[name] for name in ("depth", "diameter", "diffusion")])
        errors.append((logs.mean(axis=1) - np.log([DEPTH, DIAMETER, DIFFUSION])) / logs.std(axis=1))
    for k, name in enumerate(("depth", "diameter", "diffusion")):
        tail = min(binom.cdf(inside[k], n, 0.9), binom.sf(inside[k] - 1, n, 0.9))
        oracle(f"coverage of {name}", p=2 * tail)
    z = np.mean(errors, axis=0) * np.sqrt(n)
    oracle("bias of diffusion", z=z[2])


def test_drift_and_a_shifted_origin_change_nothing():
    film = simulate(7, 6)
    drift = film.times[film.frame][:, None] * np.array([40.0, -7.0]) + 3.0
    options = {"equilibrium": False, "method": "sub_steps"}
    moved = fit(changed(film, film.positions + drift), **options)
    still = fit(film, **options)
    for name in still.variables:
        assert moved[name].mean() == pytest.approx(still[name].mean(), rel=1e-5)
    with_drift = fit(changed(film, film.positions + drift), remove_drift=False, **options)
    assert with_drift["diffusion"].mean() > 1.3 * still["diffusion"].mean()


def test_the_expansion_is_the_equations_along_the_widest_axis():
    # depth and diameter move together: differences along one of them alone lose the bend
    data = read_motion(simulate(10, 21, interval=5e-4))
    family = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)
    frames = list_frames(data, family, DIFFUSION)
    precision = np.diag([0.1, 1.0, 0.04])
    truth = np.log([DEPTH, DIAMETER, DIFFUSION])
    problem = MotionProblem(frames, family, truth, precision, data.interval, 6, 1)
    found = solve_motion(problem, truth)
    values, axes = np.linalg.eigh(np.linalg.inv(found.precision + precision))
    widest = axes[:, -1] * np.sqrt(values[-1])
    tables = tables_at(family, found.estimate[:-1], frames)
    middle, up, down = (
        problem.moments(found.estimate + way * widest, tables).mean.sum(axis=0)
        for way in (0.0, 1.5, -1.5)
    )
    unit = np.linalg.cholesky(found.weight).T
    exact = np.array([unit @ (up - middle), unit @ (down - middle)])
    bent = 0.5 * 1.5**2 * np.einsum("qab,a,b->q", found.bend, widest, widest)
    straight = 1.5 * found.slope @ widest
    expanded = np.array([unit @ (bent + straight), unit @ (bent - straight)])
    assert np.abs(expanded - exact).max() < 0.2 * np.abs(exact).max()


def test_displacement_regression_is_refused_where_it_is_biased():
    film = simulate()
    with pytest.raises(NotIdentified, match="displacement regression would be off"):
        fit(film, method="displacement")
    fine = simulate(interval=2e-5, burn_in=30_000)
    joined = fit(fine)
    assert joined.diagnostics["method"] == "displacement"
    assert joined.diagnostics["motion_and_places_agree_p"] > 1e-3
    logs = np.log(joined["diameter"])
    assert abs(logs.mean() - np.log(DIAMETER)) < 4.0 * logs.std()
    alone = fit(fine, equilibrium=False)
    assert alone.diagnostics["largest_bend"] > 0.35
    assert any("too little of some parameters" in text for text in alone.warnings)
    assert fit(fine, method="displacement").diagnostics["displacement_bias_over_se"] < 1.0


@pytest.mark.parametrize("off", [-0.1, 0.1])
def test_runs_move_as_far_as_the_film_at_its_own_diffusion(off, oracle):
    data = read_motion(simulate(10, 21))
    theta = np.log([DEPTH, DIAMETER])
    family = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)
    frames = list_frames(data, family, DIFFUSION)
    moved = np.concatenate([frame.after - frame.places for frame in frames])
    at = np.append(theta, off)
    found = diffusion_seen(frames, frames, family, at, data.interval, 40, 3)
    sd = np.sqrt(2.0 / moved.size)
    # displacements as they stand are too short by far more than their noise
    assert np.log(np.mean(moved**2) / (2.0 * data.interval)) < -5.0 * sd
    oracle("ln diffusion", z=(found - np.log(DIFFUSION)) / sd)


def test_regression_settles_where_motion_says_little():
    # whole Gauss-Newton steps go round in circles on this film
    data = read_motion(simulate(8, 6, 1e-5, seed=5))
    family = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)
    frames = list_frames(data, family, DIFFUSION)
    mean = np.append(family.prior_mean, 0.0)
    precision = np.diag(np.append(1.0 / np.diag(family.prior_covariance), 0.04))
    truth = np.log([DEPTH, DIAMETER, DIFFUSION])
    found = regress_displacements(frames, family, truth, mean, precision, data.interval)
    # a top of the posterior: started there, it stays
    again = regress_displacements(frames, family, found.estimate, mean, precision, data.interval)
    sd = np.sqrt(np.diag(np.linalg.inv(found.precision + precision)))
    assert np.all(np.abs(again.estimate - found.estimate) < 0.02 * sd)


def test_motion_out_of_equilibrium_is_told_from_places():
    # places of smaller particles, motion of these: they have just grown
    side = 10 / np.sqrt(0.7)
    grid = (np.arange(10) + 0.5) * side / 10
    start = AtomicConfiguration(
        np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2), unit="reduced",
        cell=side * np.eye(2),
    )  # fmt: skip
    small = simulate_langevin(
        LennardJones(0.3, 0.85, cutoff=CUTOFF), start, 2, 2000, time_step=5e-5, rng=3
    )
    film = simulate_langevin(
        LennardJones(DEPTH, DIAMETER, cutoff=CUTOFF),
        AtomicConfiguration(small.positions[100:], unit="reduced", cell=side * np.eye(2)), 9, 50,
        time_step=5e-6, rng=4,
    )  # fmt: skip
    found = fit(film, method="sub_steps")
    assert found.diagnostics["motion_and_places_agree_p"] < 0.01
    assert any("not in equilibrium" in text for text in found.warnings)
    assert np.array_equal(found["depth"], fit(film, method="sub_steps", equilibrium=False)["depth"])


def test_two_species_open_field_and_gaps(oracle):
    film = simulate(10, 6, species=True, seed=5)
    found = fit(film, method="sub_steps")
    assert found["depth"].shape[1:] == (3,)
    logs = np.log(found["depth"][:, 1])
    oracle("depth between species", z=(logs.mean() - np.log(0.6)) / logs.std())
    whole = simulate(14, 9, seed=6)
    rng = np.random.default_rng(1)
    keep = ((whole.positions > 1.0) & (whole.positions < 15.0)).all(axis=1)
    keep &= rng.random(len(keep)) > 0.01
    field = Trajectory(
        whole.frame[keep], whole.particle[keep], whole.positions[keep], whole.times, unit="um"
    )
    found = fit(field, method="sub_steps")
    logs = np.log(found["diameter"])
    oracle("diameter in an open field with gaps", z=(logs.mean() - np.log(DIAMETER)) / logs.std())


def test_nothing_moves_gives_a_wide_answer():
    film = simulate()
    still = film.positions[film.frame == 0]
    found = fit(changed(film, np.tile(still, (film.n_frames, 1))))
    assert np.log(found["diffusion"]).std() > 3.0
    assert (found["diffusion"] > 0.0).all()
    assert "Nothing moves" in found.warnings[0]


def test_energies_at_a_temperature():
    found = fit(simulate(), temperature=(300.0, 3.0), method="static")
    ratio = found["depth_mev"] / found["depth"]
    assert ratio.mean() == pytest.approx(25.85, rel=2e-3)
    assert ratio.std() / ratio.mean() == pytest.approx(0.01, rel=0.1)


def test_static_reads_no_diffusion():
    found = fit(simulate(), method="static")
    assert found.variables == ["depth", "diameter"]


def test_the_model_for_pymc_is_the_same_density():
    from pytensor.compile.mode import Mode

    found = base_fit()
    with motion_model(found) as model:
        log_density = model.compile_logp(mode=Mode(linker="py", optimizer="fast_compile"))
    kept = {
        name.removeprefix("motion_"): found.idata["constant_data"][name].to_numpy()
        for name in found.idata["constant_data"].data_vars
    }
    mine = MotionPosterior(**kept)
    points = kept["center"] + np.array([[0.0, 0.0, 0.0], [0.1, -0.01, 0.02], [-0.3, 0.02, -0.05]])
    theirs = np.array([log_density({"theta": point}) for point in points])
    assert np.allclose(np.diff(theirs), np.diff(mine.log_density(points)))


def two_frames(**more):
    options = {"unit": "um", "time_unit": "s"} | more
    return Trajectory([0, 0, 1, 1], [0, 1, 0, 1], [[0, 0], [1, 0], [0, 0.1], [1.1, 0]], [0.0, 0.1],
                      **options)  # fmt: skip


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: [[0.0, 1.0]], {}, "must be a Trajectory"),
        (lambda: Trajectory([0], [0], [[0, 0]], [0.0]), {}, "at least 2 frames"),
        (lambda: two_frames(time_unit="frame"), {}, "must have times"),
        (two_frames, {"dynamics": "brownian"}, "dynamics"),
        (two_frames, {"forces": "magnetic"}, "forces"),
        (two_frames, {"localization_sd": -1.0}, "localization_sd"),
        (two_frames, {"localization_sd": 0.1, "method": "static"}, "no place for localisation"),
        (two_frames, {"diffusion": "position"}, "needs forces='external'"),
        (two_frames, {"equilibrium": False, "method": "static"}, "reads places in equilibrium"),
        (two_frames, {"equilibrium": "yes"}, "equilibrium must be"),
        (lambda: two_frames(time_unit="frame"), {"forces": "external"}, "must have times"),
        (lambda: two_frames(time_unit="frame"), {"localization_sd": 0.1}, "must have times"),
        (two_frames, {"temperature": (-20.0, 1.0)}, "temperature mean"),
        (two_frames, {"temperature": (300.0, -1.0), "localization_sd": 0.1}, "temperature sd"),
        (two_frames, {"forces": "external"}, "cutoff serves pair forces"),
        (two_frames, {"forces": "external", "cutoff": None, "method": "static"}, "method serves"),
        (
            two_frames,
            {"dynamics": "underdamped", "forces": "none", "cutoff": None, "equilibrium": False},
            "equilibrium serves",
        ),
        (two_frames, {"forces": "none", "cutoff": None, "prior": 1.0}, "prior means nothing"),
        (two_frames, {"forces": "none", "cutoff": None, "truncation": "cut"}, "truncation serves"),
        (
            two_frames,
            {"forces": "external", "cutoff": None, "remove_drift": True},
            "moves all particles together",
        ),
        (two_frames, {"dynamics": "underdamped", "cutoff": None}, "pair forces are not fitted"),
        (lambda: two_frames(cell=3.0 * np.eye(2)), {"cutoff": 1.4}, "half the shortest box"),
    ],
)
def test_bad_input_gets_one_sentence(make, options, message):
    with pytest.raises(InputError, match=message):
        fit(make(), **options)


def test_uneven_times_and_double_places_are_named():
    film = Trajectory([0, 1, 2], [0, 0, 0], np.eye(3)[:, :2], [0.0, 0.1, 0.4])
    with pytest.raises(InputError, match=r"frame 2 comes 0\.3 after"):
        read_motion(film)
    film = Trajectory([0, 0, 1, 1], [3, 5, 3, 5], [[1, 1], [1, 1], [0, 0], [1, 1]], [0.0, 0.1])
    with pytest.raises(InputError, match="particles 3 and 5 stand on one place in frame 0"):
        read_motion(film)
    with pytest.raises(NotIdentified, match="too long for this field of view"):
        fit(two_frames())


def test_exchanged_identities_are_refused_with_the_remedy():
    film = simulate(n_frames=11)
    particle = film.particle.copy()
    late = film.frame > 5
    # two that stand 2 diameters apart: their exchange makes steps of 50 standard deviations
    one, two = late & (particle == 5), late & (particle == 7)
    particle[one], particle[two] = 7, 5
    swapped = Trajectory(
        film.frame, particle, film.positions, film.times, unit="reduced", time_unit="reduced",
        cell=film.cell,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"first particles 5 and 7 after frame 5.*cut_swaps"):
        fit(swapped)
    assert np.array_equal(
        fit(cut_swaps(swapped), method="static")["depth"], fit(film, method="static")["depth"]
    )


def test_a_large_noisy_open_film_is_refused_at_once_with_the_other_way():
    rng = np.random.default_rng(1)
    walk = 100.0 * rng.random((200, 2)) + np.cumsum(rng.normal(0.0, 0.5, (50, 200, 2)), axis=0)
    film = Trajectory(
        np.repeat(range(50), 200), np.tile(range(200), 50), walk.reshape(-1, 2),
        0.1 * np.arange(50), unit="um",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"10,000 positions.*progress=.*measure_pair_force"):
        fit(film, localization_sd="free", cutoff=None)


def test_a_film_that_says_too_little_of_a_curved_ridge_is_warned_of():
    law = Yukawa(5.0, 0.5, cutoff=2.5)
    side = 10 / np.sqrt(0.7)
    axis = (np.arange(10) + 0.5) * side / 10
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    start = AtomicConfiguration(places, unit="reduced", cell=side * np.eye(2))
    film = simulate_langevin(
        law, start, 11, 50, time_step=4e-5, rng=900, settings=LangevinSettings(burn_in_steps=10_000)
    )
    fit = fit_langevin(film, "yukawa", localization_sd=0.0, method="sub_steps", cutoff=2.5, rng=0)
    assert fit.diagnostics["largest_bend"] > 1.3
    assert any("say too little of some parameters" in text for text in fit.warnings)
