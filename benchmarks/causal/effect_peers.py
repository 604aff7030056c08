"""Other tools' intervals of the same effect, told which columns to hold fixed."""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

import networkx as nx
import numpy as np
import pandas as pd

__all__ = ["PEERS", "dowhy_interval", "least_squares", "least_squares_blocks", "least_squares_hac"]

Interval = tuple[float, float]


def _interval(
    frame: pd.DataFrame, given: Sequence[str], mass: float, cov: str, about: dict[str, object]
) -> Interval:
    api = importlib.import_module("statsmodels.api")
    design = api.add_constant(frame[["x", *given]])
    told = {"cov_kwds": about} if about else {}
    fit = api.OLS(frame["y"], design).fit(cov_type=cov, use_t=True, **told)
    low, high = fit.conf_int(1.0 - mass).loc["x"]
    return float(low), float(high)


def least_squares(frame: pd.DataFrame, given: Sequence[str], mass: float) -> Interval:
    """Return the interval of least squares that counts every patch (statsmodels)."""
    return _interval(frame, given, mass, "nonrobust", {})


def least_squares_hac(frame: pd.DataFrame, given: Sequence[str], mass: float) -> Interval:
    """Return it with the HAC covariance of statsmodels, patches taken as a series row by row."""
    return _interval(frame, given, mass, "HAC", {"maxlags": 2 * int(np.sqrt(len(frame)))})


def least_squares_blocks(frame: pd.DataFrame, given: Sequence[str], mass: float) -> Interval:
    """Return it with the covariance of statsmodels for clusters, 6 x 6 squares of the field."""
    size = int(np.sqrt(len(frame)))
    row, column = np.divmod(np.arange(len(frame)), size)
    groups = (row * 6 // size) * 6 + column * 6 // size
    return _interval(frame, given, mass, "cluster", {"groups": groups})


def dowhy_interval(frame: pd.DataFrame, given: Sequence[str], mass: float) -> Interval:
    """Return dowhy's interval of its linear regression."""
    graph = nx.DiGraph([("x", "y"), *((z, end) for z in given for end in ("x", "y"))])
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        model = importlib.import_module("dowhy").CausalModel(
            frame[["x", "y", *given]], "x", "y", graph=graph
        )
        estimand = model.identify_effect(proceed_when_unidentifiable=True)
        estimate = model.estimate_effect(
            estimand, method_name="backdoor.linear_regression", control_value=0, treatment_value=1
        )
        bounds = estimate.get_confidence_intervals(confidence_level=mass)
    low, high = np.ravel(bounds)[:2]
    return float(low), float(high)


PEERS: dict[str, Callable[[pd.DataFrame, Sequence[str], float], Interval]] = {
    "least squares": least_squares,
    "statsmodels HAC in raster order": least_squares_hac,
    "statsmodels clusters (6 x 6 squares)": least_squares_blocks,
    "dowhy": dowhy_interval,
}
