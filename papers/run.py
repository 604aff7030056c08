"""Run the notebooks of papers/ and store their outputs: ``python papers/run.py [NAME ...]``.

The source of a notebook is ``papers/NAME/notebook.py``; a run writes ``notebook.ipynb`` beside it,
with outputs and pictures, its seconds into ``papers/times.json`` and the table of
``papers/README.md``. With ``--fast`` it runs as the tests do and writes the seconds only.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image
from rich.console import Console

PAPERS = Path(__file__).resolve().parent
TIMES = PAPERS / "times.json"
INDEX = PAPERS / "README.md"
KINDS = ("reproduced", "re-run on planted data", "lesson")
BEGIN, END = "<!-- table: python papers/run.py --table -->", "<!-- end of table -->"
HIDDEN = re.compile(r"<details>(.*?)</details>", re.S)
FENCED = re.compile(r"```python\n(.*?)```", re.S)
SECONDS_A_CELL = 600
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def names() -> list[str]:
    """Return the folders that hold a notebook."""
    return sorted(path.parent.name for path in PAPERS.glob("*/notebook.py"))


def read_source(name: str) -> Any:
    """Return ``papers/NAME/notebook.py`` as a notebook without outputs."""
    notebook = jupytext.read(PAPERS / name / "notebook.py", fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # jupytext draws them: every run would change the file
        cell.metadata = {}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def with_solutions(notebook: Any) -> Any:
    """Return a copy with the Python code of hidden solutions as further cells at its end.

    A solution stands in a markdown cell within ``<details>``, so that the forge, Jupyter and the
    built documentation hide it alike; here it runs, after everything that the reader has run.
    """
    longer = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        for hidden in HIDDEN.findall(cell.source) if cell.cell_type == "markdown" else ():
            longer.cells += [nbformat.v4.new_code_cell(code) for code in FENCED.findall(hidden)]
    return longer


def environment(fast: bool) -> dict[str, str]:
    """Return what the kernel sees: one thread, public files where a copy is beside the clone."""
    seen = {**os.environ, **ONE_THREAD, "PHYSLEARN_FAST": str(int(fast))}
    beside = PAPERS.parents[1] / "shared" / "data"
    if beside.is_dir():
        seen.setdefault("PHYSLEARN_DATA_DIR", str(beside))
    return seen


def execute(notebook: Any, folder: str, fast: bool) -> float:
    """Run all cells, then hidden solutions, in a fresh kernel; return the seconds of one core.

    They are the processor time of the kernel, which on an idle core is the time that passes: on a
    busy machine the clock would count its other work.
    """
    before = os.times()
    resources = {"metadata": {"path": folder}}
    whole = with_solutions(notebook)
    client = NotebookClient(whole, timeout=SECONDS_A_CELL, resources=resources)
    client.execute(env=environment(fast))  # raises CellExecutionError with the cell's traceback
    after = os.times()
    notebook.cells = whole.cells[: len(notebook.cells)]
    return sum(after[2:4]) - sum(before[2:4])


def small_png(data: str) -> str:
    """Return a picture with a palette: a third of the bytes, and no eye sees it in a plot."""
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A") if "A" in picture.mode else None)
    few = flat.quantize(255, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    stored = io.BytesIO()
    few.save(stored, "PNG", optimize=True)  # thin lines keep their colour: the palette is spread
    return min(base64.b64encode(stored.getvalue()).decode(), data, key=len)


def tidy(outputs: list[Any]) -> list[Any]:
    """Return a cell's outputs with pieces of one stream joined and small pictures."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
            continue
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = small_png(output.data["image/png"])
        joined.append(output)
    return joined


def run(name: str, fast: bool) -> float:
    """Run one notebook; store its outputs unless ``fast``; return and keep its seconds."""
    notebook = read_source(name)
    with tempfile.TemporaryDirectory() as folder:
        seconds = execute(notebook, folder, fast)
    if not fast:
        for cell in notebook.cells:
            cell.metadata = {}  # times of execution would change the file at each run
            if cell.cell_type == "code":
                cell.outputs = tidy(cell.outputs)
        nbformat.write(notebook, PAPERS / name / "notebook.ipynb")
    times = json.loads(TIMES.read_text()) if TIMES.is_file() else {}
    times.setdefault(name, {})["fast" if fast else "full"] = round(seconds, 1)
    kept = {known: times[known] for known in sorted(times) if known in names()}
    TIMES.write_text(json.dumps(kept, indent=2) + "\n")
    return seconds


def described(name: str) -> dict[str, str]:
    """Return question, kind and result of a folder from its README.md."""
    path = PAPERS / name / "README.md"
    text = path.read_text() if path.is_file() else ""
    found = {"question": re.search(r"^# (.+)$", text, re.M)}
    for key in ("Kind", "Result"):
        found[key.lower()] = re.search(rf"^\*\*{key}:\*\* (.+)$", text, re.M)
    if missing := [key for key, match in found.items() if match is None]:
        raise ValueError(
            f"papers/{name}/README.md lacks its {', '.join(missing)} (papers/README.md)"
        )
    said = {key: match[1].strip() for key, match in found.items() if match}
    if said["kind"] not in KINDS:
        raise ValueError(f"papers/{name}/README.md: kind is {said['kind']!r}; use one of {KINDS}")
    return said


def table() -> str:
    """Return the table of all notebooks, papers first."""
    times = json.loads(TIMES.read_text()) if TIMES.is_file() else {}
    rows = [
        "| question | result | kind | seconds fast / full |",
        "|---|---|---|---|",
    ]
    stored = [name for name in names() if (PAPERS / name / "notebook.ipynb").is_file()]
    about = {name: described(name) for name in stored}
    for name in sorted(about, key=lambda name: (KINDS.index(about[name]["kind"]), name)):
        said, took = about[name], times.get(name, {})
        seconds = " / ".join(f"{took[key]:.0f}" if key in took else "-" for key in ("fast", "full"))
        link = f"[{said['question']}]({name}/notebook.ipynb)"
        rows.append(f"| {link} | {said['result']} | {said['kind']} | {seconds} |")
    return "\n".join(rows)


def write_table() -> None:
    """Put the table into papers/README.md."""
    head, rest = INDEX.read_text().split(BEGIN)
    INDEX.write_text(f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


def main() -> int:
    """Run the notebooks that are asked for, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--fast", action="store_true", help="as the tests run them; stores seconds")
    parser.add_argument("--table", action="store_true", help="only write the table of README.md")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(names())):
        parser.error(f"unknown notebook {', '.join(unknown)}; known: {', '.join(names())}")
    for name in [] if asked.table else asked.names or names():
        seconds = run(name, asked.fast)
        Console(highlight=False).print(f"papers/{name}: {seconds:.1f} s", soft_wrap=True)
    try:
        write_table()
    except ValueError as error:
        Console(stderr=True, highlight=False).print(f"no new table: {error}", soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
