"""Measure the peak memory and the time of one stack under a cap: python -m benchmarks.stack walls.

Every measurement is a process of its own whose address space is limited to the cap: whatever would
take more fails there. Results go into benchmarks/results/stack.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.stack.films import MADE, film

RESULTS = Path(__file__).resolve().parents[1] / "results"
GB = 10**9
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def work(kind: str, n_frames: int, edge: int, folder: Path) -> dict[str, Any]:
    """Do it, and return what was found."""
    import dask

    from physlearn import datasets as of

    stack = film(kind, n_frames, edge)
    with dask.config.set(scheduler="synchronous"):
        if kind == "walls":
            track = of.track_walls_in_stack(stack, folder / "walls.nc")
            error = float(track.table["normal_error"].median())
            said = f"walls {len(track.walls)}, point error {error:.3f} px"
            return {"rows": len(track.table), "found": said}
        if kind == "atoms":
            options = of.StackAtomsOptions(noise="poisson", width=2.4)
            found = of.find_atoms_in_stack(stack, folder / "atoms", options)
            few, many = found.n_atoms.min(), found.n_atoms.max()
            return {"rows": int(found.n_atoms.sum()), "found": f"{few} to {many} atoms a frame"}
        options = of.PatchOptions(descriptors=("mean",), covariance="pooled")
        table = of.describe_patches_in_stack(
            stack, folder / "patches.nc", patch_size=edge / 16, options=options
        )
        return {"rows": table.n_patches, "found": f"{len(table.columns)} columns"}


def child(arguments: argparse.Namespace) -> None:
    """Measure in this process, whose address space is limited."""
    cap = int(arguments.cap * GB)
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = work(arguments.kind, arguments.frames, arguments.edge, Path(folder))
    used = resource.getrusage(resource.RUSAGE_SELF)
    found |= {
        "peak_gb": used.ru_maxrss * 1024 / GB, "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.perf_counter() - start,
    }  # fmt: skip
    print(json.dumps(found))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own."""
    n_frames = max(2, round(arguments.gigabytes * GB / (8 * arguments.edge**2)))
    command = [sys.executable, "-m", "benchmarks.stack", arguments.kind, "--child", "--frames",
               str(n_frames), "--edge", str(arguments.edge), "--cap", str(arguments.cap),
               "--folder", arguments.folder]  # fmt: skip
    # one arena: every thread's own would count as address space and hold nothing
    environment = os.environ | ONE_THREAD | {"MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    told = {"kind": arguments.kind, "gb": 8 * arguments.edge**2 * n_frames / GB, "cap_gb":
            arguments.cap, "frames": n_frames, "edge": arguments.edge}  # fmt: skip
    if done.returncode:
        return told | {"found": "failed: " + done.stderr.strip().splitlines()[-1][:200]}
    return told | json.loads(done.stdout.strip().splitlines()[-1])


def keep(row: dict[str, Any]) -> None:
    """Add a row to the results, in the place of one of the same kind and size."""
    path = RESULTS / "stack" / "rows.json"
    path.parent.mkdir(exist_ok=True)
    rows = json.loads(path.read_text()) if path.is_file() else []
    same = ("kind", "frames", "edge", "cap_gb")
    rows = [one for one in rows if any(one[key] != row[key] for key in same)]
    rows = sorted([*rows, row], key=lambda one: (one["kind"], one["gb"]))
    path.write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / "stack" / "table.md").write_text(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a page."""
    lines = [
        "# Stacks larger than the memory", "",
        "Films made block by block when they are read (float64, one frame a block), never stored; "
        "each in a process whose address space is limited. `python -m benchmarks.stack KIND "
        "--gigabytes 20`.", "",
        "| what | stack | frames | cap on address space | peak resident | rows | CPU | found |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        peak = f"{row['peak_gb']:.2f} GB" if "peak_gb" in row else "failed"
        cpu = f"{row['cpu_s']:.0f} s" if "cpu_s" in row else ""
        lines.append(
            f"| {row['kind']} | {row['gb']:.1f} GB | {row['frames']} of {row['edge']} x "
            f"{row['edge']} | {row['cap_gb']:g} GB | {peak} | {row.get('rows', 0):,} | {cpu} | "
            f"{row['found']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(MADE))
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--cap", type=float, default=4.0, help="address space, in GB")
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument(
        "--folder", default=tempfile.gettempdir(), help="for what is kept meanwhile"
    )
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    row = measure(arguments)
    keep(row)
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
