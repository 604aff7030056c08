"""Figures of docs/laws.md: a table, a film, walls, and our search beside others.

``python docs/figures.py laws_table ...``. The last is read from benchmarks/results/laws.json.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import figures_from_results as measured
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binomtest

from physlearn.datasets import WallVideoOptions, make_wall_video, track_walls
from physlearn.inference import (
    EquationSet,
    FieldLawOptions,
    SymbolicRegressor,
    discover_field_law,
    discover_wall_law,
)
from physlearn.inference.dynamics.wall_speeds import measure_wall_speeds
from physlearn.lattice_models import LandauPotential, simulate_ginzburg_landau
from physlearn.plots import plot_walls
from physlearn.report.drawing import BLUE, GREY, INK, ORANGE, RED

Floats = NDArray[np.float64]

HALF_WIDTH = 1.645  # of a normal 90 % interval
BARRIER = 1.3
ROUNDS = 2
PIXEL, STEP = 0.7, 0.0005
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
ALLEN_CAHN = {"u": 1.0, "u3": -1.0, "lap_u": 1.0}
SAID = {"u": "u", "u3": "u³", "lap_u": "∇²u", "u2": "u²", "u4": "u⁴", "u5": "u⁵"}
SEARCHES = {  # name in the figure: case at a noise, colour
    "ours": ("unseen laws at noise {}", BLUE),
    "Operon, 1M": ("Operon, 1M evaluations at noise {}", RED),
    "Operon, 100k": ("Operon, 100k evaluations at noise {}", ORANGE),
    "gplearn": ("gplearn, 20k evaluations at noise {}", GREY),
}


def _speed(field: Floats) -> Floats:
    return np.asarray(2.0 * np.exp(-BARRIER / field))


def _creep(share: float, more: tuple[float, ...] = ()) -> tuple[EquationSet, Floats, Floats]:
    """Return the laws of a wall's speed with noise, measured at 60 fields and ``more``."""
    field = np.append(np.random.default_rng(7).uniform(0.3, 2.0, 60), more)
    noise = share * _speed(field[:60]).std() * np.random.default_rng(8).standard_normal(len(field))
    model = SymbolicRegressor(variables=("E",), target="v")
    speed = _speed(field) + noise
    return model.fit(field[:, None], speed).equations_, field, speed


def _draw_laws(ax: Axes, found: tuple[EquationSet, Floats, Floats], seen: int = 60) -> None:
    """Draw data, truth, the best law, and the 90 % band of the set, below and beyond the data."""
    laws, field, speed = found
    along = np.geomspace(0.1, 4.0, 240)
    band = laws.predict_interval(along[:, None], rng=1)
    ax.fill_between(along, *band.T, color=BLUE, alpha=0.25, lw=0, label="90 % of laws, constants")
    ax.plot(along, _speed(along), color=INK, lw=4.0, alpha=0.25, label="truth")
    text = laws.table["equation"][0]
    ax.plot(along, laws.predict_law(along[:, None], 0), color=BLUE, lw=1.8,
            label=f"best: {text} ({laws.weights[0]:.0%})")  # fmt: skip
    ax.plot(field[:seen], speed[:seen], "o", color=INK, ms=3.2, alpha=0.7)
    ax.plot(field[seen:], speed[seen:], "D", color=RED, ms=6.5, mec="white", zorder=4)
    for low, high in ((0.1, field[:seen].min()), (field[:seen].max(), 4.0)):
        ax.axvspan(low, high, color=GREY, alpha=0.15, lw=0, zorder=0)
    ax.set(xlabel="field E (grey: beyond the first data)", xlim=(0.1, 4.0), ylim=(-0.35, 1.95),
           xscale="log")  # fmt: skip
    ax.set_xticks([0.1, 0.3, 1.0, 3.0], ["0.1", "0.3", "1", "3"])
    ax.minorticks_off()
    ax.legend(loc="upper left", borderaxespad=0.2)


def table_figure() -> Figure:
    """Draw a set of laws at 1 % and 20 % noise, and after five points where the set parts."""
    quiet, loud = _creep(0.01), _creep(0.2)
    more: list[float] = []
    wiser = loud
    for _ in range(ROUNDS):
        part = wiser[0].discriminating_ranges
        place = float(part.loc[part["difference_over_noise"].idxmax(), "E"])
        more += [place] * 5
        wiser = _creep(0.2, tuple(more))
    figure = Figure(figsize=(13.0, 4.0), layout="constrained")
    said = ("1 % noise", "20 % noise", f"{len(more)} points more")
    panels = zip(figure.subplots(1, 3, sharey=True), (quiet, loud, wiser), said, strict=True)
    for letter, (ax, found, words) in zip("abc", panels, strict=True):
        _draw_laws(ax, found)
        ax.set_ylabel("speed of a wall v" if letter == "a" else "")
        size = found[0].n_credible()
        measured.panel_letter(ax, letter, f"{words}: {size} law{'s' if size > 1 else ''}")
    return figure


