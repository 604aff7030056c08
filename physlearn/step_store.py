"""What steps found, kept on the disk: whole or not at all, checked when it is read."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from physlearn.file_lock import alone_with
from physlearn.whole_files import sweep_parts, write_whole

__all__ = [
    "STORE", "KeptStep", "StepStore", "find_kept", "keep_step", "kept_value", "open_store",
    "stored_seed",
]  # fmt: skip

STORE = ".physlearn-cache"
"""Folder beside the studies that it serves."""
FORMAT = "physlearn-step-1"
MOST_BYTES = 4 << 30
"""Size of a store from which on the results that were used longest ago are dropped."""
PAGES = ("report", "live")
"""Parts of the package that show numbers and make none."""
DONE, COULD_NOT = "done", "could not"
TAG_FILE = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Kept results of physlearn's studies; they may be deleted, and are then computed again.\n"
)


@dataclass(frozen=True, slots=True)
class KeptStep:
    """One run of one step.

    Attributes
    ----------
    step
        Its name.
    reads
        What it read (a field of the findings, or ``options.`` and an option) -> its digest.
    written
        Field that it set -> SHA-256 of the file that holds the value.
    status, reason, seconds
        As in `StepNote`.
    """

    step: str
    reads: Mapping[str, str]
    written: Mapping[str, str]
    status: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepStore:
    """A store that this process may write to.

    Attributes
    ----------
    folder
        Where it lies.
    fresh
        Take nothing from earlier runs.
    said
        Sentences for the user: what was damaged, what could not be kept.
    """

    folder: Path
    fresh: bool = False
    said: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Note a sentence for the user, once."""
        if sentence not in self.said:
            self.said.append(sentence)


@contextmanager
def open_store(out: str | os.PathLike[str], *, fresh: bool = False) -> Iterator[StepStore]:
    """Hand out the store of a study, and hold the study's lock as long as it is open.

    Raises
    ------
    InputError
        When another process works on the same study.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "study"
    >>> with open_store(place) as store:
    ...     with open_store(place):
    ...         pass
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: another process writes ...
    """
    final = Path(out).resolve()
    folder = final.parent / STORE
    store = StepStore(folder, fresh)
    try:
        for part in (folder / "steps", folder / "values"):
            part.mkdir(parents=True, exist_ok=True)
        for name, text in (("CACHEDIR.TAG", TAG_FILE), (".gitignore", "*\n")):
            if not (folder / name).exists():
                write_whole(folder / name, text)
    except OSError as error:
        store.say(f"Steps can't be kept: {folder} can't be written to ({error.strerror}).")
        yield store
        return
    busy = (
        f"another process writes {final} right now ({{holder}}); wait for it, or give another out."
    )
    with alone_with(folder / f"{final.name}.lock", busy, keep=True):
        for part in (folder / "steps", folder / "values"):
            sweep_parts(part)
        yield store
        with suppress(OSError):
            _prune(folder)


def stored_seed(store: StepStore, name: str) -> int:
    """Return the seed that a study without one drew the first time, or draw and write it.

    Examples
    --------
    >>> import tempfile
    >>> with open_store(Path(tempfile.mkdtemp()) / "study") as store:
    ...     stored_seed(store, "study") == stored_seed(store, "study")
    True
    """
    from physlearn.checks import as_generator

    path = store.folder / f"{name}.seed"
    with suppress(OSError, ValueError):
        if not store.fresh:
            return int(path.read_text(encoding="utf-8").strip()[:20])
    _, seed = as_generator(None)
    with suppress(OSError):
        write_whole(path, f"{seed}\n")
    return seed


def find_kept(store: StepStore, step: str, digest: Callable[[str], str]) -> KeptStep | None:
    """Return an earlier run of a step that read what it would read now, or None."""
    if store.fresh:
        return None
    for path in sorted((store.folder / "steps").glob(f"{step}-*.json")):
        kept = _read_step(store, path)
        if kept is None or kept.step != step:
            continue
        if all(digest(name) == value for name, value in kept.reads.items()):
            with suppress(OSError):
                for used in (path, *(_value_path(store, one) for one in kept.written.values())):
                    os.utime(used)  # what is used is dropped last
            return kept
    return None


def kept_value(store: StepStore, name: str) -> bytes:
    """Return the bytes of a kept value.

    Raises
    ------
    OSError
        When they are not what was written.
    """
    path = _value_path(store, name)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != name:
        path.unlink(missing_ok=True)
        raise OSError(f"{path.name} has another checksum")
    return content


def keep_step(store: StepStore, run: KeptStep, values: Mapping[str, bytes]) -> None:
    """Write a run of a step and what it set; a disk that refuses is said, and nothing is lost."""
    try:
        written = {}
        for name, content in values.items():
            written[name] = hashlib.sha256(content).hexdigest()
            path = _value_path(store, written[name])
            if store.fresh or not path.is_file() or path.stat().st_size != len(content):
                write_whole(path, content)
        run = replace(run, written=written)
        body = {"format": FORMAT, "made_by": _made_by(), "run": asdict(run)}
        read = json.dumps([run.step, sorted(run.reads.items()), _made_by()])
        name = f"{run.step}-{hashlib.sha256(read.encode()).hexdigest()[:24]}.json"
        write_whole(store.folder / "steps" / name, _signed(body))
    except OSError as error:
        store.say(f"Some steps could not be kept ({error.strerror or error}).")


def _value_path(store: StepStore, name: str) -> Path:
    return store.folder / "values" / f"{name}.zip"


def _signed(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, allow_nan=False)
    return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n".encode()


def _read_step(store: StepStore, path: Path) -> KeptStep | None:
    try:
        checksum, text, _ = path.read_text(encoding="utf-8").split("\n")
        if hashlib.sha256(text.encode()).hexdigest() != checksum:
            raise ValueError("another checksum")
        body = json.loads(text)
        if body["format"] != FORMAT or body["made_by"] != _made_by():
            return None
        run = KeptStep(**body["run"])
        sums = [*run.written.values()]
        known = run.status in (DONE, COULD_NOT) and isinstance(run.reads, dict)
        if not known or not all(re.fullmatch("[0-9a-f]{64}", one) for one in sums):
            raise ValueError("no run of a step")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        store.say(f"A kept step was damaged and is computed again ({path.name}: {error}).")
        with suppress(OSError):
            path.unlink()
        return None
    return run


def _prune(folder: Path) -> None:
    """Drop what was used longest ago, down to the size that a store may have."""
    files = [(path.stat(), path) for path in folder.glob("values/*.zip")]
    total = sum(stat.st_size for stat, _ in files)
    for stat, path in sorted(files, key=lambda pair: pair[0].st_mtime):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= stat.st_size


@cache
def _made_by() -> dict[str, Any]:
    """Return what can change a number: versions of the libraries, the machine, our own code."""
    from physlearn.results import library_versions

    return {
        "versions": library_versions(), "python": platform.python_version(),
        "machine": platform.machine(), "code": _code_digest(),
    }  # fmt: skip


def _code_digest() -> str:
    import physlearn
    from physlearn import causal, datasets, inference, lattice_models

    digest = hashlib.sha256()
    for package in (physlearn, lattice_models, datasets, inference, causal):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).parts[0] not in PAGES:
                digest.update(path.read_bytes())
    return digest.hexdigest()
