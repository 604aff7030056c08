"""Effects, doses, counterfactuals and interventions in planted fields of patches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from benchmarks.causal.worlds import gaussian_field, noise_of, patch_table
from benchmarks.ledger.row import Draws, Rng, Row, Truth, interval_draws, named, seed_of
from physlearn.causal import (
    counterfactual,
    counterfactuals,
    dose_response,
    estimate_effect,
    local_intervention_effect,
    model_of_function,
    physical_counterfactual,
    replicate_noise,
)
from physlearn.checks import NotIdentified
from physlearn.records import PatchTable

SIZE, LENGTH, SNR = 32, 2.0, 10.0
GRAPH = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
INSIDE = 10


def draw_slope(rng: Rng) -> dict[str, Any]:
    """The effect of x on y, beside that of the confounder z on both."""
    return {"effect": rng.normal(0, 0.4)}


def fields(theta: Truth, rng: Rng, hidden: float = 0.0) -> dict[str, Any]:
    """Return z -> x -> y <- z on a grid of 32 x 32 patches, correlation length 2."""
    z, own, other, secret = (gaussian_field((SIZE, SIZE), LENGTH, rng) for _ in range(4))
    x = 0.7 * z + own + hidden * secret
    y = 0.7 * z + theta["effect"] * x + other + hidden * secret
    return {"x": x, "y": y, "z": z}


def measured(columns: dict[str, Any], rng: Rng, told: float = 1.0) -> PatchTable:
    """Columns with noise at SNR 10; its covariance is told, or a multiple of it."""
    covariance = np.diag([field.var() / SNR for field in columns.values()])
    noise = noise_of(covariance, SIZE, 0.0, rng)
    noisy = {name: field + noise[k] for k, (name, field) in enumerate(columns.items())}
    return patch_table(noisy, told * covariance)


def confounded(theta: Truth, rng: Rng) -> PatchTable:
    """All as the graph says."""
    return measured(fields(theta, rng), rng)


def with_hidden_cause(theta: Truth, rng: Rng) -> PatchTable:
    """A field that nobody measured drives x and y."""
    return measured(fields(theta, rng, hidden=0.6), rng)


def with_noise_untold(theta: Truth, rng: Rng) -> PatchTable:
    """A tenth of the noise is told."""
    return measured(fields(theta, rng), rng, told=0.1)


def with_outliers(theta: Truth, rng: Rng) -> PatchTable:
    """One patch in a hundred has x off by ten."""
    columns = fields(theta, rng)
    columns["x"] = columns["x"] + 10.0 * (rng.random((SIZE, SIZE)) < 0.01)
    return measured(columns, rng)


def fit_effect(data: PatchTable, rng: Rng) -> Draws:
    """Draws whose quantiles are the effect's own intervals, mass by mass."""
    found = estimate_effect(data, GRAPH, "x", "y", contrast=(0.0, 1.0), rng=rng)
    if not found.identified:
        raise NotIdentified(found.reason)
    masses = np.linspace(0.005, 0.995, 100)
    ends = np.array([found.interval(float(mass)) for mass in masses])
    return named(found, {"effect": ends.ravel()})


def draw_bend(rng: Rng) -> dict[str, Any]:
    """A parabola of the cause: outcome at x = 1 less that at 0."""
    slope, bend = rng.normal(0, 0.4), rng.normal(0, 0.2)
    return {"slope": slope, "bend": bend, "difference": slope + bend}


def bent(theta: Truth, rng: Rng) -> PatchTable:
    """Return z -> x -> y <- z with a parabola, without noise of the measurement."""
    z, own, other = (gaussian_field((SIZE, SIZE), LENGTH, rng) for _ in range(3))
    x = 0.7 * z + own
    y = 0.7 * z + theta["slope"] * x + theta["bend"] * x**2 + other
    return patch_table({"x": x, "y": y, "z": z}, np.zeros((3, 3)))


def bent_with_hidden_cause(theta: Truth, rng: Rng) -> PatchTable:
    """The same, and a field that nobody measured."""
    z, own, other, secret = (gaussian_field((SIZE, SIZE), LENGTH, rng) for _ in range(4))
    x = 0.7 * z + own + 0.6 * secret
    y = 0.7 * z + theta["slope"] * x + theta["bend"] * x**2 + other + 0.6 * secret
    return patch_table({"x": x, "y": y, "z": z}, np.zeros((3, 3)))


def fit_dose(data: PatchTable, rng: Rng) -> Draws:
    """The curve's interval at the value nearest to 1, corrected for the 1 it stands for."""
    found = dose_response(data, GRAPH, "x", "y", reference=0.0, rng=rng)
    if not found.identified:
        raise NotIdentified(found.reason)
    low, high = (np.interp(1.0, found.values, ends) for ends in (found.low, found.high))
    return named(found, {"difference": interval_draws(rng, low, high)})


