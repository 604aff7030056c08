"""Simulators as hypotheses: what they expect, and whose members stay the same."""

import numpy as np
import pytest

from physlearn.causal.actions import Action
from physlearn.causal.twins.ising_sample import IsingSample
from physlearn.causal.twins.response_sample import ResponseSample
from physlearn.causal.twins.sample_hypotheses import hypothesis_from_samples
from physlearn.causal.twins.wall_sample import WallSample
from physlearn.checks import InputError


def bias(volt, duration=1.0):
    return Action("change_bias", {"bias_V": volt}, 0.0, duration, 1.0)


def clean(rng):
    return WallSample(family="clean", force_per_volt=rng.uniform(0.1, 0.3), n_points=8)


def made(**options):
    given = {"noise_sd": 0.05, "n_members": 300, "n_repeats": 1, "rng": 1} | options
    return hypothesis_from_samples("clean wall", clean, **given)


def test_members_expect_jointly_what_their_parameters_say():
    drawn = made().joint([bias(1.0), bias(2.0), bias(-3.0)], np.random.default_rng(1), 200)
    assert drawn.shape == (200, 3)
    # a clean wall moves at force x mobility: the columns of one member are in proportion
    assert drawn[:, 1] == pytest.approx(2 * drawn[:, 0])
    assert drawn[:, 2] == pytest.approx(-3 * drawn[:, 0])
    assert drawn[:, 0].mean() == pytest.approx(0.2, abs=4 * 0.2 / np.sqrt(12 * 200))


def test_members_do_not_depend_on_the_list_of_acts():
    hypothesis = made()
    few = hypothesis.joint([bias(1.0)], np.random.default_rng(5), 100)
    many = hypothesis.joint([bias(1.0), bias(9.0)], np.random.default_rng(5), 100)
    assert np.array_equal(few[:, 0], many[:, 0])
    assert hypothesis.joint([bias(1.0)], np.random.default_rng(5), 900).shape == (900, 1)


def test_scatter_of_the_sample_is_noise_and_not_belief():
    film = hypothesis_from_samples(
        "free spins", lambda _: IsingSample((10, 10), (0.0,), sweeps_per_s=3.0),
        noise_sd=0.05, n_members=40, n_repeats=8, rng=1,
    )  # fmt: skip
    act = bias(0.0, 2.0)
    # 100 free spins: the mean scatters by 0.1; its variance is known to 1 / sqrt(140)
    assert film.noise_sd(act) == pytest.approx(np.hypot(0.1, 0.05), rel=4 / np.sqrt(2 * 280))
    drawn = film.joint([act], np.random.default_rng(1), 40)
    assert drawn.std() < 0.1 / np.sqrt(8) * 2


def test_acts_that_show_nothing_are_left_to_others():
    hypothesis = made()
    tune = Action("tune", {}, 0.0, 1.0, 1.0)
    field = Action("change_field", {"field_T": 1.0}, 0.0, 1.0, 1.0)
    assert hypothesis.mean_sd(tune, 0) is None
    assert hypothesis.mean_sd(field, 0) is None
    assert np.isnan(hypothesis.joint([tune], np.random.default_rng(1), 3)).all()


def test_wrong_makings_are_refused():
    with pytest.raises(InputError, match="make_sample"):
        hypothesis_from_samples("a", lambda _: 3, noise_sd=0.1)
    with pytest.raises(InputError, match="noise_sd"):
        made(noise_sd=0.0)
    with pytest.raises(InputError, match="n_members"):
        made(n_members=0)


def test_an_image_is_predicted_over_its_own_area():
    seen = hypothesis_from_samples(
        "law", lambda _: ResponseSample(lambda act: act.number("x_max") - act.number("x_min")),
        noise_sd=0.1, n_members=2, n_repeats=1, rng=1,
    )  # fmt: skip
    area = {"x_min": 1.0, "y_min": 0.0, "x_max": 4.0, "y_max": 1.0}
    assert seen.mean_sd(Action("image", area, 1.0, 1.0, 1.0), 0)[0] == 3.0
