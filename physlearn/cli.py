"""The command line: ``physlearn demo | study | plan | doctor``."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from physlearn.checks import BackendUnavailable, InputError, NotIdentified
from physlearn.shown_progress import shown_progress

if TYPE_CHECKING:
    from physlearn.study import StudyResult

__all__ = ["app", "main"]

BAD_INPUT, INTERRUPTED = 2, 130
ASK_AGAIN_SECONDS = 0.02

stop = threading.Event()
"""Set by Ctrl-C: a compiled library that is just being imported may swallow the exception."""

EXAMPLES = """
[bold]Examples[/bold]

  physlearn demo                                 everything once, on data with a planted truth

  physlearn study image.tiff --out study         atoms, couplings, causes of your own picture

  physlearn study haadf.tiff --channel piezo.npy --out study     and what causes the response

  physlearn study scan.ibw --picture Height --channel scan.ibw --repeat again.ibw --out study
                                                 every channel, with its noise from a second scan

  physlearn study walls.gif --drive bias.csv --out study         walls and their law from a video

  physlearn study film.tif --pixel-size 25nm --frame-interval 2.5 --region 0:200,50:250 --out study
                                                 a scale that the file does not say; a part of it

  physlearn study tracks.csv --pixel-size 0.35um --frame-interval 0.042 --out study
                                                 diffusion, forces and hops of tracked particles

  physlearn study image.tiff --atoms study/atoms.csv --out again     with atoms edited by hand

  physlearn plan study/plan.json                 the next experiment in words, and checked

  physlearn doctor                               what is installed, and whether it works
