"""Pictures of results: drawn in the Axes that are given, with units and errors, at journal size."""

import inspect
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from physlearn import plots
from physlearn.causal import (
    Action,
    Counterfactuals,
    Effect,
    ExperimentPlan,
    LedgerReport,
    LocalEffect,
    SafetyEnvelope,
)  # fmt: skip
from physlearn.causal.effect_estimates.effect_records import EffectMember
from physlearn.causal.experiment_plans.plan_records import Abort, PlanHypothesis, PlanStep
from physlearn.causal.severity.verdicts import Verdict
from physlearn.checks import InputError
from physlearn.datasets import (
    BondOrder,
    DriftSeries,
    HopEvents,
    PatchClasses,
    WallRoughness,
    find_components,
    make_polar_perovskite,
    measure_bond_order,
    measure_polarization,
    score_local_symmetry,
)  # fmt: skip
from physlearn.inference import (
    Adequacy,
    BatchFits,
    ModelComparison,
    OrderingPrediction,
    RadialPrediction,
)  # fmt: skip
from physlearn.lattice_models import (
    Ising,
    Transformation,
    sample_statistics,
    simulate_transformation_history,
    square_lattice,
    temper_lattice,
)  # fmt: skip
from physlearn.records import AtomicConfiguration
from physlearn.results import fit_from_draws

RNG = np.random.default_rng(3)


@pytest.fixture
def ax():
    figure, axes = pyplot.subplots(layout="constrained")
    yield axes
    pyplot.close(figure)


def a_fit(scale=1.0, **units):
    draws = {"couplings": RNG.normal(0.3, 0.02, (400, 2)) * scale, "rate": RNG.gamma(9.0, 0.2, 400)}
    return fit_from_draws(
        draws, model="m", likelihood="l", approximation="a", seed=1, data=b"x",
        units={"couplings": "kT", "rate": "1/s"},
    )  # fmt: skip


def net(n=12):
    y, x = np.mgrid[:n, :n].reshape(2, -1) * 1.0
    places = np.stack([x, y], axis=1) + RNG.normal(0, 0.05, (n * n, 2))
    errors = np.tile(np.eye(2) * 0.02**2, (n * n, 1, 1))
    return AtomicConfiguration(places, "nm", position_covariance=errors)


def answers():
    n = 60
    factual = RNG.normal(2.0, 0.5, n)
    mean = factual - 0.8
    known = np.arange(n) % 9 != 0
    return Counterfactuals(
        "structural", "b = f(a)", np.arange(n), {"a": np.zeros(n)}, "response", "V",
        mean=np.where(known, mean, np.nan), low=mean - 0.3, high=mean + 0.3, factual=factual,
        sd=np.full(n, 0.2), sd_graph=np.zeros(n), sd_parameters=np.full(n, 0.1),
        sd_noise=np.full(n, 0.1), sd_change_noise=np.zeros(n), identified=known, reason="",
        out_of_support=np.arange(n) % 7 == 0, graph_means=mean[None], parameter_draws=(mean[None],),
        graphs=("a -> b",),
    )  # fmt: skip


def a_plan():
    scan = Action("image", {"x_min": 0.0, "y_min": 0.0, "x_max": 9.0, "y_max": 9.0}, 1.0, 9.0, 1.0)
    shot = Action("expose_site", {"x": 1.0, "y": 1.0}, 5.0, 1.0, 2.0, irreversible=True)
    steps = tuple(
        PlanStep(act, (), (), "why", Abort("lost"), True, 0.1) for act in (scan, shot, scan)
    )
    return ExperimentPlan(
        steps, (PlanHypothesis("q", "a", 1.0, "", "", "1"),), SafetyEnvelope(20.0, (0, 0, 9, 9)),
        budget=6.0, seed=0,
    )  # fmt: skip


def a_verdict():
    return Verdict(
        "claim", "straight line", {"straight line": 0.97, "saturates": 0.03},
        {"smooth": 22.0, "local": 7.0}, "said.", np.ones(3, bool), np.ones(3, bool), (), 14, None,
        None,
    )  # fmt: skip


