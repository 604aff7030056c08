"""Keeps the prints, progress bars and warnings of third-party libraries out of sight, locally."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Silence standard output, warnings and the named loggers inside the block only."""
    held = [(logging.getLogger(name), logging.getLogger(name).level) for name in loggers]
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            for logger, _ in held:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in held:
                logger.setLevel(level)
