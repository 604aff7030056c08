"""Small versions of every benchmark in ten minutes at most: ``python -m benchmarks.quick``.

Each runs with its own ``--quick``, a few of its cases and a limit of time, into a folder of its
own; benchmarks/results stays as it is. Kernels are printed as ratios to C and to the stored
figures, the others by how many goals their small versions meet: too few worlds to judge by, enough
to see that something broke.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.gather import command_of
from benchmarks.monte_carlo.results import RESULTS, ROOT, load_average

TOTAL_SECONDS = 600.0


@dataclass(frozen=True)
class Small:
    """A benchmark in small: its options, and the seconds it may take."""

    name: str
    options: tuple[str, ...]
    seconds: float = 40.0


def only(*words: str) -> tuple[str, ...]:
    """Options that name cases."""
    return tuple(part for word in words for part in ("--only", word))


KERNELS = (
    "clusters, Wolff, square 64", "clusters, Swendsen-Wang, square 64", "tempering, spin glass 16",
    "fields, Allen-Cahn quartic 256 float64", "kinetics, hops, exclusion only",
)  # fmt: skip
SMALL = (
    Small("monte_carlo", ("--quick", "--no-peers", *only(*KERNELS)), 120.0),
    Small("autocorrelation", ("--quick",), 40.0),
    Small("scaling", ("--quick",), 40.0),
    Small(
        "lattice_calibration",
        ("--only", "square", "--replicates", "4", "--work", "{folder}"),
    ),
    Small("atoms", ("--quick", "--no-peers", *only("isolated, peak 100", "two_species, peak 30"))),
    Small("patches", ("--quick", *only("motifs, peak 20"))),
    Small("lattice_hamiltonians", ("--quick", "--no-peers", *only("J = 0.3 Jc", "J1-J2"))),
    Small("walls", ("--quick", *only("contours"))),
    Small("forces", ("--quick", *only("one snapshot of a liquid"))),
    Small("laws", ("--quick", *only("noise alone, 100 points, 1 variable"))),
    Small("causal", ("--quick", *only("clean, 64 x 64, length 3, 1 given"))),
    Small("planning", ("--quick", *only("fuzzed plans", "plans made bad"))),
)


def run_one(small: Small, folder: Path, limit: float) -> tuple[str, float, bool]:
    """Run one; return what it printed, the seconds, and whether the limit stopped it."""
    options = [option.replace("{folder}", str(folder)) for option in small.options]
    command = [sys.executable, *command_of(small.name).split()[1:], *options]
    command += ["--out", str(folder / f"{small.name}.json")]  # else stored cases are read back
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired as stopped:
        out = stopped.stdout or b""
        text = out.decode(errors="replace") if isinstance(out, bytes) else out
        return text, time.perf_counter() - begun, True
    text = done.stdout + (f"\nFAILED: {done.stderr[-500:]}" if done.returncode else "")
    return text, time.perf_counter() - begun, False


def kernel_lines(folder: Path) -> list[str]:
    """Time of each kernel over C's and over the stored figure of another day or machine."""
    path = folder / "monte_carlo.json"
    if not path.is_file():
        return ["no kernel was measured"]
    now = json.loads(path.read_text())["cases"]
    stored = json.loads((RESULTS / "monte_carlo.json").read_text())["cases"]
    lines = ["| kernel | ns now | / C now | / C stored | now / stored |", "|---|---|---|---|---|"]
    for name, case in now.items():
        ours = case.get("contenders", {}).get("physlearn", {}).get("ns")
        if ours is None:
            lines.append(f"| {name} | not measured | | | |")
            continue
        theirs = case["contenders"].get("C", {}).get("ns")
        then = stored.get(name, {}).get("contenders", {})
        before, c_before = (then.get(who, {}).get("ns") for who in ("physlearn", "C"))
        lines.append(
            f"| {name} | {ours:.3g} | {_ratio(ours, theirs)} | {_ratio(before, c_before)} "
            f"| {_ratio(ours, before)} |"
        )
    return lines


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _ratio(first: float | None, second: float | None) -> str:
    return f"{first / second:.2f}" if first and second else "not recorded"


def main() -> int:
    """Run them in turn until the time is up, then print what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], choices=[s.name for s in SMALL])
    parser.add_argument("--out", type=Path, help="folder of what they print (default: a new one)")
    asked = parser.parse_args()
    folder = asked.out or Path(tempfile.mkdtemp(prefix="physlearn-bench-quick-"))
    folder.mkdir(parents=True, exist_ok=True)
    console, begun, failed = Console(highlight=False), time.perf_counter(), 0
    rows = ["| benchmark | seconds | goals met | missed | stored: met | missed | |"]
    rows.append("|---|---|---|---|---|---|---|")
    for small in SMALL:
        left = TOTAL_SECONDS - (time.perf_counter() - begun)
        if asked.only and small.name not in asked.only:
            continue
        if left < 5:
            rows.append(f"| {small.name} | | | | | | not begun: the ten minutes are over |")
            continue
        text, seconds, stopped = run_one(small, folder, min(small.seconds, left))
        (folder / f"{small.name}.txt").write_text(text)
        failed += "FAILED" in text
        said = "FAILED" if "FAILED" in text else "stopped by its limit" if stopped else ""
        stored, written = (_text(where / f"{small.name}.md") for where in (RESULTS, folder))
        counts = [
            len(re.findall(rf"\b{word}\b[^|]*\|", where))
            for where in (written or text, stored) for word in ("met", "MISSED")
        ]  # fmt: skip
        rows.append(f"| {small.name} | {seconds:.0f} | {' | '.join(map(str, counts))} | {said} |")
        console.print(f"{small.name}: {seconds:.0f} s {said}")
    for line in ["", *kernel_lines(folder), "", *rows, "", f"Load average {load_average()}."]:
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"What they printed: {folder}", soft_wrap=True)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
