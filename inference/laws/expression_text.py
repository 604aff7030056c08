"""Expressions to and from sympy and text; text is read by a small grammar, never executed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from physlearn.checks import InputError
from physlearn.inference.laws.expression import (
    LARGEST_PROGRAM,
    OPERATIONS,
    UNARY,
    Program,
    Token,
    check_program,
)

__all__ = ["from_sympy", "parse_expression", "parse_template", "to_infix", "to_sympy"]

LONGEST_TEXT = 2000
WORDS = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/^()]))"
)
PRECEDENCE = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 3, "pow": 4}
SIGNS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow", "**": "pow"}
OTHER_NAMES = {"ln": "log", "Abs": "abs"}
LARGEST_EXPONENT_OF_TEN = 300


def to_sympy(program: Sequence[Token], digits: int = 15) -> Any:
    """Return a program as a sympy expression, built node by node; no text is parsed.

    Examples
    --------
    >>> to_sympy(("x", 2, "pow", -0.5, "mul"))
    -0.5*x**2
    """
    import sympy

    functions = {
        "neg": lambda u: -u, "exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt,
        "inv": lambda u: 1 / u, "square": lambda u: u**2, "cube": lambda u: u**3,
        "sin": sympy.sin, "cos": sympy.cos, "tanh": sympy.tanh, "abs": sympy.Abs,
        "add": lambda u, v: u + v, "sub": lambda u, v: u - v, "mul": lambda u, v: u * v,
        "div": lambda u, v: u / v, "pow": lambda u, v: u**v,
    }  # fmt: skip
    stack: list[Any] = []
    for token in program:
        if isinstance(token, int):
            stack.append(sympy.Integer(token))
        elif isinstance(token, float):
            stack.append(sympy.Float(token, digits))
        elif token in OPERATIONS:
            arity = OPERATIONS[token].arity
            arguments = stack[-arity:]
            del stack[-arity:]
            stack.append(functions[token](*arguments))
        else:
            stack.append(sympy.Symbol(token, real=True))
    return stack[0]


def from_sympy(expression: Any) -> Program:
    """Turn a sympy expression into a program: integers and fractions stay exact.

    Raises
    ------
    InputError
        If it holds a function that the grammar lacks, or has more than 64 tokens.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> from_sympy(2.5 * sympy.exp(-x) + sympy.sqrt(x))
    ('x', 'sqrt', 2.5, 'x', 'neg', 'exp', 'mul', 'add')
    """
    try:
        return check_program(_of_sympy(expression, [0]))
    except RecursionError:  # sympy's own walk through a deep tree
        raise InputError(f"expression must have at most {LARGEST_PROGRAM} tokens.") from None


def _of_sympy(expression: Any, visited: list[int]) -> Program:
    import sympy

    visited[0] += 1
    if visited[0] > 4 * LARGEST_PROGRAM:
        raise InputError(f"expression must have at most {LARGEST_PROGRAM} tokens.")
    if expression.is_Symbol:
        if str(expression) in OPERATIONS:
            raise InputError(f"expression uses {expression} as a variable: it is an operation.")
        return (str(expression),)
    if expression.is_Integer:
        return (int(expression),)
    if expression.is_Rational:
        return (int(expression.p), int(expression.q), "div")
    if expression.is_number:
        if not (expression.is_real and expression.is_finite):
            raise InputError(f"expression holds {str(expression)[:40]}, which is no real number.")
        return (float(expression),)
    if isinstance(expression, sympy.Add):
        return _join([_of_sympy(part, visited) for part in expression.args], "add")
    if isinstance(expression, sympy.Mul):
        return _product(expression, visited)
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        short = {-1: "inv", 2: "square", 3: "cube", sympy.Rational(1, 2): "sqrt"}.get(exponent)
        if short:
            return (*_of_sympy(base, visited), short)
        if exponent == sympy.Rational(-1, 2):
            return (*_of_sympy(base, visited), "sqrt", "inv")
        return (*_of_sympy(base, visited), *_of_sympy(exponent, visited), "pow")
    for name, function in (
        ("exp", sympy.exp), ("log", sympy.log), ("sin", sympy.sin), ("cos", sympy.cos),
        ("tanh", sympy.tanh), ("abs", sympy.Abs),
    ):  # fmt: skip
        if isinstance(expression, function):
            return (*_of_sympy(expression.args[0], visited), name)
    raise InputError(
        f"expression holds {type(expression).__name__}, which the grammar of laws lacks."
    )


def _product(expression: Any, visited: list[int]) -> Program:
    negative = expression.args[0] == -1
    over, under = [], []
    for part in expression.args[int(negative) :]:
        if part.is_Pow and part.exp.is_number and part.exp.is_negative:
            under.append(_of_sympy(part.base**-part.exp, visited))
        else:
            over.append(_of_sympy(part, visited))
    if not over:
        program: Program = (*_join(under, "mul"), "inv")
    elif not under:
        program = _join(over, "mul")
    else:
        program = (*_join(over, "mul"), *_join(under, "mul"), "div")
    return (*program, "neg") if negative else program


def _join(parts: Sequence[Program], operation: str) -> Program:
    program = parts[0]
    for part in parts[1:]:
        program = (*program, *part, operation)
    return program


def to_infix(
    program: Sequence[Token], constants: Sequence[str] | None = None, prefix: str = ""
) -> str:
    """Return a program as text with no more brackets than it needs.

    Parameters
    ----------
    program
        Postfix program.
    constants
        Text for each fitted constant in the program's order; None writes the numbers in full.
    prefix
        What stands before the name of a function, such as ``"np."``.

    Examples
    --------
    >>> to_infix(("x", 1, "add", "inv", 2.5, "mul"), ["a"])
    '1 / (x + 1) * a'
    """
    stack: list[tuple[str, int]] = []
    used = 0
    for token in program:
        if isinstance(token, float):
            text = constants[used] if constants is not None else repr(token)
            used += 1
            stack.append((text, 3 if text.startswith("-") else 6))
        elif isinstance(token, int):
            stack.append((str(token), 3 if token < 0 else 6))
        elif token in OPERATIONS:
            arity = OPERATIONS[token].arity
            arguments = stack[-arity:]
            del stack[-arity:]
            stack.append(_infix(token, arguments, prefix))
        else:
            stack.append((token, 6))
    return stack[0][0]


def _infix(name: str, arguments: list[tuple[str, int]], prefix: str) -> tuple[str, int]:
    operation = OPERATIONS[name]
    if operation.binds == 5:
        return f"{prefix}{operation.infix.format(arguments[0][0])}", 5
    # The least that each side must bind to stand without brackets: a - (b - c), (a**b)**c
    least = {
        "neg": (3,), "inv": (3,), "square": (5,), "cube": (5,), "add": (1, 1), "sub": (1, 2),
        "mul": (2, 2), "div": (2, 3), "pow": (5, 4),
    }[name]  # fmt: skip
    if name == "mul" and arguments[1][0].startswith("1 /"):
        least = (2, 3)
    texts = [
        text if binds >= need else f"({text})"
        for (text, binds), need in zip(arguments, least, strict=True)
    ]
    return operation.infix.format(*texts), operation.binds


def parse_expression(
    text: str,
    variables: Sequence[str],
    constants: Mapping[str, float] | Sequence[str] = (),
) -> Program:
    """Read an expression such as ``a*exp(-b/T)``; a small grammar, nothing is executed.

    Parameters
    ----------
    text
        Numbers, names, ``+ - * / ** ^ ( )`` and the functions of `OPERATIONS`. Numbers, decimals
        too, are exact (1.5 is 3/2).
    variables
        Names of the variables.
    constants
        Names of the fitted constants with their values, or names alone (value 1). Every place
        where a name stands becomes one ``float``; `parse_template` says which.

    Returns
    -------
    tuple
        Postfix program.

    Raises
    ------
    InputError
        For an unknown name or sign, brackets that do not match, or a text that is too long.

    Examples
    --------
    >>> parse_expression("a*x**2", ["x"], {"a": 3.0})
    (3.0, 'x', 2, 'pow', 'mul')
    """
    return parse_template(text, variables, constants)[0]


def parse_template(
    text: str,
    variables: Sequence[str],
    constants: Mapping[str, float] | Sequence[str] = (),
) -> tuple[Program, tuple[str, ...]]:
    """Read an expression as `parse_expression`; also return each ``float``'s name, in order.

    Raises
    ------
    InputError
        As `parse_expression`.

    Examples
    --------
    >>> parse_template("a*x + a", ["x"], ["a"])
    ((1.0, 'x', 'mul', 1.0, 'add'), ('a', 'a'))
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"text must be an expression such as 'a*exp(-b/T)', got {text!r}.")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"text must have at most {LONGEST_TEXT} characters, got {len(text)}.")
    values = dict(constants) if isinstance(constants, Mapping) else dict.fromkeys(constants, 1.0)
    _check_names(variables, values)
    output: list[Token] = []
    named: list[str] = []
    pending: list[str] = []
    wants_value = True
    for kind, word, place in _words(text):
        if wants_value:
            if kind == "number":
                output += _exact(word)
                wants_value = False
            elif kind == "name":
                name = OTHER_NAMES.get(word, word)
                if word in values:
                    output.append(float(values[word]))
                    named.append(word)
                    wants_value = False
                elif word in variables:
                    output.append(word)
                    wants_value = False
                elif name in UNARY:
                    pending.append(name)
                    _expect_bracket(text, word, place)
                else:
                    raise InputError(_unknown(word, variables, values))
            elif word == "(":
                pending.append("(")
            elif word == "-":
                pending.append("neg")
            elif word != "+":
                raise InputError(f"text lacks a value before {word!r} at place {place}: {text!r}.")
        elif word == ")":
            _close(pending, output, text)
        elif word in SIGNS:
            _push(SIGNS[word], pending, output)
            wants_value = True
        else:
            raise InputError(f"text lacks an operation before {word!r} at place {place}: {text!r}.")
    if wants_value:
        raise InputError(f"text ends where a value must stand: {text!r}.")
    while pending:
        if pending[-1] == "(":
            raise InputError(f"text has a bracket that is not closed: {text!r}.")
        output.append(pending.pop())
    return check_program(output), tuple(named)


