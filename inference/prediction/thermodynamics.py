"""What a fitted Hamiltonian predicts at other temperatures, the posterior carried through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    CREDIBLE_MASS,
    InputError,
    as_generator,
    check_array,
)
from physlearn.executors import ExecutorLike, open_workers
from physlearn.inference.energies.periodic_crystal import (
    USUAL_SIZES,
    make_crystal,
)
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of, theta_of
from physlearn.inference.prediction.order_transition import Transition
from physlearn.inference.prediction.picture_doubts import (
    check_composition,
    check_coupled,
    check_snapshot_temperature,
    composition_of,
    crystal_kind,
    energy_doubts,
    inherited_notes,
    picture_energies,
)
from physlearn.inference.prediction.prediction_steps import (
    Plan,
    locate_transition,
    pilot_order,
    prediction_warnings,
)
from physlearn.inference.prediction.thermal_runs import (
    LadderOptions,
    PieceCounter,
    check_quantities,
    jackknife_error,
    rung_coordinates,
    simulate_ladders,
)
from physlearn.records.storage import html_table
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["LadderOptions", "ThermodynamicPrediction", "predict_thermodynamics"]

Float = NDArray[np.float64]
USUAL_RATIOS = tuple(np.geomspace(0.5, 2.0, 13).round(4).tolist())
UNITS = {
    "energy": "kT of the picture, per site",
    "heat_capacity": "k, per site",
    "magnetization": "1",
    "order_parameter": "1",
    "susceptibility": "1 / kT, per site",
    "correlation_length": "nearest neighbour distance",
    "binder_cumulant": "1",
}


@dataclass(frozen=True, slots=True, eq=False)
class ThermodynamicPrediction:
    """Thermodynamics of a fitted Hamiltonian over temperatures, with its posterior's spread.

    Attributes
    ----------
    table
        One row a quantity and temperature: quantity, temperature_ratio (mean over draws where
        kelvin were asked for), temperature_k (NaN when unknown), mean, sd, q05, q95,
        monte_carlo_sd (error of one draw's value, part of ``sd``), unit.
    draws
        Every quantity of every posterior draw, dims draw, temperature.
    transition
        Where the crystal orders, or None: not asked for, or no order at the coldest temperature.
    ordering
        Pattern -> share of the posterior that orders in it at the coldest temperature, ``none``
        for no order.
    wavevectors
        Star of the commonest order in reciprocal units, shape (n_star, d).
    crystal
        Kind and cells of the crystal that was simulated.
    warnings
        What makes the prediction doubtful.
    settings
        Numbers of the simulation: sites, draws, rungs, swap acceptance, effective replicas, seed.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.3]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> few = LadderOptions(n_draws=8, burn_in_sweeps=40, n_sweeps=40, most_rounds=1)
    >>> found = predict_thermodynamics(fit, [0.4, 1.0], shape=(8, 8), options=few, rng=1)
    >>> found.ordering
    {'uniform': 1.0}
    """

    table: pd.DataFrame
    draws: xr.Dataset
    transition: Transition | None
    ordering: dict[str, float]
    wavevectors: Float
    crystal: str
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    _repr_html_ = html_table

    def __repr__(self) -> str:
        main = max(self.ordering, key=lambda name: self.ordering[name])
        return (
            f"ThermodynamicPrediction({self.crystal}, order when cold: {main} "
            f"({self.ordering[main]:.2f}), {self.transition!r}, {len(self.warnings)} warnings)"
        )


def predict_thermodynamics(
    fit: Fit,
    temperature_ratio: ArrayLike | None = None,
    *,
    temperature_k: ArrayLike | None = None,
    snapshot_temperature: tuple[float, float] | None = None,
    lattice: str | None = None,
    shape: Sequence[int] | None = None,
    quantities: Sequence[str] | None = None,
    transition: bool = True,
    options: LadderOptions | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    executor: ExecutorLike | None = None,
) -> ThermodynamicPrediction:
    """Predict order and thermodynamics of a fitted lattice Hamiltonian at other temperatures.

    A pattern holds couplings over kT at the temperature T_s where it froze, so temperatures are
    ratios T / T_s: at ratio t the crystal has p(s) ~ exp(theta . T(s) / t). The couplings are
    taken as energies, which do not depend on temperature. Posterior draws are carried through, one
    replica a draw and temperature, coupled by parallel tempering; samples of all draws serve all
    draws by MBAR.

    Quantities, per site: ``energy`` -theta . T / N; ``heat_capacity`` Var(E / kT) / N;
    ``magnetization`` mean |m| of the vectors of the states (-1 and +1 for two); ``order_parameter``
    root of the share of the pattern's variance in the peak of its structure factor, the same for a
    ferromagnet; ``susceptibility`` N (<o^2> - <o>^2); ``correlation_length`` (second moment of
    the peak, a lower bound where it nears the crystal's size); ``binder_cumulant``.

    Parameters
    ----------
    fit
        From ``fit_lattice_hamiltonian``.
    temperature_ratio
        T / T_s, positive; None takes 13 from 1/2 to 2.
    temperature_k
        Absolute temperatures instead, in kelvin; needs ``snapshot_temperature``.
    snapshot_temperature
        Mean and standard deviation, in kelvin, of the temperature where the pattern froze.
    lattice
        ``square``, ``triangular``, ``honeycomb``, ``sc``, ``bcc`` or ``fcc``, as in the
        pictures; None recognises it.
    shape
        Cells of the periodic crystal along each axis, slowest first; even numbers let the
        transition be found from two sizes.
    quantities
        Some of the above; None gives all.
    transition
        Whether to look for a transition between the coldest and the hottest temperature.
    options
        Draws, sweeps and rounds, ``LadderOptions``.
    rng
        Seed or generator.
    progress
        Called with (pieces done, pieces known so far).
    executor
        Spreads blocks of draws over workers, see `physlearn.executors`; changes no number.

    Returns
    -------
    ThermodynamicPrediction
        Table, draws, transition, ordering and warnings.

    Raises
    ------
    InputError
        For temperatures that are not positive, kelvin without ``snapshot_temperature`` or one
        against the fit's reference, a fit whose crystal is not known or not ``lattice``, a fixed
        composition that rounds to one state, or unknown quantities.

    Notes
    -----
    Binder (1981), doi:10.1007/BF01293604; Shirts & Chodera (2008), doi:10.1063/1.2978177.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.3]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> few = LadderOptions(n_draws=8, burn_in_sweeps=40, n_sweeps=40, most_rounds=1)
    >>> prediction = predict_thermodynamics(fit, [1.5], shape=(8, 8), options=few, rng=1)
    >>> prediction.crystal
    'square 8 x 8'
    """
    import pandas as pd

    chosen = options or LadderOptions()
    wanted_names = check_quantities(None if quantities is None else tuple(quantities))
    generator, seed = as_generator(rng)
    family = check_coupled(family_of(fit))
    snapshots = snapshots_of(fit)
    kind = crystal_kind(lattice, snapshots)
    crystal = make_crystal(kind, shape or USUAL_SIZES[kind], family.n_shells)
    theta = some_draws(theta_of(fit)[:, : family.n_parameters], chosen.n_draws, generator)
    scale, kelvin, wanted = ladder_temperatures(
        temperature_ratio, temperature_k, snapshot_temperature, len(theta), generator
    )
    clash = check_snapshot_temperature(fit, snapshots, snapshot_temperature)
    composition = check_composition(composition_of(family, snapshots), crystal)
    with open_workers(executor) as workers:
        plan = Plan(
            family, crystal, theta, scale, kelvin, wanted, composition, chosen, generator,
            workers, PieceCounter(progress),
        )  # fmt: skip
        rungs = rung_coordinates(wanted, crystal.graph.n_sites, plan.pull)
        order = pilot_order(plan, rungs)
        ratios, judged = plan.ratios(rungs), np.searchsorted(rungs, wanted)
        values, numbers = simulate_ladders(
            family, crystal, order.modes, theta, ratios, chosen, generator, needed=judged,
            composition=plan.composition, workers=workers, progress=plan.counter,
        )  # fmt: skip
        found = locate_transition(plan, order, rungs) if transition else None
    here = {name: values[name] for name in wanted_names}
    at_k = None
    if snapshot_temperature is not None:
        at_k = wanted * (1.0 if temperature_k is not None else float(snapshot_temperature[0]))
    pictured = picture_energies(fit, family, snapshots, crystal, theta)
    doubts = (
        *inherited_notes(fit, family, snapshots, kind), *clash,
        *energy_doubts(pictured, ratios[:, judged], values),
        *prediction_warnings(plan, order, found, values),
    )  # fmt: skip
    return ThermodynamicPrediction(
        pd.DataFrame(summary_rows(here, ratios[:, judged], at_k)),
        _dataset(here, ratios[:, judged]),
        found,
        _shares(list(order.names)),
        order.modes.wavevectors,
        f"{kind} {' x '.join(str(size) for size in crystal.sizes)}",
        doubts,
        {
            "n_sites": crystal.graph.n_sites, "n_draws": len(theta), "rungs": rungs.tolist(),
            "seed": seed, "composition": None if composition is None else composition.tolist(),
            **numbers,
        },
    )  # fmt: skip


def _shares(names: list[str]) -> dict[str, float]:
    """Return the share of the draws that order in each way."""
    return {name: names.count(name) / len(names) for name in sorted(set(names))}


def some_draws(theta: Float, n_draws: int, rng: np.random.Generator) -> Float:
    """Return draws without repetition, spread over the posterior's."""
    if len(theta) <= n_draws:
        return theta
    return theta[np.sort(rng.choice(len(theta), n_draws, replace=False))]


