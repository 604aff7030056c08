"""What a command says while it works: a bar on a terminal, a line per step elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

__all__ = ["shown_progress"]

Update = Callable[[str, float], None]


@contextmanager
def shown_progress(stop: threading.Event) -> Iterator[Update]:
    """Give a function that shows the step that runs, on standard error.

    On a terminal it is one bar that goes away at the end. In a file, a pipe or a notebook it is a
    line for each step, as it begins, with the seconds so far. Both say once when kernels are being
    compiled, because that may take minutes and happens only the first time.

    Parameters
    ----------
    stop
        Once it is set, the next step raises KeyboardInterrupt.

    Yields
    ------
    callable
        Called with the step's title and the finished share, 0 to 1.

    Examples
    --------
    >>> with shown_progress(threading.Event()) as update:
    ...     update("Find the columns", 0.2)
    """
    from rich.console import Console

    console = Console(stderr=True)
    shown = _bar(console) if console.is_terminal else _lines()
    with shown as (show, say), _compiler_told(say) as listen:

        def update(title: str, share: float) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            listen()
            show(title, share)

        yield update


@contextmanager
def _bar(console: Any) -> Iterator[tuple[Update, Callable[[str], None]]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description:32}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), console=console, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("Start", total=1.0)
        yield (
            lambda title, share: bar.update(task, description=title, completed=share),
            lambda sentence: bar.console.print(sentence, highlight=False, soft_wrap=True),
        )


@contextmanager
def _lines() -> Iterator[tuple[Update, Callable[[str], None]]]:
    start, last = monotonic(), ""

    def say(sentence: str) -> None:
        sys.stderr.write(f"{monotonic() - start:6.0f} s  {sentence}\n")
        sys.stderr.flush()

    def show(title: str, share: float) -> None:
        nonlocal last
        if title != last:
            say(f"{title} ..." if share < 1.0 else title)
        last = title

    yield show, say


@contextmanager
def _compiler_told(say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Give a function that begins to listen to the compiler, once the input is read."""
    listener: Any = None

    def listen() -> None:
        nonlocal listener
        if listener is None:
            from numba.core import event

            listener = _first_compile(event.Listener, say)
            event.register("numba:compile", listener)

    try:
        yield listen
    finally:
        if listener is not None:
            from numba.core import event

            event.unregister("numba:compile", listener)


def _first_compile(base: Any, say: Callable[[str], None]) -> Any:
    """Return numba's listener that speaks at the first kernel that isn't in the cache."""

    class FirstCompile(base):  # type: ignore[misc]
        told = False

        def on_start(self, _event: Any) -> None:
            if not self.told:
                self.told = True
                say("Kernels are being compiled: some steps take minutes, this first time only.")

        def on_end(self, _event: Any) -> None:
            pass

    return FirstCompile()
