"""A still picture: ratios with honest intervals, and a refusal of the rest."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_ginzburg_landau
from physlearn.inference.fields.still_field import fit_still_field

FINE = 4


def still(seed, *, width=2.0, noise=0.05, edge=48):
    """A straight or a round wall of known width, averaged over fine pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.mgrid[: edge * FINE, : edge * FINE] + 0.5) / FINE - 0.5
    middle = edge / 2 + rng.uniform(-1, 1, 2)
    if seed % 2:
        distance = edge / 3 - np.hypot(columns - middle[0], rows - middle[1])
    else:
        angle = rng.uniform(0, 2 * np.pi)
        distance = (columns - middle[0]) * np.cos(angle) + (rows - middle[1]) * np.sin(angle)
    fine = np.tanh(distance / width).reshape(edge, FINE, edge, FINE)
    return fine.mean((1, 3)) + noise * rng.normal(size=(edge, edge))


def test_ratios_have_honest_intervals(oracle):
    scores = []
    for seed in range(24):
        ratio = fit_still_field(still(seed), psf_width=0.0, rng=1)["ratio"]
        scores.append((ratio.mean(0) - [1.0, 2.0, 2.0]) / ratio.std(0))
    scores = np.array(scores)
    # the pixel's square is taken for a Gaussian: half a standard deviation is allowed for
    for column, name in enumerate(("-alpha/beta", "-gradient/alpha", "gradient/beta")):
        off = max(abs(scores[:, column].mean()) - 0.5, 0.0)
        oracle(f"still {name}: mean", z=off * np.sqrt(24))
        spread = np.sqrt((scores[:, column] ** 2).mean())
        oracle(f"still {name}: spread", z=(spread - 1.0) * np.sqrt(2 * 24))


def test_ratios_scale_with_pixels_and_an_energy_gives_all_coefficients():
    picture = 3.0 * still(2)
    plain = fit_still_field(picture, psf_width=0.0, rng=1)
    scaled = fit_still_field(
        picture, psf_width=0.0, pixel_size=0.5, energy_scale={"alpha": (-2.0, 0.0)}, rng=1
    )
    assert np.allclose(scaled["ratio"], plain["ratio"] * [1.0, 0.25, 0.25], rtol=1e-6)
    alpha, beta, gradient = scaled["coefficient"].mean(0)
    assert alpha == pytest.approx(-2.0)
    assert beta == pytest.approx(2.0 / 9.0, rel=0.03)
    assert gradient == pytest.approx(2.0 * 0.25 * 2.0, rel=0.1)
    assert any("ratios only" in text for text in plain.warnings)
    assert not any("ratios only" in text for text in scaled.warnings)


def test_blur_is_taken_apart_and_missing_pixels_are_left_out():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(8)
    sharp = still(2, width=2.5, noise=0.0, edge=64)
    picture = gaussian_filter(sharp, 1.2) + 0.03 * rng.normal(size=sharp.shape)
    picture[10:14, 20:30] = np.nan
    fit = fit_still_field(picture, psf_width=(1.2, 0.06), rng=1)
    width = fit["wall_width"]
    assert abs(width.mean() - 2.5) < 4 * width.std() + 0.02
    ignored = fit_still_field(picture, psf_width=0.0, rng=1)["wall_width"]
    assert ignored.mean() > 2.5 + 4 * ignored.std()


def test_what_a_still_picture_cannot_tell_is_said():
    with pytest.raises(NotIdentified, match="no wall"):
        fit_still_field(np.random.default_rng(1).normal(size=(40, 40)), psf_width=0.0)
    with pytest.raises(NotIdentified, match="no better than"):
        fit_still_field(still(2, width=1.0, noise=0.2), psf_width=2.0)
    with pytest.raises(InputError, match="fit_wall_profile"):
        fit_still_field(still(2), psf_width="free")
    with pytest.raises(InputError, match="psf_width must be given"):
        fit_ginzburg_landau(still(2))
    with pytest.raises(InputError, match="half of its pixels"):
        fit_still_field(np.where(np.arange(48) < 30, np.nan, still(2)), psf_width=0.0)
    with pytest.raises(NotIdentified, match="below 0"):
        fit_still_field(still(2), psf_width=0.0, energy_scale={"alpha": (2.0, 0.1)})
