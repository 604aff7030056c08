"""Finders of atoms on the same pictures: physlearn, trackpy, scikit-image, atomap."""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.monte_carlo.peers import Peer, PeerProcess
from benchmarks.monte_carlo.results import load_average
from benchmarks.monte_carlo.twins import AbsentError
from physlearn.datasets import find_atoms, make_benchmark_scene, scene_bounds, score_positions
from physlearn.datasets.columns.column_bounds import ColumnBounds
from physlearn.datasets.synthetic.atom_scenes import BenchmarkScene
from physlearn.datasets.synthetic.score_positions import PositionScore

__all__ = ["PICTURES", "SPEED", "TOOLS", "Picture", "Tool", "close_all", "compare", "pooled"]

Floats = NDArray[np.float64]
COLUMNS = 14
"""Columns along an edge: atomap fits some 40 a second."""


RUNNING: dict[str, PeerProcess] = {}
"""Workers by tool: importing and compiling takes longer than a picture."""


@dataclass(frozen=True)
class Picture:
    """A named set at one peak, and whether the goals for positions hold there."""

    scene: str
    peak: float
    columns: int = COLUMNS
    gated: bool = True

    @property
    def name(self) -> str:
        """What the table calls it."""
        size = "" if self.columns == COLUMNS else f", {self.columns}^2 columns"
        return f"{self.scene}, peak {self.peak:g}{size}"


PICTURES = (
    Picture("isolated", 10), Picture("isolated", 100), Picture("isolated", 1000),
    Picture("two_species", 10), Picture("two_species", 30), Picture("two_species", 100),
    Picture("two_species", 1000),
    Picture("two_species", 100, 30),
    Picture("graphene", 10), Picture("graphene", 100), Picture("graphene", 1000),
    Picture("gain", 100), Picture("drift", 100), Picture("perovskite_polar", 100),
    Picture("stone_wales", 30),
    Picture("haze", 100, gated=False), Picture("tails", 100, gated=False),
    Picture("tilt", 100, gated=False),
)  # fmt: skip
SPEED = Picture("two_species", 100, 100)


@dataclass(frozen=True)
class Tool:
    """Another package's finder, and the thresholds among which the best one is taken."""

    name: str
    package: str
    task: str
    distribution: str
    thresholds: tuple[float, ...]
    default: float
    counts: bool = False  # thresholds are shares of a strong column's counts


TOOLS = (
    Tool("trackpy", "trackpy", "trackpy", "trackpy", (0, 1e-6, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4),
         0, True),
    Tool("scikit-image blob_log + centroid", "trackpy", "blob_log", "scikit-image",
         (0.01, 0.02, 0.04, 0.08, 0.15, 0.2, 0.3), 0.2),
    Tool("scikit-image peak_local_max + centroid", "trackpy", "peak_local_max", "scikit-image",
         (0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6), 0),
    Tool("atomap, 2-D Gaussians", "atomap", "atomap", "atomap", (0.02, 0.05, 0.1, 0.2, 0.4), 0.02),
)  # fmt: skip


def compare(picture: Picture, pictures: int, repeats: int, tools: Sequence[Tool]) -> dict[str, Any]:
    """Return one row a finder; times interleaved, on the first of several pictures."""
    scenes = [
        make_benchmark_scene(
            picture.scene, peak=picture.peak, columns_along_edge=picture.columns, rng=seed
        )
        for seed in range(pictures)
    ]
    bounds = scene_bounds(scenes[0])
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.npy"
        np.save(image, scenes[0].image.values)
        workers: dict[str, PeerProcess] = {}
        default: dict[str, Any] = {}
        for tool in tools:
            try:
                worker = running(tool, told(tool, scenes[0], image))
                default[tool.name] = tune(tool, worker, scenes[0], bounds, image.parent)
                workers[tool.name] = worker
            except AbsentError as error:
                RUNNING.pop(tool.name, None)
                rows[tool.name] = {"absent": str(error)}
        ours = find_atoms(scenes[0].image)  # compiles
        cpu: dict[str, list[float]] = {"physlearn": [], **{name: [] for name in workers}}
        for _ in range(repeats):
            cpu["physlearn"].append(seconds_of_ours(scenes[0]))
            for name, worker in workers.items():
                if not (name.startswith("atomap") and cpu[name]):  # once: it takes seconds
                    cpu[name].append(worker.run()[0])
        scores = [score_positions(ours, scenes[0], bounds=bounds)]
        scores += [score_positions(find_atoms(s.image), s) for s in scenes[1:]]
        rows = {"physlearn": row(scores, cpu["physlearn"]), **rows}
        for name, worker in workers.items():
            score = score_positions(positions(worker, Path(folder)), scenes[0], bounds=bounds)
            rows[name] = row([score], cpu[name]) | default[name]
    rows.update(atomai())
    return {"rows": rows, "gated": picture.gated, "load": load_average()}


