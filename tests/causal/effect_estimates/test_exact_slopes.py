"""Slopes, their errors and what hangs on them, against regressions and sums written out."""

import numpy as np
import pandas as pd
import pytest

from physlearn.causal.columns import prepare_columns
from physlearn.causal.effect_estimates.product_errors import product_variance
from physlearn.causal.effect_estimates.slopes import (
    back_door_slope,
    benchmarks_of,
    front_door_slope,
    instrument_slope,
    variance_of,
)
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.causal.spatial_score import SpatialScore
from physlearn.checks import NotIdentified
from physlearn.records import PatchTable

NAMES = ("z", "x", "m", "y", "w")
NOISE = np.array([0.02, 0.05, 0.01, 0.03, 0.02])


@pytest.fixture(scope="module")
def world(grid):
    """z drives x, x drives m, m and w drive y; w drives x: white fields on 20 x 20 patches."""
    rng = np.random.default_rng(4)
    z, w, a, b, c = rng.normal(size=(5, 400))
    x = z + 0.5 * w + 0.4 * a
    m = 0.7 * x + b
    frame = pd.DataFrame({"z": z, "x": x, "m": m, "y": 0.5 * m + 0.8 * w + c, "w": w})
    return PatchTable.from_frame(frame[list(NAMES)], grid(20), 1.0)


@pytest.fixture(scope="module")
def score(world):
    columns = prepare_columns(world, names=list(NAMES))
    return SpatialScore(columns.values, columns.layout, np.zeros((5, 5)), n_trend=columns.n_trend)


@pytest.fixture(scope="module")
def noisy(score):
    return SpatialScore(score.values, score.layout, np.diag(NOISE), n_trend=score.n_trend)


def place(*names):
    return tuple(NAMES.index(name) for name in names)


def regression(score, outcome, *causes):
    """Coefficients of the true moments: of plain least squares where there is no noise."""
    true = score.values.T @ score.values / (score.n - score.n_trend) - score.noise
    on = list(place(*causes))
    return np.linalg.solve(true[np.ix_(on, on)], true[on, NAMES.index(outcome)])


@pytest.mark.parametrize("kind", ["score", "noisy"])
def test_slopes_are_those_of_regressions_on_true_moments(kind, request):
    score = request.getfixturevalue(kind)
    (x, y, z), given = place("x", "y", "z"), place("w", "z")
    found = back_door_slope(score, x, y, given, NAMES)
    assert found.mean == pytest.approx(regression(score, "y", "x", "w", "z")[0], rel=1e-6)
    through = front_door_slope(score, x, y, place("m"), NAMES)
    product = regression(score, "m", "x")[0] * regression(score, "y", "m", "x")[0]
    assert through.mean == pytest.approx(product, rel=1e-6)
    moved = instrument_slope(score, x, y, z, place("w"), NAMES)
    ratio = regression(score, "y", "z", "w")[0] / regression(score, "x", "z", "w")[0]
    assert moved.mean == pytest.approx(ratio, rel=1e-6)
    both = front_door_slope(score, z, y, place("x", "m"), NAMES)
    first = [regression(score, name, "z")[0] for name in ("x", "m")]
    assert both.mean == pytest.approx(first @ regression(score, "y", "x", "m", "z")[:2], rel=1e-6)


def test_errors_of_white_fields_are_those_of_least_squares(score):
    """(X'X)^-1 s^2 for the back door, s^2 / (z'x)^2 z'z for an instrument, sums of both parts."""
    values, n = score.values, score.n
    (x, y, z), given = place("x", "y", "z"), place("w", "z")

    def left(outcome, *causes):
        on = values[:, list(place(*causes))]
        coefficients = np.linalg.lstsq(on, values[:, NAMES.index(outcome)], rcond=None)[0]
        return values[:, NAMES.index(outcome)] - on @ coefficients

    cause, error = left("x", "w", "z"), left("y", "x", "w", "z")
    plain = np.sqrt(error.var() / (cause @ cause))
    found = back_door_slope(score, x, y, given, NAMES)
    # patches that look alike by chance, or squares that are large by chance, may add to it
    assert 0.97 * plain < found.sd < 1.35 * plain
    assert found.freedom == pytest.approx(found.n_effective - 4)
    assert found.n_effective > 0.5 * n
    ratio = error.std() / cause.std()
    assert found.residual_ratio == pytest.approx(ratio, rel=0.01)
    moved = instrument_slope(score, x, y, z, place("w"), NAMES)
    z_left, x_left, y_left = left("z", "w"), left("x", "w"), left("y", "w")
    error = y_left - moved.mean * x_left
    plain = error.std() * np.sqrt(z_left @ z_left) / (z_left @ x_left)
    assert 0.97 * plain < moved.sd < 1.35 * plain
    assert moved.freedom == pytest.approx(moved.n_effective - 3)
    through = front_door_slope(score, x, y, place("m"), NAMES)
    to_m, to_y = regression(score, "m", "x")[0], regression(score, "y", "m", "x")[0]
    first = left("m", "x").std() / np.linalg.norm(values[:, x])
    second = left("y", "m", "x").std() / np.linalg.norm(left("m", "x"))
    plain = np.hypot(to_y * first, to_m * second)
    assert 0.97 * plain < through.sd < 1.35 * plain
    assert through.freedom == pytest.approx(through.n_effective - 3)


