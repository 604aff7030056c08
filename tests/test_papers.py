"""Every notebook in papers/ runs from top to bottom, and is stored with what it shows."""

import re
import runpy
from pathlib import Path

import pytest

PAPERS = Path(__file__).resolve().parents[1] / "papers"
tools = runpy.run_path(str(PAPERS / "run.py"))
NAMES = tools["names"]()
LARGEST_BYTES = 600_000

each_notebook = pytest.mark.parametrize("name", NAMES)


def kind(name):
    return tools["described"](name)["kind"]


def n_solutions(name):
    source = tools["read_source"](name)
    return len(tools["with_solutions"](source).cells) - len(source.cells)


def test_every_folder_has_a_notebook_and_a_row_in_the_table():
    folders = sorted(path.parent.name for path in PAPERS.glob("*/*.ipynb"))
    assert NAMES
    assert folders == NAMES
    assert tools["table"]() in (PAPERS / "README.md").read_text(), "python papers/run.py --table"


@each_notebook
def test_notebook_runs(name, tmp_path):
    notebook = tools["read_source"](name)
    tools["execute"](notebook, str(tmp_path), fast=True)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert ran
    assert all(cell.execution_count for cell in ran)


@each_notebook
def test_stored_notebook_is_the_source_with_its_pictures(name):
    import nbformat

    path = PAPERS / name / "notebook.ipynb"
    stored = nbformat.read(path, as_version=4)
    source = tools["read_source"](name)

    def said(notebook):
        return [(cell.cell_type, cell.source) for cell in notebook.cells]

    assert said(stored) == said(source), f"run: python papers/run.py {name}"
    shown = [out for cell in stored.cells for out in cell.get("outputs", ())]
    assert any("image/png" in out.get("data", {}) for out in shown)
    assert not any(out.output_type == "error" for out in shown)
    assert path.stat().st_size < LARGEST_BYTES


@each_notebook
def test_readme_and_notebook_hold_what_their_kind_asks_for(name):
    readme = (PAPERS / name / "README.md").read_text()
    text = (PAPERS / name / "notebook.py").read_text()
    assert "assert" in text
    if kind(name) == "lesson":
        assert "It reproduces no paper" in readme
        assert "<details><summary>" in text
        assert n_solutions(name) >= (3 if name.startswith("lesson_") else 0)
        return
    assert re.search(r"^\*\*Paper:\*\* .*doi\.org/10\.", readme, re.M), "name the paper and its DOI"
    for where in (readme, text):
        assert "theirs | ours | why different |" in where
    assert "What this does not show" in text
