"""The demo's answers against its planted truth, over seeds."""

import json

import pytest

from physlearn.demo import demo_seed_table, write_seed_table

PARAMETERS = ["field", "couplings[1]", "couplings[2]", "drive_mobility", "curvature_mobility"]


def test_three_seeds_find_what_was_planted():
    result = demo_seed_table([1, 2, 3])
    for row in result["rows"]:
        assert row["could_not"] == []
        assert [answer["name"] for answer in row["parameters"]] == PARAMETERS
        for answer in row["parameters"]:
            # Four standard deviations: one in 16,000 for an honest posterior
            assert abs(answer["mean"] - answer["truth"]) < 4 * answer["sd"], (row["seed"], answer)
            assert answer["width_over_bound"] > 0.7
    totals = result["totals"]
    # Honest 90 % intervals hold 10 or more of 15 truths in 998 of 1,000 runs
    assert sum(totals["inside"].values()) >= 10
    assert totals["median_width_over_bound"] <= 1.5
    assert totals["causes_right"] >= 2
    for row in result["rows"]:
        for effect in row["effects"]:
            sd = (effect["q95"] - effect["q05"]) / 3.29
            assert abs(effect["mean"] - effect["truth"]) < 4 * sd, (row["seed"], effect)
    assert {"dilation -> response", "composition -> distractor"} == set(totals["effects_inside"])


@pytest.mark.slow
def test_twenty_seeds_meet_the_goal(tmp_path):
    from rich.console import Console

    table, totals = write_seed_table(range(1, 21), tmp_path / "demo_seeds.json")
    Console(width=160).print(table, totals)
    judged = json.loads((tmp_path / "demo_seeds.json").read_text())["totals"]
    assert judged["inside_share"] >= 0.85
    assert judged["median_width_over_bound"] <= 1.5
    assert max(judged["median_width_over_bound_by_parameter"].values()) <= 1.5
    assert judged["causes_right"] >= 17
    for name, counted in judged["effects_inside"].items():
        # Honest 90 % intervals hold 15 or more of 20 truths in 989 of 1,000 runs
        assert counted["given"] >= 18 and counted["inside"] >= 0.75 * counted["given"], name
