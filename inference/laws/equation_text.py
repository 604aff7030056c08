"""Laws as people and programs read them: text, LaTeX, Python source, HTML."""

from __future__ import annotations

import functools
import html
import keyword
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_digits import FEWEST_DIGITS, digits_of, rounded
from physlearn.inference.laws.expression import OPERATIONS
from physlearn.inference.laws.expression_text import to_infix
from physlearn.inference.laws.own_functions import derived_names

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = [
    "constant_names",
    "formula_of",
    "html_of",
    "latex_of",
    "plain_text_of",
    "python_source",
    "text_of",
]

ROWS_SHOWN = 8
DERIVATIVE = re.compile(r"d(\w+)/d(\w+)")
LATEX_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
RESERVED = {"np", *OPERATIONS, *keyword.kwlist}


def text_of(equation: Equation, laws: EquationSet | None = None) -> str:
    """Return the law with numbers of 4 digits, or of as many as keep its values in ``laws``.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> text_of(Equation((Term(2.00001, ("x", 2, "pow")),), 0.0, 0.0, 1))
    '2*x**2'
    """
    return _text(equation, FEWEST_DIGITS if laws is None else digits_of(equation, laws))


@functools.lru_cache(maxsize=4096)
def _text(equation: Equation, digits: int) -> str:
    return str(rounded(equation, digits))


def constant_names(equation: Equation, variables: Sequence[str] = ()) -> list[str]:
    """Names of the fitted constants, c0, c1, ..., with underscores where a variable has the name.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> constant_names(Equation((Term(2.0, ("c0", 0.5, "pow")),), 0.0, 0.0, 2))
    ['c0_', 'c1']
    """
    taken = {*variables, *equation.variables}
    names = []
    for index in range(len(equation.constants)):
        name = f"c{index}"
        while name in taken:
            name += "_"
        names.append(name)
    return names


def formula_of(equation: Equation, variables: Sequence[str] = ()) -> str:
    """Return the law with named constants instead of numbers.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> formula_of(Equation((Term(2.0, ("x", 0.5, "pow")),), 0.0, 0.0, 2))
    'c0 * x**c1'
    """
    return to_infix(equation.program, constant_names(equation, variables))


def python_source(laws: EquationSet, index: int) -> str:
    """Return the source of a plain numpy function of one law; see `EquationSet.to_python`."""
    law = laws.law(index)
    names = constant_names(law, laws.variables)
    safe: dict[str, str] = {}
    for name in laws.variables:
        free = name
        while free in RESERVED or free in safe.values() or (free != name and free in names):
            free += "_"
        safe[name] = free
    own = {n: p for n, p in _derived(laws).items() if n in law.variables}
    words = {word: _free(f"{word}_", {*safe.values(), *names}) for word, _ in own.values()}
    calls = {n: f"{words[word]}({safe[variable]})" for n, (word, variable) in own.items()}
    for name in calls:
        safe[name] = _free(name, {*safe.values(), *words.values(), *names})
    arguments = [*(safe[name] for name in laws.variables), *words.values()]
    program = tuple(safe.get(t, t) if isinstance(t, str) else t for t in law.program)
    body = to_infix(program, names, prefix="np.")
    if laws.link != "identity":
        body = INVERSE_LINK_SOURCE[laws.link].format(body)
    if not law.variables:
        body = f"{body} + 0.0 * {safe[laws.variables[0]]}"
    function = re.sub(r"\W+", "_", laws.target).strip("_") or "law"
    if function[0].isdigit() or function in {*RESERVED, *safe.values(), *names}:
        function = f"law_{function}"
    said = _docstring(laws, law, names)
    lines = ["import numpy as np", "", "", f"def {function}({', '.join(arguments)}):"]
    lines += [f'    """{said[0]}', "", *[f"    {line}".rstrip() for line in said[1:]], '    """']
    lines += [
        f"    {safe[name]} = np.asarray({safe[name]}, dtype=float)" for name in laws.variables
    ]
    lines += [f"    {safe[name]} = {call}" for name, call in calls.items()]
    lines += [
        f"    {name} = {float(value)!r}" for name, value in zip(names, law.constants, strict=True)
    ]
    return "\n".join([*lines, f"    return {body}", ""])


def _free(name: str, taken: set[str]) -> str:
    while name in RESERVED or name in taken:
        name += "_"
    return name


