"""Every public name explains itself, with an example that runs."""

import doctest
import importlib
import inspect

import pytest

PACKAGES = (
    "physlearn",
    "physlearn.lattice_models",
    "physlearn.datasets",
    "physlearn.inference",
    "physlearn.causal",
)
CONSTANTS = {"CREDIBLE_MASS"}


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
    module = importlib.import_module(value.__module__)
    parser = doctest.DocTestParser()
    examples = parser.get_doctest(text, dict(vars(module)), name, module.__file__, 0)
    assert examples.examples, f"{name} has no example"
    out = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=out.append)
    assert failed.failed == 0, "".join(out)
