"""Hop rates from a table of counts: so many hops in so much time watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from physlearn.checks import InputError
from physlearn.inference.event_rates.hop_report import law_draws
from physlearn.inference.event_rates.rate_laws import RateLaw
from physlearn.inference.event_rates.rate_posterior import sample_rates
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_of", "fit_hop_counts"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
KNOWN = (
    "hops", "exposure", "hop", "n_bonds", "occupied_neighbours", "temperature_kelvin", "dose_rate",
)  # fmt: skip

LEAST_COUNTS = 5.0
"""Expected in a row, from which on the squares of Poisson counts add up to chi-square."""
RARE = 0.01


def column_of(
    table: pd.DataFrame, name: str, default: float | None = None, *, minimum: float = 0.0
) -> Floats:
    """Return a column of numbers, or the default where it is absent."""
    if name not in table.columns:
        if default is None:
            raise InputError(
                f"the table must have a column {name!r}; got {', '.join(map(str, table.columns))}."
            )
        return np.full(len(table), default)
    values = np.asarray(table[name].to_numpy(), np.float64)
    bad = ~(np.isfinite(values) & (values >= minimum))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"column {name!r} must hold finite numbers of at least {minimum:g}; got {values[row]} "
            f"in row {row}."
        )
    return values


def _scatter_notes(hops: Floats, expected: Floats, n_parameters: int) -> list[str]:
    """Say where counts of rows scatter more than Poisson's (chi-square of rows well filled)."""
    used = expected >= LEAST_COUNTS
    freedom = int(used.sum()) - n_parameters
    if freedom < 1:
        return []
    square = float((((hops - expected) ** 2) / np.maximum(expected, 1e-300))[used].sum())
    p = float(chi2.sf(square, freedom))
    if p >= RARE:
        return []
    return [
        f"counts of hops scatter {square / freedom:.2g} times as much as independent ones "
        f"(p = {p:.2g}): hops come in bursts, or rows differ in more than their columns say; the "
        f"interval is about {np.sqrt(square / freedom):.2g} times too narrow."
    ]


def fit_hop_counts(
    table: pd.DataFrame, barrier: bool | None, attempt: tuple[float, float] | None,
    generator: np.random.Generator, seed: int, n_draws: int,
) -> Fit:  # fmt: skip
    """Return the fit of a table with columns hops and exposure, and where they differ, others."""
    from physlearn.inference.event_rates.hop_model import allowed_barrier, allowed_beam, is_sum

    if not len(table):
        raise InputError("the table of hops must have at least one row; it is empty.")
    unknown = [str(name) for name in table.columns if name not in KNOWN]
    if unknown:
        raise InputError(f"the table may have the columns {', '.join(KNOWN)}; got {unknown[0]!r}.")
    hops, exposure = column_of(table, "hops"), column_of(table, "exposure")
    if np.any(hops != np.round(hops)):
        raise InputError("column 'hops' must hold whole numbers.")
    if not np.all(exposure > 0):
        raise InputError("column 'exposure' must be above 0: particles x time watched.")
    names, label = np.unique(
        table["hop"].astype(str) if "hop" in table.columns else np.full(len(table), "any"),
        return_inverse=True,
    )
    bonds = column_of(table, "n_bonds", 1.0)
    if not np.all(bonds > 0):
        raise InputError(
            "column 'n_bonds' must be above 0: leave out the rows of particles that cannot hop."
        )
    known = "temperature_kelvin" in table.columns
    temperature = column_of(table, "temperature_kelvin", 300.0)
    if not np.all(temperature > 0):
        raise InputError(
            f"column 'temperature_kelvin' must be above 0 K; got {temperature.min():g}."
        )
    dose = column_of(table, "dose_rate", 0.0)
    near = column_of(table, "occupied_neighbours", 0.0)
    notes: list[str] = []
    _, level = np.unique(temperature, return_inverse=True)
    beam = allowed_beam(
        level.astype(np.int64), dose if "dose_rate" in table.columns else None, notes
    )
    added = is_sum(beam, dose)
    arrhenius, prior = allowed_barrier(
        temperature if known else None, barrier, attempt, notes, is_sum=added
    )
    watched = exposure * bonds
    law = RateLaw(
        len(names), temperature, level.astype(np.int64), dose, arrhenius, beam,
        bool(np.ptp(near) > 0), False, float(1.0 / (hops.sum() + 1.0) * watched.min()), prior,
    )  # fmt: skip
    rows = np.stack([np.arange(len(table)), label, near, np.zeros(len(table))], axis=1)
    rows = rows.astype(np.int64)

    def gradient(x: Floats) -> tuple[float, Floats]:
        rate = np.maximum(law.row_rates(x, rows), 1e-300)
        value, slope = law.log_prior(x)
        value += float(hops @ np.log(rate) - watched @ rate)
        return value, slope + (hops / rate - watched) @ law.row_slopes(x, rows)

    def log_density(x: Floats) -> Floats:
        return np.array([gradient(one)[0] for one in x])

    mean = float((hops.sum() + 0.5) / watched.sum())
    x = _start(law, mean)
    scale = np.where(law.folded, np.sqrt(mean), 1.0)
    scale[law.n_thermal : law.n_thermal + law.n_beam] /= np.sqrt(max(dose.max(), 1e-300))
    sample = sample_rates(
        log_density, x, law.folded, generator, n_draws, gradient=gradient, scale=scale
    )
    center = np.where(law.folded, np.abs(sample.draws), sample.draws).mean(axis=0)
    notes += _scatter_notes(hops, law.row_rates(center, rows) * watched, law.n_parameters)
    per_class = np.array([bonds[label == k].mean() for k in range(len(names))])
    out, dims, coords, units = law_draws(law, sample.draws, [str(n) for n in names], per_class, "s")
    del out["total_rate"], units["total_rate"]
    dims.pop("total_rate", None)
    said: dict[str, Any] = {"hops": float(hops.sum()), "exposure": float(exposure.sum())}
    said["separated"] = not added
    return fit_from_draws(
        out, model="hops ~ Poisson(rate x bonds x exposure)", likelihood="Poisson counts of hops",
        approximation=sample.approximation, seed=seed, data=[hops, watched, temperature, dose],
        units=units, dims=dims, coords=coords, diagnostics=sample.diagnostics | said,
        warnings=[*notes, *sample.warnings], attrs={"subject": "hop rates"},
    )  # fmt: skip


def _start(law: RateLaw, mean: float) -> Floats:
    """Return a first guess: half thermal, half beam."""
    x = np.zeros(law.n_parameters)
    part = 0.5 * mean if law.beam else mean
    if law.arrhenius:
        x[: law.n_classes] = np.log(part)
        x[law.n_classes : law.n_thermal] = 0.5
    else:
        x[: law.n_thermal] = np.sqrt(part)
    if law.beam:
        x[law.n_thermal : law.n_thermal + law.n_beam] = np.sqrt(part / law.dose_rate.max())
    return x
