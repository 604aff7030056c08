"""The picture of given columns holds what its settings say."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets.synthetic.imaging import ImagingSettings, image_columns


def test_total_counts_are_kept_by_tails_and_tilt():
    plain = image_columns([[40.2, 39.7]], 50.0, (80, 80), ImagingSettings(background_counts=0.0))
    other = image_columns(
        [[40.2, 39.7]], 50.0, (80, 80),
        ImagingSettings(background_counts=0.0, tail_share=0.3, tail_widths=2.0),
    )  # fmt: skip
    assert plain.mean.sum() == pytest.approx(plain.truth.intensity[0], rel=1e-6)
    assert other.mean.sum() == pytest.approx(plain.mean.sum(), rel=1e-4)


def test_ellipse_has_its_axes():
    s = ImagingSettings(background_counts=0.0, ellipticity=0.4, ellipse_angle=0.5)
    mean = image_columns([[40.0, 40.0]], 50.0, (81, 81), s).mean
    y, x = np.mgrid[:81, :81] - 40.0
    moments = np.array([[(mean * x * x).sum(), (mean * x * y).sum()],
                        [(mean * x * y).sum(), (mean * y * y).sum()]]) / mean.sum()  # fmt: skip
    values, vectors = np.linalg.eigh(moments)
    assert np.sqrt(values) == pytest.approx([2.5 * 0.8, 2.5 * 1.2], rel=1e-3)
    angle = np.arctan2(vectors[1, 1], vectors[0, 1]) % np.pi
    assert angle == pytest.approx(0.5, abs=1e-3)


def test_jitter_and_drift_shift_the_rows():
    s = ImagingSettings(jitter_px=0.8, jitter_correlation=0.6, drift_px=(3.0, -2.0), poisson=False)
    scene = image_columns([[200.0, 200.0]], 50.0, (401, 401), s, rng=3)
    slope = np.polyfit(np.arange(401.0), scene.row_shift, 1)[0]
    assert slope[1] == pytest.approx(-2.0 / 400, abs=1e-9)
    jitter = scene.row_shift[:, 0] - 3.0 * (np.arange(401) - 200) / 400
    # sd and coefficient of an AR(1) chain of 401 rows, four standard errors
    assert jitter.std() == pytest.approx(0.8, abs=4 * 0.8 * np.sqrt(1.36 / 0.64 / 802))
    assert np.corrcoef(jitter[1:], jitter[:-1])[0, 1] == pytest.approx(0.6, abs=0.16)
    row = scene.mean[200] - 10.0
    center = (row * np.arange(401)).sum() / row.sum()
    assert center == pytest.approx(200.0 + scene.row_shift[200, 0], abs=1e-6)


def test_detector_turns_counts_into_values():
    s = ImagingSettings(gain=2.0, offset=100.0, read_noise=3.0)
    scene = image_columns(np.empty((0, 2)), [], (300, 300), s, rng=1)
    assert scene.image.attrs["counts"] == "unknown"
    values = scene.image.to_numpy()
    n = values.size
    assert values.mean() == pytest.approx(120.0, abs=4 * np.sqrt(49.0 / n))
    assert values.var() == pytest.approx(40.0 + 9.0, rel=4 * np.sqrt(2.1 / n))


def test_same_seed_same_picture():
    one, two = (image_columns([[9.0, 9.0]], 5.0, (20, 20), rng=7) for _ in range(2))
    assert np.array_equal(one.image, two.image)


@pytest.mark.parametrize(
    ("positions", "peaks", "words"),
    [([[1.0, 2.0, 3.0]], 1.0, "positions"), ([[1.0, 2.0]], -1.0, "peaks")],
)
def test_bad_input(positions, peaks, words):
    with pytest.raises(InputError, match=words):
        image_columns(positions, peaks, (32, 32))
