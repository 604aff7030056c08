"""The steps of a study of tracked particles: diffusion, the force between them, their hops."""

from __future__ import annotations

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step

__all__ = ["TRACK_STEPS"]


def _check_tracks(findings: Findings) -> None:
    from physlearn.inference import check_trajectory

    if findings.trajectory is not None:
        findings.track_report = check_trajectory(findings.trajectory)


def _measure_diffusion(findings: Findings) -> None:
    from physlearn.inference import measure_diffusion

    if findings.trajectory is not None:
        findings.diffusion = measure_diffusion(findings.trajectory, rng=findings.rng("diffusion"))


def _measure_pair_force(findings: Findings) -> None:
    from physlearn.inference import measure_pair_force

    if findings.hopping:
        raise NotIdentified(
            "the particles rest and hop: what moves them is a barrier, not a force that could be "
            "read from their steps."
        )
    if findings.trajectory is not None and findings.diffusion is not None:
        findings.pair_force = measure_pair_force(
            findings.trajectory, rng=findings.rng("pair_force")
        )


def _find_drift(findings: Findings) -> None:
    from physlearn.checks import InputError
    from physlearn.inference import DriftLawOptions, discover_drift_law

    if findings.hopping:
        raise NotIdentified("the particles rest and hop: a barrier moves them, not a drift.")
    track, found = findings.trajectory, findings.diffusion
    if track is None or found is None:
        return
    options = DriftLawOptions(frames_apart=found.min_lag, search=False)
    try:
        findings.drift = discover_drift_law(track, options=options, rng=findings.rng("drift"))
    except InputError as refusal:  # tracks that this search does not take are no error of a study
        raise NotIdentified(str(refusal)) from refusal


def _find_hops(findings: Findings) -> None:
    from physlearn.datasets import find_hops
    from physlearn.inference import is_hopping

    track = findings.trajectory
    if track is not None and track.positions.shape[1] == 2 and is_hopping(track):
        findings.hopping = True
        findings.hops = find_hops(track)


def _fit_hop_rates(findings: Findings) -> None:
    from physlearn.inference import fit_hop_rates

    if findings.trajectory is not None:
        findings.hop_rates = fit_hop_rates(findings.trajectory, rng=findings.rng("hop_rates"))


TRACK_STEPS = (
    Step("linking", "Look at the linking", _check_tracks, ("trajectory",)),
    Step("hops", "Look for hops", _find_hops, ("trajectory",)),
    Step("hop_rates", "Fit the rates of hops", _fit_hop_rates, ("hopping",)),
    Step("diffusion", "Measure diffusion", _measure_diffusion, ("trajectory",)),
    Step("pair_force", "Measure the force between particles", _measure_pair_force, ("diffusion",)),
    Step("drift", "Search for a force on each particle", _find_drift, ("diffusion",)),
)
