"""What a session and a notebook show of fits, records and results: short, and escaped."""

import dataclasses
import importlib
import inspect
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from physlearn import LatticeSnapshots
from physlearn.checks import InputError
from physlearn.lattice_models import square_lattice
from physlearn.records.shown import html_table, object_repr, short_repr, table_html
from physlearn.results import fit_from_draws

PACKAGES = ("physlearn", *(f"physlearn.{name}" for name in (
    "records", "inference", "causal", "datasets", "lattice_models"
)))  # fmt: skip
GENERATED = ("Options", "Settings")
"""Their repr is the dataclass's own: every option, as a call that can be copied."""


def public_classes():
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        values = {name: getattr(module, name) for name in module.__all__}
        found |= {name: value for name, value in values.items() if inspect.isclass(value)}
    return sorted(found.items())


def is_shown(value):
    """Whether a notebook may show an instance: no exception, no protocol."""
    return not issubclass(value, Exception) and not getattr(value, "_is_protocol", False)


SHOWN = [pytest.param(value, id=name) for name, value in public_classes() if is_shown(value)]


class Outline(HTMLParser):
    """Tags, and the texts of captions and row heads."""

    def __init__(self):
        super().__init__()
        self.open, self.heads, self.rows = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "th":
            self.heads.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@dataclasses.dataclass(frozen=True)
class Made:
    """A result as any other."""

    values: np.ndarray
    table: pd.DataFrame
    label: str = "a < b"
    mean: float = 1 / 3
    parts: tuple = ()
    nothing: object = None
    lookup: object = dataclasses.field(default_factory=lambda: {"a": 1.0, "b": 2.0})
    warnings: tuple = ()

    __repr__ = short_repr
    _repr_html_ = html_table


@pytest.mark.parametrize("value", SHOWN)
def test_every_public_class_has_a_repr_of_its_own(value):
    assert value.__repr__ is not object.__repr__
    if not dataclasses.is_dataclass(value):
        return
    if value.__name__.endswith(GENERATED):
        assert value.__dataclass_params__.repr
    else:
        assert callable(value._repr_html_)
        assert value.__repr__ is short_repr or "__repr__" in vars(value)


@pytest.mark.parametrize("value", [p for p in SHOWN if p.values[0].__name__.endswith(GENERATED)])
def test_options_are_shown_as_the_call_that_makes_them(value):
    none = dataclasses.MISSING
    fields = dataclasses.fields(value)
    needed = [item for item in fields if item.default is none and item.default_factory is none]
    if not needed:
        shown = repr(value())
        assert shown.startswith(f"{value.__name__}(")
        assert len(shown) < 1500


def test_a_repr_is_short_whatever_a_result_holds():
    many = Made(
        np.zeros((500, 500)), pd.DataFrame({"a": range(999)}), "long " * 99, parts=(1,) * 99
    )
    shown = repr(many)
    assert len(shown) < 400
    assert "float64[500, 500]" in shown
    assert "table of 999 rows" in shown
    assert "mean=0.333333" in shown
    assert "lookup={a: 1, b: 2}" in shown
    assert "nothing" not in shown
    wide = dataclasses.make_dataclass("Wide", [(f"number_{i}", float, 0.5) for i in range(60)])
    lines = short_repr(wide()).splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 100
    assert "more: number_" in lines[-1]


def test_an_object_shows_what_it_is_told_to():
    class Server:
        def __repr__(self):
            return object_repr(self, address="http://127.0.0.1:1", pictures=[], acts=[1.0, 2.0])

    assert repr(Server()) == "Server(address='http://127.0.0.1:1', pictures=[], acts=[1, 2])"


def test_html_is_well_formed_escaped_short_and_says_which_row_is_meant():
    made = Made(
        np.zeros(9), pd.DataFrame({"<col>": [1.0] * 900}), warnings=[f"x < {i}" for i in range(9)]
    )
    page = made._repr_html_()
    outline = Outline()
    outline.feed(page)
    assert not outline.open
    assert all(head["scope"] in ("row", "col") for head in outline.heads)
    assert "&lt;col&gt;" in page
    assert "a &lt; b" in page
    assert "<col>" not in page
    assert page.count("<li>") == 5
    assert len(page) < 3000
    assert "color:inherit" in page  # the page's own colours: light and dark
    assert "background:transparent" in page


def test_a_wide_table_says_how_many_columns_are_left_out():
    table = pd.DataFrame([[0.123456789] * 12], columns=[f"c{i}" for i in range(12)])
    page = table_html(table, "twelve")
    assert "and 4 more" in page
    assert page.count("0.123457") == 8


@pytest.fixture
def fit():
    rng = np.random.default_rng(1)
    return fit_from_draws(
        {"couplings": rng.normal(0.1, 0.02, (400, 2)), "map": np.zeros((400, 20, 20))},
        model="J1 < J2", likelihood="exact", approximation="none", seed=1, data=b"x",
        diagnostics={"long": list(range(1000))}, warnings=["x < y"],
    )  # fmt: skip


def test_a_fit_shows_its_table_and_warnings_and_names_its_maps(fit):
    shown = repr(fit)
    assert "couplings[1]" in shown
    assert "map: [20, 20]" in shown
    assert shown.endswith("x < y")
    assert len(shown) < 500


def test_a_notebook_shows_texts_as_texts(fit):
    page = fit._repr_html_()
    assert "J1 &lt; J2" in page
    assert "<li>x &lt; y</li>" in page
    assert page.count("<tr") == 3


def test_a_notebook_shows_a_record_and_its_first_rows():
    snapshots = LatticeSnapshots(np.ones((1, 64)), square_lattice((8, 8)))
    page = snapshots._repr_html_()
    assert "int8[1, 64]" in page
    assert page.count('<th scope="row">') == 3
    assert page.count("<tr") == 3 + 1 + 5
    assert "first 5 of 64 rows" in page


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        (np.ones((8, 8)), r"a row a picture; got \(8, 8\).*states\.reshape\(-1, 64\)"),
        (np.tile([0, 1], 32)[None], r"state_values=\(0, 1\)"),
        (np.tile(["a", "b"], 32)[None], "texts such as 'a'"),
    ],
)
def test_a_sentence_says_what_to_do(states, sentence):
    with pytest.raises(InputError, match=sentence):
        LatticeSnapshots(states, square_lattice((8, 8)))
