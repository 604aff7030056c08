"""A position error that was not told is seen in many frames, and only where there is one."""

import numpy as np
import pytest

from physlearn.inference import fit_crystal, sample_harmonic_crystal


def score(seed, *, true_sd, told, n_frames):
    frames = sample_harmonic_crystal(
        "triangular", 12, [300.0, -10.0], position_sd=true_sd, n_samples=n_frames, rng=seed
    )
    fit = fit_crystal(frames, sampling="thermal_snapshot", n_shells=1, position_sd=told, rng=seed)
    said = [text for text in fit.warnings if "stated position error" in text]
    return fit.diagnostics["position_error_z"], said


def test_an_untold_error_of_half_a_vibration_is_said_from_twenty_frames():
    found = [score(seed, true_sd=0.02, told=0, n_frames=20) for seed in range(8)]
    assert sum(bool(said) for _, said in found) >= 7
    assert all("position_sd is too small" in said[0] for _, said in found if said)


def test_an_error_told_too_large_is_said():
    found = [score(seed, true_sd=0.0, told=0.02, n_frames=20) for seed in range(4)]
    assert all(z < -3 for z, _ in found)


@pytest.mark.parametrize(("true_sd", "n_frames"), [(0.0, 1), (0.02, 10)])
def test_the_score_of_a_rightly_told_error_is_standard_normal(true_sd, n_frames):
    found = [score(seed, true_sd=true_sd, told=true_sd, n_frames=n_frames) for seed in range(40)]
    z = np.array([one for one, _ in found])
    assert abs(z.mean()) < 4 / np.sqrt(40)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / 40)
    assert not any(said for _, said in found)
