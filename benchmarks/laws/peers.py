"""Other tools of symbolic regression on the same points, judged in the same way.

PySR fetches Julia at its first import; where it cannot, its row says so. What was published for it
is of other data (Cranmer, arXiv:2305.01582) and does not stand beside ours.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.formula import Token, program_of
from benchmarks.laws.judge import Verdict, judge, numbers_of, refit
from benchmarks.laws.scoring import Score, score_laws, share
from benchmarks.laws.suite import LawData, unseen_laws

__all__ = ["CHECKS", "gplearn", "operon", "pysr"]

Row = dict[str, Any]
Answer = tuple[str, list[str], float]

NOISES = (0.01, 0.1)
GOAL_AT = 0.01


def operon(data: LawData, seed: int, evaluations: int) -> Answer:
    """Return pyoperon's choice by description length, its Pareto front, and CPU seconds.

    Two objectives (fit, length), Levenberg-Marquardt in every evaluation, at most 20 nodes, and the
    true noise: it is told what ours has to infer.
    """
    regressor = importlib.import_module("pyoperon.sklearn").SymbolicRegressor
    extra = [name for name in data.law.functions if name in ("sin", "cos", "tanh")]
    symbols = ["add", "sub", "mul", "div", "pow", "exp", "log", "sqrt", "square", *extra]
    model = regressor(
        allowed_symbols=",".join([*symbols, "constant", "variable"]), objectives=["r2", "length"],
        max_evaluations=evaluations, generations=100_000, population_size=1000,
        optimizer_iterations=5, max_length=20, epsilon=1e-6, n_threads=1, random_state=seed,
        uncertainty=[data.noise_sd],
    )  # fmt: skip
    begun = time.process_time()
    model.fit(data.x, data.y)
    spent = time.process_time() - begun
    names = list(data.law.variables)
    said = [model.get_model_string(one["tree"], 8, names) for one in model.pareto_front_]
    return model.get_model_string(model.model_, 8, names), said, spent


def gplearn(data: LawData, seed: int, evaluations: int) -> Answer:
    """Return gplearn's best program, the best of every length in its last generation, and seconds.

    Populations of 2000, parsimony "auto"; it has no exponentials of its own: a bounded one is
    given. Its constants are drawn, not fitted.
    """
    genetic = importlib.import_module("gplearn.genetic")
    functions = importlib.import_module("gplearn.functions")

    def bounded_exp(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.exp(np.clip(x, -50.0, 50.0))

    exp = functions.make_function(function=bounded_exp, name="exp", arity=1)
    extra = [name for name in data.law.functions if name in ("sin", "cos")]
    model = genetic.SymbolicRegressor(
        population_size=2000, generations=evaluations // 2000, parsimony_coefficient="auto",
        function_set=("add", "sub", "mul", "div", "sqrt", "log", "inv", exp, *extra),
        const_range=(-5.0, 5.0), random_state=seed,
        feature_names=list(data.law.variables),
    )  # fmt: skip
    begun = time.process_time()
    model.fit(data.x, data.y)
    spent = time.process_time() - begun
    best: dict[int, Any] = {}
    for program in model._programs[-1]:
        if program is not None and (
            program.length_ not in best or program.raw_fitness_ < best[program.length_].raw_fitness_
        ):
            best[program.length_] = program
    return str(model._program), [str(program) for program in best.values()], spent


def pysr(data: LawData, seed: int) -> Answer:
    """Return what PySR's defaults with these functions choose and list; it needs Julia."""
    regressor = importlib.import_module("pysr").PySRRegressor
    extra = [name for name in data.law.functions if name in ("sin", "cos", "tanh")]
    model = regressor(
        binary_operators=["+", "-", "*", "/", "^"], random_state=seed, deterministic=True,
        unary_operators=["exp", "log", "sqrt", "square", *extra], parallelism="serial",
        progress=False, verbosity=0, temp_equation_file=True,
    )  # fmt: skip
    begun = time.process_time()
    model.fit(data.x, data.y, variable_names=list(data.law.variables))
    spent = time.process_time() - begun
    return str(model.get_best()["equation"]), model.equations_["equation"].tolist(), spent


def verdict(formula: str, data: LawData) -> Verdict:
    """Judge a peer's formula after refitting its constants to the data.

    An offset within three standard errors of nothing (linear scaling adds one always) is left out.
    """
    try:
        program = program_of(formula.replace("^", "**"), {})
    except (SyntaxError, TypeError, RecursionError):
        return Verdict()
    columns = dict(zip(data.law.variables, data.x.T, strict=True))
    candidates = [program]
    small = 3.0 * data.noise_sd / np.sqrt(len(data.y))
    if isinstance(program[0], float) and program[-1] == "add" and abs(program[0]) <= small:
        candidates.insert(0, program[1:-1])
    verdicts = [_judged(candidate, columns, data) for candidate in candidates]
    return min(verdicts, key=lambda v: 99 if v.surplus is None else v.surplus)


