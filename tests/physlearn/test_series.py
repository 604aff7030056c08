"""Several inputs: their differences, trends and pooled values, tested against what was planted."""

import json

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.report.series_page import build_series_report, series_answers, series_content
from physlearn.results import fit_from_draws
from physlearn.series import Member, SeriesResult, chosen_kind, compare, folder_name
from physlearn.series_numbers import Quantity, compare_two, holm, judged, pool_repeats, trend_along
from physlearn.study_run import run_study_file

RNG = np.random.default_rng(11)


def quantities(means, sds):
    return [Quantity("J", "kT", float(m), float(s)) for m, s in zip(means, sds, strict=True)]


@pytest.mark.parametrize("scatter", [0.0, 1.0])
def test_nine_of_ten_slopes_lie_in_their_interval(scatter):
    n_trials, inside = 150, 0
    x = np.linspace(300, 600, 6)
    for _ in range(n_trials):
        sds = RNG.uniform(0.5, 1.5, 6)
        means = 0.01 * x + RNG.normal(size=6) * np.hypot(sds, scatter)
        found = trend_along(x.tolist(), quantities(means, sds))
        inside += found.low <= 0.01 <= found.high
    # a binomial of 150 at .9 lies above .8 but once in 10,000
    assert inside / n_trials > 0.8


def test_a_difference_has_the_width_of_both_errors():
    found = compare_two(*quantities([0.1, 0.2], [0.03, 0.04]))
    assert found.mean == pytest.approx(0.1)
    assert found.high - found.low == pytest.approx(2 * 1.6448536 * 0.05, rel=1e-4)
    few = compare_two(Quantity("J", "", 0, 0.03, 3.0), Quantity("J", "", 0, 0.04, 3.0))
    assert few.high - few.low > found.high - found.low


def test_repeats_that_differ_are_told_from_those_that_agree():
    agree = pool_repeats(quantities([0.20, 0.21, 0.19], [0.02] * 3))
    apart = pool_repeats(quantities([0.10, 0.20, 0.30], [0.01] * 3))
    assert agree.p_value > 0.5
    assert apart.p_value < 1e-6
    assert apart.scatter > 0.05 > agree.scatter
    assert apart.low < 0.2 < apart.high


def test_few_values_are_refused():
    with pytest.raises(InputError, match="three different values"):
        trend_along([1.0, 1.0, 2.0], quantities([1, 2, 3], [1, 1, 1]))
    with pytest.raises(InputError, match="two at least"):
        pool_repeats(quantities([1], [1]))


def test_one_of_many_comparisons_is_not_called_a_change():
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
    rows = {str(k): compare_two(*quantities([0, 0.1 * (k == 0)], [0.03, 0.04])) for k in range(9)}
    verdicts = judged(rows, up="rose", down="fell", nothing="changed")
    assert verdicts["0"] == (
        "open", "perhaps rose: alone it would count, among 9 comparisons it does not",
    )  # fmt: skip
    assert verdicts["1"][1] == "these data can’t tell whether it changed"


def fit(mean, seed):
    draws = np.random.default_rng(seed).normal(mean, 0.01, (2000, 1))
    return fit_from_draws({"couplings": draws}, model="Ising", likelihood="l", approximation="a",
                          seed=seed, data=b"x", prior_sd={"couplings": [0.5]},
                          dims={"couplings": ["shell"]}, coords={"shell": [1]},
                          units={"couplings": "kT"})  # fmt: skip


def member(label, at, mean, seed):
    posterior = fit(mean, seed)
    row = posterior.summary().iloc[0]
    found = {"couplings[1]": Quantity("couplings[1]", "kT", row["mean"], row["sd"])}
    summary = {"headlines": [{"answer": f"<{label}>"}], "steps": []}
    return Member(label, folder_name(0, label), at, summary, found, posterior)


def test_couplings_at_several_temperatures_give_one_energy(tmp_path):
    # J = -V / kT with V = -5 meV
    members = tuple(
        member(f"{t} K", {"temperature_K": t}, 5.0 / (0.08617 * t), k)
        for k, t in enumerate((300.0, 400.0, 500.0, 700.0))
    )
    view = compare("auto", members, 1)
    assert view.kind == "temperature_K"
    result = SeriesResult(tmp_path, "a <series>", members, view)
    first, *rest = series_answers(result)
    assert "interaction energy" in first.sentence
    energies = -0.08617333 * view.pooled.attrs["covariate_reference"] * view.pooled["population"]
    assert np.quantile(energies, 0.001) < -5.0 < np.quantile(energies, 0.999)
    assert energies.std() < 0.5
    assert any("falls with temperature" in answer.sentence for answer in rest)
    content = series_content(result) | {"files": [], "seed": 1}
    json.dumps(content, allow_nan=False)
    page = build_series_report(result, content, {})
    assert "a &lt;series&gt;" in page
    assert "http:" not in page
    assert "https:" not in page
    assert "from 300 to 700 K" in page


def test_how_inputs_are_compared_follows_from_what_they_say():
    def kind(*at):
        return chosen_kind("auto", tuple(Member(str(k), "", a, {}, {}) for k, a in enumerate(at)))

    assert kind({}, {}) == "before_after"
    assert kind({}, {}, {}) == "nothing"
    assert kind({"dose": 1}, {"dose": 2}, {"dose": 3}) == "dose"
    assert kind({"dose": 1}, {"dose": 1}, {"dose": 1}) == "repeats"


def test_a_pair_is_studied_compared_and_kept(tmp_path):
    for name, level in (("a", 100.0), ("b", 130.0)):
        scene = level + RNG.normal(0, 10, (64, 64))
        np.save(tmp_path / f"{name}.npy", scene)
    (tmp_path / "study.yaml").write_text(
        "inputs:\n  - {file: a.npy, label: before ../}\n  - {file: b.npy, label: after}\nseed: 3\n"
    )
    result = run_study_file(tmp_path / "study.yaml")
    assert result.overview.kind == "before_after"
    assert [one.folder for one in result.members] == ["01-before", "02-after"]
    files = json.loads((result.folder / "summary.json").read_text())["files"]
    assert all((result.folder / name).is_file() for name in files)
    assert (result.folder / "02-after" / "report.html").is_file()
    first = (result.folder / "summary.json").read_bytes()
    again = run_study_file(tmp_path / "study.yaml")
    kept = [step["kept"] for one in again.members for step in one.summary["steps"]
            if step["status"] != "skipped"]  # fmt: skip
    assert all(kept)
    changed = json.loads((again.folder / "summary.json").read_text())
    assert changed["compared"] == json.loads(first)["compared"]


def test_a_wrong_input_is_found_before_the_first_step(tmp_path):
    np.save(tmp_path / "a.npy", RNG.normal(size=(64, 64)))
    np.save(tmp_path / "b.npy", np.zeros((64, 64)))
    (tmp_path / "study.yaml").write_text("inputs:\n  - file: a.npy\n  - file: b.npy\n")
    with pytest.raises(InputError, match=r"b\.npy: .*constant"):
        run_study_file(tmp_path / "study.yaml")
    assert not (tmp_path / "study-results").exists()
