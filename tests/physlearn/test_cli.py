"""The command line: one sentence and exit code 2 for bad input, and nothing left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from physlearn.cli import main
from physlearn.shown_progress import shown_progress

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command line here: (exit code, stdout, stderr)."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["physlearn", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    yield call
    signal.signal(signal.SIGTERM, before)


NOISE = np.random.default_rng(5).normal(100.0, 10.0, (64, 64))


def write_bad(kind, folder):
    path = folder / f"{kind}.tiff"
    if kind == "empty":
        path.touch()
    elif kind == "truncated":
        tifffile.imwrite(path, NOISE.astype(np.float32))
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "truncated_png":
        path = folder / "cut.png"
        Image.fromarray(NOISE.astype(np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:900])
    elif kind == "renamed":
        path.write_text("not a picture, whatever its name says\n" * 20)
    elif kind == "nan":
        broken = NOISE.copy()
        broken[7, 9] = np.nan
        np.save(path := folder / "nan.npy", broken)
    elif kind == "constant":
        np.save(path := folder / "constant.npy", np.full((64, 64), 3.0))
    elif kind == "tiny":
        np.save(path := folder / "tiny.npy", NOISE[:8, :8])
    elif kind == "line":
        np.save(path := folder / "line.npy", NOISE[0])
    elif kind == "four_dimensions":
        np.save(path := folder / "four.npy", np.zeros((2, 3, 20, 20)))
    elif kind == "pickled":
        np.save(path := folder / "object.npy", np.array([{"a": 1}], dtype=object))
    elif kind == "folder":
        (path := folder / "some_folder").mkdir()
    return path


BAD = ("absent", "empty", "truncated", "truncated_png", "renamed", "nan", "constant", "tiny",
       "line", "four_dimensions", "pickled", "folder")  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_gets_one_sentence_and_exit_code_2(kind, run, tmp_path):
    path = write_bad(kind, tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, err = run("study", path, "--out", tmp_path / "study")
    assert code == 2
    assert err.startswith("physlearn: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err + out
    assert path.name in err or path.stem in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_drive_or_channel_that_does_not_fit_is_refused(run, tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    np.save(tmp_path / "slim.npy", NOISE[:, :32])
    (tmp_path / "drive.csv").write_text("drive\n1\n2\n")
    out = tmp_path / "study"
    cases = (
        (("--drive", tmp_path / "drive.csv"), "drive"),
        (("--channel", tmp_path / "slim.npy"), "slim.npy"),
        (("--channel", tmp_path / "absent.npy"), "absent.npy"),
        (("--seed", "-3"), "seed"),
    )
    for options, word in cases:
        code, _, err = run("study", tmp_path / "noise.npy", "--out", out, *options)
        assert code == 2, err
        assert word in err
        assert "Traceback" not in err
        assert not out.exists()


def test_an_out_folder_with_other_files_is_refused_before_any_work(run, tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    code, _, err = run("study", tmp_path / "noise.npy", "--out", tmp_path)
    assert code == 2
    assert "holds other files" in err
    assert [file.name for file in tmp_path.iterdir()] == ["noise.npy"]


@pytest.mark.parametrize("kind", ["rgb", "lzw"])
def test_a_picture_without_atoms_gives_a_report_with_patches_only(kind, run, tmp_path):
    grey = np.clip(NOISE, 0, 255).astype(np.uint8)
    path = tmp_path / f"{kind}.tif"
    picture = np.stack([grey] * 3, axis=-1) if kind == "rgb" else grey
    tifffile.imwrite(path, picture, photometric="rgb" if kind == "rgb" else "minisblack",
                     compression="lzw")  # fmt: skip
    code, out, err = run("study", path, "--out", tmp_path / "study", "--seed", 1)
    assert code == 0, err
    assert "report.html" in out
    summary = json.loads((tmp_path / "study" / "summary.json").read_text())
    assert summary["atoms"] is None
    assert summary["patches"]["count"] > 0
    status = {step["name"]: step["status"] for step in summary["steps"]}
    assert status["atoms"] == "could not"
    assert status["couplings"] == "skipped"
    assert status["patches"] == "done"
    page = (tmp_path / "study" / "report.html").read_text()
    assert "patches only" in page


def test_help_names_every_command_and_shows_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    for word in ("demo", "study", "plan", "doctor", "physlearn study image.tiff --out study"):
        assert word in out


def test_version_and_unknown_command(run):
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "physlearn")
    code, _, err = run("stduy")
    assert code == 2
    assert "stduy" in err
    assert "Traceback" not in err


def test_doctor_names_what_is_there_and_what_is_missing(run):
    code, out, _ = run("doctor")
    assert code == 0
    for word in ("Python", "cores", "memory", "Julia", "kernel cache", "numba", "dowhy"):
        assert word in out


def test_brackets_of_a_unit_reach_the_terminal(monkeypatch, capsys):
    from physlearn import cli, words
    from physlearn.phrases import Answer

    unit = Answer("How fast?", "speed 2 px/frame/[drive]", "settled", "[0.1 to 0.2] px/[drive]")
    lost = Answer("Fit couplings", "Could not be done.", "none")
    monkeypatch.setattr(words, "headlines", lambda findings: [unit, lost])
    cli._tell(SimpleNamespace(findings=None, summary={"truth": None}, report="[a]/report.html"))
    out = capsys.readouterr().out
    assert out.count("[drive]") == 2
    assert "[0.1 to 0.2]" in out
    assert "[a]/report.html" in out
    assert "Fit couplings: Could not be done." in out
    assert "How fast?" not in out  # the sentence of an answer says what it is about


def test_doctor_knows_every_package_of_every_extra(monkeypatch):
    from physlearn import doctor

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        extra: sorted(re.match(r"[\w-]+", line)[0] for line in lines)
        for extra, lines in project["optional-dependencies"].items()
        if extra != "develop"
    }
    assert {extra: sorted(names) for extra, (names, _) in doctor.EXTRAS.items()} == wanted
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "igor2")
    said = doctor._extra(*doctor.EXTRAS["formats"])
    assert said.startswith("without igor2 ")
    assert said.endswith("-m pip install igor2")


def test_a_study_in_a_pipe_says_each_step_as_it_begins(tmp_path):
    np.save(tmp_path / "noise.npy", NOISE)
    done = subprocess.run(
        [sys.executable, "-m", "physlearn.cli", "study", "noise.npy", "--out", "study"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "compiled" not in line]
    assert all(re.match(r" *\d+ s  \w", line) for line in lines), done.stderr
    titles = [
        step["title"]
        for step in json.loads((tmp_path / "study" / "summary.json").read_text())["steps"]
    ]
    said = [re.sub(r"^ *\d+ s  | \.\.\.$", "", line) for line in lines]
    assert said[: len(titles)] == titles


def test_the_compiler_is_spoken_of_once(capsys):
    from numba import njit

    with shown_progress(threading.Event()) as update:
        update("Fit", 0.0)
        for number in (1, 2):
            njit(lambda x, number=number: x + number)(1)
        update("Fit", 0.5)
        update("Draw", 0.9)
    lines = [line.split("s  ")[1] for line in capsys.readouterr().err.splitlines()]
    assert [line.split()[0] for line in lines] == ["Fit", "Kernels", "Draw"]


def test_help_loads_no_heavy_library():
    code = (
        "import sys; sys.argv=['physlearn','--help']\n"
        "from physlearn.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numba','scipy','xarray','matplotlib','arviz','dowhy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def _interrupted(command, folder):
    """Start a study, press Ctrl-C once it writes; return the process and its last words."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not list(folder.glob(".study*/")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(folder.glob(".study*/")), "the study never began to write"
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process, err


