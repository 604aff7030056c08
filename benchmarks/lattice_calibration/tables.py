"""The results file of the studies and the table made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lattice_calibration.bounds import BoundRatios
from benchmarks.lattice_calibration.worlds import STUDIES
from benchmarks.monte_carlo.results import surroundings
from physlearn.inference.calibration.calibration_report import FAMILY_ERROR, CalibrationReport
from physlearn.whole_files import atomic_write

Found = Mapping[str, tuple[CalibrationReport, BoundRatios | None]]
DIGITS = 5


def write_tables(found: Found, path: Path) -> None:
    """Write the JSON file and, beside it, its table."""
    content = {
        "surroundings": surroundings(),
        "studies": {name: _study(name, *pair) for name, pair in found.items()},
    }
    for target, text in (
        (path, json.dumps(content, indent=1) + "\n"), (path.with_suffix(".md"), markdown(content))
    ):  # fmt: skip
        with atomic_write(target) as temporary:
            temporary.write_text(text)


def _study(name: str, report: CalibrationReport, bound: BoundRatios | None) -> dict[str, Any]:
    study, table = STUDIES[name], report.table
    variables = []
    for index, label in enumerate(report.names):
        mine = table[table["variable"] == label].set_index("interval")
        score = report.scores.iloc[index]
        variables.append(
            {
                "name": label,
                **{f"coverage {mass}": float(mine.loc[f"{mass} %", "coverage"])
                   for mass in (50, 80, 90)},
                "p ranks": float(mine.loc["ranks", "p"]),
                "smallest p": float(mine["p_holm"].min()),
                "z mean": float(score["z_mean"]), "z sd": float(score["z_sd"]),
                "contraction": float(score["contraction"]),
                "rmse over bound": None if bound is None or not bound.n_attainable
                else float(bound.rms[index]),
                "pits": np.round(report.pits[:, index], DIGITS).tolist(),
            }
        )  # fmt: skip
    return {
        "title": study.title, "picture": study.picture, "prior": study.prior_text,
        "replicates": len(report.status), "goal": study.replicates,
        "finished": report.n_finished, "refused": report.n_refused, "failed": report.n_failed,
        "flagged": int(report.flagged.sum()), "calibrated": report.calibrated,
        "verdict": report.verdict, "messages": sorted({m for m in report.messages if m})[:5],
        "median seconds": float(np.median(report.seconds)),
        "largest seconds": float(report.seconds.max()),
        "attainable": None if bound is None else bound.n_attainable,
        "variables": variables,
    }  # fmt: skip


HEAD = (
    "| study | parameter | replicates (refused, failed, flagged) | cov50 | cov80 | cov90 | ranks p "
    "| adjusted p | z sd | RMSE / bound | s a fit, median (largest) |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def markdown(content: Mapping[str, Any]) -> str:
    """The table, and what each study was."""
    about = content["surroundings"]
    out = [
        "# Calibration of `fit_lattice_hamiltonian` over priors\n",
        "`python -m benchmarks.lattice_calibration` (resumable: `--resume`). Truths from the prior "
        "that the fit is given, one picture each, default options.\n"
        f"cov: share of central intervals that hold the truth. Tests: exact binomial and "
        "simultaneous ECDF bands; adjusted p: the smallest of the parameter's, after Holm over "
        f"the study's table; below {FAMILY_ERROR:g} the study fails. RMSE / bound: root mean "
        "square of (posterior mean - truth) / Cramer-Rao bound of the picture and the prior "
        "together, at truths where the bound is attainable (their number in brackets; its own "
        "relative error is 1 / sqrt(2 n)). Seconds: wall time on a shared machine.\n",
        f"{about['processor']}, revision {about['revision']}, {about['date']}\n",
        HEAD.rstrip("\n"),
    ]
    for study in content["studies"].values():
        for index, one in enumerate(study["variables"]):
            ratio = one["rmse over bound"]
            counts = f"{study['refused']}, {study['failed']}, {study['flagged']}"
            short = f" of {study['goal']}" if study["replicates"] < study["goal"] else ""
            first = index == 0
            many = f"{study['replicates']}{short} ({counts})" if first else ""
            over = "" if ratio is None else f"{ratio:.3f} ({study['attainable']})"
            out.append(
                f"| {study['title'] if first else ''} | {one['name']} | {many} "
                f"| {one['coverage 50']:.3f} | {one['coverage 80']:.3f} | {one['coverage 90']:.3f} "
                f"| {one['p ranks']:.2g} | {one['smallest p']:.2g} | {one['z sd']:.3f} "
                f"| {over} | {_seconds(study) if first else ''} |"
            )
    out.append("\n## What was drawn\n")
    for study in content["studies"].values():
        out.append(f"- **{study['title']}**: {study['picture']}; {study['prior']}. "
                   f"{study['verdict']}")  # fmt: skip
    return "\n".join(out) + "\n"


def _seconds(study: Mapping[str, Any]) -> str:
    return f"{study['median seconds']:.2f} ({study['largest seconds']:.1f})"