def ladder_temperatures(
    ratio: ArrayLike | None,
    kelvin: ArrayLike | None,
    snapshot: tuple[float, float] | None,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[Float, Float | None, Float]:
    """Return each draw's unit of temperature, its T_s in kelvin or None, and what is wanted."""
    if ratio is not None and kelvin is not None:
        raise InputError("temperature_ratio and temperature_k exclude each other; give one.")
    name = "temperature_ratio" if kelvin is None else "temperature_k"
    given = USUAL_RATIOS if ratio is None else ratio
    wanted = np.unique(check_array(name, np.atleast_1d(given if kelvin is None else kelvin)))
    if wanted[0] <= 0:
        raise InputError(f"{name} must be positive; got {wanted[0]:g}.")
    if snapshot is None:
        if kelvin is not None:
            raise InputError(
                "temperature_k needs snapshot_temperature=(mean, sd) in kelvin: a pattern holds "
                "couplings over kT at the temperature where it froze; or give temperature_ratio."
            )
        return np.ones(n_draws), None, wanted
    mean, sd = (
        float(number) for number in check_array("snapshot_temperature", snapshot, shape=(2,))
    )
    if mean <= 0 or not 0 <= sd < mean / 2:
        raise InputError(
            "snapshot_temperature must be a positive mean and a standard deviation below half of "
            f"it, in kelvin; got ({mean:g}, {sd:g})."
        )
    frozen = mean + sd * rng.standard_normal(n_draws)
    while np.any(frozen <= 0):
        low = frozen <= 0
        frozen[low] = mean + sd * rng.standard_normal(low.sum())
    return (np.ones(n_draws) if kelvin is None else frozen), frozen, wanted


def summary_rows(
    values: dict[str, Float], ratios: Float, kelvin: Float | None
) -> list[dict[str, Any]]:
    """Return a row a quantity and temperature of values (1 + blocks, draws, temperatures)."""
    tails = [(1 - CREDIBLE_MASS) / 2, (1 + CREDIBLE_MASS) / 2]
    at_k = np.full(ratios.shape[1], np.nan) if kelvin is None else kelvin
    rows = []
    for name, value in values.items():
        whole, noise = value[0], jackknife_error(value)
        low, high = np.quantile(whole, tails, axis=0)
        for index, temperature in enumerate(at_k):
            rows.append(
                {
                    "quantity": name, "temperature_ratio": float(ratios[:, index].mean()),
                    "temperature_k": float(temperature), "mean": float(whole[:, index].mean()),
                    "sd": float(whole[:, index].std(ddof=1)), "q05": float(low[index]),
                    "q95": float(high[index]),
                    "monte_carlo_sd": float(np.sqrt((noise[:, index] ** 2).mean())),
                    "unit": UNITS[name],
                }
            )  # fmt: skip
    return rows


def _dataset(values: dict[str, Float], ratios: Float) -> xr.Dataset:
    import xarray as xr

    data: dict[str, Any] = {
        name: (("draw", "temperature"), value[0], {"units": UNITS[name]})
        for name, value in values.items()
    }
    data["temperature_ratio"] = (("draw", "temperature"), ratios)
    return xr.Dataset(data)
