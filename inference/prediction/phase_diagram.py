"""Order over composition and temperature, as a fitted Hamiltonian predicts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array
from physlearn.executors import ExecutorLike, open_workers
from physlearn.inference.energies.periodic_crystal import (
    USUAL_SIZES,
    PeriodicCrystal,
    make_crystal,
)
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of, theta_of
from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.inference.prediction.order_transition import Transition
from physlearn.inference.prediction.picture_doubts import (
    check_composition,
    check_coupled,
    crystal_kind,
    inherited_notes,
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
    rung_coordinates,
    simulate_ladders,
)
from physlearn.inference.prediction.thermodynamics import (
    ladder_temperatures,
    some_draws,
    summary_rows,
)
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PhaseDiagram", "predict_phase_diagram"]

Float = NDArray[np.float64]
QUANTITIES = ("order_parameter", "heat_capacity", "energy")


@dataclass(frozen=True, slots=True, eq=False)
class PhaseDiagram:
    """Which order a fitted crystal takes at each composition, and below which temperature.

    Attributes
    ----------
    boundary
        One row a composition: composition (share of the last state, in whole sites of the
        crystal), order (when coldest),
        order_probability, transition_ratio, q05, q95, transition_probability, method. NaN where
        nothing orders within the range.
    table
        As ``ThermodynamicPrediction.table``, with a column composition.
    transitions
        One ``Transition`` or None a composition.
    crystal
        Kind and cells of the crystal that was simulated.
    warnings
        What makes the diagram doubtful.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.3]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> few = LadderOptions(n_draws=8, burn_in_sweeps=40, n_sweeps=40, most_rounds=1)
    >>> diagram = predict_phase_diagram(fit, [0.4], [0.4, 1.2], shape=(8, 8), options=few, rng=1)
    >>> diagram.boundary["order"].tolist()
    ['phase separation']
    """

    boundary: pd.DataFrame
    table: pd.DataFrame
    transitions: tuple[Transition | None, ...]
    crystal: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def predict_phase_diagram(
    fit: Fit,
    composition: ArrayLike,
    temperature_ratio: ArrayLike | None = None,
    *,
    lattice: str | None = None,
    shape: Sequence[int] | None = None,
    options: LadderOptions | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    executor: ExecutorLike | None = None,
) -> PhaseDiagram:
    """Predict order and phase separation over composition and temperature.

    At every composition the numbers of the states are held fixed (terms of single sites then drop
    out) and the posterior's couplings are simulated as in ``predict_thermodynamics``. Order at a
    wavevector and parting into phases (the longest waves that the crystal holds) are told apart by
    the structure factor. A phase boundary is the peak of the heat capacity, of order at a
    wavevector the Binder crossing; on crystals of this size phases part below the true boundary,
    most so far from equal shares, where a droplet must first pay for its rim.

    Parameters
    ----------
    fit
        From ``fit_lattice_hamiltonian``, of two states.
    composition
        Shares of the last state, between 0 and 1.
    temperature_ratio, lattice, shape, options, rng, progress, executor
        As in ``predict_thermodynamics``.

    Returns
    -------
    PhaseDiagram
        Boundary and quantities with the posterior's spread.

    Raises
    ------
    InputError
        For more than two states, shares outside (0, 1) or of no whole site, and as in
        ``predict_thermodynamics``.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([-0.3]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> few = LadderOptions(n_draws=8, burn_in_sweeps=40, n_sweeps=40, most_rounds=1)
    >>> diagram = predict_phase_diagram(fit, [0.5], [0.4, 1.2], shape=(8, 8), options=few, rng=1)
    >>> diagram.boundary["order"].tolist()
    ['checkerboard']
    """
    generator, _ = as_generator(rng)
    family, chosen = check_coupled(family_of(fit)), options or LadderOptions(n_draws=32)
    shares = np.unique(check_array("composition", np.atleast_1d(composition), ndim=1))
    if family.n_states != 2:
        raise InputError(
            f"fit must have two states for a diagram over one composition; it has "
            f"{family.n_states}; predict_thermodynamics keeps the picture's own composition."
        )
    if shares[0] <= 0 or shares[-1] >= 1:
        raise InputError(
            f"composition must lie between 0 and 1, both excluded; got {shares[0]:g} to "
            f"{shares[-1]:g}."
        )
    snapshots = snapshots_of(fit)
    kind = crystal_kind(lattice, snapshots)
    crystal = make_crystal(kind, shape or USUAL_SIZES[kind], family.n_shells)
    fixed, theta = _at_fixed_composition(family, theta_of(fit)[:, : family.n_parameters])
    theta = some_draws(theta, chosen.n_draws, generator)
    scale, _, wanted = ladder_temperatures(temperature_ratio, None, None, len(theta), generator)
    counter = PieceCounter(progress)
    rows, boundary, transitions, doubts = [], [], [], []
    with open_workers(executor) as workers:
        for share in _whole_shares(shares, crystal):
            plan = Plan(
                fixed, crystal, theta, scale, None, wanted, np.array([1 - share, share]), chosen,
                generator, workers, counter,
            )  # fmt: skip
            found, line, part, said = _one_composition(plan, share)
            transitions.append(found)
            boundary.append(line)
            rows += part
            doubts += [f"composition {share:.4g}: {text}" for text in said]
    import pandas as pd

    return PhaseDiagram(
        pd.DataFrame(boundary), pd.DataFrame(rows), tuple(transitions),
        f"{kind} {' x '.join(str(size) for size in crystal.sizes)}",
        (*inherited_notes(fit, family, snapshots, kind), *doubts),
    )  # fmt: skip


def _whole_shares(shares: Float, crystal: PeriodicCrystal) -> list[float]:
    """Return the different shares of the last state that whole sites of the crystal give."""
    whole = [check_composition(np.array([1 - share, share]), crystal) for share in shares]
    return sorted({float(pair[1]) for pair in whole if pair is not None})


def _at_fixed_composition(family: LatticeFamily, theta: Float) -> tuple[LatticeFamily, Float]:
    """Return the same model without terms of single sites, and its parameters."""
    if family.fixed_composition:
        return family, theta
    fixed = lattice_family(
        family.model, family.state_values, family.n_shells, family.motifs, fixed_composition=True
    )
    return fixed, theta[:, [kind != "site" for kind in family.kinds]]


def _one_composition(
    plan: Plan, share: float
) -> tuple[Transition | None, dict[str, Any], list[dict[str, Any]], list[str]]:
    """Return the transition at one composition, its rows of boundary and table, and doubts."""
    rungs = rung_coordinates(plan.wanted, plan.crystal.graph.n_sites, plan.pull)
    order = pilot_order(plan, rungs)
    ratios, judged = plan.ratios(rungs), np.searchsorted(rungs, plan.wanted)
    values, _ = simulate_ladders(
        plan.family, plan.crystal, order.modes, plan.theta, ratios, plan.options, plan.rng,
        needed=judged, composition=plan.composition, workers=plan.workers, progress=plan.counter,
    )  # fmt: skip
    found = locate_transition(plan, order, rungs)
    names = list(order.names)
    main = max(set(names), key=names.count)
    low, high = (np.nan, np.nan) if found is None else found.interval()
    line = {
        "composition": share, "order": main, "order_probability": names.count(main) / len(names),
        "transition_ratio": np.nan if found is None else found.mean, "q05": low, "q95": high,
        "transition_probability": 0.0 if found is None else found.probability,
        "method": "" if found is None else found.method,
    }  # fmt: skip
    rows = summary_rows({name: values[name] for name in QUANTITIES}, ratios[:, judged], None)
    doubts = prediction_warnings(plan, order, found, values)
    if order.ordered and len(plan.wanted) == 1:
        doubts.insert(0, "one temperature holds no transition: none was looked for")
    return found, line, [{"composition": share, **row} for row in rows], doubts
