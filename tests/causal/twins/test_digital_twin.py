"""A twin gives what a laboratory gives, refuses what it must, and keeps its truth."""

import copy
import gc
import inspect
import pickle
from dataclasses import replace

import numpy as np
import pytest

from physlearn.causal.actions import Action, SafetyEnvelope
from physlearn.causal.experiment_plans.dose_ledger import check_ledger
from physlearn.causal.twins.digital_twin import DigitalTwin, HiddenTruth
from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.ising_sample import IsingSample
from physlearn.causal.twins.response_sample import ResponseSample
from physlearn.causal.twins.structural_sample import StructuralSample
from physlearn.checks import InputError

FILM = IsingSample((8, 8), (0.3,), defects=((2.0, 2.0, 1.0, 0.9),), start="down")
BIAS = Action("change_bias", {"bias_V": 1.0}, 0.0, 2.0, 1.0)
WHOLE = Action("image", {"x_min": 0, "y_min": 0, "x_max": 7, "y_max": 7}, 3.0, 4.0, 1.0)
SITE = Action("expose_site", {"x": 3.0, "y": 4.0}, 2.0, 1.0, 1.0, irreversible=True)
PULSE = Action(
    "tip_pulse", {"x": 2, "y": 2, "bias_V": 2.0, "pulse_s": 1.0}, 0.0, 2.0, 1.0, irreversible=True
)


def marked(value):
    """Return every number array and record that can be reached from a value by plain means."""
    return "IsingSample(" in repr(value) or "_IsingState" in repr(value)


@pytest.mark.parametrize("name", ["spins", "truth", "state", "_state", "_world", "sample", "_rng"])
def test_no_attribute_gives_the_truth(name):
    twin = DigitalTwin(FILM, rng=1)
    with pytest.raises(HiddenTruth, match="keeps its truth"):
        getattr(twin, name)
    with pytest.raises(AttributeError):
        setattr(twin, name, 1)
    assert getattr(twin, name, "nothing") == "nothing"


def test_no_inspector_finds_the_truth():
    twin = DigitalTwin(FILM, rng=1)
    twin.do(BIAS)
    with pytest.raises(TypeError):
        vars(twin)
    assert not any(name.startswith("_") for name in dir(twin))
    assert "0.9" not in repr(twin)
    assert "spins" not in str(twin)
    members = dict(inspect.getmembers(twin, lambda value: not callable(value)))
    assert not any(marked(value) for value in members.values())
    reachable = [twin]
    for _ in range(2):
        reachable = [item for item in gc.get_referents(*reachable) if not isinstance(item, type)]
    assert not any(marked(item) for item in reachable)


@pytest.mark.parametrize(
    "attempt",
    [pickle.dumps, copy.copy, copy.deepcopy, lambda t: t.__getstate__(), lambda t: t.__reduce__()],
)
def test_a_twin_is_neither_copied_nor_pickled(attempt):
    with pytest.raises(HiddenTruth, match="copied or pickled"):
        attempt(DigitalTwin(FILM, rng=1))


def test_the_truth_opens_once_and_ends_the_twin():
    twin = DigitalTwin(FILM, rng=1)
    twin.do(BIAS)
    truth = twin.reveal()
    assert truth["fields_kt"][2, 2] == pytest.approx(0.9)
    with pytest.raises(InputError, match="opened"):
        twin.do(BIAS)


def test_same_seed_same_acts_same_outcomes():
    made = Instrument(readout_noise_sd=0.1, position_sd=0.2, drift_walk=0.1, dose_error=0.1)
    acts = [BIAS, WHOLE, SITE, PULSE, BIAS]
    first, second, other = (DigitalTwin(FILM, made, rng=seed) for seed in (3, 3, 4))
    seen = [[twin.do(act).to_dict() for act in acts] for twin in (first, second, other)]
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]
    assert np.array_equal(first.pictures[0], second.pictures[0])


