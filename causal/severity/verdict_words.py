"""Verdicts in words: what was claimed, what was tested, and what was not."""

from __future__ import annotations

from typing import Literal

import numpy as np

from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.severity.order_checks import OrderCheck

__all__ = ["Kind", "abstention", "sentence", "untested_parts"]

Kind = Literal["claim", "none", "not separable", "abstain", "continue"]


def untested_parts(
    evidence: Evidence, leader: int, drift: OrderCheck, memory: OrderCheck
) -> tuple[str, ...]:
    """Return what the shots could not have seen, in words."""
    options = evidence.test.options
    found = []
    if not drift.tested:
        found.append("drift over the shots (no two reference shots)")
    if not memory.tested:
        found.append("memory of the shots before (no action was repeated)")
    kinds = {c.kind for c in evidence.test.classes[leader]}
    # declared, but the hypothesis' own parameters take them up: nothing is left to exclude
    found += [f"{kind} deviations" for kind in ("smooth", "local") if kind not in kinds]
    if "local" in kinds:
        found.append(f"features narrower than {options.local_width:.0%} of the range")
    if not evidence.test.region.all():
        found.append("actions outside the region")
    return tuple(found)


def sentence(
    evidence: Evidence,
    kind: Kind,
    leader: int,
    drift: OrderCheck,
    untested: tuple[str, ...],
) -> str:
    """Return a verdict in words; `abstention` has those of "abstain"."""
    options, names = evidence.test.options, evidence.test.table.hypotheses
    weights, shots = evidence.weights(), _shots(evidence)
    limits = f"{_drifted(drift)} Not tested: {'; '.join(untested)}."
    if kind == "claim":
        kinds = [c.kind for c in evidence.test.classes[leader]]
        return (
            f"{names[leader]!r} describes the {int(evidence.test.region.sum())} actions of the "
            f"region to within {options.wording(kinds)} ({shots}, evidence {options.evidence:g} "
            f"against each). Smaller deviations cannot be excluded.{limits}"
        )
    if kind == "none":
        return (
            f"None of the hypotheses describes the readouts: {shots} are at least "
            f"{options.none_evidence:g} times likelier under a declared deviation.{limits} What "
            "was not tested may be the reason."
        )
    if kind == "not separable":
        order = np.argsort(-weights)
        left = order[: int(np.searchsorted(np.cumsum(weights[order]), options.threshold)) + 1]
        said = ", ".join(repr(names[k]) for k in sorted(left.tolist()))
        return f"{said} are not separable: no allowed act tells them apart ({shots})."
    return f"{names[leader]!r} has weight {weights[leader]:.2f} after {shots}; more are needed."


def abstention(
    evidence: Evidence,
    why: str,
    leader: int,
    drift: OrderCheck,
    untested: tuple[str, ...],
    passing: float | None,
) -> str:
    """Return why nothing is claimed; ``passing``: multiple of the deviations excluded by now."""
    if why == "drift":
        return (
            f"No claim: the reference shots drift by {drift.estimate:+.1f} +- {drift.sd:.1f} noise "
            "sd over the run. State drift_sd, so that drift is allowed for."
        )
    if why == "memory":
        return (
            "No claim: readouts of the same action depend on the shot before. Wait longer between "
            "shots, or make the state before each shot part of the action."
        )
    name, weight = evidence.test.table.hypotheses[leader], evidence.weights()[leader]
    if why == "members":
        return (
            f"No claim after {_shots(evidence)}: {name!r} has weight {weight:.2f}, but so few of "
            "the members that were drawn describe the readouts that the weight may be chance. "
            "Draw more members, or from a narrower range."
        )
    possible = (
        "no declared deviation up to 16 times as large could be excluded"
        if passing is None
        else f"deviations {passing:g} times as large as declared could be excluded"
    )
    return (
        f"No claim after {_shots(evidence)}: {name!r} has weight {weight:.2f}, and {possible}."
        f"{_drifted(drift)} Not tested: {'; '.join(untested)}."
    )


def _shots(evidence: Evidence) -> str:
    n_shots = len(evidence.history)
    return f"{n_shots} shot{'' if n_shots == 1 else 's'}"


def _drifted(drift: OrderCheck) -> str:
    if not drift.tested:
        return ""
    return (
        f" Drift over the run, from reference shots: {drift.estimate:+.1f} +- {drift.sd:.1f} "
        "noise sd."
    )