def test_the_noise_shift_is_the_slopes_derivative(noisy):
    (x, y, z), given = (
        place("x", "y", "z"),
        place(
            "w",
        ),
    )

    def at(share):
        other = SpatialScore(noisy.values, noisy.layout, share * noisy.noise, n_trend=noisy.n_trend)
        return (
            back_door_slope(other, x, y, (), NAMES).mean,
            instrument_slope(other, x, y, z, given, NAMES).mean,
        )

    step = 1e-5
    rates = (np.array(at(1 + step)) - np.array(at(1 - step))) / (2 * step)
    plain = back_door_slope(noisy, x, y, (), NAMES)
    # signs: more noise means a larger slope; the shift is what the noise put into the score
    assert abs(plain.noise_shift) == pytest.approx(abs(rates[0]), rel=0.02)
    assert plain.noise_shift < 0 < rates[0]
    assert abs(rates[1]) < 0.1 * abs(rates[0])  # of an instrument free of the cause's noise: none


def test_partial_shares_are_squared_correlations_of_what_is_left(noisy, score):
    x, y = place("x", "y")
    found = benchmarks_of(score, x, y, place("w", "z"), ("w",))
    assert list(found) == ["w"]

    def left(column, on):
        values = score.values
        fit = np.linalg.lstsq(values[:, list(on)], values[:, column], rcond=None)[0]
        return values[:, column] - values[:, list(on)] @ fit

    (w,) = place("w")
    for share, end, on in zip(found["w"], (x, y), (place("z"), place("x", "z")), strict=True):
        together = np.corrcoef(left(w, on), left(end, on))[0, 1]
        assert share == pytest.approx(together**2, rel=1e-6)
    cleaner = benchmarks_of(noisy, x, y, place("w", "z"), ("w", "z"))
    assert cleaner["w"][0] > found["w"][0]  # the noise hid a part


def test_a_slope_scales_with_its_columns_and_its_sign_with_theirs(score):
    x, y, w = place("x", "y", "w")
    factor = np.ones(5)
    factor[x], factor[y] = 2.0, -3.0
    other = SpatialScore(score.values * factor, score.layout, score.noise, n_trend=score.n_trend)
    for slope in (
        lambda s: back_door_slope(s, x, y, (w,), NAMES),
        lambda s: front_door_slope(s, x, y, place("m"), NAMES),
        lambda s: instrument_slope(s, x, y, *place("z"), (w,), NAMES),
    ):
        one, two = slope(score), slope(other)
        assert two.mean == pytest.approx(-1.5 * one.mean, rel=1e-6)
        assert two.sd == pytest.approx(1.5 * one.sd, rel=1e-6)
        assert two.n_effective == pytest.approx(one.n_effective, rel=1e-6)


def test_what_is_all_noise_or_all_told_is_refused(score):
    x, y, z, w = place("x", "y", "z", "w")
    drowned = SpatialScore(
        score.values, score.layout, np.diag([0.9, 0.9, 0, 0, 0.9]), n_trend=score.n_trend
    )
    with pytest.raises(NotIdentified, match="varies too little"):
        back_door_slope(drowned, x, y, (), NAMES)
    with pytest.raises(NotIdentified, match="varies too little"):
        back_door_slope(drowned, *place("m"), y, (w,), NAMES)  # a column held fixed is noise
    with pytest.raises(NotIdentified, match="varies too little"):
        front_door_slope(drowned, z, y, (x,), NAMES)
    with pytest.raises(NotIdentified, match="varies too little"):
        instrument_slope(drowned, x, y, z, (w,), NAMES)
    twice = SpatialScore(
        np.column_stack([score.values, score.values[:, w]]), score.layout, np.zeros((6, 6)),
        n_trend=score.n_trend,
    )  # fmt: skip
    names = (*NAMES, "again")
    with pytest.raises(NotIdentified, match="determine one another"):
        back_door_slope(twice, x, y, (w, 5), names)
    with pytest.raises(NotIdentified, match="on its own"):
        front_door_slope(twice, x, y, (w, 5), names)
    with pytest.raises(NotIdentified, match="does not vary on its own"):
        instrument_slope(twice, x, y, w, (5,), names)