def _derived(laws: EquationSet) -> dict[str, tuple[str, str]]:
    return derived_names(laws.functions, laws.variables)


INVERSE_LINK_SOURCE = {
    "log": "np.exp({0})", "log10": "10.0 ** ({0})", "sqrt": "({0}) ** 2",
    "inv": "1.0 / ({0})", "logit": "1.0 / (1.0 + np.exp(-({0})))",
}  # fmt: skip


def _docstring(laws: EquationSet, law: Equation, names: Sequence[str]) -> list[str]:
    units = dict(zip(laws.variables, laws.variable_units or (), strict=False))
    error = np.full(len(names), np.nan)
    if law.covariance is not None:
        error = np.sqrt(np.maximum(np.diag(law.covariance), 0.0))
    shown = laws.target if laws.link == "identity" else f"{laws.link}({laws.target})"
    lines = [f"{shown} = {formula_of(law, laws.variables)}."]
    for name, value, sd in zip(names, law.constants, error, strict=True):
        lines.append(f"{name} = {value:.6g}" + (f" +- {sd:.2g}" if np.isfinite(sd) else ""))
    for name, (low, high) in zip(laws.variables, laws.ranges, strict=True):
        unit = f" {units[name]}" if units.get(name) else ""
        lines.append(f"{name}: seen from {low:.4g} to {high:.4g}{unit}")
    own = {word: name for name, (word, _) in _derived(laws).items() if name in law.variables}
    lines += [f"{word}_: your own function {word} of an array" for word in own]
    if laws.units:
        lines.append(f"{laws.target} in {laws.units}")
    place = next(i for i, other in enumerate(laws.equations) if other is law)
    lines.append(f"weight {laws.weights[place]:.3g} among {len(laws.equations)} laws")
    # Names come from files too: nothing in them may end the docstring or begin an escape
    return ["".join(c if c.isprintable() else " " for c in line).replace("\\", "/")
            .replace('"', "'") for line in lines]  # fmt: skip


def latex_of(laws: EquationSet, index: int) -> str:
    """Return one law as LaTeX, ``target = law``, numbers with the digits of the table."""
    import sympy

    law = laws.law(index)
    names = {sympy.Symbol(v, real=True): _latex_name(v) for v in laws.variables}
    for name, (word, variable) in _derived(laws).items():
        inside = rf"\left({_latex_name(variable)}\right)"
        names[sympy.Symbol(name, real=True)] = _latex_name(word) + inside
    right = sympy.latex(rounded(law, digits_of(law, laws)), symbol_names=names)
    left = _latex_name(laws.target)
    if laws.link != "identity":
        left = rf"\mathrm{{{laws.link}}}\left({left}\right)"
    return f"{left} = {right}"


def _latex_name(name: str) -> str:
    import sympy

    match = DERIVATIVE.fullmatch(name)
    if match:
        return rf"\frac{{\mathrm{{d}} {_latex_name(match[1])}}}{{\mathrm{{d}} {match[2]}}}"
    if name.isidentifier() and name.isascii() and name.count("_") <= 1:
        return str(sympy.latex(sympy.Symbol(name)))
    return rf"\mathrm{{{''.join(LATEX_SIGNS.get(c, c) for c in name)}}}"


def html_of(laws: EquationSet) -> str:
    """Return verdict, the first laws and warnings as HTML; names are escaped."""
    table = laws.table.head(ROWS_SHOWN)
    notes = [*laws.notes]
    if len(laws.equations) > ROWS_SHOWN:
        notes.insert(0, f"{len(laws.equations) - ROWS_SHOWN} more laws in .table")
    said = "".join(f"<li>{html.escape(text)}</li>" for text in notes)
    rows = table.to_html(index=False, float_format=lambda v: f"{v:.4g}", escape=True)
    head = f"<p>Laws for {html.escape(laws.target)}: {html.escape(laws.verdict)}</p>"
    return f"{head}{rows}<ul>{said}</ul>"


def plain_text_of(laws: EquationSet) -> str:
    """Return verdict, the first laws and warnings as text."""
    table = laws.table.head(ROWS_SHOWN).to_string(index=False, float_format=lambda v: f"{v:.4g}")
    more = len(laws.equations) - ROWS_SHOWN
    rest = [f"{more} more laws in .table"] if more > 0 else []
    head = f"Laws for {laws.target}: {laws.verdict}"
    return "\n".join([head, table, *rest, *[f"! {text}" for text in laws.notes]])
