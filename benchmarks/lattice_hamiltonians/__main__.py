"""Measure fits of lattice Hamiltonians: ``python -m benchmarks.lattice_hamiltonians --help``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.lattice_hamiltonians.cases import CASES, Case
from benchmarks.lattice_hamiltonians.peers import beside_other_ways
from benchmarks.monte_carlo.results import (
    RESULTS,
    load_average,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.results import Fit

OUT = RESULTS / "lattice_hamiltonians.json"
N_SMALL, SMALL = 2000, 16
LARGEST_WARM = 10_000
LEAST_DRAWS = 400


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lattice_hamiltonians")
    parser.add_argument("--only", action="append", default=[], help="words of a case's name")
    parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
    parser.add_argument("--no-peers", action="store_true", help="our own fits only")
    parser.add_argument("--quick", action="store_true", help="one picture a case; not for figures")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def measure(case: Case, quick: bool) -> dict[str, Any]:
    """Fit a case's pictures one after the other; return plain numbers."""
    pictures = [case.make(seed) for seed in range(1 if quick else case.pictures)]
    if pictures[0].graph.n_sites <= LARGEST_WARM:  # compiles; large pictures come after small ones
        fit_lattice_hamiltonian(pictures[0], case.n_shells, rng=0, **case.options)
    cpu, wall, fits = [], [], []
    for seed, picture in enumerate(pictures):
        start, started = time.process_time(), time.perf_counter()
        fits.append(fit_lattice_hamiltonian(picture, case.n_shells, rng=seed, **case.options))
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - started)
    effective = [fit.diagnostics.get("effective_draws", np.nan) for fit in fits]
    found: dict[str, Any] = {
        "pictures": len(fits), "cpu_s": statistics.median(cpu), "worst_cpu_s": max(cpu),
        "wall_s": statistics.median(wall), "least_effective_draws": float(np.nanmin(effective)),
        "methods": sorted({str(fit.attrs["likelihood"]) for fit in fits}),
        "warnings": sorted({text for fit in fits for text in fit.warnings}),
        "target_s": case.target_s, "load": load_average(),
    }  # fmt: skip
    if case.truth:
        found |= quality(case, fits)
    return found


def quality(case: Case, fits: Sequence[Fit]) -> dict[str, float]:
    """Return how far posterior means are from the truth, in posterior standard deviations."""
    names = [name for name in ("field", "couplings") if name in fits[0].variables]
    draws = [
        np.concatenate([fit[name].reshape(len(fit[name]), -1) for name in names], axis=1)
        for fit in fits
    ]
    z = np.array([(d.mean(axis=0) - case.truth) / d.std(axis=0) for d in draws])
    return {"rms_z": float(np.sqrt(np.mean(z**2))), "numbers": int(z.size)}


def batch(quick: bool) -> dict[str, Any]:
    """Fit many small labelled pictures through an executor of two processes."""
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    from physlearn.inference import fit_batch
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    n = 40 if quick else N_SMALL
    rng = np.random.default_rng(1)
    graph = square_lattice((SMALL, SMALL))
    truth = rng.uniform([-0.05, 0.0], [0.05, 0.35], (n, 2))
    pictures = [
        simulate_lattice(Ising([coupling], field), graph, burn_in=300, rng=seed)
        for seed, (field, coupling) in enumerate(truth)
    ]
    fit = partial(fit_lattice_hamiltonian, n_shells=1, n_draws=1000)
    started = time.perf_counter()
    with ProcessPoolExecutor(2) as executor:
        found = fit_batch(fit, pictures, executor=executor, rng=1)
    wall = time.perf_counter() - started
    table = found.table
    inside = {}
    for name, column in (("field", 0), ("couplings[1]", 1)):
        rows = table[table["name"] == name]
        low, high = rows["q05"].to_numpy(), rows["q95"].to_numpy()
        inside[name] = float(np.mean((low <= truth[:, column]) & (truth[:, column] <= high)))
    return {
        "pictures": n, "wall_s": wall, "per_picture_s": wall / n, "processes": 2,
        "refused": len(found.refusals), "inside_90": inside, "load": load_average(),
    }  # fmt: skip


def markdown(content: dict[str, Any]) -> str:
    """Return the results as tables."""
    lines = [
        "# Lattice Hamiltonians from snapshots", "", said_surroundings(content["surroundings"]),
        "", "CPU seconds of one thread for the whole call, median over the pictures.", "",
        "| case | pictures | CPU s | worst | target | effective draws, least | method | rms z |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    measured = content["cases"]
    for name, row in [(c.name, measured[c.name]) for c in CASES if c.name in measured]:
        target = row["target_s"]
        few = (
            row["least_effective_draws"] < LEAST_DRAWS
        )  # False where the method has no such number
        fast = target is not None and row["cpu_s"] < target and not few
        met = "" if target is None else f"{target:g} {'met' if fast else 'MISSED'}"
        draws = row["least_effective_draws"]
        draws = "" if np.isnan(draws) else f"{draws:.0f}"
        z = f"{row['rms_z']:.2f} ({row['numbers']})" if "rms_z" in row else ""
        lines.append(
            f"| {name} | {row['pictures']} | {row['cpu_s']:.2f} | {row['worst_cpu_s']:.2f} | {met} "
            f"| {draws} | {', '.join(row['methods'])} | {z} |"
        )
    if found := content["cases"].get("batch"):
        shares = ", ".join(f"{name} {share:.3f}" for name, share in found["inside_90"].items())
        lines += [
            "",
            f"{found['pictures']} pictures of {SMALL}^2 through an executor of "
            f"{found['processes']} processes: {found['wall_s']:.0f} s, "
            f"{1000 * found['per_picture_s']:.0f} ms each; {found['refused']} refused; "
            f"truth inside the 90 % interval: {shares}.",
        ]
    if found := content["cases"].get("peers"):
        lines += [
            "", "Other ways, on the same pictures (square 64^2, J = 0.8 Jc, h = 0.02):", "",
            "| way | seconds a picture | ratio to ours | sd / ours, field | sd / ours, coupling "
            "| shift / our sd, rms | note |", "|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for row in found["rows"]:
            cells = [
                "" if row.get(key) is None else f"{row[key]:.3g}"
                for key in ("seconds", "ratio", "sd_field", "sd_coupling", "shift")
            ]
            lines.append(f"| {row['way']} | {' | '.join(cells)} | {row['note']} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that were asked for, and write the tables after each."""
    asked, console = options(arguments), Console()
    content = read_results(asked.out) if asked.resume else {"cases": {}}
    content["surroundings"] = surroundings()
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        case.name: lambda case=case: measure(case, asked.quick)  # type: ignore[misc]
        for case in CASES
    }
    jobs["batch"] = lambda: batch(asked.quick)
    if not asked.no_peers:
        jobs["peers"] = lambda: beside_other_ways(asked.quick)
    wanted = [name for name in jobs if not asked.only or any(words in name for words in asked.only)]
    for name in wanted:
        if asked.resume and name in content["cases"]:
            continue
        row = jobs[name]()
        content["cases"][name] = row
        console.print(name, {k: v for k, v in row.items() if k != "warnings"})
        if not asked.quick:
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            write_json(asked.out, content)
            asked.out.with_suffix(".md").write_text(markdown(content))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