def a_hop_table():
    table = pd.DataFrame(RNG.uniform(0, 9, (9, 2)), columns=["x_before", "y_before"])
    table["x_after"], table["y_after"] = table["x_before"] + 1, table["y_before"] + 0.4
    table["ambiguous"] = [False] * 7 + [True] * 2
    table["frame_before"], table["frame_after"] = range(9), range(1, 10)
    return table


def a_radial():
    r = np.linspace(0.8, 3.0, 40)
    g = 1 + 0.6 * np.exp(-r) * np.cos(7 * r)
    return RadialPrediction(
        pd.DataFrame({"distance": r, "predicted": g, "q05": g - 0.1, "q95": g + 0.1,
                      "observed": g + RNG.normal(0, 0.05, 40)}), 0.41, 1.1)  # fmt: skip


def an_order():
    k = np.arange(1, 6)
    mean = -0.3 * (-1.0) ** k / k
    frame = pd.DataFrame(
        {"shell": k, "warren_cowley": mean, "q05": mean - 0.02, "q95": mean + 0.02}
    )
    return OrderingPrediction(frame, {"B2": 0.93}, (850.0, 20.0), 0.0, ())


def a_drift():
    t = np.arange(9.0)
    shift = np.stack([0.8 * t, -0.2 * t], axis=1) + RNG.normal(0, 0.1, (9, 2))
    return DriftSeries(
        (), shift, np.full((9, 2), 0.1), np.array([0.8, -0.2]), np.array([0.01, 0.01]), 0.0, 0.0,
        np.zeros((2, 2)), np.zeros((2, 2)), 1.0, np.zeros(2), np.zeros(2), "pixel", (),
    )  # fmt: skip


def some_classes():
    y, x = np.mgrid[:8, :8].reshape(2, -1) * 6.0
    labels = np.where(x < 20, "phase A", "phase B").astype(object)
    share = np.where(np.abs(x - 20) < 5, 0.7, 0.99)
    both = np.stack([np.where(x < 20, share, 1 - share), np.where(x < 20, 1 - share, share)], 1)
    return PatchClasses(
        labels, ("phase A", "phase B"), both, x + y > 80, 0.9, (0.8, 0.95), pd.DataFrame(),
        "discriminant", 1.0, ("a",), np.stack([x, y], 1), 1, (),
    )  # fmt: skip


def a_history():
    decay = Transformation(1, 0, thermal_rate_hz=2.0)
    times = np.linspace(0.0, 1.2, 9)
    return simulate_transformation_history(
        [decay], square_lattice((16, 16)), np.ones(256), times, rng=1
    )


def an_adequacy():
    rows = [{"shell": k, "pairs": "", "fitted": k < 3, "misfit_sd": abs(float(v)), "p": 0.5}
            for k, v in enumerate(RNG.normal(size=6), start=1)]  # fmt: skip
    patterns = [{"kind": "square", "name": "four_alike", "misfit_sd": 3.4, "p": 0.01}]
    return Adequacy(rows, patterns, 0.03, 0.6, 256)


def a_comparison():
    table = pd.DataFrame({"model": ["1 shell", "2 shells", "3 shells"],
                          "log_evidence": [-6.2, 0.0, -1.9], "error": [0.3, 0.0, 0.4],
                          "probability": [0.002, 0.87, 0.128]})  # fmt: skip
    return ModelComparison(table, ("2 shells",), ())


def a_roughness():
    table = pd.DataFrame({"wall": [0, 1, 2], "exponent": [0.52, 0.64, np.nan],
                          "low": [0.4, 0.6, np.nan], "high": [0.6, 0.7, np.nan]})  # fmt: skip
    return WallRoughness(table, 8.0, 100.0, "nm")


def a_local_effect():
    rows = pd.DataFrame({"column": ["strain", "height"], "effect": [0.2, -0.05],
                         "low": [0.1, -0.12], "high": [0.3, 0.02], "unit": ["1", "nm"],
                         "verdict": ["effect", "none"], "words": ["", ""]})  # fmt: skip
    return LocalEffect(rows, pd.DataFrame(), 9, 500, (0.0, 0.0), ())


