"""Laws by genetic programming: pyoperon's Pareto front, fitted and measured by ours.

Burlacu, Kronberger and Kommenda, Operon C++: an efficient genetic programming framework for
symbolic regression, GECCO 2020, https://doi.org/10.1145/3377929.3398099.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.refinement import exact_numbers, fit_terms, polish
from physlearn.inference.law_search.search_options import SearchOptions, SearchOutcome
from physlearn.inference.laws.equation import Equation, split_terms
from physlearn.inference.laws.expression import OPERATIONS, Program, floats_of
from physlearn.inference.laws.expression_text import parse_expression

__all__ = ["OPERON_RECIPE", "evolve_laws", "laws_of_front", "program_of_operon"]

Floats = NDArray[np.float64]

OPERON_RECIPE = (
    "backend='operon' needs the package pyoperon, which is not installed: run "
    "`pip install 'pyoperon>=0.6'` (compiled wheels, no other language); the default "
    "backend='exhaustive' needs nothing."
)
SYMBOLS = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "pow": "pow", "exp": "exp",
    "log": "log", "sqrt": "sqrt", "square": "square", "sin": "sin", "cos": "cos", "tanh": "tanh",
    "abs": "abs",
}  # fmt: skip
# Evolutions of their own: one that goes on from another (warm_start) can crash pyoperon 0.6.2
PIECES = 5
POPULATION = 1000
LONGEST = 20
NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.])")
DIGITS = 12


def evolve_laws(
    data: SearchData,
    options: SearchOptions,
    *,
    n_evaluations: int = 100_000,
    seed: int = 0,
) -> SearchOutcome:
    """Evolve laws with pyoperon in one thread: equal seeds give equal laws.

    Its fits do not know the points' weights; every law of the fronts is then fitted with them and
    measured by `measure_law`, with exact numbers tried.

    Parameters
    ----------
    data
        Points.
    options
        Operations, ``largest_size`` (None: 20 nodes), ``n_kept``, ``stop``, ``progress``,
        ``constraints``.
    n_evaluations
        Fits of expressions, in all: five evolutions of a fifth each.
    seed
        Of the evolution.

    Returns
    -------
    SearchOutcome
        Laws, best first. Ctrl-C or ``stop`` between the pieces of a fifth of the work hands back
        what there is, with a warning.

    Raises
    ------
    BackendUnavailable
        If pyoperon is not installed.
    """
    if importlib.util.find_spec("pyoperon") is None:
        raise BackendUnavailable(OPERON_RECIPE)
    symbols = [SYMBOLS[name] for name in (*options.binary, *options.unary) if name in SYMBOLS]
    share = max(n_evaluations // PIECES, 200)
    population = min(POPULATION, share // 10)
    model = importlib.import_module("pyoperon.sklearn").SymbolicRegressor(
        allowed_symbols=",".join([*dict.fromkeys(symbols), "constant", "variable"]),
        objectives=["r2", "length"], max_evaluations=share,
        generations=100_000, population_size=population, pool_size=population,
        optimizer_iterations=5, max_length=options.largest_size or LONGEST, epsilon=1e-6,
        n_threads=1,
    )  # fmt: skip
    texts: dict[str, None] = {}
    laws: list[Equation] = []
    warnings: list[str] = []
    try:
        for piece in range(PIECES):
            model.set_params(random_state=(seed + piece * 7919) % 2**31)
            texts.update(dict.fromkeys(_front(model, data)))
            if options.progress is not None:
                laws = laws_of_front(data, texts)
                best = str(laws[0].sympy()) if laws else ""
                options.progress((piece + 1) / PIECES, best)
            if options.stop is not None and options.stop() and piece + 1 < PIECES:
                warnings.append(_stopped((piece + 1) / PIECES))
                break
    except KeyboardInterrupt:
        warnings.append(_stopped(piece / PIECES))
    laws = laws_of_front(data, texts)
    if options.constraints is not None:
        laws = [law for law in laws if options.constraints(law) is None]
    return SearchOutcome(tuple(laws[: options.n_kept]), tuple(warnings), len(texts))


def _stopped(share: float) -> str:
    return f"the evolution was stopped after {share:.0%} of its work: run it to its end."


def _front(model: Any, data: SearchData) -> list[str]:
    names = [f"v{index}" for index in range(len(data.x))]
    model.fit(data.x.T, data.y)
    front = [model.get_model_string(one["tree"], DIGITS, names) for one in model.pareto_front_]
    return [*front, model.get_model_string(model.model_, DIGITS, names)]


def program_of_operon(text: str, names: Sequence[str]) -> Program:
    """Read an expression as pyoperon writes it; variables are v0, v1, ..., all numbers are fitted.

    Parameters
    ----------
    text
        For example ``"(0.5 + (2.0 * (v0 ^ 2)))"``.
    names
        Names of the variables.

    Raises
    ------
    InputError
        If the text holds what the grammar lacks.

    Examples
    --------
    >>> program_of_operon("(0.5 + (2.25 * (v0 ^ 2)))", ["x"])
    (0.5, 2.25, 'x', 2, 'pow', 'mul', 'add')
    """
    numbers: dict[str, float] = {}

    def constant(match: re.Match[str]) -> str:
        word = match.group()
        if word.isdigit():  # the exponent of a square
            return word
        numbers[f"c{len(numbers)}"] = float(word)
        return f"c{len(numbers) - 1}"

    variables = [f"v{index}" for index in range(len(names))]
    shortened = NUMBER.sub(constant, text).replace("cbrt(", "cbrt_(")
    program = parse_expression(shortened, variables, numbers)
    own = dict(zip(variables, names, strict=True))
    return _folded(tuple(own.get(t, t) if isinstance(t, str) else t for t in program))


def _folded(program: Program) -> Program:
    """Work out operations on numbers alone, and drop factors 1 and summands that vanish."""
    stack: list[Program] = []
    for word in program:
        operation = OPERATIONS.get(word) if isinstance(word, str) else None
        if operation is None:
            stack.append((word,))
            continue
        arguments = stack[-operation.arity :]
        del stack[-operation.arity :]
        numbers = [part[0] for part in arguments if not isinstance(part[-1], str)]
        joined: Program = (*(t for part in arguments for t in part), word)
        if len(numbers) == operation.arity:
            with np.errstate(all="ignore"):
                value = float(operation.function(*[np.float64(number) for number in numbers]))
            stack.append((value,) if np.isfinite(value) else joined)
        elif word in ("mul", "div") and _is(arguments[-1], 1.0):
            stack.append(arguments[0])
        elif word == "mul" and _is(arguments[0], 1.0):
            stack.append(arguments[1])
        elif word in ("add", "sub") and _is(arguments[-1], 0.0):
            stack.append(arguments[0])
        elif word == "add" and _is(arguments[0], 0.0):
            stack.append(arguments[1])
        else:
            stack.append(joined)
    return stack[0]


def _is(program: Program, value: float) -> bool:
    return len(program) == 1 and isinstance(program[0], float) and abs(program[0] - value) < 1e-5


def laws_of_front(data: SearchData, texts: Iterable[str]) -> list[Equation]:
    """Fit and measure what pyoperon wrote; what the grammar lacks or is undefined drops out.

    Examples
    --------
    >>> x = np.linspace(1.0, 2.0, 20)
    >>> data = SearchData(x[None], 2.0 * x, np.ones(20), False, ("x",))
    >>> laws_of_front(data, ["(1.9 * v0)", "cbrt(v0)"])[0].structure
    frozenset({('x',)})
    """
    laws: list[Equation] = []
    for text in texts:
        try:
            terms = split_terms(program_of_operon(text, data.names))
            with np.errstate(all="ignore"):
                first = measure_law(data, terms)
                if not np.isfinite(first.predict(data.columns)).all():
                    continue
                laws += _fitted(data, first)
        except InputError:
            continue
    laws = [law for law in laws if np.isfinite(law.description_length)]
    laws.sort(key=lambda law: (law.description_length, law.complexity))
    laws = exact_numbers(data, _distinct(laws))
    return _distinct(sorted(laws, key=lambda law: (law.description_length, law.complexity)))


def _fitted(data: SearchData, law: Equation) -> list[Equation]:
    """Polish the law; also merge factors into one coefficient a term, with and without offset."""
    found = [polish(data, law)] if law.constants.size else [law]
    plain = [term.program for term in law.terms if term.program != (1,)]
    for programs in (plain, [*plain, (1,)]):
        if not programs:
            continue
        fitted = fit_terms(data, programs)
        if fitted is not None:
            inside = any(floats_of(program) for program in programs)
            found.append(polish(data, fitted) if inside else fitted)
    return found


def _distinct(laws: Sequence[Equation]) -> list[Equation]:
    seen: set[object] = set()
    kept = []
    for law in laws:
        key = (law.structure, law.n_constants, round(law.description_length, 3))
        if key not in seen:
            seen.add(key)
            kept.append(law)
    return kept
