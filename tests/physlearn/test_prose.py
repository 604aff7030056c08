"""The numbers of the report's running text are those of the records and of summary.json."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.causal import CausalGraph, GraphEdge
from physlearn.causal.patch_counterfactual import Counterfactual
from physlearn.datasets import ConsistencyCheck
from physlearn.findings import Findings, lacking
from physlearn.lattice_models import square_lattice
from physlearn.records import AtomicConfiguration, LatticeSnapshots, PatchTable, WallTrack
from physlearn.report.advice import grouped_warnings, narrow
from physlearn.report.builder import build_report, label
from physlearn.report.prose import atoms_text, laws_text, lead, walls_text, what_if
from physlearn.results import fit_from_draws
from physlearn.summary import summarize


def test_position_error_of_page_and_summary_is_one_number():
    covariance = np.tile(np.diag([1.0, 9.0]), (3, 1, 1))
    atoms = AtomicConfiguration(np.zeros((3, 2)), position_covariance=covariance, unit="nm")
    found = Findings("a", 1, atoms=atoms)
    assert "each placed to about 2.2 nm" in atoms_text(found)
    assert summarize(found)["atoms"]["median_position_sd"] == pytest.approx(np.sqrt(5))


def test_one_lost_point_of_a_wall_does_not_spoil_the_error_of_all():
    points = pd.DataFrame({
        "frame": 0, "wall": 0, "time": 0.0, "x": [0.0, 1.0, 2.0], "y": 0.0, "normal_x": 0.0,
        "normal_y": 1.0, "normal_error": [0.1, 0.2, 9.0], "error_correlation_length": 1.0,
        "arc_length": [0.0, 1.0, 2.0], "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    track = WallTrack(points, np.arange(2.0), unit="nm", time_unit="s")
    found = Findings("a", 1, track=track)
    assert "each point placed to about 0.2 nm" in walls_text(found)
    assert summarize(found)["walls"]["median_normal_error"] == 0.2


def test_the_lead_counts_links_that_stand_and_no_others():
    edges = (GraphEdge("a", "c"), GraphEdge("b", "c", presence="undecided"))
    graph = CausalGraph(("a", "b", "c"), edges)
    assert "1 causal link stands between" in lead(Findings("a", 1, graph=graph)).lower()
    both = CausalGraph(("a", "b", "c"), (edges[0], GraphEdge("b", "c")))
    assert "2 causal links stand" in lead(Findings("a", 1, graph=both))


def test_half_as_wide_takes_four_times_the_sites():
    graph = square_lattice((10, 10))
    states = np.ones((1, 100), dtype=np.int8)
    states[0, :4] = -1
    draws = {"couplings": np.random.default_rng(1).normal(0.1, 0.02, (400, 1))}
    fit = fit_from_draws(
        draws, model="Ising", likelihood="exact", approximation="none", seed=1, data=b"",
        dims={"couplings": ["shell"]}, coords={"shell": [1]}, units={"couplings": "kT"},
    )  # fmt: skip
    found = Findings("a", 1, couplings=fit, snapshots=LatticeSnapshots(states, graph))
    wide, rare = narrow(found)
    assert "half as wide takes about 400 sites of this composition instead of 100." in wide
    assert rare.startswith("Only 4.0% of the sites hold state -1")


def test_nothing_found_still_leaves_advice():
    picture = Findings("a", 1, image=object())
    assert any(text.startswith("Atoms: ") for text in narrow(picture))
    atoms = AtomicConfiguration([[0.0, 0.0]])
    assert narrow(Findings("a", 1, image=object(), atoms=atoms))[0].startswith("Lattice: ")
    assert narrow(Findings("a", 1, video=object()))[0].startswith("Walls: ")


class Laws:
    def __init__(self, weights):
        self.table = pd.DataFrame(
            {"weight": weights, "equation": [f"law {k}" for k in range(len(weights))]}
        )


@pytest.mark.parametrize(
    ("weights", "said"),
    [([0.15, 0.5, 0.05, 0.3], "leave 3 laws open that together hold 90 %"),
     ([0.85, 0.15], "leave 2 laws open"), ([0.03, 0.97], "law 1 holds 97% of the weight")],
)  # fmt: skip
def test_laws_are_counted_to_nine_tenths_of_the_weight(weights, said):
    assert said in laws_text(Findings("a", 1, laws=Laws(weights)))


def what_if_of(value, *, patch=1, mean=1.0):
    table = PatchTable.from_frame(
        pd.DataFrame({"composition": [0.2, value, 0.8]}), [[0, 0], [8, 0], [16, 0]], 8
    )
    draws = (np.random.default_rng(1).normal(mean, 0.1, 4000),)
    answer = Counterfactual(
        patch, {"composition": 0.7}, "response", mean, 0.1, 1.4, draws, True, "", False, "mV"
    )
    (text,) = what_if(Findings("a", 1, counterfactuals=[answer], patches=table))
    return text


def test_what_if_says_the_imagined_value_and_the_measured_one():
    text = what_if_of(0.5)
    assert "the composition were 0.7 instead of 0.5" in text
    assert "would be 1.00 [0.8" in text
    assert text.endswith("mV instead of the measured 1.4.")
    # a share that label errors leave at 1e-131 is none
    assert "instead of 0," in what_if_of(1.6e-131)


def test_warnings_stand_once_under_their_source_those_that_overrule_first():
    given = [("atoms", "one"), ("walls", "two"), ("walls", "do not trust the numbers"),
             ("patches", "One.")]  # fmt: skip
    assert grouped_warnings(given) == [
        ("walls", ["do not trust the numbers", "two"]), ("atoms", ["one"])
    ]  # fmt: skip


def test_reasons_and_labels_have_no_inner_names():
    assert lacking("snapshots") == "it needs columns on one lattice, and there is none."
    assert "--lattice" in lacking("lattice")
    assert label("drive_velocity") == "velocity that the walls share"


def test_a_check_of_error_bars_stands_with_the_atoms_only():
    check = ConsistencyCheck(
        "rows", np.zeros((400, 2)), (1.0, 1.0), (0.1, 0.1), 1.0, 400, 0, 0, (0.0, 0.0), 1.0, True,
        True, "",
    )  # fmt: skip
    atoms = AtomicConfiguration([[0.0, 0.0]])
    video = xr.DataArray(np.zeros((2, 4, 4)), dims=("time", "y", "x"))
    found = Findings("a", 1, video=video, atoms=atoms, consistency=check)
    first, moves = build_report(found, summarize(found), {}, []).split("What moves them")
    assert "Even and odd rows agree" in first
    assert "Even and odd rows" not in moves
