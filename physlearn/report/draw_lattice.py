"""Pictures of a fitted lattice Hamiltonian."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from physlearn.checks import InputError
from physlearn.report.drawing import BLUE, COLORS, GREY, MARKS, RED, get_axes
from physlearn.results import Fit

CORRELATION_COLUMNS = (
    "shell", "observed", "predicted_mean", "predicted_q05", "predicted_q95", "fitted",
)  # fmt: skip

__all__ = ["plot_correlations", "plot_couplings", "plot_posterior"]


def plot_couplings(
    fit: Fit, *, truth: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the posterior of each coupling, its 90 % interval, and zero.

    Parameters
    ----------
    fit
        From ``fit_lattice_hamiltonian``: variable ``couplings`` with dim ``shell``.
    truth
        ``couplings[label]`` -> planted value, where it is known.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> draws = {"couplings": np.random.default_rng(1).normal(0.1, 0.02, (4000, 2))}
    >>> fit = fit_from_draws(draws, model="Ising", likelihood="exact", approximation="none",
    ...     seed=1, data=b"", dims={"couplings": ["shell"]})
    >>> plot_couplings(fit).get_xlabel()
    'coupling J (units of kT)'
    """
    ax = plot_posterior(fit, "couplings", truth=truth, ax=ax)
    ax.set_xlabel("coupling J (units of kT)")
    left, right = ax.get_xlim()
    if left < 0 < right:
        ax.text(0.0, 1.01, "unlike neighbours ←  0  → like neighbours", ha="center", va="bottom",
                transform=ax.get_xaxis_transform(), fontsize=9, color=GREY)  # fmt: skip
    return ax


def plot_posterior(
    fit: Fit, variable: str, *, truth: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the posterior density of every element of one variable.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> fit = fit_from_draws({"field": np.random.default_rng(1).normal(size=900)}, model="m",
    ...     likelihood="exact", approximation="none", seed=1, data=b"")
    >>> plot_posterior(fit, "field").get_xlabel()
    'field'
    """
    ax = get_axes(ax, (5.4, 3.4))
    draws = fit[variable].reshape(len(fit[variable]), -1)
    rows = fit.summary()
    rows = rows[rows["name"].str.split("[").str[0] == variable]
    ax.axvline(0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    for index, (name, low, high) in enumerate(
        zip(rows["name"].astype(str), rows["q05"], rows["q95"], strict=True)
    ):
        color = COLORS[index % len(COLORS)]
        grid, density = _density(draws[:, index])
        inside = (grid >= low) & (grid <= high)
        ax.plot(grid, density, color=color, lw=1.8, label=_shell_name(name))
        ax.fill_between(grid, density, where=inside, color=color, alpha=0.28, lw=0)
        if truth and name in truth:
            height = float(np.interp(truth[name], grid, density))
            ax.plot([truth[name]] * 2, [0, max(height, 0.15 * density.max())], color=color,
                    lw=2.2, ls=(0, (1, 1)))  # fmt: skip
            ax.plot(truth[name], 0, marker="^", color=color, ms=9, clip_on=False, zorder=5)
    if truth:
        ax.plot([], [], marker="^", ls=(0, (1, 1)), color=GREY, label="planted truth")
    ax.set_ylim(bottom=0)
    ax.set_yticks([])
    ax.set_ylabel("posterior density")
    ax.set_xlabel(variable)
    ax.spines["left"].set_visible(False)
    ax.legend()
    return ax


def plot_correlations(correlations: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the correlation of neighbours seen in the picture against the fit's predictions.

    Parameters
    ----------
    correlations
        One row a group of pairs, as in ``Fit.diagnostics["correlations"]`` of
        `fit_lattice_hamiltonian`: shell (from 1), observed, predicted_mean, predicted_q05 and
        predicted_q95 of pictures simulated from the posterior, fitted (whether the pairs have a
        coupling in the model).
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> table = pd.DataFrame({"shell": [1, 2], "observed": [-0.1, 0], "predicted_mean": [-0.1, 0],
    ...     "predicted_q05": [-0.15, -0.1], "predicted_q95": [-0.05, 0.1], "fitted": [True, False]})
    >>> plot_correlations(table).get_xlabel()
    'shell of neighbours'
    """
    missing = set(CORRELATION_COLUMNS) - set(correlations)
    if missing:
        raise InputError(f"correlations must have the column(s) {', '.join(sorted(missing))}.")
    ax = get_axes(ax, (5.4, 3.4))
    x = correlations["shell"].to_numpy(dtype=float)
    ax.axhline(0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    low, high = correlations["predicted_q05"], correlations["predicted_q95"]
    ax.vlines(x, low, high, color=BLUE, lw=9, alpha=0.35, label="simulated from the fit, 90 %")
    ax.plot(x, correlations["predicted_mean"], "_", color=BLUE, ms=16, mew=2)
    for fitted, mark, label in ((True, MARKS[0], "seen, in the model"),
                                (False, MARKS[1], "seen, not in the model")):  # fmt: skip
        rows = correlations["fitted"].to_numpy(dtype=bool) == fitted
        if rows.any():
            ax.plot(x[rows], correlations["observed"].to_numpy()[rows], mark, color=RED, ms=7,
                    mfc=RED if fitted else "white", mew=1.6, label=label)  # fmt: skip
    ax.set_xticks(x, [str(int(value)) for value in x])
    ax.set_xlabel("shell of neighbours")
    ax.set_ylabel("correlation ⟨s s′⟩ − ⟨s⟩²")
    ax.margins(x=0.2, y=0.15)
    ax.legend()
    return ax


def _shell_name(label: str) -> str:
    name, _, inside = label.rstrip("]").partition("[")
    return f"shell {inside}" if name == "couplings" else (f"{name} {inside}".strip())


def _density(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid and a Gaussian kernel density on it (Silverman's width)."""
    sd = float(draws.std()) or 1e-12
    grid = np.linspace(draws.min() - 0.5 * sd, draws.max() + 0.5 * sd, 220)
    width = 1.06 * sd * len(draws) ** -0.2
    counts, edges = np.histogram(draws, bins=400)
    centers = 0.5 * (edges[1:] + edges[:-1])
    kernel = np.exp(-0.5 * ((grid[:, None] - centers) / width) ** 2)
    return grid, kernel @ counts / (len(draws) * width * np.sqrt(2 * np.pi))
