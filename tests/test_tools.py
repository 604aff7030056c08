"""The tools that judge tests: mutants, fresh seeds, golden answers."""

import ast
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physlearn.results import fit_from_draws

ROOT = Path(__file__).resolve().parents[1]


def _tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


MUTANTS, GOLDEN = _tool("mutants"), _tool("golden")


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("a < b", "compare", "a <= b"),
        ("a + b", "operator", "a - b"),
        ("a and b", "and/or", "a or b"),
        ("-a", "drop unary", "+a"),
        ("not a", "drop unary", "not not a"),
        ("a if b else a", "negate condition", "a if not b else a"),
        ("a ** 2", "operator", "a * 2"),
        ("f(3)", "constant", "f(4)"),
        ("f(0.5)", "constant", "f(1.0)"),
        ("f(True)", "constant", "f(False)"),
        ("np.min(a)", "function", "np.max(a)"),
    ],
)
def test_a_mutant_is_one_change(before, change, after):
    tree = ast.parse(f"def f(a, b):\n    return {before}\n")
    ((_, line, place, _),) = [one for one in MUTANTS.sites(tree) if one[3] == change]
    assert line == 2
    assert ast.unparse(MUTANTS.mutate(tree, place, change).body[0].body[0]) == f"return {after}"
    assert ast.unparse(tree.body[0].body[0]) == f"return {before}"  # the first stays as it was


def test_words_are_no_sites():
    tree = ast.parse(
        "def f(a: int = 3):\n    '''Add 1.'''\n    b: list[int] = a\n"
        "    raise ValueError(f'{a + 1} is not {-a}')\n"
    )
    assert list(MUTANTS.sites(tree)) == []


def test_the_same_seed_draws_the_same_mutants():
    files = MUTANTS.core_files("pooling")
    first, again = (MUTANTS.drawn(files, 20, 15) for _ in range(2))
    assert first == again != MUTANTS.drawn(files, 20, 16)
    assert len({one.key for one in first}) == 20


def _fit(shift=0.0, scale=1.0, data=b"x", seed=1, n=400):
    draws = np.random.default_rng(seed).normal(shift, scale, n)
    return fit_from_draws(
        {"x": draws}, model="m", likelihood="l", approximation="a", seed=0, data=data
    )


def test_golden_answers_allow_monte_carlo_error_and_no_more():
    was = GOLDEN.answers_of({"fit": _fit()})
    for seed in range(2, 42):
        assert GOLDEN.moved(GOLDEN.answers_of({"fit": _fit(seed=seed)}), was) == []
    assert "mean moved" in GOLDEN.moved(GOLDEN.answers_of({"fit": _fit(shift=0.5)}), was)[0]
    assert "sd moved" in GOLDEN.moved(GOLDEN.answers_of({"fit": _fit(scale=1.5)}), was)[-1]
    # other data with the same answer: the last digit of another processor
    assert GOLDEN.moved(GOLDEN.answers_of({"fit": _fit(data=b"y")}), was) == []
    others = GOLDEN.answers_of({"fit": _fit(shift=0.5, data=b"y")})
    assert "data are others" in GOLDEN.moved(others, was)[0]
    assert GOLDEN.moved({}, was) == ["fit: no posterior any more"]


def test_golden_tolerance_is_five_standard_errors_of_two_normal_means():
    row = {"mean": 0.0, "sd": 1.0, "n": 100.0, "kurtosis": 3.0}
    allowed = 5 * math.sqrt(2 / 100)
    here = {"fit": {"data_sha256": "", "rows": {"x[0]": row}}}
    for off, told in ((0.99 * allowed, 0), (1.01 * allowed, 1)):
        now = {"fit": {"data_sha256": "", "rows": {"x[0]": row | {"mean": off}}}}
        assert len(GOLDEN.moved(now, here)) == told
    # (s - 1)^2 = 25 (1 + s^2) / 2n is where a standard deviation s is told from 1
    edge = (2 + math.sqrt(4 - 4 * 0.875**2)) / (2 * 0.875)
    for sd, told in ((0.99 * edge, 0), (1.01 * edge, 1)):
        now = {"fit": {"data_sha256": "", "rows": {"x[0]": row | {"sd": sd}}}}
        assert len(GOLDEN.moved(now, here)) == told


def test_golden_answers_are_stored_for_every_estimator_whose_example_gives_a_posterior():
    stored = json.loads(GOLDEN.ANSWERS.read_text())
    assert len(stored) >= 20
    for found in stored.values():
        for answer in found.values():
            assert all(row["n"] >= 1 for row in answer["rows"].values())


def test_fresh_seeds_change_every_seeded_stream_and_can_be_set_anew():
    code = (
        "import runpy, numpy as np\n"
        "assert runpy.run_path('tools/fresh_seeds.py')['install']() == 3\n"
        "r = np.random.default_rng\n"
        "made = lambda seed: np.random.Generator(np.random.PCG64(seed)).random()\n"
        "a = r(5).random()\n"
        "assert a == made([5, 3])\n"
        "r.joins = 0\n"
        "plain = r(5).random()\n"
        "assert plain != a\n"
        "r.joins = 4\n"
        "assert r(5).random() == made([5, 4])\n"
        "assert r.seeded == 3\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        env={"PHYSLEARN_FRESH_SEEDS": "3", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
