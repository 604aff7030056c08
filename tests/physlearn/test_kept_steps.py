"""Steps run when what they read has changed, and only then; nothing that was kept is trusted."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.findings import Findings, Step, run_steps
from physlearn.kept_steps import keeping
from physlearn.step_store import STORE, open_store, stored_seed
from physlearn.study_options import StudyOptions
from physlearn.whole_files import this_machine


def picture(value=0.0):
    return xr.DataArray(np.arange(6.0).reshape(2, 3) + value, dims=("y", "x"))


class Study:
    """Three steps: a rounded mean, what is made of it with an option, and one that cannot."""

    def __init__(self, folder):
        self.out, self.ran = folder / "study", []
        self.steps = (
            Step("mean", "Mean", self._mean, ("image",)),
            Step("made", "Make", self._made, ("hopping",)),
            Step("lost", "Lose", self._lost),
        )

    def _mean(self, findings):
        self.ran.append("mean")
        findings.hopping = bool(findings.image.mean() > 0)

    def _made(self, findings):
        self.ran.append("made")
        draw = findings.rng("made").normal()
        findings.correlations = {"n": findings.options.n_shells, "on": findings.hopping, "z": draw}

    def _lost(self, findings):
        self.ran.append("lost")
        findings.effects.append(("found", findings.seed))
        raise NotIdentified("these data can't tell.")

    def run(self, *, fresh=False, image=None, seed=1, **options):
        self.ran = []
        findings = Findings("a", seed, image=picture() if image is None else image,
                            options=StudyOptions(**options))  # fmt: skip
        with open_store(self.out, fresh=fresh) as store:
            run_steps(self.steps, findings, run_one=keeping(store))
        return findings, store.said


def test_only_what_read_something_new_runs_again(tmp_path):
    study = Study(tmp_path)
    first, _ = study.run()
    assert study.ran == ["mean", "made", "lost"]
    again, said = study.run()
    assert (study.ran, said) == ([], [])
    assert [note.kept for note in again.notes] == [True] * 3
    assert again.correlations == first.correlations
    assert again.effects == first.effects == [("found", 1)]
    assert [(n.status, n.reason, n.seconds) for n in again.notes] == [
        (n.status, n.reason, n.seconds) for n in first.notes
    ]
    study.run(n_shells=3)
    assert study.ran == ["made"]
    # another picture with the same answer: what follows from the answer stands
    study.run(image=picture(1.0))
    assert study.ran == ["mean"]
    study.run(image=picture(-100.0))
    assert study.ran == ["mean", "made"]
    study.run(seed=2)
    assert study.ran == ["made", "lost"]
    study.run()
    assert study.ran == []
    study.run(fresh=True)
    assert study.ran == ["mean", "made", "lost"]


def test_a_step_left_out_takes_what_needs_it_along(tmp_path):
    study = Study(tmp_path)
    findings, _ = study.run(leave_out=("mean",))
    assert study.ran == ["lost"]
    assert [note.status for note in findings.notes] == ["skipped", "skipped", "could not"]


@pytest.mark.parametrize("where", ["steps", "values"])
@pytest.mark.parametrize("how", ["cut", "bit", "empty", "gone"])
def test_damage_is_seen_said_and_mended(tmp_path, where, how):
    study = Study(tmp_path)
    first, _ = study.run()
    files = [f for f in (tmp_path / STORE / where).iterdir() if not f.name.startswith(".")]
    for file in files:
        content = bytearray(file.read_bytes())
        if how == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif how == "bit":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        elif how == "empty":
            file.write_bytes(b"")
        else:
            file.unlink()
    again, said = study.run()
    assert study.ran == ["mean", "made", "lost"]
    assert again.correlations == first.correlations
    assert again.effects == first.effects
    assert said or (how, where) == ("gone", "steps")
    study.run()
    assert study.ran == []


def test_a_result_with_a_function_is_not_kept_and_this_is_said(tmp_path):
    def run(findings):
        findings.correlations = lambda: 0

    for _ in range(2):
        findings = Findings("a", 1)
        with open_store(tmp_path / "study") as store:
            run_steps([Step("f", "Function", run)], findings, run_one=keeping(store))
        assert "can't be kept" in store.said[0]
        assert not findings.notes[0].kept


def test_an_edited_file_counts_by_its_content(tmp_path):
    path, ran = tmp_path / "atoms.csv", []

    def run(findings):
        ran.append(Path(findings.edited).read_text())

    for text in ("a", "a", "b"):
        path.write_text(text)
        with open_store(tmp_path / "study") as store:
            run_steps([Step("e", "Edit", run)], Findings("a", 1, edited=path),
                      run_one=keeping(store))  # fmt: skip
    assert ran == ["a", "b"]


def test_two_processes_do_not_write_one_study(tmp_path):
    code = (
        "import sys, time; from physlearn.step_store import open_store\n"
        "with open_store(sys.argv[1]):\n    print('open', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "study")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with (
            pytest.raises(InputError, match=f"process {other.pid}"),
            open_store(tmp_path / "study"),
        ):
            pass
        with open_store(tmp_path / "neighbour"):
            pass
        other.kill()
    with open_store(tmp_path / "study") as store:  # a lock dies with its process
        assert store.said == []


def test_what_a_killed_process_left_is_swept(tmp_path):
    with open_store(tmp_path / "study"):
        pass
    dead = tmp_path / STORE / "values" / f".x.12ab.999999999@{this_machine()}.part.zip"
    living = tmp_path / STORE / "values" / f".x.12ab.{os.getppid()}@{this_machine()}.part.zip"
    dead.write_bytes(b"half")
    living.write_bytes(b"half")
    code = (
        "import sys; from physlearn.step_store import open_store\n"
        "with open_store(sys.argv[1]): pass\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "study")], check=True)
    assert not dead.exists()
    assert living.exists()


def test_a_folder_that_refuses_is_said_and_the_study_goes_on(tmp_path):
    (tmp_path / STORE).write_text("a file where the folder should be")
    study = Study(tmp_path)
    findings, said = study.run()
    assert findings.correlations is not None
    assert "can't be kept" in said[0]


def test_the_seed_that_was_drawn_is_kept(tmp_path):
    with open_store(tmp_path / "study") as store:
        seed = stored_seed(store, "study")
        assert stored_seed(store, "study") == seed
    with open_store(tmp_path / "study", fresh=True) as store:
        assert stored_seed(store, "study") != seed


def test_a_kept_step_without_what_it_read_is_computed_again(tmp_path):
    study = Study(tmp_path)
    study.run()
    for file in (tmp_path / STORE / "steps").glob("*.json"):
        body = json.loads(file.read_text().split("\n")[1])
        body["run"]["reads"] = 1.5
        text = json.dumps(body)
        file.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n")
    study.run()
    assert study.ran == ["mean", "made", "lost"]
