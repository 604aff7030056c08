"""Competing explanations that predict what an act of the instrument would show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

Prediction = Floats | tuple[float, float] | None
Predict = Callable[[Action, np.random.Generator, int], Prediction]
Joint = Callable[[Sequence[Action], np.random.Generator, int], Floats]
NoiseSd = float | Callable[[Action], float]

NONE_OF_THESE = "none of these"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One explanation: a weight, and a prediction for every act that it speaks about.

    Attributes
    ----------
    name
        Short name.
    weight
        Relative weight within its question, at least 0.
    predict
        Function of (action, generator, n) that returns n draws of the readout, measurement
        noise included, or its (mean, sd), or None when the act shows nothing about it.
    question
        Hypotheses of one question exclude each other; different questions are independent.
    description
        What it says, in words.
    readout, unit
        What is read out after the act.
    supports
        Function of the action: whether the data reach there; everything when None.
    joint
        Function of (actions, generator, n) that returns n joint draws of the EXPECTED readouts,
        shape (n, n_actions): one row is one member of the hypothesis (one set of its
        parameters), noise excluded; NaN in the columns of acts that it says nothing about.
        When None, the hypothesis is taken to have one member: the mean of `predict`.
    noise_sd
        Standard deviation of one readout around its expectation, in `unit`: a number, or a
        function of the action. When None, the standard deviation of `predict`.

    Raises
    ------
    InputError
        For an empty name, a weight that is negative, NaN, bool or text, or no function.

    Examples
    --------
    >>> moves = Hypothesis("wall moves", 0.5, lambda action, rng, n: (1.0, 0.1))
    >>> moves.mean_sd(Action("change_bias", {"bias_V": 1.0}, 0.0, 1.0, 1.0), 0)
    (1.0, 0.1)
    """

    name: str
    weight: float
    predict: Predict
    question: str = "which explanation holds"
    description: str = ""
    readout: str = "readout"
    unit: str = "1"
    supports: Callable[[Action], bool] | None = None
    joint: Joint | None = None
    noise_sd: NoiseSd | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"name must be a text; got {self.name!r}.")
        object.__setattr__(self, "weight", strict_number("weight", self.weight, minimum=0))
        if not callable(self.predict):
            raise InputError(f"predict must be a function; got {self.predict!r}.")
        if self.joint is not None and not callable(self.joint):
            raise InputError(f"joint must be a function or None; got {self.joint!r}.")
        if self.noise_sd is not None and not callable(self.noise_sd):
            object.__setattr__(self, "noise_sd", strict_number("noise_sd", self.noise_sd, above=0))

    def draws(self, action: Action, rng: np.random.Generator, n: int) -> Floats | None:
        """Return n draws of the readout, or None."""
        answer = self.predict(action, rng, n)
        if answer is None:
            return None
        if isinstance(answer, tuple):
            if len(answer) != 2:
                raise InputError(f"hypothesis {self.name!r} must predict draws or (mean, sd).")
            mean = strict_number(f"mean of {self.name!r}", answer[0])
            sd = strict_number(f"sd of {self.name!r}", answer[1], above=0)
            return np.asarray(rng.normal(mean, sd, n), dtype=np.float64)
        return self._as_draws(answer, n)

    def _as_draws(self, answer: object, n: int) -> Floats:
        try:
            draws = np.asarray(answer, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"hypothesis {self.name!r} must predict {n} finite draws or (mean, sd); "
                f"got {answer!r:.60}."
            ) from error
        if draws.shape != (n,) or not np.isfinite(draws).all():
            raise InputError(
                f"hypothesis {self.name!r} must predict {n} finite draws; got shape {draws.shape}."
            )
        return draws

    def mean_sd(self, action: Action, rng: int | np.random.Generator) -> tuple[float, float] | None:
        """Return mean and standard deviation of the predicted readout, or None."""
        generator = np.random.default_rng(rng)
        answer = self.predict(action, generator, 512)
        if answer is None:
            return None
        if isinstance(answer, tuple):
            self.draws(action, generator, 1)
            return float(answer[0]), float(answer[1])
        draws = self._as_draws(answer, 512)
        return float(draws.mean()), max(float(draws.std()), 1e-12 * (1 + abs(float(draws.mean()))))


