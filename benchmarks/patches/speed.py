"""Patches a second on one core, and the memory of a large table."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.patches.disorder import GROUPS
from benchmarks.patches.peers import gradient_histograms
from physlearn.datasets import PatchOptions, describe_patches, make_patch_scene, polar_fourier
from physlearn.datasets.descriptors.polar_fourier import PolarOptions

__all__ = ["SPEED"]

Row = dict[str, Any]
LEAST_RATE, LARGEST_GIGABYTES = 20_000, 1.0
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
MEMORY = """
import sys
import numpy as np, xarray as xr
from physlearn.datasets import PatchOptions, describe_patches
edge, size, overlap = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
def peak():
    # not ru_maxrss: that of the parent process is handed down
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20
rng = np.random.default_rng(0)
small = xr.Dataset({"a": (("y", "x"), rng.normal(size=(128, 128)))})
describe_patches(None, channels=small, patch_size=16.0)
before = peak()
channels = xr.Dataset({name: (("y", "x"), rng.standard_normal((edge, edge), dtype=np.float32))
                       for name in "abcde"})
loaded = peak()
table = describe_patches(
    None, channels=channels, patch_size=size, options=PatchOptions(overlap=overlap)
)
print(table.n_patches, len(table.columns), before, loaded, peak())
"""


def _best_cpu(job: Any, repeats: int) -> float:
    """Return the smallest CPU time of a few runs."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        job()
        times.append(time.process_time() - begun)
    return min(times)


def rates(quick: bool) -> list[Row]:
    """Time 24 by 24 patches: each group of descriptors and all together, one core."""
    sizes = (900,) if quick else (4_000, 20_000)
    rows = []
    for n in sizes:
        made = make_patch_scene(n_patches=n, rng=1)
        picture = made.image
        for name, groups in (
            *((group, (group,)) for group in GROUPS),
            ("all groups", GROUPS),
        ):
            options = PatchOptions(centers=made.centers, descriptors=groups, covariance="pooled")

            def describe(options: PatchOptions = options) -> None:
                describe_patches(picture, patch_size=24.0, options=options)  # noqa: B023

            seconds = _best_cpu(describe, 1 if quick else 2)
            gated = name == "all groups"
            rows.append({
                "what": f"describe_patches with {name}, pooled covariance, {n:,} patches of 24 x "
                "24 pixels",
                "measured": f"{n / seconds:,.0f} patches/s/core",
                "goal": f"{LEAST_RATE:,}" if gated else "",
                "met": bool(n / seconds >= LEAST_RATE) if gated else None,
            })  # fmt: skip
    plain = PolarOptions(covariance="none")
    values = picture.to_numpy()
    seconds = _best_cpu(
        lambda: polar_fourier(values, made.centers, 24, noise="counts", options=plain), 3
    )
    rows.append({
        "what": "polar_fourier alone, without covariance", "goal": f"{LEAST_RATE:,}",
        "measured": f"{n / seconds:,.0f} patches/s/core", "met": bool(n / seconds >= LEAST_RATE),
    })  # fmt: skip
    some = made.stack()[: min(n, 1000)]
    seconds = _best_cpu(lambda: gradient_histograms(some), 1)
    rows.append({
        "what": "scikit-image HOG on the same patches", "goal": "",
        "measured": f"{len(some) / seconds:,.0f} patches/s/core", "met": None,
    })  # fmt: skip
    return rows


def memory(quick: bool) -> list[Row]:
    """Measure the peak of a process that makes a table of 10^5 patches of five channels."""
    rows = []
    cases = ((2536, 8.0, 0.0), (3816, 24.0, 0.5)) if not quick else ((320, 8.0, 0.0),)
    for edge, size, overlap in cases:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(edge), str(size), str(overlap)],
            capture_output=True, text=True, env={**os.environ, **ONE_THREAD}, check=True,
        )  # fmt: skip
        n, k, before, loaded, peak = map(float, done.stdout.split())
        gated = not quick
        rows.append({
            "what": f"{n:,.0f} patches x 5 channels, {size:g} x {size:g} pixels a patch, overlap "
            f"{overlap:g}, float32 channels",
            "measured": f"peak {peak:.2f} GiB ({before:.2f} before the channels, {loaded:.2f} with "
            f"them), {k:.0f} columns",
            "goal": f"under {LARGEST_GIGABYTES:g} GB" if gated else "",
            "met": bool(peak * 1.074 < LARGEST_GIGABYTES) if gated else None,
        })  # fmt: skip
    return rows


SPEED = {"rates": rates, "memory": memory}
