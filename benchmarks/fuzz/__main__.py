"""Damaged files of every format against their readers: counts of what came, by format.

python -m benchmarks.fuzz --n 10000            resumable; a table at the end
python -m benchmarks.fuzz --only tiff --n 500
python -m benchmarks.fuzz --again              read the files of all findings once more
python -m benchmarks.fuzz --table              the table of what was run so far
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.fuzz.formats import Format, all_formats, corpus_of
from benchmarks.fuzz.pool import run_cases

RESULTS = Path(__file__).resolve().parents[1] / "results" / "fuzz"
GOOD = ("read", "refused")
DEFECTS = ("error", "unclear", "memory", "hang", "killed", "escape")
MOST_KEPT = 40


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="damaged files a format")
    parser.add_argument("--only", action="append", default=[], help="name of a format")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this long")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--round", type=int, default=500, help="files before the next format")
    parser.add_argument("--again", action="store_true", help="what comes of the findings now")
    parser.add_argument("--table", action="store_true", help="the table alone")
    return parser.parse_args()


def kept(path: Path, seed: int) -> dict[str, Any]:
    """Return what was run of a format so far."""
    try:
        held: dict[str, Any] = json.loads(path.read_text())
        if held["seed"] == seed:
            return held
    except (OSError, ValueError, KeyError):
        pass
    return {"seed": seed, "n": 0, "counts": {}, "findings": []}


def save(path: Path, held: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(held, indent=1))
    temporary.replace(path)


def run_format(form: Format, out: Path, n: int, seed: int, until: float) -> None:
    """Go on with a format up to ``n`` files."""
    path = out / f"{form.name.replace(' ', '_')}.json"
    held = kept(path, seed)
    if held["n"] >= n:
        return
    with tempfile.TemporaryDirectory(prefix="corpus_") as folder:
        sources = corpus_of(form, Path(folder))
        for found in run_cases(form, sources, held["n"], n, seed):
            counts = Counter(held["counts"]) + Counter(one.kind for one in found)
            held["counts"] = dict(counts)
            for one in found:
                if one.kind in DEFECTS and len(held["findings"]) < MOST_KEPT:
                    said = {"n": one.number, "kind": one.kind, "damage": one.damage}
                    held["findings"].append({**said, "said": one.said})
            held["n"] = found[-1].number + 1
            save(path, held)
            if time.monotonic() > until:
                return


def run_again(form: Format, out: Path) -> None:
    """Read the files of a format's findings once more, and keep what comes of each now."""
    path = out / f"{form.name.replace(' ', '_')}.json"
    held = json.loads(path.read_text()) if path.is_file() else {"findings": []}
    if not held["findings"]:
        return
    with tempfile.TemporaryDirectory(prefix="corpus_") as folder:
        sources = corpus_of(form, Path(folder))
        for one in held["findings"]:
            ((now,),) = run_cases(form, sources, one["n"], one["n"] + 1, held["seed"])
            one["now"] = now.kind
    save(path, held)


def table(out: Path) -> str:
    """Return the counts of all formats as Markdown."""
    lines = [
        "Files as they were run, with the readers of that day; of the defects found, *still* says "
        "how many the readers of today have (`python -m benchmarks.fuzz --again`).",
        "",
        f"| format | seed | files | {' | '.join((*GOOD, *DEFECTS))} | still |",
        f"|---|{'---:|' * (len(GOOD) + len(DEFECTS) + 3)}",
    ]
    still = 0
    total: Counter[str] = Counter()
    for name in all_formats():
        path = out / f"{name.replace(' ', '_')}.json"
        if not path.is_file():
            continue
        held = json.loads(path.read_text())
        counts = Counter(held["counts"])
        total += counts
        cells = " | ".join(str(counts[kind]) for kind in (*GOOD, *DEFECTS))
        left = sum(one.get("now", one["kind"]) in DEFECTS for one in held["findings"])
        still += left
        lines.append(f"| {name} | {held['seed']} | {held['n']} | {cells} | {left} |")
    cells = " | ".join(str(total[kind]) for kind in (*GOOD, *DEFECTS))
    lines.append(f"| all | | {sum(total.values())} | {cells} | {still} |")
    return "\n".join(lines)


def main() -> int:
    asked = options()
    if not asked.table:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        until = time.monotonic() + 60 * asked.minutes
        forms = [one for name, one in all_formats().items() if not asked.only or name in asked.only]
        if asked.again:
            for form in forms:
                run_again(form, asked.out)
            forms = []
        for n in sorted({*range(asked.round, asked.n, asked.round), asked.n}):
            for form in forms:
                if time.monotonic() > until:
                    break
                try:
                    run_format(form, asked.out, n, asked.seed, until)
                except Exception:  # one format that cannot be run must not stop the others
                    print(f"{form.name}:", traceback.format_exc(limit=-2), file=sys.stderr)
    said = table(asked.out)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "table.md").write_text(said + "\n")
    print(said)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
