"""Two functions make an instrument that keeps limits, gates and its record."""

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    DigitalTwin,
    InstrumentAdapter,
    Outcome,
    ResponseSample,
    SafetyEnvelope,
)
from physlearn.checks import InputError


class Bench:
    """Remembers what it was told."""

    def __init__(self, fails_at=()):
        self.done, self.safe, self.fails_at = [], 0, fails_at

    def act(self, action):
        self.done.append(action.verb)
        if len(self.done) in self.fails_at:
            raise RuntimeError("the cable fell off")

    def read(self, action):
        return float(len(self.done))

    def make_safe(self):
        self.safe += 1

    def adapter(self, envelope, tip="withdrawn"):
        return InstrumentAdapter(
            self.act, self.read, envelope=envelope, tip=tip, make_safe=self.make_safe
        )


def yes(step):
    return True


def test_a_plan_runs_and_the_book_is_right(pulse_plan, tmp_path):
    bench = Bench()
    adapter = bench.adapter(pulse_plan.envelope)
    done = adapter.run(pulse_plan, record=tmp_path / "r", approve=yes)
    assert done.ended == "the plan is done"
    assert bench.done == ["approach", "image", "tip_pulse", "change_bias", "scan_again"]
    assert [outcome.readout for outcome in done.outcomes] == [None, 2.0, 3.0, 4.0, 5.0]
    assert bench.safe == 1
    report = adapter.report()
    assert (report.total_dose, report.n_irreversible, report.violations) == (20.0, 1, ())


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5])
def test_stopped_anywhere_and_run_again_one_pulse(fails_at, pulse_plan, tmp_path):
    bench = Bench((fails_at,))
    with pytest.raises(RuntimeError, match="cable"):
        bench.adapter(pulse_plan.envelope).run(pulse_plan, record=tmp_path / "r", approve=yes)
    assert bench.safe == 1
    tip = "approached" if fails_at > 1 else "withdrawn"
    adapter = bench.adapter(pulse_plan.envelope, tip)
    done = adapter.run(pulse_plan, record=tmp_path / "r", approve=yes)
    assert done.ended == "the plan is done"
    exposures = [verb for verb in bench.done if verb in ("image", "tip_pulse", "scan_again")]
    assert exposures == ["image", "tip_pulse", "scan_again"]
    assert adapter.report().total_dose == 20.0  # the earlier process' included


def test_a_record_goes_on_only_with_the_tip_where_it_was(pulse_plan, tmp_path):
    bench = Bench((4,))
    with pytest.raises(RuntimeError):
        bench.adapter(pulse_plan.envelope).run(pulse_plan, record=tmp_path / "r", approve=yes)
    with pytest.raises(InputError, match="goes on with the tip approached; it is withdrawn"):
        bench.adapter(pulse_plan.envelope).run(pulse_plan, record=tmp_path / "r", approve=yes)


@pytest.mark.parametrize("answer", [False, None, "yes"])
def test_without_a_persons_true_there_is_no_pulse(answer, pulse_plan, tmp_path):
    bench = Bench()
    done = bench.adapter(pulse_plan.envelope).run(
        pulse_plan, record=tmp_path / "r", approve=lambda step: answer
    )
    assert done.ended == "pulse was not approved"
    assert "tip_pulse" not in bench.done


def test_gates_and_records_are_needed_before_anything_moves(pulse_plan, tmp_path):
    bench = Bench()
    adapter = bench.adapter(pulse_plan.envelope)
    with pytest.raises(InputError, match="approve must be a function, as pulse needs a person"):
        adapter.run(pulse_plan, record=tmp_path / "r")
    with pytest.raises(InputError, match="record must be the path of a file"):
        adapter.run(pulse_plan, approve=yes)
    with pytest.raises(InputError, match="starts with the tip withdrawn; it is approached"):
        bench.adapter(pulse_plan.envelope, "approached").run(
            pulse_plan, record=tmp_path / "r", approve=yes
        )
    assert bench.done == []


def test_acts_outside_the_envelope_are_refused_and_nothing_moves():
    bench = Bench()
    envelope = SafetyEnvelope(15.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    adapter = bench.adapter(envelope, "none")
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), (0.0, 0.0, 9.0, 9.0), strict=True))
    image = Action("image", area, 10.0, 1.0, 1.0)
    adapter.do(image)
    bad = [
        (image, "image was refused and nothing moved: the acts so far give 20, above 15"),
        (Action("change_bias", {"bias_V": 9.0}, 0.0, 1.0, 1.0), "bias 9 V lies outside -3 to 3 V"),
        (Action("approach", {}, 0.0, 1.0, 1.0), "approach needs the tip withdrawn"),
        ("image", "action must be an Action"),
    ]
    for action, said in bad:
        with pytest.raises(InputError, match=said):
            adapter.do(action)
    assert bench.done == ["image"]


@pytest.mark.parametrize("value", [float("nan"), True, "99"])
def test_readouts_that_are_no_numbers_are_refused(value):
    envelope = SafetyEnvelope(1.0, (0, 0, 9, 9))
    adapter = InstrumentAdapter(lambda action: None, lambda action: value, envelope=envelope)
    with pytest.raises(InputError, match="readout must be a finite number"):
        adapter.do(Action("tune", {}, 0.0, 1.0, 1.0))
    assert [event["status"] for event in adapter.events] == ["begun", "failed"]


def test_a_twin_is_an_instrument_too():
    twin = DigitalTwin(ResponseSample(lambda act: 3.0 * act.number("bias_V")), rng=1)
    seen: list[Outcome] = []
    adapter = InstrumentAdapter(
        lambda action: seen.append(twin.do(action)),
        lambda action: seen[-1],
        envelope=SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3)),
    )
    assert adapter.do(Action("change_bias", {"bias_V": 2.0}, 0.0, 1.0, 1.0)).readout == 6.0


def test_arguments_of_other_types_are_refused():
    envelope = SafetyEnvelope(1.0, (0, 0, 1, 1))
    with pytest.raises(InputError, match="do_act must be a function"):
        InstrumentAdapter(None, len, envelope=envelope)
    with pytest.raises(InputError, match="envelope must be a SafetyEnvelope"):
        InstrumentAdapter(len, len, envelope=None)
    with pytest.raises(InputError, match="tip must be"):
        InstrumentAdapter(len, len, envelope=envelope, tip="lost")


def test_answers_of_the_two_functions_that_cannot_be_are_named():
    envelope = SafetyEnvelope(9.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    act = Action("change_bias", {"bias_V": 1.0}, 1.0, 1.0, 1.0)
    for bad in ("x", [1.0], True, Outcome(1.0)):
        adapter = InstrumentAdapter(lambda a, bad=bad: bad, lambda a: 1.0, envelope=envelope)
        with pytest.raises(InputError, match="do_act must return None, or names of arguments"):
            adapter.do(act)
    adapter = InstrumentAdapter(lambda a: None, lambda a: np.ones(3), envelope=envelope)
    with pytest.raises(InputError, match=r"read_out must return one number.*got shape \(3,\)"):
        adapter.do(act)


def test_an_approval_that_is_no_function_is_refused_before_the_first_act(pulse_plan, tmp_path):
    bench = Bench()
    adapter = bench.adapter(pulse_plan.envelope)
    with pytest.raises(InputError, match="approve must be a function or None; got True"):
        adapter.run(pulse_plan, record=tmp_path / "r", approve=True)
    with pytest.raises(InputError, match="record must be the path of a file; got 3"):
        adapter.run(pulse_plan, record=3, approve=yes)
    assert bench.done == []
    assert not list(tmp_path.iterdir())
