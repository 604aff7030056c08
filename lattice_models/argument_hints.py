"""Names of arguments that people try first, and the sentence that says what to give instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from physlearn.checks import InputError

__all__ = ["IN_KT", "SEED", "explain_arguments", "explain_fields"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_TEMPERATURE = (
    "couplings and fields are in units of kT, so that a temperature is in them already: give "
    "J / kT and h / kT"
)
IN_KT = dict.fromkeys(("temperature", "T", "kT", "thermal_energy"), _TEMPERATURE) | {
    "beta": "couplings and fields are in units of kT: give beta J and beta h",
    "J": "give couplings=[J / kT], one number a shell of neighbours",
    "coupling": "give couplings=[J / kT], one number a shell of neighbours",
    "h": "give field=h / kT",
}
"""What people call the parameters of a Hamiltonian, and what it takes instead."""
SEED = dict.fromkeys(
    ("seed", "random_state", "random_seed"), "give rng=1, a seed or a numpy.random.Generator"
)


def explain_arguments(sentences: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function answer to a keyword argument that it has not by what it has instead.

    Parameters
    ----------
    sentences
        What to do, by the name that was tried.

    Examples
    --------
    >>> @explain_arguments({"seed": "give rng=1"})
    ... def draw(rng=None): ...
    >>> draw(seed=1)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: draw takes no argument seed; give rng=1.
    """

    def explained(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            _refuse(function.__name__, kwargs, sentences)
            return function(*args, **kwargs)

        return call

    return explained


def explain_fields(sentences: Mapping[str, str]) -> Callable[[type[T]], type[T]]:
    """Make a record answer as ``explain_arguments`` makes a function.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> Ising(J=0.3)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: Ising takes no argument J; give couplings=[J / kT], one number a \
shell of neighbours.
    """

    def explained(record: type[T]) -> type[T]:
        build: Callable[..., None] = record.__init__

        @wraps(build)
        def initialise(self: T, *args: object, **kwargs: object) -> None:
            _refuse(record.__name__, kwargs, sentences)
            build(self, *args, **kwargs)

        type.__setattr__(record, "__init__", initialise)
        return record

    return explained


def _refuse(name: str, given: Iterable[str], sentences: Mapping[str, str]) -> None:
    """Raise the sentence of the first name that has one."""
    for argument in given:
        if argument in sentences:
            raise InputError(f"{name} takes no argument {argument}; {sentences[argument]}.")
