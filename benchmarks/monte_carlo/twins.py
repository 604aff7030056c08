"""C twins: compile ``c_twins/<name>.c`` with what a C programmer would use, once per source."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TWINS = Path(__file__).parent / "c_twins"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


class AbsentError(Exception):
    """A contender that cannot run here; the message says why. It becomes a row of the table."""


class AbsentFunction:
    """Stands where a C function would; takes ``argtypes`` and ``restype``, refuses to be called."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.argtypes: Sequence[Any] = ()
        self.restype: Any = None

    def __call__(self, *_: object) -> Any:
        raise AbsentError(self.reason)


class AbsentLibrary:
    """Stands where a C library would, so that the other contenders of a case still run."""

    def __init__(self, reason: str) -> None:
        self.__dict__["reason"] = reason

    def __getattr__(self, name: str) -> AbsentFunction:
        function = AbsentFunction(self.__dict__["reason"])
        self.__dict__[name] = function
        return function


def compiler() -> str | None:
    """Path of the C compiler: ``CC``, else gcc, cc or clang, whichever is there first."""
    wanted = os.environ.get("CC")
    names = (wanted,) if wanted else ("gcc", "cc", "clang")
    return next((found for name in names if (found := shutil.which(name))), None)


@functools.cache
def compiler_version(path: str) -> str:
    """First line of ``--version``."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


@functools.cache
def processor() -> str:
    """Name of the processor; -march=native makes a library fit for this one only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cache_folder() -> Path:
    """Where compiled twins lie: outside the repository (``PHYSLEARN_BENCHMARKS_CACHE``)."""
    given = os.environ.get("PHYSLEARN_BENCHMARKS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "physlearn-benchmarks"


def compile_c(
    name: str, flags: Sequence[str] = (), folder: Path = TWINS
) -> ctypes.CDLL | AbsentLibrary:
    """Compile ``<folder>/<name>.c`` (unless that was done before) and load it.

    Without a compiler what returns is a library whose functions raise `AbsentError` when called, so
    that the row says so and the rest of the case runs. A source that does not compile is an error.

    Parameters
    ----------
    name
        Of the source file, without ``.c``.
    flags
        After ``-O3 -march=native -shared -fPIC``, e.g. ``("-mprefer-vector-width=512",)`` or
        ``("-lm",)``.
    folder
        Of the source; headers (``*.h``) beside it count for the hash.
    """
    source = folder / f"{name}.c"
    text = b"".join(path.read_bytes() for path in (source, *sorted(folder.glob("*.h"))))
    path = compiler()
    if path is None:
        return AbsentLibrary(f"no C compiler for {name}.c: install gcc or clang, or set CC to one")
    about = "\n".join((compiler_version(path), processor(), *FLAGS, *flags)).encode()
    digest = hashlib.sha256(about + b"\n" + text).hexdigest()[:16]
    library = cache_folder() / "twins" / f"{name}-{digest}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}.part")
        try:
            done = subprocess.run(
                [path, *FLAGS, "-o", part, source, *flags, "-lm"], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"{source.name} does not compile:\n{done.stderr.strip()}")
            part.replace(library)
        finally:
            part.unlink(missing_ok=True)
    return ctypes.CDLL(str(library))
