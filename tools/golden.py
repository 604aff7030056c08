#!/usr/bin/env python3
"""Golden results: what every estimator answered to its own example, and how far it may move.

``python tools/golden.py`` runs the examples of all public names of physlearn.inference and
physlearn.causal and writes ``tests/golden/answers.json``; ``tests/test_docstrings.py`` compares
with it whenever it runs the examples, so that an upgrade of a library that shifts an answer is
seen.

The tolerance is the Monte Carlo error of both answers: a mean of n independent draws errs by
sd / sqrt(n), their standard deviation by sd * sqrt((kurtosis - 1) / 4n) (Stuart and Ord, Kendall's
advanced theory of statistics, section 10.5), both runs err alike, and ``SIGMAS`` of that are
allowed: 5, since some thousand numbers are compared. Data that a changed random stream made anew
are told apart by their hash: then truths and not answers changed.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "tests" / "golden" / "answers.json"
PACKAGES = ("physlearn.inference", "physlearn.causal")
SIGMAS = 5.0
MOST_ROWS = 12
"""Of long variables the first numbers stand for all."""

DRAWS = ("draws", "samples")
UNSAID = 200.0
"""Draws behind a mean and an sd that stand alone, the fewest that our estimators take."""

ROUNDING = 1e-6
"""Of a standard deviation: what another order of the same sums may change."""


def answers_of(made: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of every posterior among the things that an example made."""
    found = {}
    for name, thing in sorted(made.items()):
        if isinstance(thing, type) or not type(thing).__module__.startswith("physlearn."):
            continue
        if hasattr(thing, "idata"):
            rows = {}
            for variable in thing.variables:
                rows |= _rows(variable, thing[variable])
            found[name] = {"data_sha256": str(thing.attrs.get("data_sha256", "")), "rows": rows}
            continue
        rows = {}
        for field in DRAWS:
            values = getattr(thing, field, None)
            if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim:
                rows |= _rows(field, values)
        table = getattr(thing, "table", None)
        if isinstance(table, pd.DataFrame) and {"mean", "sd"} <= set(table):
            rows |= _pairs("table", table["mean"], table["sd"])
        elif hasattr(thing, "mean") and hasattr(thing, "sd") and not callable(thing.mean):
            rows |= _pairs("mean", thing.mean, thing.sd)
        if rows:
            found[name] = {"data_sha256": "", "rows": rows}
    return found


def _pairs(name: str, means: Any, sds: Any) -> dict[str, dict[str, float]]:
    pairs = zip(np.ravel(means)[:MOST_ROWS], np.ravel(sds)[:MOST_ROWS], strict=False)
    return {
        f"{name}[{i}]": {"mean": float(mean), "sd": float(sd), "n": UNSAID, "kurtosis": 3.0}
        for i, (mean, sd) in enumerate(pairs)
    }


def _rows(variable: str, draws: np.ndarray) -> dict[str, dict[str, float]]:
    flat = np.asarray(draws, float).reshape(len(draws), -1)[:, :MOST_ROWS]
    return {f"{variable}[{i}]": _row(column) for i, column in enumerate(flat.T)}


def _row(column: np.ndarray) -> dict[str, float]:
    values = column[np.isfinite(column)]
    if len(values) < 2:
        return {"mean": math.nan, "sd": math.nan, "n": float(len(values)), "kurtosis": 3.0}
    sd = float(values.std(ddof=1))
    around = (values - values.mean()) / (sd or 1.0)
    # Draws that repeat each other (resampled weights) count once
    n = len(np.unique(values)) if sd else len(values)
    return {
        "mean": float(values.mean()), "sd": sd, "n": float(n),
        "kurtosis": float(np.mean(around**4)),
    }  # fmt: skip


def moved(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Return a sentence for every number that moved by more than its Monte Carlo error.

    Examples
    --------
    >>> row = {"mean": 1.0, "sd": 0.1, "n": 100.0, "kurtosis": 3.0}
    >>> here = {"fit": {"data_sha256": "a", "rows": {"x[0]": row}}}
    >>> moved(here, here)
    []
    >>> moved({"fit": {"data_sha256": "a", "rows": {"x[0]": row | {"mean": 1.1}}}}, here)
    ['fit x[0]: the mean moved from 1 to 1.1, 1.4 times what Monte Carlo error allows']
    """
    said = []
    for name, old in before.items():
        new = now.get(name)
        if new is None:
            said.append(f"{name}: no posterior any more")
            continue
        here = [f"{name} {row}: missing" for row in old["rows"] if row not in new["rows"]]
        for row, was in old["rows"].items():
            if row in new["rows"]:
                here += [f"{name} {row}: {text}" for text in _differs(new["rows"][row], was)]
        if here and old["data_sha256"] != new["data_sha256"]:
            # Not by itself: another processor rounds the last digit of simulated data otherwise
            here = [f"{name}: its data are others (a stream of random numbers changed?)", *here]
        said += here
    return said


def _differs(new: dict[str, float], was: dict[str, float]) -> list[str]:
    said = []
    error = {"mean": 0.0, "sd": 0.0}
    for row in (new, was):
        variance = row["sd"] ** 2 / max(row["n"], 1.0)
        error["mean"] += variance
        error["sd"] += variance * max(row["kurtosis"] - 1, 0.0) / 4
    for what in error:
        allowed = SIGMAS * math.sqrt(error[what]) + ROUNDING * max(abs(was["sd"]), abs(was["mean"]))
        off = abs(new[what] - was[what])
        if math.isnan(new[what]) != math.isnan(was[what]) or off > allowed:
            said.append(
                f"the {what} moved from {was[what]:.4g} to {new[what]:.4g}, "
                f"{off / allowed:.1f} times what Monte Carlo error allows"
            )
    return said


def run_example(package: str, name: str) -> dict[str, Any]:
    """Run the docstring's example of a public name; return what it made."""
    value = getattr(importlib.import_module(package), name)
    module = importlib.import_module(inspect.unwrap(value).__module__)
    text = inspect.getdoc(value) or ""
    example = doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, "", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, out=lambda _: None, clear_globs=False)
    return {key: value for key, value in example.globs.items() if key not in vars(module)}


def main() -> int:
    """Write the answers of this machine; with names only theirs, with ``--new`` only what lacks."""
    stored = json.loads(ANSWERS.read_text()) if ANSWERS.is_file() else {}
    chosen = set(sys.argv[1:])
    new = "--new" in chosen
    chosen -= {"--new"}
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            value = getattr(importlib.import_module(package), name)
            if new and f"{package}.{name}" in stored:
                continue
            if (chosen and name not in chosen) or not inspect.isfunction(inspect.unwrap(value)):
                continue
            found = answers_of(run_example(package, name))
            if found:
                stored[f"{package}.{name}"] = found
                ANSWERS.parent.mkdir(exist_ok=True)
                ANSWERS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
                print(name, list(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