def a_ledger():
    doses = {(float(x), float(y)): 4.0 + x for x, y in RNG.uniform(0, 9, (12, 2))}
    return LedgerReport(sum(doses.values()), doses, 0.0, 12, 60.0, ())


def polar():
    made = make_polar_perovskite((6, 6), rng=0).scene.truth
    return measure_polarization(made, center="B", cage="A")


def an_effect():
    member = EffectMember((), 0.5, 0.1, 1e6, 500.0)
    return Effect("strain", "response", (0.0, 1.0), 0.5, 0.1, True, "", (), "pm", members=(member,))


NET = net()
ORDER = measure_bond_order(NET, 4)
MAKE = {
    "plot_fit": lambda ax: plots.plot_fit(a_fit(), ax=ax),
    "plot_batch": lambda ax: plots.plot_batch(
        BatchFits((a_fit(), a_fit(1.1), None, a_fit(0.9)), {2: "too few sites"}, 1),
        "couplings[1]", ax=ax),
    "plot_model_comparison": lambda ax: plots.plot_model_comparison(a_comparison(), ax=ax),
    "plot_adequacy": lambda ax: plots.plot_adequacy(an_adequacy(), ax=ax),
    "plot_polarization": lambda ax: plots.plot_polarization(polar(), ax=ax),
    "plot_bond_order": lambda ax: plots.plot_bond_order(ORDER, NET, ax=ax),
    "plot_symmetry": lambda ax: plots.plot_symmetry(
        score_local_symmetry(NET), NET, "c4", ax=ax),
    "plot_classes": lambda ax: plots.plot_classes(some_classes(), ax=ax),
    "plot_hops": lambda ax: plots.plot_hops(
        HopEvents(a_hop_table(), 500, 500.0, "s", "nm", 1.0, 0.5), ax=ax),
    "plot_radial": lambda ax: plots.plot_radial(a_radial(), unit="nm", ax=ax),
    "plot_ordering": lambda ax: plots.plot_ordering(an_order(), ax=ax),
    "plot_roughness": lambda ax: plots.plot_roughness(a_roughness(), ax=ax),
    "plot_drift": lambda ax: plots.plot_drift(a_drift(), ax=ax),
    "plot_chain": lambda ax: plots.plot_chain(
        sample_statistics(Ising([0.3]), square_lattice((8, 8)), 60, n_chains=2, rng=1), ax=ax),
    "plot_tempering": lambda ax: plots.plot_tempering(
        temper_lattice(Ising([0.5]), square_lattice((6, 6)), np.linspace(0, 1, 5), 60, rng=1),
        ax=ax),
    "plot_history": lambda ax: plots.plot_history(a_history(), ax=ax),
    "plot_counterfactuals": lambda ax: plots.plot_counterfactuals(answers(), ax=ax),
    "plot_local_effect": lambda ax: plots.plot_local_effect(a_local_effect(), ax=ax),
    "plot_verdict": lambda ax: plots.plot_verdict(a_verdict(), ax=ax),
    "plot_plan": lambda ax: plots.plot_plan(a_plan(), ax=ax),
    "plot_ledger": lambda ax: plots.plot_ledger(a_ledger(), ax=ax),
    "plot_components": lambda ax: plots.plot_components(
        find_components(RNG.normal(size=(80, 6)), n_components=2, rng=0), ax=ax),
    "plot_effects": lambda ax: plots.plot_effects([an_effect()], ax=ax),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKE)
def test_a_plot_draws_in_the_axes_it_is_given_and_says_what_the_axes_are(name, ax):
    assert MAKE[name](ax) is ax
    ax.figure.draw_without_rendering()
    said = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), ax.get_title("left")]
    assert any(said)
    marks = [*ax.lines, *ax.collections, *ax.patches, *ax.texts]
    assert marks


