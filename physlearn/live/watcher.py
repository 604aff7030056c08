"""Which files of a folder are there, whole, and not yet taken in."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from physlearn.checks import BackendUnavailable, InputError
from physlearn.live.records import FrameFile, WatchOptions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FolderWatcher", "Seen", "read_frames", "scan_folder"]

PARTIAL = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".lock", "~")
"""Endings of files that another program is still writing."""
NO_FRAMES = (
    ".txt", ".csv", ".json", ".md", ".log", ".xml", ".yaml", ".yml", ".html", ".py", ".ipynb",
    ".ini", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ps1", ".bat", ".sh", ".db",
)  # fmt: skip
RETRIES = 5
"""Times that a file which stands still and cannot be read is tried again, ever more slowly."""
WAKE_MS = 250


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as the last look found it.

    Attributes
    ----------
    noticed, changed
        Clock times of the first sight of this content, and of its last change.
    tries, retry_at
        How often reading failed, and when to try again.
    """

    name: str
    size: int
    modified_ns: int
    noticed: float
    changed: float
    tries: int = 0
    retry_at: float = 0.0

    def settled(self, now: float, settle_s: float) -> bool:
        """Whether it has stood still for long enough and its turn has come."""
        return self.size > 0 and now - self.changed >= settle_s and now >= self.retry_at


def scan_folder(folder: Path, before: dict[str, Seen], now: float) -> dict[str, Seen]:
    """Return every file that may be a frame, as it is now; what is unchanged keeps its times.

    Folders, links that lead nowhere, hidden and partial files are passed over.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> _ = (place / "a.tif").write_bytes(b"x"), (place / "b.tif.part").write_bytes(b"x")
    >>> list(scan_folder(place, {}, 0.0))
    ['a.tif']
    """
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name.lower().endswith(PARTIAL + NO_FRAMES):
                continue
            try:
                if not entry.is_file():
                    continue
                facts = entry.stat()
            except OSError:  # gone while we looked
                continue
            old = before.get(name)
            if old and (old.size, old.modified_ns) == (facts.st_size, facts.st_mtime_ns):
                found[name] = old
            else:
                found[name] = Seen(
                    name, facts.st_size, facts.st_mtime_ns, old.noticed if old else now, now
                )
    return found


def read_frames(
    folder: Path, seen: Seen, options: WatchOptions
) -> tuple[FrameFile, list[xr.DataArray]]:
    """Read one file: its checksum, and every picture (y, x) in it.

    Raises
    ------
    InputError
        When it cannot be read, or was written to meanwhile.
    """
    from physlearn.datasets.reading.set_scale import set_scale
    from physlearn.inputs import read_input

    started, still = time.perf_counter(), seen.changed + options.settle_s
    queued = max(time.time() - still, 0.0)
    path = folder / seen.name
    try:
        with path.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        data = read_input(path)
        facts = path.stat()
    except OSError as error:
        raise InputError(f"{seen.name} cannot be read: {error.strerror or error}.") from None
    if (facts.st_size, facts.st_mtime_ns) != (seen.size, seen.modified_ns):
        raise InputError(f"{seen.name} was written to while it was read.")
    data = set_scale(data, pixel_size=options.pixel_size, unit=options.pixel_unit)
    frames = [data] if "time" not in data.dims else [
        data.isel(time=k, drop=True) for k in range(data.sizes["time"])
    ]  # fmt: skip
    file = FrameFile(
        seen.name, checksum, seen.size, seen.modified_ns, max(still - seen.noticed, 0.0),
        time.perf_counter() - started, queued, seen.noticed,
    )  # fmt: skip
    return file, frames


class FolderWatcher:
    """Looks at a folder in a thread of its own, so that no arrival is missed while we compute.

    Changes wake it (``watchfiles``; with ``polling`` they are asked for), and it looks itself every
    quarter of a second at most: an event that a file system never sent costs no frame.

    Parameters
    ----------
    folder
        To watch.
    options
        Of the watch.
    taken
        (name -> (size, time of change)) of files that were taken in before.

    Attributes
    ----------
    given_up
        Files that could not be read, with the reason; a later change brings them back.
    lost
        Why the folder itself cannot be read; empty while it can.
    """

    def __init__(
        self, folder: Path, options: WatchOptions, taken: dict[str, tuple[int, int]]
    ) -> None:
        self.folder, self.options = folder, options
        self.taken = dict(taken)
        self.given_up: dict[str, str] = {}
        self.stop, self.woken = threading.Event(), threading.Event()
        self.lost = ""
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._watch, name="physlearn-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self.stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def look(self) -> None:
        """Look once."""
        try:
            with self._lock:
                self._seen = scan_folder(self.folder, self._seen, time.time())
            self.lost = ""
        except OSError as error:
            self.lost = f"the folder cannot be read: {error.strerror or error}"
        self.woken.set()

    def _watch(self) -> None:
        from watchfiles import watch

        while not self.stop.is_set():
            self.look()
            try:
                for _ in watch(
                    self.folder, watch_filter=None, debounce=100, step=25, stop_event=self.stop,
                    rust_timeout=WAKE_MS, yield_on_timeout=True, recursive=False,
                    force_polling=self.options.polling or None, raise_interrupt=False,
                ):  # fmt: skip
                    self.look()
            except (OSError, RuntimeError):  # no watch to be had (gone, too many): look ourselves
                self.stop.wait(WAKE_MS / 1000)

    def waiting(self) -> list[Seen]:
        """Return every file that is not yet taken in or given up, the newest first."""
        with self._lock:
            seen = list(self._seen.values())
        open_ones = [
            one for one in seen
            if self.taken.get(one.name) != (one.size, one.modified_ns)
        ]  # fmt: skip
        return sorted(open_ones, key=lambda one: (-one.modified_ns, one.name))

    def ready(self) -> list[Seen]:
        """Return the waiting files that stand still, the newest first."""
        now = time.time()
        return [one for one in self.waiting() if one.settled(now, self.options.settle_s)]

    def read(self, seen: Seen) -> tuple[FrameFile, list[xr.DataArray]] | None:
        """Read a file; None where it must be tried again or was given up (see ``given_up``)."""
        try:
            found = read_frames(self.folder, seen, self.options)
        except (InputError, BackendUnavailable, ValueError, EOFError) as error:
            self._failed(seen, str(error))
            return None
        self.taken[seen.name] = (seen.size, seen.modified_ns)
        self.given_up.pop(seen.name, None)
        return found

    def _failed(self, seen: Seen, reason: str) -> None:
        tries = seen.tries + 1
        later = replace(
            seen, tries=tries, retry_at=time.time() + self.options.settle_s * 2.0**tries
        )
        with self._lock:
            current = self._seen.get(seen.name)
            if current is None or current.modified_ns != seen.modified_ns:
                return  # it has changed: that is a new file to wait for
            self._seen[seen.name] = later
        if tries >= RETRIES:
            # a later change brings it back
            self.taken[seen.name] = (seen.size, seen.modified_ns)
            self.given_up[seen.name] = reason
