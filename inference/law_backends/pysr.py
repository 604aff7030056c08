"""Laws by PySR: looked for, never imported, where Julia is absent.

Cranmer, Interpretable machine learning for science with PySR and SymbolicRegression.jl,
https://arxiv.org/abs/2305.01582.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from physlearn.checks import BackendUnavailable, InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.refinement import polish
from physlearn.inference.law_search.search_options import SearchOptions, SearchOutcome
from physlearn.inference.laws.equation import Equation, split_terms
from physlearn.inference.laws.expression_text import from_sympy

__all__ = ["JULIA_RECIPE", "PYSR_RECIPE", "find_julia", "laws_from_sympy", "pysr_laws"]

JULIA_RECIPE = (
    "backend='pysr' needs Julia, which is not on this machine: install it "
    "(https://julialang.org/install, then check that `julia --version` answers) or set "
    "PYTHON_JULIACALL_EXE to its path; backend='exhaustive' (the default) and backend='operon' "
    "need no Julia."
)
PYSR_RECIPE = (
    "backend='pysr' needs the package pysr, which is not installed: run `pip install 'pysr>=2.7'`; "
    "the default backend='exhaustive' needs nothing."
)
LARGEST = 20


def find_julia() -> str | None:
    """Return the path of Julia, or None; nothing is imported or downloaded.

    Examples
    --------
    >>> path = find_julia()
    >>> path is None or len(path) > 0
    True
    """
    named = os.environ.get("PYTHON_JULIACALL_EXE") or os.environ.get("PYTHON_JULIAPKG_EXE")
    if named and shutil.which(named):
        return shutil.which(named)
    return shutil.which("julia")


def pysr_laws(
    data: SearchData, options: SearchOptions, *, n_iterations: int = 40, seed: int = 0
) -> SearchOutcome:
    """Evolve laws with PySR, one thread, deterministic; its whole front is measured by ours.

    Parameters
    ----------
    data
        Points.
    options
        Operations, ``largest_size`` (None: 20 nodes), ``n_kept``, ``constraints``. PySR cannot be
        asked between pieces: ``stop`` and ``progress`` are not used.
    n_iterations
        Iterations of its evolution.
    seed
        Of the evolution.

    Raises
    ------
    BackendUnavailable
        If Julia or pysr is absent. `import pysr` would download Julia, so both are looked for.
    """
    if find_julia() is None:
        raise BackendUnavailable(JULIA_RECIPE)
    if importlib.util.find_spec("pysr") is None:
        raise BackendUnavailable(PYSR_RECIPE)
    from pysr import PySRRegressor

    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^"}
    model = PySRRegressor(
        niterations=n_iterations, maxsize=options.largest_size or LARGEST,
        binary_operators=[signs[name] for name in options.binary],
        unary_operators=[name for name in options.unary if name not in ("inv", "neg")],
        random_state=seed % 2**31, deterministic=True, parallelism="serial", progress=False,
        verbosity=0, temp_equation_file=True,
    )  # fmt: skip
    model.fit(data.x.T, data.y, weights=data.weight, variable_names=list(data.names))
    laws = laws_from_sympy(data, list(model.equations_["sympy_format"]))
    if options.constraints is not None:
        laws = [law for law in laws if options.constraints(law) is None]
    return SearchOutcome(tuple(laws[: options.n_kept]), (), len(model.equations_))


def laws_from_sympy(data: SearchData, expressions: Sequence[Any]) -> list[Equation]:
    """Fit and measure laws that come as sympy expressions; undefined ones drop out.

    Examples
    --------
    >>> import sympy
    >>> x = np.linspace(1.0, 2.0, 20)
    >>> data = SearchData(x[None], 2.0 * x, np.ones(20), False, ("x",))
    >>> laws_from_sympy(data, [1.9 * sympy.Symbol("x")])[0].constants.round(6).tolist()
    [2.0]
    """
    laws = []
    for expression in expressions:
        try:
            law = measure_law(data, split_terms(from_sympy(expression)))
            if law.variables <= set(data.names):
                with np.errstate(all="ignore"):
                    defined = np.isfinite(law.predict(data.columns)).all()
                    if defined:
                        laws.append(polish(data, law) if law.constants.size else law)
        except (InputError, KeyError):  # a function, or a variable, that the grammar lacks
            continue
    return sorted(laws, key=lambda law: (law.description_length, law.complexity))
