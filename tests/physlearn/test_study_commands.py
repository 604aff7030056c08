"""The commands around a study, as a person or a program calls them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from physlearn.cli import main
from physlearn.step_store import STORE

NOISE = np.random.default_rng(5).normal(100.0, 10.0, (64, 64))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Return a function that runs the command line in an own folder: (code, stdout, stderr)."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["physlearn", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def test_from_an_empty_folder_to_a_report_and_a_change(run, tmp_path):
    code, _, err = run("init")
    assert code == 2
    assert "physlearn init image.tiff" in err
    np.save(tmp_path / "noise.npy", NOISE)
    assert run("init")[0] == 0
    code, out, _ = run("check", "study.yaml")
    assert code == 0
    for word in ("no lattice is seen", "how large a pixel", "Find atoms", "Nothing stands in"):
        assert word in out
    assert run("check", "study.yaml", "--strict")[0] == 1
    code, out, err = run("study", "study.yaml")
    assert code == 0, err
    assert "Report: " in out
    assert (tmp_path / "study-results" / "report.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        STORE, "noise.npy", "study-results", "study.yaml",
    ]  # fmt: skip
    text = (tmp_path / "study.yaml").read_text().replace("patch_size:  ", "patch_size: 16")
    (tmp_path / "study.yaml").write_text(text)
    code, out, err = run("study", "study.yaml", "--json", "--quiet")
    told = json.loads(out)
    assert (code, err, told["ok"]) == (0, "", True)
    assert all(os.path.isfile(name) for name in told["files"])  # noqa: PTH113 -- texts
    assert set(told["answers"][0]) == {"question", "sentence", "state", "detail"}
    kept = {step["name"]: step["kept"] for step in told["steps"]}
    assert kept["atoms"]
    assert not kept["patches"]
    assert run("study", "study.yaml", "--strict", "-q")[0] == 1


def test_what_does_not_go_together_is_refused(run, tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    run("init", "-q")
    for arguments, word in (
        (("study", "study.yaml", "--lattice", "square"), "--lattice does not go with a study"),
        (("study", "noise.npy"), "out is missing"),
        (("study", "none.yaml"), "no such file: none.yaml"),
        (("init", "none.tiff", "--out", "b.yaml"), "none.tiff"),
        (("init", "noise.npy", "--out", "b.txt"), ".yaml"),
        (("check", "none.yaml"), "none.yaml"),
    ):
        code, _, err = run(*arguments)
        assert code == 2, arguments
        assert word in err
        assert err.count("\n") == 1
    code, out, _ = run("--json", "study", "none.yaml")
    told = json.loads(out)
    assert (told["ok"], told["exit_code"]) == (False, 2)
    assert "none.yaml" in told["error"]


BAD = {
    "constant": (np.full((64, 64), 3.0), "constant"),
    "tiny": (NOISE[:8, :8], "16 x 16"),
    "nan": (np.where(np.eye(64) > 0, np.nan, NOISE), "NaN"),
}


@pytest.mark.parametrize("kind", BAD)
def test_check_says_what_is_wrong_with_a_file(kind, run, tmp_path):
    data, word = BAD[kind]
    np.save(tmp_path / "bad.npy", data)
    code, out, err = run("check", "bad.npy")
    assert code == 2, err
    assert "problem" in out
    assert word.lower() in out.lower()


def test_check_sees_what_troubles_the_steps(run, tmp_path):
    x = np.arange(96)
    wave = np.cos(2 * np.pi * x / 4)[None] + np.cos(2 * np.pi * x / 4)[:, None]
    scene = 100 + 20 * wave + np.random.default_rng(1).normal(size=(96, 96))
    np.save(tmp_path / "fine.npy", scene)
    np.save(tmp_path / "wrong.npy", scene[:, :40])
    code, out, _ = run("check", "fine.npy")
    assert code == 0
    assert "about 4.0 pixels from one atom to the next" in out
    code, out, _ = run("check", "fine.npy", "--channel", "wrong.npy")
    assert code == 2
    assert "aspect" in out
    film = np.stack([np.where(x[None] < 40 + k, 0.0, 50.0) + NOISE[:1, :1] for k in (0, 0, 2)])
    np.save(tmp_path / "film.npy", np.repeat(film, 96, axis=1))
    code, out, _ = run("check", "film.npy", "--json")
    said = " ".join(json.loads(out)["warnings"])
    assert code == 0
    for word in ("how far apart frames", "no drive", "repeat the one before", "3 frames"):
        assert word in said


def test_a_killed_study_goes_on_and_ends_with_the_same_numbers(tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(1).normal(100, 10, (200, 200)))
    (tmp_path / "study.yaml").write_text("inputs:\n  - file: noise.npy\nseed: 5\n")
    command = [sys.executable, "-m", "physlearn", "study", "study.yaml", "-q"]
    whole = [*command, "--out", "elsewhere/whole"]
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(whole, cwd=tmp_path, check=True)
    kept = tmp_path / STORE / "steps"
    with subprocess.Popen(command, cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if kept.is_dir() and any(kept.glob("atoms-*.json")):
                break
            time.sleep(0.005)
        process.kill()
    done = subprocess.run([*command, "--json"], cwd=tmp_path, check=True, capture_output=True)
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["atoms"]["kept"]
    first, second = (
        json.loads((folder / "summary.json").read_text())
        for folder in (tmp_path / "elsewhere" / "whole", tmp_path / "study-results")
    )
    for told in (first, second):
        for step in told["steps"]:
            step["seconds"] = step["kept"] = None
    assert first == second
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".study-results")]


def test_completion_is_offered_and_exit_codes_are_told(run):
    code, out, _ = run("--help")
    assert code == 0
    for word in ("--install-completion", "--json", "--quiet", "Exit codes", "init", "watch"):
        assert word in out