def test_the_instrument_does_not_decide_which_sample_is_drawn():
    sample = IsingSample((8, 8), family="random field")
    fields = [
        DigitalTwin(sample, made, rng=5).reveal()["fields_kt"]
        for made in (None, Instrument(readout_noise_sd=1.0, drift_walk=1.0))
    ]
    assert np.array_equal(*fields)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("pulse", "must be an Action"),
        (replace(SITE, args={"x": 30.0, "y": 4.0}), "field of view"),
        (Action("analyse", {"quantity": "roughness"}, 0.0, 1.0, 1.0), "needs a picture"),
        (Action("approach", {}, 0.0, 1.0, 1.0), "withdrawn"),
        (replace(WHOLE, dose=200.0), "breaks the envelope"),
        (Action("change_temperature", {"temperature_K": 900}, 0.0, 1.0, 1.0), "envelope"),
        (Action("change_temperature", {"temperature_K": 0}, 0.0, 1.0, 1.0), "above 0"),
    ],
)
def test_what_is_refused_moves_nothing(act, message):
    envelope = SafetyEnvelope(100.0, (0, 0, 7, 7), bias_limits_volt=(-3, 3))
    twin = DigitalTwin(FILM, Instrument(readout_noise_sd=0.1), envelope=envelope, rng=1)
    untouched = DigitalTwin(FILM, Instrument(readout_noise_sd=0.1), envelope=envelope, rng=1)
    with pytest.raises(InputError, match=message):
        twin.do(act)
    assert twin.events == () and twin.time_s == 0 and twin.dose == 0
    assert twin.do(BIAS) == untouched.do(BIAS)


def test_wrong_makings_are_refused():
    with pytest.raises(InputError, match="instrument must be"):
        DigitalTwin(FILM, "stm")
    with pytest.raises(InputError, match="sample must be"):
        DigitalTwin("film")
    with pytest.raises(InputError, match="envelope must be"):
        DigitalTwin(FILM, envelope=(1, 2))
    with pytest.raises(InputError, match="rng must be"):
        DigitalTwin(FILM, rng="1")


def test_a_sample_refuses_before_anything_moves():
    twin = DigitalTwin(StructuralSample(8), rng=1)
    bad = Action("expose_site", {"x": 1.0, "y": 1.0, "column": "colour", "to": 1.0}, 1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="must name a column"):
        twin.do(bad)
    with pytest.raises(InputError, match="this sample knows"):
        twin.do(PULSE)
    assert twin.events == ()


def test_the_tip_must_be_at_the_sample():
    twin = DigitalTwin(FILM, rng=1)
    twin.do(Action("withdraw", {}, 0.0, 1.0, 1.0))
    for act in (PULSE, WHOLE):
        with pytest.raises(InputError, match="withdrawn"):
            twin.do(act)
    twin.do(Action("approach", {}, 0.0, 1.0, 1.0))
    assert twin.do(PULSE).succeeded
    beam = DigitalTwin(FILM, Instrument(tip="none"), rng=1)
    with pytest.raises(InputError, match="has none"):
        beam.do(PULSE)


def test_events_add_up_in_the_independent_ledger():
    envelope = SafetyEnvelope(
        100.0, (0, 0, 7, 7), bias_limits_volt=(-3, 3), pulse_limits_volt=(-5, 5), max_irreversible=3
    )
    made = Instrument(scan_dose=5.0, dose_error=0.05, settle_s=0.5, readout_noise_sd=0.1)
    twin = DigitalTwin(FILM, made, envelope=envelope, rng=2)
    doses = [twin.do(act).dose for act in (BIAS, WHOLE, SITE, PULSE, WHOLE)]
    report = check_ledger(twin.events, envelope, tip="approached")
    assert report.violations == ()
    assert report.total_dose == pytest.approx(sum(doses)) == pytest.approx(twin.dose)
    assert doses[1] > 3.0  # looking is not free: the scan's own dose counts, not the stated one
    assert report.n_irreversible == 2
    assert report.duration_s == pytest.approx(twin.time_s)
    assert [event["status"] for event in twin.events] == ["begun", "done"] * 5


