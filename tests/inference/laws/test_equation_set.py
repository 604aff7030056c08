"""A weighted set of laws: front, verdict, text, LaTeX, Python."""

import ast
import subprocess
import sys

import numpy as np
import pytest
from law_worlds import X1, laws_of, observe

from physlearn.checks import InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.equation_text import text_of
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.expression_text import parse_expression

RANGES = np.array([[0.5, 4.0]])


def law(*terms, length=0.0, loss=1.0, covariance=None):
    count = sum(isinstance(c, float) for c, _ in terms)
    return Equation(tuple(Term(*t) for t in terms), loss, length, count, covariance)


def arrhenius(noise=0.02, n=40, seed=1, **given):
    values = 3 * np.exp(-1.7 / X1[:n])
    data = observe(values, noise, np.random.default_rng(seed), x=X1[:n], name="x")
    return laws_of(data, noise_sd=noise, **given)


def run_python(source, call):
    """Return what a fresh interpreter prints for ``call`` after the source."""
    ast.parse(source)
    done = subprocess.run(
        [sys.executable, "-c", f"{source}\nprint({call})"], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_weights_are_probabilities_and_laws_are_sorted():
    laws = EquationSet(
        (law((1.0, ("x",)), length=np.log(3.0)), law((2.0, (1,)))), ("x",), "y", RANGES, 0.1
    )
    np.testing.assert_allclose(laws.weights, [0.75, 0.25])
    assert laws.best.structure == {("c",)}
    assert laws.n_credible(0.7) == 1
    assert len(laws.credible_set()) == 2
    assert laws.law(1).structure == {("x",)}


def test_the_front_holds_what_no_simpler_law_fits_as_well():
    laws = EquationSet(
        (
            law((1.0, (1,)), loss=4.0, length=9.0),
            law((1.0, ("x",)), loss=1.0, length=1.0),
            law((1.0, ("x", "exp")), loss=2.0, length=3.0),
            law((1.0, ("x",)), (1.0, (1,)), loss=0.9, length=2.0),
            law((1.0, ("x", 0.5, "pow")), loss=1.0, length=4.0),
        ), ("x",), "y", RANGES, 0.1,
    )  # fmt: skip
    front = laws.pareto_front
    assert front["complexity"].tolist() == [1, 3, 5]
    assert (np.diff(front["loss"]) < 0).all()
    assert set(front.columns) >= {"complexity", "loss", "description_length"}


def test_data_that_fix_the_law_say_so():
    laws = arrhenius()
    assert laws.fixes_law
    assert laws.claims_law
    assert laws.index_of([("c", "x", "div", "exp")]) == 0
    assert laws.verdict.startswith("these data fix the law among 7: y = ")


def test_data_that_do_not_fix_the_law_name_the_measurement_that_would():
    x = np.linspace(1.0, 1.6, 20)
    data = observe(2 * np.log(x + 0.7), 0.03, np.random.default_rng(2), x=x)
    laws = laws_of(data, noise_sd=0.03, variable_units=("K",))
    assert not laws.fixes_law
    count = laws.n_credible()
    assert laws.verdict.startswith(f"these data do not fix the law: {count} laws hold 90 %")
    assert "measure at x = " in laws.verdict or "no measurement" in laws.verdict
    assert laws.verdict.count(".\n") == 0


def test_noise_is_no_law():
    claimed = 0
    for seed in range(40):
        data = observe(np.full(40, 2.0), 0.3, np.random.default_rng((7, seed)), known=False)
        laws = laws_of(data, {"a*x": [1.0], "a + b*x": [2.0, 0.0], "a*exp(b/x)": [2.0, 0.0]})
        claimed += laws.claims_law
        if not laws.claims_law:
            assert laws.verdict.startswith("no law claimed: a constant explains these data")
            assert not laws.fixes_law
    assert claimed <= 5  # binomial: P(more than 5 of 40 at 5 %) = 1.4 %


def test_a_constant_in_the_set_or_its_given_length_decides_without_observations():
    line = law((1.0, ("x",)), length=0.0)
    for length, claimed in ((2.0, False), (4.0, True)):
        with_constant = (line, law((1.0, (1,)), length=length))
        assert EquationSet(with_constant, ("x",), "y", RANGES, 0.1).claims_law == claimed
        given = EquationSet((line,), ("x",), "y", RANGES, 0.1, constant_length=length)
        assert given.claims_law == claimed
    assert EquationSet((line,), ("x",), "y", RANGES, 0.1).claims_law


def test_python_of_every_law_gives_its_numbers_in_a_fresh_interpreter():
    laws = arrhenius(units="nm/s", variable_units=("K",))
    for index in range(len(laws.equations)):
        source = laws.to_python(index)
        printed = run_python(source, "y(np.array([1, 2])).tolist()")
        expected = laws.equations[index].predict({"x": np.array([1.0, 2.0])})
        np.testing.assert_allclose(ast.literal_eval(printed), expected, rtol=1e-14)
    tree = ast.parse(laws.to_python())
    said = ast.get_docstring(tree.body[-1])
    assert "y in nm/s" in said
    assert "x: seen from 0.5 to 4 K" in said
    assert "c0 = " in said
    assert " +- " in said


@pytest.mark.parametrize("link", ["log", "log10", "sqrt", "inv", "logit"])
def test_python_undoes_the_link(link):
    laws = EquationSet((law((0.3, ("x",)), (0.1, (1,))),), ("x",), "y", RANGES, 0.1, link=link)
    printed = run_python(laws.to_python(), "float(y(2.0))")
    assert float(printed) == pytest.approx(laws.predict([[2.0]])[0], rel=1e-14)


def test_python_of_names_that_mean_something_in_python():
    terms = ((2.0, ("lambda", "c0", "mul")), (1.5, ("np", -2, "pow")))
    laws = EquationSet((law(*terms),), ("lambda", "c0", "np"), "d(x y)/dt", np.ones((3, 2)), 0.1)
    source = laws.to_python()
    name = next(n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    assert float(run_python(source, f"{name}(2, 3, 4)")) == pytest.approx(12 + 1.5 / 16)


def test_nothing_in_a_name_becomes_code():
    hostile = '"""\nimport os; os.abort()\n"""\\'
    laws = EquationSet(
        (law((2.0, (1,))),), ("x",), hostile, RANGES, 0.1, units=hostile, variable_units=(hostile,)
    )
    source = laws.to_python()
    tree = ast.parse(source)
    assert [type(node).__name__ for node in tree.body] == ["Import", "FunctionDef"]
    function = tree.body[1]
    assert float(run_python(source, f"{function.name}(1.0)")) == 2.0
    assert (
        "<script>"
        not in EquationSet(
            (law((2.0, (1,))),), ("x",), "<script>", RANGES, 0.1, warnings=("<script>",)
        )._repr_html_()
    )


def test_latex():
    laws = EquationSet((law((2.00003, ("x", -0.5, "mul", "exp"))),), ("x",), "dP/dt", RANGES, 0.1)
    assert laws.to_latex() == r"\frac{\mathrm{d} P}{\mathrm{d} t} = 2 e^{- 0.5 x}"
    other = EquationSet((law((1, ("x",))),), ("x",), "a_b_c & %", RANGES, 0.1, link="log")
    assert other.to_latex() == r"\mathrm{log}\left(\mathrm{a\_b\_c \& \%}\right) = x"


def test_what_a_session_shows_starts_with_the_verdict():
    laws = arrhenius(warnings=("the noise is a guess",))
    first, *rest = repr(laws).splitlines()
    assert first == f"Laws for y: {laws.verdict}"
    assert rest[-1] == "! the noise is a guess"
    page = laws._repr_html_()
    assert "<table" in page
    assert "the noise is a guess" in page


@pytest.mark.parametrize("keeps_data", [True, False])
def test_the_printed_law_is_the_law_within_the_noise(keeps_data):
    """Years: with 4 digits 2 / (t - 1999.53) reads 2 / (t - 2000), infinite at the first point."""
    years, sd = np.linspace(2000.0, 2020.0, 60), 0.01
    data = observe(2.0 / (years - 1999.53), sd, np.random.default_rng(3), x=years, name="t")
    forms = (
        law((1.9987654, ("t", -1999.53217, "add", "inv"))),
        law((0.00099912345, ("t", "log", -7.600652791894611, "add", "inv")), length=1.0),
        law((1.23456, (1,)), length=9.0),
    )
    laws = EquationSet(forms, ("t",), "y", np.array([[2000.0, 2020.0]]), sd,
                       data=data if keeps_data else None)  # fmt: skip
    for form, text in zip(forms, laws.table["equation"], strict=True):
        printed = evaluate(parse_expression(text.replace("**", "^"), ["t"]), {"t": years})
        assert np.abs(printed - form.predict({"t": years})).max() <= 0.05 * sd
    assert laws.table["equation"][2] == "1.235"
    assert f"{laws.table['equation'][0]}" in laws.verdict
    assert r"1999.532" in laws.to_latex()


def test_numbers_are_shown_with_four_digits():
    assert text_of(law((2.00001, ("x", 2, "pow")), (-0.123456, (1,)))) == "2*x**2 - 0.1235"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"equations": ()}, "at least one law"),
        ({"equations": (law((1.0, ("z",))),)}, "not named: z"),
        ({"equations": (law((1.0, ("x",)), length=np.nan),)}, "finite description lengths"),
        ({"variables": ()}, "at least one name"),
        ({"variables": ("x", "x")}, "must differ"),
        ({"variables": ("x y",)}, "names like x"),
        ({"variables": ("exp",)}, "names like x"),
        ({"ranges": np.ones((2, 2))}, "ranges must have shape"),
        ({"ranges": np.array([[np.nan, 1.0]])}, "finite"),
        ({"noise_sd": -1.0}, "noise_sd must be"),
        ({"variable_units": ("a", "b")}, "variable_units must hold 1"),
        ({"link": "cube"}, "link must be one of"),
        ({"data": SearchData(np.ones((1, 3)), np.ones(2), np.ones(3), True, ("x",))}, "data.y"),
    ],
)  # fmt: skip
def test_what_is_no_set_is_refused_in_one_sentence(given, message):
    arguments = {
        "equations": (law((1.0, ("x",))),), "variables": ("x",), "target": "y", "ranges": RANGES,
        "noise_sd": 0.1,
    }  # fmt: skip
    with pytest.raises(InputError, match=message) as caught:
        EquationSet(**(arguments | given))
    assert "\n" not in str(caught.value)


def test_laws_that_are_not_there_are_refused():
    laws = arrhenius()
    for call in (lambda: laws.law(7), lambda: laws.to_python(-1), lambda: laws.to_latex("a")):
        with pytest.raises(InputError, match="index must be a whole number from 0 to 6"):
            call()
    with pytest.raises(InputError, match="mass must lie"):
        laws.credible_set(1.0)
