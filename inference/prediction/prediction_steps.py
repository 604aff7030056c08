"""The steps of a prediction: which order, where the transition lies, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.executors import Workers
from physlearn.inference.energies.periodic_crystal import (
    OrderModes,
    PeriodicCrystal,
    make_crystal,
    uniform_mode,
)
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.prediction.order_transition import (
    Transition,
    binder_crossings,
    coordination,
    exact_ratios,
    highest_points,
    without_field,
)
from physlearn.inference.prediction.pattern_order import FoundOrder, find_order
from physlearn.inference.prediction.thermal_ladders import continue_tasks, make_tasks, sample_blocks
from physlearn.inference.prediction.thermal_runs import (
    LadderOptions,
    PieceCounter,
    jackknife_error,
    simulate_ladders,
)

__all__ = ["Plan", "locate_transition", "pilot_order", "prediction_warnings"]

Float = NDArray[np.float64]
PILOT_DRAWS = 16
PILOT_PICTURES = 8
PILOT_STEPS = 80
MARGIN = 0.04
FINE_STEP, FEWEST_FINE, MOST_FINE = 0.012, 9, 25
LEAST_GROWTH = 2.0
STEP_ACROSS = {"Binder crossing": 0.012, "susceptibility peak": 0.03, "heat capacity peak": 0.05}
"""How far these lie off in crystals of the usual sizes, where the answer is known."""
PARTING_SHIFT, PARTING_EDGE, PARTING_LOST = 1.5, 12.0, 0.5
"""How far below the boundary the heat capacity of parting phases peaks: less than 1.5 over the edge
in bonds (seen .09 at 12, .06 at 16), up to half in smaller crystals (.19 to .46 at 8).
"""

ISING_NU = {2: 1.0, 3: 0.63}
LARGE_NOISE = 0.5
AGREED, SURE = 0.9, 0.95
FAR_BELOW = 0.5
SMALLEST_EDGE = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """What is predicted, from which draws, and with which means.

    ``theta`` (D, d); a rung at temperature x is at ratio x / scale[k] for draw k; ``kelvin`` (D,)
    is each draw's T_s, or None.
    """

    family: LatticeFamily
    crystal: PeriodicCrystal
    theta: Float
    scale: Float
    kelvin: Float | None
    wanted: Float
    composition: Float | None
    options: LadderOptions
    rng: np.random.Generator
    workers: Workers
    counter: PieceCounter

    def ratios(self, rungs: Float) -> Float:
        """Return each draw's ratio at every rung, shape (D, J)."""
        return np.asarray(rungs[None, :] / self.scale[:, None])

    @property
    def pull(self) -> float:
        """The largest sum of couplings on a site, in kT at temperature 1 of the rungs."""
        return largest_pull(self.family, self.crystal, self.theta) * float(self.scale.mean())


def largest_pull(family: LatticeFamily, crystal: PeriodicCrystal, theta: Float) -> float:
    """Return a bound of what all neighbours together pull on a site at mean parameters, in kT."""
    _, pair, triplet = family.energies(theta.mean(axis=0))
    spread = (pair.max(axis=(1, 2)) - pair.min(axis=(1, 2))) / 2
    z = coordination(crystal.graph, family.n_shells)
    # a site belongs to about as many triangles of a motif as it has neighbours
    return float(z @ spread + np.abs(triplet).sum(axis=0).max(initial=0.0) * z.max())


def pilot_order(plan: Plan, rungs: Float) -> FoundOrder:
    """Find the order at the coldest rung from short runs of some draws.

    A field makes cold patterns uniform without any order. So other orders are looked for with the
    fitted field, a uniform one without it, wherever the model has such a form.
    """
    bare = without_field(plan.family, plan.theta, plan.crystal.graph)
    if bare is None:
        fixed = plan.family.fixed_composition
        return _cold_order(plan, rungs, "none" if fixed else "fluctuations")
    found = _cold_order(plan, rungs, "none")
    if found.ordered and not found.modes.uniform:
        return found
    without = _cold_order(replace(plan, theta=bare), rungs, "all")
    # what orders only without the field does not order
    return without if without.modes.uniform else found


