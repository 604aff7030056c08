"""Run rows in batches that are kept, and say in one JSON file a row what they found."""

from __future__ import annotations

import json
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ledger.row import Rng, Row
from benchmarks.monte_carlo.results import RESULTS, revision
from physlearn.checks import InputError, NotIdentified
from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.results import Fit, plain_json

LEDGER = RESULTS / "ledger"
FIRST_SEED = 70_000


def row_of(row_id: str) -> Row:
    """The row of an id: what a worker in another process looks up."""
    from benchmarks.ledger.rows import ROWS

    return ROWS[row_id]


def simulate_row(row_id: str, theta: Any, rng: Rng) -> Any:
    """Simulate in a worker."""
    return row_of(row_id).simulate(theta, rng)


def fit_row(row_id: str, data: Any, rng: Rng) -> Any:
    """Fit in a worker."""
    return row_of(row_id).fit(data, rng)


def draw_row(row_id: str, rng: Rng) -> Any:
    """Draw a truth in a worker."""
    return row_of(row_id).draw(rng)


def batch_path(row: Row, folder: Path, batch: int) -> Path:
    """Where a finished batch is kept; another simulation or fit has other files."""
    return folder / f"{row.file}.{row.fingerprint}.{batch:04d}.npz"


def next_batch(row: Row, folder: Path, replicates: int) -> tuple[int, int] | None:
    """Index and size of the first batch that is missing, or was cut short by a smaller goal."""
    for batch in range(-(-replicates // row.batch)):
        path, size = batch_path(row, folder, batch), min(row.batch, replicates - batch * row.batch)
        if not path.exists() or len(CalibrationReport.load(path).status) < size:
            return batch, size
    return None


def is_done(row: Row, out: Path, replicates: int) -> bool:
    """Whether the stored result is of this row and holds so many replicates."""
    held = stored(row, out)
    return held.get("fingerprint") == row.fingerprint and held["replicates"] >= replicates


def stored(row: Row, out: Path) -> dict[str, Any]:
    """The row's JSON; empty where there is none."""
    path = out / f"{row.file}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def run_batch(row: Row, folder: Path, batch: int, n: int, executor: Executor | None) -> None:
    """Run one batch; what Ctrl-C or a kill leaves is taken up by the same command."""
    folder.mkdir(parents=True, exist_ok=True)
    path = batch_path(row, folder, batch)
    report = check_calibration(
        partial(simulate_row, row.id), partial(fit_row, row.id), partial(draw_row, row.id), n,
        variables=row.variables, executor=executor, rng=FIRST_SEED + batch,
        checkpoint=path.with_suffix(f".{n}.part"),
    )  # fmt: skip
    report.save(path)


def gathered(row: Row, folder: Path) -> CalibrationReport | None:
    """Join the batches that are there."""
    paths = sorted(folder.glob(f"{row.file}.{row.fingerprint}.[0-9]*.npz"))
    if not paths:
        return None
    return CalibrationReport.joined([CalibrationReport.load(path) for path in paths])


def store(row: Row, report: CalibrationReport, out: Path) -> dict[str, Any]:
    """Write the row's JSON."""
    table, scores = report.table, report.scores.set_index("variable")
    variables = []
    for name in report.names:
        lines = table[table["variable"] == name].set_index("interval")
        ninety = lines.loc["90 %"]
        variables.append(
            {
                "name": name, "n": int(ninety["n"]), "held90": int(ninety["held"]),
                "cov50": lines.loc["50 %", "coverage"], "cov80": lines.loc["80 %", "coverage"],
                "cov90": ninety["coverage"], "low": ninety["low"], "high": ninety["high"],
                "p90": ninety["p"], "p_ranks": lines.loc["ranks", "p"],
                "z_mean": scores.loc[name, "z_mean"], "z_sd": scores.loc[name, "z_sd"],
                "contraction": scores.loc[name, "contraction"],
            }
        )  # fmt: skip
    content = {
        "id": row.id, "function": row.function, "prior": row.prior, "probe": row.probe,
        "goal": row.replicates, "fingerprint": row.fingerprint, "revision": revision(),
        "first_seed": FIRST_SEED, "batch": row.batch, "replicates": len(report.status),
        "likelihood": _likelihood(row, out), "finished": report.n_finished,
        "refused": report.n_refused, "failed": report.n_failed,
        "flagged": int(report.flagged.sum()),
        "median_s": float(np.median(report.seconds)), "largest_s": float(report.seconds.max()),
        "messages": sorted({text for text in report.messages if text})[:5],
        "variables": variables,
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    said = plain_json(content)
    (out / f"{row.file}.json").write_text(json.dumps(said, indent=1) + "\n")
    return dict(said)


def _likelihood(row: Row, out: Path) -> str:
    """What the fits of the row call their likelihood; empty where the answer is no ``Fit``."""
    held = stored(row, out)
    if held.get("fingerprint") == row.fingerprint:
        return str(held["likelihood"])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        try:
            fit = row.fit(row.simulate(row.draw(rng), rng), rng)
        except (NotIdentified, InputError):
            continue
        return (
            str(fit.attrs["likelihood"]) if isinstance(fit, Fit) else getattr(fit, "likelihood", "")
        )
    return ""


def run_row(
    row: Row, folder: Path, batch: tuple[int, int], executor: Executor | None, out: Path
) -> str:
    """Run a batch and store the row; return one line that says how it went.

    A stored result of the same row with more replicates (its batches lie on another machine) stays
    until the batches here have as many.
    """
    try:
        run_batch(row, folder, *batch, executor)
    except InputError as error:  # all of the first ten fail: the row is wrong, and says so
        return f"{row.id}: {error}"
    report = gathered(row, folder)
    assert report is not None
    if is_done(row, out, len(report.status) + 1):
        return f"{row.id}: {len(report.status)} replicates here; the stored result has more"
    content = store(row, report, out)
    said = ", ".join(f"{one['name']} {one['cov90']:.2f}" for one in content["variables"][:4])
    return (
        f"{row.id}: {content['replicates']} of {row.replicates}, refused {content['refused']}, "
        f"failed {content['failed']}, flagged {content['flagged']}, cov90 {said}, "
        f"{content['median_s']:.2f} s"
    )
