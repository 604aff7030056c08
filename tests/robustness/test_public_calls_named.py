"""Odd arguments that once passed or ended in an error of Python: each is named in a sentence."""

import numpy as np
import pytest

from physlearn import InputError, Trajectory
from physlearn.causal import (
    Action,
    Hypothesis,
    Outcome,
    Planner,
    SafetyEnvelope,
    check_ledger,
    practical_equivalence,
)
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.datasets import make_defect_scene
from physlearn.inference import fit_binary_units, track_series, unit_network
from physlearn.inference.event_rates.hop_networks import network_of_vectors
from physlearn.lattice_models import ElasticEnergy, FieldDrive, line_energy, mbar_estimate
from physlearn.lattice_models.particles import LennardJones, PairTable, StillingerWeberAngle

VIEW = {"max_total_dose": 1.0, "field_of_view": (0, 0, 1, 1)}
TABLE = PairTable({(0, 0): LennardJones()})
ELASTIC = ElasticEnergy(c11=3.0, c12=1.0, c44=1.0, q_xx=0.1, q_yy=0.1)
WEIGHTS = np.random.default_rng(1).normal(size=(2, 50, 2))


@pytest.mark.parametrize("code", [1, -1, 10**12, np.array(0), 0.5, None])
def test_codes_of_no_species(code):
    assert TABLE.of(0, np.int8(0)) is TABLE.potentials[0, 0]
    with pytest.raises(InputError, match="must be"):
        TABLE.of(0, code)


def test_times_of_a_drive_are_an_array_of_an_interval():
    drive = FieldDrive(waveform=[1.0, 2.0])
    assert drive.values([[0.0], [0.5]], 1).tolist() == [[2.0], [2.0]]
    with pytest.raises(InputError, match="interval must be below 2"):
        drive.values([0.0], 2)
    with pytest.raises(InputError, match="times must"):
        drive.values([[0.0], [0.5, 1.0]], 0)


def test_complex_numbers_are_no_lengths():
    with pytest.raises(InputError, match="k_x must hold real numbers"):
        ELASTIC.form(np.array(1 + 2j), np.array(0.0))
    for place in range(3):
        given = [1.0, 1.1, -0.3]
        given[place] = 1 + 2j
        with pytest.raises(InputError, match="must hold real numbers"):
            StillingerWeberAngle().value(*given)


@pytest.mark.parametrize("shape", [(0, 64), (64, -1), (64.5, 64), 64, "64"])
def test_scenes_have_a_shape(shape):
    with pytest.raises(InputError, match="shape must be"):
        make_defect_scene(shape, rng=1)


@pytest.mark.parametrize("far", [1e5, 1e12, 1e300])
def test_hop_vectors_are_single_hops(far):
    with pytest.raises(InputError, match="hop_vectors must"):
        network_of_vectors([[far, 0.0], [0.0, 1.0]], "shell", 2)
    with pytest.raises(InputError, match="hop_vectors must"):
        network_of_vectors([[1e300, 0.0], [0.0, 1e300]], "shell", 2)


def test_least_probability_is_one():
    fit = fit_binary_units(np.where(np.random.default_rng(1).random((200, 3)) < 0.5, 1, -1), rng=1)
    for bad in (np.nan, -0.1, 1.5, "half"):
        with pytest.raises(InputError, match="least_probability must be"):
            unit_network(fit, bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_total_dose": np.nan}, {"field_of_view": (0, 0, np.nan, 1)}, {"max_travel": "far"},
        {"field_of_view": None}, {"field_of_view": (0, 0, 1)}, {"forbidden_sites": [(0, 0)]},
        {"bias_limits_volt": (np.nan, 1.0)}, {"site_radius": [1.0]},
    ],
)  # fmt: skip
def test_limits_are_numbers(bad):
    check_ledger([], VIEW | {"max_total_dose": np.inf, "forbidden_sites": ()})
    with pytest.raises(InputError, match=f"envelope.*{next(iter(bad))} "):
        check_ledger([], VIEW | bad)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, "1"])
def test_numbers_of_lines_of_tracks_and_of_references(bad):
    track = Trajectory([0, 1], [0, 0], [[0.0, 10.0], [0.0, 30.0]], [0.0, 1.0])
    with pytest.raises(InputError, match=r"line_time must|times of particle 0 increasing"):
        track_series(track, line_time=bad)
    with pytest.raises(InputError, match="tension must be"):
        line_energy([0.0, 1.0], tension=bad)
    with pytest.raises(InputError, match="spacing must be"):
        line_energy([0.0, 1.0], tension=1.0, spacing=bad)
    if bad != -1.0:
        with pytest.raises(InputError, match="drive must"):
            line_energy([0.0, 1.0], tension=1.0, drive=bad)
        with pytest.raises(InputError, match="anchor_log_partition must"):
            mbar_estimate(WEIGHTS, anchor_log_partition=bad)


@pytest.mark.parametrize("region", [None, 0.4, (1.0,), (1, 2, 3), "ab", {"low": 0}])
def test_regions_are_pairs(region):
    with pytest.raises(InputError, match=r"region must be a pair"):
        practical_equivalence([0.1, 0.2], 1.0, region=region)


def law(name, weight):
    return Hypothesis(name, weight, lambda act, rng, n: (act.number("bias_V"), 0.2))


def campaign(*weights, **options):
    acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (0.1, 2.0)]
    laws = [law(f"law {number}", weight) for number, weight in enumerate(weights)]
    envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    return Planner(laws, acts, envelope, 10.0, severity=None, rng=0, **options)


def test_a_claim_needs_a_second_hypothesis_that_may_hold():
    with pytest.raises(InputError, match="at least two of a weight above 0"):
        campaign(1.0, 0.0)
    assert len(campaign(0.5, 0.5, 0.0).ask()) == 1


def test_misspelt_read_back_is_not_dropped():
    planner = campaign(0.5, 0.5)
    (question,) = planner.ask()
    with pytest.raises(InputError, match=r"'bais_V' is none: 'bias_V'\?"):
        planner.tell(question.id, Outcome(0.5, reported={"bais_V": 1.0}))
    planner.tell(question.id, Outcome(0.5, reported={"bias_V": 1.0, "stage_drift": 9.0}))
    assert planner.told_ids == (question.id,)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match="there is none at 'missing'") as told:
        ExperimentPlan.from_json("missing")
    assert isinstance(told.value, FileNotFoundError)
