import numpy as np
import pytest

from physlearn.causal.independence.channel_dictionary import NARROW, Grid
from physlearn.causal.independence.channel_moments import channel_moments, common_filter
from physlearn.causal.independence.channel_noise import ChannelNoise

EDGE = 32


def errors(rng, coloured, unequal, shared):
    """Return errors of two columns, shape (2, EDGE, EDGE): variance .3 (times `unequal`)."""
    noise = rng.standard_normal((2, EDGE, EDGE))
    noise[1] = shared * noise[0] + np.sqrt(1 - shared**2) * noise[1]
    if coloured:  # correlation 1/2 with the neighbour in the row
        noise = (noise + np.roll(noise, 1, axis=2)) / np.sqrt(2)
    return np.sqrt(0.3 * unequal) * noise


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("unequal", [False, True])
def test_known_errors_are_taken_out_of_the_moments(coloured, unequal):
    """The mean over noise of the corrected moments is the moments of the truth."""
    rng = np.random.default_rng(3)
    grid = Grid.of(np.stack(np.mgrid[:EDGE, :EDGE], axis=-1).reshape(-1, 2))
    truth = rng.standard_normal((2, EDGE, EDGE))
    truth = (truth + np.roll(truth, 1, axis=1) + np.roll(truth, 1, axis=2)) / np.sqrt(3)
    factor = np.linspace(0.5, 1.5, EDGE)[:, None] * np.ones((EDGE, EDGE)) if unequal else np.ones(1)
    shared = 0.5
    by_patch = 0.3 * np.array([[1, shared], [shared, 1]]) * np.ravel(factor)[:, None, None]
    lags = np.array([[0, 0], [0, 1], [0, -1]]) if coloured else np.array([[0, 0]])
    correlation = np.array([1.0, 0.5, 0.5])[: len(lags), None]
    noise = ChannelNoise(by_patch, lags, correlation)
    filter_of_all = common_filter(truth, grid, noise, NARROW.cutoff)
    draws = []
    for _ in range(60):
        seen = truth + errors(rng, coloured, factor, shared)
        draws.append(moments_of(seen, grid, noise, filter_of_all))
    means = np.stack([m.mean for m in draws])
    corrected, error = means.mean(axis=0), means.std(axis=0) / np.sqrt(len(draws))
    observed = np.mean([m.mean + m.noise for m in draws], axis=0)
    none = ChannelNoise(np.zeros((1, 2, 2)), lags[:1], np.ones((1, 1)))
    clean = moments_of(truth, grid, none, filter_of_all).mean
    size = NARROW.size
    for first, second in ((0, 0), (0, size), (size, size)):
        part = np.s_[first : first + size, second : second + size]
        left, before = (corrected - clean)[part], (observed - clean)[part]
        # the mean square of a standard score is 1; entries of one draw are correlated
        assert np.mean((left / error[part]) ** 2) < 2.0
        if first == second:
            assert np.linalg.norm(left) < 0.25 * np.linalg.norm(before)


def moments_of(fields, grid, noise, transfer):
    return channel_moments(fields.reshape(2, -1).T, grid, noise, NARROW, transfer=transfer)


@pytest.mark.parametrize("whole", [(), (1,), (0, 2)])
def test_moments_for_one_question_are_a_part_of_all_moments(whole):
    rng = np.random.default_rng(5)
    grid = Grid.of(np.stack(np.mgrid[:EDGE, :EDGE], axis=-1).reshape(-1, 2))
    values = rng.standard_normal((EDGE**2, 3))
    covariance = 0.1 * (np.eye(3) + 0.5)[None] * np.linspace(0.5, 1.5, EDGE**2)[:, None, None]
    lags = np.array([[0, 0], [0, 1], [0, -1]])
    noise = ChannelNoise(covariance, lags, np.array([1.0, 0.5, 0.5])[:, None])
    every = channel_moments(values, grid, noise, NARROW)
    some = channel_moments(values, grid, noise, NARROW, whole=whole)
    assert every.whole == {0, 1, 2}
    assert some.whole == set(whole)
    kept = [np.arange(c * NARROW.size, c * NARROW.size + (NARROW.size if c in whole else 1))
            for c in range(3)]  # fmt: skip
    kept = np.concatenate([*kept, 3 * NARROW.size + np.arange(every.n_trend)])
    square = np.ix_(kept, kept)
    for name in ("mean", "noise"):
        found, wanted = getattr(some, name), getattr(every, name)
        np.testing.assert_allclose(found[square], wanted[square], atol=1e-12)
        assert np.count_nonzero(found) == np.count_nonzero(found[square])
    # single precision
    np.testing.assert_allclose(some.features[kept], every.features[kept], rtol=1e-6, atol=1e-6)
    between = np.s_[:, kept[:, None], kept]
    np.testing.assert_allclose(some.blocks[between], every.blocks[between], rtol=1e-6, atol=1e-6)
