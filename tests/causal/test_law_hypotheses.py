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
    laws = hypotheses_from_wall_fit({"drive_mobility": draws}, np.array([0.0, 2.0, -2.0]))
    at = {v: [law.mean_sd(bias(v), 0)[0] for law in laws] for v in (2.0, -2.0, 0.8, 4.0)}
    assert at[2.0] == pytest.approx([draws.mean() * 2] * 3)
    assert at[-2.0] == pytest.approx([-draws.mean() * 2] * 3)
    assert at[0.8][1] == 0.0
    assert at[4.0][2] < at[4.0][0] < at[4.0][1]
    assert laws[0].supports(bias(1.9))
    assert not laws[0].supports(bias(2.1))
    with pytest.raises(NotIdentified, match="zero throughout"):
        hypotheses_from_wall_fit({"drive_mobility": draws}, np.zeros(4))