def _film(seed: int) -> xr.DataArray:
    """Return an Allen-Cahn film, du/dt = u - u^3 + lap u, without noise."""
    start = 0.2 * np.random.default_rng(seed).normal(size=(72, 72))
    film = simulate_ginzburg_landau(
        LandauPotential(a=-1.0, c=1.0), start, frame_times=np.linspace(0.5, 6.0, 80),
        pixel_size=PIXEL, method="spectral", time_step=STEP,
    )  # fmt: skip
    return film.rename("u")


def _noisy(film: xr.DataArray, share: float, seed: int) -> xr.DataArray:
    noise = np.random.default_rng(seed).standard_normal(film.shape)
    return film + share * float(film.std()) * noise


def _laws_of(film: xr.DataArray, options: FieldLawOptions | None) -> EquationSet:
    return cast("EquationSet", discover_field_law(film, options=options))  # of one field


def _constants(laws: EquationSet) -> dict[str, tuple[float, float]]:
    """Return constant and standard error of every planted term, of the first law with just these.

    Empty where no law of the list has them.
    """
    for law in laws.equations:
        names = [str(term.program[0]) for term in law.terms]
        if sorted(names) == sorted(ALLEN_CAHN) and law.covariance is not None:
            errors = np.sqrt(np.diag(law.covariance))
            return dict(zip(names, zip(law.constants, errors, strict=True), strict=True))
    return {}


def film_figure() -> Figure:
    """Draw a film, with noise and without, its law's terms, and the constants against noise."""
    film = _film(1)
    figure = Figure(figsize=(13.0, 3.9), layout="constrained")
    grid = figure.add_gridspec(3, 4, width_ratios=(1, 1, 1, 1.4))
    for place, letter, picture, words in (
        (0, "a", film, "without noise"), (1, "b", _noisy(film, 0.3, 2), "what is given"),
    ):  # fmt: skip
        ax = figure.add_subplot(grid[:, place])
        ax.imshow(picture[-1], cmap="RdBu_r", vmin=-1.8, vmax=1.8)
        ax.set(xticks=[], yticks=[])
        measured.panel_letter(ax, letter, words)
    _draw_terms(figure.add_subplot(grid[:, 2]), _laws_of(_noisy(film, 0.3, 2), None))
    first = figure.add_subplot(grid[0, 3])
    rest = [figure.add_subplot(grid[row, 3], sharex=first) for row in (1, 2)]
    _draw_constants([first, *rest], film)
    return figure


def _draw_terms(ax: Axes, laws: EquationSet) -> None:
    """Draw the probability of every candidate term."""
    share = dict.fromkeys(laws.variables, 0.0)
    for law, weight in zip(laws.equations, laws.weights, strict=True):
        for term in law.terms:
            share[str(term.program[0])] = share.get(str(term.program[0]), 0.0) + float(weight)
    names = sorted((n for n in share if n != "1"), key=lambda n: (n not in ALLEN_CAHN, -share[n]))
    colors = [BLUE if name in ALLEN_CAHN else GREY for name in names]
    ax.barh(range(len(names)), [share[name] for name in names], color=colors, height=0.65)
    ax.set_yticks(range(len(names)), [SAID.get(name, name) for name in names])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.02), xlabel="probability of the term")
    measured.panel_letter(ax, "c", "terms (blue: true)")


def _draw_constants(axes: list[Axes], film: xr.DataArray) -> None:
    """Draw constants over the truth against noise, with and without what takes the bias off."""
    plain = FieldLawOptions(instruments=False, debias=False, terms=list(ALLEN_CAHN))
    rows = dict(zip(ALLEN_CAHN, axes, strict=True))
    for options, color, mark, shift, words in (
        (None, BLUE, "o", 0.97, "even with odd frames, cleared powers"),
        (plain, RED, "D", 1.03, "neither"),
    ):  # fmt: skip
        for share in SHARES:
            laws = _laws_of(_noisy(film, share, 2), options)
            for name, (value, error) in _constants(laws).items():
                rows[name].errorbar(
                    100 * share * shift, value / ALLEN_CAHN[name],
                    HALF_WIDTH * error / abs(ALLEN_CAHN[name]), fmt=mark, color=color, ms=4.5,
                    lw=1.4,
                )  # fmt: skip
        axes[0].plot([], [], mark, color=color, ms=4.5, label=words)
    for name, ax in rows.items():
        ax.axhline(1.0, color=INK, lw=0.8, zorder=0)
        ax.set(xscale="log", ylabel=SAID[name], ylim=(0.85, 1.15) if name != "u" else (0.93, 1.23))
        ax.set_xticks([5, 10, 20, 30, 50], ["5", "10", "20", "30", "50"])
        ax.minorticks_off()
        ax.tick_params(labelbottom=name == "lap_u")
    axes[0].legend(loc="upper left", borderaxespad=0, handletextpad=0.2)
    axes[2].set_xlabel("noise (% of the field's sd)")
    measured.panel_letter(axes[0], "d", "constants over truth, 90 %")


