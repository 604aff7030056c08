"""Small matrices in loops on one thread: more threads would only wait for each other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which the linear algebra that is loaded uses one thread.

    The loaded libraries are looked up once: each look-up reads the process's memory map, some
    milliseconds that a call in a loop would pay every time.

    Examples
    --------
    >>> import numpy as np
    >>> with one_blas_thread():
    ...     float(np.linalg.det(np.eye(3)))
    1.0
    """
    limits: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limits


@cache
def _controller() -> Any:
    # scipy brings its own library: it must be loaded before the look-up
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()
