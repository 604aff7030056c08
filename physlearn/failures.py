"""What an error tells of a failed call: whether the arguments, or somebody else's code, made it.

An error is laid at an argument's door only where it can follow from it. What came out of a function
or an object that the caller handed over, and what is a slip in this package, stay as they were.
"""

from __future__ import annotations

import errno
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

import numpy as np

from physlearn.checks import BackendUnavailable, InputError, NotIdentified

__all__ = ["can_follow", "could_be_an_argument", "from_outside"]

OURS = (InputError, NotIdentified, BackendUnavailable)
ORDINARY = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError,
    ValueError,
)  # fmt: skip
CALCULATIONS = ("networkx.", "numba.", "numpy.", "pandas.", "scipy.")
"""Libraries whose own errors are about what they were given."""

KNOWN = frozenset({
    "arviz", "causallearn", "cython_runtime", "dask", "distributed", "dowhy", "freud", "h5py",
    "jinja2", "llvmlite", "matplotlib", "networkx", "numba", "numcodecs", "numpy", "pandas",
    "physlearn", "PIL", "pooch", "pydantic", "pymc", "pytensor", "rich", "scipy", "skimage",
    "sklearn", "statsmodels", "sympy", "tifffile", "trackpy", "xarray", "yaml", "zarr",
}) | sys.stdlib_module_names  # fmt: skip
"""Packages that run on this package's behalf; any other in a traceback is the caller's code."""

FOLLOWS: Mapping[str, tuple[type[Exception], ...]] = {
    "not finite": (ArithmeticError, IndexError, ValueError),
    "empty": (ArithmeticError, IndexError, ValueError),
    "not numbers": (TypeError, ValueError),
    "repeated columns": (LookupError, TypeError, ValueError),
    "too large": (ArithmeticError, IndexError, MemoryError, TypeError, ValueError),
}
"""Errors of Python that follow from a flaw; a missing attribute or name follows from none."""


def could_be_an_argument(error: Exception) -> bool:
    """Tell whether an error is of a kind that odd arguments raise.

    Examples
    --------
    >>> could_be_an_argument(ValueError("shapes")), could_be_an_argument(NotImplementedError())
    (True, False)
    """
    if isinstance(error, (*OURS, Warning)):
        return False  # a warning is an error because the caller made it one
    if isinstance(error, OSError):
        return error.errno == errno.ENAMETOOLONG
    return isinstance(error, ORDINARY) or _of_a_calculation(error)


def can_follow(error: Exception, flaw: str) -> bool:
    """Tell whether an error can follow from a flaw of an argument, one of those in ``FOLLOWS``.

    Examples
    --------
    >>> can_follow(IndexError("out of bounds"), "empty"), can_follow(KeyError("sites"), "empty")
    (True, False)
    """
    if isinstance(error, KeyError):  # a key that is itself out of bounds was taken from the data
        key = error.args[0] if error.args else None
        return isinstance(key, float | np.floating) and not math.isfinite(key)
    return isinstance(error, FOLLOWS[flaw]) or _of_a_calculation(error)


def from_outside(
    error: BaseException, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> bool:
    """Tell whether an error came out of code that the caller handed over, a callback or an object.

    Parameters
    ----------
    error
        With its traceback and those of its causes.
    function
        What was called; its own frame is not the caller's, wherever it is defined.
    arguments
        What it was called with, by name.

    Examples
    --------
    >>> def own(x: float) -> float:
    ...     return 1 / x
    >>> try:
    ...     sorted([1, 0], key=own)
    ... except ZeroDivisionError as raised:
    ...     print(from_outside(raised, sorted, {"key": own}))
    True
    """
    codes = {code for value in arguments.values() for code in _codes(value)}
    called = getattr(function, "__code__", None)
    link: BaseException | None = error
    while link is not None:
        if type(link).__name__ == "_RemoteTraceback" and codes:
            return True  # from another process, where frames cannot be looked at
        for frame in _frames(link):
            if frame.f_code in codes:
                return True
            home = str(frame.f_globals.get("__name__", "physlearn")).split(".")[0]
            if home not in KNOWN and frame.f_code is not called:
                return True
        link = link.__cause__
    return False


def _frames(error: BaseException) -> Iterator[FrameType]:
    place = error.__traceback__
    while place is not None:
        yield place.tb_frame
        place = place.tb_next


def _codes(value: Any) -> Iterator[CodeType]:
    """Return the code that an argument holds: of a function, a method, a partial, an object."""
    for one in (value, getattr(value, "func", None), getattr(value, "py_func", None)):
        # the guard of a public function that is handed over is that of every public function
        code = getattr(getattr(one, "__wrapped__", one), "__code__", None)
        if isinstance(code, CodeType):
            yield code
    if callable(value) and not isinstance(value, type):
        code = getattr(inspect.getattr_static(type(value), "__call__"), "__code__", None)
        if isinstance(code, CodeType):
            yield code


def _of_a_calculation(error: Exception) -> bool:
    return (type(error).__module__ + ".").startswith(CALCULATIONS)
