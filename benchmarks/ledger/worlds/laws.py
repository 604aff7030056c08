"""Constants of laws: of a form that is given, and of the form that a search finds first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.ledger.row import N_DRAWS, Draws, Rng, Row, Truth, interval_draws, named
from physlearn.checks import NotIdentified
from physlearn.inference import (
    DriftLawOptions,
    MotionLawOptions,
    NoiseModel,
    SymbolicRegressor,
    compare_templates,
    discover_drift_law,
    discover_motion_law,
    fit_grouped_law,
    fit_template,
)

PLACES = np.linspace(1.0, 5.0, 40)


def draw_decay(rng: Rng) -> dict[str, Any]:
    """A, k and c of A exp(-k x) + c."""
    return {"A": rng.uniform(2, 4), "k": rng.uniform(0.5, 1.5), "c": rng.normal(0, 1)}


def decay(theta: Truth, rng: Rng) -> Any:
    """40 points, noise .05."""
    return theta["A"] * np.exp(-theta["k"] * PLACES) + theta["c"] + rng.normal(0, 0.05, 40)


def decay_with_outliers(theta: Truth, rng: Rng) -> Any:
    """A tenth of the points is off by twenty times the noise."""
    return decay(theta, rng) + rng.normal(0, 1.0, 40) * (rng.random(40) < 0.1)


def decay_in_two(theta: Truth, rng: Rng) -> Any:
    """Two decays in place of one."""
    return decay(theta, rng) + np.exp(-0.2 * PLACES)


def fit_decay(data: Any, rng: Rng) -> Draws:
    """The form given, the noise not."""
    found = fit_template("A*exp(-k*x) + c", {"x": PLACES}, data)
    table = found.constants
    draws = {
        name: interval_draws(rng, table.loc[name, "low"], table.loc[name, "high"])
        for name in ("A", "k", "c")
    }
    return named(found, draws)


def draw_power(rng: Rng) -> dict[str, Any]:
    """a and b of a x^b."""
    return {"a": rng.uniform(1, 3), "b": rng.uniform(-1.5, 1.5)}


def power(theta: Truth, rng: Rng) -> Any:
    """40 points, noise .05."""
    return theta["a"] * PLACES ** theta["b"] + rng.normal(0, 0.05, 40)


def power_with_outliers(theta: Truth, rng: Rng) -> Any:
    """A tenth of the points is off by twenty times the noise."""
    return power(theta, rng) + rng.normal(0, 1.0, 40) * (rng.random(40) < 0.1)


def fit_power(data: Any, rng: Rng) -> Draws:
    """Posterior of the first of three forms; another form first is a refusal."""
    laws = compare_templates(["a*x**b", "a*exp(b*x)", "a + b*x"], {"x": PLACES}, data)
    at = next(
        (k for k, text in enumerate(laws.table["equation"]) if "**" in text or "^" in text), None
    )
    if at != 0:
        raise NotIdentified("another form comes first.")
    fit = laws.posterior(0, N_DRAWS, rng)
    values = fit["constants"]
    return named(laws, {"a": values[:, 0], "b": values[:, 1]})


SERIES, POINTS = 8, 12


def draw_group(rng: Rng) -> dict[str, Any]:
    """A rate that eight series share."""
    return {"k": rng.uniform(0.3, 1.2)}


def grouped(theta: Truth, rng: Rng) -> Any:
    """Every series has a size of its own."""
    x = np.tile(np.linspace(0.5, 4, POINTS), SERIES)
    size = np.repeat(rng.uniform(1, 4, SERIES), POINTS)
    return x, size * np.exp(-theta["k"] * x) + rng.normal(0, 0.05, x.size)


def grouped_apart(theta: Truth, rng: Rng) -> Any:
    """The rates of the series differ by 20 %."""
    x = np.tile(np.linspace(0.5, 4, POINTS), SERIES)
    size = np.repeat(rng.uniform(1, 4, SERIES), POINTS)
    rate = np.repeat(theta["k"] * np.exp(0.2 * rng.normal(size=SERIES)), POINTS)
    return x, size * np.exp(-rate * x) + rng.normal(0, 0.05, x.size)


def fit_group(data: Any, rng: Rng) -> Draws:
    """The shared rate."""
    x, y = data
    groups = np.repeat(np.arange(SERIES), POINTS)
    found = fit_grouped_law("A*exp(-k*x)", {"x": x}, y, groups, own=["A"])
    row = found.shared.loc["k"]
    return named(found, {"k": interval_draws(rng, row["low"], row["high"])})


# ---- searched -----------------------------------------------------------------------------------


def draw_line(rng: Rng) -> dict[str, Any]:
    """The constant of y = c / x."""
    return {"c": rng.uniform(1, 4)}


def hyperbola(theta: Truth, rng: Rng) -> Any:
    """40 points, noise .05."""
    return theta["c"] / PLACES + rng.normal(0, 0.05, 40)


def search(data: Any, rng: Rng) -> Draws:
    """The constant of the law that the search puts first, where it is the true form."""
    model = SymbolicRegressor(largest_size=4, noise=NoiseModel(sd=0.05), rng=1)
    laws = model.fit(PLACES[:, None], data).equations_
    if [term.program for term in laws.best.terms] != [("x0", "inv")]:
        raise NotIdentified("another form comes first.")
    fit = laws.posterior(0, N_DRAWS, rng)
    return named(fit, {"c": fit["constants"][:, 0]})


def draw_rate(rng: Rng) -> dict[str, Any]:
    """The rate of dx/dt = -rate x."""
    return {"rate": rng.uniform(0.3, 1.0)}


def relaxing(theta: Truth, rng: Rng) -> Any:
    """60 times, noise .01 in x."""
    t = np.linspace(0, 5, 60)
    return {"t": t, "x": 2 * np.exp(-theta["rate"] * t) + 0.01 * rng.normal(size=60)}


def relaxing_with_drift(theta: Truth, rng: Rng) -> Any:
    """The instrument drifts by ten times its noise."""
    table = relaxing(theta, rng)
    return {**table, "x": table["x"] + 0.1 * np.linspace(0, 1, 60) ** 2}


def discover_motion(data: Any, rng: Rng) -> Draws:
    """The rate, where the true form comes first."""
    laws = discover_motion_law(data, options=MotionLawOptions(order="1", degree=3), rng=1)
    if [term.program for term in laws.best.terms] != [("x",)]:
        raise NotIdentified("another form comes first.")
    fit = laws.posterior(0, N_DRAWS, rng)
    return named(laws, {"rate": -fit["constants"][:, 0]})


def draw_trap(rng: Rng) -> dict[str, Any]:
    """The rate of a trap, D = 1."""
    return {"rate": rng.uniform(0.5, 3.0)}


def trapped(theta: Truth, rng: Rng) -> Any:
    """800 exact steps of 0.2."""
    keep, x = np.exp(-0.2 * theta["rate"]), [0.0]
    kick = np.sqrt((1 - keep**2) / theta["rate"])
    for push in rng.normal(size=800):
        x.append(keep * x[-1] + kick * push)
    return pd.DataFrame({"t": 0.2 * np.arange(801), "x": x})


def trapped_and_blurred(theta: Truth, rng: Rng) -> Any:
    """Positions with an error of 0.3 that the fit takes for exact."""
    table = trapped(theta, rng)
    return table.assign(x=table["x"] + 0.3 * rng.normal(size=801))


def discover_drift(data: Any, rng: Rng) -> Draws:
    """The rate, where the true form comes first."""
    options = DriftLawOptions(localization_sd=0.0, search=False)
    laws = discover_drift_law(data, options=options, rng=1)
    law = laws["dx/dt"]
    if [term.program for term in law.best.terms] != [("x",)]:
        raise NotIdentified("another form comes first.")
    fit = law.posterior(0, N_DRAWS, rng)
    return named(law, {"rate": -fit["constants"][:, 0]})


DECAY = Row(
    "laws/template", "inference.fit_template", "A U(2, 4), k U(.5, 1.5), c N(0, 1); fit: flat",
    draw_decay, decay, fit_decay, 1.5,
)  # fmt: skip
POWER = Row(
    "laws/templates", "inference.compare_templates", "a U(1, 3), b U(-1.5, 1.5); fit: flat",
    draw_power, power, fit_power, 3.0,
)  # fmt: skip
GROUP = Row(
    "laws/grouped", "inference.fit_grouped_law", "k U(.3, 1.2); fit: flat", draw_group, grouped,
    fit_group, 1.2,
)  # fmt: skip
MOTION = Row(
    "laws/motion", "inference.discover_motion_law", "rate U(.3, 1); fit: flat", draw_rate,
    relaxing, discover_motion, 1.0,
)  # fmt: skip
DRIFT = Row(
    "laws/drift", "inference.discover_drift_law", "rate U(.5, 3), D = 1; fit: flat", draw_trap,
    trapped, discover_drift, 12.0,
)  # fmt: skip
ROWS = (
    DECAY, DECAY.probed("outliers", "a tenth of the points off by 20 sd", decay_with_outliers),
    DECAY.probed("form", "two decays in place of one", decay_in_two),
    POWER, POWER.probed("outliers", "a tenth of the points off by 20 sd", power_with_outliers),
    GROUP, GROUP.probed("apart", "the shared rate differs by 20 % between series", grouped_apart),
    Row("laws/search", "inference.SymbolicRegressor", "c U(1, 4); fit: flat", draw_line, hyperbola,
        search, 3.0),
    MOTION, MOTION.probed("drift", "the instrument drifts by ten times its noise",
                          relaxing_with_drift),
    DRIFT, DRIFT.probed("noise", "an error of .3 of the positions, none told",
                        trapped_and_blurred),
)  # fmt: skip