"""

app = typer.Typer(
    name="physlearn",
    help="From microscope images and domain-wall videos to couplings, laws, causes and the next "
    "experiment.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Seed = Annotated[
    int | None, typer.Option(min=0, help="Repeats every number; drawn and stored when left out.")
]


def main() -> None:
    """Run the command line; bad input is one sentence and exit code 2."""
    # A polite end (a scheduler's SIGTERM) cleans up as Ctrl-C does
    stop.clear()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    # Of a damaged file the reader's own sentence says enough
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        code = app(standalone_mode=False)
    except (InputError, NotIdentified, BackendUnavailable, FileNotFoundError) as error:
        sys.exit(_complain(_one_line(error), BAD_INPUT))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_complain("Stopped; nothing was left behind.", INTERRUPTED))
    except Exception as error:
        if stop.is_set():
            sys.exit(_complain("Stopped; nothing was left behind.", INTERRUPTED))
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's own
            sys.exit(_complain(error.format_message(), int(error.exit_code)))
        raise
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_signal: int, frame: FrameType | None) -> None:
    stop.set()
    if _importing(frame) and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, ASK_AGAIN_SECONDS)
        return
    raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: a compiled one would print and drop the exception."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _one_line(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"no such file: {error.filename}"
    return " ".join(str(error).split())


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"physlearn: {sentence}\n")
    return code


def _version(wanted: bool) -> None:
    if wanted:
        from physlearn import __version__

        typer.echo(f"physlearn {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass


@app.command()
def study(
    path: Annotated[
        Path, typer.Argument(help="A picture, a video or tracks; its content tells which.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write: new, empty, or an earlier study (replaced).")
    ],
    channel: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another picture of the same field, a response, or a file with several; may stand "
            "repeatedly."
        ),
    ] = None,
    drive: Annotated[
        Path | None, typer.Option(help="CSV with one row a frame: the drive of a video.")
    ] = None,
    atoms: Annotated[
        Path | None,
        typer.Option(help="The atoms.csv of an earlier study, edited by hand: it is fitted anew."),
    ] = None,
    lattice: Annotated[
        str | None,
        typer.Option(
            help="Declare the lattice (square, triangular, any): scan rows are put in order by it."
        ),
    ] = None,
    picture: Annotated[
        str | None, typer.Option(help="Which picture of a file that holds several; by its name.")
    ] = None,
    repeat: Annotated[
        list[Path] | None,
        typer.Option(
            help="A second scan of the same place (of the channels where there are any): it "
            "measures the noise; may stand repeatedly."
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(help="Edge of a pixel, where the file doesn't say it: 0.05nm, 0.4angstrom."),
    ] = None,
    frame_interval: Annotated[
        float | None,
        typer.Option(help="Seconds from frame to frame, where the video doesn't say it."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="Study only these pixels: columns,rows as 100:400,0:300."),
    ] = None,
    campaign: Annotated[
        bool,
        typer.Option(
            "--campaign", help="Simulate the next experiment: what it would show, at which dose."
        ),
    ] = False,
    seed: Seed = None,
) -> None:
    """Study your own picture, video or tracks: a folder with every artefact and report.html."""
    from physlearn.study import Study, run_study

    size, unit = _length(pixel_size) if pixel_size else (None, "nm")
    with shown_progress(stop) as progress:
        result = run_study(
            Study(
                path, tuple(channel or ()), drive, atoms=atoms, lattice=lattice, picture=picture,
                repeat=tuple(repeat or ()), pixel_size=size, pixel_unit=unit,
                frame_interval_s=frame_interval, region=_region(region) if region else None,
                campaign=campaign,
            ),
            out=out, seed=seed, progress=progress,
        )  # fmt: skip
    _tell(result)


def _length(text: str) -> tuple[float, str]:
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(nm|um|µm|A|Å|angstrom)\s*", text)
    try:
        value = float(found[1]) if found else None
    except ValueError:
        value = None
    if found is None or value is None:
        raise InputError(f"pixel-size must be a number with nm, um or angstrom; got {text!r}.")
    return value, {"µm": "um", "A": "angstrom", "Å": "angstrom"}.get(found[2], found[2])


def _region(text: str) -> tuple[int, int, int, int]:
    found = re.fullmatch(r"\s*(\d+):(\d+)\s*,\s*(\d+):(\d+)\s*", text)
    if found is None:
        raise InputError(f"region must be columns,rows as 100:400,0:300; got {text!r}.")
    a, b, c, d = (int(number) for number in found.groups())
    return a, b, c, d


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("physlearn-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of the data and of the inference.")] = 1,
    seeds: Annotated[
        int, typer.Option(min=0, help="Instead: a table over this many seeds, and its JSON.")
    ] = 0,
) -> None:
    """Run the whole path on embedded data, the truth beside every answer; no network."""
    from physlearn.demo import run_demo, write_seed_table

    with shown_progress(stop) as progress:
        if seeds:
            table = write_seed_table(range(seed, seed + seeds), Path("demo_seeds.json"), progress)
        else:
            result = run_demo(out=out, seed=seed, progress=progress)
    if seeds:
        from rich.console import Console

        Console().print(*table, sep="\n")
        return
    _tell(result)


@app.command()
def plan(
    path: Annotated[Path, typer.Argument(help="plan.json of a study, or any experiment plan.")],
) -> None:
    """Say in words what a plan does, and check it: order, limits, dose; exit code 2 if refused."""
    from physlearn.plan_check import plan_in_words, read_plan

    read, refusals = read_plan(path)
    for line in plan_in_words(read):
        typer.echo(line)
    for refusal in refusals:
        typer.echo(f"refused: {refusal}", err=True)
    if refusals:
        raise typer.Exit(BAD_INPUT)
    typer.echo("The plan keeps its order and its limits, by its own checks and by the ledger.")


@app.command()
def doctor(
    warm: Annotated[
        bool, typer.Option("--warm", help="Fill the kernel cache by tiny runs of every step.")
    ] = False,
) -> None:
    """Say what is installed, what is missing, and where caches lie."""
    from rich.console import Console

    from physlearn.doctor import diagnosis, warm_kernels

    console = Console()
    if warm:
        with shown_progress(stop) as progress:
            seconds = warm_kernels(progress)
        console.print(f"Kernels are compiled and cached: {seconds:.1f} s.")
        return
    console.print(diagnosis())


def _tell(result: StudyResult) -> None:
    from rich.console import Console
    from rich.markup import escape

    from physlearn.words import headlines

    console = Console(highlight=False)
    for answer in headlines(result.findings):
        # Units and ranges stand in square brackets, which would be read as a style
        detail = f" [dim]{escape(answer.detail)}[/dim]" if answer.detail else ""
        asked = f"{answer.question}: " if answer.state == "none" else ""
        console.print(f"• {escape(asked + answer.sentence)}{detail}")
    truth = result.summary["truth"]
    if truth is not None:
        named = [(row["name"], row) for row in truth["parameters"]]
        named += [(f"{row['cause']} -> {row['outcome']}", row) for row in truth["effects"]]
        for name, row in named:
            if row["mean"] is not None:
                console.print(
                    f"  planted {name} {row['truth']:.4g}, found {row['mean']:.4g} "
                    f"[{row['q05']:.4g} to {row['q95']:.4g}]: "
                    f"{'inside' if row['inside'] else 'outside'}",
                    markup=False,
                )
        if any(row["inside"] is False for _, row in named):
            console.print("  (one in ten of honest 90 % intervals misses: --seeds 20 counts them)")
    console.print(f"\nReport: {result.report}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