def test_the_envelope_counts_doses_given_and_not_doses_stated():
    envelope = SafetyEnvelope(12.0, (0, 0, 7, 7))
    twin = DigitalTwin(FILM, Instrument(scan_dose=5.0), envelope=envelope, rng=2)
    free = replace(WHOLE, dose=0.0)
    twin.do(free)
    twin.do(free)
    with pytest.raises(InputError, match="breaks the envelope"):
        twin.do(free)
    assert twin.dose == 10.0


def test_time_runs_for_acts_settling_and_travel():
    made = Instrument(settle_s=0.5, speed_per_s=2.0)
    twin = DigitalTwin(FILM, made, rng=1)  # the stage begins at the middle, (3.5, 3.5)
    outcome = twin.do(replace(SITE, args={"x": 3.5, "y": 5.5}))
    assert outcome.started_s == 0.0
    assert outcome.duration_s == pytest.approx(0.5 + 1.0 + 1.0)
    assert twin.do(Action("wait", {"wait_s": 7.0}, 0.0, 0.0, 1.0)).duration_s == pytest.approx(7.5)


def test_time_for_settling_counts_against_the_limit():
    envelope = SafetyEnvelope(9.0, (0, 0, 7, 7), bias_limits_volt=(-3, 3), max_duration_s=6.0)
    twin = DigitalTwin(FILM, Instrument(settle_s=1.5), envelope=envelope, rng=1)
    twin.do(BIAS)
    with pytest.raises(InputError, match="would end after 7 s"):
        twin.do(BIAS)
    assert twin.time_s == 3.5


def test_records_cannot_be_changed_from_outside():
    twin = DigitalTwin(FILM, Instrument(), rng=1)
    twin.do(WHOLE)
    twin.pictures[0][:] = 7.0
    assert float(twin.pictures[0].max()) <= 1.0
    with pytest.raises(TypeError):
        twin.events[0]["dose"] = 0.0
    with pytest.raises(TypeError):
        twin.events[0]["args"]["x_min"] = 5.0
    twin.dose_map()[:] = 9.0
    assert float(twin.dose_map().max()) == 3.0


def test_seen_misses_fail_and_unseen_ones_do_not():
    made = Instrument(miss_probability=1.0, miss_distance=3.0, capture_radius=1.0)
    hidden = ResponseSample(lambda act: act.number("x"))
    act = Action("expose_site", {"x": 0.0, "y": 0.0}, 2.0, 1.0, 1.0, irreversible=True)
    seen = DigitalTwin(hidden, made, rng=1)
    outcome = seen.do(act)
    assert not outcome.succeeded
    assert outcome.readout is None
    assert seen.events[-1]["status"] == "failed"
    assert seen.dose == 2.0  # a miss has given its dose all the same
    unseen = DigitalTwin(hidden, replace(made, misses_seen=False), rng=1).do(act)
    assert unseen.succeeded
    assert abs(unseen.readout) > 0.01


def test_what_is_read_back_is_neither_the_command_nor_the_truth():
    made = Instrument(backlash=1.0, report_sd=0.01, drift_x_per_s=0.5)
    hidden = ResponseSample(lambda act: act.number("x"))
    twin = DigitalTwin(hidden, made, rng=1)
    twin.do(Action("wait", {"wait_s": 4.0}, 0.0, 4.0, 1.0))
    outcome = twin.do(Action("expose_site", {"x": 10.0, "y": 0.0}, 1.0, 1.0, 1.0))
    assert outcome.commanded["x"] == 10.0
    assert outcome.reported["x"] == pytest.approx(9.5, abs=0.05)  # play is read back
    assert outcome.readout == pytest.approx(7.5)  # drift is not


def test_an_area_lies_as_far_off_as_its_middle():
    film = IsingSample((9, 9), (0.0,), beam_field_per_dose=1.0, start="down")
    twin = DigitalTwin(film, Instrument(drift_x_per_s=2.0, pictures=False), rng=1)
    twin.do(Action("wait", {"wait_s": 1.0}, 0.0, 1.0, 1.0))
    patch = {"x_min": 4.0, "y_min": 3.0, "x_max": 5.0, "y_max": 4.0}
    twin.do(Action("expose_patch", patch, 5.0, 1e-6, 1.0, irreversible=True))
    changed = np.argwhere(twin.reveal()["fields_kt"] > 1.0)
    assert changed.tolist() == [[3, 2], [3, 3], [4, 2], [4, 3]]


