"""What this machine has: versions, cores, memory, Julia, caches; and warming the kernels."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["diagnosis", "warm_kernels"]

LIBRARIES = (
    "numpy", "scipy", "numba", "pandas", "xarray", "networkx", "pymc", "arviz", "dowhy",
    "causal-learn", "pysr", "scikit-image", "scikit-learn", "sympy", "trackpy", "freud-analysis",
    "h5netcdf", "matplotlib",
)  # fmt: skip
EXTRAS = {
    "ase": ("ase", "read and write ASE structures"),
    "formats": ("rsciio", "vendors' microscope files"),
    "spm": ("SciFiReaders", "further probe microscopes' files"),
    "cluster": ("distributed", "runs on a cluster"),
    "instrument": ("bluesky", "plans as bluesky plans"),
}


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
    for extra, (module, purpose) in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        missing = f"absent ({purpose}): pip install 'physlearn\\[{extra}]'"
        table.add_row(f"extra {extra}", "present" if found else missing)
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

    start = perf_counter()
    for index, (name, call) in enumerate(FIRST_CALLS.items()):
        if progress is not None:
            progress(name, 0.5 * index / len(FIRST_CALLS))
        call()
    findings, steps = demo_findings(seed=0, small=True)

    def second_half(title: str, share: float) -> None:
        if progress is not None:
            progress(title, 0.5 + 0.5 * share)

    run_steps(steps, findings, second_half)
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
        return f"MISSING: pip install {name}"


def _cache_folder() -> str:
    given = os.environ.get("NUMBA_CACHE_DIR")
    return given if given else "beside the sources (__pycache__); NUMBA_CACHE_DIR moves it"
