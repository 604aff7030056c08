"""Other ways to the same posterior: naive error bars, exchange sampling, neural networks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lattice_hamiltonians.cases import CRITICAL, ising
from benchmarks.monte_carlo import ONE_THREAD
from benchmarks.monte_carlo.peers import interpreter
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import square_lattice
from physlearn.lattice_models.replicas.pair_replicas import Replicas
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit

__all__ = ["beside_other_ways"]

Float = NDArray[np.float64]
SIZE, SHARE, FIELD = 64, 0.8, 0.02
HALF_WIDTHS = np.array([0.06, 0.08])
N_SIMULATIONS = 6400
PUBLISHED = (
    ("exchange algorithm of bayesImageS (R)", 24.0, "published figure, one coupling only"),
    ("grid of simulations + Bayesian optimisation, adatoms", 432_000.0,
     "published: about 5 core-days, no posterior"),
)  # fmt: skip


def beside_other_ways(quick: bool) -> dict[str, Any]:
    """Fit the same pictures in every way that is here; return rows for the table."""
    make = ising(SIZE, SHARE, FIELD)
    pictures = [make(seed) for seed in range(2 if quick else 6)]
    ours = timed(pictures, lambda p, s: fit_lattice_hamiltonian(p, 1, method="likelihood", rng=s))
    rows = [row("physlearn, likelihood", ours, ours, "")]
    plain = timed(
        pictures, lambda p, s: fit_lattice_hamiltonian(p, 1, method="pseudolikelihood", rng=s)
    )
    rows.append(row("physlearn, pseudolikelihood + sandwich", plain, ours, ""))
    exchange = timed(pictures, lambda p, s: fit_lattice_hamiltonian(p, 1, method="exchange", rng=s))
    rows.append(row("physlearn, exchange algorithm", exchange, ours, "independent check"))
    rows.append(neural(pictures, ours, quick))
    for way, seconds, note in PUBLISHED:
        ratio = seconds / ours["seconds"]
        rows.append({"way": way, "seconds": seconds, "ratio": ratio, "note": note})
    return {"rows": rows}


def timed(
    pictures: list[LatticeSnapshots], fit: Callable[[LatticeSnapshots, int], Fit]
) -> dict[str, Any]:
    """Return CPU seconds a picture, posterior means and standard deviations."""
    fit(pictures[0], 0)
    means, sds, seconds = [], [], []
    for seed, picture in enumerate(pictures):
        start = time.process_time()
        found = fit(picture, seed)
        seconds.append(time.process_time() - start)
        draws = np.column_stack([found["field"], found["couplings"][:, 0]])
        means.append(draws.mean(axis=0))
        sds.append(draws.std(axis=0))
    return {"seconds": float(np.median(seconds)), "mean": np.array(means), "sd": np.array(sds)}


def row(way: str, found: dict[str, Any], ours: dict[str, Any], note: str) -> dict[str, Any]:
    """Return a way's figures relative to ours."""
    spread = np.mean(found["sd"] / ours["sd"], axis=0)
    shift = np.sqrt(np.mean(((found["mean"] - ours["mean"]) / ours["sd"]) ** 2))
    return {
        "way": way, "seconds": found["seconds"], "ratio": found["seconds"] / ours["seconds"],
        "sd_field": float(spread[0]), "sd_coupling": float(spread[1]), "shift": float(shift),
        "note": note,
    }  # fmt: skip


def neural(pictures: list[LatticeSnapshots], ours: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Train a neural posterior on simulations around the truth, in its own environment."""
    python = interpreter("sbi")
    way = "neural posterior estimation (sbi)"
    if not python.exists():
        return {
            "way": way, "note": "absent: python -m benchmarks.monte_carlo.peers setup sbi",
        }  # fmt: skip
    center = np.array([FIELD, SHARE * CRITICAL])
    start = time.process_time()
    theta, seen = simulate(center, 640 if quick else N_SIMULATIONS)
    simulated = time.process_time() - start
    level, scale = seen.mean(axis=0), seen.std(axis=0)
    observed = np.array([sums(p) for p in pictures])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulations.npz"
        np.savez(
            path, theta=(theta - center) / HALF_WIDTHS, statistics=(seen - level) / scale,
            observed=(observed - level) / scale,
        )  # fmt: skip
        script = Path(__file__).resolve().parent / "workers_npe.py"
        answer = Path(folder) / "results.json"
        subprocess.run(
            [python, script, path, answer], capture_output=True, check=True, cwd=folder,
            env={**os.environ, **ONE_THREAD},
        )  # fmt: skip
        found = json.loads(answer.read_text())
    seconds = simulated + found["training_s"] + found["picture_s"]
    spread = {
        "seconds": seconds, "mean": center + HALF_WIDTHS * np.array(found["mean"]),
        "sd": HALF_WIDTHS * np.array(found["sd"]),
    }  # fmt: skip
    return row(
        way, spread, ours,
        f"sbi {found['version']}, {len(theta)} simulations ({simulated:.1f} s), training "
        f"{found['training_s']:.1f} s for this size and prior, then {found['picture_s']:.2f} s a "
        "picture; given the sufficient statistics",
    )  # fmt: skip


def simulate(center: Float, n: int) -> tuple[Float, Float]:
    """Return parameters drawn evenly around ``center`` and statistics of one picture each."""
    rng = np.random.default_rng(1)
    theta = center + HALF_WIDTHS * rng.uniform(-1, 1, (n, 2))
    graph = square_lattice((SIZE, SIZE))
    parts = []
    for first in range(0, n, 64):
        start = rng.choice(np.array([-1, 1]), (graph.n_sites, len(theta[first : first + 64])))
        copies = Replicas(graph, 1, start, start.shape[1], rng)
        copies.sweep(theta[first : first + 64], 400)
        parts.append(copies.statistics())
    return theta, np.concatenate(parts)


def sums(picture: LatticeSnapshots) -> Float:
    """Return sum s and sum over bonds s s' of one picture."""
    graph, states = picture.graph, picture.states[0].astype(np.float64)
    pairs = states[graph.edges[:, 0]] * states[graph.edges[:, 1]]
    return np.array([states.sum(), pairs @ graph.multiplicity])