# ---- counterfactuals ----------------------------------------------------------------------------

LINKS = nx.DiGraph([("a", "m"), ("a", "y"), ("m", "y"), ("v", "y")])
SLOPES = ("am", "ay", "my", "vy")


def draw_patch(rng: Rng) -> dict[str, Any]:
    """Slopes of a -> m -> y <- v, a -> y, a world (its seed), and a patch of it.

    The truth is y of the patch, without noise, had its a been one above what was measured.
    """
    theta: dict[str, Any] = dict(zip(SLOPES, rng.normal(0, 0.6, 4).tolist(), strict=True))
    theta |= {"seed": seed_of(rng), "patch": int(rng.integers(SIZE**2))}
    return {**theta, "outcome": linked(theta)[1]}


def linked(theta: Truth, hidden: float = 0.0) -> tuple[PatchTable, float]:
    """A table (linear, SNR 10, the noise told) and the patch's outcome had its a been higher."""
    rng = np.random.default_rng(int(theta["seed"]))
    a, v, own, other, secret = (gaussian_field((SIZE, SIZE), LENGTH, rng) for _ in range(5))
    a = a + hidden * secret
    m = theta["am"] * a + own
    y = theta["ay"] * a + theta["my"] * m + theta["vy"] * v + other + hidden * secret
    table, patch = measured({"a": a, "v": v, "m": m, "y": y}, rng), int(theta["patch"])
    step = float(table.frame["a"].iloc[patch]) + 1.0 - a.ravel()[patch]
    total = theta["ay"] + theta["am"] * theta["my"]
    return table, float(y.ravel()[patch] + total * step)


def patch_table_of(theta: Truth, _rng: Rng) -> Any:
    """The table and the patch."""
    return linked(theta)[0], int(theta["patch"])


def draw_confounded_patch(rng: Rng) -> dict[str, Any]:
    """The same, where a field that nobody measured drives a and y."""
    theta = draw_patch(rng)
    return {**theta, "outcome": linked(theta, hidden=0.6)[1]}


def confounded_patch(theta: Truth, _rng: Rng) -> Any:
    """Its table."""
    return linked(theta, hidden=0.6)[0], int(theta["patch"])


def fit_one(data: Any, rng: Rng) -> Draws:
    """One patch: draws whose quantiles are the answer's own intervals."""
    table, patch = data
    a = float(table.frame["a"].iloc[patch])
    found = counterfactual(table, LINKS, patch=patch, do={"a": a + 1.0}, outcome="y", rng=rng)
    if not found.identified:
        raise NotIdentified(found.reason)
    return named(found, {"outcome": interval_draws(rng, *found.interval())})


def fit_many(data: Any, rng: Rng) -> Draws:
    """All patches; one of them is compared."""
    table, patch = data
    found = counterfactuals(
        table, LINKS, do={"a": table.frame["a"].to_numpy() + 1.0}, outcome="y", rng=rng
    )
    if not found.identified[patch]:
        raise NotIdentified(found.reason)
    return named(found, {"outcome": interval_draws(rng, found.low[patch], found.high[patch])})


def draw_line(rng: Rng) -> dict[str, Any]:
    """A slope, and the noise of a measured speed: what the patch's speed would have been."""
    slope, seen = rng.normal(0, 1), rng.normal()
    return {"slope": slope, "error": seen, "outcome": 2.0 * slope}


def line_fit(theta: Truth, rng: Rng) -> Any:
    """A patch at bias 1 whose speed was measured to .1, and draws of the slope, known to .1."""
    frame = pd.DataFrame({"bias": [1.0], "speed": [theta["slope"] + 0.1 * theta["error"]]})
    table = PatchTable.from_frame(
        frame, [[0.0, 0.0]], 8.0, measurement_covariance=np.diag([0.0, 0.01])[None]
    )
    return table, theta["slope"] + 0.1 * rng.normal() + 0.1 * rng.normal(size=1000)


def line(values: Any, parameters: Any) -> Any:
    """Speed = slope x bias."""
    return parameters["slope"] * values["bias"]


def fit_physical(data: Any, rng: Rng) -> Draws:
    """The speed at twice the bias."""
    table, slopes = data
    model = model_of_function(
        line, {"slope": slopes}, name="line", causes=["bias"], outcome="speed",
        fitted_range={"bias": (0.0, 3.0)}, assumption="speed follows the bias",
    )  # fmt: skip
    found = physical_counterfactual(model, table, do={"bias": 2.0}, rng=rng)
    return named(found, {"outcome": interval_draws(rng, found.low[0], found.high[0])})


# ---- interventions ------------------------------------------------------------------------------


def draw_pulse(rng: Rng) -> dict[str, Any]:
    """What a local pulse adds to a column."""
    return {"effect": rng.normal(0, 0.5)}


