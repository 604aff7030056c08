"""Measure all cases, or some: ``python -m benchmarks.monte_carlo --help``."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.monte_carlo.harness import AbsentError, Case, measure
from benchmarks.monte_carlo.results import (
    HEADINGS,
    RESULTS,
    load_average,
    markdown,
    read_results,
    said_surroundings,
    surroundings,
    table_rows,
    write_json,
)
from benchmarks.monte_carlo.twins import cache_folder

QUICK_ROUNDS, ROUNDS = 3, 7
QUICK_SECONDS, SECONDS = 0.02, 0.2


def topics() -> list[str]:
    """Names of the ``cases_<topic>.py`` files."""
    return sorted(
        path.stem.removeprefix("cases_") for path in Path(__file__).parent.glob("cases_*.py")
    )


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo")
    parser.add_argument(
        "--only", action="append", metavar="TOPIC", default=[],
        help=f"a topic ({', '.join(topics())}) or words of a case's name; may be repeated",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds (default {ROUNDS})")
    parser.add_argument("--seconds", type=float, help=f"CPU time a measurement (default {SECONDS})")
    parser.add_argument(
        "--quick", action="store_true",
        help=f"does everything run? {QUICK_ROUNDS} rounds of {QUICK_SECONDS} s; not for figures, "
        "and kept out of benchmarks/results",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
    parser.add_argument("--no-peers", action="store_true", help="leave the other packages alone")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--out", type=Path, help="results file (.json; a .md is put beside it)")
    found = parser.parse_args(arguments)
    found.rounds = found.rounds or (QUICK_ROUNDS if found.quick else ROUNDS)
    found.seconds = found.seconds or (QUICK_SECONDS if found.quick else SECONDS)
    folder = cache_folder() if found.quick else RESULTS
    found.out = found.out or folder / ("quick.json" if found.quick else "monte_carlo.json")
    if found.rounds < 1:
        parser.error("--rounds must be at least 1")
    return found


def wanted_cases(only: Sequence[str], quick: bool) -> Iterator[tuple[str, Case | str]]:
    """Name and case, or name and the reason why there is none."""
    whole = set(only) & set(topics())
    words = [word for word in only if word not in whole]
    for topic in topics():
        if only and topic not in whole and not words:
            continue
        try:
            made = importlib.import_module(f"benchmarks.monte_carlo.cases_{topic}").cases(quick)
        except AbsentError as error:
            yield topic, f"absent: {error}"
            continue
        except Exception:
            traceback.print_exc()
            yield topic, f"its cases could not be made: {last_line()}"
            continue
        for case in made:
            if not only or topic in whole or any(word in case.name for word in words):
                yield case.name, case


def last_line() -> str:
    """The exception now being handled, in one line."""
    kind, value, _ = sys.exc_info()
    text = " ".join(str(value).split())
    return f"{kind.__name__ if kind else ''}: {text}"


def without_peers(case: Case) -> Case:
    """The case with its peers replaced by a row that says they were left out."""
    from dataclasses import replace

    from benchmarks.monte_carlo.harness import Late, Peer

    def left_out() -> Any:
        raise AbsentError("left out by --no-peers")

    kept = {
        name: Late(left_out) if isinstance(contender, Peer) else contender
        for name, contender in case.contenders.items()
    }
    return replace(case, contenders=kept)


def shown(content: dict[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(*HEADINGS, title="Monte Carlo core", title_justify="left")
    for row in table_rows(content["cases"]):
        marked = "[red]" if any("MISSED" in cell or cell == "FAILED" for cell in row) else ""
        table.add_row(*(f"{marked}{cell}" for cell in row), end_section=False)
    console.print(table)
    console.print(said_surroundings(content["surroundings"]))


def run(found: argparse.Namespace, console: Console) -> bool:
    """Measure, write after each case, and return whether all cases worked."""
    content = read_results(found.out)
    if not (found.only or found.resume):
        content["cases"] = {}
    content["surroundings"] = surroundings()
    worked = True
    for name, case in wanted_cases(found.only, found.quick):
        old = content["cases"].get(name)
        if found.resume and old is not None and "failed" not in old:
            console.print(f"[dim]{name}: there already")
            continue
        load = load_average()
        if isinstance(case, str):
            record: dict[str, Any] = {"failed": case}
        else:
            with console.status(name) as status:
                try:
                    record = measure(
                        without_peers(case) if found.no_peers else case,
                        found.rounds, found.seconds,
                        lambda done, all_, name=name: status.update(f"{name}: round {done}/{all_}"),
                    )  # fmt: skip
                except Exception:
                    console.print_exception(max_frames=4)
                    record = {"failed": last_line()}
        about = {"load": load, "revision": content["surroundings"]["revision"],
                 "date": content["surroundings"]["date"]}  # fmt: skip
        content["cases"][name] = record | about
        worked &= "failed" not in record
        write_json(found.out, content)
        found.out.with_suffix(".md").write_text(markdown(content))
        one = {name: content["cases"][name]}
        for row in table_rows(one):
            console.print("  ".join(cell for cell in row if cell), highlight=False, markup=False)
    if not content["cases"]:
        console.print(f"no case matches {found.only}; topics: {', '.join(topics()) or 'none'}")
        return False
    shown(content, console)
    console.print(f"{found.out} and {found.out.with_suffix('.md').name}")
    return worked


def main() -> int:
    """The command line."""
    found = options()
    console = Console(width=None if sys.stdout.isatty() else 200)
    if found.list:
        for name, case in wanted_cases(found.only, found.quick):
            console.print(f"{name}: {case}" if isinstance(case, str) else name, markup=False)
        return 0
    try:
        return 0 if run(found, console) else 1
    except KeyboardInterrupt:
        console.print(f"stopped; the finished cases are in {found.out}; go on with --resume")
        return 130


if __name__ == "__main__":
    sys.exit(main())
