"""Planted defects are where the truth says."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import DefectSettings, ImagingSettings, make_defect_scene


@pytest.mark.parametrize("lattice", ["square", "triangular", "honeycomb"])
def test_counts_and_places_follow_the_settings(lattice):
    n = 2 if lattice == "honeycomb" else 1
    settings = DefectSettings(
        lattice=lattice, peak_counts=(50.0,) * n, vacancy_share=(0.1,) * n, half_share=(0.05,) * n,
        dopant_share=0.1, interstitial_share=0.02, n_lines=1, line_sites=4,
    )  # fmt: skip
    made = make_defect_scene((300, 300), settings, ImagingSettings(poisson=False), rng=3)
    n_sites = len(made.sites)
    assert abs((made.states == 2).mean() - 0.1) < 5 * np.sqrt(0.09 / n_sites) + 4 / n_sites
    assert len(made.interstitials) == round(0.02 * n_sites)
    assert made.scene.truth.n == (made.states < 2).sum() + len(made.interstitials)
    # nothing stands on a vacant site, a full column on a present one
    x, y = np.round(made.sites).astype(int).T
    value = made.scene.mean[y.clip(0, 299), x.clip(0, 299)] - 10
    assert np.median(value[made.states == 2]) < 0.2 * np.median(value[made.states == 0])
    assert not made.is_dopant[made.states > 0].any()


def test_the_same_seed_gives_the_same_picture():
    one, two = (make_defect_scene((128, 128), rng=5) for _ in range(2))
    assert np.array_equal(one.scene.image.values, two.scene.image.values)


def test_wrong_settings_are_refused():
    for options, words in (
        ({"lattice": "kagome"}, "lattice"), ({"vacancy_share": (0.1, 0.1)}, "vacancy_share"),
        ({"vacancy_share": (0.95,)}, "tenth"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            DefectSettings(**options)
    with pytest.raises(InputError, match="line"):
        make_defect_scene((64, 64), DefectSettings(n_lines=1, line_sites=40), rng=1)
