"""Figures of benchmarks/results/lattice_calibration.json: ``python docs/figures_calibration.py``.

One figure a study, ``docs/figures/lattice_<study>.png``: left the ranks of the truths, right the
difference of their distribution function from the uniform one, both with their 99 % bands.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from physlearn.inference.calibration.calibration_report import CalibrationReport

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results" / "lattice_calibration.json"
DOTS_PER_INCH = 150


def report_of(study: Mapping[str, Any]) -> CalibrationReport:
    """Return a report that holds the ranks of a results file, and nothing else of it."""
    variables = study["variables"]
    pits = np.array([one["pits"] for one in variables]).T
    n, total = len(pits), study["replicates"]
    status = np.zeros(total, np.int8)
    status[n : n + study["refused"]] = 1
    status[n + study["refused"] :] = 2
    unknown = np.full((total, len(variables)), np.nan)
    table = unknown.copy()
    table[:n] = pits
    held = {
        "labels": np.array([one["name"] for one in variables]), "truth": unknown, "mean": unknown,
        "sd": unknown, "rank": unknown, "pit": table, "n_draws": np.zeros(total, np.int64),
        "status": status, "flagged": np.zeros(total, bool), "seconds": np.zeros(total),
        "message": np.array([""] * total),
    }  # fmt: skip
    return CalibrationReport.from_arrays(held, 0)


def calibration_figure(study: Mapping[str, Any]) -> Figure:
    """Return the figure of one study."""
    figure = report_of(study).plot()
    old = figure.get_suptitle()
    figure.suptitle(f"{study['title']}: {study['prior']}\n{old}", fontsize=9.5, x=0.01, ha="left")
    return figure


def main() -> int:
    """Draw the studies that are asked for, or all that the results file has."""
    console = Console(highlight=False)
    if not RESULTS.exists():
        console.print(f"{RESULTS} is absent: python -m benchmarks.lattice_calibration")
        return 1
    studies = json.loads(RESULTS.read_text())["studies"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="study", help=", ".join(studies))
    parser.add_argument("--out", type=Path, default=HERE / "figures")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.names) - set(studies)):
        parser.error(f"unknown study {', '.join(unknown)}; known: {', '.join(studies)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.names or studies:
        path = chosen.out / f"lattice_{name}.png"
        calibration_figure(studies[name]).savefig(
            path, dpi=DOTS_PER_INCH, metadata={"Software": None}
        )
        console.print(str(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
