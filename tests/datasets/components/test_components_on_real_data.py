"""Components of measured loops: nothing before the spoilt pixels are left out, loops after."""

import numpy as np

from physlearn.datasets import find_components, find_spoilt_spectra, read_channels


def test_loops_of_a_ferroelectric(public_file):
    path = public_file("beps_pto_loops/BEPS_PTO_50x50.h5")
    loops = read_channels(path)["Piezoresponse"]
    raw = find_components(loops, rng=0)
    assert any("robust spreads off" in each for each in raw.warnings)
    assert raw.explained[-1] < 0.3
    spoilt = find_spoilt_spectra(loops)
    spiked = spoilt["spoilt_points"].any("Voltage") | spoilt["spoilt"]
    whole = loops.where(~spiked)
    sound = find_components(whole, rng=0)
    assert 4 <= sound.n_components <= 8
    # what the raw loops hold is their spikes: .11 of the variance, an error of .92
    assert sound.explained[0] > 0.7
    assert sound.held_out["error"].min() < 0.1
    # halves of the field that share no pixel show the same patterns, the raw ones do not
    halves = [slice(None, 25), slice(25, None)]
    parts = [find_components(whole.isel(x=half), n_components=2, rng=0) for half in halves]
    assert all(each > 0.95 for each in alike(parts))
    spikes = [find_components(loops.isel(x=half), n_components=1, rng=0) for half in halves]
    assert alike(spikes)[0] < 0.8


def alike(parts):
    """Return |cosine| of the patterns of two results."""
    one, other = (each.loadings / np.linalg.norm(each.loadings, axis=1)[:, None] for each in parts)
    return np.abs(np.einsum("kc,kc->k", one, other))
