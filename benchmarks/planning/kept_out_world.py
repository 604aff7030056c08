"""The world that was kept out of the design: atoms under the beam.

NOT FOR DESIGN. It is run only when planner and severity test no longer change, and whoever tunes
them does not look at its figures before then.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.planning.twin_worlds import of_samples
from benchmarks.planning.worlds import MakeSample, World
from physlearn.causal import Action, AtomSample

__all__ = ["kept_out_world"]


@lru_cache(maxsize=2)
def kept_out_world(n_samples: int = 64) -> World:
    """Atoms left on a fresh crystal after a dose at a rate: one hit, two hits, or dopants."""
    view = AtomSample(shape=(5, 5)).field_of_view
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), view, strict=True))
    acts = tuple(
        Action("expose_patch", area, float(dose), seconds, 1.0, irreversible=True)
        for dose in np.geomspace(100.0, 10_000.0, 7)
        for seconds in (0.3, 3.0, 30.0)
    )

    def atoms(**fixed: str) -> MakeSample:
        names = {
            "one hit": ("cross_section",),
            "two hits": ("cross_section", "healing_rate_hz"),
            "neighbours": ("cross_section", "neighbour_factor"),
        }[fixed["family"]]

        def make(p: np.ndarray) -> AtomSample:
            parts = dict(zip(names, np.exp(p), strict=True))
            return AtomSample(shape=(5, 5), family=fixed["family"], **parts)

        return make

    def doped(p: np.ndarray) -> AtomSample:
        return AtomSample(
            shape=(5, 5), cross_section=np.exp(p[0]), dopant_share=p[1], dopant_cross_section=1e-5
        )

    loss = (np.log(1e-4), np.log(1e-3))
    return of_samples(
        "atoms under the beam", acts,
        {
            "one hit": (atoms(family="one hit"), [loss]),
            "two hits": (atoms(family="two hits"), [loss, (np.log(0.1), np.log(2.0))]),
            "one hit, with dopants": (doped, [loss, (0.2, 0.6)]),
        },
        {"neighbours": (atoms(family="neighbours"), [loss, (np.log(1.5), np.log(4.0))])},
        0.05, n_samples=n_samples, max_total_dose=100_000.0,
    )  # fmt: skip
