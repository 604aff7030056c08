"""The last step of a study: hypotheses from what was found, acts of the instrument, a plan."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step
from physlearn.phrases import SILENCING, doubts_of

if TYPE_CHECKING:
    from physlearn.causal import Action, ActionLibrary, Hypothesis, SafetyEnvelope
    from physlearn.results import Fit

__all__ = ["PLAN_STEPS", "PlanLimits", "plan_envelope"]


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What the instrument may do, in the one unit of dose that every picture has: its own.

    These are guesses for a plan to look at, and the report says so; set them to the instrument
    before a plan is run.

    Attributes
    ----------
    max_total_dose_pictures
        Sum of the doses, in doses of the picture that was studied.
    exposure_dose_pictures
        Dose that changes a patch column by one of its units, at one site.
    budget_minutes
        Time that all steps may take.
    picture_minutes, exposure_minutes, bias_minutes
        Time of one picture of the studied size, of one exposure, and of one step of the bias.
    reach
        Largest bias over the largest drive that was applied, of either sign.
    max_exposures
        Steps that cannot be undone.
    reference_share
        Radius of the untouched reference in the middle of the picture, over its width.
    """

    max_total_dose_pictures: float = 8.0
    exposure_dose_pictures: float = 2.0
    budget_minutes: float = 40.0
    picture_minutes: float = 4.0
    exposure_minutes: float = 2.0
    bias_minutes: float = 1.0
    reach: float = 1.0
    max_exposures: int = 3
    reference_share: float = 0.05


LIMITS = PlanLimits()
EXPOSED_COLUMN = "composition"
VOLTS = {"V": 1.0, "mV": 1e-3, "kV": 1e3, "uV": 1e-6, "µV": 1e-6, "MV": 1e6}
DRIVE_SHARES = (0.25, 0.5, 1.0)


def _plan(findings: Findings) -> None:
    from physlearn.causal import plan_interventions

    reasons: list[str] = []
    hypotheses = _hypotheses(findings, reasons)
    if not hypotheses:
        raise NotIdentified(
            "; ".join(reasons)
            or "nothing that was found leaves two explanations open that an act could tell apart."
        )
    findings.plan = plan_interventions(
        hypotheses,
        _acts(findings, LIMITS),
        plan_envelope(findings, LIMITS),
        LIMITS.budget_minutes,
        rng=findings.rng("plan"),
    )


def _hypotheses(findings: Findings, reasons: list[str]) -> list[Hypothesis]:
    """Return the open questions of every part of the study; a part without one adds nothing.

    Why the walls leave none is added to ``reasons``.
    """
    from physlearn.causal.law_hypotheses import hypotheses_from_couplings
    from physlearn.causal.study_hypotheses import hypotheses_from_graph, hypotheses_from_undecided

    found: list[Hypothesis] = []
    table, graph = findings.patches, findings.graph
    if table is not None and graph is not None:
        for outcome in dict.fromkeys(effect.outcome for effect in findings.effects):
            with suppress(NotIdentified):
                found += hypotheses_from_graph(table, graph, outcome)
        found += hypotheses_from_undecided(table, graph)
    bonds_per_site = _bonds_per_site(findings)
    if findings.couplings is not None and bonds_per_site > 0:
        with suppress(NotIdentified):  # raised when the couplings are settled: no question left
            found += hypotheses_from_couplings(
                findings.couplings,
                sites_per_area=_sites_per_area(findings),
                bonds_per_site=bonds_per_site,
            )
    try:
        found += _wall_hypotheses(findings, LIMITS)
    except NotIdentified as refusal:
        reasons.append(str(refusal).rstrip("."))
    return found


def _wall_hypotheses(findings: Findings, limits: PlanLimits) -> tuple[Hypothesis, ...]:
    """Return the laws of the drive that a bias inside the limits could tell apart.

    Nothing is extrapolated from a law that does not fit, and no drive is proposed that the sample
    has not borne already.
    """
    from physlearn.causal.actions import BIAS_LIMIT_V
    from physlearn.causal.law_hypotheses import hypotheses_from_wall_fit

    fit, track = findings.wall_fit, findings.track
    if track is None:
        return ()
    if fit is None:
        raise NotIdentified(
            "no law of these walls was found, from which a next film could be planned: cut the "
            "film to walls that stay apart (--region), or film longer"
        )
    if track.drive is None:
        raise NotIdentified(
            "no drive was given, from which a next one could be planned: if there was one, give it "
            "(--drive)"
        )
    if "drive_mobility" not in fit.variables:
        return ()
    rows = fit.summary().set_index("name")["verdict"]
    verdict = str(rows.get("drive_mobility", ""))
    if doubts_of(fit.warnings) or any(text in verdict for text in SILENCING):
        raise NotIdentified(
            "the wall law does not fit this film well enough to foresee another drive from it"
        )
    volts = _bias_range(findings, limits)
    if volts is None:
        raise NotIdentified(
            "no step of the bias can be planned from this drive: its unit is "
            f"{track.drive_unit or 'not known'}; name its column bias_V or bias_mV where it is a "
            f"bias of up to {BIAS_LIMIT_V:g} V"
        )
    scale = VOLTS[track.drive_unit]
    per_volt = {"drive_mobility": fit["drive_mobility"] / scale}
    unit = f"{track.unit}/{track.time_unit}"
    laws = hypotheses_from_wall_fit(cast("Fit", per_volt), scale * track.drive, unit=unit)
    if limits.reach <= 1 and all(law.name != "threshold" for law in laws):
        raise NotIdentified(
            "the laws of the drive that stay open differ only beyond the drives that were applied "
            f"({volts[0]:.3g} to {volts[1]:.3g} V), and whether the sample bears more this film "
            "cannot say: where it does, apply more and study that film"
        )
    return laws


