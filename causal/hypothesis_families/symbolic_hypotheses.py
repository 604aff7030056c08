"""Hypotheses from a weighted set of symbolic laws: each law with the posterior of its constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    Draws,
    hypothesis_from_draws,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, NotIdentified, as_generator, check_count

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = ["hypotheses_from_laws"]

MOST_UNDEFINED = 0.1
"""Share of a law's draws that may be undefined at an act (a logarithm of a negative number)."""
Argument = str | Callable[[Action], float]


def hypotheses_from_laws(
    laws: EquationSet,
    arguments: Mapping[str, Argument],
    *,
    noise_sd: float | None = None,
    mass: float = 0.99,
    max_laws: int = 6,
    n_draws: int = 2000,
    rng: int | np.random.Generator | None = None,
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each symbolic law that the data left standing.

    Parameters
    ----------
    laws
        From `SymbolicRegressor` or `discover_dynamics`: laws with their posterior weights.
    arguments
        Variable of the laws -> the action's argument that sets it, or a function of the action.
        Acts that lack an argument show nothing.
    noise_sd
        Of one readout, on the scale of the laws' left side; that of the fit when None.
    mass
        The fewest laws that hold this share of the weight are taken.
    max_laws
        At most so many, at least two where the set holds two.
    n_draws
        Draws of each law's constants.
    rng
        Seed of the draws.

    Returns
    -------
    tuple of Hypothesis
        The readout is ``link(target)``: the target itself where no link was fitted. Up to a tenth
        of the draws may be undefined at an act (a logarithm of a negative number); the others'
        median stands in for them.

    Raises
    ------
    InputError
        For a variable that no argument sets.
    NotIdentified
        When the set holds a single law, so that nothing is open.

    Notes
    -----
    Constants of a law that the data don't determine stay free in its members. Bartlett, Desmond
    and Ferreira, arXiv:2211.11461, for the weights.

    Examples
    --------
    >>> from physlearn.inference import SymbolicRegressor
    >>> x = np.linspace(0.5, 2, 25)
    >>> y = 1.5 * x**2 + np.random.default_rng(0).normal(0, 0.2, 25)
    >>> model = SymbolicRegressor(noise=0.2, variables=["x"], largest_size=3, rng=1)
    >>> found = model.fit(x[:, None], y).equations_
    >>> known = hypotheses_from_laws(found, {"x": "bias_V"}, rng=0)
    >>> known[0].readout, len(known) > 1
    ('y', True)
    """
    missing = [name for name in laws.variables if name not in arguments]
    if missing:
        raise InputError(
            f"arguments must say which argument of an action sets {', '.join(missing)}; got "
            f"{list(arguments)}."
        )
    check_count("max_laws", max_laws, 2)
    check_count("n_draws", n_draws, 2)
    if len(laws.equations) < 2:
        raise NotIdentified("the set holds one law: nothing is open between laws.")
    sd = laws.noise_sd if noise_sd is None else noise_sd
    strict_number("noise_sd", sd, above=0)
    generator, _ = as_generator(rng)
    n_taken = min(max(laws.n_credible(mass), 2), max_laws)
    names, weights = laws.table["equation"].tolist(), laws.weights
    target = laws.target if laws.link == "identity" else f"{laws.link}({laws.target})"
    asked = Asked(f"which law gives {laws.target}", target, laws.units or "1")

    def row(action: Action) -> Floats | None:
        return _row(laws, arguments, action)

    def supports(action: Action) -> bool:
        values = row(action)
        return values is None or not bool(laws.extrapolates(values[None])[0])

    result = []
    for index in range(n_taken):
        constants = _constants(laws, index, n_draws, generator)
        again = names[:index].count(names[index])
        result.append(
            hypothesis_from_draws(
                f"{names[index]} ({again + 1})" if again else names[index],
                {"constants": constants}, _expected(laws, index, row), noise_sd=sd,
                weight=float(weights[index]), asked=asked, supports=supports,
            )
        )  # fmt: skip
    return tuple(result)


def _constants(
    laws: EquationSet, index: int, n_draws: int, generator: np.random.Generator
) -> Floats:
    """Return draws of one law's constants; the fitted ones where their error is not known."""
    from physlearn.inference.laws.law_posterior import draw_constants

    law = laws.equations[index]
    try:
        return draw_constants(law, laws.data, n_draws, generator, laws.log_likelihood).constants
    except NotIdentified:
        return np.repeat(law.constants[None], n_draws, axis=0)


def _row(laws: EquationSet, arguments: Mapping[str, Argument], action: Action) -> Floats | None:
    """Return the variables that an act sets, in order; None where one is missing."""
    values = []
    for name in laws.variables:
        argument = arguments[name]
        if callable(argument):
            values.append(strict_number(f"{name} of {action.verb}", argument(action)))
        elif argument in action.args:
            values.append(action.number(argument))
        else:
            return None
    return np.array(values)


def _expected(
    laws: EquationSet, index: int, row: Callable[[Action], Floats | None]
) -> Callable[[Action, Draws], Floats | None]:
    """Return what the members of one law expect of an act."""
    from physlearn.inference.laws.expression import evaluate_many

    law = laws.equations[index]

    def expected(action: Action, members: Draws) -> Floats | None:
        values = row(action)
        if values is None:
            return None
        with np.errstate(all="ignore"):
            table = evaluate_many(law.program, laws.columns(values[None]), members["constants"])
        found = np.asarray(table, dtype=np.float64)[:, 0]
        defined = np.isfinite(found)
        if defined.mean() < 1.0 - MOST_UNDEFINED:
            raise InputError(
                f"law {index} is not defined for {1 - defined.mean():.0%} of its constants at "
                f"{action.verb} {dict(action.args)}: leave that act out."
            )
        return np.where(defined, found, np.median(found[defined]))

    return expected
