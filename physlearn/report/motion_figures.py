"""The figures of a report on tracked particles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from physlearn.findings import Findings
from physlearn.report.draw_motion import plot_diffusion, plot_pair_force, plot_trajectory
from physlearn.report.drawing import blank_figure
from physlearn.report.picture import Place
from physlearn.report.places import diffusion_places, force_places
from physlearn.words import said_number

if TYPE_CHECKING:
    from physlearn.inference import Diffusion

__all__ = ["motion_figures"]


def motion_figures(
    findings: Findings,
) -> Iterator[tuple[str, Figure, str, str, list[Place]]]:
    """Yield name, figure, description, caption and places of every figure on tracked particles."""
    track = findings.trajectory
    if track is None:
        return
    wide, tall = np.ptp(track.positions[:, :2], axis=0)
    figure, ax = blank_figure((5.4, float(np.clip(5.4 * tall / max(wide, 1e-12), 2.0, 7.0))))
    plot_trajectory(track, ax=ax)
    yield (
        "tracks", figure, f"Paths of particles over {track.n_frames} frames.",
        f"Paths of the particles that were seen longest, of {track.n_particles:,} in all.",
        [],
    )  # fmt: skip
    found = findings.diffusion
    if found is not None:
        figure, ax = blank_figure((5.6, 3.8))
        plot_diffusion(found, ax=ax)
        yield (
            "diffusion", figure,
            f"Diffusion coefficient by lag; estimate {said_number(found.diffusion)} {found.unit}.",
            f"The diffusion coefficient that each lag shows. {_of_lags(found)}",
            diffusion_places(ax, found),
        )  # fmt: skip
    if findings.pair_force is not None:
        figure, ax = blank_figure((5.6, 3.8))
        plot_pair_force(findings.pair_force, ax=ax)
        p = float(findings.pair_force.diagnostics["p_no_force"])
        yield (
            "pair_force", figure,
            f"Force between two particles by distance; no force: p = {p:.2g}.",
            "The force between two particles by their distance, above 0 where they repel, with "
            "90 % intervals.",
            force_places(ax, findings.pair_force,
                         json.loads(findings.pair_force.attrs["units"])["force"]),
        )  # fmt: skip


def _of_lags(found: Diffusion) -> str:
    """Say what the figure by lag tells."""
    if found.flags.get("no_lag_holds"):
        return "Free diffusion describes none of them: the number depends on the lag."
    if found.min_lag > 1:
        return "Grey lags are left out: there the positions are smeared, and the numbers wrong."
    return "All lags are compatible with one number, as free diffusion demands."
