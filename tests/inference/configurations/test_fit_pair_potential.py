"""The front door: what it asks for, what it refuses, and what its fits hold."""

from __future__ import annotations

import numpy as np
import pytest
from snapshot_worlds import LIQUID, liquid, triangular

from physlearn.checks import InputError
from physlearn.inference import (
    family_from_function,
    fit_pair_potential,
    potential_curve,
    potential_of,
)
from physlearn.inference.configurations.phase import judge_phase
from physlearn.inference.configurations.snapshot_potential import (
    snapshot_model,
    snapshot_potential,
)
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.lattice_models.particles import (
    LennardJones,
    MetropolisSettings,
    StillingerWeberAngle,
    sample_positions,
)
from physlearn.records import AtomicConfiguration, Trajectory
from physlearn.results import Fit

THERMAL = {"sampling": "thermal_snapshot", "method": "score", "position_sd": 0.0, "cutoff": 2.5}


def test_sampling_must_be_said():
    for wrong in (None, "image"):
        with pytest.raises(InputError, match="billion vibrations"):
            fit_pair_potential(liquid()[0], sampling=wrong)


def test_a_time_averaged_image_yields_structure_only():
    crystal = triangular(14, 0.95)
    shaken = AtomicConfiguration(
        crystal.positions + np.random.default_rng(1).normal(0, 0.02, crystal.positions.shape),
        unit="angstrom", cell=crystal.cell,
    )  # fmt: skip
    fit = fit_pair_potential(shaken, sampling="time_averaged_image", rng=1)
    assert fit.variables == ["spacing", "strain_sd", "strain_anisotropy"]
    assert fit.warnings[0].startswith("No potential")
    exact = fit_pair_potential(shaken, sampling="time_averaged_image", position_sd=0.02, rng=1)
    assert exact["strain_sd"].mean() < 0.5 * fit["strain_sd"].mean()
    with pytest.raises(InputError, match="variable of this fit"):
        fit["depth"]


def test_a_fit_tells_depth_and_diameter_and_can_be_made_a_potential_again(tmp_path):
    fit = fit_pair_potential(list(liquid()[:10]), rng=1, temperature=(300.0, 2.0), **THERMAL)
    for name, truth in (("depth", 1.25), ("diameter", 1.0), ("depth_mev", 1.25 * 25.85)):
        low, high = fit.interval(name, 0.999)
        assert low < truth < high
    assert fit.diagnostics["phase"] == "liquid"
    assert fit.attrs["likelihood"].startswith("score matching")
    fit.save(tmp_path / "fit.nc")
    again = potential_of(Fit.load(tmp_path / "fit.nc"))
    assert isinstance(again, LennardJones)
    curve = potential_curve(fit, [1.0, 1.2, 2.0])
    inside = (curve["q05"] - 0.3 < LIQUID.value(curve["distance"])) & (
        LIQUID.value(curve["distance"]) < curve["q95"] + 0.3
    )
    assert inside.all()


def test_same_seed_same_draws():
    one, two = (fit_pair_potential(liquid()[0], rng=5, **THERMAL) for _ in range(2))
    np.testing.assert_array_equal(one["depth"], two["depth"])


def test_own_function_and_prior():
    family = family_from_function(
        lambda r, depth: 4 * depth * (r**-12.0 - r**-6.0), {"depth": (1.0, 1.0)},
        cutoff=2.5, closest=0.7, positive=["depth"], units={"depth": "kT"},
    )  # fmt: skip
    fit = fit_pair_potential(list(liquid()[:6]), family, rng=1, **THERMAL)
    low, high = fit.interval("depth", 0.999)
    assert low < 1.25 < high
    with pytest.raises(InputError, match="function must be given again"):
        potential_of(fit)
    held = fit_pair_potential(liquid()[0], rng=1, prior={"depth": (1.25, 0.001)}, **THERMAL)
    assert held["depth"].std() < 0.002
    with pytest.raises(InputError, match="name parameters of lennard_jones"):
        fit_pair_potential(liquid()[0], prior={"deep": (1.0, 1.0)}, **THERMAL)
    with pytest.raises(InputError, match="family_from_function"):
        fit_pair_potential(liquid()[0], lambda r: r, **THERMAL)


def test_two_species_get_a_number_for_each_pair():
    frame = triangular(12, 0.6, species=np.arange(144) % 2)
    frames = sample_positions(
        LIQUID, frame, 6, 60, settings=MetropolisSettings(burn_in_sweeps=500), rng=2
    )
    fit = fit_pair_potential(frames, rng=1, **THERMAL)
    assert fit["depth"].shape[1] == 3
    low, high = np.quantile(fit["diameter[0,1]"], [0.0005, 0.9995])
    assert low < 1.0 < high
    assert potential_of(fit).n_species == 2


def test_particles_without_forces_get_a_wide_answer_about_nothing():
    places = np.random.default_rng(1).uniform(0, 15, (300, 2))
    gas = AtomicConfiguration(places, unit="um", cell=15 * np.eye(2))
    fit = fit_pair_potential(gas, "spline", rng=1, **{**THERMAL, "cutoff": 2.0})
    curve = potential_curve(fit, [0.8, 1.0, 1.5])
    assert ((curve["q05"] < 0.1) & (curve["q95"] > -0.1)).all()