def _judged(
    candidate: Sequence[Token], columns: dict[str, NDArray[np.float64]], data: LawData
) -> Verdict:
    try:
        numbers = refit(candidate, columns, data.y, numbers_of(candidate))[0]
        given = iter(numbers.tolist())
        fitted = tuple(next(given) if isinstance(t, float) else t for t in candidate)
        return judge(fitted, data)
    except (ValueError, IndexError, np.linalg.LinAlgError):  # a program that is no expression
        return Verdict()


def score_peer(data: LawData, seed: int, search: Callable[[LawData, int], Answer]) -> Score:
    """Score a peer as ours is scored; its whole front counts as listed, what raises is a miss."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            chosen, front, seconds = search(data, seed)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            return Score(data.law.name, seed, *[False] * 4, 0, 0, 0, 0.0, words)
        own = verdict(chosen, data)
        listed = own.found or any(verdict(formula, data).found for formula in front)
    return Score(
        data.law.name, seed, own.found, own.nearly, listed, False, len(front), 0, 0, seconds
    )


# package, search, seeds, how many times as often ours is to be selected on the same points
SEARCHES: dict[str, tuple[str, Callable[[LawData, int], Answer], int, float | None]] = {
    "Operon, 100k evaluations": ("pyoperon", partial(operon, evaluations=100_000), 3, None),
    "Operon, 1M evaluations": ("pyoperon", partial(operon, evaluations=1_000_000), 1, 1.4),
    "gplearn, 20k evaluations": ("gplearn", partial(gplearn, evaluations=20_000), 1, None),
    "PySR, defaults": ("pysr", pysr, 1, None),
}


def _case(peer: str, noise: float) -> Callable[[bool], list[Row]]:
    package, search, seeds, times = SEARCHES[peer]

    def check(quick: bool) -> list[Row]:
        what = f"unseen laws, {peer}, noise {noise:g}"
        try:
            version = importlib.metadata.version(package)
            importlib.import_module(package)
        except Exception as error:  # PySR fetches Julia at its import, which may fail in many ways
            words = f"not here ({type(error).__name__})"
            return [{"what": what, "measured": words, "goal": "none stated", "met": None}]
        one = partial(score_peer, search=search)
        scores = score_laws(unseen_laws(), noise, quick, one, seeds)
        found = Counter(s.name for s in scores if s.selected)
        count = {name: sum(getattr(s, name) for s in scores) for name in ("selected", "listed")}
        rows: list[Row] = [{
            "what": f"{what}, {len({s.name for s in scores})} laws x {seeds} seeds",
            "measured": f"{package} {version}: selected {share(scores, 'selected')} (with at most "
            f"one constant too many {share(scores, 'nearly')}), in its front "
            f"{share(scores, 'listed')}; median {np.median([s.seconds for s in scores]):.2f} CPU "
            "s; selected: " + ", ".join(f"{name} {n}" for name, n in sorted(found.items()))
            + "".join(sorted({f"; failed: {s.name}: {s.failed}" for s in scores if s.failed})),
            "goal": "none stated",
            "met": None,
            "counts": {**count, "n": len(scores), "laws": len(scores) // seeds},
        }]  # fmt: skip
        if times is not None:
            ours = score_laws(unseen_laws(), noise, quick, seeds=seeds)
            n = sum(s.selected for s in ours)
            stated = noise == GOAL_AT
            rows.append({
                "what": f"{what}: ours on the same points",
                "measured": f"ours selected {share(ours, 'selected')}, listed "
                f"{share(ours, 'listed')}: {n / max(count['selected'], 1):.2f} times as often "
                f"selected; median {np.median([s.seconds for s in ours]):.2f} CPU s",
                "goal": f"selected >= {times:g} times as often" if stated else "none stated",
                "met": n >= times * max(count["selected"], 1) if stated else None,
            })  # fmt: skip
        return rows

    check.__doc__ = f"{peer} on the unseen laws at noise {noise:g}."
    return check


# gplearn and PySR at 1 % only: neither is helped by more noise
CHECKS = {
    f"{peer} at noise {noise:g}": _case(peer, noise)
    for peer in SEARCHES
    for noise in (NOISES if peer.startswith("Operon") else NOISES[:1])
}
