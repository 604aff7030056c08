"""Fill the ledger, or a part of it: ``python -m benchmarks.ledger --help``.

Replicates come in batches; a batch that is done is kept (``--work``), so that the same command goes
on where it was stopped. Cheap rows come first. After every batch the row's JSON is written, at the
end the table of docs/calibration.md and the marks of estimators outside their bands.
"""

from __future__ import annotations

import argparse
import fnmatch
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.ledger.row import Row
from benchmarks.ledger.rows import ROWS
from benchmarks.ledger.runs import LEDGER, batch_path, is_done, next_batch, run_row
from benchmarks.ledger.tables import write_marks, write_page
from benchmarks.monte_carlo.twins import cache_folder
from physlearn.executors import open_workers

QUICK = 12
COUNTED = ("threads", "processes", "dask")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger")
    parser.add_argument("--absent", action="store_true", help="only rows without a result")
    parser.add_argument(
        "--again", action="store_true", help="from nothing, as after a change of an estimator"
    )
    parser.add_argument("--rows", default="*", help="names with *, by commas (default: all)")
    parser.add_argument("--minutes", type=float, help="begin no batch after so long")
    parser.add_argument("--replicates", type=int, help="of each row (default: 200, slow ones 100)")
    parser.add_argument(
        "--executor", default="serial", help="serial, threads, processes, dask, dask:ADDRESS"
    )
    parser.add_argument("--workers", type=int, default=2, help="of threads, processes and dask")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} replicates a row, own file")
    parser.add_argument("--table", action="store_true", help="only write the table and the marks")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--work", type=Path, help="folder of batches (default: in the cache)")
    parser.add_argument("--out", type=Path, help="folder of the rows' results")
    return parser.parse_args()


def in_order(rows: list[Row], folder: Path, goal: int | None) -> Iterator[tuple[Row, int, int]]:
    """One batch of every row, cheap ones first and probes later; then what is missing."""
    ordered = sorted(rows, key=lambda row: row.seconds * (2 if row.probe else 1))
    for first in (True, False):
        for row in ordered:
            asked = goal or row.replicates
            batch = next_batch(row, folder, min(row.batch, asked) if first else asked)
            while batch is not None:
                yield row, *batch
                later = next_batch(row, folder, asked)
                # the same batch again: the row is wrong, and said so
                batch = None if first or later == batch else later


def forget(rows: list[Row], folder: Path, out: Path) -> None:
    """Delete the batches and results of rows."""
    for row in rows:
        for path in folder.glob(batch_path(row, folder, 0).name.replace("0000.npz", "*")):
            path.unlink()
        (out / f"{row.file}.json").unlink(missing_ok=True)


def main() -> int:
    """Run, and write."""
    chosen, console = options(), Console(highlight=False)
    globs = chosen.rows.split(",")
    rows = [row for row in ROWS.values() if any(fnmatch.fnmatch(row.id, one) for one in globs)]
    if chosen.list:
        for row in rows:
            console.print(f"{row.id}: {row.function}, {row.replicates} x {row.seconds:g} s")
        return 0
    folder: Path = chosen.work or cache_folder() / ("ledger_quick" if chosen.quick else "ledger")
    out: Path = chosen.out or (folder if chosen.quick else LEDGER)
    if chosen.absent:
        rows = [row for row in rows if not (out / f"{row.file}.json").exists()]
    goal = chosen.replicates or (QUICK if chosen.quick else None)
    if chosen.again and not chosen.table:
        forget(rows, folder, out)
    rows = [row for row in rows if not is_done(row, out, goal or row.replicates)]
    end = time.monotonic() + 60 * (chosen.minutes or float("inf"))
    kind = chosen.executor
    with open_workers(f"{kind}:{chosen.workers}" if kind in COUNTED else kind) as workers:
        for row, batch, n in () if chosen.table else in_order(rows, folder, goal):
            if time.monotonic() > end:
                break
            console.print(run_row(row, folder, (batch, n), workers.executor, out), soft_wrap=True)
    if not chosen.quick and out == LEDGER:
        write_page(LEDGER)
        write_marks(LEDGER)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
