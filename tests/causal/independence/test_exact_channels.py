"""Grids, filters, powers, blocks and fits of the channel test, by hand and by slow sums."""

import numpy as np
import pytest
from scipy import fft
from scipy.ndimage import gaussian_filter

from physlearn.causal.independence.channel_dictionary import (
    LEAN,
    LEAN_LONG,
    NARROW,
    WIDE,
    Grid,
    copies,
    cosine_filter,
    error_ceiling,
    location_terms,
    radial_spectrum,
    smoothing,
    wick_powers,
)
from physlearn.causal.independence.channel_moments import (
    common_filter,
    noise_spectrum,
)
from physlearn.causal.independence.channel_noise import ChannelNoise, kernel_overlaps

NO_NOISE = ChannelNoise(np.zeros((1, 3, 3)), np.zeros((1, 2), int), np.ones((1, 1)))


def square(rows, columns=None):
    return np.stack(
        np.meshgrid(np.arange(rows), np.arange(columns or rows), indexing="ij"), -1
    ).reshape(-1, 2)


# ---------------------------------------------------------------------- features and filters


def test_dictionaries_hold_as_many_features_as_they_list():
    """Shifts, two smooth ones, squares, a smooth one, neighbours' squares, cubes, places."""
    assert NARROW.size == 13 + 2 + 5 + 1 + 2 + 1 + 5
    assert LEAN.size == 5 + 2 + 1 + 1 + 2 + 2
    assert LEAN_LONG.size == 9 + 2 + 1 + 1 + 2 + 2
    assert WIDE.size == 21 + 2 + 5 + 1 + 2 * 5 + 1 + 9
    assert NARROW.n_features(2) == 2 * NARROW.size + 6
    assert WIDE.n_features(1) == WIDE.size + 10
    assert NARROW.of_neighbours.tolist() == [21, 22]
    assert WIDE.of_neighbours.tolist() == list(range(29, 39))
    for one in (NARROW, LEAN, WIDE):
        assert one.bases[0].shifts[0] == (0, 0)
        assert sorted(b.term for b in one.bases if b.term) == list(
            range(1, (one.degree + 1) * (one.degree + 2) // 2)
        )


def test_wick_powers_have_the_means_of_the_noise_free_powers():
    """Over Gaussian noise, exactly, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    for value, variance in ((0.7, 0.3), (-1.2, 1.5)):
        seen = value + np.sqrt(variance) * nodes
        for r, power in enumerate(wick_powers(seen, variance, 4)):
            assert weights @ power == pytest.approx(value**r)


def test_copies_are_the_field_its_neighbours_mean_and_their_difference():
    field = np.random.default_rng(0).normal(size=(6, 5))
    own, near, apart = copies(field)
    assert np.array_equal(own, field)
    inner = (field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:]) / 4
    np.testing.assert_allclose(near[1:-1, 1:-1], inner)
    np.testing.assert_allclose(apart, field - near)
    assert near[0, 0] == pytest.approx((2 * field[0, 0] + field[1, 0] + field[0, 1]) / 4)


def test_location_terms_are_orthogonal_polynomials_in_order_of_degree():
    terms = location_terms((400, 300), 3)
    assert terms.shape == (10, 400, 300)
    x, y = np.linspace(-1, 1, 400)[:, None], np.linspace(-1, 1, 300)
    known = [1 + 0 * x * y, y + 0 * x, x + 0 * y, 1.5 * y**2 - 0.5 + 0 * x, x * y]
    by_degree = {0: known[:1], 1: known[1:3], 2: known[3:]}
    start = 0
    for degree, fields in by_degree.items():
        block = terms[start : start + degree + 1]
        for field in fields:
            assert min(np.abs(block - field).max(axis=(1, 2))) < 1e-9
        start += degree + 1
    gram = np.einsum("aij,bij->ab", terms, terms) / 120_000
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.02


def test_missing_cells_are_filled_by_a_linear_rule_that_keeps_constants():
    cells = square(12)[np.random.default_rng(1).random(144) < 0.8]
    grid = Grid.of(cells)
    a, b = np.random.default_rng(2).normal(size=(2, len(cells)))
    image = grid.filled(grid.image(np.stack([a, b, 2 * a - 3 * b, np.ones(len(cells))])))
    np.testing.assert_allclose(image[2], 2 * image[0] - 3 * image[1], atol=1e-12)
    np.testing.assert_allclose(image[3], 1.0, atol=1e-9)
    np.testing.assert_array_equal(image[0][cells[:, 0], cells[:, 1]], a)
    known = grid.observed * 1.0
    smooth = gaussian_filter(np.where(grid.observed, image[0], 0), 1.0, mode="nearest", truncate=8)
    expected = smooth / gaussian_filter(known, 1.0, mode="nearest", truncate=8)
    np.testing.assert_allclose(image[0][~grid.observed], expected[~grid.observed])
    whole = Grid.of(square(4, 5))
    assert whole.shape == (4, 5) and whole.observed.all()
    row, column = np.pi * np.arange(4) / 4, np.pi * np.arange(5) / 5
    np.testing.assert_allclose(whole.waves, np.sqrt(row[:, None] ** 2 + column**2))


def test_filters_act_on_cosine_waves():
    grid = Grid.of(square(24, 30))
    rows, columns = np.mgrid[:24, :30]
    wave = np.cos(np.pi * 3 * (rows + 0.5) / 24) * np.cos(np.pi * 5 * (columns + 0.5) / 30)
    length = 1.3
    k = np.hypot(np.pi * 3 / 24, np.pi * 5 / 30)
    passed = cosine_filter(wave, smoothing(grid.waves, length))
    np.testing.assert_allclose(passed, np.exp(-0.5 * (length * k) ** 2) * wave, atol=1e-12)
    # of a smooth field far from the borders: the Gaussian blur of that width
    field = np.random.default_rng(3).normal(size=(24, 30))
    np.testing.assert_allclose(
        cosine_filter(field, smoothing(grid.waves, 1.5)),
        gaussian_filter(field, 1.5, mode="reflect", truncate=8), atol=1e-4,
    )  # fmt: skip


def test_a_spectrum_that_depends_on_k_alone_is_found():
    grid = Grid.of(square(60, 48))
    waves = grid.waves
    rng = np.random.default_rng(4)
    exact = np.exp(1.0 - 1.5 * waves + 0.2 * waves**2)
    found = radial_spectrum(exact * rng.chisquare(1, waves.shape), waves)
    inner = (waves > 0.2) & (waves < 3.5)
    assert np.abs(np.log(found / exact))[inner].max() < 0.35  # 20 waves a bin and five numbers
    assert abs(np.log(found / exact)[inner].mean()) < 0.08
    white = rng.normal(0, 2.0, (60, 48))
    assert 0.4 * 4 < error_ceiling(white, waves) <= white.var()
    blurred = gaussian_filter(white, 2.0, mode="reflect")
    assert error_ceiling(blurred, waves) < 0.02 * blurred.var()
    both = blurred / blurred.std() + 0.3 * rng.normal(size=(60, 48))
    assert error_ceiling(both, waves) == pytest.approx(0.09, rel=0.4)


def test_the_common_filter_whitens_the_columns_on_average():
    grid = Grid.of(square(64))
    rng = np.random.default_rng(5)
    fields = np.stack(
        [gaussian_filter(rng.normal(size=(64, 64)), s, mode="reflect") for s in (0.5, 0.8)]
    )
    fields /= fields.std(axis=(1, 2), keepdims=True)
    transfer = common_filter(fields, grid, NO_NOISE, 2.6)
    assert np.mean(transfer**2) == pytest.approx(1.0)
    low = (grid.waves > 0.3) & (grid.waves < 1.8)
    log = np.mean(
        [np.log(radial_spectrum(fft.dctn(f, norm="ortho") ** 2, grid.waves)) for f in fields],
        axis=0,
    ) + np.log(transfer**2)
    damped = log + 2 * (grid.waves / 2.6) ** 4
    assert np.ptp(damped[low]) < 1e-6
    # where errors hold most of the variance waves count less: three halves of the log share
    noise = ChannelNoise(np.diag([0.3, 0.3])[None], np.zeros((1, 2), int), np.ones((1, 1)))
    noisy = common_filter(fields, grid, noise, 2.6)
    shares = [
        np.clip(1 - 0.3 / radial_spectrum(fft.dctn(f, norm="ortho") ** 2, grid.waves), 0.02, 1)
        for f in fields
    ]
    change = 2 * np.log(noisy / transfer) - 1.5 * np.mean(np.log(shares), axis=0)
    assert np.ptp(change) < 1e-6


def test_spectra_of_errors_are_sums_over_their_lags():
    grid = Grid.of(square(20, 16))
    white = ChannelNoise(np.eye(1)[None], np.zeros((1, 2), int), np.ones((1, 1)))
    np.testing.assert_allclose(noise_spectrum(white, grid, 0), 1.0)
    lags = np.array([[0, 0], [0, 1], [0, -1], [1, 0], [-1, 0]])
    alike = ChannelNoise(np.eye(1)[None], lags, np.array([1, 0.2, 0.2, 0.1, 0.1])[:, None])
    rows, columns = np.pi * np.arange(20) / 20, np.pi * np.arange(16) / 16
    exact = 1 + 0.2 * np.cos(rows)[:, None] + 0.4 * np.cos(columns)
    np.testing.assert_allclose(noise_spectrum(alike, grid, 0), exact)
    strong = ChannelNoise(np.eye(1)[None], lags, np.array([1, 0.9, 0.9, 0.9, 0.9])[:, None])
    assert noise_spectrum(strong, grid, 0).min() == 0.0


def test_errors_of_two_columns_agree_by_their_geometric_mean():
    lags = np.array([[0, 0], [0, 1]])
    noise = ChannelNoise(np.eye(2)[None], lags, np.array([[1.0, 1.0], [0.4, 0.1]]))
    np.testing.assert_allclose(noise.correlations(0, 1), [1.0, 0.2])
    np.testing.assert_allclose(noise.correlations(0, 0), [1.0, 0.4])
    opposed = ChannelNoise(np.eye(2)[None], lags, np.array([[1.0, 1.0], [-0.4, -0.1]]))
    np.testing.assert_allclose(opposed.correlations(0, 1), [1.0, -0.2])
    mixed = ChannelNoise(np.eye(2)[None], lags, np.array([[1.0, 1.0], [0.4, -0.1]]))
    np.testing.assert_allclose(mixed.correlations(0, 1), [1.0, 0.0])


def test_kernels_of_white_weights_overlap_as_gaussians_do():
    """No smoothing and no filter: nothing but itself; two widths: a Gaussian of both together."""
    weights = np.ones((40, 40))
    found = kernel_overlaps((40, 40), weights, [0.0, 1.5, 3.0], 6)
    assert found.shape == (3, 3, 7, 7)
    np.testing.assert_allclose(found[0, 0], np.eye(7)[:, :1] * np.eye(7)[:1], atol=1e-12)
    a, b = np.mgrid[:7, :7]
    for i, j, variance in ((0, 1, 2.25), (1, 1, 4.5), (1, 2, 11.25), (2, 2, 18.0)):
        gauss = np.exp(-0.5 * (a**2 + b**2) / variance) / (2 * np.pi * variance)
        np.testing.assert_allclose(found[i, j], gauss, atol=2e-4)
        np.testing.assert_array_equal(found[i, j], found[j, i])
