"""`predict_frames` hands a fit of walls to `predict_walls`, drive and all."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import make_wall_video, track_walls
from physlearn.inference import (
    fit_wall_dynamics,
    hold_out_frames,
    predict_frames,
    predict_walls,
)


@pytest.fixture(scope="module")
def walls():
    seen, held = hold_out_frames(track_walls(make_wall_video(n_frames=8, rng=1).video), 2)
    return fit_wall_dynamics(seen, rng=1), seen, held


def test_a_fit_of_walls_goes_to_predict_walls(walls):
    fit, seen, held = walls
    ours = predict_frames(fit, 2, drive=held.drive, track=seen, n_futures=40, rng=1)
    theirs = predict_walls(fit, seen, 2, drive=held.drive, n_futures=40, rng=1)
    np.testing.assert_array_equal(ours.values[0], theirs.values[0])


def test_what_walls_cannot_take_is_refused(walls):
    fit, seen, _ = walls
    with pytest.raises(InputError, match="track must be given"):
        predict_frames(fit, 2)
    with pytest.raises(InputError, match="must be numbers"):
        predict_frames(fit, 2, track=seen, drive=np.sin)
    with pytest.raises(InputError, match="must be left out"):
        predict_frames(fit, 2, track=seen, measured=True)