def test_every_plot_takes_axes_and_returns_them_and_options_by_name():
    for name in plots.__all__:
        given = inspect.signature(getattr(plots, name)).parameters
        if name.startswith("plot_") and name != "plot_envelope":  # a figure of many panels
            assert given["ax"].kind is inspect.Parameter.KEYWORD_ONLY, name
            assert re.match(r"Axes|'?Axes", str(inspect.signature(
                getattr(plots, name)).return_annotation)), name  # fmt: skip


def test_a_fit_shows_one_unit_and_names_the_other(ax):
    plots.plot_fit(a_fit(), ax=ax)
    assert ax.get_xlabel() == "value (kT)"
    assert ax.get_title() + ax.get_title("left") == "not shown: 1 in 1/s"
    with pytest.raises(InputError, match="unit must be one of kT, 1/s"):
        plots.plot_fit(a_fit(), unit="nm", ax=ax)


def test_intervals_are_drawn_to_their_ends(ax):
    plots.plot_ordering(an_order(), ax=ax)
    ends = np.concatenate([c.get_segments() for c in ax.collections if hasattr(c, "get_segments")])
    np.testing.assert_allclose(np.ptp(ends[:, :, 1], axis=1), 0.04)


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda: plots.plot_batch(BatchFits((), {}, 1), "a"), "name must be one of"),
        (lambda: plots.plot_adequacy(Adequacy([], [], 1.0, 1.0, 9)), "no comparison"),
        (lambda: plots.plot_ledger(LedgerReport(0.0, {}, 0.0, 0, 0.0, ())), "no exposed site"),
        (lambda: plots.plot_plan(ExperimentPlan((), (), SafetyEnvelope(1.0, (0, 0, 1, 1)),
                                                budget=1.0)), "no steps"),
        (lambda: plots.plot_symmetry(None, NET, "c5"), "symmetry must be one of"),
    ],
)  # fmt: skip
def test_nothing_to_draw_is_said(draw, sentence):
    with pytest.raises(InputError, match=sentence):
        draw()


def test_journal_style_sets_millimetres_and_type_and_leaves_nothing_behind():
    before = dict(mpl.rcParams)
    with plots.journal_style(183, height_mm=60):
        figure, _ = pyplot.subplots()
        assert mpl.rcParams["font.size"] == 7.0
        assert mpl.rcParams["pdf.fonttype"] == 42
    np.testing.assert_allclose(figure.get_size_inches() * 25.4, [183, 60])
    pyplot.close(figure)
    assert {k: v for k, v in dict(mpl.rcParams).items() if before[k] != v} == {}
    with pytest.raises(InputError, match="at most 500 mm"), plots.journal_style(5000):
        pass


def test_a_saved_figure_has_its_millimetres_and_letters(tmp_path, ax):
    plots.plot_fit(a_fit(), ax=ax)
    size, letters = tuple(ax.figure.get_size_inches()), ax.xaxis.label.get_fontsize()
    pdf = plots.save_figure(ax, tmp_path / "fig.pdf", width_mm=89, height_mm=60)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf.read_bytes())
    np.testing.assert_allclose([float(v) * 25.4 / 72 for v in box.groups()], [89, 60], rtol=1e-3)
    assert b"/Type3" not in pdf.read_bytes()
    svg = plots.save_figure(ax, tmp_path / "fig.svg").read_text()
    assert "<text" in svg
    assert set(re.findall(r"(?:font:|font-size: ?)[^;\"]*?([\d.]+)px", svg)) <= {"7", "8"}
    assert (tuple(ax.figure.get_size_inches()), ax.xaxis.label.get_fontsize()) == (size, letters)
    with pytest.raises(InputError, match=r"path must end in \.pdf"):
        plots.save_figure(ax, tmp_path / "fig.doc")


def test_the_first_colours_differ_in_grey():
    from physlearn.report.drawing import COLORS

    grey = [float(np.dot(to_rgb(c), (0.299, 0.587, 0.114))) for c in COLORS[:2]]
    assert abs(grey[0] - grey[1]) > 0.1


def test_bond_order_of_the_net_is_a_record():
    assert isinstance(ORDER, BondOrder)
