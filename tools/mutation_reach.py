"""Which lines of the cores each test runs, and how long it takes: what mutants are judged by."""

from __future__ import annotations

import ast
import functools
import gc
import inspect
import signal
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coverage
from mutants import Mutant, statement_lines

ROOT = Path(__file__).resolve().parents[1]
LONGEST_TEST_S = 3.0
"""Tests that take more CPU seconds while they are traced are left to the ordinary suite."""


class TooLongError(Exception):
    """A test takes more than its share."""


def within(seconds: float, run: Callable[[Any], bool], item: Any) -> bool:
    """Run a test; it fails by an exception where it takes more CPU seconds than given."""
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return run(item)
    except TooLongError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(*_: object) -> None:
    raise TooLongError


class Reach:
    """What each test runs of some files, and its CPU seconds."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.trees = {path: ast.parse((ROOT / path).read_text("utf-8")) for path in files}
        self.traced = coverage.Coverage(
            include=[str(ROOT / path) for path in files], data_file=None, config_file=False
        )
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.sources: dict[str, str] = {}
        self.lines: dict[str, dict[int, list[str]]] = {}

    def note(self, items: list[Any]) -> None:
        """Keep the text of all tests, before anybody edits them."""
        self.sources = {item.nodeid: inspect.getsource(item.function) for item in items}

    def follow(self, item: Any, run: Callable[[Any], bool]) -> None:
        """Run a test and write down which lines it runs."""
        name = item.nodeid
        for module in list(sys.modules.values()):  # what an earlier test left is no reach of this
            if str(getattr(module, "__file__", "")).startswith(str(ROOT)):
                for value in list(vars(module).values()):
                    if type(value) is functools._lru_cache_wrapper:
                        value.cache_clear()
        self.traced.start()
        self.traced.switch_context(name)
        began = time.process_time()
        good = within(2 * LONGEST_TEST_S, run, item)
        self.seconds[name] = time.process_time() - began
        self.traced.stop()
        if not good:
            self.failed.add(name)

    def finish(self) -> None:
        """Read the lines from the tracer, and list the functions that can be exchanged."""
        data = self.traced.get_data()
        for path in self.files:
            found = data.contexts_by_lineno(str(ROOT / path))
            self.lines[path] = {line: [one for one in names if one]
                                for line, names in found.items()}  # fmt: skip
        self.caches: list[Any] = []
        self.live: dict[tuple[str, str], list[types.FunctionType]] = {}
        gc.unfreeze()  # some libraries freeze what is there when they are imported
        for thing in gc.get_objects():
            # The type itself: proxies answer isinstance by what they stand for, or raise
            if type(thing) is functools._lru_cache_wrapper:
                self.caches.append(thing)
            elif type(thing) is types.FunctionType:
                key = thing.__code__.co_filename, thing.__code__.co_qualname
                self.live.setdefault(key, []).append(thing)

    def tests_of(self, one: Mutant) -> set[str]:
        """Return the tests that run the statement of a mutant; of a kernel, those that call it."""
        tree = self.trees[one.path]
        if self.is_kernel(one):
            names = {name for name, text in self.sources.items() if f"{one.function}(" in text}
            for path, other in self.trees.items():
                for node in ast.walk(other):
                    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == one.function:
                        names.update(self.lines[path].get(node.lineno, []))
            return names
        lines = statement_lines(tree, one.place)
        return {name for line in lines for name in self.lines[one.path].get(line, [])}

    def is_kernel(self, one: Mutant) -> bool:
        """Whether numba compiles the function, so that no line of it is seen to run."""
        return any(
            isinstance(node, ast.FunctionDef) and node.name == one.function
            and any(getattr(mark, "id", "") == "kernel" for mark in node.decorator_list)
            for node in self.trees[one.path].body
        )  # fmt: skip


def plain_kernels(file: str) -> None:
    """Put the uncompiled form of all kernels of a file wherever modules hold them."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if hasattr(module, "__dict__") else ():
            plain = getattr(value, "py_func", None) if "numba" in str(type(value)) else None
            if plain is not None and plain.__code__.co_filename == file:
                setattr(module, name, plain)