def test_a_trajectory_is_a_list_of_frames():
    frames = liquid()[:3]
    n = frames[0].n
    track = Trajectory(
        np.repeat(np.arange(3), n), np.tile(np.arange(n), 3),
        np.concatenate([frame.positions for frame in frames]), np.arange(3.0),
        unit="reduced", cell=frames[0].cell,
    )  # fmt: skip
    fit = fit_pair_potential(track, rng=1, **THERMAL)
    other = fit_pair_potential(list(frames), rng=1, **THERMAL)
    np.testing.assert_array_equal(fit["depth"], other["depth"])


def test_correlated_frames_widen_the_posterior_of_the_likelihood():
    """Five times the same frame: log L, its polynomial and the intervals are those of one."""
    near = [liquid(12)[0]] * 5
    asked = {**THERMAL, "method": "likelihood"}
    one, five = (fit_pair_potential(frames, rng=3, **asked) for frames in (near[:1], near))
    assert five.diagnostics["frame_inflation"] == pytest.approx(5.0)
    for name in ("depth", "diameter"):
        assert np.log(five[name]).std() == pytest.approx(np.log(one[name]).std(), rel=0.25)
    theta = np.log(np.stack([one["depth"], one["diameter"]], axis=1))[::5]
    first, second = (snapshot_potential(fit).surface(theta) for fit in (one, five))
    assert np.std(first - second) < 0.3 < np.std(first)


@pytest.mark.parametrize("more", [{"method": "likelihood"}, {"method": "fluctuations"}])
def test_splines_are_not_simulated(more):
    with pytest.raises(InputError, match="take method='score'"):
        fit_pair_potential(liquid()[0], "spline", **{**THERMAL, **more})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"position_sd": None}, "position_sd must be stated"),
        ({"cutoff": 9.0}, "half the shortest box length"),
        ({"temperature": 300.0}, "standard deviation"),
        ({"method": "guess"}, "method must be one of"),
        ({"three_body": 1.0}, "three_body must be"),
        ({"three_body": StillingerWeberAngle()}, "three_body needs"),
        ({"truncation": "sharp"}, "truncation must be one of"),
    ],
)
def test_what_does_not_fit_is_one_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        fit_pair_potential(liquid()[0], **{**THERMAL, **change})


def test_bad_positions_are_named():
    places = liquid()[0].positions.copy()
    cell = liquid()[0].cell
    places[7] = places[3]
    with pytest.raises(InputError, match="3 and 7 of frame 0 lie on top of each other"):
        fit_pair_potential(AtomicConfiguration(places, unit="reduced", cell=cell), **THERMAL)
    with pytest.raises(InputError, match="at least 8 particles"):
        fit_pair_potential(AtomicConfiguration([[0.0, 0.0]], unit="reduced"), **THERMAL)
    with pytest.raises(InputError, match="leaves 0 particles"):
        small = AtomicConfiguration(places[:7].tolist() + places[8:12].tolist(), unit="reduced")
        fit_pair_potential(small, **THERMAL)
    with pytest.raises(InputError, match="list of them or a Trajectory"):
        fit_pair_potential(places, **THERMAL)
    mixed = [liquid()[0], AtomicConfiguration(liquid()[0].positions, unit="nm", cell=cell)]
    with pytest.raises(InputError, match="share one unit"):
        fit_pair_potential(mixed, **THERMAL)


def test_crystals_and_liquids_are_told_apart():
    crystal = sample_positions(LennardJones(2.0, 1.0, cutoff=2.5), triangular(12, 0.95), 1, rng=1)
    assert judge_phase(read_snapshots(crystal, 0.0))["phase"] == "crystal"
    assert judge_phase(read_snapshots(list(liquid()[:2]), 0.0))["phase"] == "liquid"


def test_the_score_goes_into_a_pymc_model():
    """The model's log density, whitened, has its mode and curvature where the draws have them."""
    fit = fit_pair_potential(list(liquid()[:8]), rng=1, **THERMAL)
    potential = snapshot_potential(fit)
    theta = np.log(np.stack([fit["depth"], fit["diameter"]], axis=1))
    heights = potential.surface(theta)
    assert potential.surface.residual_sd < 0.1
    best = theta[heights.argmax()]
    assert (np.abs(best - theta.mean(0)) < 2 * theta.std(0)).all()
    assert snapshot_model(fit).free_RVs[0].name == "z"


def test_species_go_by_their_names_and_places_on_the_wall_are_inside():
    frame = triangular(12, 0.6, species=np.arange(144) % 2)
    places = frame.positions.copy()
    places[0, 0] = -1e-18
    named = [
        AtomicConfiguration(places, unit="reduced", cell=frame.cell, species=codes,
                            species_names=names)
        for codes, names in ((np.arange(144) % 2, ("A", "B")), (1 - np.arange(144) % 2, ("B", "A")))
    ]  # fmt: skip
    first, second = read_snapshots(named, 0.0)
    np.testing.assert_array_equal(first.species, second.species)
    assert (first.positions < first.box).all()
    with pytest.raises(InputError, match="all name their species"):
        read_snapshots([named[0], frame], 0.0)
    with pytest.raises(InputError, match="better than to a third"):
        fit_pair_potential(liquid()[0], **THERMAL, temperature=(300.0, 300.0))
