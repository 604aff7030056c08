"""What a table says of itself reaches whoever looks for causes in it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from physlearn.causal import discover_graph, spatial_independence
from physlearn.causal.table_notes import touching_patches
from physlearn.checks import NotIdentified
from physlearn.records import PatchTable

SIZE, STEP, EDGE = 8, 4, 192


def patch_means(field, step=STEP):
    """Return means over squares of 8 x 8 pixels, and their centres."""
    total = np.pad(field, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    first = np.arange(0, EDGE - SIZE + 1, step)
    corners = [total[np.ix_(first + a, first + b)] for a in (0, SIZE) for b in (0, SIZE)]
    means = (corners[3] - corners[2] - corners[1] + corners[0]) / SIZE**2
    centers = np.stack(np.meshgrid(first, first), axis=-1).reshape(-1, 2) + SIZE / 2
    return means.ravel(), centers


def test_a_derived_column_is_left_out_and_it_is_said(planted):
    table = planted(24, 0, 0).table
    frame = table.frame.assign(slope=table.frame["response"] ** 2)
    marked = PatchTable.from_frame(
        frame, table.centers, 8.0, tiers=table.tiers,
        derived={"slope": ("response",), "strain": ("no column",)},
    )  # fmt: skip
    graph = discover_graph(marked, n_resamples=0, rng=0)
    assert "slope" not in graph.columns
    assert "strain" in graph.columns  # what it is computed from is not in the table
    assert any("'slope' is computed from 'response'" in note for note in graph.warnings)


def test_marks_choice_overlap_and_unknown_errors_are_said(planted):
    table = planted(24, 0, 0).table
    marked = PatchTable.from_frame(
        table.frame, table.centers, 8.0, tiers=table.tiers, chosen_by_result=True,
        selection="bright ones", flags={"strain": "no signal above its noise"}, overlap=0.1,
        errors_unknown=("response",), measurement_covariance=np.zeros((1, 5, 5)),
    )  # fmt: skip
    notes = " ".join(discover_graph(marked, n_resamples=0, rng=0).warnings)
    words = ("chosen by what they show (bright ones)", "strain: no signal above its noise",
             "overlap by 10%", "467 that only touch", "errors of response are unknown")  # fmt: skip
    assert all(each in notes for each in words)


def test_overlap_and_frames_do_not_make_evidence():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:8, :8].reshape(2, -1)
    frame = pd.DataFrame(rng.normal(size=(64, 2)), columns=["a", "b"])
    table = PatchTable.from_frame(frame, np.stack([x, y], 1) * 4.0, 8.0, overlap=0.5)
    assert touching_patches(table) == 16
    with pytest.raises(NotIdentified, match="no more than 16 that only touch"):
        spatial_independence(table, "a", "b")
    film = PatchTable.from_frame(frame, np.tile(np.stack([x, y], 1)[:32], (2, 1)), 1.0)
    with pytest.raises(NotIdentified, match=r"64 patches at 32 places \(2 of them at x = 0, y = 0"):
        discover_graph(film)
    frames = pd.DataFrame({"frame": np.repeat([0, 1], 32)})
    with pytest.raises(NotIdentified, match="take one frame"):
        discover_graph(replace(film, covariates=frames))


def share_of_claims(overlap, length_px, noise, repeats):
    """Return how often independent channels are called linked, with a common cause held fixed."""
    step = round(SIZE * (1 - overlap))
    claims = 0
    for seed in range(repeats):
        rng = np.random.default_rng([seed, 7])
        fields = ndimage.gaussian_filter(
            rng.normal(size=(3, EDGE, EDGE)), (0, length_px, length_px), mode="wrap"
        )
        fields /= fields.std(axis=(1, 2), keepdims=True)
        columns = np.stack([patch_means(each, step)[0] for each in fields], axis=1)
        columns[:, :2] += columns[:, 2:]  # the third is the common cause
        sd = noise * columns.std(axis=0) * SIZE
        for k in range(3):
            columns[:, k] += patch_means(sd[k] * rng.normal(size=(EDGE, EDGE)), step)[0]
        table = PatchTable.from_frame(
            pd.DataFrame(columns, columns=list("abc")), patch_means(fields[0], step)[1],
            float(SIZE), overlap=overlap, measurement_covariance=np.diag((sd / SIZE) ** 2)[None],
        )  # fmt: skip
        claims += spatial_independence(table, "a", "b", ["c"]).verdict == "dependent"
    return claims / repeats


@pytest.mark.parametrize(("overlap", "length_px", "noise"), [(0.5, 0.0, 0.0), (0.75, 12.0, 0.3)])
def test_overlapping_patches_keep_the_level_of_the_test(overlap, length_px, noise):
    # binomial(60, .05): above 9 with probability 1e-3
    assert share_of_claims(overlap, length_px, noise, 60) <= 9 / 60


@pytest.mark.slow
@pytest.mark.parametrize("overlap", [0.5, 0.75])
@pytest.mark.parametrize("length_px", [0.0, 4.0, 12.0])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_overlap_table(overlap, length_px, noise, record_property):
    share = share_of_claims(overlap, length_px, noise, 200)
    record_property("share_of_claims", share)
    # binomial(200, .05): above 22 with probability 2e-4
    assert share <= 22 / 200


def test_descriptors_of_the_same_pixels_are_no_causes_of_one_another(planted):
    table = planted(24, 0, 0).table
    rng = np.random.default_rng(7)
    frame = table.frame.assign(
        response_top=table.frame["response"] + 0.3 * rng.normal(size=table.n_patches)
    )
    marked = PatchTable.from_frame(
        frame, table.centers, 8.0, tiers={**table.tiers, "response_top": 1},
        metadata={"pixels_of": {"response": "response", "response_top": "response"}},
    )  # fmt: skip
    graph = discover_graph(marked, test="linear", n_resamples=0, rng=0)
    (edge,) = [e for e in graph.edges if {e.source, e.target} == {"response", "response_top"}]
    assert not edge.is_cause_claim
    assert "same pixels of response" in edge.reason
    assert any("descriptors of the same pixels" in note for note in graph.warnings)
    assert any(e.is_cause_claim for e in graph.edges)
