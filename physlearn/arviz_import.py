"""ArviZ imported quietly, and without compiling what nobody calls."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["import_arviz"]

CACHE_VARIABLE = "XDG_CACHE_HOME"


def import_arviz() -> ModuleType:
    """Import ArviZ without its notice about a coming release, which users can do nothing about.

    It notes in the user's cache that it gave notice; where that can't be written to, in a temporary
    folder instead.
    """
    with warnings.catch_warnings(), _compiled_when_called():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            import arviz
        except OSError:
            with tempfile.TemporaryDirectory() as folder:
                before = os.environ.get(CACHE_VARIABLE)
                os.environ[CACHE_VARIABLE] = folder
                try:
                    import arviz
                finally:
                    del os.environ[CACHE_VARIABLE]
                    if before is not None:
                        os.environ[CACHE_VARIABLE] = before
    return arviz


@contextmanager
def _compiled_when_called() -> Iterator[None]:
    """Leave numba's functions of arrays to their first call: ArviZ compiles one as it is imported.

    It is a band of one of its plots, and took a fifth of the import in every process.
    """
    import numba

    at_once = numba.vectorize
    numba.vectorize = lambda *_types, **options: at_once(**options)
    try:
        yield
    finally:
        numba.vectorize = at_once
