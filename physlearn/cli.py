"""The command line: ``physlearn init | check | study | watch | demo | plan | doctor``."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from physlearn.checks import BackendUnavailable, InputError, NotIdentified
from physlearn.command_voice import Voice, shown, stop, voice
from physlearn.study_commands import add_study_commands, tell_study

if TYPE_CHECKING:
    from physlearn.study import StudyResult

__all__ = ["app", "main"]

BAD_INPUT, INTERRUPTED = 2, 130
ASK_AGAIN_SECONDS = 0.02
EVERYWHERE = ("--json", "--quiet", "-q")
"""Options of all commands: they may stand before or after a command's name."""

EXAMPLES = """
[bold]Examples[/bold]

  physlearn demo                                 everything once, on data with a planted truth

  physlearn init image.tiff                      writes study.yaml; then: check, study

  physlearn check study.yaml                     what is wrong, what would be done, how long

  physlearn study study.yaml                     again after a change: only what depends on it

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

  physlearn watch FOLDER                         estimates in the browser while frames arrive

  physlearn doctor                               what is installed, and whether it works

[bold]Exit codes[/bold]

  0 done   1 with --strict: a step could not be done, or check has warnings   2 bad input or a plan
  that is refused   130 stopped by Ctrl-C
"""

app = typer.Typer(
    name="physlearn",
    help="From microscope images and domain-wall videos to couplings, laws, causes and the next "
    "experiment.",
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; bad input is one sentence and exit code 2."""
    # A polite end (a scheduler's SIGTERM) cleans up as Ctrl-C does
    stop.clear()
    for name, value in ((name, getattr(Voice(), name)) for name in Voice.__slots__):
        setattr(voice, name, value)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    # Of a damaged file the reader's own sentence says enough
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        code = app(args=_ordered(sys.argv[1:]), standalone_mode=False)
    except (InputError, NotIdentified, BackendUnavailable, FileNotFoundError) as error:
        sys.exit(_complain(_one_line(error), BAD_INPUT))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_complain(_stopped(), INTERRUPTED))
    except Exception as error:
        if stop.is_set():
            sys.exit(_complain(_stopped(), INTERRUPTED))
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
    voice.give({"ok": False, "error": sentence, "exit_code": code})
    return code


def _stopped() -> str:
    if voice.keeps:
        return "Stopped; the steps that were done are kept: the same command goes on from there."
    return "Stopped; nothing was left behind."


def _ordered(arguments: list[str]) -> list[str]:
    """Return the arguments with those that go with every command first.

    Examples
    --------
    >>> _ordered(["check", "study.yaml", "--json"])
    ['--json', 'check', 'study.yaml']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    first = [one for one in arguments[:end] if one in EVERYWHERE]
    return first + [one for one in arguments[:end] if one not in EVERYWHERE] + arguments[end:]


def _version(wanted: bool) -> None:
    if wanted:
        from physlearn import __version__

        typer.echo(f"physlearn {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001 -- its callback speaks
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, for machines.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no answers, only errors.")
    ] = False,
) -> None:
    voice.as_json, voice.quiet = as_json, quiet


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

    with shown() as progress:
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
        with shown() as progress:
            seconds = warm_kernels(progress)
        console.print(f"Kernels are compiled and cached: {seconds:.1f} s.")
        return
    console.print(diagnosis())


def _tell(result: StudyResult) -> None:
    tell_study(result)


add_study_commands(app)

if __name__ == "__main__":
    main()
