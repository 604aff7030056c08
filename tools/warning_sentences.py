#!/usr/bin/env python3
"""Find every sentence that the packages put among warnings and notes.

``python tools/warning_sentences.py`` lists them with their codes; ``--without`` only those that
have none (add them to ``physlearn/warning_codes.txt`` under their kind); ``--pages`` writes the
pages of ``docs/warnings`` from that file.

A small analysis of names: what is stored under a name such as ``warnings`` or ``notes`` is a
sentence, and so is what flows there through a name, a parameter, a function's return or a
constant. It errs on the side of too many.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("physlearn", "inference", "causal", "lattice_models", "datasets")
SINKS = {"warnings", "notes"}
"""Fields, keywords and keys whose texts a user reads beside a result."""

FEWEST_WORDS = 4
GAP = "{}"
WORD = re.compile(r"\b[A-Za-z]{2,}\b")
GROWING = {"append", "extend", "insert", "add"}
INDEX = """# Warnings and their codes

Every warning and note of a result carries a code, shown behind it in square brackets. In Python:

```python
import physlearn

print(physlearn.warning_page(physlearn.warning_code("the search was stopped before its end")))
```

| code | kind |
|---|---|
{rows}

:::{{toctree}}
:hidden:

{codes}
:::
"""
FOLLOWED = (
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.comprehension, ast.Call,
    ast.Dict, ast.Return, ast.Yield,
)  # fmt: skip
Scope = ast.FunctionDef | ast.Module
sys.setrecursionlimit(20_000)


@dataclass(frozen=True, slots=True, order=True)
class Sentence:
    """One sentence: ``{}`` stands for what changes from run to run."""

    path: str
    line: int
    text: str


@dataclass(slots=True)
class Sources:
    """The packages' syntax trees, and who is defined and called where (by bare name)."""

    path_of: dict[int, str] = field(default_factory=dict)
    inside: dict[int, list[ast.AST]] = field(default_factory=dict)
    module_of: dict[int, ast.Module] = field(default_factory=dict)
    defined: dict[str, list[Scope]] = field(default_factory=lambda: defaultdict(list))
    fields: dict[str, list[str]] = field(default_factory=dict)
    calls: dict[str, list[tuple[Scope, ast.Call]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    constants: dict[str, list[tuple[Scope, ast.expr]]] = field(
        default_factory=lambda: defaultdict(list)
    )


def read_sources(root: Path = ROOT) -> Sources:
    """Read every module of the packages."""
    sources = Sources()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            _enter(sources, tree, tree, str(path.relative_to(root)))
    return sources


def _enter(sources: Sources, scope: Scope, module: ast.Module, path: str) -> None:
    key = id(scope)
    sources.path_of[key], sources.module_of[key], sources.inside[key] = path, module, []
    waiting = list(ast.iter_child_nodes(scope))[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef):
            sources.defined[node.name].append(node)
            _enter(sources, node, module, path)
            continue
        if isinstance(node, ast.ClassDef):
            fields = [
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
            sources.fields[node.name] = fields
        if isinstance(node, FOLLOWED):
            sources.inside[key].append(node)
        if isinstance(node, ast.Call):
            sources.calls[_bare(node.func)].append((scope, node))
        if scope is module and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    sources.constants[target.id].append((scope, node.value))
        waiting += list(ast.iter_child_nodes(node))[::-1]


def _bare(func: ast.expr) -> str:
    if isinstance(func, ast.Name):
        return func.id
    return func.attr if isinstance(func, ast.Attribute) else ""


class Flow:
    """Follow names backwards from the sinks to the literals."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.seen: set[tuple[object, ...]] = set()
        self.found: set[Sentence] = set()

    def run(self) -> set[Sentence]:
        """Start at every name, keyword and key of ``SINKS``."""
        for scopes in [*self.sources.defined.values()]:
            for scope in scopes:
                self._seed(scope)
        for module in {id(one): one for one in self.sources.module_of.values()}.values():
            self._seed(module)
        return self.found

    def _seed(self, scope: Scope) -> None:
        for sink in SINKS:
            self.name(scope, sink)
        for node in self.sources.inside[id(scope)]:
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg in SINKS:
                        self.expression(scope, keyword.value)
                for sink in SINKS & set(self.sources.fields.get(_bare(node.func), ())):
                    place = self.sources.fields[_bare(node.func)].index(sink)
                    if place < len(node.args):
                        self.expression(scope, node.args[place])
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in SINKS:
                        self.expression(scope, value)
        if isinstance(scope, ast.FunctionDef) and scope.name.strip("_") in SINKS:
            self.function(scope, scope.name, None)

    def name(self, scope: Scope, name: str) -> None:
        """Everything that is stored under a name of a scope is a sentence."""
        if (id(scope), name) in self.seen:
            return
        self.seen.add((id(scope), name))
        stored = False
        for node in self.sources.inside[id(scope)]:
            stored |= self._stored(scope, node, name)
        if isinstance(scope, ast.FunctionDef):
            names = [argument.arg for argument in _arguments(scope)]
            if name in names:
                self._passed(scope, name, names.index(name))
                return
        if not stored and name not in SINKS:
            for home, value in self.sources.constants.get(name, ()):
                self.expression(home, value)

    def _stored(self, scope: Scope, node: ast.AST, name: str) -> bool:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            if node.value is None:
                return False
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = [self._target(scope, target, node.value, name) for target in targets]
            return any(stored)
        if isinstance(node, ast.For | ast.comprehension):
            return self._target(scope, node.target, node.iter, name)
        if isinstance(node, ast.Call):
            func = node.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr in GROWING
                and isinstance(func.value, ast.Name)
                and func.value.id == name
            ):
                for argument in node.args:
                    self.expression(scope, argument)
                return True
            for place, argument in enumerate(node.args):
                if isinstance(argument, ast.Name) and argument.id == name:
                    self._callee(scope, _bare(func), place)
        return False

    def _target(self, scope: Scope, target: ast.expr, value: ast.expr, name: str) -> bool:
        if isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name) and target.id == name:
            self.expression(scope, value)
            return True
        if isinstance(target, ast.Tuple):
            places = [
                place
                for place, item in enumerate(target.elts)
                if isinstance(item, ast.Name | ast.Starred)
                and getattr(item, "id", getattr(getattr(item, "value", None), "id", "")) == name
            ]
            for place in places:
                if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                    self.expression(scope, value.elts[place])
                elif isinstance(value, ast.Call):
                    self.function(scope, _bare(value.func), place)
            return bool(places)
        return False

    def _callee(self, home: Scope, called: str, place: int) -> None:
        # A list handed to a function of ours may grow there
        for scope in self._meant(home, called):
            arguments = _arguments(scope)
            if place < len(arguments) and "'list'" in ast.dump(arguments[place]):
                self.name(scope, arguments[place].arg)

    def _passed(self, scope: ast.FunctionDef, name: str, place: int) -> None:
        if "'str'" not in ast.dump(_arguments(scope)[place]):
            return
        for home, call in self.sources.calls.get(scope.name, ()):
            if scope not in self._meant(home, scope.name):
                continue
            if place < len(call.args):
                self.expression(home, call.args[place])
            for keyword in call.keywords:
                if keyword.arg == name:
                    self.expression(home, keyword.value)

    def _meant(self, home: Scope, name: str) -> list[ast.FunctionDef]:
        """Functions that a bare name means in a module: its own, or else all of that name."""
        every = [one for one in self.sources.defined.get(name, ()) if not _is_method(one)]
        module = self.sources.module_of[id(home)]
        return [one for one in every if self.sources.module_of[id(one)] is module] or every

    def function(self, home: Scope, name: str, place: int | None) -> None:
        """What a function returns (or one place of it) is a sentence."""
        for scope in self._meant(home, name):
            if ("return", id(scope), place) in self.seen:
                continue
            self.seen.add(("return", id(scope), place))
            for node in self.sources.inside[id(scope)]:
                value = getattr(node, "value", None)
                if not isinstance(node, ast.Return | ast.Yield) or value is None:
                    continue
                if place is not None and isinstance(value, ast.Tuple):
                    if place < len(value.elts):
                        self.expression(scope, value.elts[place])
                elif place is not None and isinstance(value, ast.Call):
                    self.function(scope, _bare(value.func), place)
                else:
                    self.expression(scope, value)

    def expression(self, scope: Scope, node: ast.expr) -> None:
        """Follow one expression."""
        text = _template(node)
        if text is not None and len(WORD.findall(text)) >= FEWEST_WORDS:
            path = self.sources.path_of[id(scope)]
            self.found.add(Sentence(path, node.lineno, " ".join(text.split())))
            return
        if isinstance(node, ast.Name):
            self.name(scope, node.id)
        elif isinstance(node, ast.Call):
            self._call(scope, node)
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            self.expression(scope, node.elt)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                self.expression(scope, value)
        elif isinstance(node, ast.FormattedValue | ast.Starred | ast.Subscript | ast.NamedExpr):
            self.expression(scope, node.value)
        elif isinstance(node, ast.IfExp):
            self.expression(scope, node.body)
            self.expression(scope, node.orelse)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(node, ast.BinOp | ast.BoolOp | ast.JoinedStr | ast.Tuple | ast.List
                              | ast.Set) and isinstance(child, ast.expr):  # fmt: skip
                    self.expression(scope, child)

    def _call(self, scope: Scope, node: ast.Call) -> None:
        called = _bare(node.func)
        if called in self.sources.defined and not (
            isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Constant)
        ):
            self.function(scope, called, None)
            return
        if called in self.sources.fields:
            return
        if isinstance(node.func, ast.Attribute):
            self.expression(scope, node.func.value)
        if called in {"len", "str", "get", "split", "isinstance", "round", "float", "int"}:
            return
        for argument in node.args:
            self.expression(scope, argument)


def _is_method(scope: ast.FunctionDef) -> bool:
    return any(argument.arg in {"self", "cls"} for argument in scope.args.args[:1])


def _arguments(scope: ast.FunctionDef) -> list[ast.arg]:
    return [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]


def _template(node: ast.expr) -> str | None:
    """Return a literal's text with gaps, None where it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left), _template(node.right)
        if left is None and right is None:
            return None
        return (GAP if left is None else left) + (GAP if right is None else right)
    if isinstance(node, ast.IfExp):
        return None
    return None


def write_pages(folder: Path) -> list[Path]:
    """Write a page for every code, and the list of them."""
    from physlearn.warning_codes import warning_codes, warning_page, warning_title

    folder.mkdir(exist_ok=True)
    rows = [f"| [{code}]({code}.md) | {warning_title(code)} |" for code in warning_codes()]
    pages = {code: warning_page(code) for code in warning_codes()}
    pages["index"] = INDEX.format(rows="\n".join(rows), codes="\n".join(warning_codes()))
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return [folder / f"{name}.md" for name in pages]


def main() -> int:
    """Print every sentence, or with ``--without`` those that have no code."""
    from physlearn.warning_codes import warning_code

    if "--pages" in sys.argv[1:]:
        write_pages(ROOT / "docs" / "warnings")
        return 0
    only = "--without" in sys.argv[1:]
    missing = 0
    for one in sorted(Flow(read_sources()).run()):
        code = warning_code(one.text)
        missing += not code
        if not (only and code):
            print(f"{code or '-----'}  {one.text}  ({one.path}:{one.line})")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
