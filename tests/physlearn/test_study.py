"""A study writes every artefact, loads again, and repeats with its seed."""

import json

import numpy as np
import pandas as pd
import pytest

from physlearn.causal import CausalGraph, ExperimentPlan
from physlearn.datasets import ImagingSettings, image_columns
from physlearn.datasets.synthetic.synthetic_stem import make_stem_image
from physlearn.datasets.synthetic.synthetic_walls import make_wall_video
from physlearn.records import AtomicConfiguration, LatticeSnapshots, WallTrack
from physlearn.results import Fit
from physlearn.study import Study, run_study

SUMMARY_KEYS = {
    "format", "title", "inputs", "headlines", "atoms", "consistency", "scan", "strain", "vacancies",
    "sites", "couplings", "correlations", "patches", "graph", "effects", "counterfactuals", "plan",
    "campaign", "walls", "wall_parameters", "laws", "tracks", "pair_force", "hop_rates", "steps",
    "warnings", "truth", "versions", "seed", "files",
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Write a small planted picture and two maps as files; return folder and truth."""
    folder = tmp_path_factory.mktemp("picture")
    made = make_stem_image((24, 24), rng=4)
    np.save(folder / "picture.npy", made.image.to_numpy())
    return folder, made


@pytest.fixture(scope="module")
def picture_study(scene):
    folder, _ = scene
    return run_study(folder / "picture.npy", out=folder / "study", seed=9)


@pytest.fixture(scope="module")
def video_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    film = make_wall_video(n_frames=8, rng=4)
    np.save(folder / "film.npy", film.video.to_numpy())
    drive = film.video.coords["drive"].to_numpy()
    pd.DataFrame({"frame": np.arange(8), "bias_V": drive}).to_csv(folder / "drive.csv", index=False)
    study = Study(folder / "film.npy", drive=folder / "drive.csv")
    return run_study(study, out=folder / "study", seed=9), film


def test_picture_study_finds_what_was_planted(scene, picture_study):
    _, made = scene
    assert picture_study.summary["atoms"]["count"] == len(made.truth.states)
    counts = picture_study.summary["sites"]["species_counts"]
    assert sorted(counts.values()) == sorted(
        [int((made.truth.states < 0).sum()), int((made.truth.states > 0).sum())]
    )
    first = next(row for row in picture_study.summary["couplings"] if row["name"] == "couplings[1]")
    assert abs(first["mean"] - made.truth.couplings[0]) < 4 * first["sd"]


def test_every_artefact_loads_again(picture_study):
    folder = picture_study.folder
    findings = picture_study.findings
    assert AtomicConfiguration.load(folder / "atoms.nc").n == findings.atoms.n
    assert len(pd.read_csv(folder / "atoms.csv", comment="#")) == findings.atoms.n
    assert LatticeSnapshots.load(folder / "sites.nc").n_observed == findings.snapshots.n_observed
    posterior = Fit.load(folder / "posterior.nc")
    np.testing.assert_array_equal(posterior["couplings"], findings.couplings["couplings"])
    assert len(pd.read_csv(folder / "patches.csv")) == findings.patches.n_patches
    assert CausalGraph.from_json(folder / "graph.json").columns == findings.graph.columns
    plan = ExperimentPlan.from_json(folder / "plan.json")
    assert plan.checksum == findings.plan.checksum


def test_summary_is_plain_json_with_every_part(picture_study):
    text = (picture_study.folder / "summary.json").read_text(encoding="utf-8")
    summary = json.loads(text, parse_constant=pytest.fail)
    assert set(summary) == SUMMARY_KEYS
    assert summary["seed"] == 9
    assert summary["truth"] is None
    for row in summary["couplings"]:
        assert row["q05"] < row["mean"] < row["q95"]
        assert row["unit"] == "kT"
    for name in summary["files"]:
        assert (picture_study.folder / name).is_file()
    done = {step["name"]: step["status"] for step in summary["steps"]}
    assert {"atoms", "species", "sites", "couplings", "patches"} <= {
        name for name, status in done.items() if status == "done"
    }
    for step in summary["steps"]:
        assert step["status"] == "done" or step["reason"]


def test_the_same_seed_gives_the_same_numbers(scene, picture_study, tmp_path):
    folder, _ = scene
    again = run_study(folder / "picture.npy", out=tmp_path / "study", seed=9)
    assert picture_study.summary["graph"]["edges"]
    for part in ("couplings", "graph", "effects", "counterfactuals", "plan"):
        assert again.summary[part] == picture_study.summary[part], part


def test_edited_atoms_come_back_and_are_marked(scene, picture_study, tmp_path):
    folder, _ = scene
    table = pd.read_csv(picture_study.folder / "atoms.csv", comment="#")
    assert {"probability_dim", "probability_bright"} <= set(table)
    chances = table[["probability_dim", "probability_bright"]].sum(axis=1)
    assert np.allclose(chances, 1.0)
    unit = (picture_study.folder / "atoms.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    edited = tmp_path / "edited.csv"
    with edited.open("w", encoding="utf-8") as file:
        file.write(unit + "\n")
        table.drop(index=[0, 5]).to_csv(file, index=False)
    result = run_study(Study(folder / "picture.npy", atoms=edited), out=tmp_path / "study", seed=9)
    said = result.summary["atoms"]
    assert said["edited_by_hand"]
    assert said["edits"]["removed"] == 2
    assert said["edits"]["edit_file"] == "edited.csv"
    assert said["count"] == picture_study.summary["atoms"]["count"] - 2
    answer = result.summary["headlines"][0]
    assert answer["state"] == "hand"
    assert "2 removed" in answer["answer"]
    assert any("selection by hand" in row["text"] for row in result.summary["warnings"])
    assert "a person edited" in result.findings.patches.selection
    assert "selected by hand" in result.report.read_text(encoding="utf-8")


def test_an_unedited_file_gives_the_same_study(scene, picture_study, tmp_path):
    folder, _ = scene
    result = run_study(
        Study(folder / "picture.npy", atoms=picture_study.folder / "atoms.csv"),
        out=tmp_path / "study", seed=9,
    )  # fmt: skip
    assert not result.summary["atoms"]["edited_by_hand"]
    assert result.summary["couplings"] == picture_study.summary["couplings"]


def test_a_declared_lattice_puts_rows_in_order(tmp_path):
    sites = 12.0 * np.argwhere(np.ones((14, 14))) + 12.0
    imaging = ImagingSettings(width_px=2.2, jitter_px=0.4)
    np.save(tmp_path / "picture.npy", image_columns(sites, 300.0, (192, 192), imaging, rng=1).image)
    result = run_study(
        Study(tmp_path / "picture.npy", lattice="square"), out=tmp_path / "study", seed=1
    )
    scan = result.summary["scan"]
    assert abs(scan["jitter_sd"] - 0.4) < 4 * scan["jitter_sd_error"]
    check = result.summary["consistency"]
    assert check["method"] == "rows"
    assert check["passed"] is False  # jitter, which the error bars of the columns do not hold
    assert (result.folder / "atoms_straight.csv").is_file()
    drawn = {path.stem for path in (result.folder / "figures").iterdir()}
    assert "row_shifts" in drawn
    assert "vacancies" not in drawn  # none was planted, none is found, nothing is marked


def test_video_study_measures_both_mobilities(video_study):
    result, film = video_study
    rows = {row["name"]: row for row in result.summary["wall_parameters"]}
    for name, truth in film.truth.items():
        assert abs(rows[name]["mean"] - truth) < 4 * rows[name]["sd"], name
    assert rows["drive_mobility"]["unit"] == "pixel/frame/V"
    track = WallTrack.load(result.folder / "walls.nc")
    assert track.n_frames == 8
    points = pd.read_csv(result.folder / "walls.csv", comment="#")
    pd.testing.assert_frame_equal(points, track.to_pandas(), check_dtype=False)
    assert len(pd.read_csv(result.folder / "wall_events.csv", comment="#")) == len(track.events)
    first = (result.folder / "walls.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    assert first == "# unit: pixel, time: frame"
    assert Fit.load(result.folder / "wall_posterior.nc").variables == list(rows)
    told = json.loads((result.folder / "laws.json").read_text())
    assert told["laws"]
    assert "drive" in told["verdict"]
    assert len(told["constants"]) >= 2
    report = result.report.read_text(encoding="utf-8")
    assert "Given the first law, velocity = " in report
    # the laws that stay open differ only where no drive was applied
    (plan,) = [step for step in result.summary["steps"] if step["name"] == "plan"]
    assert result.summary["plan"] is None
    assert "differ only beyond the drives that were applied" in plan["reason"]
    assert "pixels per frame" in result.report.read_text(encoding="utf-8")


def test_without_a_drive_the_shared_velocity_is_fitted(video_study, tmp_path):
    _, film = video_study
    np.save(tmp_path / "film.npy", film.video.to_numpy())
    result = run_study(tmp_path / "film.npy", out=tmp_path / "study", seed=9)
    names = [row["name"] for row in result.summary["wall_parameters"]]
    assert "drive_velocity" in names
    assert "drive_mobility" not in names


def test_a_film_of_noise_is_said_to_hold_no_domains(tmp_path):
    noise = np.random.default_rng(1).normal(size=(6, 64, 64)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    result = run_study(Study(tmp_path / "noise.npy"), out=tmp_path / "out", seed=1)
    assert {note.status for note in result.findings.notes} <= {"could not", "skipped"}
    assert "no two levels" in result.findings.notes[0].reason


def test_mo_re_s2_says_that_it_cannot_tell(public_file, tmp_path):
    result = run_study(public_file("stem_mo_re_s2/re05.tiff"), out=tmp_path / "study", seed=1)
    sites = result.summary["sites"]
    assert abs(sites["count"] - 726) <= 3
    assert abs(min(sites["species_counts"].values()) - 14) <= 1
    for row in result.summary["couplings"]:
        if row["name"].startswith("couplings"):
            assert row["q05"] < 0 < row["q95"]
    page = result.report.read_text(encoding="utf-8")
    assert "These data can’t tell whether unlike or like neighbours are preferred" in page
    assert "results stand in pixels" in page


def test_illumination_jumps_are_not_switching(public_file, tmp_path):
    name = "xpeem_domain_wall_fluctuations/i161204_084_Original.gif"
    result = run_study(public_file(name), out=tmp_path / "study", seed=1)
    shares = pd.DataFrame(result.summary["walls"]["domain_shares"])
    jump = shares.diff().abs()
    assert jump["raw"][[11, 15]].min() > 0.03
    assert jump["normalised"][[11, 15]].max() < 0.01
    assert result.summary["walls"]["unit"] == "pixel"
    assert result.summary["walls"]["time_unit"] == "frame"
    page = result.report.read_text(encoding="utf-8")
    assert "pixels per frame" in page
    assert "illumination jumps in frames 11, 15" in page


def test_channel_files_become_responses_whose_causes_are_asked_for(tmp_path):
    made = make_stem_image((48, 48), rng=6)
    np.save(tmp_path / "picture.npy", made.image.to_numpy())
    for name in ("response", "distractor"):
        np.save(tmp_path / f"{name}.npy", made.channels[name].to_numpy())
    channels = (tmp_path / "response.npy", tmp_path / "distractor.npy")
    study = Study(tmp_path / "picture.npy", channels=channels)
    result = run_study(study, out=tmp_path / "study", seed=2)
    assert {"response", "distractor"} <= set(result.summary["patches"]["columns"])
    assert result.summary["patches"]["tiers"]["response"] == 2
    found = result.findings.graph.causes_of("response")
    assert "dilation" in found
    assert "distractor" not in found
    effect = next(e for e in result.summary["effects"] if e["cause"] == "dilation")
    low, high = effect["contrast"]
    assert abs(effect["mean"] - 250 * (high - low)) < 4 * effect["sd"]
