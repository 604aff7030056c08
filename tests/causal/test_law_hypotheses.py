import numpy as np
import pytest

from physlearn.causal import Action, hypotheses_from_couplings, hypotheses_from_wall_fit
from physlearn.checks import NotIdentified


def image(edge):
    args = {"x_min": 0, "y_min": 0, "x_max": edge, "y_max": edge}
    return Action("image", args, 1.0, 1.0, 1.0)


def bias(value):
    return Action("change_bias", {"bias_V": value}, 0.0, 1.0, 1.0)


def test_couplings_are_split_by_sign_with_their_posterior_weight():
    draws = np.random.default_rng(0).normal(0.05, 0.05, (4000, 2))
    laws = hypotheses_from_couplings({"couplings": draws}, sites_per_area=0.1)
    weights = {law.name: law.weight for law in laws}
    assert weights["like neighbours preferred"] == pytest.approx((draws[:, 0] > 0.02).mean())
    assert sum(weights.values()) == pytest.approx(1)
    # the sampling error falls with the area: 3 bonds a site, 0.1 sites per area
    small, large = (laws[1].mean_sd(image(edge), 0)[1] for edge in (10, 100))
    assert small == pytest.approx(1 / np.sqrt(30), rel=0.15)
    assert large == pytest.approx(1 / np.sqrt(3000), rel=0.4)
    assert laws[0].mean_sd(bias(1.0), 0) is None


def test_a_settled_coupling_leaves_nothing_open():
    draws = np.random.default_rng(0).normal(0.5, 0.01, (1000, 1))
    with pytest.raises(NotIdentified, match="like neighbours"):
        hypotheses_from_couplings({"couplings": draws}, sites_per_area=0.1)


def test_wall_laws_agree_where_measured_and_differ_elsewhere():
    draws = np.random.default_rng(0).normal(0.4, 0.01, 1000)
    film = np.array([0.0, 0.5, 2.0, -2.0])
    laws = hypotheses_from_wall_fit({"drive_mobility": draws}, film)
    assert [law.name for law in laws] == ["proportional", "saturating", "accelerating"]
    at = {v: [law.mean_sd(bias(v), 0)[0] for law in laws] for v in (2.0, -2.0, 0.8, 4.0, -4.0)}
    for seen in (2.0, -2.0, 0.8):
        assert at[seen] == pytest.approx([draws.mean() * seen] * 3)
    assert at[4.0][1] < at[4.0][0] < at[4.0][2]
    assert at[-4.0] == pytest.approx([-v for v in at[4.0]])
    assert laws[0].supports(bias(1.9))
    assert not laws[0].supports(bias(2.1))
    with pytest.raises(NotIdentified, match="zero throughout"):
        hypotheses_from_wall_fit({"drive_mobility": draws}, np.zeros(4))


def test_one_magnitude_of_the_drive_leaves_a_threshold_open():
    draws = np.random.default_rng(0).normal(0.4, 0.01, 1000)
    laws = hypotheses_from_wall_fit({"drive_mobility": draws}, np.array([0.0, 2.0, -2.0]))
    at = {law.name: [law.mean_sd(bias(v), 0)[0] for v in (0.8, 2.0)] for law in laws}
    assert at["threshold"] == pytest.approx([0.0, 2 * draws.mean()])
    assert at["proportional"] == pytest.approx([0.8 * draws.mean(), 2 * draws.mean()])
