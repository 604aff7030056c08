"""What hysteresis loops tell: imprint, coercive voltages, shape; a free energy only if declared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import NotIdentified, as_generator, check_count
from physlearn.datasets import describe_loops
from physlearn.datasets.spectra.loop_sweep import sweep_directions, sweep_step
from physlearn.inference.hysteresis.landau_terms import add_landau_terms
from physlearn.inference.hysteresis.loop_options import (
    NUCLEATION,
    check_declared,
    field_per_unit,
    read_calibration,
)
from physlearn.inference.hysteresis.median_loop import block_medians, branch_crossings
from physlearn.inference.hysteresis.pixel_pooling import PooledPixels, design_effect, pool_pixels
from physlearn.inference.hysteresis.sharp_steps import common_rounding, sharp_columns
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_landau_loop"]

Floats = NDArray[np.float64]

LEAST_PIXELS = 3
N_MEDIANS = 400
POOLED = ("coercive_voltage_rising", "coercive_voltage_falling", "log_switchable_response",
          "squareness")  # fmt: skip
MOST = 0.8
"""Share of the pixels below which it is said that the others were given up."""
TAIL = 1.645
"""Standard deviations from the middle to the end of a 90 % interval."""


def fit_landau_loop(
    loops: xr.DataArray,
    *,
    level: str = "middle",
    homogeneous_switching: bool = False,
    polarisation: tuple[float, float] | None = None,
    field: tuple[float, float] | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 2000,
) -> Fit:
    r"""Measure imprint, coercive voltages and shape of hysteresis loops over a map of pixels.

    Every pixel's loop is fitted robustly (`describe_loops`; where uniform switching is declared, by
    jumps between two voltages of the sweep); a Student population behind the
    pixels' Gaussian errors pools them. Landau coefficients are given only for uniform switching
    that the user declares, with calibrated polarisation and field:

    .. math:: E = a P + c P^3 + e P^5, \qquad
        p = P / P_r: \; E / E_c = k(h) \, (-p + (1 - h) p^3 + h p^5) .

    Parameters
    ----------
    loops
        DataArray (y, x, voltage), (pixel, voltage) or (voltage,), real, NaN where missing, the
        voltage in the order of the sweep.
    level
        Where a branch's coercive voltage is read, as in `describe_loops`.
    homogeneous_switching
        The whole volume switches at once, where its state loses stability (a defect-free uniform
        capacitor): the only case in which a loop's coercive field belongs to the free energy.
    polarisation
        (value, sd) of the remanent polarisation P_r, in C/m^2.
    field
        (value, sd) of the field per voltage, in V/m per V: 1 / thickness.
    rng
        Seed or generator.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        Of the population: ``coercive_voltages`` (dim ``branch``: rising, falling), ``imprint``
        (their mean), ``coercive_voltage`` (half their distance), ``loop_shape`` (dim ``shape``:
        ``squareness``, remanent over saturated response; ``relative_imprint``, imprint over
        coercive voltage), ``pixel_spread`` (dim ``branch``, scale of the pixels' differences),
        ``switchable_response`` (typical size), ``median_loop_crossings`` (dim ``branch``: where the
        median loop of all pixels, pooled or not, changes sign; absent where it does not, and
        elsewhere than the steps' middles where the response has an offset). For one loop its own
        values. With ``homogeneous_switching``: ``landau_shape`` h, ``landau`` (dim ``term``: a, c,
        e), ``barrier`` (J/m^3) and ``internal_field``. ``constant_data`` holds maps after pooling:
        ``pixel_mean`` and ``pixel_sd`` (pixel, quantity), ``pixel_index``. ``diagnostics``: the
        counts of pixels given up and why, ``design_effect`` (neighbours that repeat each other).

    Raises
    ------
    InputError
        For loops of another kind, or calibrations that are no (value, sd).
    NotIdentified
        When fewer than three pixels of a map (or the one loop) show a loop; when coefficients are
        asked for without ``homogeneous_switching``, or it is declared without calibrations.

    Examples
    --------
    >>> voltage = np.concatenate([np.arange(0, 9), np.arange(7, -9, -1), np.arange(-7, 0)]) * 1.0
    >>> rising = np.r_[np.ones(9), np.zeros(16), np.ones(7)] > 0
    >>> rng = np.random.default_rng(1)
    >>> loop = np.tanh(voltage - np.where(rising, 4.0, -2.0)) + rng.normal(0, 0.02, (6, 8, 32))
    >>> loop[::2, ::2, 5] += 40.0
    >>> fit = fit_landau_loop(
    ...     xr.DataArray(loop, {"voltage": voltage}, ("y", "x", "voltage")), rng=1)
    >>> fit["imprint"].mean().round(1), fit["coercive_voltages"].mean(axis=0).round(1).tolist()
    (np.float64(1.0), [4.0, -2.0])
    """
    generator, seed = as_generator(rng)
    n_draws = check_count("n_draws", n_draws, 100)
    calibrated = [read_calibration(name, pair) for name, pair in
                  (("polarisation", polarisation), ("field", field))]  # fmt: skip
    check_declared(homogeneous_switching, calibrated)
    seen = _seen(loops, level)
    if homogeneous_switching:
        calibrated[1] = field_per_unit(calibrated[1], seen.unit)
        values, covariance, good = sharp_columns(seen.voltage, seen.rising, seen.spectra)
        texts = []
    else:
        values, covariance = _columns(seen.described)
        good = _usable(seen.described)
        texts = [*seen.described.attrs["warnings"]]
    kept = np.flatnonzero(good)
    texts += _left_out(seen, kept.size)
    pooled, effects = _pooled(values[kept], covariance[kept], kept, seen.shape, generator)
    chosen = generator.integers(0, len(pooled.center), n_draws)
    center = pooled.center[chosen]
    if homogeneous_switching:
        step = sweep_step(seen.voltage)
        center[:, :2] += common_rounding(step, pooled.spread[chosen, :2], generator)
    draws = _population(center, pooled.spread[chosen], kept.size)
    medians = None
    if seen.shape:
        medians = block_medians(seen.spectra, seen.shape, N_MEDIANS, generator)
        texts += _add_crossings(draws, seen, medians, center, generator)
    diagnostics: dict[str, Any] = {
        "n_pixels": int(kept.size), "given_up": _counts(seen.described),
        "design_effect": effects.tolist(), "tails": float(np.median(pooled.tails)),
    }  # fmt: skip
    if homogeneous_switching:
        curves = seen.spectra
        if medians is not None:
            curves = np.concatenate([medians[0][None], medians[1]])
        texts += add_landau_terms(
            draws, diagnostics, (seen.voltage, seen.rising, curves), center, calibrated, generator
        )
    else:
        texts.append(NUCLEATION)
    texts += _said_of_axis(seen, draws)
    return fit_from_draws(
        draws,
        model="two tanh steps a loop, Student population of pixels"
        + ("; uniform 2-4-6 film" if homogeneous_switching else ""),
        likelihood="Gaussian errors of robust fits of each pixel",
        approximation="pixels: sandwich covariance; population: Gibbs draws, widened by the "
        "design effect of neighbouring pixels",
        seed=seed,
        data=[np.nan_to_num(seen.spectra), seen.voltage],
        units=_units(draws, seen),
        dims={"coercive_voltages": ["branch"], "pixel_spread": ["branch"],
              "median_loop_crossings": ["branch"], "loop_shape": ["shape"], "landau": ["term"]},
        coords={"branch": ["rising", "falling"], "shape": ["squareness", "relative_imprint"],
                "term": ["a", "c", "e"]},
        diagnostics=diagnostics,
        warnings=texts,
        attrs={"quantities": json.dumps(POOLED), "map_shape": json.dumps(list(seen.shape))},
        constants={"pixel_mean": pooled.pixel_mean, "pixel_sd": pooled.pixel_sd,
                   "pixel_index": kept},
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Loops as numbers: what `describe_loops` says, the sweep, spectra (n_pixels, n)."""

    described: xr.Dataset
    shape: tuple[int, ...]
    voltage: Floats
    rising: NDArray[np.bool_]
    spectra: Floats

    @property
    def unit(self) -> str:
        """Unit of the voltage axis."""
        return str(self.described["imprint"].attrs.get("units", "V"))


def _seen(loops: xr.DataArray, level: str) -> _Seen:
    """Describe every pixel's loop and read the sweep."""
    described = describe_loops(loops, level=level)
    voltage, spectra = _sweep(loops, tuple(map(str, described["reason"].dims)))
    return _Seen(described, described["reason"].shape, voltage, sweep_directions(voltage), spectra)


def _left_out(seen: _Seen, n_kept: int) -> list[str]:
    """Say how many pixels are pooled, and refuse too few."""
    n_all = seen.described["reason"].size
    if n_kept < (LEAST_PIXELS if seen.shape else 1):
        raise NotIdentified(
            f"{n_kept} of {n_all} pixels show a loop with both steps "
            f"(at least {LEAST_PIXELS} are pooled): {_reasons(seen.described)}."
        )
    if n_kept >= MOST * n_all:
        return []
    return [
        f"only {n_kept} of {n_all} pixels show a loop with both steps and are pooled "
        f"({_reasons(seen.described)}): they may differ from the others"
    ]


def _said_of_axis(seen: _Seen, draws: dict[str, Floats]) -> list[str]:
    """Say what the order and the unit of the sweep leave open."""
    texts = []
    if float(np.median(draws["coercive_voltage"])) < 0:
        texts.append(
            "the loop runs the other way round (its falling branch steps at the higher voltage): "
            "check the order of the sweep; charge injection does this, too"
        )
    if seen.unit == "1":
        texts.append(
            "the voltage axis has no unit: give it the attribute units, such as "
            "loops['voltage'].attrs['units'] = 'V'"
        )
    return texts


def _usable(described: xr.Dataset) -> NDArray[np.bool_]:
    """Return which pixels have all of the pooled columns."""
    good = described["reason"].to_numpy().ravel() == 0
    for name in ("coercive_voltage_rising", "coercive_voltage_falling", "remanent_response",
                 "switchable_response"):  # fmt: skip
        sd = described[f"{name}_sd"].to_numpy().ravel()
        good &= np.isfinite(described[name].to_numpy().ravel()) & np.isfinite(sd) & (sd > 0)
    swing = described["switchable_response"].to_numpy().ravel()
    return np.asarray(good & (swing != 0))


def _counts(described: xr.Dataset) -> dict[str, int]:
    meaning = described["reason"].attrs
    numbers, counts = np.unique(described["reason"].to_numpy(), return_counts=True)
    return {str(meaning[str(k)]): int(n) for k, n in zip(numbers, counts, strict=True)}


def _reasons(described: xr.Dataset) -> str:
    return "; ".join(
        f"{count} {reason if reason != 'measured' else 'described at all'}"
        for reason, count in _counts(described).items()
    )


def _columns(described: xr.Dataset) -> tuple[Floats, Floats]:
    """Return the pooled columns of all pixels and their covariance; NaN where there is no loop."""
    names = list(described["column"].to_numpy())
    full = described["covariance"].to_numpy().reshape(-1, len(names), len(names))
    rows = [names.index(name) for name in ("coercive_voltage_rising", "coercive_voltage_falling",
                                           "switchable_response", "remanent_response")]  # fmt: skip
    full = full[:, rows][:, :, rows]
    up, down, swing, rest = (described[names[k]].to_numpy().ravel() for k in rows)
    swing = np.where(swing == 0, np.nan, swing)
    values = np.stack([up, down, np.log(np.abs(swing)), 2 * rest / swing], axis=1)
    jacobian = np.zeros((swing.size, 4, 4))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1.0
    jacobian[:, 2, 2] = 1 / swing
    jacobian[:, 3, 2], jacobian[:, 3, 3] = -2 * rest / swing**2, 2 / swing
    return values, jacobian @ full @ jacobian.transpose(0, 2, 1)


def _pooled(
    values: Floats, covariance: Floats, kept: NDArray[np.int64], shape: tuple[int, ...],
    generator: np.random.Generator,
) -> tuple[PooledPixels, Floats]:  # fmt: skip
    """Pool the pixels and widen the centre by what neighbours repeat; one pixel stands alone."""
    k = values.shape[1]
    if len(values) == 1:
        drawn = generator.multivariate_normal(values[0], covariance[0], 2000)
        sd = np.sqrt(np.diag(covariance[0]))[None]
        alone = PooledPixels(drawn, np.zeros((2000, k)), np.full(2000, np.inf), values, sd)
        return alone, np.ones(k)
    pooled = _pool_columns(values, covariance, generator)
    effects = np.ones(k)
    if len(shape) == 2:
        measured = np.zeros(int(np.prod(shape)), dtype=bool)
        measured[kept] = True
        effects = np.array([
            design_effect(column, measured.reshape(shape)) for column in pooled.pixel_mean.T
        ])  # fmt: skip
    middle = pooled.center.mean(axis=0)
    wide = middle + np.sqrt(effects) * (pooled.center - middle)
    return PooledPixels(
        wide, pooled.spread, pooled.tails, pooled.pixel_mean, pooled.pixel_sd
    ), effects


def _pool_columns(
    values: Floats, covariance: Floats, generator: np.random.Generator
) -> PooledPixels:
    """Pool voltages and response together, the squareness by itself.

    Squareness is a bent function of the voltages with errors far below theirs: pooled as if it
    were linear in them, it would pull the voltages.
    """
    joint = pool_pixels(values[:, :3], covariance[:, :3, :3], generator)
    alone = pool_pixels(values[:, 3:], covariance[:, 3:, 3:], generator)
    return PooledPixels(
        np.concatenate([joint.center, alone.center], axis=1),
        np.concatenate([joint.spread, alone.spread], axis=1),
        joint.tails,
        np.concatenate([joint.pixel_mean, alone.pixel_mean], axis=1),
        np.concatenate([joint.pixel_sd, alone.pixel_sd], axis=1),
    )


def _population(center: Floats, spread: Floats, n_pixels: int) -> dict[str, Floats]:
    """Return the population's variables."""
    half = 0.5 * (center[:, 0] - center[:, 1])
    imprint = 0.5 * (center[:, 0] + center[:, 1])
    draws = {
        "coercive_voltages": center[:, :2], "imprint": imprint, "coercive_voltage": half,
        "loop_shape": np.stack([center[:, 3], imprint / half], axis=1),
        "switchable_response": np.exp(center[:, 2]),
    }  # fmt: skip
    if n_pixels > 1:
        draws["pixel_spread"] = spread[:, :2]
    return draws


def _sweep(loops: xr.DataArray, dims: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Return voltage (n,) and loops (n_pixels, n)."""
    axis = next(str(dim) for dim in loops.dims if dim not in dims)
    spectra = loops.transpose(*dims, axis).to_numpy().astype(np.float64)
    return loops[axis].to_numpy().astype(np.float64), spectra.reshape(-1, spectra.shape[-1])


def _add_crossings(
    draws: dict[str, Floats], seen: _Seen, medians: tuple[Floats, Floats], center: Floats,
    generator: np.random.Generator,
) -> list[str]:  # fmt: skip
    """Add where the median loop changes sign, with the spread over blocks of pixels."""
    near = (float(np.median(center[:, 0])), float(np.median(center[:, 1])))
    own = branch_crossings(seen.voltage, seen.rising, medians[0][None], near)[0]
    drawn = branch_crossings(seen.voltage, seen.rising, medians[1], near)
    good = np.isfinite(drawn).all(axis=1)
    if np.isnan(own).any() or good.mean() < 0.95:
        return ["a branch of the median loop does not change sign: no crossings are given"]
    found = drawn[good]
    draws["median_loop_crossings"] = found[generator.integers(0, len(found), len(center))]
    away = np.abs(found.mean(axis=0) - center[:, :2].mean(axis=0))
    if (away < TAIL * (found.std(axis=0) + center[:, :2].std(axis=0))).all():
        return []
    return [
        f"coercive_voltages and median_loop_crossings lie up to {away.max():.3g} apart: the first "
        "are the middles of the pooled pixels' steps, the second where the median of all pixels, "
        "pooled or not, changes sign, which an offset of the response and unlike pixels move"
    ]


def _units(draws: dict[str, Floats], seen: _Seen) -> dict[str, str]:
    units = dict.fromkeys(
        ("coercive_voltages", "imprint", "coercive_voltage", "pixel_spread",
         "median_loop_crossings"), seen.unit,
    )  # fmt: skip
    units["switchable_response"] = str(
        seen.described["switchable_response"].attrs.get("units", "1")
    )
    units.update({"barrier": "J/m^3", "internal_field": "V/m",
                  "landau": "V m/C; V m^5/C^3; V m^9/C^5"})  # fmt: skip
    return {name: unit for name, unit in units.items() if name in draws}
