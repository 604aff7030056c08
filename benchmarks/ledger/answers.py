"""Every public function whose answer has an uncertainty, found by walking the packages."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator

from physlearn.results import Fit

PACKAGES = ("lattice_models", "datasets", "inference", "causal")
UNCERTAIN = re.compile(
    r"(^|_)(sd|sds|interval|intervals|draws|low|high|posterior|fit|fits|covariance|error|errors|"
    r"lower|upper|probability|probabilities|weights)(_|$)"
)
WORDS = re.compile(r"\b(interval|posterior|credible|confidence)", re.IGNORECASE)
RECORDS = {"AtomicConfiguration", "PatchTable", "Trajectory", "WallTrack", "LatticeSnapshots"}


def answers() -> Iterator[str]:
    """Dotted names below physlearn of functions that give a posterior, draws or intervals.

    Told by the annotation: a ``Fit``, or a class with a field or method named for an uncertainty;
    of tables, arrays and numbers by the words of the docstring's section Returns.
    """
    for package in PACKAGES:
        module = importlib.import_module(f"physlearn.{package}")
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and _is_uncertain(function):
                yield f"{package}.{name}"


def _is_uncertain(function: object) -> bool:
    annotation = str(inspect.signature(function).return_annotation)  # type: ignore[arg-type]
    classes = list(_classes(function, annotation))
    if any(one is Fit for one in classes):
        return True
    ours = [one for one in classes if one.__name__ not in RECORDS]
    if ours:
        return any(UNCERTAIN.search(name) for one in ours for name in _public(one))
    if classes:
        return False
    returns = (inspect.getdoc(function) or "").partition("Returns\n-------")[2]
    return bool(WORDS.search(returns.partition("\n\n")[0]))


def _classes(function: object, annotation: str) -> Iterator[type]:
    """Our classes that an annotation names."""
    module = inspect.getmodule(function)
    for word in re.findall(r"\w+", annotation):
        found = getattr(module, word, None)
        if found is None:
            found = next(
                (
                    vars(other)[word]
                    for other in _modules()
                    if isinstance(vars(other).get(word), type)
                ),
                None,
            )
        if isinstance(found, type) and found.__module__.startswith("physlearn"):
            yield found


def _modules() -> list[object]:
    import sys

    return [held for name, held in sorted(sys.modules.items()) if name.startswith("physlearn.")]


def _public(kind: type) -> list[str]:
    return [name for name in (*getattr(kind, "__annotations__", {}), *vars(kind)) if name[0] != "_"]
