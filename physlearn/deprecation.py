"""How names, arguments and values leave physlearn: two minor releases after a warning.

The policy stands in docs/compatibility.md. ``SHELVED`` lists what was marked, and a test fails in
the release in which something of it must go.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from physlearn.checks import InputError

__all__ = ["DeprecatedName", "Shelved", "deprecated", "renamed_argument"]

NOTICE = 2
"""Minor releases between the warning and the removal, at the least."""

P = ParamSpec("P")
T = TypeVar("T")


class DeprecatedName(FutureWarning):
    """Something of physlearn goes away; the text says when and what to use.

    A ``FutureWarning``, since Python hides a ``DeprecationWarning`` from whoever runs a notebook
    or a script through a library.

    Examples
    --------
    >>> issubclass(DeprecatedName, FutureWarning)
    True
    """


@dataclass(frozen=True, slots=True)
class Shelved:
    """What goes away: its name, the release that first warns, and the one without it.

    Examples
    --------
    >>> Shelved("fit_old", "0.3", "0.5").removed
    '0.5'
    """

    name: str
    since: str
    removed: str

    def __post_init__(self) -> None:
        since, removed = release(self.since), release(self.removed)
        if removed < (since[0], since[1] + NOTICE) and removed[0] == since[0]:
            raise InputError(
                f"removed must lie {NOTICE} minor releases or a major one behind since={self.since}"
                f"; got {self.removed!r} for {self.name}."
            )
        if removed[0] < since[0]:
            raise InputError(f"removed must lie behind since={self.since}; got {self.removed!r}.")


SHELVED: dict[str, Shelved] = {}
"""By name: everything that was marked in this process."""


def release(version: str) -> tuple[int, int]:
    """Return major and minor of a version.

    Examples
    --------
    >>> release("0.12.3.dev0")
    (0, 12)
    """
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        raise InputError(f"version must be like '0.4'; got {version!r}.")
    return int(parts[0]), int(parts[1])


def deprecated(
    *, since: str, removed: str, instead: str
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Mark a function that goes away: calls warn, and work as before until ``removed``.

    Parameters
    ----------
    since, removed
        Releases ("0.3", "0.5"): the first that warns, and the first without it.
    instead
        What to call instead, or why nothing.

    Raises
    ------
    InputError
        When fewer than two minor releases lie between the two.

    Examples
    --------
    >>> @deprecated(since="0.3", removed="0.5", instead="fit_new")
    ... def fit_old(x):
    ...     return x
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     fit_old(2)
    2
    >>> str(said[0].message)
    'fit_old goes away in physlearn 0.5; use fit_new.'
    """

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        name = function.__qualname__.rsplit(".", 1)[-1]
        SHELVED[f"{function.__module__}.{name}"] = Shelved(name, since, removed)

        @functools.wraps(function)
        def warned(*args: P.args, **kwargs: P.kwargs) -> T:
            _warn(name, removed, instead)
            return function(*args, **kwargs)

        return warned

    return mark


def renamed_argument(
    old: str, new: str, *, since: str, removed: str
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take a keyword under its old name, too, and warn.

    Raises
    ------
    TypeError
        When a call gives both names.

    Examples
    --------
    >>> @renamed_argument("n_iter", "n_sweeps", since="0.3", removed="0.5")
    ... def sample(*, n_sweeps):
    ...     return n_sweeps
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     sample(n_iter=3)
    3
    """

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        name = f"{function.__qualname__.rsplit('.', 1)[-1]}({old}=)"
        SHELVED[f"{function.__module__}.{name}"] = Shelved(name, since, removed)

        @functools.wraps(function)
        def translated(*args: P.args, **kwargs: P.kwargs) -> T:
            given: dict[str, Any] = dict(kwargs)
            if old in given:
                if new in given:
                    raise TypeError(f"{name}: give {new}= alone; {old}= is its old name.")
                _warn(name, removed, f"{new}=")
                given[new] = given.pop(old)
            return function(*args, **given)

        return translated

    return mark


def _warn(name: str, removed: str, instead: str) -> None:
    warnings.warn(
        f"{name} goes away in physlearn {removed}; use {instead}.", DeprecatedName, stacklevel=3
    )
