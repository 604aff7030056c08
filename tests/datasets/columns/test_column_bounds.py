"""The bound of a known scene: closed forms, dense inverses, and what an ideal fit reaches."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import column_bounds


def test_lone_column_without_background_is_the_closed_form(oracle):
    bounds = column_bounds([[40.0, 40.3]], 100.0, 3.0, background=1e-6, shape=(81, 81))
    counts = 2 * np.pi * 100.0 * 9.0
    # sum of counts: Poisson; position: width / sqrt(counts)
    oracle("lone column: x", error=abs(bounds.position_sd[0, 0] / (3 / np.sqrt(counts)) - 1),
           bound=0.01)  # fmt: skip
    oracle("lone column: intensity", error=abs(bounds.intensity_sd[0] / np.sqrt(counts) * counts
           / bounds.intensity[0] - 1), bound=0.01)  # fmt: skip
    assert bounds.intensity[0] == pytest.approx(counts)
    assert bounds.matched_snr[0] == pytest.approx(np.sqrt(counts), rel=1e-3)


def test_tiles_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(12), np.arange(9)), -1).reshape(-1, 2) * 11.0 + 14
    places += rng.normal(0, 0.3, places.shape)
    arguments = {"background": 8.0, "shape": (120, 160)}
    whole = column_bounds(places, 80.0, 2.5, **arguments)
    module = __import__("physlearn.datasets.columns.column_bounds", fromlist=["x"])
    monkeypatch.setattr(module, "TILE_WIDTHS", 12.0)
    parts = column_bounds(places, 80.0, 2.5, **arguments)
    np.testing.assert_allclose(
        np.sqrt(np.einsum("nii->ni", parts.covariance)),
        np.sqrt(np.einsum("nii->ni", whole.covariance)), rtol=2e-3,
    )  # fmt: skip
    some = column_bounds(places, 80.0, 2.5, which=[40, 7], **arguments)
    np.testing.assert_allclose(some.covariance, parts.covariance[[40, 7]], rtol=1e-10)


def test_what_is_known_helps_and_neighbours_hurt():
    near = [[40.0, 40.0], [47.0, 41.0]]
    alone = column_bounds(near[:1], 100.0, 2.5, background=10.0, shape=(80, 90))
    both = column_bounds(near, 100.0, 2.5, background=10.0, shape=(80, 90))
    known = column_bounds(near, 100.0, 2.5, background=10.0, shape=(80, 90), widths="known")
    level = column_bounds(
        near, 100.0, 2.5, background=10.0, shape=(80, 90), background_spacing=np.inf
    )
    assert both.position_sd[0, 0] > 1.05 * alone.position_sd[0, 0]
    assert known.intensity_sd[0] < both.intensity_sd[0]
    assert level.intensity_sd[0] < both.intensity_sd[0]
    assert known.covariance[0, 3].tolist() == [0, 0, 0, 0]


def test_ideal_fit_reaches_the_bound(oracle):
    # one Fisher scoring step from the truth is efficient at high counts
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:60, :60].astype(float)
    places, peak, width, level = np.array([[28.0, 30.0], [36.5, 31.0]]), 400.0, 2.5, 40.0
    bounds = column_bounds(places, peak, width, background=level, shape=(60, 60),
                           background_spacing=1000.0)  # fmt: skip
    slopes, mean = [], np.full(x.shape, level)
    for px, py in places:
        u, v = (x - px) / width, (y - py) / width
        value = peak * np.exp(-0.5 * (u * u + v * v))
        mean += value
        slopes += [value * u / width, value * v / width, value, value * (u * u + v * v)]
    tent = np.linspace(0, 1, 60)
    slopes += [a[:, None] * b for a in (tent, 1 - tent) for b in (tent, 1 - tent)]
    design = np.array([slope.ravel() for slope in slopes])
    information = (design / mean.ravel()) @ design.T
    noise = rng.poisson(mean, (3000, 60, 60)).reshape(3000, -1) - mean.ravel()
    steps = np.linalg.solve(information, (design / mean.ravel()) @ noise.T)[:8]
    ratio = steps.std(axis=1) / np.sqrt(np.einsum("nii->ni", bounds.covariance)).ravel()
    oracle("scatter of an efficient step over the bound",
           z=float(np.abs(ratio - 1).max() * np.sqrt(2 * 3000) / 1.3))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peaks": -1.0}, "peaks"),
        ({"width": 0.0}, "width"),
        ({"widths": "some"}, "widths"),
        ({"background": -1.0}, "background"),
        ({"noise_gain": 0.0}, "variance above 0"),
        ({"positions": [1.0, 2.0]}, "positions"),
    ],
)
def test_bad_arguments(change, words):
    arguments = {"positions": [[20.0, 20.0]], "peaks": 10.0, "width": 2.0} | change
    with pytest.raises(InputError, match=words):
        column_bounds(arguments.pop("positions"), arguments.pop("peaks"), arguments.pop("width"),
                      **arguments)  # fmt: skip


def test_no_columns():
    assert column_bounds(np.empty((0, 2)), 1.0, 2.0).covariance.shape == (0, 4, 4)
