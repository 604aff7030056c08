"""The truth-fed limits of the atom benchmark, and its tables."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 2.5


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    before = dict(os.environ)
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    os.environ.clear()
    os.environ.update(before)


def picture(peak, background, shape=(80, 80), at=(41.3, 38.6)):
    j, i = np.mgrid[: shape[0], : shape[1]]
    column = np.exp(-0.5 * ((i - at[0]) ** 2 + (j - at[1]) ** 2) / WIDTH**2)
    return background + peak * column


def test_scan_finds_the_column_at_its_likelihood_ratio():
    from benchmarks.atoms.limits import scan_likelihood_ratio

    mean, base = picture(30.0, 5.0), picture(0.0, 5.0)
    places, ratio = scan_likelihood_ratio(mean, base, WIDTH)
    best = np.argmax(ratio)
    exact = np.sqrt(2 * np.sum(mean * np.log(mean / base) - mean + base))
    assert places[best] == pytest.approx([41.3, 38.6], abs=0.02)
    assert ratio[best] == pytest.approx(exact, rel=1e-3)


def test_vacancy_ratio_tells_the_two_apart_as_theory_says(oracle):
    from benchmarks.atoms.limits import vacancy_ratios

    full, empty = picture(6.0, 20.0), picture(0.0, 20.0)
    rng = np.random.default_rng(1)
    where = np.array([[41.3, 38.6]]), np.array([6.0]), np.array([True])
    there = [
        vacancy_ratios(rng.poisson(full).astype(float), full, *where, WIDTH)[0] for _ in range(400)
    ]
    expected = np.sum((full - empty) - full * np.log(full / empty))
    sd = np.sqrt(np.sum(full * np.log(full / empty) ** 2))
    oracle("mean log ratio", z=float((np.mean(there) - expected) / (sd / 20)))


def test_roc_of_shifted_normals(oracle):
    from scipy.stats import norm

    from benchmarks.atoms.limits import area_under_roc, share_at_false_rate

    rng = np.random.default_rng(3)
    positive = np.arange(4000) < 2000
    score = rng.normal(size=4000) + 1.5 * positive
    oracle("area", error=abs(area_under_roc(score, positive) - norm.cdf(1.5 / 2**0.5)), bound=0.03)
    wanted = norm.sf(norm.isf(0.05) - 1.5)
    oracle("share", error=abs(share_at_false_rate(score, positive, 0.05) - wanted), bound=0.07)


def test_tables_name_goals_met_and_missed(tmp_path):
    from benchmarks.atoms.__main__ import PICTURES, SPEED, markdown

    ours = {
        "recall": 1.0, "false_share": 0.0, "error_over_bound": 1.2, "z_sd": 1.0, "cpu_s": 0.1,
        "atoms_per_s": 60_000.0, "n_scored": 400,
    }  # fmt: skip
    other = {**ours, "z_sd": float("nan"), "cpu_s": 0.02, "version": "1.0"}
    case = {"rows": {"physlearn": ours, "trackpy": other, "X": {"absent": "why"}}, "gated": True,
            "load": 1.0}  # fmt: skip
    about = {"processor": "p", "cores": 1, "caches": {}, "system": "s", "python": "3",
             "versions": {}, "compiler": "c", "revision": "r", "date": "d"}  # fmt: skip
    text = markdown({"surroundings": about, "cases": {PICTURES[0].name: case, SPEED.name: case}})
    assert "MISSED: error" in text
    assert "absent: why" in text
    assert "5.0 x | at most 2 x | MISSED" in text
    assert "60,000 atoms/s | 50,000 | met" in text