def _check_names(variables: Sequence[str], values: Mapping[str, float]) -> None:
    for name in (*variables, *values):
        if not isinstance(name, str) or not name.isidentifier() or name in OPERATIONS:
            raise InputError(f"names must be like x or drive and no operation, got {name!r}.")
    both = sorted(set(variables) & set(values))
    if both:
        raise InputError(f"{both[0]} is named both as a variable and as a constant.")


def _unknown(word: str, variables: Sequence[str], values: Mapping[str, float]) -> str:
    known = ", ".join((*variables, *values)) or "none"
    return f"text uses {word[:40]!r}: names are {known}; functions are {', '.join(UNARY)}."


def _words(text: str) -> list[tuple[str, str, int]]:
    words = []
    place = 0
    end = len(text.rstrip())
    while place < end:
        match = WORDS.match(text, place)
        if match is None:
            raise InputError(
                f"text holds {text[place:].lstrip()[:1]!r} at place {place}: {text!r}."
            )
        kind = str(match.lastgroup)
        words.append((kind, match.group(kind), match.start(kind)))
        place = match.end()
    return words


def _expect_bracket(text: str, word: str, place: int) -> None:
    if not text[place + len(word) :].lstrip().startswith("("):
        raise InputError(f"text must have a bracket after the function {word!r}: {text!r}.")


def _exact(word: str) -> list[Token]:
    exponent = word.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > LARGEST_EXPONENT_OF_TEN:
        raise InputError(f"text holds {word[:40]}: numbers must lie within 1e-300 and 1e300.")
    value = Fraction(word)
    if value.denominator == 1:
        return [value.numerator]
    return [value.numerator, value.denominator, "div"]


def _push(operation: str, pending: list[str], output: list[Token]) -> None:
    rank = PRECEDENCE[operation]
    while pending and pending[-1] != "(":
        top = pending[-1]
        held = 5 if top in UNARY and top != "neg" else PRECEDENCE[top]
        # powers group to the right; all else to the left
        if held < rank or (held == rank and operation == "pow"):
            break
        output.append(pending.pop())
    pending.append(operation)


def _close(pending: list[str], output: list[Token], text: str) -> None:
    while pending and pending[-1] != "(":
        output.append(pending.pop())
    if not pending:
        raise InputError(f"text has a bracket that was not opened: {text!r}.")
    pending.pop()
    if pending and pending[-1] in UNARY and pending[-1] != "neg":
        output.append(pending.pop())
