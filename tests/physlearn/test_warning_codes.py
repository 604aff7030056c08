"""Every warning and note of the packages has a code, and every code a page."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from physlearn.results import Fit, fit_from_draws
from physlearn.warning_codes import (
    warning_code,
    warning_codes,
    warning_page,
    warning_title,
    with_code,
)

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = ROOT / "physlearn" / "warning_codes.txt"
PAGES = ROOT / "docs" / "warnings"


def _tool():
    place = ROOT / "tools" / "warning_sentences.py"
    spec = importlib.util.spec_from_file_location("warning_sentences", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules["warning_sentences"] = module  # its frozen dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


def test_every_sentence_of_the_packages_has_a_code():
    found = TOOL.Flow(TOOL.read_sources()).run()
    assert len(found) > 500
    without = [f"{one.path}:{one.line} {one.text}" for one in found if not warning_code(one.text)]
    assert not without, "add these to physlearn/warning_codes.txt under their kind"


def test_every_listed_sentence_finds_its_own_code():
    code, wrong = "", []
    for line in REGISTRY.read_text().splitlines():
        if line.startswith("PL"):
            code = line.split()[0]
        elif line.startswith("  "):
            said = TOOL.re.sub(r"\{\w*(?::[^{}]*)?\}", "3.2", line.strip())
            wrong += [] if warning_code(said) == code else [(code, warning_code(said), said)]
    assert not wrong


def test_every_code_has_a_whole_page_and_the_files_are_in_step(tmp_path):
    for code in warning_codes():
        page = warning_page(code)
        assert all(head in page for head in ("# PL", "What it means.", "Why.", "What to do."))
    fresh = {path.name: path.read_text() for path in TOOL.write_pages(tmp_path)}
    assert fresh == {path.name: path.read_text() for path in PAGES.glob("*.md")}


def test_an_unknown_sentence_and_code_get_nothing():
    assert warning_code("all is well") == warning_page("PL999") == warning_title("PL999") == ""
    assert with_code("all is well") == "all is well"


def test_a_sentence_without_code_is_seen(tmp_path):
    folder = tmp_path / "inference"
    folder.mkdir()
    (folder / "part.py").write_text(
        "RARE = {'a': 'the moon was full on that night'}\n"
        "def _more(bad):\n    return [RARE[key] for key in bad]\n"
        "def fit(x):\n    said = []\n"
        "    if x:\n        said.append(f'the value {x} is quite odd')\n"
        "    said += _more(x)\n    return make(warnings=said)\n"
    )
    texts = {one.text for one in TOOL.Flow(TOOL.read_sources(tmp_path)).run()}
    assert texts == {"the value {} is quite odd", "the moon was full on that night"}
    assert not any(map(warning_code, texts))


@pytest.fixture
def fit():
    return fit_from_draws(
        {"field": np.linspace(0, 1, 50)}, model="m", likelihood="l", approximation="a", seed=0,
        data=b"x", warnings=["the search was stopped before its end", "all is well"],
    )  # fmt: skip


def test_the_code_stands_where_the_fit_is_shown_and_survives_the_file(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    for one in (fit, Fit.load(tmp_path / "fit.nc")):
        assert "the search was stopped before its end [PL105]" in repr(one)
        assert "[PL105]" in one._repr_html_()
        assert one.warnings == fit.warnings
