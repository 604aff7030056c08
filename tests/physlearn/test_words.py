"""Headlines say what is settled and what the data cannot tell."""

import numpy as np
import pytest

from physlearn.causal import CausalGraph
from physlearn.causal.effects import Effect, EffectMember
from physlearn.causal.graphs import GraphEdge
from physlearn.causal.patch_counterfactual import Counterfactual
from physlearn.datasets import make_strained_crystal, measure_strain
from physlearn.findings import Findings, PlantedTruth
from physlearn.results import fit_from_draws
from physlearn.summary import summarize, truth_beside_answers
from physlearn.words import claims_a_cause, coupling_answer, headlines, said_interval


def coupling_fit(mean, sd, n=8000, warnings=()):
    draws = {"couplings": np.random.default_rng(1).normal(mean, sd, (n, 1))}
    return fit_from_draws(
        draws, model="Ising", likelihood="exact", approximation="none", seed=1, data=b"",
        dims={"couplings": ["shell"]}, coords={"shell": [1]}, units={"couplings": "kT"},
        warnings=warnings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mean", "state", "words"),
    [(-0.1, "settled", "Unlike neighbours are preferred"),
     (0.1, "settled", "Like neighbours are preferred"),
     (0.002, "open", "can’t tell whether unlike or like")],
)  # fmt: skip
def test_coupling_headline_follows_the_posterior(mean, state, words):
    answers = headlines(Findings("a", 1, couplings=coupling_fit(mean, 0.02)))
    assert [answer.state for answer in answers] == [state]
    assert words in answers[0].sentence


def test_a_repeated_prior_settles_nothing():
    assert coupling_answer("couplings[1]", 0.001, "prior repeated").state == "open"


@pytest.mark.parametrize(
    ("warning", "state"),
    [("near a transition: pseudolikelihood error bars unreliable (x)", "open"),
     ("few pairs of the rarer state: a Gaussian posterior is too narrow here", "open"),
     ("the exact likelihood was used", "settled")],
)  # fmt: skip
def test_couplings_with_doubtful_error_bars_are_not_settled(warning, state):
    fit = coupling_fit(-0.1, 0.001, warnings=(warning,))
    (answer,) = headlines(Findings("a", 1, couplings=fit))
    assert answer.state == state
    assert ("not to be trusted" in answer.sentence) == (state == "open")
    assert (warning in answer.detail) == (state == "open")


def strain_sentence(displacement, seed=0, sd=0.03):
    """Return what is said of a crystal with these displacements and right error bars."""
    made = make_strained_crystal((24, 24), displacement=displacement, rng=seed)
    truth = made.scene.truth
    kick = np.random.default_rng(seed).normal(0, sd, (truth.n, 2))
    atoms = truth.with_changes(
        positions=truth.positions + kick,
        position_covariance=np.tile(sd**2 * np.eye(2), (truth.n, 1, 1)),
    )
    findings = Findings("a", 1, atoms=atoms, strain=measure_strain(atoms))
    return next(a for a in headlines(findings) if a.question == "Is the lattice strained?")


K = 2 * np.pi / 120


@pytest.mark.parametrize(
    ("displacement", "names"),
    [
        (lambda p: 0.01 / K * np.sin(K * p.sum(axis=1))[:, None] * [1.0, -1.0], ("xx by", "yy by")),
        (lambda p: 0.03 / K * np.sin(K * p[:, 0])[:, None] * [0.0, 1.0], ("xy by",)),
    ],
)
def test_strain_of_any_component_is_said_and_stays_open(displacement, names):
    answer = strain_sentence(displacement)
    assert all(name in answer.sentence for name in names)
    # a drift of the scan does the same to a picture
    assert answer.state == "open"


def test_no_strain_is_not_found_and_the_limit_is_a_number():
    answer = strain_sentence(lambda p: 0.0 * p)
    assert "No strain stands out: variations above 0." in answer.sentence
    assert " 0.00%" not in answer.sentence


def test_error_bars_that_are_too_wide_are_called_so():
    made = make_strained_crystal((24, 24), displacement=lambda p: 0.0 * p, rng=0)
    truth = made.scene.truth
    wide = truth.with_changes(position_covariance=np.tile(np.eye(2), (truth.n, 1, 1)))
    findings = Findings("a", 1, atoms=wide, strain=measure_strain(wide))
    assert any("too wide" in answer.sentence for answer in headlines(findings))


def wall_fit(verdict="", warnings=()):
    draws = np.random.default_rng(1).normal(0.3, 0.001, 2000)
    return fit_from_draws(
        {"drive_velocity": draws}, model="v", likelihood="l", approximation="a", seed=1, data=b"",
        units={"drive_velocity": "pixel/frame"}, warnings=warnings,
        verdicts={"drive_velocity": verdict} if verdict else {},
    )  # fmt: skip


def test_a_wall_law_that_does_not_fit_settles_nothing():
    (settled,) = headlines(Findings("a", 1, wall_fit=wall_fit()))
    assert (settled.state, settled.sentence) == (
        "settled", "The bright domain grows: P\u00a0>\u00a00.999."
    )  # fmt: skip
    verdict = "model inadequate: the interval is too narrow"
    (misfit,) = headlines(Findings("a", 1, wall_fit=wall_fit(verdict)))
    assert misfit.state == "open"
    assert "does not fit" in misfit.sentence
    assert "0.999" not in misfit.sentence
    assert verdict in misfit.detail
    stuck = wall_fit(warnings=("the fit did not converge: do not trust the numbers",))
    (unsure,) = headlines(Findings("a", 1, wall_fit=stuck))
    assert (unsure.state, "not to be trusted" in unsure.sentence) == ("open", True)


