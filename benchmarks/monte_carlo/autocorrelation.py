"""CPU time per independent sample of each method at the critical point of the square Ising model.

``python -m benchmarks.monte_carlo.autocorrelation`` prints, for energy and absolute magnetization,
how many sweeps one independent sample takes (1 + 2 sum of the autocorrelation, Sokal's window) and
how many milliseconds of one core, and by how many standard errors the energy misses Kaufman's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.monte_carlo.results import RESULTS, said_surroundings, surroundings, write_json
from benchmarks.monte_carlo.twins import cache_folder
from physlearn.lattice_models.chain_statistics import autocorrelation_time
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.graphs.regular_lattices import square_lattice
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing
from physlearn.lattice_models.samplers.engines import make_engine
from physlearn.lattice_models.samplers.multispin import MultispinIsing

CRITICAL = float(np.log1p(np.sqrt(2.0)) / 2)
SIZES = (32, 64, 128)
N_CHAINS, CLUSTER_SAMPLES, LOCAL_SAMPLES = 4, 40_000, 20_000  # samples of each chain
TIMED_SECONDS = 0.3


Maker = Callable[[int, int], Any]  # of size and seed


def by_name(method: str) -> Maker:
    """Maker of an engine that ``simulate_lattice`` offers."""

    def make(size: int, seed: int) -> Any:
        start = np.ones(size**2, np.int8)
        graph, rng = square_lattice((size, size)), np.random.default_rng(seed)
        return make_engine(method, Ising([CRITICAL]), graph, start, rng)

    return make


def checkerboard(method: str) -> Maker:
    """Maker of the checkerboard sampler with one single-site rule."""
    return lambda size, seed: CheckerboardIsing(
        (size, size), CRITICAL, start=np.ones(size**2), method=method, rng=seed
    )


def multispin(size: int, seed: int) -> Any:
    """The multi-spin sampler, Metropolis here."""
    return MultispinIsing((size, size), CRITICAL, start=np.ones(size**2), rng=seed)


# method -> maker, sizes, sweeps between samples over (L / 32)^2
METHODS: dict[str, tuple[Maker, tuple[int, ...], int]] = {
    "Wolff": (by_name("wolff"), SIZES, 0),
    "Swendsen-Wang": (by_name("swendsen_wang"), SIZES, 0),
    "checkerboard heat bath": (checkerboard("heat_bath"), SIZES, 6),
    "checkerboard Metropolis": (checkerboard("metropolis"), SIZES, 4),
    "multi-spin Metropolis": (multispin, (128,), 4),
    "heat bath, any graph": (by_name("heat_bath"), (32,), 6),
    "Metropolis, any graph": (by_name("metropolis"), (32,), 6),
}


def trace(
    engine: Any, size: int, n_samples: int, spacing: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy per site in J and absolute magnetization of successive samples."""
    energies, magnetizations = np.empty(n_samples), np.empty(n_samples)
    engine.sweep(max(200, n_samples * spacing // 20))
    for sample in range(n_samples):
        engine.sweep(spacing)
        grid = engine.states().reshape(size, size)
        bonds = np.sum(grid[1:] * grid[:-1], dtype=np.int64) + np.sum(grid[0] * grid[-1])
        bonds += np.sum(grid[:, 1:] * grid[:, :-1], dtype=np.int64)
        bonds += np.sum(grid[:, 0] * grid[:, -1])
        energies[sample] = -bonds / size**2
        magnetizations[sample] = abs(grid.mean(dtype=np.float64))
    return energies, magnetizations


def sweep_milliseconds(engine: Any) -> float:
    """CPU time of one sweep: median of five."""
    n, used = 1, 0.0
    while used < TIMED_SECONDS / 10:
        n *= 2
        begun = time.process_time()
        engine.sweep(n)
        used = time.process_time() - begun
    n = max(1, round(n * TIMED_SECONDS / 5 / used))
    times = []
    for _ in range(5):
        begun = time.process_time()
        engine.sweep(n)
        times.append(1e3 * (time.process_time() - begun) / n)
    return float(np.median(times))


def row(method: str, size: int, share: float) -> dict[str, Any]:
    """Measure one method on one lattice; ``share`` shortens it."""
    make, _, per_area = METHODS[method]
    spacing = max(1, per_area * size**2 // 32**2)
    n_samples = int(share * (LOCAL_SAMPLES if per_area else CLUSTER_SAMPLES))
    milliseconds = sweep_milliseconds(make(size, 0))
    found: dict[str, Any] = {"method": method, "size": size, "sweep_ms": milliseconds}
    chains = [trace(make(size, 1 + k), size, n_samples, spacing) for k in range(N_CHAINS)]
    energies, magnetizations = (np.array([chain[k] for chain in chains]) for k in (0, 1))
    for name, values in (("energy", energies), ("magnetization", magnetizations)):
        samples = autocorrelation_time(values)
        found[name] = {
            "sweeps": samples * spacing, "ms": samples * spacing * milliseconds,
            # Madras & Sokal 1988, doi:10.1007/BF01022990, with a window of 5 tau
            "relative_error": float(np.sqrt(10.0 * samples / values.size)),
        }  # fmt: skip
    error = energies.std() * np.sqrt(found["energy"]["sweeps"] / spacing / energies.size)
    exact = kaufman_torus((size, size), CRITICAL).energy / size**2 / CRITICAL
    found["energy_z"] = float((energies.mean() - exact) / error)
    return found


def printed(rows: list[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Heading and rows of the table."""
    table = [
        ("L", "method", "µs/sweep", "sweeps: E", "ms: E", "sweeps: abs M", "ms: abs M", "z of E")
    ]
    for each in sorted(rows, key=lambda each: (each["size"], each["magnetization"]["ms"])):
        cells = [str(each["size"]), each["method"], f"{1e3 * each['sweep_ms']:.3g}"]
        for name in ("energy", "magnetization"):
            part = each[name]
            error = part["relative_error"] * part["sweeps"]
            cells += [f"{part['sweeps']:.3g} ± {error:.1g}", f"{part['ms']:.2g}"]
        table.append((*cells, f"{each['energy_z']:+.1f}"))
    return table


def markdown(rows: list[Mapping[str, Any]]) -> str:
    """The table for the documentation."""
    lines = [f"| {' | '.join(cells)} |" for cells in printed(rows)]
    lines.insert(1, "|" + "---|" * len(printed(rows)[0]))
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo.autocorrelation")
    parser.add_argument("--quick", action="store_true", help="L = 32, a tenth of the samples")
    parser.add_argument("--only", action="append", default=[], choices=list(METHODS))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    sizes, share, out = SIZES, 1.0, chosen.out or RESULTS / "autocorrelation.json"
    if chosen.quick:
        sizes, share = (32,), 0.1
        out = chosen.out or cache_folder() / "quick_autocorrelation.json"
    console = Console(width=None if sys.stdout.isatty() else 120)
    content: dict[str, Any] = {"surroundings": surroundings(), "rows": []}
    for method in chosen.only or METHODS:
        for size in METHODS[method][1]:
            if size in sizes:
                with console.status(f"{method}, L = {size}"):
                    content["rows"].append(row(method, size, share))
                write_json(out, content)
    table = Table(*printed(content["rows"])[0])
    for cells in printed(content["rows"])[1:]:
        table.add_row(*cells)
    console.print(table)
    out.with_suffix(".md").write_text(markdown(content["rows"]))
    console.print(said_surroundings(content["surroundings"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