def _bias_range(findings: Findings, limits: PlanLimits) -> tuple[float, float] | None:
    """Return the bias in volt that may be set: the drives that were applied, times the reach."""
    from physlearn.causal.actions import BIAS_LIMIT_V

    track = findings.track
    if track is None or track.drive is None or track.drive_unit not in VOLTS:
        return None
    scale = limits.reach * VOLTS[track.drive_unit]
    low, high = (scale * end(float(extreme), 0.0) for end, extreme in
                 ((min, track.drive.min()), (max, track.drive.max())))  # fmt: skip
    return None if max(-low, high) > BIAS_LIMIT_V else (low, high)


def _acts(findings: Findings, limits: PlanLimits) -> ActionLibrary:
    from physlearn.causal import Action, ActionLibrary
    from physlearn.causal.study_hypotheses import exposures

    acts: list[Action] = []
    if findings.image is not None:
        left, top, right, bottom = _view(findings)
        minutes = limits.picture_minutes
        for i, (across, down) in enumerate(((1, 0), (0, 1), (1, 1))):
            width, height = right - left, bottom - top
            size = 2.0 if i == 2 else 1.0
            x, y = left + across * width, top + down * height
            acts.append(
                Action(
                    "image",
                    {"x_min": x, "y_min": y, "x_max": x + size * width, "y_max": y + size * height},
                    dose=size**2,
                    duration_s=60 * minutes * size**2,
                    cost=minutes * size**2,
                )
            )
        acts += [
            Action("scan_again", {"n_repeats": n}, float(n), 60 * minutes * n, minutes * n)
            for n in (1, 3)
        ]
    library = ActionLibrary(tuple(acts))
    # Without sites there is no composition that an exposure could change
    if findings.patches is not None and findings.effects and findings.snapshots is not None:
        # What sits on the sites is all that an exposure changes; a strain or a response follows
        causes = [e.cause for e in findings.effects if e.cause == EXPOSED_COLUMN]
        for cause in dict.fromkeys(causes):
            library = library + exposures(
                findings.patches,
                cause,
                dose_per_unit=limits.exposure_dose_pictures,
                cost=limits.exposure_minutes,
                dose_rate=limits.exposure_dose_pictures / (60 * limits.exposure_minutes),
            )
    volts = _bias_range(findings, limits)
    if volts is not None:
        steps = [share * end for end in volts if end for share in DRIVE_SHARES]
        library = library + ActionLibrary(
            tuple(
                Action("change_bias", {"bias_V": bias}, 0.0,
                       60 * limits.bias_minutes, limits.bias_minutes)
                for bias in steps
            )
        )  # fmt: skip
    return library


def plan_envelope(findings: Findings, limits: PlanLimits) -> SafetyEnvelope:
    """Return the limits of the plan in the picture's own coordinates, its middle left untouched."""
    from physlearn.causal import SafetyEnvelope

    left, top, right, bottom = _view(findings)
    width, height = right - left, bottom - top
    middle = (0.5 * (left + right), 0.5 * (top + bottom), limits.reference_share * width)
    return SafetyEnvelope(
        limits.max_total_dose_pictures,
        (left, top, right + 2 * width, bottom + 2 * height),
        bias_limits_volt=_bias_range(findings, limits),
        max_irreversible=limits.max_exposures,
        forbidden_sites=(middle,) if findings.image is not None else (),
        dose_unit="pictures",
    )


def _view(findings: Findings) -> tuple[float, float, float, float]:
    """Return the edges (left, top, right, bottom) of the picture, or of the video's frames."""
    data = findings.image if findings.image is not None else findings.video
    if data is None:
        return 0.0, 0.0, 1.0, 1.0
    x, y = (data.coords[dim].to_numpy() for dim in ("x", "y"))
    return float(x[0]), float(y[0]), float(x[-1]), float(y[-1])


def _sites_per_area(findings: Findings) -> float:
    left, top, right, bottom = _view(findings)
    n_sites = 0 if findings.snapshots is None else findings.snapshots.n_observed
    return max(n_sites, 1) / ((right - left) * (bottom - top))


def _bonds_per_site(findings: Findings) -> float:
    """Return how many nearest-neighbour bonds the lattice that was found has, over its sites."""
    if findings.snapshots is None:
        return 0.0
    graph = findings.snapshots.graph
    return float(graph.multiplicity[graph.shell == 0].sum()) / graph.n_sites


PLAN_STEPS = (Step("plan", "Plan the next experiment", _plan),)
