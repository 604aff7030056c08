"""A study of tracked particles: what it says of diffusing, pushing and hopping ones."""

import json

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import HopRates, simulate_hops, square_lattice
from physlearn.report.draw_motion import plot_pair_force
from physlearn.results import fit_from_draws
from physlearn.study import Study, run_study

INTERVAL_S, DIFFUSION = 0.1, 0.4


def write_tracks(path, steps, starts):
    places = starts + np.cumsum(steps, axis=0)
    n_frames, n = steps.shape[:2]
    pd.DataFrame(
        {
            "frame": np.repeat(np.arange(n_frames), n), "particle": np.tile(np.arange(n), n_frames),
            "x": places[..., 0].ravel(), "y": places[..., 1].ravel(),
        }
    ).to_csv(path, index=False)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def diffusing(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("tracks"), np.random.default_rng(3)
    n_frames, n, pixel = 80, 60, 0.5
    sd = np.sqrt(2 * DIFFUSION * INTERVAL_S) / pixel
    file = write_tracks(
        folder / "tracks.csv", rng.normal(0, sd, (n_frames, n, 2)), 60 * rng.random((n, 2))
    )
    study = Study(file, pixel_size=pixel, pixel_unit="um", frame_interval_s=INTERVAL_S)
    return run_study(study, out=folder / "out", seed=1)


def test_diffusion_comes_in_the_units_given(diffusing, oracle):
    content = json.loads((diffusing.folder / "summary.json").read_text())
    found = content["tracks"]["diffusion"]
    sd = (found["q95"] - found["q05"]) / 3.29
    oracle("diffusion of a study", z=(found["mean"] - DIFFUSION) / sd)
    assert found["unit"] == "um^2/s"
    assert content["tracks"]["particles"] == 60
    assert content["tracks"]["hops"] is None
    assert content["tracks"]["drift"]["said"][0].startswith("free diffusion: no force law is seen")


def test_the_report_draws_and_says_what_moves(diffusing):
    page = diffusing.report.read_text()
    for words in (
        "How the particles move",
        "µm²/s",
        "No force between them is seen",
        "no force law is seen",
    ):
        assert words in page
    assert page.count('<svg viewBox="') == 3  # one drawing each
    assert "no scale" not in page
    names = {path.name for path in diffusing.folder.rglob("*.*")}
    assert {
        "tracks.nc",
        "diffusion.csv",
        "linking.csv",
        "pair_force_posterior.nc",
        "drift_laws.json",
    } <= names
    assert {"tracks.png", "diffusion.png", "pair_force.png"} <= names


def test_particles_that_rest_and_jump_have_rates(tmp_path, oracle):
    graph, rng = square_lattice((12, 12)), np.random.default_rng(2)
    start = np.zeros(144, dtype=int)
    start[rng.choice(144, 8, replace=False)] = 1
    rate = 1e13 * np.exp(-0.8 / (8.617333e-5 * 300.0))
    walk = simulate_hops(HopRates([0.8], temperature_kelvin=300.0), graph, start,
                         0.05 * np.arange(300), rng=1)  # fmt: skip
    table = walk.to_pandas()
    table[["x", "y"]] = 10 * table[["x", "y"]] + rng.normal(0, 0.3, (len(table), 2))
    table[["frame", "particle", "x", "y"]].to_csv(tmp_path / "hops.csv", index=False)
    result = run_study(Study(tmp_path / "hops.csv", frame_interval_s=0.05), out=tmp_path / "out",
                       seed=1)  # fmt: skip
    rows = {row["name"]: row for row in result.summary["hop_rates"]}
    found = rows["hop_rate[shell 1]"]
    # seven others of 144 sites block one hop in twenty
    free = rate * (1 - 7 / 143)
    oracle("rate of hops in a study", z=(found["mean"] - free) / found["sd"])
    assert "no scale of length" in result.report.read_text()
    assert any("rest and hop" in note.reason for note in result.findings.notes)


def test_what_does_not_go_with_tracks_is_named(tmp_path):
    file = write_tracks(tmp_path / "t.csv", np.zeros((3, 2, 2)), np.ones((2, 2)))
    with pytest.raises(InputError, match="drive does not go with tracked particles"):
        run_study(Study(file, drive="bias.csv"), out=tmp_path / "out")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns frame, particle, x and y"):
        run_study(Study(tmp_path / "table.csv"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_fit_without_forces_is_not_drawn():
    fit = fit_from_draws({"field": np.zeros(5)}, model="m", likelihood="l", approximation="a",
                         seed=1, data=b"")  # fmt: skip
    with pytest.raises(InputError, match="it holds field"):
        plot_pair_force(fit)
