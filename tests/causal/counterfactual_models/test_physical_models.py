import numpy as np
import pandas as pd
import pytest

from physlearn.causal.counterfactual_models.physical_models import (
    model_of_function,
    physical_counterfactual,
    wall_model,
)
from physlearn.checks import InputError
from physlearn.inference import fit_drive_law
from physlearn.records import PatchTable


def speeds(covariance=None):
    frame = pd.DataFrame({"bias": [1.0, 2.0, 5.0], "speed": [0.6, 0.9, 2.0]})
    return PatchTable.from_frame(
        frame, [[0, 0], [8, 0], [16, 0]], 8.0, units={"bias": "V", "speed": "nm/s"},
        measurement_covariance=covariance,
    )  # fmt: skip


def mobility(n=4000):
    return {"drive_mobility": np.random.default_rng(0).normal(0.5, 0.02, n)}


def test_a_line_moves_by_mobility_times_step():
    wall = wall_model(mobility(), drive="bias", velocity="speed", drives=[0.5, 2.0])
    table = speeds()
    answer = physical_counterfactual(wall, table, do={"bias": table.frame["bias"] - 0.5},
                                     n_draws=4000, rng=1)  # fmt: skip
    assert np.allclose(answer.change, -0.25, atol=4 * 0.01 / np.sqrt(4000))
    assert np.allclose(answer.sd_parameters, 0.01, rtol=0.1)
    assert np.all(answer.sd_noise == 0)
    # 5 V was never applied to the wall that was fitted
    assert answer.out_of_support.tolist() == [False, False, True]
    assert any("1 of 3 patches" in note for note in answer.warnings)
    assert answer.unit == "nm/s"
    assert answer.source == "physical"


def test_noise_of_seen_drive_and_speed_is_carried():
    wall = wall_model(mobility(), drive="bias", velocity="speed", drives=[0.5, 5.0])
    noise = np.array([[0.04, 0.01], [0.01, 0.09]])
    answer = physical_counterfactual(wall, speeds(noise[None]), do={"bias": 1.0}, rng=1)
    slope = -float(answer.change[1]) / 1.0
    # d(answer) = d(speed) - slope d(bias)
    wanted = np.sqrt(0.09 + slope**2 * 0.04 - 2 * slope * 0.01)
    assert answer.sd_noise[1] == pytest.approx(wanted, rel=1e-3)
    assert answer.sd_change_noise[1] == pytest.approx(slope * 0.2, rel=1e-3)


@pytest.mark.parametrize("law", ["creep", "depinning"])
def test_curved_laws_are_those_that_were_fitted(law):
    drives = np.array([1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
    truth = {
        "creep": lambda e: np.exp(3.0 - (8.0 / e) ** 0.5),
        "depinning": lambda e: 2.0 * np.maximum(e / 1.2 - 1.0, 0.0) ** 0.7,
    }[law]
    exponent = {"creep": (0.5, 0.01), "depinning": (0.7, 0.01)}[law]
    fit = fit_drive_law(drives, truth(drives), 0.003 * truth(drives), law, exponent=exponent, rng=1)
    wall = wall_model(fit, drive="bias", velocity="speed", drives=drives)
    assert wall.name == f"{law} wall law"
    frame = pd.DataFrame({"bias": [2.0, 4.0], "speed": truth(np.array([2.0, 4.0])) + 0.1})
    table = PatchTable.from_frame(frame, [[0, 0], [8, 0]], 8.0)
    answer = physical_counterfactual(wall, table, do={"bias": 3.0}, rng=1)
    # the patch keeps the .1 that is its own
    assert np.allclose(answer.mean, truth(3.0) + 0.1, atol=4 * answer.sd.max())
    assert answer.sd.max() < 0.05


def test_bad_models_and_questions():
    wall = wall_model(mobility(), drive="bias", velocity="speed", drives=[0.5, 2.0])
    table = speeds()
    with pytest.raises(InputError, match="must hold a wall law"):
        wall_model({"slope": np.ones(5)}, drive="bias", velocity="speed", drives=[1.0])
    with pytest.raises(InputError, match="make one of a fit"):
        physical_counterfactual({"drive_mobility": 1.0}, table, do={"bias": 1.0})
    with pytest.raises(InputError, match=r"do must set causes .*'speed'"):
        physical_counterfactual(wall, table, do={"speed": 1.0})
    with pytest.raises(InputError, match="no column"):
        physical_counterfactual(wall, table, do={"heat": 1.0})
    with pytest.raises(InputError, match="n_draws"):
        physical_counterfactual(wall, table, do={"bias": 1.0}, n_draws=1)
    with pytest.raises(InputError, match="as many of each"):
        model_of_function(
            lambda x, p: x["bias"], {"a": np.ones(3), "b": np.ones(4)}, name="law",
            causes=["bias"], outcome="speed", fitted_range={}, assumption="none",
        )  # fmt: skip
    with pytest.raises(InputError, match="fitted_range"):
        model_of_function(
            lambda x, p: x["bias"], {"a": np.ones(3)}, name="law", causes=["bias"],
            outcome="speed", fitted_range={"heat": (0, 1)}, assumption="none",
        )  # fmt: skip
