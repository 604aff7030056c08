"""Readers that misbehave, each run as the fuzzing runs one; prints what was seen of each.

Run in a process of its own, which has no threads that a fork would lose.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.fuzz import pool
from benchmarks.fuzz.formats import Format
from benchmarks.fuzz.pool import run_cases
from physlearn.checks import InputError


def end(_):
    os.kill(os.getpid(), signal.SIGSEGV)


def leak(_):
    # Pages that nothing writes to: asked for at once, however slow the machine
    held = [np.zeros(1 << 28, dtype=np.uint8) for _ in range(40)]
    assert held


def refuse(_):
    raise InputError("no.")


def spin(_):
    while True:
        pass


def main():
    folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    source = folder / "a.txt"
    source.write_text("content")
    readers = {
        "good": lambda _: None,
        "refuses": refuse,
        "fails": lambda _: 1 / 0,
        "ends": end,
        "leaks": leak,
        "spins": spin,
        "writes": lambda _: (folder / "written").write_text("x"),
        "looks": lambda _: Path("/etc/passwd").read_text(),
        "runs": lambda _: subprocess.run(["true"], check=False),
    }
    said = {}
    for name, does in readers.items():
        form = Format("toy", lambda _: [source], does)
        pool.CPU_SECONDS = 1 if name == "spins" else 10  # enough to see that it never ends
        n_files = 1 if name in ("spins", "leaks") else 2
        found = [one for batch in run_cases(form, [source], 0, n_files, 0) for one in batch]
        said[name] = sorted({one.kind for one in found})
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
