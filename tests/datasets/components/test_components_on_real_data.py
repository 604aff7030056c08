"""Components of measured loops: nothing before the spoilt pixels are left out, loops after."""

from physlearn.datasets import find_components, find_spoilt_spectra, read_channels


def test_loops_of_a_ferroelectric(public_file):
    path = public_file("beps_pto_loops/BEPS_PTO_50x50.h5")
    loops = read_channels(path)["Piezoresponse"]
    raw = find_components(loops, rng=0)
    assert any("robust spreads off" in each for each in raw.warnings)
    assert raw.explained[-1] < 0.3
    spoilt = find_spoilt_spectra(loops)
    spiked = spoilt["spoilt_points"].any("Voltage") | spoilt["spoilt"]
    sound = find_components(loops.where(~spiked), rng=0)
    assert sound.explained[0] > 0.6
    assert sound.held_out["error"].min() < 0.3