@pytest.mark.parametrize(
    ("marks", "presence", "claimed"),
    [(("tail", "arrow"), "present", True), (("circle", "arrow"), "present", True),
     (("arrow", "arrow"), "present", False), (("circle", "circle"), "present", False),
     (("arrow", "tail"), "present", False), (("tail", "arrow"), "undecided", False)],
)  # fmt: skip
def test_only_a_present_arrow_claims_a_cause(marks, presence, claimed):
    edge = GraphEdge("a", "b", marks[0], marks[1], presence)
    assert claims_a_cause(CausalGraph(("a", "b"), (edge,)), "a", "b") is claimed


def test_truth_is_judged_by_the_interval():
    truth = PlantedTruth({"couplings[1]": -0.1, "drive_mobility": 0.5},
                         causes=(("a", "r"), ("b", "r")), distractors=("d",))  # fmt: skip
    graph = CausalGraph.from_edges([("a", "r"), ("a", "d")], columns=["a", "b", "d", "r"])
    found = Findings("a", 1, couplings=coupling_fit(-0.2, 0.02), graph=graph, truth=truth)
    judged = truth_beside_answers(found)
    assert [row["inside"] for row in judged["parameters"]] == [False, None]
    assert [row["found"] for row in judged["causes"]] == [True, False]
    assert [row["called_a_cause"] for row in judged["distractors"]] == [False]
    found.couplings = coupling_fit(-0.1, 0.02)
    assert truth_beside_answers(found)["parameters"][0]["inside"] is True


def answer_of(direction, mean):
    """An effect of contrast (0, 3) or back, with the interval mean -+ 0.66."""
    contrast = (0.0, 3.0)[::direction]
    member = EffectMember((), mean, 0.4, 1e6, 500.0)
    return Effect("a", "r", contrast, mean, 0.4, True, "", (), "V", members=(member,))


@pytest.mark.parametrize(
    ("direction", "mean", "truth", "inside"),
    [(1, 5.8, 6.0, True), (-1, -5.8, -6.0, True), (1, -5.8, 6.0, False), (1, 5.2, 6.0, False)],
)
def test_a_planted_slope_is_an_effect_from_the_first_to_the_second_value(
    direction, mean, truth, inside
):
    planted = PlantedTruth({}, slopes={("a", "r"): 2.0})
    found = Findings("a", 1, effects=[answer_of(direction, mean)], truth=planted)
    (row,) = truth_beside_answers(found)["effects"]
    assert (row["truth"], row["mean"], row["inside"]) == (truth, mean, inside)
    assert (row["q05"], row["q95"]) == pytest.approx((mean - 0.658, mean + 0.658), abs=1e-3)


def rows_with_intervals(content):
    """Yield every dict of a summary that has the ends of an interval."""
    if isinstance(content, dict):
        if "q05" in content:
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from rows_with_intervals(part)


def test_every_interval_of_the_summary_holds_its_mean():
    what_if = Counterfactual(
        3, {"a": 1.0}, "r", 1.0, 0.06, 1.4, (np.linspace(0.9, 1.1, 101),), True, "", False, "V"
    )
    found = Findings(
        "a", 1, couplings=coupling_fit(-0.1, 0.02), effects=[answer_of(1, 5.8)],
        counterfactuals=[what_if],
        truth=PlantedTruth({"couplings[1]": -0.1}, slopes={("a", "r"): 2.0}),
    )  # fmt: skip
    content = summarize(found)
    rows = list(rows_with_intervals(content))
    assert len(rows) == 5  # fit, effect, what if; and of the first two beside the truth
    for row in rows:
        assert row["q05"] < row["mean"] < row["q95"]
    (row,) = content["counterfactuals"]
    assert (row["q05"], row["q95"]) == pytest.approx((0.91, 1.09))
    assert (row["mean"], row["factual"], row["sd"]) == (1.0, 1.4, 0.06)


def test_interval_keeps_two_digits_of_its_width():
    assert said_interval(0.123456, 0.1, 0.15) == ("0.123", "0.100", "0.150")
    assert said_interval(float("nan"), float("nan"), float("nan"))[0] == "–"


def test_a_link_seen_in_few_half_samples_is_not_called_settled():
    for frequency, state, words in ((0.52, "open", "may change"), (0.97, "found", "changes")):
        edge = GraphEdge("a", "r", "tail", "arrow", "present", frequency)
        graph = CausalGraph(("a", "r"), (edge,), tiers={"a": 0, "r": 2})
        (answer,) = headlines(Findings("a", 1, graph=graph))
        assert (answer.state, words in answer.sentence) == (state, True)


def test_links_of_open_direction_are_told_where_no_cause_is_established():
    edge = GraphEdge("height", "amplitude", "circle", "circle", "present", 1.0)
    tiers = {"height": 2, "amplitude": 2}
    graph = CausalGraph(("height", "amplitude"), (edge,), tiers=tiers, detectable=0.07)
    (answer,) = headlines(Findings("a", 1, graph=graph))
    assert "No cause of the height or amplitude was established" in answer.sentence
    assert answer.detail == (
        "linked, which way is open: height and amplitude; partial correlations below 0.07 would "
        "have been missed"
    )


def test_an_end_that_rounds_to_zero_has_no_sign():
    assert said_interval(-1.1, -3.0, -0.01) == ("−1.1", "−3.0", "0.0")
