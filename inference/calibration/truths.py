"""Truths from a prior of any form, and draws of a posterior, number by number and by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.inference.calibration.function_identity import function_identity
from physlearn.results import Fit, data_fingerprint

__all__ = ["Truth", "TruthSource", "draws_by_label", "flat_truth", "truth_source"]

Float = NDArray[np.float64]
UNNAMED = "theta"
ELEMENT = re.compile(r"(?P<name>.*)\[(?P<index>.*)\]")


@dataclass(frozen=True, slots=True)
class Truth:
    """Values by label, and the variable that each label belongs to."""

    values: dict[str, float]
    variable: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class TruthSource:
    """Where truths come from: a function of a random stream, or a table drawn beforehand."""

    function: Callable[[np.random.Generator], Any] | None
    table: dict[str, Float]
    identity: str

    def draw(self, index: int, rng: np.random.Generator) -> Any:
        """Return the truth of one replicate."""
        if self.function is not None:
            return self.function(rng)
        return {
            name: values[index] if values.ndim > 1 else float(values[index])
            for name, values in self.table.items()
        }


def truth_source(prior: Any, n: int, rng: np.random.Generator) -> TruthSource:
    """Return a source of n truths from a prior in any of its forms."""
    if isinstance(prior, Mapping):
        if not prior:
            raise InputError("prior must name at least one variable; the mapping is empty.")
        table = {str(name): _column(str(name), given, n, rng) for name, given in prior.items()}
    elif hasattr(prior, "names") and hasattr(prior, "draw"):
        table = _by_variable(tuple(prior.names), np.asarray(prior.draw(n, rng), np.float64))
    elif callable(prior):
        return TruthSource(prior, {}, f"function {function_identity(prior)}")
    else:
        raise InputError(
            "prior must be a function of a random generator, a mapping name -> standard deviation, "
            f"(mean, standard deviation) or PyMC distribution, or a Prior; got {prior!r}."
        )
    fingerprint = data_fingerprint([table[name] for name in sorted(table)])
    return TruthSource(None, table, json.dumps([sorted(table), fingerprint]))


def _column(name: str, given: Any, n: int, rng: np.random.Generator) -> Float:
    """Return n draws of one variable, shape (n, ...)."""
    if type(given).__module__.startswith("pytensor"):
        import pymc

        drawn = pymc.draw(given, draws=n, random_seed=rng)
        return np.asarray(drawn, np.float64).reshape(n, *np.shape(drawn)[1:])
    if isinstance(given, int | float | np.integer | np.floating):
        return np.asarray(rng.normal(0.0, check_positive(f"prior[{name!r}]", float(given)), n))
    try:
        mean, sd = (np.asarray(part, np.float64) for part in given)
    except (TypeError, ValueError):
        raise InputError(
            f"prior[{name!r}] must be a standard deviation, (mean, standard deviation) or a PyMC "
            f"distribution; got {given!r}."
        ) from None
    if not (np.isfinite(mean).all() and np.isfinite(sd).all() and np.all(sd > 0)):
        raise InputError(
            f"prior[{name!r}] must have a finite mean and a standard deviation above 0; got "
            f"{given!r}."
        )
    shape = np.broadcast_shapes(mean.shape, sd.shape)
    return np.asarray(rng.normal(mean, sd, (n, *shape)))


def _by_variable(names: tuple[str, ...], draws: Float) -> dict[str, Float]:
    """Gather ``couplings[1]``, ``couplings[2]`` as one variable, in their order."""
    columns: dict[str, list[int]] = {}
    plain: set[str] = set()
    for index, name in enumerate(names):
        found = ELEMENT.fullmatch(name)
        variable = found["name"] if found else name
        columns.setdefault(variable, []).append(index)
        if not found:
            plain.add(variable)
    return {
        variable: draws[:, places[0]] if variable in plain else draws[:, places]
        for variable, places in columns.items()
    }


def flat_truth(theta: Any) -> Truth:
    """Return a truth, as the prior gave it, number by number."""
    named = theta if isinstance(theta, Mapping) else {UNNAMED: theta}
    truth = Truth({}, {}, {})
    for name, value in named.items():
        try:
            given = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            given = np.full(1, np.nan)
        if not given.size or not np.isfinite(given).all():
            raise InputError(
                f"prior must give finite numbers; {name!r} is {value!r}. Leave what is no number "
                "to `simulate`."
            )
        truth.shapes[str(name)] = given.shape
        for label, number in zip(_plain_labels(str(name), given.shape), given.flat, strict=True):
            truth.values[label] = float(number)
            truth.variable[label] = str(name)
    return truth


def draws_by_label(answer: Any, truth: Truth) -> dict[str, Float]:
    """Return a fit's draws by the truth's labels, each of shape (n_draws,)."""
    if isinstance(answer, Fit):
        named: Mapping[str, Any] = {name: answer[name] for name in answer.variables}
    elif isinstance(answer, Mapping):
        named = answer
    elif list(truth.shapes) == [UNNAMED]:
        named = {UNNAMED: answer}
    else:
        raise InputError(
            "fit must return a Fit or a mapping of draws by variable where truths have names; got "
            f"{type(answer).__name__}."
        )
    out: dict[str, Float] = {}
    for name, given in named.items():
        if name in truth.shapes:
            draws = np.asarray(given, np.float64)
            if truth.shapes[name] == () and draws.shape[1:] == (1,):
                draws = draws[:, 0]  # one shell of couplings, say, whose prior was one number
            if draws.ndim < 1 or draws.shape[1:] != truth.shapes[name]:
                raise InputError(
                    f"fit must return {name!r} as draws of shape (n_draws, "
                    f"*{truth.shapes[name]}), as its truth is; got shape {draws.shape}."
                )
            columns = draws.reshape(len(draws), -1).T
            out |= dict(zip(_plain_labels(name, truth.shapes[name]), columns, strict=True))
    if len({len(column) for column in out.values()}) > 1:
        raise InputError("fit must return as many draws of every variable.")
    return out


def _plain_labels(name: str, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield ``name``, or ``name[1]``, ``name[2]`` and so on, counted from 1 as shells are."""
    if not shape:
        yield name
        return
    for index in product(*[range(1, length + 1) for length in shape]):
        yield f"{name}[{', '.join(str(one) for one in index)}]"
