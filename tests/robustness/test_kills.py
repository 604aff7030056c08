"""Killed at any moment, work goes on and ends as if it had not been killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POINTS = Path(__file__).with_name("kill_points.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@pytest.mark.parametrize(
    ("work", "least"), [("file", 5), ("study", 20), ("walk", 15), ("steps", 20)]
)
def test_killed_at_every_file_that_it_touches(work, least, tmp_path):
    done = subprocess.run(
        [sys.executable, str(POINTS), work, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == [], done.stderr
    assert found["points"] >= least


@pytest.mark.parametrize("kind", ["campaign", "calibration"])
def test_killed_at_random_moments(kind):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--quick", "--only", kind],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'failed': 0, 'left_over': 0" in done.stdout
