"""Sources without the noise's mean, the catalogue's names, and the moments' covariance."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.dynamics.field_library import (
    Source,
    build_library,
    catalogue,
    source_values,
)
from physlearn.inference.dynamics.field_noise import frame_noise, shared_noise
from physlearn.inference.dynamics.field_selection import rank_supports


@pytest.mark.parametrize("power", [1, 2, 3, 4, 5])
def test_powers_and_functions_are_unbiased(power):
    """E[He_k(u + noise)] = u^k for Gaussian noise; five-point stencils give the same."""
    generator = np.random.default_rng(power)
    sd, truth = 0.4, 0.8
    fields = truth + sd * generator.normal(size=(1, 40, 50, 50))
    by_power = source_values(Source((power,)), fields, np.array([sd]), None, (1.0, 1.0))
    function = Source((0,), function=lambda u, drive: u**power)
    by_function = source_values(function, fields, np.array([sd]), None, (1.0, 1.0))
    error = by_power.std() / np.sqrt(by_power.size)
    assert abs(by_power.mean() - truth**power) < 4 * error
    assert by_function == pytest.approx(by_power, rel=1e-6, abs=1e-9)


def test_squared_gradient_is_unbiased():
    y, x = np.meshgrid(np.arange(40) * 0.1, np.arange(40) * 0.2, indexing="ij")
    plane = 0.7 * y - 0.4 * x
    fields = np.repeat(plane[None, None], 60, axis=1)
    noisy = fields + 0.05 * np.random.default_rng(2).normal(size=fields.shape)
    source = Source((0,), squared_gradient=0)
    values = source_values(source, noisy, np.array([0.05]), None, (0.1, 0.2))[:, 2:-2, 2:-2]
    frames = values.mean(axis=(1, 2))
    assert abs(frames.mean() - (0.49 + 0.16)) < 4 * frames.std() / np.sqrt(60)


def test_names_of_terms():
    def names(fields, **options):
        settings = {"flat": False, "driven": False, "isotropic": True, "conservative": False}
        return [f.name for f in build_library(fields, None, **{**settings, **options})]

    assert {"1", "u5", "lap_u3", "bilap_u", "u2_x", "grad_u_squared"} <= set(names(("u",)))
    assert "u_y" not in names(("u",), flat=True)
    assert "lap_u" not in names(("u",), isotropic=False)
    assert {"u_xx", "u_yy"} <= set(names(("u",), isotropic=False))
    assert {"1", "u", "u3"}.isdisjoint(names(("u",), conservative=True))
    assert "drive" in names(("u",), driven=True)
    assert {"u_v", "u2_v", "lap_v"} <= set(names(("u", "v")))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (("u", "u2"), "'u2' the name of two terms, u2 and u\\^2"),
        (("c", "c2"), "'c2' the name of two terms"),
        (("u", "u_x"), "'u_x' the name of two terms, u_x and a derivative of u"),
        (("u", "drive_u"), "'drive_u' the name of two terms"),
    ],
)
def test_two_terms_of_one_name_are_refused(fields, says):
    with pytest.raises(InputError, match=says):
        catalogue(fields, False, True)


def test_noise_white_or_spread_and_shared_frames():
    from scipy import ndimage

    generator = np.random.default_rng(3)
    noise = generator.normal(size=(40, 48, 48))
    seen = np.ones(noise.shape, dtype=bool)
    # 92 thousand pixels, about a fifth of them independent in the differences
    assert frame_noise(noise, seen)[0] == pytest.approx(1.0, abs=4 / np.sqrt(2 * 92e3 / 5))
    blurred = ndimage.gaussian_filter(noise, (0, 1.2, 1.2))
    size, spread = frame_noise(blurred, seen)
    assert spread
    # a blur of sd s keeps 1 / (2 s sqrt(pi)); about a thousand independent places and times
    assert size == pytest.approx(1 / (2.4 * np.sqrt(np.pi)), rel=4 / np.sqrt(2000))
    assert shared_noise(noise, seen) == 1
    assert shared_noise(noise[1:] + noise[:-1], seen[1:]) == 2
    still = np.repeat(generator.normal(size=(1, 48, 48)), 40, axis=0)
    assert shared_noise(still + 0.1 * noise, seen) is None


def test_supports_are_ranked_by_the_moments():
    """Moments with a known covariance: the misfit of the truth is a chi-square, extras are rare."""
    generator = np.random.default_rng(4)
    mixing = generator.normal(size=(12, 12))
    inner = mixing @ mixing.T / 12 + np.eye(12)
    covariance = 1e-3 * (inner + np.diag(generator.uniform(0, 1, 12)))
    truth = np.zeros(12)
    truth[[1, 4, 7]] = 1.0, -0.6, 0.5
    root = np.linalg.cholesky(covariance)
    misfits, exact = [], 0
    for _ in range(200):
        moment = inner @ truth + root @ generator.normal(size=12)
        supports = rank_supports(inner, moment, covariance, 500.0, 6)
        exact += supports[0].places == (1, 4, 7)
        misfits.append(next(s.misfit for s in supports if s.places == (1, 4, 7)))
    assert exact >= 190  # each of nine extras passes with probability 4e-4
    assert abs(np.mean(misfits) - 9) < 4 * np.sqrt(18 / 200)
