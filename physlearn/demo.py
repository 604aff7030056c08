"""The main job on embedded data with a planted truth, and the same over many seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError
from physlearn.findings import Findings, PlantedTruth, Step, run_steps
from physlearn.results import plain_json
from physlearn.study import Progress, StudyResult, save_study
from physlearn.study_folder import check_out
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    from rich.table import Table

    from physlearn.datasets.synthetic.synthetic_stem import SyntheticStem
    from physlearn.datasets.synthetic.synthetic_walls import SyntheticWalls
    from physlearn.records import PatchTable

__all__ = ["demo_findings", "demo_seed_table", "run_demo", "write_seed_table"]

SITES, SMALL_SITES = (72, 72), (24, 24)
N_FRAMES, SMALL_FRAMES = 24, 6
RESPONSE, DISTRACTOR = "response", "distractor"
DIRECT_ONLY = (("dilation", RESPONSE), ("composition", DISTRACTOR))
"""Arrows whose coefficient is the whole effect: no second path leads the same way."""

BLURRED = ("composition", "dilation")
PATCH_SHARE = 0.64
"""The planted dilation follows the composition blurred over a lattice constant: of one patch that
is changed, this share arrives in the patch itself, the rest in its neighbours."""

JUDGED_STEPS = (
    "atoms", "species", "sites", "couplings", "patches", "graph", "effects", "domain_share",
    "walls", "wall_parameters",
)  # fmt: skip
SHORT_NAMES = {
    "couplings[1]": "J 1", "couplings[2]": "J 2", "drive_mobility": "drive",
    "curvature_mobility": "curvature",
}  # fmt: skip
INTERVAL_SDS = 2 * 1.6448536269514722
"""Width of a normal 90 % interval in standard deviations."""


def demo_findings(seed: int, *, small: bool = False) -> tuple[Findings, tuple[Step, ...]]:
    """Make the embedded picture and video of a seed; return them with the steps to run.

    Parameters
    ----------
    seed
        Of the data and of the inference.
    small
        Tiny data, to compile kernels or to test; steps may find too little in them.

    Examples
    --------
    >>> findings, steps = demo_findings(1, small=True)
    >>> findings.image.dims, sorted(findings.truth.parameters)[:2]
    (('y', 'x'), ['couplings[1]', 'couplings[2]'])
    """
    from physlearn.steps_campaign import CAMPAIGN_STEPS
    from physlearn.steps_image import IMAGE_STEPS
    from physlearn.steps_plan import PLAN_STEPS
    from physlearn.steps_video import VIDEO_STEPS

    steps = IMAGE_STEPS + VIDEO_STEPS + PLAN_STEPS + CAMPAIGN_STEPS
    return _planted_findings(seed, *_scenes(seed, small)), steps


def _scenes(seed: int, small: bool) -> tuple[SyntheticStem, SyntheticWalls]:
    from physlearn.datasets.synthetic.synthetic_stem import make_stem_image
    from physlearn.datasets.synthetic.synthetic_walls import make_wall_video

    picture_seed, video_seed = (
        int(word) for word in np.random.SeedSequence(seed).generate_state(2)
    )
    return (
        make_stem_image(SMALL_SITES if small else SITES, rng=picture_seed),
        make_wall_video(n_frames=SMALL_FRAMES if small else N_FRAMES, rng=video_seed),
    )


def _planted_findings(seed: int, scene: SyntheticStem, film: SyntheticWalls) -> Findings:
    planted = {f"couplings[{i}]": value for i, value in enumerate(scene.truth.couplings, start=1)}
    arrows = [(cause, effect) for cause, effect, *_ in scene.truth.edges]
    return Findings(
        "From a picture to the next experiment",
        seed,
        source="embedded data",
        image=scene.image,
        channels=scene.channels,
        video=film.video,
        truth=PlantedTruth(
            {"field": scene.truth.field, **planted, **film.truth},
            causes=tuple(arrow for arrow in arrows if arrow[1] == RESPONSE),
            distractors=(DISTRACTOR,),
            arrows=tuple(arrows),
            slopes={
                (cause, effect): slope
                for cause, effect, slope, _ in scene.truth.edges
                if (cause, effect) in DIRECT_ONLY
            },
            patches=_planted_patches(scene),
            mechanisms={
                (cause, effect): slope * (PATCH_SHARE if (cause, effect) == BLURRED else 1.0)
                for cause, effect, slope, _ in scene.truth.edges
            },
        ),
    )


def _planted_patches(scene: SyntheticStem) -> PatchTable:
    from physlearn.records import PatchTable

    truth = scene.truth.patches
    columns = [name for name in truth.columns if name not in ("x", "y")]
    return PatchTable.from_frame(
        truth[columns], truth[["x", "y"]].to_numpy(), scene.truth.patch_size_px
    )


def run_demo(
    *, out: str | os.PathLike[str], seed: int = 1, progress: Progress | None = None
) -> StudyResult:
    """Run every step on embedded data and write a report with the truth beside each answer.

    Parameters
    ----------
    out
        Folder to write: new, empty, or an earlier study, which is replaced.
    seed
        Of the data and of the inference.
    progress
        Called with the title of each step and the finished share, 0 to 1.

    Raises
    ------
    InputError
        When ``out`` holds other files.

    Examples
    --------
    >>> run_demo(out="/no/such/place/study")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: out must lie in a folder that exists; /no/such/place does not.
    """
    check_out(out)
    findings, steps = demo_findings(seed)
    return save_study(findings, steps, out=out, progress=progress)


def demo_seed_table(seeds: Iterable[int], progress: Progress | None = None) -> dict[str, Any]:
    """Run the demo's inference over many seeds and judge every answer by the planted truth.

    Parameters
    ----------
    seeds
        Of data and inference.
    progress
        Called with what runs and the finished share, 0 to 1.

    Returns
    -------
    dict
        ``rows``: one a seed, with ``parameters`` (name, truth, mean, q05, q95, inside,
        width_over_bound), ``causes``, ``distractors``, ``effects``. ``totals``: ``inside_share``
        over all parameter-seeds (an answer that could not be given counts as outside),
        ``median_width_over_bound``, by parameter too, ``effects_inside`` (how many 90 % intervals
        of a planted effect hold it, and how many were given), and ``causes_right``: seeds in which
        every planted cause was found and no distractor called a cause.

    Raises
    ------
    InputError
        When there is no seed.

    Examples
    --------
    >>> demo_seed_table([])
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: seeds must hold at least one seed.
    """
    numbers = list(seeds)
    if not numbers:
        raise InputError("seeds must hold at least one seed.")
    rows = []
    for index, seed in enumerate(numbers):
        if progress is not None:
            progress(f"Seed {seed}", index / len(numbers))
        rows.append(_judged_seed(seed))
    if progress is not None:
        progress("Done", 1.0)
    return {"rows": rows, "totals": _totals(rows)}


def _judged_seed(seed: int) -> dict[str, Any]:
    from physlearn.inference.walls.wall_bound import wall_dynamics_bound
    from physlearn.steps_image import IMAGE_STEPS
    from physlearn.steps_video import VIDEO_STEPS
    from physlearn.summary import truth_beside_answers

    scene, film = _scenes(seed, small=False)
    findings = _planted_findings(seed, scene, film)
    wanted = [step for step in IMAGE_STEPS + VIDEO_STEPS if step.name in JUDGED_STEPS]
    run_steps(wanted, findings)
    judged = truth_beside_answers(findings) or {}
    bounds = _lattice_bounds(scene.truth.couplings, scene.truth.field) | wall_dynamics_bound(film)
    for row in judged["parameters"]:
        row["width_over_bound"] = (
            None
            if row["mean"] is None
            else (row["q95"] - row["q05"]) / (INTERVAL_SDS * bounds[row["name"]])
        )
    failed = [f"{n.name}: {n.reason}" for n in findings.notes if n.status == "could not"]
    return {"seed": seed, **judged, "could_not": failed}


@cache
def _lattice_bounds(couplings: tuple[float, ...], field: float) -> dict[str, float]:
    """Return the Cramer-Rao standard deviations for the demo's crystal, states known."""
    from physlearn.inference.lattices.lattice_bounds import cramer_rao_bound
    from physlearn.lattice_models import Ising, square_lattice

    graph = square_lattice(SITES, len(couplings), periodic=False)
    bound = cramer_rao_bound(Ising(list(couplings), field), graph, rng=0)
    return {"field": bound.field_sd} | {
        f"couplings[{shell}]": float(sd) for shell, sd in enumerate(bound.coupling_sds, start=1)
    }


