import numpy as np
import pytest
import xarray as xr

from physlearn.causal import Action, hypotheses_from_couplings, hypotheses_from_wall_fit
from physlearn.causal.hypotheses import image_area
from physlearn.checks import InputError, NotIdentified
from physlearn.findings import Findings, run_steps
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.steps_plan import PLAN_STEPS


def image(edge):
    args = {"x_min": 0, "y_min": 0, "x_max": edge, "y_max": edge}
    return Action("image", args, 1.0, 1.0, 1.0)


def bias(value):
    return Action("change_bias", {"bias_V": value}, 0.0, 1.0, 1.0)


def test_couplings_are_split_by_sign_with_their_posterior_weight():
    draws = np.random.default_rng(0).normal(0.05, 0.05, (4000, 2))
    laws = hypotheses_from_couplings({"couplings": draws}, sites_per_area=0.1, bonds_per_site=3)
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
        hypotheses_from_couplings({"couplings": draws}, sites_per_area=0.1, bonds_per_site=2)


@pytest.mark.parametrize("number", [0.0, -1.0, np.nan, True])
def test_bonds_must_be_counted(number):
    fit = {"couplings": np.random.default_rng(0).normal(0, 0.05, (1000, 1))}
    with pytest.raises(InputError, match="bonds_per_site"):
        hypotheses_from_couplings(fit, sites_per_area=0.1, bonds_per_site=number)


@pytest.mark.parametrize(("make", "bonds"), [(square_lattice, 2), (triangular_lattice, 3)])
def test_a_study_counts_the_bonds_of_its_own_lattice(make, bonds):
    graph = make((20, 20), n_shells=2)
    side = np.arange(41.0)
    findings = Findings(
        "a lattice",
        1,
        image=xr.DataArray(np.zeros((41, 41)), coords={"y": side, "x": side}, dims=("y", "x")),
        snapshots=LatticeSnapshots(np.ones((1, 400), dtype=np.int8), graph),
        # no spread inside the hypothesis of no preference: its readout is sampling error alone
        couplings={"couplings": np.repeat([[-0.1], [0.0], [0.1]], 1000, axis=0)},
    )
    run_steps(PLAN_STEPS, findings)
    expected = [
        (expect.sd, step.action)
        for step in findings.plan.steps
        for expect in step.expect
        if expect.hypothesis == "no preference" and step.action.verb == "image"
    ]
    assert expected
    for sd, action in expected:
        n_sites = 400 * image_area(action) / 1600
        assert sd == pytest.approx(1 / np.sqrt(bonds * n_sites), rel=0.1)


def test_a_lattice_without_bonds_asks_nothing_about_neighbours():
    findings = Findings(
        "one site",
        1,
        snapshots=LatticeSnapshots(np.ones((1, 1), dtype=np.int8), SiteGraph(1, [], [], [])),
        couplings={"couplings": np.repeat([[-0.1], [0.1]], 1000, axis=0)},
    )
    (note,) = run_steps(PLAN_STEPS, findings).notes
    assert note.status == "could not"
    assert "two explanations" in note.reason


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
