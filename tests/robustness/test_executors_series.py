"""Inputs of a series studied by workers: the same files as one after the other."""

import json
import pickle
from concurrent.futures import Executor, Future

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.series import run_series
from physlearn.study_file import read_study_file
from physlearn.study_run import run_study_file


class Traveller(Executor):
    """Does a task at once, with copies of all that goes in and out, as another process would."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        fn, args, kwargs = pickle.loads(pickle.dumps((fn, args, kwargs)))  # noqa: S301 -- our own
        future.set_result(pickle.loads(pickle.dumps(fn(*args, **kwargs))))  # noqa: S301
        return future


def numbers(result):
    content = json.loads((result.folder / "summary.json").read_text())
    # the clock differs, and what was kept
    return {
        name: value for name, value in content.items() if name not in ("steps", "created", "files")
    }


def test_a_series_does_not_depend_on_workers(tmp_path):
    rng = np.random.default_rng(4)
    for name, level in (("a", 100.0), ("b", 130.0)):
        np.save(tmp_path / f"{name}.npy", level + rng.normal(0, 10, (64, 64)))
    (tmp_path / "study.yaml").write_text(
        "inputs:\n  - {file: a.npy, label: before}\n  - {file: b.npy, label: after}\nseed: 3\n"
    )
    alone = run_study_file(tmp_path / "study.yaml", out=tmp_path / "alone", fresh=True)
    seen = []
    apart = run_study_file(
        tmp_path / "study.yaml", out=tmp_path / "apart", fresh=True, executor=Traveller(),
        progress=lambda title, share: seen.append(title),
    )  # fmt: skip
    assert numbers(apart) == numbers(alone)
    assert seen == ["before", "after", "Compare the inputs"]
    for one in ("01-before", "02-after"):
        first, second = (
            json.loads((result.folder / one / "summary.json").read_text())
            for result in (alone, apart)
        )
        assert first["headlines"] == second["headlines"]
    spec = read_study_file(tmp_path / "study.yaml")
    with pytest.raises(InputError, match="processes or a cluster"):
        run_series(spec, out=tmp_path / "threads", executor="threads:2")
    assert not (tmp_path / "threads").exists()
