"""The one decorator of compiled kernels.

A kernel takes arrays and numbers and changes arrays in place or returns a number. A kernel and
every helper and constant that it uses live in one file: numba's cache on disk looks only at the
file of the outer function and is silently stale otherwise.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])
FOLDER_VARIABLE = "NUMBA_CACHE_DIR"


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


def cache_folder() -> Path | None:
    """Return where the kernels of this folder are kept, None where they are compiled every time.

    numba keeps them beside the source where that can be written to, else in the user's cache.
    Where neither can (a read-only installation and home), a folder of the temporary directory,
    open to this user alone, is taken.

    Examples
    --------
    >>> folder = cache_folder()
    >>> folder is None or folder.is_absolute()
    True
    """
    compiled = kernel(_no_kernel)
    path = getattr(getattr(compiled, "_cache", None), "cache_path", None)
    return None if path is None else Path(path).absolute()


def _no_kernel() -> None:
    """Stand for any kernel of this folder."""


def _compiled(function: Function, fastmath: frozenset[str] = frozenset()) -> Function:
    """Compile with the liberties of ``fastmath``, and with a cache where there is a file."""
    code = getattr(function, "__code__", None)
    if code is not None and not Path(code.co_filename).is_file():
        return _njit(function, fastmath, False)
    try:
        return _njit(function, fastmath, True)
    except RuntimeError:  # numba found no folder that can be written to
        return _njit(function, fastmath, _take_temporary_folder())


def _njit(function: Function, fastmath: frozenset[str], cached: bool) -> Function:
    compiled = numba.njit(
        cache=cached, nogil=True, error_model="numpy", fastmath=set(fastmath) or False
    )(function)
    return cast(Function, compiled)


@cache
def _take_temporary_folder() -> bool:
    """Keep kernels in a temporary folder of this user from now on, or say that none are kept."""
    folder = _own_temporary_folder()
    if folder is None:
        warnings.warn(
            "No folder of your own can be written to, so compiled kernels are not kept: each "
            f"process compiles them anew. Set {FOLDER_VARIABLE} to a folder that you can write to.",
            stacklevel=2,
        )
        return False
    # In the environment too: numba reads it again, and so do child processes
    os.environ[FOLDER_VARIABLE] = numba.config.CACHE_DIR = str(folder)
    return True


def _own_temporary_folder() -> Path | None:
    """Return the folder, None when it cannot be made or somebody else could write to it.

    What lies in it is run, so it must belong to this user.
    """
    if not hasattr(os, "getuid"):
        return None
    try:
        folder = Path(tempfile.gettempdir()) / f"physlearn-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if own and not found.st_mode & 0o077 else None
