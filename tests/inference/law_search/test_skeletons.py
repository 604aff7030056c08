"""The enumeration holds each law once and the laws of the textbooks at all."""

import numpy as np
import pytest
import sympy

from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.expression_kernels import OPERATIONS
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.skeletons import enumerate_skeletons
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.expression_text import to_sympy

UNARY = ("exp", "log", "sqrt", "inv", "square", "cube")
BINARY = ("add", "sub", "mul", "div", "pow")


def shapes(laws, names):
    return {
        tuple(
            tuple("c" if isinstance(token, float) else token for token in program)
            for program in terms_of(laws.programs[row, : laws.lengths[row]].tolist(), (0.5,) * 3,
                                    names)
        )
        for row in range(len(laws))
    }  # fmt: skip


TEXTBOOK = {
    "Arrhenius, Merz": "x inv c mul exp",
    "Kolmogorov, Avrami, Ishibashi": "x c pow c mul exp 1 sub",
    "Vogel, Fulcher, Tammann": "x c add inv c mul exp",
    "Curie, Weiss": "x c add inv",
    "Langmuir": "x x c add div",
    "Debye": "x square c add inv",
    "Gauss": "x c add square c mul exp",
    "Lorentz": "x c add square c add inv",
    "Morse": "x c mul exp c add square",
    "logistic": "x c mul exp c add inv",
    "power law": "x c pow",
    "Bose": "x inv c mul exp 1 sub inv",
}


def test_laws_of_the_textbooks_are_there():
    found = shapes(enumerate_skeletons(1, 19, UNARY, BINARY), ("x",))
    found = {" ".join(map(str, program)) for (program,) in found}
    assert {name for name, text in TEXTBOOK.items() if text not in found} == set()
    assert "x cube x c mul exp 1 sub div" in {  # Planck
        " ".join(map(str, p)) for (p,) in shapes(enumerate_skeletons(1, 20, UNARY, BINARY), ("x",))
    }


def test_no_two_of_a_sample_are_equal_by_sympy():
    laws = enumerate_skeletons(2, 12, UNARY, BINARY)
    chosen = np.random.default_rng(2).choice(len(laws), 250, replace=False)
    names = dict(zip((0.5, 0.25, 0.125), sympy.symbols("c d e", positive=True), strict=True))
    positive = {sympy.Symbol(n, real=True): sympy.Symbol(n, positive=True) for n in "xy"}
    forms = set()
    for row in chosen:
        code = laws.programs[row, : laws.lengths[row]].tolist()
        (program,) = terms_of(code, tuple(names), ("x", "y"))
        # sympy's own canonical form, with symbols for the constants in their order
        form = to_sympy(program).subs({sympy.Float(value, 15): s for value, s in names.items()})
        form = sympy.powdenest(form.subs(positive), force=True)
        form = sympy.together(form)
        assert form not in forms, program
        assert form / 2 not in forms
        forms.add(form)
    assert len(forms) == 250


def test_values_differ_between_any_two_up_to_a_factor():
    laws = enumerate_skeletons(1, 14, UNARY, BINARY)
    x = {"x": np.linspace(-1.3, 1.7, 31)}
    seen = {}
    for row in range(len(laws)):
        code = laws.programs[row, : laws.lengths[row]].tolist()
        (program,) = terms_of(code, (0.61, 1.43, 0.87), ("x",))
        values = evaluate(program, x)
        finite = np.isfinite(values) & (values != 0)
        logs = np.log(np.abs(values[finite]))
        signs = np.sign(values[finite]) * np.sign(values[finite][-1])
        key = (finite.tobytes(), np.round(logs - logs[-1], 7).tobytes(), signs.tobytes())
        assert key not in seen, (program, seen.get(key))
        seen[key] = program
    assert len(seen) == len(laws) > 300


def test_more_variables_and_prices_give_more_and_all_prices_rise():
    sizes = [len(enumerate_skeletons(n, 12, UNARY, BINARY)) for n in (1, 2, 3)]
    assert sizes[0] < sizes[1] < sizes[2]
    laws = candidate_laws(1, 15, UNARY, BINARY, 2, None)
    assert (np.diff(laws.prices) >= 0).all()
    assert laws.counts.max() <= 3


@pytest.mark.parametrize(("unary", "binary"), [((), ("mul",)), (("exp",), ()), ((), BINARY)])
def test_only_what_was_chosen_is_used(unary, binary):
    found = shapes(candidate_laws(2, 13, unary, binary, 2, None), ("x", "y"))
    used = {token for law in found for program in law for token in program}
    allowed = {"x", "y", "c", 1, *unary, *binary}
    # A constant beside an expression needs its operation too
    assert used <= allowed | {"add", "sub", "mul"}


def test_largest_size_bounds_every_term():
    laws = candidate_laws(1, 18, UNARY, BINARY, 1, 4)
    assert laws.lengths.max() == 4


def test_long_products_are_tried_in_both_orders_of_the_variables():
    laws = candidate_laws(2, 15, UNARY, BINARY, 1, None)
    products = set()
    for row in np.flatnonzero(laws.prices > 15):
        code = tuple(laws.programs[row, : laws.lengths[row]].tolist())
        cut = code.index(1) if 1 in code else 0
        left, right = code[:cut], code[cut:-1]
        if code[-1] == OPERATIONS["mul"] and 0 in left and 0 not in right:
            products.add((left, tuple(0 if op == 1 else op for op in right)))
    assert len(products) > 1000
    # What is written in one order may be known from the enumeration in the other
    lost = [pair for pair in products if pair[::-1] not in products]
    assert len(lost) < 0.02 * len(products), lost[:5]
