"""Formulas of the suite: read by Python's own parser, with no help from what is measured."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluate", "free_exponents", "functions_of", "program_of"]

Floats = NDArray[np.float64]
Token = str | int | float

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
NUMPY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
}  # fmt: skip
POWERS = {2: "square", 3: "cube", -1: "inv"}


def evaluate(formula: str, values: Mapping[str, Floats | float]) -> Floats:
    """Return the formula's values, with numpy, for variables and constants by name."""

    def of(node: ast.expr) -> Floats | float:
        if isinstance(node, ast.BinOp):
            operation = NUMPY[BINARY[type(node.op)]]
            return np.asarray(operation(1.0 * of(node.left), 1.0 * of(node.right)))
        if isinstance(node, ast.UnaryOp):
            return -1.0 * of(node.operand)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return np.asarray(NUMPY[node.func.id](of(node.args[0])))
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        raise TypeError(f"{formula!r} holds {ast.dump(node)}, which a formula may not.")

    return np.asarray(of(ast.parse(formula, mode="eval").body), dtype=float)


def program_of(formula: str, constants: Mapping[str, float]) -> tuple[Token, ...]:
    """Return the formula as a postfix program: integers are exact, constants are floats."""

    def of(node: ast.expr) -> list[Token]:
        if isinstance(node, ast.BinOp):
            exponent = _integer(node.right)
            if isinstance(node.op, ast.Pow) and exponent is not None:
                short = POWERS.get(exponent)
                return [*of(node.left), *([short] if short else [exponent, "pow"])]
            return [*of(node.left), *of(node.right), BINARY[type(node.op)]]
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.operand, ast.Constant):
                return [-node.operand.value]  # type: ignore[operator]
            return [*of(node.operand), "neg"]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return [*(token for part in node.args for token in of(part)), node.func.id]
        if isinstance(node, ast.Name):
            return [float(constants[node.id]) if node.id in constants else node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return [node.value]
        raise TypeError(f"{formula!r} holds {ast.dump(node)}, which a formula may not.")

    return tuple(of(ast.parse(formula, mode="eval").body))


def free_exponents(formula: str) -> str:
    """Return the formula with its exact fractional and large exponents as numbers to be fitted.

    x**(1/3) becomes x**0.333 and x**12 becomes x**12.0: a law found with a fitted exponent is the
    same law. Squares, cubes and inverses stay exact.
    """
    tree = ast.parse(formula, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            value = _integer(node.right)
            names = [part for part in ast.walk(node.right) if isinstance(part, ast.Name)]
            if names or (value is not None and abs(value) <= 3):
                continue
            node.right = ast.Constant(float(evaluate(ast.unparse(node.right), {})))
    return ast.unparse(tree)


def functions_of(formula: str) -> set[str]:
    """Return the names of the functions that a formula calls."""
    nodes = ast.walk(ast.parse(formula, mode="eval"))
    return {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _integer(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return sign * node.value
    return None
