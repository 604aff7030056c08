"""Curves: order, drift, chains, ladders and kinetics."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from physlearn.checks import InputError
from physlearn.phrases import plain_name
from physlearn.report.drawing import BLUE, COLORS, GREY, INK, MARKS, RED, get_axes, interval_rows
from physlearn.report.drawing import unit_label as labelled

if TYPE_CHECKING:
    from physlearn.datasets import DriftSeries, WallRoughness
    from physlearn.inference import OrderingPrediction, RadialPrediction
    from physlearn.lattice_models import ChainStatistics, TemperingResult, TransformationHistory

__all__ = [
    "plot_chain", "plot_drift", "plot_history", "plot_ordering", "plot_radial", "plot_roughness",
    "plot_tempering",
]  # fmt: skip

SIZE = (5.6, 3.6)


def plot_radial(found: RadialPrediction, *, unit: str = "reduced", ax: Axes | None = None) -> Axes:
    """Draw the g(r) that a potential predicts, 90 % of one snapshot shaded, and that of the data.

    Parameters
    ----------
    found
        From `predict_radial_distribution`.
    unit
        Of distances, for the axis.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.inference import RadialPrediction
    >>> table = pd.DataFrame({"distance": [1.0, 1.1], "predicted": [1.0, 1.2],
    ...     "q05": [0.9, 1.1], "q95": [1.1, 1.3]})
    >>> plot_radial(RadialPrediction(table, None, None), unit="nm").get_xlabel()
    'distance (nm)'
    """
    ax = get_axes(ax, SIZE)
    table = found.table
    distance = table["distance"]
    ax.fill_between(distance, table["q05"], table["q95"], color=BLUE, alpha=0.25, lw=0,
                    label="90 % of snapshots")  # fmt: skip
    ax.plot(distance, table["predicted"], color=BLUE, lw=1.6, label="predicted")
    if "observed" in table:
        ax.plot(distance, table["observed"], "o", color=INK, ms=3, label="seen")
    ax.axhline(1.0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.set_xlabel(labelled("distance", unit))
    ax.set_ylabel("g(r)")
    ax.legend()
    if found.p_value is not None:
        ax.set_title(f"p = {found.p_value:.2g}")
    return ax


def plot_ordering(found: OrderingPrediction, *, ax: Axes | None = None) -> Axes:
    """Draw the short-range order of each shell that bond energies predict, with 90 % intervals.

    Parameters
    ----------
    found
        From `predict_ordering`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.inference import OrderingPrediction
    >>> row = {"shell": 1, "warren_cowley": -0.2, "sd": 0.01, "q05": -0.22, "q95": -0.18}
    >>> found = OrderingPrediction(pd.DataFrame([row]), {"B2": 1.0}, (850.0, 20.0), 0.0, ())
    >>> plot_ordering(found).get_ylabel()
    'Warren-Cowley parameter'
    """
    ax = get_axes(ax, SIZE)
    table = found.table
    shell, mean = table["shell"].to_numpy(), table["warren_cowley"].to_numpy()
    errors = np.abs(np.stack([mean - table["q05"], table["q95"] - mean]))
    ax.axhline(0.0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.errorbar(shell, mean, errors, fmt="o", color=BLUE, ms=5, lw=1.5, capsize=3)
    ax.set_xticks(shell)
    ax.set_xlabel("shell of neighbours")
    ax.set_ylabel("Warren-Cowley parameter")
    ax.annotate("like neighbours", (1.01, 1.0), xycoords="axes fraction", va="top", color=GREY,
                rotation=90, fontsize="small")  # fmt: skip
    ax.annotate("unlike", (1.01, 0.0), xycoords="axes fraction", va="bottom", color=GREY,
                rotation=90, fontsize="small")  # fmt: skip
    if found.patterns:
        name, share = next(iter(found.patterns.items()))
        ax.set_title(f"pattern: {name} ({100 * share:.0f} % of the draws)")
    return ax


def plot_roughness(found: WallRoughness, *, ax: Axes | None = None) -> Axes:
    """Draw the roughness exponent of each wall with its 90 % interval.

    Parameters
    ----------
    found
        From `measure_roughness`.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        Where every wall was refused.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.datasets import WallRoughness
    >>> table = pd.DataFrame({"wall": [0], "exponent": [0.5], "low": [0.4], "high": [0.6]})
    >>> plot_roughness(WallRoughness(table, 8.0, 100.0, "pixel")).get_title()
    'wavelengths 8 to 100 px'
    """
    rows = found.table[np.isfinite(found.table["exponent"])]
    if not len(rows):
        raise InputError("found holds no wall with an exponent; its table says why.")
    ax = get_axes(ax, (5.4, 1.3 + 0.4 * len(rows)))
    names = [f"wall {wall}" for wall in rows["wall"]]
    mean, low, high = (rows[c].to_numpy(dtype=np.float64) for c in ("exponent", "low", "high"))
    interval_rows(ax, names, mean, low, high)
    for value, said in ((0.5, "thermal"), (2.0 / 3.0, "random bonds")):
        ax.axvline(value, color=RED, lw=0.9, ls=(0, (1, 2)))
        ax.text(value, -0.62, f" {said}", color=RED, fontsize="x-small", rotation=0,
                ha="right" if value < 0.6 else "left")  # fmt: skip
    ax.set_xlabel("roughness exponent")
    unit = labelled("", found.unit).strip(" ()")
    ax.set_title(f"wavelengths {found.shortest:g} to {found.longest:g} {unit}".rstrip())
    return ax


def plot_drift(drift: DriftSeries, *, ax: Axes | None = None) -> Axes:
    """Draw how far each frame lies from the first, two standard errors shaded, and even drift.

    Parameters
    ----------
    drift
        From `measure_drift`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import make_scan_series, measure_drift
    >>> series = make_scan_series((64, 64), 3, velocity_px=(1.0, 0.0), rng=1)
    >>> plot_drift(measure_drift(series.images, model="shift", largest_shift_px=4.0)).get_xlabel()
    'frame'
    """
    ax = get_axes(ax, SIZE)
    frame = np.arange(len(drift.shift))
    for axis, name in enumerate("xy"):
        color, mark = COLORS[axis], MARKS[axis]
        shift, error = drift.shift[:, axis], 2.0 * drift.shift_sd[:, axis]
        ax.fill_between(frame, shift - error, shift + error, color=color, alpha=0.25, lw=0)
        said = f"{name}: {drift.velocity[axis]:.3g} ± {drift.velocity_sd[axis]:.1g} a frame"
        ax.plot(frame, shift, marker=mark, color=color, ms=4, lw=1.2, label=said)
        ax.plot(frame, drift.velocity[axis] * frame, color=color, lw=0.9, ls=(0, (4, 3)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("frame")
    ax.set_ylabel(labelled("shift against the first", drift.unit))
    ax.legend()
    return ax


def plot_chain(
    statistics: ChainStatistics, quantity: str = "energy", *, ax: Axes | None = None
) -> Axes:
    """Draw a quantity along each Markov chain, and its mean with two standard errors.

    Parameters
    ----------
    statistics
        From `sample_statistics`.
    quantity
        A column of its table, such as "energy", "magnetization" or "shell_1".
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For another column.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, sample_statistics, square_lattice
    >>> drawn = sample_statistics(Ising([0.2]), square_lattice((6, 6)), 50, rng=1)
    >>> plot_chain(drawn).get_xlabel()
    'sample'
    """
    table = statistics.table
    known = [name for name in table.columns if name not in ("chain", "sample")]
    if quantity not in known:
        raise InputError(f"quantity must be one of {', '.join(known)}; got {quantity!r}.")
    ax = get_axes(ax, SIZE)
    for number, (chain, rows) in enumerate(table.groupby("chain")):
        ax.plot(rows["sample"], rows[quantity], lw=0.7, color=COLORS[number % len(COLORS)],
                alpha=0.8, label=f"chain {chain}")  # fmt: skip
    estimates = statistics.estimates
    if quantity in estimates.index:
        row: dict[Hashable, Any] = estimates.loc[quantity].to_dict()
        mean, error = float(row["mean"]), 2.0 * float(row["standard_error"])
        ax.axhline(mean, color=INK, lw=1.2)
        if np.isfinite(error):
            ax.axhspan(mean - error, mean + error, color=INK, alpha=0.25, lw=0)
        tau, many = float(row["autocorrelation_sweeps"]), float(row["effective_samples"])
        ax.set_title(f"{many:.0f} effective samples, correlated over {tau:.2g} sweeps")
    ax.set_xlabel("sample")
    ax.set_ylabel(f"{plain_name(quantity)}{' (kT)' if quantity == 'energy' else ''}")
    if table["chain"].nunique() > 1:
        ax.legend(ncols=4, fontsize="small")
    return ax


def plot_tempering(ladder: TemperingResult, *, ax: Axes | None = None) -> Axes:
    """Draw the energies of every rung of a ladder, and the share of exchanges between rungs.

    Parameters
    ----------
    ladder
        From `temper_lattice`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice, temper_lattice
    >>> found = temper_lattice(Ising([0.6]), square_lattice((4, 4)), [0.0, 0.5, 1.0], 40, rng=1)
    >>> plot_tempering(found).get_xlabel()
    'factor of the energy'
    """
    ax = get_axes(ax, SIZE)
    middle, low, high = (np.quantile(ladder.energies, q, axis=1) for q in (0.5, 0.05, 0.95))
    ax.fill_between(
        ladder.factors, low, high, color=BLUE, alpha=0.25, lw=0, label="90 % of samples"
    )
    ax.plot(ladder.factors, middle, "o-", color=BLUE, ms=4, lw=1.2, label="median energy")
    ax.set_xlabel("factor of the energy")
    ax.set_ylabel("energy (kT at factor 1)")
    other = ax.twinx()
    between = 0.5 * (ladder.factors[1:] + ladder.factors[:-1])
    other.plot(between, ladder.swap_acceptance, "D", color=RED, ms=5, mfc="none",
               label="exchanges made")  # fmt: skip
    other.set_ylim(0.0, 1.0)
    other.set_ylabel("share of exchanges made")
    other.spines["right"].set_visible(True)
    both = (ax.get_legend_handles_labels(), other.get_legend_handles_labels())
    handles, names = (first + second for first, second in zip(*both, strict=True))
    ax.legend(handles, names, loc="lower left")
    ax.set_title(f"{ladder.round_trips} round trips")
    return ax


def plot_history(history: TransformationHistory, *, ax: Axes | None = None) -> Axes:
    """Draw the share of sites in each state over time, two binomial standard errors shaded.

    Parameters
    ----------
    history
        From `simulate_transformation_history`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.lattice_models import (
    ...     Transformation, simulate_transformation_history, square_lattice)
    >>> decay = Transformation(1, 0, thermal_rate_hz=2.0)
    >>> history = simulate_transformation_history(
    ...     [decay], square_lattice((4, 4)), np.ones(16), [0.0, 0.5], rng=1)
    >>> plot_history(history).get_xlabel()
    'time (s)'
    """
    ax = get_axes(ax, SIZE)
    seen = history.snapshots
    times = np.arange(seen.n_snapshots) if seen.times is None else seen.times
    names = seen.state_names or tuple(f"state {value:+d}" for value in seen.state_values)
    for number, (value, name) in enumerate(zip(seen.state_values, names, strict=True)):
        share = (seen.states == value).mean(axis=1)
        error = 2.0 * np.sqrt(share * (1.0 - share) / seen.states.shape[1])
        color = COLORS[number % len(COLORS)]
        ax.fill_between(times, share - error, share + error, color=color, alpha=0.25, lw=0)
        ax.plot(times, share, marker=MARKS[number % len(MARKS)], ms=4, lw=1.2, color=color,
                label=name)  # fmt: skip
    causes = history.events["cause"].value_counts()
    said = ", ".join(f"{count} {cause}" for cause, count in causes.items())
    ax.set_title(f"events: {said}" if said else "no events")
    ax.set_xlabel("frame" if seen.times is None else "time (s)")
    ax.set_ylabel("share of sites")
    ax.set_ylim(-0.03, 1.03)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
