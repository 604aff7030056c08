"""Every public name explains itself, with an example that runs."""

import doctest
import importlib
import inspect
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

PACKAGES = (
    "physlearn",
    "physlearn.lattice_models",
    "physlearn.datasets",
    "physlearn.inference",
    "physlearn.causal",
)
CONSTANTS = {"CREDIBLE_MASS"}
ROOT = Path(__file__).resolve().parents[1]
GOLDEN = runpy.run_path(str(ROOT / "tools" / "golden.py"))
ANSWERS = json.loads(GOLDEN["ANSWERS"].read_text())
TABLES = {"Fit", "EquationSet", "DynamicsLaws", "CalibrationReport"}
"""Results that show their table as text."""


def public_names():
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            if name not in CONSTANTS:
                yield pytest.param(package, name, id=f"{package}.{name}")


@pytest.mark.parametrize(("package", "name"), list(public_names()))
def test_public_name_has_a_docstring_with_a_running_example(package, name):
    value = getattr(importlib.import_module(package), name)
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    if isinstance(value, type) and issubclass(value, Exception):
        return
    module = importlib.import_module(inspect.unwrap(value).__module__)
    parser = doctest.DocTestParser()
    examples = parser.get_doctest(text, dict(vars(module)), name, module.__file__, 0)
    assert examples.examples, f"{name} has no example"
    out = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed = runner.run(examples, out=out.append, clear_globs=False)
    assert failed.failed == 0, "".join(out)
    made = {k: v for k, v in examples.globs.items() if k not in vars(module)}
    shown_in_short(made)
    if not fresh_seeds():
        before = ANSWERS.get(f"{package}.{name}", {})
        said = (
            "an answer moved; if the new one is right, run tools/golden.py and say why in the log"
        )
        assert not GOLDEN["moved"](GOLDEN["answers_of"](made), before), said


def fresh_seeds():
    return getattr(np.random.default_rng, "joins", 0)


def shown_in_short(made):
    """Check that whatever of ours an example made is shown in a few lines."""
    for name, thing in made.items():
        if isinstance(thing, type) or not type(thing).__module__.startswith("physlearn."):
            continue
        shown = repr(thing)
        longest = 2500 if type(thing).__name__ in TABLES else 1000
        assert len(shown) < longest, f"{name}: {shown[:300]}"
        if hasattr(thing, "_repr_html_") and not hasattr(thing, "get_params"):
            assert len(thing._repr_html_()) < 12_000, name
