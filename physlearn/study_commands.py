"""The commands around a study: ``physlearn init | check | study | watch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from physlearn.checks import InputError
from physlearn.command_voice import answer_document, say_answers, shown, voice

if TYPE_CHECKING:
    from physlearn.series import SeriesResult
    from physlearn.study import Study, StudyResult

__all__ = ["COULD_NOT", "add_study_commands", "tell_study"]

COULD_NOT = 1
YAML = (".yaml", ".yml")

Seed = Annotated[
    int | None, typer.Option(min=0, help="Repeats every number; drawn and stored when left out.")
]
PixelSize = Annotated[
    str | None,
    typer.Option(help="Edge of a pixel, where the file doesn't say it: 0.05nm, 0.4angstrom."),
]
FrameInterval = Annotated[
    float | None,
    typer.Option(help="Seconds from frame to frame, where the video doesn't say it."),
]
Channels = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another picture of the same field, a response, or a file with several; may stand "
        "repeatedly."
    ),
]
Lattice = Annotated[
    str | None,
    typer.Option(
        help="Declare the lattice (square, triangular, any): scan rows are put in order by it."
    ),
]
PictureName = Annotated[
    str | None, typer.Option(help="Which picture of a file that holds several; by its name.")
]
Repeats = Annotated[
    list[Path] | None,
    typer.Option(
        help="A second scan of the same place (of the channels where there are any): it "
        "measures the noise; may stand repeatedly."
    ),
]
Drive = Annotated[
    Path | None, typer.Option(help="CSV with one row a frame: the drive of a video.")
]  # fmt: skip
Region = Annotated[
    str | None, typer.Option(help="Study only these pixels: columns,rows as 100:400,0:300.")
]


def add_study_commands(app: typer.Typer) -> None:
    """Give the command line its commands around a study."""
    app.command()(study)
    app.command(name="init")(init)
    app.command()(check)
    app.command()(watch)


def study(
    path: Annotated[
        Path,
        typer.Argument(
            help="A picture, a video or tracks (its content tells which), or a study.yaml."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write: new, empty, or an earlier study (replaced). Of a study.yaml: "
            "as it says."
        ),
    ] = None,
    channel: Channels = None,
    drive: Drive = None,
    atoms: Annotated[
        Path | None,
        typer.Option(help="The atoms.csv of an earlier study, edited by hand: it is fitted anew."),
    ] = None,
    lattice: Lattice = None,
    picture: PictureName = None,
    repeat: Repeats = None,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    region: Region = None,
    campaign: Annotated[
        bool,
        typer.Option(
            "--campaign", help="Simulate the next experiment: what it would show, at which dose."
        ),
    ] = False,
    seed: Seed = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep what each step found beside OUT: a next run does only what changed, and "
            "goes on where one was stopped. A study.yaml always does.",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute all anew, whatever was kept.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 when a step could not be done.")
    ] = False,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Of a study.yaml with several inputs, studied side by side: processes:4, or "
            "dask:ADDRESS of a cluster."
        ),
    ] = None,
) -> int:
    """Study your own picture, video or tracks: a folder with every artefact and report.html."""
    given = {
        "--channel": channel, "--drive": drive, "--atoms": atoms, "--lattice": lattice,
        "--picture": picture, "--repeat": repeat, "--pixel-size": pixel_size,
        "--frame-interval": frame_interval, "--region": region, "--campaign": campaign,
    }  # fmt: skip
    if path.suffix.lower() in YAML:
        names = [name for name, one in given.items() if one]
        return _study_file(path, out, seed, fresh, strict, executor, names)
    if executor is not None:
        raise InputError(f"--executor goes with a study file of several inputs, not {path.name}.")
    from physlearn.study import run_study

    if out is None:
        raise InputError(f"out is missing: physlearn study {path} --out results")
    voice.keeps = keep
    one = _study_of(
        path, channel, drive, atoms, lattice, picture, repeat, pixel_size, frame_interval, region,
        campaign,
    )  # fmt: skip
    with shown() as progress:
        result = run_study(one, out=out, seed=seed, progress=progress, keep=keep, fresh=fresh)
    tell_study(result)
    return _code(strict, result.summary["steps"])


def _study_of(
    path: Path, channel: list[Path] | None, drive: Path | None, atoms: Path | None,
    lattice: str | None, picture: str | None, repeat: list[Path] | None, pixel_size: str | None,
    frame_interval: float | None, region: str | None, campaign: bool,
) -> Study:  # fmt: skip
    from physlearn.study import Study
    from physlearn.study_file import length_of, region_of

    size, unit = length_of(pixel_size) if pixel_size else (None, "nm")
    return Study(
        path, tuple(channel or ()), drive, atoms=atoms, lattice=lattice, picture=picture,
        repeat=tuple(repeat or ()), pixel_size=size, pixel_unit=unit,
        frame_interval_s=frame_interval, region=region_of(region) if region else None,
        campaign=campaign,
    )  # fmt: skip


def _study_file(
    path: Path, out: Path | None, seed: int | None, fresh: bool, strict: bool,
    executor: str | None, given: list[str],
) -> int:  # fmt: skip
    from physlearn.study import StudyResult
    from physlearn.study_file import read_study_file
    from physlearn.study_run import run_study_file

    if given:
        raise InputError(
            f"{given[0]} does not go with a study file: write it into {path.name} instead."
        )
    spec = read_study_file(path)
    voice.keeps = True
    with shown() as progress:
        result = run_study_file(
            spec, out=out, seed=seed, progress=progress, fresh=fresh, executor=executor
        )
    if isinstance(result, StudyResult):
        tell_study(result)
        return _code(strict, result.summary["steps"])
    tell_series(result)
    return _code(strict, [step for one in result.members for step in one.summary["steps"]])


def _code(strict: bool, steps: list[dict[str, Any]]) -> int:
    return COULD_NOT if strict and any(step["status"] == "could not" for step in steps) else 0


def tell_study(result: StudyResult) -> None:
    """Say what a study found, or give it as JSON."""
    from physlearn.words import headlines

    if voice.as_json:
        import json

        text = (result.folder / "summary.json").read_text(encoding="utf-8")
        files = [str(result.folder / name) for name in json.loads(text)["files"]]
        voice.give(answer_document(result.summary, str(result.report), files))
        return
    if voice.quiet:
        return
    say_answers(headlines(result.findings))
    _tell_truth(result.summary["truth"])
    kept = [step["title"] for step in result.summary.get("steps", ()) if step.get("kept")]
    if kept:
        n_steps = sum(step["status"] != "skipped" for step in result.summary["steps"])
        voice.say("", f"{len(kept)} of {n_steps} steps were kept from an earlier run (--fresh "
                  "computes all anew).")  # fmt: skip
    voice.say("", f"Report: {result.report}")


def tell_series(result: SeriesResult) -> None:
    """Say what a series showed, or give it as JSON."""
    import json

    from physlearn.report.series_page import series_answers

    answers = series_answers(result)
    if voice.as_json:
        content = json.loads((result.folder / "summary.json").read_text(encoding="utf-8"))
        voice.give({
            "ok": True, "title": result.title, "report": str(result.report),
            "answers": [
                {"question": a.question, "sentence": a.sentence, "state": a.state,
                 "detail": a.detail}
                for a in answers
            ],
            "files": [str(result.folder / name) for name in content["files"]],
            "warnings": content["warnings"], "steps": content["steps"], "seed": content["seed"],
        })  # fmt: skip
        return
    for answer in answers:
        voice.say(f"• {answer.sentence}{f' [{answer.detail}]' if answer.detail else ''}")
    kept = [step for one in result.members for step in one.summary["steps"] if step["kept"]]
    if kept:
        voice.say("", f"{len(kept)} steps were kept from an earlier run (--fresh computes all "
                  "anew).")  # fmt: skip
    voice.say("", f"Report: {result.report}")


def _tell_truth(truth: dict[str, Any] | None) -> None:
    if truth is None:
        return
    named = [(row["name"], row) for row in truth["parameters"]]
    named += [(f"{row['cause']} -> {row['outcome']}", row) for row in truth["effects"]]
    for name, row in named:
        if row["mean"] is not None:
            voice.say(
                f"  planted {name} {row['truth']:.4g}, found {row['mean']:.4g} "
                f"[{row['q05']:.4g} to {row['q95']:.4g}]: "
                f"{'inside' if row['inside'] else 'outside'}"
            )
    if any(row["inside"] is False for _, row in named):
        voice.say("  (one in ten of honest 90 % intervals misses: --seeds 20 counts them)")


def init(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, videos or tracks; none takes what lies in this folder."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The study file to write.")] = Path("study.yaml"),
    force: Annotated[
        bool, typer.Option("--force", help="Write it anew where there is one.")
    ] = False,
) -> None:
    """Write a study.yaml from what the files hold, each key with its meaning and unit."""
    from physlearn.study_init import find_inputs, write_study_file

    chosen = files or find_inputs(out.parent)
    told = write_study_file(chosen, out, replace=force)
    voice.say(*(f"• {sentence}" for sentence in told), "")
    voice.say(f"Written: {out}. Look at it, then: physlearn check {out}; physlearn study {out}")
    voice.give({"ok": True, "study": str(out), "inputs": told})


def check(
    path: Annotated[
        Path, typer.Argument(help="A study.yaml, or a picture, a video or tracks.")
    ],
    channel: Channels = None,
    drive: Drive = None,
    lattice: Lattice = None,
    picture: PictureName = None,
    repeat: Repeats = None,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    region: Region = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 when there are warnings.")
    ] = False,
) -> int:  # fmt: skip
    """Say what is wrong with a study or a file, what would be done and how long, in seconds."""
    from physlearn.study_check import check_file, check_study

    if path.suffix.lower() in YAML:
        found = check_file(path)
    else:
        one = _study_of(
            path, channel, drive, None, lattice, picture, repeat, pixel_size, frame_interval,
            region, False,
        )  # fmt: skip
        found = check_study(one)
    voice.say(*found.lines())
    voice.give(found.document())
    return 0 if found.ok and not (strict and found.warnings) else 1 if found.ok else 2


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder into which the instrument writes.")],
    kind: Annotated[str, typer.Option(help="auto, picture or film.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for the state and the page.")] = None,
    seed: Seed = None,
    once: Annotated[
        bool, typer.Option("--once", help="Take what is there, write the page and end.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 0,
    pixel_size: PixelSize = None,
    frame_interval: FrameInterval = None,
    drive: Drive = None,
    polling: Annotated[
        bool, typer.Option("--polling", help="Look again and again: for network shares.")
    ] = False,
) -> None:
    """Follow a folder: estimates and the proposed next step in the browser, frame by frame."""
    from physlearn.live.command import watch as follow
    from physlearn.live.records import WatchOptions
    from physlearn.study_file import length_of

    size, unit = length_of(pixel_size) if pixel_size else (None, "nm")
    options = WatchOptions(
        kind=kind, pixel_size=size, pixel_unit=unit, frame_interval_s=frame_interval, drive=drive,
        polling=polling,
    )  # fmt: skip
    page = follow(
        folder, options, out=out, seed=seed, once=once, port=port, browser=not no_browser,
        say=lambda line: voice.say(line),
    )  # fmt: skip
    voice.give({"ok": True, "report": str(page)})
