"""The sparse joint covariance against dense inverses of the whole picture's Fisher information."""

import numpy as np
import pytest

from physlearn.datasets.columns import background_covariance_kernels as background
from physlearn.datasets.columns import covariance_kernels as kernels
from physlearn.datasets.columns import information_kernels as information
from physlearn.datasets.columns.column_covariance import (
    SAFE_SUM,
    _largest_sum,
    measure_covariance,
)

WIDTH = 2.5
SPACING_PX = 30.0


def lattice(kind, n, distance):
    if kind == "graphene":
        base = np.array([[0, 0], [1, 0], [1.5, np.sqrt(3) / 2], [2.5, np.sqrt(3) / 2]]) * distance
        i, j = np.meshgrid(np.arange(n // 2), np.arange(n // 2))
        cells = np.c_[i.ravel() * 3 * distance, j.ravel() * np.sqrt(3) * distance]
        return (cells[:, None] + base).reshape(-1, 2)
    j, i = np.mgrid[:n, :n]
    shift, tall = (0.5 * (j % 2), np.sqrt(0.75)) if kind == "triangular" else (0.0, 1.0)
    return distance * np.stack([(i + shift).ravel(), (j * tall).ravel()], 1)


def scene(kind, n, distance, weak=1.0, background=10.0, seed=0):
    """Return mean picture, columns, nodes' shape and slopes (parameters, pixels) of everything."""
    rng = np.random.default_rng(seed)
    places = lattice(kind, n, distance) + 1.3 * distance
    places += rng.normal(0, 0.03 * distance, places.shape)
    heights = 100.0 * np.where(rng.random(len(places)) < 0.5, 1.0, weak)
    shape = (int(places[:, 1].max() + 1.3 * distance), int(places[:, 0].max() + 1.3 * distance))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    mean, slopes = np.full(shape, background), []
    for (px, py), height in zip(places, heights, strict=True):
        u, v = (x - px) / WIDTH, (y - py) / WIDTH
        value = height * np.exp(-0.5 * (u * u + v * v))
        mean += value
        slopes += [value * u / WIDTH, value * v / WIDTH, value, value * (u * u + v * v)]
    nodes = tuple(max(2, round((length - 1) / SPACING_PX) + 1) for length in shape)
    down, along = (
        np.maximum(0, 1 - np.abs(np.arange(length)[:, None] * (count - 1) / (length - 1)
                                 - np.arange(count)))
        for length, count in zip(shape, nodes, strict=True)
    )  # fmt: skip
    level = np.einsum("ja,ib->abji", down, along).reshape(-1, mean.size)
    columns = np.column_stack([places, np.log(heights), np.full(len(places), np.log(WIDTH))])
    return mean, columns, nodes, np.array(slopes).reshape(len(slopes), -1), level


def exact(mean, slopes, level):
    """Return the dense inverse of the whole information, the columns' part (oracle)."""
    design = np.concatenate([slopes, level])
    return np.linalg.inv((design / mean.ravel()) @ design.T)[: len(slopes), : len(slopes)]


@pytest.mark.parametrize(
    ("kind", "n", "distance", "weak", "tolerance"),
    [
        ("square", 6, 14.0, 1.0, 0.01),
        ("square", 6, 12.0, 0.2, 0.03),
        ("graphene", 8, 8.0, 1.0, 0.02),
        ("graphene", 8, 7.5, 1.0, 0.03),
        ("triangular", 7, 10.0, 1.0, 0.03),
    ],
)
def test_covariance_equals_the_dense_inverse(kind, n, distance, weak, tolerance):
    mean, columns, nodes, slopes, level = scene(kind, n, distance, weak)
    wanted = exact(mean, slopes, level)
    noise = np.array([0.0, 1.0, 1e-6])
    said = measure_covariance(mean, columns, noise, nodes)
    sd = np.sqrt(np.diag(wanted)).reshape(-1, 4)
    found = np.sqrt(np.einsum("nii->ni", said.blocks))
    np.testing.assert_allclose(found, sd, rtol=tolerance)
    blocks = wanted.reshape(len(sd), 4, len(sd), 4).transpose(0, 2, 1, 3)
    i, j = said.pairs.T
    scale = sd[i][:, :, None] * sd[j][:, None, :]
    off = np.abs((said.cross - blocks[i, j]) / scale)
    assert off[:, :2, :2].max() < 0.05
    # what far columns share by the background is left out, and may take near pairs along
    assert off.max() < 0.22
    dense = said.sparse().toarray().astype(float)
    np.testing.assert_allclose(dense, dense.T)
    root = np.sqrt(np.diag(dense))
    assert np.linalg.eigvalsh(dense / root / root[:, None]).min() > 0


def test_strongly_overlapping_columns_stay_definite_and_finite():
    mean, columns, nodes, _, _ = scene("triangular", 9, 6.0)
    said = measure_covariance(mean, columns, np.array([0.0, 1.0, 1e-6]), nodes)
    dense = said.sparse().toarray().astype(float)
    root = np.sqrt(np.diag(dense))
    assert np.isfinite(dense).all()
    assert np.linalg.eigvalsh(dense / root / root[:, None]).min() > 0
    assert (np.linalg.eigvalsh(said.blocks) > 0).all()


def test_bound_holds_and_one_crowd_in_a_free_picture_does_not_spoil_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(2, 30))
        pairs = np.argwhere(np.triu(rng.random((n, n)) < 0.2, 1))
        norms = rng.uniform(0.05, 1.2, len(pairs))
        dense = np.zeros((n, n))
        dense[pairs[:, 0], pairs[:, 1]] = norms
        radius = np.abs(np.linalg.eigvalsh(dense + dense.T)).max()
        assert _largest_sum(norms, pairs, n) >= radius - 1e-12
    # a chain of .3 a pair, one site of which has two pairs of .5: Gershgorin's bound is 1
    chain = np.stack([np.arange(40), np.arange(1, 41)], 1)
    norms = np.where(np.isin(np.arange(40), (20, 21)), 0.5, 0.3)
    assert _largest_sum(norms, chain, 41) < SAFE_SUM


def test_masked_pixels_carry_no_information():
    mean, columns, nodes, slopes, level = scene("square", 5, 13.0)
    weight = 1.0 / mean
    weight[:, 30:34] = 0.0
    said = measure_covariance(mean, columns, np.zeros(3), nodes, weight=weight)
    design = np.concatenate([slopes, level])
    wanted = np.linalg.inv((design * weight.ravel()) @ design.T)
    sd = np.sqrt(np.diag(wanted)[: len(slopes)]).reshape(-1, 4)
    np.testing.assert_allclose(np.sqrt(np.einsum("nii->ni", said.blocks)), sd, rtol=0.05)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_large_masked_parts_and_any_scale_stay_finite(scale):
    mean, columns, nodes, _, _ = scene("square", 6, 16.0)
    weight = scale / mean
    weight[:, 50:] = 0.0
    here = columns[:, 0] < 45
    said = measure_covariance(mean, columns[here], np.zeros(3), nodes, weight=weight)
    assert np.isfinite(said.sparse().toarray()).all()
    one = measure_covariance(mean, columns[here], np.zeros(3), nodes, weight=weight / scale)
    np.testing.assert_allclose(said.blocks * scale, one.blocks, rtol=1e-6, atol=1e-12)


def test_prior_on_the_width_narrows_it():
    mean, columns, nodes, _, _ = scene("square", 5, 13.0)
    free = measure_covariance(mean, columns, np.array([0.0, 1.0, 1e-6]), nodes)
    held = measure_covariance(mean, columns, np.array([0.0, 1.0, 1e-6]), nodes, width_precision=1e8)
    assert (held.blocks[:, 3, 3] < 1.01e-8).all()
    assert (held.blocks[:, 2, 2] < free.blocks[:, 2, 2]).all()


def test_units_scales_and_subsets():
    mean, columns, nodes, _, _ = scene("square", 4, 11.0)
    said = measure_covariance(mean, columns, np.array([0.0, 1.0, 1e-6]), nodes)
    unit = said.in_unit((0.5, 0.25))
    np.testing.assert_allclose(unit.blocks[:, 0, 1], said.blocks[:, 0, 1] * 0.125)
    np.testing.assert_allclose(unit.cross[:, 1, 2], said.cross[:, 1, 2] * 0.25, rtol=1e-5)
    flags = np.ones(len(columns), dtype=bool)
    flags[3] = False
    pick = (4 * np.flatnonzero(flags)[:, None] + np.arange(4)).ravel()
    np.testing.assert_allclose(
        said.keep(flags).sparse().toarray(), said.sparse().toarray()[np.ix_(pick, pick)]
    )


def test_no_columns_have_an_empty_covariance():
    said = measure_covariance(np.ones((40, 40)), np.empty((0, 4)), np.ones(3), (2, 2))
    assert said.sparse().shape == (0, 0)


def test_compiled_and_plain_kernels_agree(monkeypatch):
    mean, columns, nodes, _, _ = scene("square", 3, 9.0)
    noise = np.array([0.0, 1.0, 1e-6])
    compiled = measure_covariance(mean, columns, noise, nodes)
    for module in (kernels, background, information):
        for name in dir(module):
            if hasattr(getattr(module, name), "py_func"):
                monkeypatch.setattr(module, name, getattr(module, name).py_func)
    plain = measure_covariance(mean, columns, noise, nodes)
    np.testing.assert_allclose(plain.blocks, compiled.blocks, rtol=1e-8, atol=1e-15)
    np.testing.assert_allclose(plain.cross, compiled.cross, rtol=1e-4, atol=1e-9)
