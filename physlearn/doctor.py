"""What this machine has: versions, cores, memory, Julia, caches; and warming the kernels."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["diagnosis", "warm_kernels"]

PIP = f"{sys.executable} -m pip install"
"""Packages are named one by one: the name physlearn on PyPI belongs to other people's package."""

LIBRARIES = (
    "numpy", "scipy", "numba", "pandas", "xarray", "networkx", "pymc", "arviz", "dowhy",
    "causal-learn", "pysr", "scikit-image", "scikit-learn", "sympy", "trackpy", "freud-analysis",
    "h5netcdf", "matplotlib",
)  # fmt: skip
EXTRAS = {
    "ase": (("ase",), "read and write ASE structures"),
    "formats": (
        ("access2thematrix", "gsd", "gwyfile", "igor2", "rosettasciio", "sparse", "zarr"),
        "vendors' microscope files",
    ),
    "spm": (("SciFiReaders", "spym"), "further probe microscopes' files"),
    "lessons": (("jupyterlab",), "opens the notebooks of papers/"),
    "operon": (("pyoperon",), "a second engine of symbolic regression"),
    "sindy": (("pysindy",), "compares laws with PySINDy's"),
    "video": (("av",), "MP4, MOV, AVI and MKV films"),
}
"""Extra of pyproject.toml -> the packages it brings, and what for."""


def diagnosis() -> Table:
    """Return a table of what is installed and where caches lie.

    Examples
    --------
    >>> diagnosis().row_count > 10
    True
    """
    from rich.table import Table

    from physlearn import __version__

    table = Table("What", "Found", title=f"physlearn {__version__}", title_justify="left")
    table.add_row("Python", f"{sys.version.split()[0]} ({sys.executable})")
    table.add_row(
        "cores",
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}",
    )
    table.add_row("memory", _memory())
    for name in LIBRARIES:
        table.add_row(name, _library(name))
    julia = shutil.which("julia")
    table.add_row(
        "Julia",
        julia or "absent: PySR needs it (https://julialang.org); the built-in engine does not",
    )
    for extra, (packages, purpose) in EXTRAS.items():
        table.add_row(f"extra {extra}", _extra(packages, purpose))
    table.add_row("kernel cache", _cache_folder())
    data = os.environ.get("PHYSLEARN_DATA_DIR")
    table.add_row("public data", data or "downloaded on first use (PHYSLEARN_DATA_DIR not set)")
    return table


def warm_kernels(progress: Callable[[str, float], None] | None = None) -> float:
    """Run every simulation and every step once on small data, so that kernels are in the cache.

    Parameters
    ----------
    progress
        Called with what is about to run and the finished share, 0 to 1.

    Returns
    -------
    float
        Seconds that it took.

    Notes
    -----
    A step that cannot do its job on the small data has compiled its kernels all the same.
    """
    from physlearn.demo import demo_findings
    from physlearn.findings import run_steps
    from physlearn.first_calls import FIRST_CALLS

    def say(index: int, title: str) -> None:
        if progress is not None:
            progress(f"{index + 1} of {total}: {title}", index / total)

    start = perf_counter()
    if progress is not None:
        progress("Make the small data", 0.0)
    findings, steps = demo_findings(seed=0, small=True)
    total = len(FIRST_CALLS) + len(steps)
    for index, (name, call) in enumerate(FIRST_CALLS.items()):
        say(index, name)
        call()
    titles = count(len(FIRST_CALLS))
    run_steps(steps, findings, lambda title, share: say(next(titles), title) if share < 1 else None)
    return perf_counter() - start


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def _library(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"MISSING: {PIP} {name}"


def _extra(packages: tuple[str, ...], purpose: str) -> str:
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return f"present ({purpose})"
    some = "absent" if len(missing) == len(packages) else f"without {', '.join(missing)}"
    return f"{some} ({purpose}): {PIP} {' '.join(missing)}"


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cache_folder() -> str:
    from physlearn.lattice_models.compiled import FOLDER_VARIABLE, cache_folder

    folder = cache_folder()
    if folder is None:
        return f"nowhere: no folder can be written to; {FOLDER_VARIABLE} names one"
    if folder.name == "__pycache__":
        return f"beside the sources ({folder} and its like); {FOLDER_VARIABLE} moves it"
    return f"{folder.parent}; {FOLDER_VARIABLE} moves it"
