"""Three worlds of twins that the planner was tried on: Ising films, walls, confounded patches."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from benchmarks.planning.worlds import Law, MakeSample, World, emulated
from physlearn.causal import Action, IsingSample, StructuralSample, WallSample

__all__ = ["WORLDS", "confounded_world", "ising_world", "of_samples", "wall_world"]

Kinds = dict[str, tuple[MakeSample, list[tuple[float, float]]]]


def of_samples(
    name: str, acts: tuple[Action, ...], listed: Kinds, unlisted: Kinds, instrument_sd: float,
    *, n_samples: int = 64, edges: dict[str, tuple[tuple[str, str], ...]] | None = None,
    max_total_dose: float = 300.0,
) -> World:  # fmt: skip
    """Return the world of these kinds of samples; the unlisted ones no hypothesis has."""
    made: dict[str, tuple[Law, np.ndarray]] = {
        kind: emulated(make, bounds, acts, instrument_sd, 11 + k, n_samples=n_samples)
        for k, (kind, (make, bounds)) in enumerate({**listed, **unlisted}.items())
    }
    return World(
        name, acts, {kind: made[kind][0] for kind in listed},
        np.array([made[kind][1] for kind in listed]), {kind: made[kind] for kind in unlisted},
        instrument_sd, edges, max_total_dose,
    )  # fmt: skip


@lru_cache(maxsize=2)
def ising_world(n_samples: int = 64) -> World:
    """Films with or without a charged defect: bias on the whole film, pictures of its parts."""
    defect, other = (3.0, 3.0, 2.5), (8.0, 8.0, 2.5)
    common = {"shape": (12, 12), "sweeps_per_s": 2.0}
    acts = tuple(
        Action("change_bias", {"bias_V": float(bias)}, 0.0, 5.0, 1.0)
        for bias in np.linspace(-3, 3, 7)
    ) + tuple(
        Action("image", {"x_min": x, "y_min": y, "x_max": x + 5.0, "y_max": y + 5.0}, 0.1, 1.0, 1.0)
        for x in (0.0, 6.0)
        for y in (0.0, 6.0)
    )
    couplings, volt = (0.1, 0.3), (0.1, 0.3)
    return of_samples(
        "Ising film and defect", acts,
        {
            "clean": (
                lambda p: IsingSample(couplings=(p[0],), field_per_volt=p[1], **common),
                [couplings, volt],
            ),
            "defect": (
                lambda p: IsingSample(
                    couplings=(p[0],), field_per_volt=p[1], defects=((*defect, p[2]),), **common
                ),
                [couplings, volt, (-1.5, -0.4)],
            ),
            "built-in field": (
                lambda p: IsingSample(
                    couplings=(p[0],), field_per_volt=p[1], field=p[2], **common
                ),
                [couplings, volt, (-0.3, -0.05)],
            ),
        },
        {
            "random field": (
                lambda p: IsingSample(
                    couplings=(p[0],), field_per_volt=p[1], family="random field",
                    disorder_kt=p[2], **common,
                ),
                [couplings, volt, (0.5, 1.5)],
            ),
            "two defects": (
                lambda p: IsingSample(
                    couplings=(p[0],), field_per_volt=p[1],
                    defects=((*defect, -p[2]), (*other, p[2])), **common,
                ),
                [couplings, volt, (0.4, 1.5)],
            ),
        },
        0.2, n_samples=n_samples, max_total_dose=4.0,
    )  # fmt: skip


def _wall(family: str, **fixed: float) -> Callable[[np.ndarray], WallSample]:
    def make(p: np.ndarray) -> WallSample:
        parts = dict(zip(("force_per_volt", "pinning_strength", "thermal_energy"), p, strict=False))
        return WallSample(n_points=32, family=family, **{**fixed, **parts})

    return make


@lru_cache(maxsize=2)
def wall_world(n_samples: int = 64) -> World:
    """Velocity of a wall by bias and time: free, pinned, or creeping."""
    acts = tuple(
        Action("change_bias", {"bias_V": float(bias)}, 0.0, seconds, 1.0)
        for bias in np.linspace(0.5, 5.0, 8)
        for seconds in (3.0, 12.0)
    )
    force, pinning = (0.1, 0.3), (0.2, 0.6)
    return of_samples(
        "walls with pinning", acts,
        {
            "free": (_wall("clean"), [force]),
            "pinned": (_wall("random medium"), [force, pinning]),
            "creeping": (_wall("random medium"), [force, (0.4, 1.0), (0.3, 1.5)]),
        },
        {"washboard": (_wall("washboard"), [force, pinning])},
        0.05, n_samples=n_samples,
    )  # fmt: skip


@lru_cache(maxsize=2)
def confounded_world(n_samples: int = 64) -> World:
    """Patches whose two columns cause one another, or are only driven by one background."""
    acts = tuple(
        Action(
            "expose_patch",
            {"x_min": 2.0, "y_min": 2.0, "x_max": 7.0, "y_max": 7.0, "column": column, "to": to},
            1.0 + to**2, 1.0, 1.0, irreversible=True,
        )
        for column in ("driver", "response")
        for to in (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0)
    )  # fmt: skip

    def patches(arrow: str, family: str = "linear") -> MakeSample:
        return lambda p: StructuralSample(
            edge=10, arrow=arrow, effect=p[0], family=family, background_to_driver=p[1]
        )

    effect, background = (0.3, 1.2), (0.5, 1.5)
    first, second = "driver to response", "response to driver"
    return of_samples(
        "confounded patches", acts,
        {
            first: (patches(first), [effect, background]),
            second: (patches(second), [effect, background]),
            "background only": (patches("none"), [effect, background]),
        },
        {
            "threshold": (patches(first, "threshold"), [(0.5, 2.0), background]),
            "saturating": (patches(first, "saturating"), [(1.0, 3.0), background]),
        },
        0.8, n_samples=n_samples,
        edges={
            first: (("driver", "response"),), second: (("response", "driver"),),
            "background only": (),
        },
    )  # fmt: skip


WORLDS: dict[str, Callable[..., World]] = {
    "Ising film and defect": ising_world,
    "walls with pinning": wall_world,
    "confounded patches": confounded_world,
}