def _totals(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    answers = [answer for row in rows for answer in row["parameters"]]
    names = list(dict.fromkeys(answer["name"] for answer in answers))
    told: dict[str, list[bool]] = {}
    for effect in (e for row in rows for e in row["effects"] if e["mean"] is not None):
        told.setdefault(f"{effect['cause']} -> {effect['outcome']}", []).append(effect["inside"])

    def ratio(name: str | None) -> float | None:
        widths = [
            a["width_over_bound"]
            for a in answers
            if a["width_over_bound"] is not None and name in (None, a["name"])
        ]
        return float(np.median(widths)) if widths else None

    right = [
        all(cause["found"] for cause in row["causes"])
        and all(other["called_a_cause"] is False for other in row["distractors"])
        for row in rows
    ]
    return {
        "seeds": len(rows),
        "inside_share": sum(bool(a["inside"]) for a in answers) / len(answers),
        "inside": {n: sum(bool(a["inside"]) for a in answers if a["name"] == n) for n in names},
        "median_width_over_bound": ratio(None),
        "median_width_over_bound_by_parameter": {name: ratio(name) for name in names},
        "effects_inside": {n: {"inside": sum(t), "given": len(t)} for n, t in told.items()},
        "causes_right": sum(right),
    }


def write_seed_table(
    seeds: Iterable[int], path: str | os.PathLike[str], progress: Progress | None = None
) -> tuple[Table, str]:
    """Write `demo_seed_table` as JSON; return it as a table to print, and its totals in words.

    Raises
    ------
    InputError
        When there is no seed, or the file's folder does not exist.

    Examples
    --------
    >>> write_seed_table([], "demo_seeds.json")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: seeds must hold at least one seed.
    """
    result = demo_seed_table(seeds, progress)
    with atomic_write(path) as temporary:
        temporary.write_text(
            json.dumps(plain_json(result, texts=True), indent=1, allow_nan=False) + "\n"
        )
    return _as_table(result), _totals_in_words(result["totals"], path)


def _as_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    names = [answer["name"] for answer in result["rows"][0]["parameters"]]
    table = Table(
        "seed", *(SHORT_NAMES.get(name, name) for name in names), "causes found",
        "distractor called",
        title="✓ truth inside the 90 % interval, and interval width over that of the bound",
    )  # fmt: skip
    for row in result["rows"]:
        cells = [
            "–"
            if answer["mean"] is None
            else f"{'✓' if answer['inside'] else '✗'} {answer['width_over_bound']:.2f}"
            for answer in row["parameters"]
        ]
        found = sum(bool(cause["found"]) for cause in row["causes"])
        called = any(other["called_a_cause"] is not False for other in row["distractors"])
        table.add_row(
            str(row["seed"]), *cells, f"{found} of {len(row['causes'])}",
            "✗ yes" if called else "✓ no",
        )  # fmt: skip
    return table


def _totals_in_words(totals: dict[str, Any], path: str | os.PathLike[str]) -> str:
    ratio = totals["median_width_over_bound"]
    widths = "no interval" if ratio is None else f"median width {ratio:.2f} of the bound's"
    effects = ", ".join(
        f"{name} {counted['inside']} of {counted['given']}"
        for name, counted in totals["effects_inside"].items()
    )
    return (
        f"Truth inside in {totals['inside_share']:.0%} of parameter-seeds, {widths}; effects "
        f"inside: {effects or 'none given'}; causes right in {totals['causes_right']} of "
        f"{totals['seeds']} seeds. Written: {path}"
    )
