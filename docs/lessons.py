"""Run the lessons in papers/ and store their outputs: ``python docs/lessons.py [name ...]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from rich.console import Console

PAPERS = Path(__file__).resolve().parents[1] / "papers"
SECONDS_A_CELL = 600


def store_outputs(path: Path) -> float:
    """Run one notebook from top to bottom, write it with its outputs, return the seconds."""
    begun = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=SECONDS_A_CELL, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata = {}  # times of execution would change the file at each run
        if cell.cell_type == "code":
            cell.outputs = join_streams(cell.outputs)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)
    return time.perf_counter() - begun


def join_streams(outputs: list[Any]) -> list[Any]:
    """Return a cell's outputs with neighbouring pieces of one stream as one."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def main() -> int:
    """Run the lessons that are asked for, or all."""
    known = {path.parent.name: path for path in sorted(PAPERS.glob("*/lesson.ipynb"))}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(known))
    chosen = parser.parse_args().names or list(known)
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"unknown lesson {', '.join(unknown)}; known: {', '.join(known)}")
    for name in chosen:
        Console(highlight=False).print(f"{known[name]} ({store_outputs(known[name]):.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
