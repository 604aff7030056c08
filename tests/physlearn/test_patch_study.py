"""A study's patch table: errors from a second scan, flags, derived columns, and its files."""

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.cli import main
from physlearn.datasets import (
    ChannelSceneSettings,
    check_layout,
    descriptor_terms,
    make_channel_scene,
    make_spectra,
)
from physlearn.findings import Findings
from physlearn.inputs import read_channels, read_repeat
from physlearn.patch_summary import column_rows, patch_answers, patches_content, scan_metadata
from physlearn.plots import plot_patches
from physlearn.records import PatchTable
from physlearn.report.patch_prose import patch_rows, patches_text, repeat_text
from physlearn.study import Study, run_study


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Write a scan of five channels and its repeat; return the folder and what was planted."""
    folder = tmp_path_factory.mktemp("scans")
    scene = make_channel_scene(
        ChannelSceneSettings(shape=(96, 96), n_scans=2, shift_px=(1.3, 1.3)), rng=1
    )  # fmt: skip
    for number, scan in enumerate(scene.scans):
        scan.to_netcdf(folder / f"scan{number}.nc", engine="h5netcdf")
    return folder, scene


@pytest.fixture(scope="module")
def repeated(scans):
    folder, _ = scans
    study = Study(
        folder / "scan0.nc", picture="height", channels=(folder / "scan0.nc",),
        repeat=(folder / "scan1.nc",),
    )  # fmt: skip
    return run_study(study, out=folder / "study", seed=1)


def table(**changes):
    """Return a table of 25 patches with a measured, a flagged, a derived and an unknown column."""
    rng = np.random.default_rng(0)
    names = ("dilation", "idle", "slope", "mine")
    frame = pd.DataFrame({name: rng.normal(size=25) for name in names})
    centers = np.stack(np.divmod(np.arange(25.0), 5), axis=1)
    made = PatchTable(
        frame, centers, 1.0, unit="nm", units={"idle": "mV"}, tiers={"dilation": 1, "idle": 2},
        measurement_covariance=np.diag([0.01, 0.9, 0.04, 0.0])[None],
        flags={"idle": "no signal above its noise"}, derived={"slope": ("dilation",)},
        errors_unknown=("mine",), metadata={"channels": ["idle", "slope"]},
    )  # fmt: skip
    return replace(made, **changes)


def test_a_second_scan_reaches_table_report_and_files(scans, repeated):
    _, scene = scans
    found, folder = repeated.findings.patches, repeated.folder
    assert set(scene.noise_sd) <= set(found.columns)
    assert found.metadata["repeat"]["registered"]
    page = repeated.report.read_text(encoding="utf-8")
    assert "errors come from their difference" in page
    said = pd.read_csv(folder / "patches_columns.csv").set_index("name")
    assert said.loc["idle", "noise_share"] > 0.5 > said.loc["height", "noise_share"]
    assert PatchTable.load(folder / "patches.nc").frame.equals(found.frame)
    assert check_layout(folder / "patches.nc") == []
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in summary["patches"]["descriptors"]}
    assert rows["height"]["error"] > 0
    assert "deflection" in summary["patches"]["derived"]
    assert "idle" in summary["patches"]["flags"]
    questions = [answer["question"] for answer in summary["headlines"]]
    assert "Do patches differ by more than their errors?" in questions


def test_every_column_of_the_study_is_in_the_vocabulary(repeated):
    assert set(pd.read_csv(repeated.folder / "patches_columns.csv")["term"]) <= set(
        descriptor_terms()["name"]
    )


def test_rows_say_what_is_known_and_what_is_not():
    rows = {row["name"]: row for row in column_rows(table())}
    assert rows["dilation"]["error"] == pytest.approx(0.1)
    assert rows["dilation"]["noise_share"] < 0.05
    assert rows["mine"]["error"] is None
    assert rows["mine"]["term"] == ""
    assert rows["slope"]["derived_from"] == "dilation"
    assert rows["idle"]["term"] == "channel_mean"
    said = {row["label"]: row["remark"] for row in patch_rows(patches_content(table()))}
    assert said["dilation"] == ""
    assert "no signal" in said["idle"]
    assert "% of its variance is noise" in said["idle"]
    assert said["slope"] == "follows from dilation"
    assert said["mine"] == "its error is unknown"
    certain = np.diag([1e-60, 0.9, 0.04, 0.0])[None]
    row = column_rows(table(measurement_covariance=certain))[0]
    assert (row["error"], row["noise_share"]) == (0.0, 0.0)


def test_headlines_name_the_silent_channel_and_judge_a_second_scan():
    (silent,) = patch_answers(table())
    assert silent.sentence == "Idle shows no signal above the noise."
    told = {"registered": True, "shift": [1.0, 2.0], "shift_sd": [0.1, 0.2]}
    given = table(metadata={"repeat": told}, flags={}, error_correlation_length=3.0)
    (judged,) = patch_answers(given)
    assert judged.sentence.startswith("Measured twice, 2 of 3 descriptors")
    texts = repeat_text(Findings("a", 1, patches=given))
    assert "1 along x and 2 along y" in texts[0]
    assert "3 nm agree" in texts[-1]


def test_the_report_says_how_patches_were_taken():
    text = patches_text(Findings("a", 1, patches=table(overlap=0.5, chosen_by_result=True)))
    assert "50%" in text
    assert "independent causes look tied" in text
    flagged = Findings("a", 1, patches=table())
    assert ("patches", "idle: no signal above its noise.") in flagged.warnings()


def test_a_map_shows_error_and_flag():
    ax = plot_patches(table(), "idle")
    assert "no signal" in ax.get_xlabel()
    bar = ax.get_figure().axes[1]
    assert np.ptp(bar.lines[0].get_ydata()) > 1.0
    assert plot_patches(table(), "slope").get_xlabel() == "follows from dilation"
    assert not plot_patches(table(), "mine").get_figure().axes[1].lines


def test_metadata_come_from_the_picture_where_it_says():
    axes = {
        "y": ("y", np.arange(4.0), {"units": "nm"}),
        "x": ("x", np.arange(4.0), {"units": "nm"}),
    }
    image = xr.DataArray(
        np.zeros((4, 4)), coords=axes, dims=("y", "x"), attrs={"dwell_time_s": 0.5}
    )
    said = scan_metadata(Findings("a", 1, image=image))
    assert said["pixel_size"] == [1.0, 1.0]
    assert said["dwell_time_s"] == 0.5
    assert said["temperature_k"] == "not recorded"


def test_a_file_of_channels_and_its_repeat_are_read_by_name(scans, tmp_path):
    folder, scene = scans
    image = scene.scans[0].height
    channels = read_channels([folder / "scan0.nc"], image)
    assert list(channels) == list(scene.scans[0])
    again = read_repeat([folder / "scan1.nc"], image, channels)
    np.testing.assert_array_equal(again.idle.to_numpy(), scene.scans[1].idle.to_numpy())
    np.save(tmp_path / "one.npy", scene.scans[1].height.to_numpy())
    alone = read_repeat([tmp_path / "one.npy"], image, channels[["height"]])
    assert list(alone) == ["height"]
    assert read_repeat([tmp_path / "one.npy"], image, None).shape == (96, 96)


def test_a_repeat_that_does_not_fit_is_refused(scans, tmp_path):
    folder, scene = scans
    image = scene.scans[0].height
    channels = read_channels([folder / "scan0.nc"], image)
    np.save(tmp_path / "one.npy", np.random.default_rng(0).normal(size=(96, 96)))
    np.save(tmp_path / "small.npy", np.random.default_rng(0).normal(size=(40, 96)))
    with pytest.raises(InputError, match="must hold the picture"):
        read_repeat([folder / "scan1.nc"], image.assign_attrs(channel="other"), None)
    with pytest.raises(InputError, match="one file a channel"):
        read_repeat([tmp_path / "one.npy"], image, channels)
    with pytest.raises(InputError, match="must be one file"):
        read_repeat([tmp_path / "one.npy"] * 2, image, None)
    with pytest.raises(InputError, match="first scan's shape"):
        read_repeat([tmp_path / "small.npy"], image, channels[["height"]])
    coarse = scene.scans[1].assign_coords(
        {dim: scene.scans[1][dim].copy(data=3 * scene.scans[1][dim].to_numpy()) for dim in "yx"}
    )
    coarse.to_netcdf(tmp_path / "coarse.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="its pixels are 3 times as large"):
        read_repeat([tmp_path / "coarse.nc"], image, channels)
    with pytest.raises(InputError, match="different names"):
        read_channels([tmp_path / "one.npy"] * 2, image)


def test_a_file_of_spectra_gives_loops_in_patches(tmp_path):
    stack = make_spectra("loops", (24, 24), rng=1).spectra
    stack.to_dataset(name="response").to_netcdf(tmp_path / "loops.nc", engine="h5netcdf")
    result = run_study(tmp_path / "loops.nc", out=tmp_path / "study", seed=1)
    assert "imprint" in result.findings.patches.columns
    assert (result.folder / "figures" / "spectra_response.png").is_file()
    page = result.report.read_text(encoding="utf-8")
    assert "median of the sound pixels" in page
    assert "no picture: the median of response" in page


def test_a_drive_does_not_go_with_spectra(tmp_path):
    stack = make_spectra("loops", (20, 20), rng=1).spectra
    stack.to_dataset(name="response").to_netcdf(tmp_path / "loops.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="holds spectra"):
        run_study(Study(tmp_path / "loops.nc", drive="drive.csv"), out=tmp_path / "study")


def test_the_command_line_hands_on_channels_and_repeats(monkeypatch, capsys):
    given = []

    def remember(study, **_):
        given.append(study)
        raise InputError("seen.")

    monkeypatch.setattr("physlearn.study.run_study", remember)
    words = ["study", "a.nc", "--channel", "a.nc", "--repeat", "b.nc", "--repeat", "c.nc"]
    monkeypatch.setattr(sys, "argv", ["physlearn", *words, "--out", "study"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "physlearn: seen.\n"
    assert [path.name for path in given[0].repeat] == ["b.nc", "c.nc"]
    assert [path.name for path in given[0].channels] == ["a.nc"]