def _cold_order(plan: Plan, rungs: Float, uniform: str) -> FoundOrder:
    """Run some draws from independent states and look at their coldest patterns."""
    some = np.unique(np.linspace(0, len(plan.theta) - 1, PILOT_DRAWS).astype(int))
    natural = plan.theta[some][:, None, :] / plan.ratios(rungs)[some][:, :, None]
    tasks = make_tasks(
        plan.family, plan.crystal, uniform_mode(plan.crystal), natural, (PILOT_STEPS, 1), plan.rng,
        plan.composition,
    )  # fmt: skip
    pictures = []
    plan.counter.expect(PILOT_PICTURES * len(tasks))
    for _ in range(PILOT_PICTURES):
        found = sample_blocks(tasks, plan.workers, plan.counter)
        cold = [part.codes.reshape(len(part.codes), -1, len(rungs))[:, :, 0] for part in found]
        pictures.append(np.concatenate(cold, axis=1).T)
        tasks = continue_tasks(tasks, found, PILOT_STEPS // PILOT_PICTURES, plan.rng)
    return find_order(plan.family, plan.crystal, np.stack(pictures, axis=1), uniform)


def half_crystal(crystal: PeriodicCrystal, modes: OrderModes) -> PeriodicCrystal | None:
    """Return the crystal of half the edge, where it holds the order; else None."""
    sizes = [size // 2 for size in crystal.sizes]
    even = all(size % 2 == 0 for size in crystal.sizes)
    if not even or min(sizes) < SMALLEST_EDGE or not modes.fits(sizes):
        return None
    return make_crystal(crystal.kind, sizes, crystal.graph.n_shells)


def locate_transition(plan: Plan, order: FoundOrder, rungs: Float) -> Transition | None:
    """Locate the transition of the commonest order between the coldest and hottest temperature.

    A uniform order that couples to a field is simulated without it: only there it is a transition.
    None without a range to search, or where cold patterns do not order.
    """
    search = (float(plan.wanted[0]), float(plan.wanted[-1]))
    if search[0] == search[1] or not order.ordered:
        return None
    bare = None
    if order.modes.uniform:
        bare = without_field(plan.family, plan.theta, plan.crystal.graph)
    theta, at_zero = (plan.theta, False) if bare is None else (bare, True)
    small = half_crystal(plan.crystal, order.modes)
    # fields and fixed shares favour one sign of these orders; their cumulants need not cross
    method = "Binder crossing"
    if plan.family.fixed_composition and not order.modes.longest:
        method = "susceptibility peak" if small is None else "susceptibility peaks extrapolated"
    elif small is None or (order.modes.uniform and not at_zero) or order.modes.longest:
        method = "heat capacity peak"
    plan = replace(plan, theta=theta)
    # peaks that are extrapolated lie all over the range; others are looked at closely
    once = method == "susceptibility peaks extrapolated"
    look = plan if once else replace(plan, options=replace(plan.options, most_rounds=1))
    about, growth = _crossings(look, order.modes, small, method, rungs)
    if np.isfinite(about).any() and not once:
        about, growth = _crossings(plan, order.modes, small, method, _near(rungs, about, search))
    sizes = " x ".join(str(size) for size in plan.crystal.sizes)
    halves = "" if small is None else " and " + " x ".join(str(size) for size in small.sizes)
    exact = exact_ratios(plan.family, theta, plan.crystal.kind, order.modes.name)
    found = about / plan.scale
    return Transition(
        found, None if plan.kelvin is None else found * plan.kelvin, exact,
        f"{method}, {sizes}{halves} cells",
        order.modes.name, growth, at_zero, search,
    )  # fmt: skip


def _crossings(
    plan: Plan,
    modes: OrderModes,
    small: PeriodicCrystal | None,
    method: str,
    rungs: Float,
) -> tuple[Float, float]:
    """Return each draw's transition in the rungs' unit, and how its susceptibility grows."""
    (inside,) = np.nonzero(rungs <= plan.wanted[-1] * (1 + 1e-9))
    both = []
    for crystal in (plan.crystal, small):
        if crystal is not None:
            values, _ = simulate_ladders(
                plan.family, crystal, modes, plan.theta, plan.ratios(rungs), plan.options,
                plan.rng, needed=inside, composition=plan.composition, workers=plan.workers,
                progress=plan.counter,
            )  # fmt: skip
            both.append({name: value[0] for name, value in values.items()})
    at = np.broadcast_to(rungs[inside], (len(plan.theta), len(inside)))
    growth = float("nan")
    if small is not None:
        tops = [values["susceptibility"].max(axis=1) for values in both]
        growth = float(np.median(tops[0] / tops[1]))
    if method == "Binder crossing":
        large, less = (values["binder_cumulant"] for values in both)
        return binder_crossings(large, less, at), growth
    if method == "heat capacity peak":
        return highest_points(both[0]["heat_capacity"], at), growth
    # the peak of a crystal of L cells lies off by a multiple of L ** (-1 / nu)
    tops = [highest_points(values["susceptibility"], at) for values in both]
    if len(tops) == 1:
        return tops[0], growth
    power = 2.0 ** (1 / ISING_NU[len(plan.crystal.sizes)])
    return (power * tops[0] - tops[1]) / (power - 1), growth


def _near(rungs: Float, about: Float, search: tuple[float, float]) -> Float:
    """Return close rungs around the first guesses, and the hotter ones of before."""
    found = about[np.isfinite(about)]
    low = max(float(found.min()) * (1 - MARGIN), search[0])
    high = min(float(found.max()) * (1 + MARGIN), search[1])
    n = int(np.clip(np.ceil(np.log(high / low) / FINE_STEP), FEWEST_FINE, MOST_FINE))
    return np.append(np.geomspace(low, high, n), rungs[rungs > high * (1 + MARGIN / 2)])


def prediction_warnings(
    plan: Plan,
    order: FoundOrder,
    found: Transition | None,
    values: dict[str, Float],
) -> list[str]:
    """Return what makes a prediction doubtful, in sentences."""
    rungs = plan.wanted
    ratios = plan.ratios(rungs).mean(axis=0)
    edge = min(plan.crystal.sizes) * float(np.linalg.norm(plan.crystal.basis[0]))
    edge /= plan.crystal.bond_length
    out = [*_transition_warnings(order, found, ratios, edge)]
    if ratios[0] < FAR_BELOW:
        out.append(
            f"at ratio {ratios[0]:.2g} the couplings weigh {1 / ratios[0]:.1f} times as much as in "
            "the picture: what it could not resolve (farther shells, triplets) grows alike"
        )
    long = values["correlation_length"][0].mean(axis=0) > edge / 6
    if long.any():
        named = ratios[long]
        out.append(
            f"between ratios {named.min():.3g} and {named.max():.3g} the correlation length nears "
            f"the crystal's edge of {edge:.3g}: numbers there are those of this size"
        )
    noisy = []
    for name in ("energy", "heat_capacity", "order_parameter", "susceptibility"):
        spread = values[name][0].std(axis=0)
        noise = np.sqrt((jackknife_error(values[name]) ** 2).mean(axis=0))
        large = noise > LARGE_NOISE * spread + 1e-12
        if large.any():
            noisy.append(f"{name} ({int(large.sum())} of {len(ratios)} temperatures)")
    if noisy:
        out.append(
            f"Monte Carlo error is more than half of the spread of {', '.join(noisy)}: see "
            "monte_carlo_sd; more n_sweeps narrow it"
        )
    return out


def _transition_warnings(
    order: FoundOrder, found: Transition | None, ratios: Float, edge: float
) -> list[str]:
    """Return what to say about order and transition."""
    out = []
    share = max(order.names.count(name) for name in set(order.names)) / len(order.names)
    if share < AGREED:
        kinds = ", ".join(
            f"{name} ({order.names.count(name) / len(order.names):.2f})"
            for name in sorted(set(order.names))
        )
        out.append(f"the posterior does not agree on the order at ratio {ratios[0]:.3g}: {kinds}")
    if found is None:
        if len(ratios) > 1 and not order.ordered:
            out.append(f"no order down to ratio {ratios[0]:.3g}: no transition was looked for")
        return out
    if found.probability < SURE:
        out.append(
            f"{1 - found.probability:.0%} of the posterior has no transition between "
            f"{found.search[0]:.3g} and {found.search[1]:.3g}: mean and interval leave it out"
        )
    known = next(size for name, size in STEP_ACROSS.items() if found.method.startswith(name))
    if order.modes.longest:
        known = max(known, PARTING_SHIFT / edge if edge >= PARTING_EDGE else PARTING_LOST)
    width = float(np.nanstd(found.ratios)) / found.mean if found.probability else np.nan
    if width < known:
        out.append(
            f"the transition's interval is narrower than what the crystal's size may shift it by, "
            f"about {known:.0%} of a {found.method.split(',')[0]}: take a larger shape"
            + ("" if found.exact_ratios is None else ", or exact_ratios")
        )
    if found.growth < LEAST_GROWTH:
        out.append(
            f"the susceptibility grows only {found.growth:.2g} times from half the size: rather a "
            "crossover than a transition"
        )
    if found.interval()[1] < 1 and ratios[0] < found.mean:
        out.append(
            f"order below ratio {found.mean:.3g} is not in the picture, which is disordered: it "
            "rests on couplings measured above the transition"
        )
    if found.interval()[0] > 1 and ratios[-1] > found.mean:
        out.append(
            f"the picture is ordered and disorder above ratio {found.mean:.3g} is not in it: it "
            "rests on couplings measured below the transition"
        )
    if found.at_zero_field:
        out.append(
            "the transition is that without a field; with the fitted one order sets in gradually"
        )
    return out
