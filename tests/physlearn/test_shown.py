"""What a session and a notebook show of fits and records: short, and escaped."""

import numpy as np
import pytest

from physlearn import LatticeSnapshots
from physlearn.checks import InputError
from physlearn.lattice_models import square_lattice
from physlearn.results import fit_from_draws


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
    assert page.count("<tr") == 6


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