def with_none_of_these(
    hypotheses: Sequence[Hypothesis], weight: float = 0.1
) -> tuple[Hypothesis, ...]:
    """Return the hypotheses with normalised weights and, per question, "none of these".

    Its prediction is broad: centred on the others, as wide as their widest and twice their
    spread together. It is no model; it keeps a share of the belief out of the list.
    """
    strict_number("weight of none of these", weight, minimum=0)
    result: list[Hypothesis] = []
    for question in dict.fromkeys(h.question for h in hypotheses):
        group = [h for h in hypotheses if h.question == question]
        total = math.fsum(h.weight for h in group)
        if total <= 0:
            raise InputError(f"the weights of question {question!r} must add to more than 0.")
        has_none = any(h.name == NONE_OF_THESE for h in group)
        share = 1.0 if has_none else 1.0 - weight
        if len({h.name for h in group}) < len(group):
            raise InputError(f"hypotheses of question {question!r} must have different names.")
        for h in group:
            result.append(replace(h, weight=h.weight / total * share))
        if not has_none and weight > 0:
            result.append(_none_of(group, question, weight))
    return tuple(result)


def _none_of(group: Sequence[Hypothesis], question: str, weight: float) -> Hypothesis:
    known = tuple(group)

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        found = [h.mean_sd(action, np.random.default_rng(0)) for h in known]
        given = [pair for pair in found if pair is not None]
        if not given:
            return None
        means = np.array([mean for mean, _ in given])
        widest = max(sd for _, sd in given)
        return float(means.mean()), math.hypot(widest, 2.0 * float(np.ptp(means)))

    return Hypothesis(
        NONE_OF_THESE,
        weight,
        predict,
        question,
        "something that nobody listed",
        known[0].readout,
        known[0].unit,
    )


def hypotheses_from_functions(
    functions: Mapping[str, Callable[[float], float]],
    *,
    argument: str,
    noise_sd: float,
    weights: Mapping[str, float] | None = None,
    question: str = "which law holds",
    readout: str = "readout",
    unit: str = "1",
    measured_range: tuple[float, float] | None = None,
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis per law: a function of one argument of the actions.

    Parameters
    ----------
    functions
        Name -> function of the argument that gives the readout.
    argument
        Name of the action's argument, `bias_V` say; actions without it say nothing.
    noise_sd
        Standard deviation of one readout, in `unit`.
    weights
        Name -> weight, equal when None.
    question, readout, unit
        As in `Hypothesis`.
    measured_range
        Values of the argument that the data cover; outside, steps are marked.

    Raises
    ------
    InputError
        For no functions, or a noise that is no finite number above 0.

    Examples
    --------
    >>> laws = {"linear": lambda bias: 2 * bias, "saturating": lambda bias: 2 * bias / (1 + bias)}
    >>> hypotheses = hypotheses_from_functions(laws, argument="bias_V", noise_sd=0.1)
    >>> [h.name for h in hypotheses]
    ['linear', 'saturating']
    """
    if not isinstance(functions, Mapping) or not functions:
        raise InputError("functions must map at least one name to a law.")
    strict_number("noise_sd", noise_sd, above=0)

    def bound(law: Callable[[float], float]) -> Predict:
        def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
            if argument not in action.args:
                return None
            return _number_of(law(action.number(argument)), action), noise_sd

        def _number_of(value: object, action: Action) -> float:
            try:
                return float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                raise InputError(
                    f"the law of {argument!r} must return one number; got {value!r} at "
                    f"{action.number(argument):g}."
                ) from None

        return predict

    def supports(action: Action) -> bool:
        if measured_range is None or argument not in action.args:
            return True
        return measured_range[0] <= action.number(argument) <= measured_range[1]

    return tuple(
        Hypothesis(
            name,
            1.0 if weights is None else weights[name],
            bound(law),
            question,
            "",
            readout,
            unit,
            supports,
            noise_sd=noise_sd,
        )
        for name, law in functions.items()
    )


def image_area(action: Action) -> float:
    """Return the area of an `image` act, in the squared unit of its corners."""
    width = action.number("x_max") - action.number("x_min")
    return width * (action.number("y_max") - action.number("y_min"))
