"""What this machine has: versions, cores, memory, Julia, caches; and warming the kernels."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from itertools import groupby
from multiprocessing import get_context
from time import perf_counter
from typing import TYPE_CHECKING

from physlearn.checks import BackendUnavailable, InputError
from physlearn.plugins import Plugin, list_plugins, load_plugin

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
    "audit": (("cyclonedx-bom", "pip-audit"), "lists and checks what is installed"),
    "bluesky": (("bluesky", "ophyd"), "runs plans on a RunEngine"),
    "cluster": (("dask", "distributed"), "many machines, stacks larger than memory"),
    "formats": (
        ("access2thematrix", "gsd", "gwyfile", "igor2", "rosettasciio", "sparse", "zarr"),
        "vendors' microscope files",
    ),
    "spm": (("SciFiReaders", "spym"), "further probe microscopes' files"),
    "lessons": (("jupyterlab", "jupytext"), "opens the notebooks of papers/"),
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
    table.add_row("cores", f"{_cores()}")
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
    for plugin in list_plugins():
        table.add_row(f"plug-in {plugin.kind}: {plugin.name}", _plugin(plugin))
    table.add_row("kernel cache", _cache_folder())
    data = os.environ.get("PHYSLEARN_DATA_DIR")
    table.add_row("public data", data or "downloaded on first use (PHYSLEARN_DATA_DIR not set)")
    return table


def warm_kernels(progress: Callable[[str, float], None] | None = None) -> float:
    """Run every simulation and every step once on small data, so that kernels are in the cache.

    The runs are shared out among processes, one on each core and at most four.

    Parameters
    ----------
    progress
        Called with what has just run and the finished share, 0 to 1.

    Returns
    -------
    float
        Seconds that it took.

    Notes
    -----
    A step that cannot do its job on the small data has compiled its kernels all the same.
    """
    start = perf_counter()
    parts = _parts()
    total = sum(map(len, parts))
    if progress is not None:
        progress("Compile the kernels", 0.0)
    done = 0
    with get_context("spawn").Pool(min(MOST_PROCESSES, _cores())) as pool:
        for part in pool.imap_unordered(_warm, parts):
            done += len(part)
            if progress is not None:
                progress(f"{done} of {total}: {part[-1]}", done / total)
    return perf_counter() - start


MOST_PROCESSES = 4  # each holds about a gigabyte
DEMO = "the steps of the demo"


def _parts() -> list[list[str]]:
    """Return the calls in parts. Those of one function share kernels: one process makes them."""
    from physlearn.first_calls import FIRST_CALLS

    by_function = groupby(FIRST_CALLS, key=lambda name: name.split()[0])
    return [[DEMO], *(list(names) for _, names in by_function)]  # the longest first


def _warm(part: list[str]) -> list[str]:
    from physlearn.demo import demo_findings
    from physlearn.findings import run_steps
    from physlearn.first_calls import FIRST_CALLS

    for name in part:
        if name == DEMO:
            findings, steps = demo_findings(seed=0, small=True)
            run_steps(steps, findings)
        else:
            FIRST_CALLS[name]()
    return part


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def _plugin(plugin: Plugin) -> str:
    """Return whether a plug-in can be loaded; one that cannot stops nothing else."""
    try:
        load_plugin(plugin.kind, plugin.name)
    except (BackendUnavailable, InputError) as error:
        return f"BROKEN: {error}"
    return f"{plugin.package} ({plugin.value})"


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
