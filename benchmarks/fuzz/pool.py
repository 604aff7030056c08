"""Damaged files read in forked processes with a cap on memory and time, and watched."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.formats import Format
from benchmarks.fuzz.mutate import mutate_file

__all__ = ["Outcome", "one_case", "run_cases"]

MEMORY_BYTES = 4 << 30
GROWTH_BYTES = 1 << 30
CPU_SECONDS = 10
WALL_SECONDS = 240
BATCH = 40
LONGEST_SENTENCE = 700
FORBIDDEN = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect",
    "socket.getaddrinfo", "urllib.Request",
)  # fmt: skip
RUNS = ("posix", "nt", "os", "builtins", "subprocess")
"""Modules that pickles of attackers name; libraries read kept code of their own by pickle."""


@dataclass(frozen=True)
class Outcome:
    """What reading one damaged file came to.

    ``kind``: read, refused, or a defect: error (not one of ours), unclear (no sentence), memory,
    hang, killed (by a signal), escape (opened, wrote or ran what it must not).
    """

    number: int
    kind: str
    damage: str
    said: str = ""


def _vm_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _inside(path: str, folder: Path) -> bool:
    return path.startswith(str(folder))


def _watch(folder: Path, seen: list[str]) -> None:
    """Note what a reader of files never has a reason to do."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN or (event == "pickle.find_class" and arguments[0] in RUNS):
            seen.append(f"{event} {arguments[:2]!r}"[:200])
        elif event == "open":
            path, mode = arguments[0], arguments[1]
            flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT
            )
            if not isinstance(path, str | bytes | os.PathLike):
                return
            name = os.path.realpath(os.fsdecode(path))
            if name.startswith(("/etc/passwd", "/etc/shadow")) or (
                writes and not _inside(name, folder)
                and not name.startswith(("/dev/", "/proc/"))
                and ".nbi" not in name and ".nbc" not in name and "__pycache__" not in name
            ):  # fmt: skip
                seen.append(f"open {name} {mode}"[:200])

    sys.addaudithook(hook)


def one_case(form: Format, sources: list[Path], number: int, seed: int, folder: Path) -> Outcome:
    """Damage one file of a format and read it, in this process."""
    rng = np.random.default_rng([seed, zlib.crc32(form.name.encode()), number])
    source = sources[int(rng.integers(len(sources)))]
    other = sources[int(rng.integers(len(sources)))]
    target = folder / (form.fixed_name or f"f{number}{''.join(form.suffixes(source))}")
    splice = other.read_bytes() if other.is_file() else b"\x00\xff" * 50
    try:
        damage = mutate_file(source, target, rng, splice, form.sign, form.structured)
    except Exception as error:  # a library that refuses to write such a thing
        damage = f"none ({type(error).__name__})"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kind, said = "read", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            form.read(target)
    except form.refusals() as error:
        kind, said = "refused", str(error)
        if "\n" in said.strip() or len(said) > LONGEST_SENTENCE or not said.strip():
            kind = "unclear"
    except MemoryError as error:
        kind, said = "memory", f"MemoryError {error} {_where(error)}"
    except Exception as error:
        kind, said = "error", f"{type(error).__name__}: {str(error)[:200]} {_where(error)}"
    finally:
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > GROWTH_BYTES and kind in ("read", "refused"):
        kind, said = "memory", f"grew by {grown / 1e9:.1f} GB; {said}"
    return Outcome(number, kind, damage, said)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/fuzz/" not in f.filename]
    said = [f"{Path(f.filename).name}:{f.lineno}" for f in (ours[:4] + ours[-3:])]
    return "at " + " > ".join(dict.fromkeys(said))


def _child(form: Format, sources: list[Path], numbers: list[int], seed: int, pipe: int) -> None:
    """Read a batch of damaged files; say before each which one it is, and after what came."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
    limit = _vm_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    if "dask" in sys.modules:  # its threads stayed behind in the parent: the child would wait
        sys.modules["dask"].config.set(scheduler="synchronous")
    gc.freeze()  # what the parent holds is not looked through, and so not copied
    seen: list[str] = []
    _watch(folder, seen)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    for number in numbers:
        used = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + CPU_SECONDS + 1, hard))
        signal.alarm(WALL_SECONDS)  # one that waits for ever ends, even where nobody watches it
        os.write(pipe, f"{json.dumps({'begun': number, 'folder': str(folder)})}\n".encode())
        found = one_case(form, sources, number, seed, folder)
        kind, said = found.kind, found.said
        if seen:
            kind, said = "escape", "; ".join(seen[:4])
            seen.clear()
        row = {"n": number, "kind": kind, "damage": found.damage, "said": said[:400],
               "s": time.process_time() - used}  # fmt: skip
        os.write(pipe, f"{json.dumps(row)}\n".encode())
        if number % 10 == 9:
            gc.collect()
    shutil.rmtree(folder, ignore_errors=True)


def _batch(form: Format, sources: list[Path], numbers: list[int], seed: int) -> list[Outcome]:
    """Return the outcomes of a batch; fewer than asked for where a process ended early."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            _child(form, sources, numbers, seed, write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    found: list[Outcome] = []
    current, held, late, folder = numbers[0], b"", False, ""
    while True:
        ready, _, _ = select.select([read_end], [], [], WALL_SECONDS + 5)
        if not ready:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        piece = os.read(read_end, 65536)
        if not piece:
            break
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            row = json.loads(line)
            if "begun" in row:
                current, folder = row["begun"], row["folder"]
            else:
                found.append(Outcome(row["n"], row["kind"], row["damage"], row["said"]))
                current = -1
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    if current >= 0 and len(found) < len(numbers):
        number = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "exit"
        hang = late or number in ("SIGXCPU", "SIGALRM")
        found.append(Outcome(current, "hang" if hang else "killed", "", number))
    return found


def run_cases(
    form: Format, sources: list[Path], first: int, last: int, seed: int
) -> Iterator[list[Outcome]]:
    """Read the damaged files ``first`` to ``last`` of a format, in batches."""
    place = first
    while place < last:
        numbers = list(range(place, min(place + BATCH, last)))
        found = _batch(form, sources, numbers, seed)
        if not found:
            raise RuntimeError(f"the process of {form.name} {place} ended without a word")
        place = found[-1].number + 1
        yield found