def test_a_dose_above_what_was_asked_does_not_forbid_all_that_follows():
    envelope = SafetyEnvelope(9.0, (0, 0, 7, 7), max_step_dose=3.0, bias_limits_volt=(-3, 3))
    twin = DigitalTwin(FILM, Instrument(dose_error=0.3, pictures=False), envelope=envelope, rng=2)
    assert twin.do(WHOLE).dose > 3.0
    assert twin.do(BIAS).succeeded


def test_tables_and_dose_map():
    twin = DigitalTwin(StructuralSample(8), Instrument(probe_radius=0.6), rng=1)
    act = {"x": 2.0, "y": 5.0, "column": "driver", "to": 1.0}
    twin.do(Action("expose_site", act, 4.0, 1.0, 1.0, irreversible=True))
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))
    twin.do(Action("image", area, 1.0, 1.0, 1.0))
    assert list(twin.tables[0].columns) == ["driver", "response"]
    given = twin.dose_map()
    assert float(given.sel(x=2.0, y=5.0, method="nearest")) == 5.0
    assert float(given.min()) == 1.0


def drawn_act(rng):
    """Return an act that may be anything: out of reach, too much, too hot, in the wrong order."""
    x, y = rng.uniform(-2, 12, 2)
    left, low = rng.uniform(-1, 8, 2)
    area = {"x_min": left, "y_min": low, "x_max": left + 2.0, "y_max": low + 2.0}
    dose = float(rng.choice([0.0, 3.0, 9.0]))
    return (
        Action("change_bias", {"bias_V": rng.uniform(-5, 5)}, 0.0, 1.0, 1.0),
        Action("change_temperature", {"temperature_K": rng.uniform(100, 500)}, 0.0, 1.0, 1.0),
        Action("image", area, dose, 2.0, 1.0),
        Action("scan_again", {"n_repeats": 2}, dose, 2.0, 1.0),
        Action("expose_site", {"x": x, "y": y}, dose, 1.0, 1.0, bool(rng.random() < 0.5)),
        Action("expose_patch", area, dose, 1.0, 1.0, irreversible=True),
        Action(
            "tip_pulse", {"x": x, "y": y, "bias_V": rng.uniform(-5, 5), "pulse_s": 0.5}, 0.0, 1.0,
            1.0, irreversible=True,
        ),
        Action("move", {"x": x, "y": y}, 0.0, 1.0, 1.0),
        Action("withdraw", {}, 0.0, 1.0, 1.0),
        Action("approach", {}, 0.0, 1.0, 1.0),
    )[rng.integers(10)]  # fmt: skip


def test_whatever_is_asked_no_limit_is_broken_by_the_independent_ledger():
    envelope = SafetyEnvelope(
        40.0, (0, 0, 9, 9), max_step_dose=8.0, bias_limits_volt=(-3, 3), max_irreversible=3,
        forbidden_sites=((5.0, 5.0, 1.0),), max_site_dose=10.0, max_field_dose=12.0,
        site_radius=0.5, pulse_limits_volt=(-4, 4), max_pulse_s=1.0, max_duration_s=60.0,
        temperature_limits_kelvin=(200, 400), max_travel=8.0,
    )  # fmt: skip
    made = Instrument(scan_dose=2.0, pictures=False, settle_s=0.7, speed_per_s=5.0, backlash=0.3)
    hidden = ResponseSample(lambda _: 0.0, field_of_view=(0.0, 0.0, 9.0, 9.0))
    rng, broken, refused = np.random.default_rng(1), [], 0
    for seed in range(150):
        twin = DigitalTwin(hidden, made, envelope=envelope, rng=seed)
        for _ in range(20):
            try:
                twin.do(drawn_act(rng))
            except InputError:
                refused += 1
        broken += check_ledger(twin.events, envelope, tip="approached").violations
    assert broken == []
    assert 500 < refused < 2900