def test_ctrl_c_leaves_nothing_half_written(tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(1).normal(100, 10, (600, 600)))
    command = [sys.executable, "-m", "physlearn", "study", tmp_path / "noise.npy", "--out",
               tmp_path / "study"]  # fmt: skip
    for _ in range(5):
        process, err = _interrupted(command, tmp_path)
        if not (tmp_path / "study").exists():
            break
        shutil.rmtree(tmp_path / "study")  # a busy machine: it was done before the signal came
    else:
        pytest.fail("the study was never caught while it wrote")
    assert process.returncode == 130, err.decode()
    assert b"Traceback" not in err
    assert [file.name for file in tmp_path.iterdir()] == ["noise.npy"]


def test_scale_and_region_are_given_by_hand(run, tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(1).normal(100, 10, (80, 90)))
    code, _, err = run(
        "study", str(tmp_path / "noise.npy"), "--out", str(tmp_path / "study"),
        "--pixel-size", "0.05nm", "--region", "0:64,10:80",
    )  # fmt: skip
    assert code == 0, err
    summary = json.loads((tmp_path / "study" / "summary.json").read_text())
    assert summary["inputs"]["image"]["shape"] == [70, 64]
    for option, value, sentence in (
        ("--pixel-size", "5", "a number with nm, um or angstrom"),
        ("--region", "5:9", "columns,rows as"),
        ("--frame-interval", "2", "goes with a film"),
    ):
        code, _, err = run(
            "study", str(tmp_path / "noise.npy"), "--out", str(tmp_path / "other"), option, value
        )
        assert code == 2
        assert sentence in err


def test_what_was_planted_and_missed_is_told_as_well_as_what_was_found(monkeypatch, capsys):
    from physlearn import cli, words

    monkeypatch.setattr(words, "headlines", lambda findings: [])
    row = {"truth": 2.0, "mean": 3.0, "q05": 2.5, "q95": 3.5, "inside": False}
    truth = {
        "parameters": [{"name": "field", **row, "mean": 2.1, "q05": 1.5, "inside": True}],
        "effects": [{"cause": "dilation", "outcome": "response", **row}],
    }
    cli._tell(SimpleNamespace(findings=None, summary={"truth": truth}, report="r.html"))
    out = capsys.readouterr().out
    assert "planted field 2, found 2.1 [1.5 to 3.5]: inside" in out
    assert "planted dilation -> response 2, found 3 [2.5 to 3.5]: outside" in out
    assert "one in ten of honest 90 % intervals misses" in out
