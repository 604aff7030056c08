"""Hypotheses whose members are posterior draws of a fit, or parameters of a user's simulator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis, NoiseSd, Prediction
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, as_generator, check_count
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.results import Fit

__all__ = ["Asked", "hypothesis_from_draws", "hypothesis_from_fit", "hypothesis_from_simulator"]

Draws = Mapping[str, NDArray[np.float64]]
Expected = Callable[[Action, Draws], ArrayLike | None]
Simulate = Callable[[Action, Mapping[str, float], np.random.Generator], float | None]

N_PREDICTED = 512
"""Members whose spread stands for the hypothesis where mean and standard deviation are asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a hypothesis is asked: its question, and what is read out.

    Examples
    --------
    >>> Asked(readout="current", unit="nA").question
    'which explanation holds'
    """

    question: str = "which explanation holds"
    readout: str = "readout"
    unit: str = "1"
    description: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table


def hypothesis_from_draws(
    name: str,
    draws: Mapping[str, ArrayLike],
    expected: Expected,
    *,
    noise_sd: NoiseSd,
    weight: float = 1.0,
    asked: Asked | None = None,
    supports: Callable[[Action], bool] | None = None,
) -> Hypothesis:
    """Return a hypothesis whose members are draws of its parameters.

    Parameters
    ----------
    name
        Short name.
    draws
        Parameter -> (n_draws, ...), one row a member: a posterior, so that what is known of the
        parameters stays known together.
    expected
        Function of (action, draws) that returns what each draw expects to read, (n_draws,), noise
        excluded; None for an act that shows nothing.
    noise_sd
        Standard deviation of one readout: a number or a function of the action.
    weight, supports
        As in `Hypothesis`.
    asked
        Question, readout, unit and description.

    Raises
    ------
    InputError
        For no draws, draws of different lengths or not finite, or an answer of another shape.

    Examples
    --------
    >>> slopes = {"slope": np.random.default_rng(1).normal(2.0, 0.1, 500)}
    >>> law = hypothesis_from_draws(
    ...     "linear", slopes, lambda act, p: p["slope"] * act.number("bias_V"), noise_sd=0.2)
    >>> mean, sd = law.mean_sd(Action("change_bias", {"bias_V": 3.0}, 0, 1, 1), 0)
    >>> 5.9 < mean < 6.1, 0.3 < sd < 0.42
    (True, True)
    """
    held = _checked_draws(name, draws)
    n_draws = len(next(iter(held.values())))
    if not callable(noise_sd):
        strict_number("noise_sd", noise_sd, above=0)
    asked = Asked() if asked is None else asked

    def column(action: Action, members: Draws, n: int) -> Floats | None:
        answer = expected(action, members)
        if answer is None:
            return None
        given = np.asarray(answer)
        if given.dtype.kind not in "biuf":
            raise InputError(
                f"hypothesis {name!r} must expect {n} finite numbers of {action.verb}; got "
                f"{given.dtype}."
            )
        values = given.astype(np.float64)
        if values.shape != (n,) or not np.isfinite(values).all():
            raise InputError(
                f"hypothesis {name!r} must expect {n} finite numbers of {action.verb}; got shape "
                f"{values.shape}" + ("." if values.shape != (n,) else " with NaN or infinity.")
            )
        return values

    def joint(actions: Sequence[Action], rng: np.random.Generator, n: int) -> Floats:
        # the members are drawn before the acts are looked at: they are the same for any acts
        chosen = rng.permutation(n_draws)[:n] if n <= n_draws else rng.integers(n_draws, size=n)
        members = {key: values[chosen] for key, values in held.items()}
        columns = [column(action, members, n) for action in actions]
        silent = np.full(n, np.nan)
        filled = [silent if values is None else values for values in columns]
        return np.stack(filled, axis=1) if filled else np.empty((n, 0))

    first = {key: values[:N_PREDICTED] for key, values in held.items()}

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        values = column(action, first, min(n_draws, N_PREDICTED))
        if values is None:
            return None
        noise = noise_sd(action) if callable(noise_sd) else noise_sd
        return float(values.mean()), math.hypot(float(values.std()), noise)

    return Hypothesis(
        name, weight, predict, asked.question, asked.description, asked.readout, asked.unit,
        supports, joint, noise_sd,
    )  # fmt: skip


def hypothesis_from_fit(
    name: str,
    fit: Fit,
    expected: Expected,
    *,
    noise_sd: NoiseSd,
    weight: float = 1.0,
    asked: Asked | None = None,
    supports: Callable[[Action], bool] | None = None,
) -> Hypothesis:
    """Return a hypothesis whose members are the posterior draws of a fit.

    Any fit serves: a wall, a Ginzburg-Landau functional, forces, couplings, rates; `expected`
    says what an act would show.

    Parameters
    ----------
    name, weight, asked, supports, noise_sd
        As in `hypothesis_from_draws`.
    fit
        Any `Fit`.
    expected
        Function of (action, draws), draws by the fit's variables.

    Raises
    ------
    InputError
        As `hypothesis_from_draws`.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> posterior = {"drive_mobility": np.random.default_rng(1).normal(0.5, 0.02, 1000)}
    >>> fit = fit_from_draws(posterior, model="wall", likelihood="Gauss", approximation="none",
    ...                      seed=1, data=b"x")
    >>> wall = hypothesis_from_fit("free wall", fit, noise_sd=0.1,
    ...     expected=lambda act, p: p["drive_mobility"] * act.number("bias_V"))
    >>> wall.joint([Action("change_bias", {"bias_V": 2.0}, 0, 1, 1)],
    ...            np.random.default_rng(0), 5).shape
    (5, 1)
    """
    variables = getattr(fit, "variables", None)
    if variables is None:
        raise InputError(f"fit must be a Fit; got {type(fit).__name__}.")
    draws = {variable: fit[variable] for variable in variables}
    said = asked or Asked(description=fit.model)
    return hypothesis_from_draws(
        name, draws, expected, noise_sd=noise_sd, weight=weight, asked=said, supports=supports
    )


def hypothesis_from_simulator(
    name: str,
    simulate: Simulate,
    draws: Mapping[str, ArrayLike],
    *,
    noise_sd: float,
    n_members: int = 50,
    n_repeats: int = 1,
    weight: float = 1.0,
    asked: Asked | None = None,
    rng: int | np.random.Generator | None = None,
) -> Hypothesis:
    """Return a hypothesis made of a simulator of your own, run once a member and act.

    Parameters
    ----------
    name, weight, asked
        As in `hypothesis_from_draws`.
    simulate
        Function of (action, parameters, generator) that returns one readout without the noise of
        the measurement; None for an act that shows nothing. A member has the same generator in
        every act: its differences between acts are not blurred by chance.
    draws
        Parameter -> (n_draws,): a prior or posterior.
    noise_sd
        Of the measurement; what repeats of one member scatter is added.
    n_members
        Members, the first so many draws.
    n_repeats
        Runs a member that are averaged; from 2 on their scatter is seen.
    rng
        Seed of the runs.

    Raises
    ------
    InputError
        For draws or counts that cannot be, or a readout that is not finite.

    Notes
    -----
    Answers are kept: every act is simulated once.

    Examples
    --------
    >>> def decay(action, parameters, rng):
    ...     return np.exp(-action.number("wait_s") / parameters["time_s"])
    >>> times = {"time_s": np.random.default_rng(0).uniform(5, 20, 50)}
    >>> law = hypothesis_from_simulator("decay", decay, times, noise_sd=0.01, rng=1)
    >>> mean, sd = law.mean_sd(Action("wait", {"wait_s": 10.0}, 0, 10, 1), 0)
    >>> 0.3 < mean < 0.5
    True
    """
    held = _checked_draws(name, draws)
    strict_number("noise_sd", noise_sd, above=0)
    check_count("n_members", n_members, 2)
    check_count("n_repeats", n_repeats, 1)
    n = min(n_members, len(next(iter(held.values()))))
    numbers = [{key: float(values[i]) for key, values in held.items()} for i in range(n)]
    generator, _ = as_generator(rng)
    seeds = [int(seed) for seed in generator.integers(2**63, size=n)]
    known: dict[tuple[object, ...], tuple[Floats, float] | None] = {}

    def simulated(action: Action) -> tuple[Floats, float] | None:
        key = (action.verb, tuple(sorted(action.args.items(), key=str)), action.dose,
               action.duration_s)  # fmt: skip
        if key not in known:
            known[key] = _simulated(name, simulate, action, numbers, seeds, n_repeats)
        return known[key]

    def expected(action: Action, members: Draws) -> Floats | None:
        found = simulated(action)
        return None if found is None else found[0][members["member"].astype(np.int64)]

    def noise(action: Action) -> float:
        found = simulated(action)
        return noise_sd if found is None else math.hypot(noise_sd, found[1])

    return hypothesis_from_draws(
        name, {"member": np.arange(n)}, expected, noise_sd=noise, weight=weight, asked=asked
    )


def _simulated(
    name: str,
    simulate: Simulate,
    action: Action,
    members: Sequence[Mapping[str, float]],
    seeds: Sequence[int],
    n_repeats: int,
) -> tuple[Floats, float] | None:
    """Return what each member expects of an act, and how much its repeats scatter."""
    answers = [
        [simulate(action, numbers, np.random.default_rng([seed, k])) for k in range(n_repeats)]
        for numbers, seed in zip(members, seeds, strict=True)
    ]
    flat = [value for row in answers for value in row]
    if all(value is None for value in flat):
        return None
    for value in flat:
        strict_number(f"readout of {action.verb} simulated by {name!r}", value)
    table = np.array(answers, dtype=np.float64)
    scatter = math.sqrt(float(table.var(axis=1, ddof=1).mean())) if n_repeats > 1 else 0.0
    return table.mean(axis=1), scatter


def _checked_draws(name: str, draws: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    if not isinstance(draws, Mapping):
        raise InputError(
            f"draws of {name!r} must map parameters to rows of numbers; got {type(draws).__name__}."
        )
    for key, values in draws.items():
        if np.asarray(values).dtype.kind not in "biuf":
            raise InputError(f"draws of {name!r} must be numbers; {key!r} is not.")
    held = {key: np.array(values, dtype=np.float64) for key, values in draws.items()}
    if not held:
        raise InputError(f"draws of {name!r} must hold at least one parameter; got none.")
    lengths = {key: len(values) if values.ndim else 0 for key, values in held.items()}
    if len(set(lengths.values())) > 1 or min(lengths.values()) < 1:
        raise InputError(
            f"draws of {name!r} must have one length of at least 1; got {lengths}: one row is one "
            "member."
        )
    for key, values in held.items():
        if not np.isfinite(values).all():
            place = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InputError(f"draws of {name!r} must be finite; {key!r} is not in draw {place}.")
    return held
