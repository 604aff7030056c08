"""Acts at fresh places do not know of each other."""

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    AtomSample,
    DigitalTwin,
    IsingSample,
    StructuralSample,
    hypothesis_from_samples,
)
from physlearn.causal.twins.fresh_places import FreshPlaces
from physlearn.checks import InputError


def patch(sample, dose):
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), sample.field_of_view, strict=True))
    return Action("expose_patch", area, dose, 1.0, 1.0, irreversible=True)


def test_losses_do_not_add_up_over_fresh_places():
    crystal = AtomSample(crystal="square", shape=(20, 20), cross_section=1e-3)
    twin = DigitalTwin(FreshPlaces(crystal), rng=1)
    left = [twin.do(patch(crystal, 700.0)).readout for _ in range(10)]
    chance = np.exp(-0.7)
    assert np.mean(left) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 4000))
    assert np.std(left) > 0


def test_a_simulating_hypothesis_predicts_acts_at_fresh_places():
    film = IsingSample((8, 8), (0.3,), field_per_volt=0.3, start="down")
    predicted = hypothesis_from_samples(
        "film", lambda _: film, noise_sd=0.01, n_members=60, n_repeats=4, rng=1
    )
    twin = DigitalTwin(FreshPlaces(film), rng=2)
    acts = [Action("change_bias", {"bias_V": b}, 0.0, 3.0, 1.0) for b in (3.0, -3.0, 1.0)]
    found = np.array([[twin.do(act).readout for act in acts] for _ in range(120)])
    for column, act in enumerate(acts):
        mean, _ = predicted.mean_sd(act, 0)
        error = np.hypot(found[:, column].std() / np.sqrt(120), predicted.noise_sd(act) / 15.5)
        assert found[:, column].mean() == pytest.approx(mean, abs=4 * error)


def test_the_samples_own_checks_stay():
    twin = DigitalTwin(FreshPlaces(StructuralSample(8)), rng=1)
    with pytest.raises(InputError, match="must name a column"):
        twin.do(Action("expose_site", {"x": 1.0, "y": 1.0}, 1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="sample must be"):
        FreshPlaces("film")
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))
    twin.do(Action("image", area, 1.0, 1.0, 1.0))
    assert len(twin.pictures) == len(twin.tables) == 1
