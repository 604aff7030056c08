import numpy as np
import pytest

from physlearn.causal import Action, Hypothesis
from physlearn.causal.hypotheses import with_none_of_these
from physlearn.causal.severity.design_table import DesignTable, action_coordinates, design_table
from physlearn.checks import InputError

BIASES = [-1.0, 0.0, 1.0, 3.0]
ACTIONS = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in BIASES]


def predict(action, rng, n):
    return rng.normal(2 * action.number("bias_V"), 0.5, n)


def joint(actions, rng, n):
    return rng.normal(2, 0.1, (n, 1)) * [a.number("bias_V") for a in actions]


def hypothesis(name="linear", **given):
    return Hypothesis(name, 1.0, predict, **given)


def test_table_holds_joint_draws_and_stated_noise():
    laws = [
        hypothesis(joint=joint, noise_sd=lambda a: 0.1 + abs(a.number("bias_V"))),
        Hypothesis("fixed", 3.0, lambda a, rng, n: (0.5, 0.2)),
    ]
    table = design_table(with_none_of_these(laws), ACTIONS, n_members=200, rng=0)
    assert table.hypotheses == ("linear", "fixed")
    assert [m.shape for m in table.members] == [(200, 4), (1, 4)]
    assert np.allclose(table.members[0][:, 3], 3 * table.members[0][:, 2])
    assert table.noise_sd.tolist() == [[1.1, 0.1, 1.1, 3.1], [0.2] * 4]
    assert table.prior == pytest.approx([0.25, 0.75])
    assert table.coordinates.ravel().tolist() == [0, 0.25, 0.5, 1]


def test_without_joint_draws_the_prediction_is_one_member():
    table = design_table([hypothesis()], ACTIONS, rng=0)
    error = 4 * 0.5 / np.sqrt(512)
    assert table.members[0][0] == pytest.approx([2 * b for b in BIASES], abs=error)
    assert table.noise_sd[0] == pytest.approx(0.5, rel=4 / np.sqrt(2 * 512))


def test_coordinates_are_ranges_logarithms_and_verbs():
    doses = [Action("expose_site", {"x": 0.0, "y": 1.0}, d, 1.0, 1.0) for d in (1, 10, 100)]
    assert action_coordinates(doses).ravel() == pytest.approx([0, 0.5, 1])
    both = action_coordinates([*doses, *ACTIONS])
    assert both.shape[0] == 7
    assert np.abs(both[:3, None] - both[None, 3:]).max(axis=2).min() >= 3
    assert action_coordinates(ACTIONS[:1]).tolist() == [[0.0]]


def set_column(column, to, **more):
    args = {"x": 1.0, "y": 1.0, "column": column, "to": to} | more
    return Action("expose_site", args, 2.0, 1.0, 1.0)


def test_texts_that_say_what_is_done_lie_apart_and_labels_do_not():
    acts = [set_column(c, to) for c in ("driver", "response") for to in (-1.0, 1.0)]
    places = action_coordinates(acts)
    assert places.tolist() == [[0, 0], [0, 1], [3, 0], [3, 1]]
    named = [set_column("driver", to, label=f"to {to}") for to in (-1.0, 1.0)]
    assert action_coordinates(named).tolist() == [[0.0], [1.0]]
    without = action_coordinates([*acts[:2], Action("expose_site", {"x": 1.0, "y": 1.0}, 2, 1, 1)])
    assert np.abs(without[:2] - without[2]).max(axis=1).tolist() == [3, 3]
    mixed = action_coordinates([set_column("driver", to) for to in (0.0, "dark", 2.0, "bright")])
    apart = np.abs(mixed[:, None] - mixed[None]).max(axis=2)
    assert apart[0].tolist() == [0, 3, 1, 6]


def test_the_number_of_a_patch_is_no_coordinate_and_its_place_is():
    acts = [set_column("driver", 1.0, x=float(k), patch=(7 * k) % 5, site=k) for k in range(5)]
    assert action_coordinates(acts).ravel() == pytest.approx(np.arange(5) / 4)


def test_bad_hypotheses_are_refused():
    with pytest.raises(InputError, match=r"shape \(5, 4\); got \(4, 5\)"):
        design_table([hypothesis(joint=lambda a, r, n: np.zeros((4, 5)))], ACTIONS, n_members=5)
    silent = np.zeros((3, 4))
    silent[:, 2] = np.nan
    with pytest.raises(InputError, match="no finite readout for action 2"):
        design_table([hypothesis(joint=lambda a, r, n: silent)], ACTIONS, n_members=3)
    with pytest.raises(InputError, match="share one question"):
        design_table([hypothesis(), hypothesis("b", question="other")], ACTIONS)
    with pytest.raises(InputError, match="at least one"):
        design_table([], ACTIONS)
    with pytest.raises(InputError, match="n_members"):
        design_table([hypothesis()], ACTIONS, n_members=True)
    with pytest.raises(InputError, match="joint must be a function"):
        hypothesis(joint=3)
    with pytest.raises(InputError, match="noise_sd"):
        hypothesis(noise_sd=True)
    for wrong in (True, "0.1", -1.0, np.nan):
        with pytest.raises(InputError, match="noise_sd of 'linear'"):
            design_table([hypothesis(joint=joint, noise_sd=lambda a, w=wrong: w)], ACTIONS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": (np.zeros((2, 4)), np.zeros((2, 3)))}, "must have 4 columns"),
        ({"members": (np.zeros((2, 4)),)}, "one array per hypothesis"),
        ({"members": (np.zeros((2, 4)), np.full((1, 4), np.inf))}, "finite; got inf at row 0"),
        ({"members": (np.zeros(4), np.zeros((2, 4)))}, r"must be \(n, n_actions\)"),
        ({"noise_sd": np.zeros(4)}, "above 0"),
        ({"noise_sd": np.ones(3)}, "noise_sd must be"),
        ({"coordinates": np.ones(3)}, "coordinates"),
        ({"weights": [0.5, 0.6]}, "sum to 1"),
        ({"weights": [1.5, -0.5]}, "from 0"),
        ({"hypotheses": ("a", "a")}, "different names"),
    ],
)
def test_bad_tables(change, words):
    given = {
        "hypotheses": ("a", "b"), "members": (np.zeros((2, 4)), np.ones((3, 4))),
        "noise_sd": 1.0, "coordinates": np.arange(4.0), "weights": None,
    }  # fmt: skip
    with pytest.raises(InputError, match=words):
        DesignTable(**(given | change))
