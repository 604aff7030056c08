"""What the README shows runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_block_runs(block, capsys):
    exec(compile(block, str(README), "exec"), {})  # noqa: S102 -- our own README
    assert capsys.readouterr().out.strip()


def test_outputs_that_are_shown_are_those_that_come(capsys):
    shown = re.findall(
        r"```python\n((?:(?!```).)*)```\n```text\n(.*?)```", README.read_text(), flags=re.DOTALL
    )
    assert len(shown) == README.read_text().count("```text\n")
    for block, output in shown:
        exec(compile(block, str(README), "exec"), {})  # noqa: S102 -- our own README
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
    used = set(re.findall(r"physlearn (demo|study|doctor|check|plan|data)\b", text))
    assert used <= known
