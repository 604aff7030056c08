import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.deviation_classes import (
    deviation_classes,
    region_mask,
    tangent_directions,
)
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError

X = np.linspace(0, 1, 40)


def curves(n, seed=0):
    """Members height * exp(-rate x), and the exact derivatives of each."""
    rng = np.random.default_rng(seed)
    height, rate = rng.uniform(5, 10, (n, 1)), rng.uniform(1, 3, (n, 1))
    members = height * np.exp(-rate * X)
    return members, np.stack([members / height, -X * members], axis=1)


def test_directions_are_those_of_the_derivatives():
    members, derivatives = curves(2000)
    directions, rank = tangent_directions(members, np.arange(200))
    assert rank == 2
    assert np.allclose(directions @ directions.transpose(0, 2, 1), np.eye(2), atol=1e-6)
    for found, exact in zip(directions, derivatives, strict=False):
        basis = np.linalg.qr(exact.T)[0]
        assert ((found @ basis) ** 2).sum() / 2 > 0.9
    none, rank = tangent_directions(np.ones((1, 40)), np.array([0]))
    assert none.shape == (1, 0, 40)
    assert rank == 0


def test_deviations_have_the_declared_size_and_no_refit_takes_them_up():
    members, derivatives = curves(1000)
    noise = np.where(X < 0.5, 0.1, 0.3)
    table = DesignTable(("decay",), (members,), noise, X)
    options = SeverityOptions(smooth_deviation=1.5, local_deviation=5.0)
    (smooth, local), rank = deviation_classes(table, 0, options, np.random.default_rng(0))
    assert rank == 2
    assert (smooth.kind, smooth.size, local.kind, local.size) == ("smooth", 1.5, "local", 5.0)
    assert np.sqrt((smooth.shape**2).mean(axis=0)) == pytest.approx(1.0, rel=1e-5)
    assert np.abs(local.shape).max(axis=0) == pytest.approx(1.0, rel=1e-5)
    # what is left of a deviation after a linear refit: nearly all of it
    left = []
    for i in range(0, smooth.member.size, 997):
        basis = np.linalg.qr((derivatives[smooth.member[i]] / noise).T)[0]
        shape = smooth.shape[:, i].astype(float)
        left.append(np.linalg.norm(shape - basis @ (basis.T @ shape)) / np.linalg.norm(shape))
    assert np.mean(left) > 0.97


def test_deviations_end_at_the_region():
    table = DesignTable(("decay",), (curves(500)[0],), 0.1, X)
    options = SeverityOptions(region=tuple(range(10, 30)), smooth_deviation=0, local_width=0.06)
    (local,), _ = deviation_classes(table, 0, options, np.random.default_rng(0))
    assert local.kind == "local"
    assert not local.shape[:10].any()
    assert not local.shape[30:].any()
    assert local.shape[10:30].any()
    assert region_mask(table, options).sum() == 20


def test_regions_that_cannot_be_tested_are_refused():
    table = DesignTable(("decay",), (curves(500)[0],), 0.1, X)
    with pytest.raises(InputError, match="can take up every deviation"):
        deviation_classes(
            table, 0, SeverityOptions(region=(0, 39), smooth_deviation=0), np.random.default_rng(0)
        )
    with pytest.raises(InputError, match="indices below 40; got 40"):
        region_mask(table, SeverityOptions(region=(40,)))


def test_a_hypothesis_that_can_hardly_move_takes_up_nothing():
    """Draws of a posterior span every direction of six actions, a hundredth of the noise far."""
    rng = np.random.default_rng(0)
    places = np.linspace(0, 1, 6)
    members = places + 0.01 * rng.normal(size=(300, 6))
    table = DesignTable(("fitted",), (members,), 1.0, places)
    (smooth, local), n_directions = deviation_classes(
        table, 0, SeverityOptions(), np.random.default_rng(1)
    )
    assert n_directions == 0
    assert smooth.member.size == local.member.size
    # what is left are the bumps as drawn, centred on one action after the other
    bumps = np.exp(-0.5 * ((places[:, None] - places) / 0.18) ** 2)
    expected = np.linalg.svd(bumps, compute_uv=False)
    spread = np.linalg.svd(local.shape, compute_uv=False)
    assert spread[-1] / spread[0] == pytest.approx(expected[-1] / expected[0], rel=0.05)


def test_half_of_a_deviation_is_taken_up_where_the_members_reach_half_as_far():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 30)
    members = rng.normal(size=(2000, 1)) * np.ones(30)
    table = DesignTable(("level",), (members,), 1.0, x)
    options = SeverityOptions(local_deviation=0, smooth_deviation=4.0, smooth_lengths=(50.0,))
    (smooth,), n_directions = deviation_classes(table, 0, options, np.random.default_rng(1))
    assert n_directions == 1
    # fields that are all but constant: the level follows two sds, the rest is the deviation
    constant = np.abs(smooth.shape.mean(axis=0))
    assert np.median(constant) == pytest.approx(1.0, abs=0.05)
