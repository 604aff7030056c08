"""The one door to laws of motion, and the record it hands out."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import make_wall_scene, track_walls
from physlearn.inference import (
    DynamicsLaws,
    FieldLawOptions,
    MotionLawOptions,
    discover_dynamics,
)
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet

OPTIONS = FieldLawOptions(terms=["u", "u2", "lap_u", "u_x"])


def decaying_waves():
    t, x = np.arange(40)[:, None] * 0.1, np.arange(64) * 0.2
    wave = np.exp(-0.1 * t) * np.sin(x) + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)
    return xr.DataArray(wave, dims=("time", "x"), coords={"time": t[:, 0], "x": x})


def some_laws():
    law = Equation((Term(-2.0, ("u",)),), 0.1, 1.0, 1, np.array([[0.01]]))
    sets = {
        name: EquationSet((law,), ("u",), name, np.array([[0.0, 1.0]]), 0.1)
        for name in ("du/dt", "dv/dt")
    }
    return DynamicsLaws(sets, "field", ("a sentence",))


def test_a_film_gives_its_equation():
    laws = discover_dynamics(decaying_waves(), options=OPTIONS)
    assert (laws.kind, list(laws), len(laws)) == ("field", ["du/dt"], 1)
    assert laws["du/dt"].best.constants == pytest.approx([0.1], abs=0.005)
    assert laws.verdict.startswith("du/dt: ")


def test_a_wall_track_gives_its_velocity():
    track = track_walls(make_wall_scene("line", (48, 64), 5, rng=1).video)
    laws = discover_dynamics(track, kind="wall", rng=1)
    assert (laws.kind, list(laws)) == ("wall", ["velocity"])
    with pytest.raises(InputError, match="options must be a WallLawOptions"):
        discover_dynamics(track, options=OPTIONS)
    with pytest.raises(InputError, match="kind='field' does not go with a WallTrack"):
        discover_dynamics(track, kind="field")


def test_time_series_give_their_equation():
    t = np.linspace(0.0, 5.0, 60)
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    table = pd.DataFrame({"t": t, "x": 2.0 * np.exp(-0.7 * t) + noise})
    laws = discover_dynamics(table, options=MotionLawOptions(order="1", degree=2))
    assert (laws.kind, list(laws)) == ("motion", ["dx/dt"])
    assert laws["dx/dt"].best.constants == pytest.approx([-0.7], abs=0.02)
    with pytest.raises(InputError, match="options must be a MotionLawOptions"):
        discover_dynamics(table, options=OPTIONS)


def test_tables_of_other_kinds_and_drives_are_passed_on():
    t = np.linspace(0.0, 8.0, 80)
    noise = 0.01 * np.random.default_rng(1).normal(size=80)
    drive = np.sin(t)
    # x' = -x + sin(t)
    table = {"t": t, "x": 1.5 * np.exp(-t) + 0.5 * (np.sin(t) - np.cos(t)) + noise, "E": drive}
    options = MotionLawOptions(order="1", degree=1)
    one = discover_dynamics(table, drives=["E"], options=options)
    two = discover_dynamics([pd.DataFrame(table)], drives=["E"], options=options)
    assert one["dx/dt"].best == two["dx/dt"].best
    assert one["dx/dt"].best.variables == {"x", "E"}
    with pytest.raises(InputError, match="drives are columns of time series"):
        discover_dynamics(decaying_waves(), drives=["E"], options=OPTIONS)


@pytest.mark.parametrize("data", [np.zeros((4, 4)), [], {}, "film.tif", None, {"u": np.zeros(3)}])
def test_other_data_get_one_sentence(data):
    with pytest.raises(InputError, match=r"data must be a film .* got \w+\."):
        discover_dynamics(data)


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="kind"):
        discover_dynamics(decaying_waves(), kind="pde")


def test_laws_go_to_a_file_and_back(tmp_path):
    laws = some_laws()
    laws.save(tmp_path / "laws.json")
    read = DynamicsLaws.load(tmp_path / "laws.json")
    assert (list(read), read.kind, read.warnings) == (list(laws), laws.kind, laws.warnings)
    assert read.to_json() == laws.to_json()
    assert read["dv/dt"].best == laws["dv/dt"].best
    with pytest.raises(FileNotFoundError):
        DynamicsLaws.load(tmp_path / "no.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 3}', "[" * 100_000, None,
             json.dumps({"format": "physlearn dynamics laws 1", "equations": [1]}),
             json.dumps({"format": "physlearn dynamics laws 1", "equations": {}}),
             json.dumps({"format": "physlearn dynamics laws 1", "equations": {"x": 3}})],
)  # fmt: skip
def test_broken_files_are_refused(text):
    with pytest.raises(InputError):
        DynamicsLaws.from_json(text)


def test_the_record_checks_what_it_holds():
    laws = some_laws()
    with pytest.raises(InputError, match="du/dt, dv/dt"):
        laws["dw/dt"]
    with pytest.raises(InputError, match="at least one target"):
        DynamicsLaws({}, "field")
    with pytest.raises(InputError, match="int"):
        DynamicsLaws({"du/dt": 3}, "field")
    with pytest.raises(TypeError):
        laws.equations["x"] = laws["du/dt"]
    assert "! a sentence" in repr(laws)
    assert laws._repr_html_().count("-2") >= 2
