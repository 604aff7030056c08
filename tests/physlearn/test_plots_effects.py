import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.dose_response import dose_response
from physlearn.causal.effect_estimates.sensitivity import sensitivity
from physlearn.records import PatchTable
from physlearn.report.draw_effects import plot_dose_response, plot_sensitivity


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:20, :20].reshape(2, -1)
    u, x, e = rng.standard_normal((3, 400))
    x = x + u
    frame = pd.DataFrame({"u": u, "x": x, "y": x**2 + x + u + e})
    return PatchTable.from_frame(frame, np.stack([column, row], 1), 1.0, units={"y": "nm"})


def test_a_curve_is_drawn_with_its_support_and_a_refusal_is_named(table):
    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
    answer = dose_response(table, graph, "x", "y", rng=0)
    ax = plot_dose_response(answer)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), answer.mean)
    assert len(ax.patches) == len(answer.support)
    assert "(nm)" in ax.get_ylabel()
    hidden = nx.DiGraph([("h", "x"), ("h", "y"), ("x", "y")])
    refused = plot_dose_response(dose_response(table, hidden, "x", "y", rng=0))
    assert "measure h" in refused.texts[0].get_text()


def test_the_contour_marks_the_columns_held_fixed(table):
    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
    found = sensitivity(estimate_effect(table, graph, "x", "y", rng=0))
    ax = plot_sensitivity(found)
    marked = [line.get_xydata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(marked, [found.benchmarks["u"]])
    assert [text.get_text() for text in ax.texts if text.get_text() == "u"] == ["u"]
