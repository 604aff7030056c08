"""Fused modalities: weights that follow what each knows, and what each adds."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from physlearn.checks import InputError
from physlearn.datasets import fuse_modalities
from physlearn.records import PatchTable

N = 24
Y, X = np.mgrid[:N, :N].reshape(2, -1) * 1.0
CENTERS = np.stack([X, Y], axis=1)


def table(values, centers=CENTERS):
    return PatchTable.from_frame(pd.DataFrame(values), centers, 1.0)


def smooth(random, length=1.0):
    field = ndimage.gaussian_filter(random.normal(size=(N, N)), length, mode="wrap").ravel()
    return field / field.std()


def three(seed, informative=(0.5, 1.0)):
    """Two modalities that know the target by different noise, and one that knows nothing."""
    random = np.random.default_rng(seed)
    truth = smooth(random)
    known = [table(truth[:, None] + sd * random.normal(size=(N * N, 3))) for sd in informative]
    idle = table(random.normal(size=(N * N, 20)))
    return truth, {"haadf": known[0], "eels": known[1], "idle": idle}


def test_weights_of_independent_readings_are_those_of_least_squares():
    truth, tables = three(0)
    fused = fuse_modalities(tables, truth, rng=0)
    assert fused.weights["haadf"] > fused.weights["eels"] > fused.weights["idle"]
    assert fused.weights["idle"] < 0.1
    loss = fused.ablation.set_index("modalities")
    assert (
        loss.loc["all", "loss"] < loss.loc["haadf alone", "loss"] < loss.loc["eels alone", "loss"]
    )
    assert loss.loc["idle alone", "loss"] > 0.97
    # the ideal: precisions add up. Three readings of sd .5 and three of 1 beside the prior of 1
    ideal = 1 / (1 + 3 / 0.25 + 3)
    assert loss.loc["all", "loss"] < 1.4 * ideal


def test_ablation_tells_what_is_needed_and_what_is_not():
    truth, tables = three(1)
    rows = fuse_modalities(tables, truth, rng=0).ablation.set_index("modalities")
    needed = rows.loc["all but haadf"]
    assert needed["worse_than_all"] > 3 * needed["se"]
    spare = rows.loc["all but idle"]
    assert abs(spare["worse_than_all"]) < 3 * spare["se"] + 1e-3
    assert rows.loc["all", "worse_than_all"] == 0.0


def test_many_columns_do_not_drown_few():
    # early fusion would give 20 idle columns 20 times the say
    truth, tables = three(2)
    fused = fuse_modalities(tables, truth, rng=0)
    assert fused.influence["idle"] < 0.05
    assert abs(sum(fused.influence.values()) - 1) < 1e-9


def test_classes_are_fused_from_few_labels():
    random = np.random.default_rng(0)
    truth = (smooth(random, 2.0) > 0).astype(int) + 2 * (smooth(random, 2.0) > 0)
    # one modality sees the first bit, the other the second
    first = table((truth % 2)[:, None] * 3.0 + random.normal(size=(N * N, 3)))
    second = table((truth // 2)[:, None] * 3.0 + random.normal(size=(N * N, 3)))
    labels = np.full(N * N, -1)
    for k in range(4):
        labels[random.choice(np.flatnonzero(truth == k), 10, replace=False)] = k
    fused = fuse_modalities({"a": first, "b": second}, labels, rng=0)
    unseen = labels < 0
    right = (fused.prediction[unseen] == truth[unseen].astype(str)).mean()
    assert right > 0.95
    rows = fused.ablation.set_index("modalities")
    assert rows.loc["a alone", "accuracy"] < 0.75
    assert rows.loc["all", "accuracy"] > 0.9
    assert np.allclose(fused.probabilities.sum(axis=1), 1.0)
    sure = fused.probabilities[unseen].max(axis=1).mean()
    assert abs(sure - right) < 0.06


def test_a_modality_told_twice_is_not_believed_twice():
    random = np.random.default_rng(1)
    truth = (smooth(random, 2.0) > 0).astype(int)
    one = table(truth[:, None] + random.normal(size=(N * N, 2)))
    labels = np.where(random.random(N * N) < 0.4, truth, -1)
    alone = fuse_modalities({"a": one, "b": table(random.normal(size=(N * N, 2)))}, labels, rng=0)
    twice = fuse_modalities({"a": one, "again": one}, labels, rng=0)
    both = twice.weights["a"] + twice.weights["again"]
    assert abs(both - alone.weights["a"]) < 0.3 * alone.weights["a"]
    rows = twice.ablation.set_index("modalities")
    assert rows.loc["all, equal weights", "loss"] > rows.loc["all", "loss"]


def other_order(name):
    """Return two tables of the same patches and a target; the second in another order."""
    random = np.random.default_rng(0)
    n = 16
    y, x = np.mgrid[:n, :n].reshape(2, -1) * 2.0
    places, truth = np.stack([x, y], axis=1), random.normal(size=n * n)
    frame = np.zeros(n * n)
    order = np.arange(n * n)
    if name == "neighbours swapped":
        order = order ^ 1
    if name.startswith("frames"):
        places = np.vstack([places[: n * n // 2]] * 2)
        frame = np.repeat([0.0, 1.0], n * n // 2)
        order = np.roll(order, n * n // 2)
    tables = []
    for rows in (np.arange(n * n), order):
        values = truth[rows, None] + 0.1 * random.normal(size=(n * n, 1))
        told = pd.DataFrame({"frame": frame[rows]}) if name == "frames exchanged" else None
        tables.append(PatchTable.from_frame(
            pd.DataFrame(values), places[rows], 8.0, overlap=0.75, covariates=told
        ))  # fmt: skip
    return dict(zip("ab", tables, strict=True)), truth


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("neighbours swapped", "those of b are others than those of a"),
        ("frames exchanged", "the covariate frame of b differs from that of a"),
        ("frames without numbers", "must both have the covariate time"),
    ],
)
def test_tables_in_another_order_are_refused(name, message):
    tables, truth = other_order(name)
    with pytest.raises(InputError, match=message):
        fuse_modalities(tables, truth, rng=0)


def test_centres_may_differ_by_less_than_to_the_next_patch():
    tables, truth = other_order("the same")
    shifted = table(tables["b"].frame.to_numpy(), tables["b"].centers + 0.4)
    near = PatchTable.from_frame(shifted.frame, shifted.centers, 8.0, overlap=0.75)
    fused = fuse_modalities({"a": tables["a"], "b": near}, truth, rng=0)
    assert abs(fused.weights["a"] - fused.weights["b"]) < 0.2


def test_labels_beside_each_other_are_said_to_be_no_test():
    random = np.random.default_rng(0)
    truth = (X > N / 2).astype(int)
    tables = {name: table(truth[:, None] + smooth(random, 3.0)[:, None]) for name in "ab"}
    labels = np.full(N * N, -1)
    for k, start in ((0, 2), (1, 20)):
        labels[[N * row + column for row in range(4) for column in range(start, start + 2)]] = k
    fused = fuse_modalities(tables, labels, rng=0)
    assert any("labels have all others of a class beside them" in each for each in fused.warnings)


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        (lambda t: {"a": t["haadf"]}, X, "at least two modalities"),
        (
            lambda t: {"a": t["haadf"], "b": table(np.ones((N * N, 1)) * X[:, None], CENTERS + 3)},
            X,
            "those of b are others than those of a",
        ),
        (lambda t: t, np.full(N * N, np.nan), "at least 8 patches"),
        (lambda t: t, np.ones(N * N), "target is constant"),
        (lambda t: t, X[:-1], "target must have shape"),
    ],
)
def test_bad_input_gets_a_sentence(change, target, message):
    _, tables = three(0)
    with pytest.raises(InputError, match=message):
        fuse_modalities(change(tables), target, rng=0)
