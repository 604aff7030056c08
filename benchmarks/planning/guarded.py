"""With the guard: claims of truths inside the set, and of truths that no hypothesis describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.planning.campaigns import Run, guarded_run
from benchmarks.planning.cells import (
    Goal,
    coverage_row,
    met_of,
    row,
    runs_until_decided,
    said_share,
    wilson,
)
from benchmarks.planning.twin_worlds import WORLDS
from benchmarks.planning.worlds import Truth, World, inside, outside_of, planted, world_of_laws
from physlearn.causal import (
    DigitalTwin,
    Instrument,
    Planner,
    PlannerOptions,
    ResponseSample,
    SafetyEnvelope,
    SeverityOptions,
    declare_test,
    replicate_noise,
    run_campaign,
)

__all__ = ["CHECKS", "inside_rows", "outside_rows"]

N_LAWS = (500, 200, 100)
N_TWINS = (200, 100, 60)
"""Runs inside the set, pairs with random shots, and runs of every family outside."""
SMOOTH = (0.5, 1.0, 1.4, 1.8, 2.2)
LOCAL = (4.0, 8.0)
BINS = (0.0, 0.6, 0.9, 1.2, 1.6, np.inf)
CLAIM = Goal(lambda run: run.claimed, 0.93, True)
WRONG = Goal(lambda run: run.wrong, 0.02, False)


@lru_cache(maxsize=4)
def _test(world: World, options: SeverityOptions | None = None, noise_factor: float = 1.0) -> Any:
    return declare_test(world.table(noise_factor), options or SeverityOptions(), rng=1)


def _inside_row(what: str, runs: Sequence[Run], more: str = "") -> dict[str, Any]:
    claims, wrong = sum(run.claimed for run in runs), sum(run.wrong for run in runs)
    shots, n = np.mean([run.shots for run in runs]), len(runs)
    kinds = ", ".join(
        f"{sum(run.kind == kind for run in runs)} {kind}"
        for kind in ("none", "not separable", "abstain")
    )
    measured = f"claims {said_share(claims, n)}, wrong {said_share(wrong, n)}, "
    met = met_of(claims / n, 0.93, above=True) and met_of(wrong / n, 0.02, above=False)
    return row(
        what, f"{measured}shots {shots:.1f} ({kinds}){more}", "claims >= .93, wrong <= .02", met
    )


def inside_rows(world: World, n_runs: int, n_random: int) -> list[dict[str, Any]]:
    """Return what becomes of truths inside the set, by the severity design and at random."""
    test = _test(world)

    def run(seed: int, at_random: bool = False) -> Run:
        return guarded_run(world, test, inside(world, seed), seed, at_random=at_random)

    runs = runs_until_decided(run, [CLAIM, WRONG], n_runs)
    blind = [run(seed, True) for seed in range(min(n_random, len(runs)))]
    paired = runs[: len(blind)]
    ratio = np.mean([r.shots for r in paired]) / np.mean([r.shots for r in blind])
    claimed = [r for r in runs + blind if r.claimed]
    worded = sum("to within" in r.sentence and "Not tested" in r.sentence for r in claimed)
    fits = max(law.misfit for law in world.laws.values())
    emulated = f"; emulators leave up to {fits:.2f} noise sd" if fits else ""
    return [
        _inside_row(f"{world.name}, truth in the set", runs, emulated),
        row(
            f"{world.name}, shots beside random ones under the same rule",
            f"{np.mean([r.shots for r in paired]):.1f} against "
            f"{np.mean([r.shots for r in blind]):.1f} = {ratio:.2f} x ({len(blind)} pairs; random "
            f"claims {np.mean([r.claimed for r in blind]):.3f})",
            "<= .55 x", bool(ratio <= 0.55),
        ),
        row(f"{world.name}, claims worded 'to within' with what was not tested",
            f"{worded} of {len(claimed)}", "all", worded == len(claimed)),
    ]  # fmt: skip


def outside_rows(world: World, n_runs: int) -> list[dict[str, Any]]:
    """Return how often truths outside the set are claimed, by their distance."""
    test = _test(world)
    makers: dict[str, Callable[[int], Truth]] = {
        **{f: lambda seed, f=f: outside_of(world, f, seed) for f in world.outside},  # type: ignore[misc]
        **{
            f"smooth, rms {size:g}": lambda seed, size=size: planted(world, "smooth", size, seed)  # type: ignore[misc]
            for size in SMOOTH
        },
        **{
            f"local, peak {size:g}": lambda seed, size=size: planted(world, "local", size, seed)  # type: ignore[misc]
            for size in LOCAL
        },
    }
    found = {
        name: [guarded_run(world, test, make(seed), seed) for seed in range(n_runs)]
        for name, make in makers.items()
    }
    rows = []
    for name, runs in found.items():
        claims, n = sum(run.claimed for run in runs), len(runs)
        what = f"{world.name}, outside: {name}"
        away = np.median([run.distance for run in runs])
        measured = (
            f"false claims {said_share(claims, n)}, 'none' "
            f"{sum(run.kind == 'none' for run in runs) / n:.2f}, median distance {away:.2f}, "
            f"shots {np.mean([run.shots for run in runs]):.1f}"
        )
        owed = name == "local, peak 8"
        rows.append(
            row(what, measured, "<= .12" if owed else "", claims / n <= 0.12 if owed else None)
        )
    far = [run for name, runs in found.items() if not name.startswith("local") for run in runs]
    return rows + _by_distance(world, far)


def _by_distance(world: World, runs: Sequence[Run]) -> list[dict[str, Any]]:
    rows = []
    for low, high in pairwise(BINS):
        there = [run for run in runs if low <= run.distance < high]
        if not there:
            continue
        claims, n = sum(run.claimed for run in there), len(there)
        goal, met = "", None
        if low >= 1.6:
            goal, met = "<= .10 (upper bound)", bool(wilson(claims, n)[1] <= 0.10)
        elif low >= 1.2:
            goal, met = "<= .10", bool(claims / n <= 0.10)
        said = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
        rows.append(
            row(f"{world.name}, false claims at rms distance {said}", said_share(claims, n), goal,
                met)
        )  # fmt: skip
    return rows


def _not_separable(quick: bool) -> list[dict[str, Any]]:
    laws = world_of_laws()
    one, rows = laws.laws["switching, helped by dose"], []
    for what, listed in (
        ("the same law twice", {"one": one, "other": one}),
        ("the same law twice and another", {"one": one, "other": one,
                                            "saturating": laws.laws["saturating"]}),
    ):  # fmt: skip
        world = replace(laws, laws=listed, noise_sd=laws.noise_sd[: len(listed)], outside={})
        test = declare_test(world.table(), SeverityOptions(), rng=1)

        def run(seed: int, world: World = world, test: Any = test) -> Run:
            truth = replace(inside(replace(world, laws={"one": one}), seed), law=None)
            return guarded_run(world, test, truth, seed)

        runs = [run(seed) for seed in range(3 if quick else 300)]
        claims, told = sum(r.claimed for r in runs), sum(r.kind == "not separable" for r in runs)
        n = len(runs)
        rows.append(
            row(f"not separable: {what}",
                f"claims {said_share(claims, n)}, 'not separable' {told / n:.3f}, shots "
                f"{np.mean([r.shots for r in runs]):.1f}",
                "claims <= .01, the others 'not separable'",
                bool(claims / n <= 0.01 and told / n >= 0.95))
        )  # fmt: skip
    return rows


def _replicates(quick: bool) -> list[dict[str, Any]]:
    """Noise that nobody stated, from five readouts each of three acts; and noise stated wrong."""
    world, n = world_of_laws(), 3 if quick else 100
    acts = np.repeat([3, 30, 60], 5)

    def inferred(seed: int) -> Run:
        truth, rng = inside(world, seed), np.random.default_rng([401, seed])
        readouts = truth.mean[acts] + truth.noise_sd[acts] * rng.standard_normal(len(acts))
        noise = replicate_noise(acts, readouts)
        options = SeverityOptions(noise_dof=noise.dof)
        table = world.table(noise.sd / 0.15)
        return guarded_run(world, declare_test(table, options, rng=1), truth, seed)

    def stated(seed: int) -> Run:
        return guarded_run(world, _test(world), inside(world, seed), seed, noise_factor=1.3)

    wrongly = [stated(seed) for seed in range(n)]
    claims = sum(run.claimed for run in wrongly)
    false = [run for run in wrongly if run.wrong]
    return [
        _inside_row("noise inferred from 15 replicates", [inferred(s) for s in range(n)]),
        row("noise stated 1.3 times too small",
            f"claims {said_share(claims, n)}, wrong {said_share(len(false), n)}"),
    ]  # fmt: skip


def _drift(quick: bool) -> list[dict[str, Any]]:
    """Even drift of .13 noise sd a shot, with and without reference shots at one act."""
    world, n, per_s = world_of_laws(), 3 if quick else 100, 0.002
    guarded = SeverityOptions(reference_every=4, drift_sd=0.2, drift_time_s=100.0)
    rows = []
    for what, options, drift in (
        ("no drift, no reference shots", None, 0.0),
        ("drift, no reference shots", None, per_s),
        ("drift, reference shots", guarded, per_s),
        ("no drift, reference shots", guarded, 0.0),
    ):
        test = _test(world, options)
        runs = [
            guarded_run(
                world, test, inside(world, seed), seed, drift_per_s=drift, reference=35
            )
            for seed in range(n)
        ]  # fmt: skip
        if options is None:
            untested = [r.verdict.untested for r in runs if r.verdict is not None]
            named = sum(any("drift" in part for part in parts) for parts in untested)
            claims, wrong = sum(r.claimed for r in runs), sum(r.wrong for r in runs)
            rows.append(
                row(f"{what}: the verdict names drift as untested",
                    f"{named} of {n}; claims {claims / n:.3f}, wrong {wrong / n:.3f}", "all",
                    named == n)
            )  # fmt: skip
            continue
        rows.append(_inside_row(what, runs))
        true = [drift * 10.0 * (r.shots - 1) / 0.15 for r in runs]
        checks = [r.verdict.drift for r in runs if r.verdict is not None]
        held = [
            abs(c.estimate - t) <= 1.645 * c.sd
            for c, t in zip(checks, true, strict=True) if c.tested
        ]  # fmt: skip
        rows.append(coverage_row(f"{what}: interval of the drift over the run", held))
    return rows


def _full(quick: bool) -> list[dict[str, Any]]:
    """Whole planners on whole twins: what the fast mode leaves out changes nothing."""
    world, rows = world_of_laws(), []
    envelope = SafetyEnvelope(1e4, (0, 0, 1, 1), bias_limits_volt=(-10, 10))
    place = {(a.number("bias_V"), a.dose): j for j, a in enumerate(world.actions)}

    def run(truth: Truth, seed: int) -> Run:
        law = ResponseSample(lambda act: float(truth.mean[place[act.number("bias_V"), act.dose]]))
        twin = DigitalTwin(law, Instrument(readout_noise_sd=0.15, pictures=False), rng=seed)
        planner = Planner(
            world.hypotheses(), world.actions, envelope, 60.0, severity=SeverityOptions(),
            rng=seed, options=PlannerOptions(n_members=1000),
        )  # fmt: skip
        campaign = run_campaign(planner, twin)
        told = planner.verdict().hypothesis
        right = truth.law is not None and told == world.names[truth.law]
        return Run(campaign.verdict, right, len(campaign.steps), twin.dose, truth.distance)

    n = 2 if quick else 50
    rows.append(
        _inside_row("full mode (Planner and DigitalTwin), response laws, truth in the set",
                    [run(inside(world, s), s) for s in range(n)])
    )  # fmt: skip
    false = sum(run(planted(world, "smooth", 2.0, s), s).claimed for s in range(n))
    what, said = "full mode, response laws, outside: smooth, rms 2", said_share(false, n)
    rows.append(row(what, f"false claims {said}", "<= .10", false / n <= 0.10))
    return rows


def world_checks(
    name: str,
    make: Callable[[], World],
    small: Callable[[], World],
    sizes: tuple[int, int, int] = N_TWINS,
) -> dict[str, Callable[[bool], list[dict[str, Any]]]]:
    """Return the two cases of a world."""
    return {
        f"guard, inside: {name}": lambda quick: (
            inside_rows(small(), 2, 2) if quick else inside_rows(make(), *sizes[:2])
        ),
        f"guard, outside: {name}": lambda quick: (
            outside_rows(small(), 1) if quick else outside_rows(make(), sizes[2])
        ),
    }


CHECKS: dict[str, Callable[[bool], list[dict[str, Any]]]] = {
    **world_checks("response laws", world_of_laws, world_of_laws, N_LAWS),
    "guard: not separable": _not_separable,
    "guard: noise from replicates": _replicates,
    "guard: drift": _drift,
    "guard: full mode": _full,
}
for _name, _make in WORLDS.items():
    CHECKS |= world_checks(_name, _make, lambda make=_make: make(8))  # type: ignore[misc]
