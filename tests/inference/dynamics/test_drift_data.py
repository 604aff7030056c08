"""Tables as the search of a drift takes them: axes, coordinates that stand still, rows left out."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import DriftLawOptions, discover_drift_law
from physlearn.inference.dynamics.drift_data import read_drift_data
from physlearn.records import Trajectory

WALK = np.cumsum(np.random.default_rng(1).normal(0.0, 0.3, 200))
TABLE = {"t": np.arange(200.0), "x": WALK, "y": np.full(200, 3.0)}
EXACT = DriftLawOptions(localization_sd=0.0, search=False)


@pytest.mark.parametrize("as_film", [False, True])
@pytest.mark.parametrize("sd", [0.0, None])
def test_a_coordinate_that_stands_still_is_left_out_and_said(as_film, sd):
    places = np.stack([WALK, TABLE["y"]], axis=1)
    film = Trajectory(np.arange(200), np.zeros(200, dtype=int), places, TABLE["t"])
    options = DriftLawOptions(localization_sd=sd, search=False, frames_apart=1)
    laws = discover_drift_law(film if as_film else TABLE, options=options)
    assert list(laws) == ["dx/dt", "D"]
    assert "y never changes and was left out" in laws["D"].warnings


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ((2,), "axes must name different columns of the tables"),
        ((-1,), "axes must name different columns of the tables"),
        ((0, 0), "axes must name different columns of the tables"),
        ((0, 1), "asks for the column y"),
    ],
)
def test_axes_that_are_not_there_get_one_sentence(axes, said):
    with pytest.raises(InputError, match=said):
        discover_drift_law({"t": TABLE["t"], "x": WALK}, options=DriftLawOptions(axes=axes))


@pytest.mark.parametrize("kept_as_nan", [False, True])
def test_frames_apart_counts_frames_that_were_left_out(kept_as_nan):
    seen = WALK.copy()
    lost = np.arange(200) % 7 == 3
    seen[lost] = np.nan
    rows = np.ones(200, dtype=bool) if kept_as_nan else ~lost
    data = read_drift_data({"t": 0.1 * np.arange(200)[rows], "x": seen[rows]}, None, 0.0, None)
    thin = data.thinned(4, 1)
    gaps = thin.series.gaps[thin.series.is_step]
    assert gaps / 0.4 == pytest.approx(np.rint(gaps / 0.4)) and gaps.min() == pytest.approx(0.4)
