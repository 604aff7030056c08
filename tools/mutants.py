"""Mutants of the statistical cores: which small changes there are, and how one is made."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CORES: dict[str, tuple[list[str], list[str]]] = {
    "chains and weights": (
        ["inference/pareto_smoothing.py", "lattice_models/chain_statistics.py",
         "inference/posteriors/importance.py"],
        ["tests/inference/test_pareto_smoothing.py",
         "tests/lattice_models/test_chain_statistics.py",
         "tests/inference/posteriors/test_importance.py"],
    ),
    "calibration": (["inference/calibration"], ["tests/inference/calibration"]),
    "pooling": (["inference/pooling"], ["tests/inference/pooling"]),
    "effects": (["causal/effect_estimates"], ["tests/causal/effect_estimates"]),
    "event rates": (["inference/event_rates"], ["tests/inference/event_rates"]),
    "independence": (["causal/independence"], ["tests/causal/independence"]),
}  # fmt: skip
"""Name -> source files or folders, and the tests that are to judge them."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.MatMult: ast.Add,
}  # fmt: skip
CALLED = {
    "min": "max", "max": "min", "sum": "mean", "mean": "sum", "floor": "ceil", "ceil": "floor",
    "log": "exp", "exp": "log", "any": "all", "all": "any", "maximum": "minimum",
    "minimum": "maximum", "argmax": "argmin", "argmin": "argmax", "sqrt": "abs", "abs": "sqrt",
    "std": "var", "var": "std", "cumsum": "cumprod", "nanmean": "nansum",
}  # fmt: skip
WORDS = (ast.JoinedStr, ast.Raise, ast.Assert)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where it stands and what it does."""

    path: str
    function: str
    line: int
    place: int
    change: str

    @property
    def key(self) -> str:
        """Name of the mutant, the same as long as the file doesn't change."""
        return f"{self.path}:{self.line}:{self.place}:{self.change}"


def core_files(core: str) -> list[str]:
    """Return the source files of one core."""
    found = []
    for where in CORES[core][0]:
        place = ROOT / where
        files = [place] if place.is_file() else sorted(place.glob("*.py"))
        found += [str(path.relative_to(ROOT)) for path in files if path.name != "__init__.py"]
    return found


def sites(tree: ast.Module) -> Iterator[tuple[str, int, int, str]]:
    """Yield (function, line, number of the node in the walk, change) for all changes of a file."""
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    for owner, function in _functions(tree):
        for node in _code_of(function):
            for change in _changes(node):
                yield owner, node.lineno, numbers[id(node)], change


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    yield f"{node.name}.{item.name}", item


def _code_of(function: ast.FunctionDef) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, WORDS):
            continue
        if isinstance(node, ast.AnnAssign):
            waiting += [node.value] if node.value else []
            continue
        if isinstance(node, ast.FunctionDef):
            waiting += node.body
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if hasattr(node, "lineno"):
            yield node
        waiting += list(ast.iter_child_nodes(node))


def _changes(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARED:
        return ["compare"]
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COUNTED:
        sides = (getattr(node, "left", None), getattr(node, "right", None))
        texts = any(isinstance(one, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple)
                    and not isinstance(getattr(one, "value", None), int | float)
                    for one in sides)  # fmt: skip
        return [] if texts else ["operator"]
    if isinstance(node, ast.BoolOp):
        return ["and/or"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        return ["drop unary"]
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return ["negate condition"]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        return ["constant"]
    if isinstance(node, ast.Attribute) and node.attr in CALLED:
        return ["function"]
    return []


def mutate(tree: ast.Module, place: int, change: str) -> ast.Module:
    """Return a copy of the tree with one change."""
    new = copy.deepcopy(tree)
    node: Any = next(one for number, one in enumerate(ast.walk(new)) if number == place)
    if change == "compare":
        node.ops[0] = COMPARED[type(node.ops[0])]()
    elif change == "operator":
        node.op = COUNTED[type(node.op)]()
    elif change == "and/or":
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif change == "drop unary":
        if isinstance(node.op, ast.USub):
            node.op = ast.UAdd()
        else:  # twice is not at all
            node.operand = ast.UnaryOp(type(node.op)(), node.operand)
    elif change == "negate condition":
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif change == "constant":
        value = node.value
        node.value = not value if isinstance(value, bool) else _other_number(value)
    elif change == "function":
        node.attr = CALLED[node.attr]
    return ast.fix_missing_locations(new)


def texts(tree: ast.Module, place: int, change: str) -> str:
    """Return what the change does, in words of the code: before -> after."""
    old, new = (
        ast.unparse(
            next(
                node.test if change == "negate condition" else node  # type: ignore[attr-defined]
                for number, node in enumerate(ast.walk(one))
                if number == place
            )
        )
        for one in (tree, mutate(tree, place, change))
    )
    return f"{old} -> {new}"


def statement_lines(tree: ast.Module, place: int) -> range:
    """Return the lines of the statement that holds a node; of a block, those of its head."""
    node = next(one for number, one in enumerate(ast.walk(tree)) if number == place)
    found: Any = None
    for one in ast.walk(tree):  # from outside inwards
        if isinstance(one, ast.stmt) and any(inner is node for inner in ast.walk(one)):
            found = one
    body = getattr(found, "body", None)
    ends = max(body[0].lineno, found.lineno + 1) if body else found.end_lineno + 1
    return range(found.lineno, ends)


def _other_number(value: float) -> float:
    if isinstance(value, int):
        return value + 1
    return 1.0 if value == 0 else value * 2


def drawn(files: list[str], n: int, seed: int) -> list[Mutant]:
    """Draw mutants, each site of all files alike."""
    every = []
    for path in files:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        every += [Mutant(path, *site) for site in sites(tree)]
    random.Random(seed).shuffle(every)  # noqa: S311 -- drawn, not hidden
    return every[:n]
