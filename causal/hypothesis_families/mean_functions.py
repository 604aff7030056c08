"""Hypothesis learning: competing physical mean functions of a structured Gaussian process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis, Prediction
from physlearn.causal.hypothesis_families.structured_process import (
    MeanFunction,
    Process,
    ProcessOptions,
    draw_functions,
    fit_process,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, as_generator, check_array

__all__ = ["MeanFunction", "ProcessOptions", "hypotheses_from_mean_functions"]

N_PREDICTED = 512


def hypotheses_from_mean_functions(
    laws: Mapping[str, MeanFunction],
    coordinates: Sequence[str] | Callable[[Action], ArrayLike],
    *,
    noise_sd: float,
    data: tuple[ArrayLike, ArrayLike] | None = None,
    options: ProcessOptions | None = None,
    readout: str = "readout",
    unit: str = "1",
    rng: int | np.random.Generator | None = None,
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each physical mean function of a structured Gaussian process.

    The readout is mean function + smooth Gaussian deviation + noise. Parameters of the mean
    function, size and length of the deviation are inferred together from the data so far; the
    evidence weighs the laws; members are functions drawn from the posterior process, so that the
    policies learn law, parameters and deviation at once.

    Parameters
    ----------
    laws
        Name -> `MeanFunction`.
    coordinates
        Names of the action's arguments, or a function of the action that gives the coordinates;
        acts without the arguments show nothing.
    noise_sd
        Of one readout.
    data
        (coordinates (n, n_coordinates) or (n,), readouts (n,)) so far; None for none.
    options
        The process of the deviations.
    readout, unit
        As in `Hypothesis`.
    rng
        Seed.

    Raises
    ------
    InputError
        For data of other shapes, or a mean function that returns another shape.
    NotIdentified
        When a prior lies too far from the data.

    Notes
    -----
    Hypothesis learning: Ziatdinov et al. 2022, doi:10.1002/adma.202201345. Their kernel is squared
    exponential, too; here evidence takes the place of a reward. Draws of functions by Matheron's
    rule (Wilson et al. 2020, arXiv:2002.09309). A large deviation_sd lets every law take up
    everything: then nothing is told apart, and a severity test may refuse to be declared.

    Examples
    --------
    >>> from scipy import stats
    >>> laws = {
    ...     "linear": MeanFunction(lambda x, p: p["slope"] * x[:, 0], {"slope": stats.norm(0, 3)}),
    ...     "square": MeanFunction(lambda x, p: p["size"] * x[:, 0] ** 2,
    ...                            {"size": stats.norm(0, 3)})}
    >>> x = np.linspace(0, 2, 8)
    >>> found = hypotheses_from_mean_functions(laws, ["bias_V"], noise_sd=0.1, data=(x, x**2),
    ...                                        rng=0)
    >>> found[1].weight > 0.9
    True
    """
    if not laws or not all(isinstance(law, MeanFunction) for law in laws.values()):
        raise InputError(f"laws must hold name -> MeanFunction; got {laws!r}.")
    options = ProcessOptions() if options is None else options
    if not isinstance(options, ProcessOptions):
        raise InputError(f"options must be ProcessOptions; got {type(options).__name__}.")
    strict_number("noise_sd", noise_sd, above=0)
    x, y = _data(data, len(coordinates) if not callable(coordinates) else None)
    generator, _ = as_generator(rng)
    fitted = {
        name: fit_process(law, x, y, noise_sd, options, generator) for name, law in laws.items()
    }
    logs = np.array([evidence for _, evidence in fitted.values()])
    prior = np.array([law.weight for law in laws.values()])
    if not prior.sum() > 0:
        raise InputError("the weights of the laws must add to more than 0.")
    weights = prior * np.exp(logs - logs.max())
    weights = weights / weights.sum()
    return tuple(
        _hypothesis(name, process, float(weight), coordinates, options, (readout, unit))
        for (name, (process, _)), weight in zip(fitted.items(), weights, strict=True)
    )


def _hypothesis(
    name: str,
    process: Process,
    weight: float,
    coordinates: Sequence[str] | Callable[[Action], ArrayLike],
    options: ProcessOptions,
    said: tuple[str, str],
) -> Hypothesis:
    known: dict[tuple[float, ...], tuple[float, float]] = {}

    def place(action: Action) -> Floats | None:
        if callable(coordinates):
            return np.asarray(coordinates(action), dtype=np.float64).reshape(-1)
        if any(argument not in action.args for argument in coordinates):
            return None
        return np.array([action.number(argument) for argument in coordinates])

    def joint(actions: Sequence[Action], rng: np.random.Generator, n: int) -> Floats:
        found = [place(action) for action in actions]
        spoken = [k for k, values in enumerate(found) if values is not None]
        result = np.full((n, len(found)), np.nan)
        places = np.array([values for values in found if values is not None])
        if len(spoken):
            result[:, spoken] = draw_functions(process, places, rng, n, options.n_features)
        if not np.isfinite(result[:, spoken]).all():
            raise InputError(f"the mean function {name!r} is not finite at every act.")
        return result

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        values = place(action)
        if values is None:
            return None
        key = tuple(values.tolist())
        if key not in known:
            drawn = joint([action], np.random.default_rng(0), N_PREDICTED)[:, 0]
            known[key] = float(drawn.mean()), math.hypot(float(drawn.std()), process.noise_sd)
        return known[key]

    return Hypothesis(
        name, weight, predict, "which mean function holds",
        "a physical mean function with a smooth deviation", said[0], said[1], None, joint,
        process.noise_sd,
    )  # fmt: skip


def _data(
    data: tuple[ArrayLike, ArrayLike] | None, n_coordinates: int | None
) -> tuple[Floats, Floats]:
    if data is None:
        return np.empty((0, n_coordinates or 1)), np.empty(0)
    if not isinstance(data, tuple) or len(data) != 2:
        raise InputError(f"data must be (coordinates, readouts); got {type(data).__name__}.")
    y = check_array("readouts", data[1], ndim=1)
    x = np.asarray(data[0], dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    width = n_coordinates if n_coordinates is not None else x.shape[-1]
    return check_array("coordinates", x, shape=(len(y), width)), y
