"""Run the studies, or some: ``python -m benchmarks.lattice_calibration --help``.

Replicates come in batches, each with its own seed; a finished batch is kept in the work folder and
a stopped run goes on from there with ``--resume``. The table is written anew after every batch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.lattice_calibration.bounds import BoundRatios, bound_ratios
from benchmarks.lattice_calibration.tables import write_tables
from benchmarks.lattice_calibration.worlds import STUDIES, Study
from benchmarks.monte_carlo.results import RESULTS
from benchmarks.monte_carlo.twins import cache_folder
from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.results import Fit

N_DRAWS = 2000
FIRST_SEED = 20_000


def fit_picture(study: Study, snapshots: Any, rng: np.random.Generator) -> Fit:
    """The fit as a user calls it."""
    options: Mapping[str, Any] = dict(study.options)
    if options["prior"] == "uniform around the transition":
        import pymc

        options = {
            "prior": {
                "field": pymc.Uniform.dist(-0.02, 0.02), "couplings": pymc.Uniform.dist(0.36, 0.45)
            }
        }  # fmt: skip
    return fit_lattice_hamiltonian(snapshots, study.n_shells, n_draws=N_DRAWS, rng=rng, **options)


def batch_path(folder: Path, name: str, batch: int) -> Path:
    """Where a finished batch is kept."""
    return folder / f"{name}_{batch:04d}.npz"


def run_batch(folder: Path, name: str, batch: int, n: int) -> None:
    """Run one batch of replicates; Ctrl-C keeps what is done for the same command."""
    study = STUDIES[name]
    report = check_calibration(
        study.simulate, partial(fit_picture, study), study.draw, n,
        rng=FIRST_SEED + batch, checkpoint=folder / f"{name}_{batch:04d}.part",
    )  # fmt: skip
    report.save(batch_path(folder, name, batch))
    if study.attainable is not None:
        ratios = bound_ratios(study, report, FIRST_SEED + batch)
        np.save(folder / f"{name}_{batch:04d}_bound.npy", ratios.errors)


def gather(folder: Path, name: str) -> tuple[CalibrationReport, BoundRatios | None] | None:
    """Join all batches of a study that are there."""
    paths = sorted(folder.glob(f"{name}_[0-9]*.npz"))
    if not paths:
        return None
    report = CalibrationReport.joined([CalibrationReport.load(path) for path in paths])
    bounds = [path.with_name(path.stem + "_bound.npy") for path in paths]
    errors = [np.load(path) for path in bounds if path.exists()]
    if STUDIES[name].attainable is None or not errors:
        return report, None
    joined = np.concatenate(errors)
    return report, BoundRatios(joined, len(joined))


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lattice_calibration")
    parser.add_argument("--only", action="append", choices=list(STUDIES), help="may be repeated")
    parser.add_argument("--replicates", type=int, help="of each study (default: 1000, or 400)")
    parser.add_argument("--resume", action="store_true", help="keep the batches that are there")
    parser.add_argument("--minutes", type=float, help="begin no batch after so long")
    parser.add_argument("--table", action="store_true", help="only write the tables")
    parser.add_argument("--work", type=Path, help="folder of batches (default: in the cache)")
    parser.add_argument("--out", type=Path, default=RESULTS / "lattice_calibration.json")
    return parser.parse_args()


def main() -> int:
    """Run batch after batch, all studies in turn, so that a stopped run has some of each."""
    chosen, console = options(), Console(highlight=False)
    folder: Path = chosen.work or cache_folder() / "lattice_calibration"
    folder.mkdir(parents=True, exist_ok=True)
    names = chosen.only or list(STUDIES)
    if not (chosen.resume or chosen.table):
        for name in names:
            for path in folder.glob(f"{name}_[0-9]*"):
                path.unlink()
    end = np.inf if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
    batch, left = 0, set() if chosen.table else set(names)
    while left:
        for name in [name for name in names if name in left]:
            size, goal = STUDIES[name].batch, chosen.replicates or STUDIES[name].replicates
            first = batch * size
            if first >= goal or time.monotonic() > end:
                left.discard(name)
            elif not batch_path(folder, name, batch).exists():
                began = time.monotonic()
                run_batch(folder, name, batch, min(size, goal - first))
                write(folder, chosen.out)
                took = time.monotonic() - began
                console.print(f"{name}: {min(first + size, goal)} of {goal} ({took:.0f} s)")
        batch += 1
    write(folder, chosen.out)
    return 0


def write(folder: Path, out: Path) -> None:
    """Write the tables of all batches that are there."""
    found = {name: gather(folder, name) for name in STUDIES}
    write_tables({name: pair for name, pair in found.items() if pair is not None}, out)


if __name__ == "__main__":
    raise SystemExit(main())
