"""Valid calls of public names, taken from the examples of their docstrings while these run."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

PACKAGES = (
    "physlearn",
    "physlearn.lattice_models",
    "physlearn.datasets",
    "physlearn.inference",
    "physlearn.causal",
)


@dataclass(frozen=True)
class Call:
    """One call that works: what was called, and its arguments by name."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    variadic: str | None = None

    def __call__(self, **changes: Any) -> Any:
        """Call with copies of the arguments, some of them changed."""
        given = {key: _copied(value) for key, value in self.arguments.items()} | changes
        positional: list[Any] = []
        if self.variadic is not None:
            before = list(self.arguments)[: list(self.arguments).index(self.variadic)]
            positional = [given.pop(key) for key in before]
            positional += list(given.pop(self.variadic))
        for key, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(given.pop(key))
        return self.function(*positional, **given)


def public_names() -> list[str]:
    """Return every public function and class, as ``package.name``."""
    found = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not (isinstance(value, type) and issubclass(value, Exception)):
                found.append(f"{package}.{name}")
    return found


def recorded_calls(full_name: str) -> list[Call]:
    """Run the example of a public name; return the first call of it and of each of its methods.

    A record that the example never makes itself is recorded where the package makes it.
    """
    package, name = full_name.rsplit(".", 1)
    value = getattr(importlib.import_module(package), name)
    places = dict(_codes(full_name, value))
    calls: dict[str, Call] = {}
    within: dict[str, Call] = {}  # made by the package on the example's behalf

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code not in places:
            return
        back = frame.f_back
        while back is not None and "odd_argument_guard" in back.f_code.co_name:
            back = back.f_back
        own = back is not None and back.f_code.co_filename.startswith("<doctest")
        called, function = places[frame.f_code]
        kept = calls if own else within
        if called not in kept and (own or called == full_name):
            kept[called] = _call(called, function, frame)

    module = importlib.import_module(inspect.unwrap(value).__module__)
    text = inspect.getdoc(value) or ""
    examples = doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    previous = sys.getprofile()
    sys.setprofile(watch)
    try:
        runner.run(examples, out=lambda _: None, clear_globs=False)
    finally:
        sys.setprofile(previous)
    return list((calls if full_name in calls else {**within, **calls}).values())


def _codes(full_name: str, value: Any) -> Iterator[tuple[CodeType, tuple[str, Any]]]:
    if not isinstance(value, type):
        plain = inspect.unwrap(value)
        if hasattr(plain, "__code__"):
            yield plain.__code__, (full_name, value)
        return
    start = inspect.unwrap(value.__init__)
    if hasattr(start, "__code__"):
        yield start.__code__, (full_name, value)
    for key, member in vars(value).items():
        method = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if key.startswith("_") or not inspect.isfunction(method):
            continue
        called = method if method is member else getattr(value, key)
        yield inspect.unwrap(method).__code__, (f"{full_name}.{key}", called)


def _call(name: str, function: Any, frame: FrameType) -> Call:
    arguments, variadic = {}, None
    for key, parameter in inspect.signature(function).parameters.items():
        if key not in frame.f_locals:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(frame.f_locals[key])
            continue
        if type(frame.f_locals[key]).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
            continue  # stands for the default of a field of a record
        if parameter.kind is parameter.VAR_POSITIONAL:
            variadic = key
        arguments[key] = _copied(frame.f_locals[key])
    return Call(name, function, arguments, variadic)


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:
        return value
