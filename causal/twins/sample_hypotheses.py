"""Hypotheses that are simulators: a kind of sample, and what it would show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis, Prediction
from physlearn.causal.twins.sample_state import (
    Conditions,
    Floats,
    Sample,
    TrueAct,
    with_upper_edge,
)
from physlearn.causal.twins.twin_world import HELD, OWN_VERBS
from physlearn.checks import InputError, as_generator, check_count

__all__ = ["hypothesis_from_samples"]

MakeSample = Callable[[np.random.Generator], Sample]


def hypothesis_from_samples(
    name: str,
    make_sample: MakeSample,
    *,
    noise_sd: float,
    n_members: int = 64,
    n_repeats: int = 4,
    weight: float = 1.0,
    question: str = "which explanation holds",
    readout: str = "readout",
    unit: str = "1",
    rng: int | np.random.Generator | None = None,
) -> Hypothesis:
    """Return a hypothesis that predicts by simulating its own kind of sample.

    A member is one sample drawn by `make_sample` (its parameters are what the hypothesis does not
    know). What it expects of an act is the mean over `n_repeats` fresh states, each asked for this
    act alone; their scatter is part of the noise. Answers are kept, so an act is simulated once.

    Parameters
    ----------
    name, weight, question, readout, unit
        As in `Hypothesis`.
    make_sample
        Function of a generator that returns a sample, as `DigitalTwin` takes it.
    noise_sd
        Standard deviation of the instrument's noise, in `unit`.
    n_members
        Samples drawn. They must lie densely enough for some to agree with the readouts within the
        noise: a severity test answers "none" where none does.
    n_repeats
        States of each; 1 where nothing about a sample is random but its parameters.
    rng
        Seed of all draws.

    Returns
    -------
    Hypothesis
        With `joint` draws over the members and a `noise_sd` that depends on the act.

    Raises
    ------
    InputError
        For counts below 1, a noise that is no number above 0, or a function that makes no sample.

    Notes
    -----
    Acts are simulated without what was done before: a sample that remembers is predicted as
    fresh. Offer acts that change a place for good once a place.

    Examples
    --------
    >>> from physlearn.causal.twins.wall_sample import WallSample
    >>> creeping = hypothesis_from_samples(
    ...     "clean", lambda rng: WallSample(family="clean", force_per_volt=rng.uniform(0.1, 0.3)),
    ...     noise_sd=0.05, n_members=20, n_repeats=1, rng=1)
    >>> act = Action("change_bias", {"bias_V": 2.0}, 0.0, 1.0, 1.0)
    >>> mean, sd = creeping.mean_sd(act, 0)
    >>> 0.3 < mean < 0.5, 0.05 < sd < 0.2
    (True, True)
    """
    strict_number("noise_sd", noise_sd, above=0)
    check_count("n_members", n_members, 1)
    check_count("n_repeats", n_repeats, 1)
    generator, _ = as_generator(rng)
    members = [make_sample(child) for child in generator.spawn(n_members)]
    for member in members:
        if not hasattr(member, "prepare") or not hasattr(member, "field_of_view"):
            raise InputError(f"make_sample must return a sample; got {type(member).__name__}.")
    seeds = [int(seed) for seed in generator.integers(2**63, size=n_members)]
    known: dict[tuple[object, ...], tuple[Floats, float]] = {}

    def simulated(action: Action) -> tuple[Floats, float]:
        key = (
            action.verb, tuple(sorted(action.args.items(), key=str)), action.dose,
            action.duration_s,
        )  # fmt: skip
        if key not in known:
            answers = np.array(
                [
                    [_answer(sample, action, (seed, k)) for k in range(n_repeats)]
                    for sample, seed in zip(members, seeds, strict=True)
                ]
            )
            scatter = float(np.sqrt(answers.var(axis=1, ddof=1).mean())) if n_repeats > 1 else 0.0
            known[key] = answers.mean(axis=1), scatter
        return known[key]

    def joint(actions: Sequence[Action], draw: np.random.Generator, n: int) -> Floats:
        chosen = draw.permutation(n_members) if n <= n_members else draw.integers(n_members, size=n)
        columns = [simulated(action)[0][chosen[:n]] for action in actions]
        return np.stack(columns, axis=1) if columns else np.empty((n, 0))

    def noise(action: Action) -> float:
        scatter = simulated(action)[1]
        return math.hypot(noise_sd, scatter) if math.isfinite(scatter) else noise_sd

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        expected, _ = simulated(action)
        if not np.isfinite(expected).all():
            return None
        return float(expected.mean()), math.hypot(float(expected.std()), noise(action))

    return Hypothesis(
        name, weight, predict, question, f"simulated: {type(members[0]).__name__}", readout, unit,
        None, joint, noise,
    )  # fmt: skip


def _answer(sample: Sample, action: Action, seed: tuple[int, int]) -> float:
    """Return what a fresh state expects of one act; NaN for an act that shows nothing."""
    verb = action.verb
    scans = verb in ("image", "scan_again")
    if (verb in OWN_VERBS and not scans) or (verb not in OWN_VERBS and verb not in sample.verbs):
        return math.nan
    state = sample.prepare(np.random.default_rng(seed))
    conditions = Conditions()
    if verb in HELD:
        given, held = HELD[verb]
        conditions = Conditions(**{held: action.number(given)})
    x = action.number("x") if "x" in action.args else math.nan
    y = action.number("y") if "y" in action.args else math.nan
    if scans:
        area = tuple(
            float(action.args.get(name, edge))
            for name, edge in zip(
                ("x_min", "y_min", "x_max", "y_max"), sample.field_of_view, strict=True
            )
        )
        whole = with_upper_edge((area[0], area[1], area[2], area[3]))
        state.rest(action.duration_s, conditions, whole, action.dose)
    lasts = max(action.duration_s, float(action.args.get("pulse_s", 0.0)))
    act = TrueAct(verb, action.args, x, y, x, y, action.dose, lasts, conditions)
    expected = state.act(act).expected
    return math.nan if expected is None else float(expected)
