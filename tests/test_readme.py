"""What the README shows runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
FROM_PYTHON = README.parent / "docs" / "from_python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_block_runs(block, capsys):
    exec(compile(block, str(README), "exec"), {})  # noqa: S102 -- our own README
    assert capsys.readouterr().out.strip()


def test_it_is_short_and_has_a_picture():
    lines = README.read_text().splitlines()
    assert len(lines) <= 120
    pictures = re.findall(r"^!\[.+\]\((.+?)\)$", README.read_text(), flags=re.MULTILINE)
    assert pictures
    assert all((README.parent / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("page", [README, FROM_PYTHON], ids=["readme", "from_python"])
def test_outputs_that_are_shown_are_those_that_come(page, capsys):
    shown = re.findall(
        r"```python\n((?:(?!```).)*)```\n```text\n(.*?)```", page.read_text(), flags=re.DOTALL
    )
    assert len(shown) == page.read_text().count("```text\n")
    for block, output in shown:
        exec(compile(block, str(page), "exec"), {})  # noqa: S102 -- our own pages
        # numbers may differ in the last digit, or by a shot, on another machine
        words, said = (re.sub(r"-?[\d.]+", "#", text) for text in (output, capsys.readouterr().out))
        assert words == said


def test_readme_names_commands_that_exist():
    text = README.read_text()
    makefile = (README.parent / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    from typer.main import get_command

    from physlearn.cli import app

    known = set(get_command(app).commands)
    used = set(re.findall(r"physlearn (demo|study|doctor|check|plan|data|init|watch)\b", text))
    assert used <= known


def test_every_benchmark_of_the_table_exists():
    commands = set(re.findall(r"`python -m (benchmarks[\w.]*)`", README.read_text()))
    assert commands
    for command in commands:
        where = README.parent / command.replace(".", "/")
        assert (where / "__main__.py").is_file() or where.with_suffix(".py").is_file()