def seconds_of_ours(scene: BenchmarkScene) -> float:
    """Return CPU seconds of ``find_atoms``, errors included."""
    start = time.process_time()
    find_atoms(scene.image)
    return time.process_time() - start


def told(tool: Tool, scene: BenchmarkScene, image: Path) -> dict[str, Any]:
    """Return what a tool is told: the picture, true width and spacing, its default threshold."""
    return {
        "image": str(image), "width": scene.width_px, "spacing": scene.spacing_px,
        "threshold": tool.default,
    }  # fmt: skip


def running(tool: Tool, options: dict[str, Any]) -> PeerProcess:
    """Return the tool's worker, told of the picture; it is started where it is not running."""
    if tool.name in RUNNING:
        RUNNING[tool.name].ask({"setup": {"task": tool.task, "options": options}})
    else:
        worker = RUNNING[tool.name] = PeerProcess(Peer(tool.package, tool.task, options))
        worker.version = str(worker.ask({"version": tool.distribution})["version"])
    return RUNNING[tool.name]


def close_all() -> None:
    """End the workers."""
    while RUNNING:
        RUNNING.popitem()[1].close()


def tune(
    tool: Tool, worker: PeerProcess, scene: BenchmarkScene, bounds: ColumnBounds, folder: Path
) -> dict[str, Any]:
    """Set the threshold that finds best; return what the default finds."""
    scale = 2 * np.pi * scene.width_px**2 * float(scene.peaks.max()) if tool.counts else 1.0
    default: dict[str, Any] = {"version": worker.version}
    best, chosen = -np.inf, tool.thresholds[0]
    for threshold in tool.thresholds:
        worker.ask({"threshold": threshold * scale})
        try:
            worker.ask({"rough": 1})
        except AbsentError:  # nothing above the threshold: not every tool takes that
            continue
        found = score_positions(positions(worker, folder), scene, bounds=bounds)
        if threshold == tool.default:
            default |= {
                "default_recall": found.recall, "default_false_share": found.false_share
            }  # fmt: skip
        if found.recall - found.false_share > best:
            best, chosen = found.recall - found.false_share, threshold
    worker.ask({"threshold": chosen * scale})
    return default


def positions(worker: PeerProcess, folder: Path) -> Floats:
    """Return what the worker found last."""
    path = folder / "positions.npy"
    worker.ask({"positions": str(path)})
    return np.asarray(np.load(path), dtype=np.float64)


def row(scores: Sequence[PositionScore], cpu: Sequence[float]) -> dict[str, Any]:
    """Return a finder's figures: scores pooled over pictures, rate on the first."""
    seconds = statistics.median(cpu)
    return {
        **pooled(scores), "cpu_s": seconds, "atoms_per_s": scores[0].n_found / seconds,
        "pictures": len(scores),
    }  # fmt: skip


def pooled(scores: Sequence[PositionScore]) -> dict[str, float]:
    """Return figures of several pictures together."""

    def mean(name: str, weight: str) -> float:
        values = np.array([getattr(score, name) for score in scores], dtype=np.float64)
        weights = np.array([getattr(score, weight) for score in scores], dtype=np.float64)
        good = np.isfinite(values) & (weights > 0)
        return float(np.average(values[good], weights=weights[good])) if good.any() else np.nan

    def root(name: str, weight: str) -> float:
        squares = [getattr(score, name) ** 2 for score in scores]
        weights = [getattr(score, weight) for score in scores]
        good = np.isfinite(squares) & (np.array(weights) > 0)
        if not good.any():
            return float("nan")
        return float(np.sqrt(np.average(np.array(squares)[good], weights=np.array(weights)[good])))

    return {
        "recall": mean("recall", "n_true"), "recall_scored": mean("recall_scored", "n_scored"),
        "false_share": mean("false_share", "n_found"),
        "error_over_bound": root("error_over_bound", "n_scored"), "z_sd": root("z_sd", "n_z"),
        "rmse_px": root("rmse_px", "n_scored"), "n_scored": sum(s.n_scored for s in scores),
    }  # fmt: skip


def atomai() -> dict[str, Any]:
    """Say why AtomAI has no row of figures."""
    if importlib.util.find_spec("torch") is None:
        return {"AtomAI": {"absent": "torch is not in this environment"}}
    return {
        "AtomAI": {
            "absent": "torch is here, but AtomAI ships no network for these pictures to be run "
            "without training"
        }
    }
