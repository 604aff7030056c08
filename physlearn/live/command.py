"""``physlearn watch FOLDER``: follow a folder and show it in the browser."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from physlearn.live.follow import Pulse, default_out, follow_folder
from physlearn.live.page import (
    inline_hashes,
    live_file,
    page_context,
    page_template,
    render_page,
    render_parts,
)
from physlearn.live.records import LiveState, Picture, WatchOptions
from physlearn.live.server import LiveServer, Published
from physlearn.phrases import said_interval, unit_text
from physlearn.whole_files import write_whole

__all__ = ["PAGE", "Shown", "watch"]

PAGE = "live.html"
"""Name of the page in the state's folder that stands for itself."""


def watch(
    folder: str | os.PathLike[str],
    options: WatchOptions | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    once: bool = False,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Path:
    """Follow a folder until it is stopped (Ctrl-C), and show what is known in the browser.

    Parameters
    ----------
    folder
        That the instrument writes to; it is only read.
    options
        `WatchOptions`.
    out
        Folder for the state and the last page; None takes ``FOLDER-watch`` beside the folder.
    seed
        Repeats every number.
    once
        Take in what is there, write the page, and end: no server.
    port
        Of 127.0.0.1; 0 takes any that is free.
    browser
        Open the page.
    say
        Called with one line for the address and one for every update.
    stop
        Set it to end, instead of Ctrl-C.

    Returns
    -------
    Path
        The page as it was last, which stands for itself.

    Raises
    ------
    InputError
        When folder, ``out`` or port cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "frames"
    >>> place.mkdir()
    >>> watch(place, once=True, seed=1).name
    'live.html'
    """
    place = default_out(folder) if out is None else Path(out)
    tell = say or (lambda _: None)
    server = None if once else LiveServer(port)
    shown = Shown(Path(folder).resolve().name, server)
    states = follow_folder(
        folder, options, rng=seed, out=place, once=once, stop=stop, pulse=shown.show_pulse
    )
    with TemporaryDirectory(prefix="physlearn-watch-") as private:
        try:
            for number, state in enumerate(states):
                shown.show(state)
                write_whole(place / PAGE, shown.page())
                if number == 0 and server is not None:
                    tell(f"Open {server.url}")
                    tell("Ctrl-C ends it; the same command goes on where it stopped.")
                    if browser:
                        _open(server.url, Path(private))
                elif number:
                    tell(_line(state, shown.drawn_s))
        except KeyboardInterrupt:
            tell("Stopped. All frames so far are kept; the same command goes on from here.")
        finally:
            states.close()
            if server is not None:
                server.close()
    return place.resolve() / PAGE


def _announcement(state: LiveState) -> str:
    """Return what a screen reader is told after an update: short, and what to do next."""
    frames = "1 frame" if len(state.frames) == 1 else f"{len(state.frames)} frames"
    numbers = [f"{one.label} {said_interval(one.mean, one.low, one.high)[0]}"
               for one in state.estimates[:2]]  # fmt: skip
    return ". ".join([f"{frames} taken in", *numbers, *state.advice[:1]])


def _line(state: LiveState, drawn_s: float) -> str:
    """Return one line for a terminal."""
    last = state.last
    if last is None:
        return "no frame could be taken in yet."
    numbers = []
    for one in state.estimates[:3]:
        mean, low, high = said_interval(one.mean, one.low, one.high)
        numbers.append(f"{one.label} {mean} [{low} to {high}] {unit_text(one.unit)}".rstrip())
    frames = f"{len(state.frames)} frame{'' if len(state.frames) == 1 else 's'}"
    return f"{last.name}: {frames}, {last.lag_s + drawn_s:.1f} s. {'; '.join(numbers)}".rstrip()


def _open(url: str, private: Path) -> None:
    """Open the page through a private file: a browser's command line is for all users to read."""
    import html
    import webbrowser

    file = private / "open.html"
    file.touch(mode=0o600)
    file.write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>physlearn watch</title>'
        f'<meta http-equiv="refresh" content="0;url={html.escape(url)}"></head>'
        f'<body><p><a href="{html.escape(url)}">Open the live page</a></p></body></html>',
        encoding="utf-8",
    )
    with suppress(Exception):  # no browser, or none that starts: the address was printed
        webbrowser.open(file.as_uri())


class Shown:
    """What the page shows: draws states and hands them to the server, if there is one.

    Parameters
    ----------
    title
        The watched folder's name.
    server
        Gets every version; None draws for a page that stands for itself.
    """

    def __init__(self, title: str, server: LiveServer | None) -> None:
        self.title, self.server, self.drawn_s = title, server, 0.0
        self._template = page_template()
        self._state: LiveState | None = None
        self._pictures: dict[str, Picture] = {}
        self._pulse = Pulse("looks for frames")
        if server is not None:
            blank = LiveState(WatchOptions(), 0)
            page = self._page(blank, live_version=1)
            server.published = Published(
                script=live_file("live.js"),
                style_hashes=tuple(inline_hashes(page, "style")),
                script_hashes=tuple(inline_hashes(page, "script")),
            )

    def _page(self, state: LiveState, live_version: int | None) -> str:
        return render_page(self._template, self._context(state, live_version))

    def _context(self, state: LiveState, live_version: int | None) -> dict[str, object]:
        return page_context(
            state, self._pictures, title=self.title, pulse=self._pulse, drawn_s=self.drawn_s,
            live_version=live_version,
        )  # fmt: skip

    def show(self, state: LiveState) -> None:
        """Draw a state and publish it."""
        from physlearn.live.draw_live import draw_live

        started = time.perf_counter()
        self._pictures = draw_live(state)
        self.drawn_s = time.perf_counter() - started
        self._state = state
        last = state.last
        self._publish("" if last is None else _announcement(state))

    def show_pulse(self, pulse: Pulse) -> None:
        """Publish what is being done."""
        self._pulse = pulse
        if self._state is not None:
            self._publish("")

    def _publish(self, said: str) -> None:
        if self.server is None or self._state is None:
            return
        before = self.server.published
        context = self._context(self._state, before.version + 1)
        count = f"({len(self._state.frames)}) " if self._state.frames else ""
        self.server.published = before.with_parts(
            render_page(self._template, context), render_parts(self._template, context),
            {name: picture.png for name, picture in self._pictures.items()},
            f"{count}{self.title} · physlearn", said,
        )  # fmt: skip

    def page(self) -> str:
        """Return the page as it stands, pictures inside."""
        state = self._state or LiveState(WatchOptions(), 0)
        return self._page(state, live_version=None)
