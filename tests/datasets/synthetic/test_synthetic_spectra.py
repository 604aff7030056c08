"""Synthetic spectra: shapes, truth, spikes, seeds."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import make_spectra


@pytest.mark.parametrize("kind", ["loops", "resonance", "edges", "tunnelling"])
def test_a_seed_makes_the_same_spectra_and_a_share_is_spoilt(kind):
    first, again = (make_spectra(kind, (10, 12), n_points=48, rng=3) for _ in range(2))
    np.testing.assert_array_equal(first.spectra, again.spectra)
    assert first.spectra.shape == (10, 12, 48)
    assert int(first.spoilt.sum()) == 30
    clean = make_spectra(kind, (10, 12), n_points=48, spoilt_share=0.0, rng=first.seed)
    assert float(abs(first.spectra).max()) > 4 * float(abs(clean.spectra).max())
    for name in first.truth:
        assert first.truth[name].shape == (10, 12)


def test_truth_of_loops_is_what_a_clean_loop_shows():
    scene = make_spectra("loops", (2, 2), n_points=4000, noise=1e-9, spoilt_share=0.0, rng=1)
    voltage = scene.spectra.voltage.to_numpy()
    loop = scene.spectra.to_numpy()[0, 0]
    # the sweep runs 0, up, down, back to 0: the integral of R dV around it, falling over rising
    area = -np.trapezoid(np.append(loop, loop[0]), np.append(voltage, voltage[0]))
    assert area == pytest.approx(float(scene.truth.loop_area[0, 0]), rel=1e-2)
    falling = (np.arange(4000) > 1000) & (np.arange(4000) < 3000)
    at_rest = np.interp(0.0, voltage[falling][::-1], loop[falling][::-1]) - loop[0]
    assert 0.5 * at_rest == pytest.approx(float(scene.truth.remanent_response[0, 0]), rel=1e-3)


def test_counts_are_counts():
    scene = make_spectra("edges", (40, 40), smooth_px=0.0, spoilt_share=0.0, rng=2)
    values = scene.spectra.to_numpy().reshape(-1, 64)
    assert (values == np.round(values)).all()
    assert (values.var(axis=0) / values.mean(axis=0)).mean() == pytest.approx(1.0, abs=0.05)


def test_bad_input_gets_one_sentence():
    with pytest.raises(InputError, match="kind must be one of"):
        make_spectra("raman")
    with pytest.raises(InputError, match="spoilt_share"):
        make_spectra("loops", spoilt_share=1.5)
    with pytest.raises(InputError, match="n_points"):
        make_spectra("loops", n_points=8)
