"""Parts of long work: one process at a time, each part whole or not there."""

import subprocess
import sys

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets.reading.part_files import claim_parts, parts_beside

HOLDS = """
import sys
from physlearn.datasets.reading.part_files import claim_parts
with claim_parts(sys.argv[1], "a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(tmp_path):
    folder = tmp_path / "work"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(InputError, match=f"process {other.pid}"), claim_parts(folder, "a"):
            pass
    finally:
        other.kill()
        other.communicate()
    with claim_parts(folder, "a") as parts:
        parts.save(0, {"x": np.arange(3)})
    with pytest.raises(InputError, match="holds"), claim_parts(folder, "b"):
        pass


def test_damaged_parts_are_none_and_refused_work_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), parts_beside(tmp_path / "a.nc", "a"):
        raise KeyError
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), parts_beside(tmp_path / "a.nc", "a") as parts:
        for number in (0, 501):
            parts.save(number, {"x": np.arange(1000.0)})
        path = parts.file(501)
        path.write_bytes(path.read_bytes()[:4000])
        raise KeyError
    with parts_beside(tmp_path / "a.nc", "a") as parts:
        assert parts.load(501) is None
        np.testing.assert_array_equal(parts.load(0)["x"], np.arange(1000.0))
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="in a folder that exists"):
        claim_parts(tmp_path / "no" / "work", "a").__enter__()