def test_weak_instruments_are_told_by_f(score):
    """F of the first stage is the squared t of its slope, of about n r^2 / (1 - r^2)."""
    rng = np.random.default_rng(0)
    n = score.n
    for wanted, serves in ((6.0, False), (16.0, True)):
        z, x = rng.normal(size=(2, n))
        z, x = (v - v.mean() for v in (z, x))
        x -= z * (x @ z) / (z @ z)
        x = x / x.std() + np.sqrt(wanted / n) * z / z.std()
        values = np.column_stack([z / z.std(), x, 0.5 * x + rng.normal(size=n)])
        spatial = SpatialScore(values, score.layout, np.zeros((3, 3)), n_trend=1)
        if serves:
            assert np.isfinite(instrument_slope(spatial, 1, 2, 0, (), ("z", "x", "y")).mean)
        else:
            with pytest.raises(NotIdentified, match=r"too weakly .*F = [4567]\."):
                instrument_slope(spatial, 1, 2, 0, (), ("z", "x", "y"))


def pairs_written_out(centers, products, step, rings):
    """Sums and numbers of products of pairs by rounded distance, pair by pair."""
    sums, counts = np.zeros(rings + 1), np.zeros(rings + 1)
    for i in range(len(centers)):
        for j in range(len(centers)):
            ring = max(round(np.hypot(*(centers[i] - centers[j])) / step), 1)
            if i != j and ring <= rings:
                sums[ring] += products[i] * products[j]
                counts[ring] += 1
    return sums[1:], counts[1:]


@pytest.mark.parametrize("kind", ["grid", "oblong", "holes", "free", "narrow"])
def test_the_variance_of_a_mean_counts_pairs_by_a_spherical_window(kind):
    rng = np.random.default_rng(1)
    shape = (50, 3) if kind == "narrow" else (14, 11)
    y, x = np.indices(shape).reshape(2, -1).astype(float)
    if kind == "oblong":
        x = 2.0 * x
    centers = np.stack([x, y], axis=1)
    smooth = np.cos(0.35 * y + 0.2) + 0.5 * np.sin(0.5 * np.arange(len(x)) % 11)
    field = smooth + 0.3 * rng.normal(size=len(x))
    if kind == "holes":
        kept = rng.permutation(len(x))[:120]
        centers, field = centers[kept], field[kept]
    if kind == "free":
        centers = centers + rng.uniform(-0.2, 0.2, centers.shape)
    layout = SpatialLayout(centers)
    assert (layout.cells is None) == (kind == "free")
    n, step = len(field), layout.patch_step
    centred = field - field.mean()
    rings = int(max(2, 0.3 * np.ptp(centers, axis=0).max() / step))
    sums, counts = pairs_written_out(centers, centred, step, rings)
    own = centred @ centred
    means, noise = sums / np.maximum(counts, 1), own / n / np.sqrt(np.maximum(counts, 1))
    alike = means > 2 * noise
    reach = len(alike) if alike.all() else int(np.flatnonzero(~alike)[0])
    assert reach >= 1
    length = min(3 * (reach + 0.5), rings + 0.5)
    distance = np.arange(1, rings + 1) / length
    # the volume that two balls of this diameter share
    window = np.where(distance < 1, (1 - distance) ** 2 * (1 + distance / 2), 0)
    shared = min(1 / n + window @ counts / n**2, 0.5)
    expected = max(own + window @ sums, own) / n**2 / (1 - shared)
    assert product_variance(layout, field) == pytest.approx(expected, rel=1e-9)
    assert product_variance(layout, -3.0 * field) == pytest.approx(9.0 * expected, rel=1e-9)


def test_independent_products_have_the_variance_over_n(grid):
    field = np.where(np.indices((12, 12)).sum(axis=0) % 2, 1.0, -1.0).ravel()  # no ring is alike
    layout = SpatialLayout(grid(12))
    assert product_variance(layout, field) == pytest.approx(1 / 144, rel=1e-12)
    assert product_variance(layout, np.full(144, 2.5)) == 0.0


def test_heavy_products_raise_the_variance_and_gaussian_ones_do_not(grid):
    """E (u v)^2 over E u^2 E v^2: 1 for independent fields, 3 where the error is the cause's."""
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(2, 900))
    layout = SpatialLayout(grid(30))
    ratio = {}
    for name, error in (("apart", v), ("grows", np.abs(u) * v)):
        values = np.column_stack([u, error])
        values = values - values.mean(axis=0)
        spatial = SpatialScore(values, layout, np.zeros((2, 2)), n_trend=1)
        plain = spatial.variance_of_product(*np.eye(2))
        ratio[name] = variance_of(spatial, *np.eye(2)) / plain
    assert 1.0 <= ratio["apart"] < 1.2
    assert 2.2 < ratio["grows"] < 4.0  # 3 with the scatter of fourth moments