def wall_figure() -> Figure:
    """Draw walls that creep, and the law of their speed beside the regression of contours."""
    field = np.repeat([0.5, 0.8, 1.2, 1.8, 2.5], 5)
    options = WallVideoOptions(noise_sd=0.5)
    force = _planted(field) / options.drive_mobility
    scene = make_wall_video((224, 224), len(field), options=options, drive=force, rng=1)
    track = replace(track_walls(scene.video), drive=field)
    laws, speeds = discover_wall_law(track, rng=1), measure_wall_speeds(track, 1)
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.3), height_ratios=(2, 1.1))
    left = figure.add_subplot(grid[:, 0])
    right, rest = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    plot_walls(scene.video, track, len(field) - 1, ax=left)
    measured.panel_letter(left, "a", "walls in the last frame")
    along = np.linspace(0.25, 3.0, 200)
    flat = np.column_stack([along, np.zeros_like(along)])
    best, band = laws.predict_law(flat, 0), laws.predict_interval(flat, rng=1)
    errors = HALF_WIDTH * np.sqrt(np.diag(speeds.covariance))[: speeds.n_levels]
    table = track.table.assign(field=field[track.table["frame"]])
    means = table.groupby("field")["normal_velocity"].mean()
    for ax, truth in ((right, np.zeros_like), (rest, _planted)):
        ax.plot(along, _planted(along) - truth(along), color=INK, lw=4, alpha=0.25, label="planted")
        ax.fill_between(along, *(band.T - truth(along)), color=BLUE, alpha=0.25, lw=0)
        ax.plot(along, best - truth(along), color=BLUE, lw=1.8,
                label=f"{laws.table['equation'][0]} ({laws.weights[0]:.0%})")  # fmt: skip
        ax.errorbar(speeds.drive, speeds.speed - truth(speeds.drive), errors, fmt="o", color=INK,
                    ms=4, label="speed at each field, from the fronts")  # fmt: skip
        ax.plot(means.index, means - truth(means.index.to_numpy()), "x", color=RED, ms=7, mew=1.8,
                label="mean speed of the contours")  # fmt: skip
        ax.set_xlim(0.25, 3.0)
    right.tick_params(labelbottom=False)
    right.set_ylabel("speed of a flat wall\n(px/frame)")
    right.legend(loc="upper left", borderaxespad=0)
    right.set_ylim(-0.05, 2.3)
    rest.set(xlabel="field E", ylabel="less planted", ylim=(-0.08, 0.08))
    measured.panel_letter(right, "b", "law of the speed, with 90 %")
    return figure


def _planted(field: Floats) -> Floats:
    """Return the creep that is planted: the speed of a flat wall."""
    return np.asarray(2.5 * np.exp(-1.5 / field))


def _counted(case: str, content: dict[str, Any]) -> dict[str, int]:
    """Return how many fits of a case were selected and listed, of how many, of how many laws."""
    rows = content["cases"].get(case, {}).get("checks", [])
    return next((row["counts"] for row in rows if "counts" in row), {})


def peers_figure() -> Figure:
    """Draw how often each search selects and lists the true law, at 1 % and at 10 % noise."""
    content = measured.results("laws.json", "benchmarks.laws")
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for letter, ax, noise in zip("ab", axes, ("0.01", "0.1"), strict=True):
        counts = {who: _counted(case.format(noise), content) for who, (case, _) in SEARCHES.items()}
        if not counts["ours"]:
            raise measured.NoResultsError(
                "benchmarks/results/laws.json lacks the unseen laws: python -m benchmarks.laws"
            )
        shown = [who for who, found in counts.items() if found]
        for place, who in enumerate(shown):
            _draw_shares(ax, place, counts[who], SEARCHES[who][1])
        ax.set_xticks(range(len(shown)), shown)
        ax.set(ylim=(0, 1.09), ylabel="share of the fits" if letter == "a" else "")
        measured.panel_letter(ax, letter, f"{100 * float(noise):.0f} % noise")
    for alpha, words in ((1.0, "true law selected"), (0.4, "true law in its list")):
        axes[1].bar([np.nan], [np.nan], color=to_rgba(INK, alpha), label=words)
    axes[1].legend(loc="upper right")
    return figure


def _draw_shares(ax: Axes, place: int, counts: dict[str, int], color: str) -> None:
    """Draw two bars with 90 % intervals by the number of laws: the fits of one hang together."""
    for what, shift, alpha in (("selected", -0.2, 1.0), ("listed", 0.2, 0.4)):
        share, laws = counts[what] / counts["n"], counts["laws"]
        interval = binomtest(round(share * laws), laws).proportion_ci(0.9, method="exact")
        ax.bar(place + shift, share, 0.38, color=to_rgba(color, alpha))
        ax.plot([place + shift] * 2, [interval.low, interval.high], color=INK, lw=1.1)
        ax.text(place + shift, interval.high + 0.02, f"{share:.0%}", ha="center", size=9)


LAW_FIGURES: dict[str, Callable[[], Figure]] = {
    "laws_table": table_figure,
    "laws_film": film_figure,
    "laws_walls": wall_figure,
    "laws_peers": peers_figure,
}
