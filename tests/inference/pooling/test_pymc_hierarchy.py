"""The hierarchy as a PyMC model: the density of the normal algebra, and shapes of its draws."""

import numpy as np
import pytest
from scipy import stats

from physlearn.inference.pooling.hierarchy_model import hierarchy_model, sample_with_nuts
from physlearn.inference.pooling.hierarchy_posterior import HierarchyData


def small():
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(3, 2, 2))
    precision = roots @ np.swapaxes(roots, 1, 2) + np.eye(2)
    return HierarchyData(
        precision, rng.normal(size=(3, 2)), np.column_stack([np.ones(3), [-1.0, 0.0, 1.0]]),
        rng.normal(size=(2, 2)), rng.uniform(0.5, 1.5, (2, 2)), np.array([0.4, 0.7]),
    )  # fmt: skip


def test_the_models_density_is_that_of_the_parts():
    data, rng = small(), np.random.default_rng(2)
    model = hierarchy_model(data)
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    for _ in range(4):
        base, unit = rng.normal(size=(2, 2)), rng.normal(size=(3, 2))
        spread = rng.uniform(0.1, 1.0, 2)
        samples = data.design @ base + unit * spread
        expected = stats.norm(data.base_mean, data.base_sd).logpdf(base).sum()
        expected += stats.halfnorm(scale=data.spread_sd).logpdf(spread).sum()
        expected += stats.norm.logpdf(unit).sum()
        for theta, matrix, linear in zip(samples, data.precision, data.linear, strict=True):
            expected += linear @ theta - 0.5 * theta @ matrix @ theta
        point = {"base": base, "unit": unit, "spread_log__": np.log(spread)}
        assert log_density(point) == pytest.approx(expected)


def test_draws_of_the_sampler_are_cut_to_what_was_asked_for(monkeypatch):
    """Four chains of equal length hold the draws; the least certain spread counts them."""
    import pymc as pm
    import xarray as xr

    from physlearn.inference.pooling import hierarchy_model as module

    asked = {}

    def sample(draws, **options):
        asked.update(options, draws=draws)
        shape = {"base": (2, 2), "spread": (2,), "samples": (3, 2)}
        group = {
            name: (("chain", "draw", *(f"{name}_{k}" for k in range(len(s)))),
                   np.random.default_rng(3).normal(size=(4, draws, *s)))
            for name, s in shape.items()
        }  # fmt: skip
        return type("Trace", (), {"posterior": xr.Dataset(group)})()

    class Arviz:
        """Stands for the effective numbers of draws."""

        @staticmethod
        def ess(trace, var_names):
            return {"spread": np.array([300.0, 200.0])} if var_names == ["spread"] else None

    monkeypatch.setattr(pm, "sample", sample)
    monkeypatch.setattr(module, "import_arviz", lambda: Arviz)
    found = sample_with_nuts(small(), 50, np.random.default_rng(4))
    assert (asked["draws"], asked["chains"], asked["cores"]) == (13, 4, 1)
    assert found.base.shape == (50, 2, 2)
    assert found.spread.shape == (50, 2)
    assert found.samples.shape == (50, 3, 2)
    assert found.effective_draws == 200.0
