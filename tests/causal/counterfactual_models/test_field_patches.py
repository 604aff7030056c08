import numpy as np
import pandas as pd
import pytest

from physlearn.causal.counterfactual_models.field_patches import FieldRun, field_model
from physlearn.causal.counterfactual_models.physical_models import physical_counterfactual
from physlearn.checks import InputError
from physlearn.records import PatchTable
from physlearn.results import fit_from_draws

ALPHA, FIELD, DURATION = 0.5, 0.8, 2.0


def linear_fit(names=("alpha", "gradient", "field"), values=(ALPHA, 0.3, FIELD)):
    rng = np.random.default_rng(0)
    draws = np.array(values) * (1 + 0.01 * rng.standard_normal((500, len(names))))
    return fit_from_draws(
        {"landau": draws}, model="Ginzburg-Landau", likelihood="exact", approximation="none",
        seed=0, data=b"film", dims={"landau": ["term"]}, coords={"term": list(names)},
    )  # fmt: skip


def four_patches():
    row, column = np.mgrid[:16, :16]
    return (row // 8) * 2 + column // 8


def table_of(order):
    return PatchTable.from_frame(
        pd.DataFrame({"order": order, "bias": np.full(4, 0.2), "heat": np.full(4, 300.0)}),
        [[4, 4], [12, 4], [4, 12], [12, 12]],
        8.0,
    )


def test_an_even_drive_has_its_closed_form():
    run = FieldRun(np.zeros((16, 16)), DURATION, 0.2, four_patches())
    model = field_model(linear_fit(), run, outcome="order", drive="bias", drives=(-1.0, 1.0))
    table = table_of(np.array([0.1, 0.2, 0.3, 0.4]))
    answer = physical_counterfactual(model, table, do={"bias": 0.7}, rng=1)
    # dP/dt = field E - alpha P from P = 0: P = field E (1 - exp(-alpha t)) / alpha
    wanted = FIELD * 0.5 * (1 - np.exp(-ALPHA * DURATION)) / ALPHA
    assert np.allclose(answer.change, wanted, rtol=0.01)
    assert np.all(answer.sd_parameters > 0)
    assert not answer.out_of_support.any()


def test_a_drive_at_one_patch_moves_that_patch_most():
    run = FieldRun(np.zeros((16, 16)), DURATION, 0.2, four_patches())
    model = field_model(linear_fit(), run, outcome="order", drive="bias", drives=(-1.0, 1.0))
    answer = physical_counterfactual(
        model, table_of(np.zeros(4)), do={"bias": np.array([0.7, 0.2, 0.2, 0.2])}, rng=1
    )
    whole = FIELD * 0.5 * (1 - np.exp(-ALPHA * DURATION)) / ALPHA
    assert 0.6 * whole < answer.change[0] < whole
    # what leaks to a neighbour leaks by diffusion
    assert 0 < answer.change[3] < answer.change[1] < 0.3 * whole


def test_another_temperature_scales_alpha():
    start = np.full((16, 16), 1.0)
    run = FieldRun(
        start, DURATION, 0.0, four_patches(), temperature=300.0, critical_temperature=200.0
    )
    model = field_model(linear_fit(), run, outcome="order", drive="bias", temperature="heat",
                        drives=(-1.0, 1.0))  # fmt: skip
    answer = physical_counterfactual(model, table_of(np.full(4, 0.4)), do={"heat": 250.0}, rng=1)
    wanted = np.exp(-ALPHA / 2 * DURATION) - np.exp(-ALPHA * DURATION)
    assert np.allclose(answer.change, wanted, rtol=0.02)
    with pytest.raises(InputError, match="the same at all patches"):
        physical_counterfactual(
            model, table_of(np.zeros(4)), do={"heat": np.array([1.0, 2.0, 3.0, 4.0])}, rng=1
        )


def test_bad_runs_and_fits():
    patches = four_patches()
    good = FieldRun(np.zeros((16, 16)), 1.0, 0.0, patches)
    with pytest.raises(InputError, match="with a drive; got Fit with the terms alpha"):
        field_model(linear_fit(("alpha",), (1.0,)), good, outcome="o", drive="b", drives=(0, 1))
    with pytest.raises(InputError, match="'roughness'"):
        field_model(linear_fit(("field", "roughness"), (1.0, 1.0)), good, outcome="o", drive="b",
                    drives=(0, 1))  # fmt: skip
    with pytest.raises(InputError, match="critical_temperature"):
        field_model(linear_fit(), good, outcome="o", drive="b", temperature="T", drives=(0, 1))
    with pytest.raises(InputError, match="given together"):
        FieldRun(np.zeros((16, 16)), 1.0, 0.0, patches, temperature=300.0)
    with pytest.raises(InputError, match="must differ"):
        FieldRun(
            np.zeros((16, 16)), 1.0, 0.0, patches, temperature=300.0, critical_temperature=300.0
        )
    with pytest.raises(InputError, match="drive must be"):
        FieldRun(np.zeros((16, 16)), 1.0, np.zeros(3), patches)
    with pytest.raises(InputError, match="patch_of_pixel"):
        FieldRun(np.zeros((16, 16)), 1.0, 0.0, np.zeros((2, 2), int))
    with pytest.raises(InputError, match="duration"):
        FieldRun(np.zeros((16, 16)), -1.0, 0.0, patches)