def _mask() -> Any:
    y, x = np.mgrid[:SIZE, :SIZE].reshape(2, -1) + 0.5
    return (abs(x - INSIDE) < 2) & (abs(y - INSIDE) < 2)


def two_scans(theta: Truth, rng: Rng, wave: float = 0.0) -> Any:
    """Scans before, again, and after a pulse on 16 patches; noise .2, correlated over 2 patches."""
    matter, mask = gaussian_field((SIZE, SIZE), LENGTH, rng), _mask().reshape(SIZE, SIZE)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE

    def scan(effect: float, drifted: float) -> PatchTable:
        noise = 0.2 * gaussian_field((SIZE, SIZE), LENGTH, rng)
        slow = wave * drifted * np.sin(6 * x) * np.sin(5 * y)
        return patch_table({"strain": matter + effect * mask + noise + slow})

    return scan(0.0, 0.0), scan(0.0, 1.0), scan(theta["effect"], 2.0)


def two_scans_that_drift(theta: Truth, rng: Rng) -> Any:
    """Between scans the background changes in waves as wide as a fifth of the field."""
    return two_scans(theta, rng, wave=0.5)


def fit_pulse(data: Any, rng: Rng) -> Draws:
    """The change inside the mask."""
    before, repeat, after = data
    found = local_intervention_effect(before, after, _mask(), repeat=repeat)
    row = found.table.iloc[0]
    if np.isnan(row["low"]):
        raise NotIdentified(str(row["words"]))
    return named(found, {"effect": interval_draws(rng, row["low"], row["high"])})


# ---- noise of a readout -------------------------------------------------------------------------


def draw_noise(rng: Rng) -> dict[str, Any]:
    """The sd of one readout."""
    return {"sd": 10 ** rng.uniform(-1, 1)}


def repeated_readouts(theta: Truth, rng: Rng) -> Any:
    """Six acts, five readouts each."""
    index = np.repeat(np.arange(6), 5)
    return index, np.arange(6.0)[index] + rng.normal(0, theta["sd"], 30)


def heavy_readouts(theta: Truth, rng: Rng) -> Any:
    """Student noise of two degrees of freedom."""
    index = np.repeat(np.arange(6), 5)
    return index, np.arange(6.0)[index] + theta["sd"] * rng.standard_t(2, 30)


def fit_noise(data: Any, rng: Rng) -> Draws:
    """The posterior under 1 / sd that the estimate's degrees of freedom stand for."""
    found = replicate_noise(*data)
    return named(found, {"sd": found.sd * np.sqrt(found.dof / rng.chisquare(found.dof, 1000))})


EFFECT = Row(
    "causes/effect", "causal.estimate_effect", "slope N(0, .4); fit: none (confidence interval)",
    draw_slope, confounded, fit_effect, 0.3,
)  # fmt: skip
DOSE = Row(
    "causes/dose", "causal.dose_response", "slope N(0, .4), bend N(0, .2); fit: none", draw_bend,
    bent, fit_dose, 0.3, ("difference",),
)  # fmt: skip
PULSE = Row(
    "causes/pulse", "causal.local_intervention_effect", "effect N(0, .5); fit: none", draw_pulse,
    two_scans, fit_pulse, 1.0,
)  # fmt: skip
NOISE = Row(
    "plan/noise", "causal.replicate_noise", "sd 10^U(-1, 1); fit: 1 / sd", draw_noise,
    repeated_readouts, fit_noise, 0.002,
)  # fmt: skip
ONE = Row(
    "causes/counterfactual", "causal.counterfactual", "slopes N(0, .6); fit: none", draw_patch,
    patch_table_of, fit_one, 0.5, ("outcome",),
)  # fmt: skip
MANY = Row(
    "causes/counterfactuals", "causal.counterfactuals", "slopes N(0, .6); fit: none", draw_patch,
    patch_table_of, fit_many, 0.5, ("outcome",),
)  # fmt: skip
ROWS = (
    EFFECT,
    EFFECT.probed("hidden", "a field that nobody measured drives both", with_hidden_cause),
    EFFECT.probed("noise", "a tenth of the measurement noise is told", with_noise_untold),
    EFFECT.probed("outliers", "one patch in a hundred is off by ten", with_outliers),
    DOSE, DOSE.probed("hidden", "a field that nobody measured drives both", bent_with_hidden_cause),
    ONE,
    replace(
        ONE.probed("hidden", "a field that nobody measured drives both", confounded_patch),
        draw=draw_confounded_patch,
    ),
    MANY,
    Row("causes/physical", "causal.physical_counterfactual", "slope N(0, 1), known to .1",
        draw_line, line_fit, fit_physical, 0.02, ("outcome",)),
    PULSE, PULSE.probed("drift", "the background changes in waves between scans",
                        two_scans_that_drift),
    NOISE, NOISE.probed("tails", "Student noise of two degrees of freedom", heavy_readouts),
)  # fmt: skip
