"""Safety: fuzzed plans against the independent ledger, times of asking, files that come back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.planning.cells import row
from benchmarks.planning.worlds import inside, world_of_laws
from physlearn.causal import (
    ExperimentPlan,
    Outcome,
    Planner,
    PlannerOptions,
    PlanVocabulary,
    SafetyEnvelope,
    SeverityOptions,
    StartState,
    check_ledger,
    plan_from_string,
)
from physlearn.checks import InputError

__all__ = ["CHECKS"]

N_PLANS = 10_000
ENVELOPES = (
    SafetyEnvelope(50.0, (0, 0, 20, 10), max_irreversible=2, max_site_dose=20.0, site_radius=1.0),
    SafetyEnvelope(
        80.0, (-1.0, -1.0, 1.0, 2.0), max_step_dose=25.0, bias_limits_volt=(-2, 4),
        max_irreversible=4, max_duration_s=3000.0, forbidden_sites=((0.0, 0.5, 0.2),),
        max_site_dose=40.0, max_field_dose=45.0, site_radius=0.2, pulse_limits_volt=(-6, 6),
        max_pulse_s=0.2, temperature_limits_kelvin=(200, 500), field_limits_tesla=(-2, 2),
        focus_limits_nanometre=(-90, 90), max_travel=1.5,
    ),
    SafetyEnvelope(5.0, (0, 0, 3, 3), max_irreversible=1, max_field_dose=0.5, max_travel=2.0),
)  # fmt: skip
TIPS = ("none", "approached", "withdrawn")
BUDGET = 90.0


def fuzzed(number: int) -> tuple[ExperimentPlan, str]:
    """Return the plan of a random string of any characters, and how the tip was found."""
    rng = np.random.default_rng([13, number])
    tip = TIPS[int(rng.integers(3))]
    code = rng.integers(33, 127 if number % 2 else 0x2FFF, int(rng.integers(1, 80)))
    words = PlanVocabulary(StartState(tip, scanned=bool(rng.integers(2))))
    envelope = ENVELOPES[number % len(ENVELOPES)]
    return plan_from_string("".join(map(chr, code)), envelope, BUDGET, vocabulary=words), tip


def events_of(plan: ExperimentPlan) -> list[dict[str, Any]]:
    """Return what an instrument reports that does every step."""
    events, now = [], 0.0
    for step in plan.steps:
        act = step.action
        about = {"verb": act.verb, "args": dict(act.args), "dose": act.dose,
                 "irreversible": act.irreversible}  # fmt: skip
        events.append({**about, "time_s": now, "status": "begun"})
        now += act.duration_s
        events.append({**about, "time_s": now, "status": "done"})
    return events


def _ledger(quick: bool) -> list[dict[str, Any]]:
    n, broken, refused, steps, unlike = (200 if quick else N_PLANS), 0, 0, 0, 0
    for number in range(n):
        plan, tip = fuzzed(number)
        steps += len(plan.steps)
        broken += bool(check_ledger(events_of(plan), plan.envelope, tip=tip).violations)
        refused += bool(plan.problems())
        text = plan.to_json()
        unlike += ExperimentPlan.from_json(text).to_json() != text
    return [
        row(
            f"{n:,} plans from random strings ({steps:,} steps) against the independent ledger",
            f"{broken} broke a limit, {refused} had a problem", "0", broken + refused == 0,
        ),
        row(f"{n:,} plans written as JSON and read again", f"{unlike} differ in a bit", "0",
            unlike == 0),
    ]  # fmt: skip


def _worse(plan: ExperimentPlan, kind: str, k: int) -> ExperimentPlan:
    """Return the plan with one step made bad."""
    step, far = plan.steps[k], plan.envelope.field_of_view[2] + 1.0
    act, steps = step.action, list(plan.steps)
    if kind == "dose":
        act = replace(act, dose=plan.envelope.max_total_dose * 1.01 + 1.0)
    elif kind == "place":
        name = "x" if "x" in act.args else "x_max"
        act = replace(act, args={**act.args, name: far})
    elif kind == "cost":
        act = replace(act, cost=BUDGET * 1.01)
    elif kind == "gate":
        steps[k] = replace(step, action=replace(act, irreversible=True), human_gate=False)
        return replace(plan, steps=tuple(steps))
    elif kind == "often":
        twice = [replace(step, id="") for _ in range(plan.envelope.max_irreversible + 1)]
        return replace(plan, steps=(*plan.steps, *twice))
    steps[k] = replace(step, action=act)
    return replace(plan, steps=tuple(steps))


NEEDS: dict[str, Callable[[Any], bool]] = {
    "dose": lambda act: act is not None,
    "place": lambda act: "x" in act.args or "x_max" in act.args,
    "cost": lambda act: act is not None,
    "gate": lambda act: act is not None,
    "often": lambda act: act.irreversible,
}


def _bad_plans(quick: bool) -> list[dict[str, Any]]:
    n_each, rows = (10 if quick else 300), []
    for kind, fits in NEEDS.items():
        missed = done = number = 0
        while done < n_each and number < 50 * n_each:
            plan, _ = fuzzed(number)
            number += 1
            places = [k for k, step in enumerate(plan.steps) if fits(step.action)]
            if not places:
                continue
            done += 1
            with contextlib.suppress(InputError):  # refused already when it was made
                missed += not _worse(plan, kind, places[0]).problems()
        rows.append(
            row(f"plans made bad in one step ({kind})", f"{missed} of {done} were not refused",
                "0", missed == 0 and done > 0)
        )  # fmt: skip
    return rows


def _asking(quick: bool) -> list[dict[str, Any]]:
    world, rows = world_of_laws(), []
    cells = (
        ("with the guard, 2,000 members", SeverityOptions(), 2000, 1.0),
        ("with the guard, fast mode (300 members)", SeverityOptions(), 300, 0.05),
        ("without the guard, 2,000 members", None, 2000, 1.0),
        ("without the guard, fast mode (300 members)", None, 300, 0.05),
    )
    for what, severity, n_members, limit in cells:
        envelope = SafetyEnvelope(1e4, (0, 0, 1, 1), bias_limits_volt=(-10, 10))
        spent = []
        for seed in range(2 if quick else 8):
            truth, rng = inside(world, seed), np.random.default_rng(seed)
            planner = Planner(
                world.hypotheses(), world.actions, envelope, 60.0, severity=severity, rng=seed,
                options=PlannerOptions(n_members=n_members),
            )  # fmt: skip
            place = {id(act): j for j, act in enumerate(world.actions)}
            while True:
                began = time.process_time()
                asked = planner.ask()
                spent.append(time.process_time() - began)
                if not asked:
                    break
                readout = world.read(truth, place[id(asked[0].action)], rng)
                planner.tell(asked[0].id, Outcome(readout))
        median, worst = float(np.median(spent[1:])), float(np.percentile(spent[1:], 99))
        rows.append(
            row(f"ask(), 72 acts, 3 hypotheses, {what}",
                f"median {median:.3f}, 99th percentile {worst:.3f} CPU s of {len(spent)} questions",
                f"<= {limit:g} s (99th percentile)", worst <= limit)
        )  # fmt: skip
    return rows


def _resumed(quick: bool) -> list[dict[str, Any]]:
    """Stop after every question and go on from the file: the same questions, the same file."""
    world, differ, n = world_of_laws(), 0, 3 if quick else 8
    envelope = SafetyEnvelope(1e4, (0, 0, 1, 1), bias_limits_volt=(-10, 10))
    place = {id(act): j for j, act in enumerate(world.actions)}
    with TemporaryDirectory() as folder:
        for seed in range(n):
            asked: dict[bool, list[int]] = {}
            for stops in (False, True):
                truth, rng = inside(world, seed), np.random.default_rng(seed)
                path, acts = f"{folder}/{seed}-{stops}.json", []

                def made(path: str = path, seed: int = seed) -> Planner:
                    return Planner(
                        world.hypotheses(), world.actions, envelope, 60.0, state_file=path,
                        rng=seed, options=PlannerOptions(n_members=300),
                    )  # fmt: skip

                planner = made()
                while (question := planner.ask()) and len(acts) < 12:
                    acts.append(place[id(question[0].action)])
                    planner.tell(question[0].id, Outcome(world.read(truth, acts[-1], rng)))
                    planner = made() if stops else planner
                asked[stops] = acts
            differ += asked[False] != asked[True]
    return [
        row(f"{n} campaigns stopped and resumed after every question", f"{differ} asked otherwise",
            "0", differ == 0)
    ]  # fmt: skip


CHECKS = {
    "fuzzed plans": _ledger,
    "plans made bad": _bad_plans,
    "times of asking": _asking,
    "stopped and resumed": _resumed,
}
