"""A Fit carries its posterior, its provenance and its doubts, and survives a file."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.results import Fit, data_fingerprint, fit_from_draws


@pytest.fixture
def fit():
    rng = np.random.default_rng(5)
    draws = {"field": rng.normal(0, 1, 4000), "couplings": rng.normal([0.2, -0.1], 0.01, (4000, 2))}
    return fit_from_draws(
        draws, model="Ising, 2 shells", likelihood="pseudolikelihood",
        approximation="sandwich", seed=5, data=[np.arange(4)],
        prior_sd={"field": 1.0, "couplings": 0.5}, units={"couplings": "kT"},
        dims={"couplings": ["shell"]}, coords={"shell": [1, 2]},
        diagnostics={"n": 3, "rows": [{"a": np.float64(1.5)}], "none": np.nan},
        warnings=("counts unknown",), verdicts={"couplings[2]": "unlike preferred"},
    )  # fmt: skip


def test_summary_says_prior_repeated_where_it_is(fit):
    table = fit.summary().set_index("name")
    assert list(table.index) == ["field", "couplings[1]", "couplings[2]"]
    assert table.loc["field", "verdict"] == "prior repeated"
    assert table.loc["couplings[2]", "verdict"] == "unlike preferred"
    # equal-tailed 90 % of a normal: 1.6449 sd either side, here within 4 sd of the sample quantile
    assert table.loc["couplings[1]", "q95"] == pytest.approx(0.2 + 0.016449, abs=4 * 3.3e-4)
    n = len(fit["couplings"])
    assert table.loc["couplings[1]", "sd"] == pytest.approx(0.01, abs=4 * 0.01 / np.sqrt(2 * n))
    assert table.loc["couplings[1]", "probability_positive"] == 1.0
    assert table.loc["couplings[1]", "unit"] == "kT"


def test_round_trip_keeps_draws_and_doubts(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    back = Fit.load(tmp_path / "fit.nc")
    np.testing.assert_array_equal(back["couplings"], fit["couplings"])
    assert back.model == fit.model
    assert back.warnings == ("counts unknown",)
    assert back.diagnostics == {"n": 3, "rows": [{"a": 1.5}], "none": None}
    assert back.summary().equals(fit.summary())
    assert set(json.loads(back.attrs["versions"])) >= {"numpy", "physlearn", "arviz"}
    fit.save(tmp_path / "fit.nc")  # a loaded fit does not keep its file locked


def test_a_row_of_the_summary_names_its_draws(fit):
    np.testing.assert_array_equal(fit["couplings[2]"], fit["couplings"][:, 1])
    assert fit["couplings[1]"].mean() == pytest.approx(fit.summary()["mean"][1])
    with pytest.raises(InputError, match=r"got 'couplings\[3\]'"):
        fit["couplings[3]"]


def test_a_file_that_arviz_wrote_is_a_fit_without_diagnostics(fit, tmp_path):
    fit.idata.to_netcdf(str(tmp_path / "fit.nc"), engine="h5netcdf")
    back = Fit.load(tmp_path / "fit.nc")
    np.testing.assert_array_equal(back["field"], fit["field"])
    assert back.diagnostics == {}


def test_wrong_files_and_names_are_refused(fit, tmp_path):
    with pytest.raises(InputError, match="name must be a variable of this fit"):
        fit["coupling"]
    with pytest.raises(FileNotFoundError):
        Fit.load(tmp_path / "absent.nc")
    (tmp_path / "no.nc").write_bytes(b"not netcdf")
    with pytest.raises(InputError, match="must be a fit that physlearn wrote"):
        Fit.load(tmp_path / "no.nc")


def test_draws_must_be_finite():
    with pytest.raises(InputError, match="must be finite"):
        fit_from_draws(
            {"a": np.array([np.nan])},
            model="m",
            likelihood="l",
            approximation="a",
            seed=0,
            data=b"",
        )


def test_fingerprint_tells_type_and_shape_apart():
    base = np.arange(4, dtype=np.int8)
    assert data_fingerprint([base]) != data_fingerprint([base.astype(np.int16)])
    assert data_fingerprint([base]) != data_fingerprint([base.reshape(2, 2)])
    assert data_fingerprint([base]) == data_fingerprint([base.copy()])


def test_a_home_that_cannot_be_written_to_stops_no_fit(tmp_path):
    (tmp_path / "file").touch()  # a folder below a file can't be made, whoever asks
    code = (
        "import os, tempfile\n"
        "from physlearn.arviz_import import import_arviz\n"
        "print(import_arviz().__name__, 'XDG_CACHE_HOME' in os.environ)"
    )
    home = {"HOME": str(tmp_path / "file" / "home"), "MPLCONFIGDIR": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **home}, capture_output=True, text=True
    )
    assert done.stdout == "arviz False\n", done.stderr


def test_a_variable_outside_the_ledgers_band_says_so_in_summary_and_print(monkeypatch):
    from physlearn import calibration_marks

    mark = calibration_marks.Mark("hops/counts", "inference.f", "rate", "counts", 0.78, 200)
    monkeypatch.setattr(calibration_marks, "MARKS", (mark,))
    draws = {"rate": np.linspace(0, 1, 50), "drift": np.linspace(0, 1, 50)}
    made = {"model": "m", "approximation": "a", "seed": 0, "data": b"x"}
    fit = fit_from_draws(draws, likelihood="counts", **made)
    said = fit.summary().set_index("name")["verdict"]
    assert said["rate"] == "uncalibrated: cov90 .78 of 200 (hops/counts)"
    assert said["drift"] == ""
    assert "uncalibrated: cov90 .78 of 200 (hops/counts)" in repr(fit)
    assert "uncalibrated" not in repr(fit_from_draws(draws, likelihood="tracks", **made))
