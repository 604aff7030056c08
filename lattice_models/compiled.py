"""The one decorator of compiled kernels.

A kernel takes arrays and numbers and changes arrays in place or returns a number. A kernel and
every helper and constant that it uses live in one file: numba's cache on disk looks only at the
file of the outer function and is silently stale otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function`` with numba: cached on disk, without the GIL, IEEE division by zero.

    A function typed at a prompt has no file and is compiled without the cache.

    Parameters
    ----------
    function
        Plain Python over arrays and numbers. ``function.py_func`` keeps the uncompiled form.

    Returns
    -------
    callable
        The compiled function; it is typed as the function it came from.

    Examples
    --------
    >>> from physlearn.lattice_models.compiled import kernel
    >>> @kernel
    ... def twice(number):
    ...     return 2.0 * number
    >>> twice.py_func(4.0)
    8.0
    """
    return _compiled(function)


def summing_kernel(function: Function) -> Function:
    """Compile like ``kernel`` and let sums be taken in any order, which vectorises them.

    Only the order of sums and fused multiply-adds are free: infinities and NaN keep their meaning.
    For long sums over pixels; results differ from the plain form by rounding.

    Parameters
    ----------
    function
        Plain Python over arrays and numbers. ``function.py_func`` keeps the uncompiled form.

    Returns
    -------
    callable
        The compiled function; it is typed as the function it came from.

    Examples
    --------
    >>> from physlearn.lattice_models.compiled import summing_kernel
    >>> @summing_kernel
    ... def total(values):
    ...     result = 0.0
    ...     for value in values:
    ...         result += value
    ...     return result
    >>> import numpy as np
    >>> total(np.ones(10))
    10.0
    """
    return _compiled(function, frozenset({"reassoc", "contract"}))


def _compiled(function: Function, fastmath: frozenset[str] = frozenset()) -> Function:
    """Compile with the liberties of ``fastmath``, and with a cache where there is a file."""
    code = getattr(function, "__code__", None)
    in_a_file = code is None or Path(code.co_filename).is_file()
    compiled = numba.njit(
        cache=in_a_file, nogil=True, error_model="numpy", fastmath=set(fastmath) or False
    )(function)
    return cast(Function, compiled)
