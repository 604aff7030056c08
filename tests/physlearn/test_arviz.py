"""ArviZ draws every kind of fit."""

import subprocess
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

from physlearn.arviz_import import import_arviz
from physlearn.results import fit_from_draws

RNG = np.random.default_rng(5)
FITS = {
    "one number": {"rate": RNG.gamma(9.0, 0.1, 300)},
    "a vector and a number": {
        "couplings": RNG.normal(0.3, 0.02, (300, 2)), "field": RNG.normal(size=300),
    },
    "a matrix": {"shares": RNG.random((300, 2, 3))},
    "a number that does not move": {"fixed": np.ones(300), "free": RNG.normal(size=300)},
}  # fmt: skip


def a_fit(draws):
    dims = {"couplings": ["shell"], "shares": ["state", "site"]}
    return fit_from_draws(
        draws, model="m", likelihood="l", approximation="a", seed=1, data=b"x",
        dims={name: dims[name] for name in draws if name in dims},
    )  # fmt: skip


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("plot", ["plot_trace", "plot_forest", "plot_pair", "plot_posterior"])
def test_arviz_draws_every_kind_of_fit(kind, plot):
    draws = FITS[kind]
    if plot == "plot_pair" and kind == "one number":
        pytest.skip("a pair needs two numbers")
    arviz = import_arviz()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ's own, about a number that does not move
        axes = np.ravel(getattr(arviz, plot)(a_fit(draws).idata))
    assert any(ax.has_data() for ax in axes if ax is not None)
    pyplot.close("all")


def test_a_band_that_is_compiled_when_called_is_the_one_compiled_at_import():
    code = """
import sys
import numpy as np
if sys.argv[1] == "ours":
    from physlearn.arviz_import import import_arviz
    import_arviz()
from arviz.stats.ecdf_utils import ecdf_confidence_band
x = np.linspace(0.1, 0.9, 5)
print(np.array(ecdf_confidence_band(20, x, x, prob=0.9)).tolist())
"""
    said = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, which], capture_output=True, text=True
        )
        for which in ("ours", "plain")
    ]
    assert said[0].stdout, said[0].stderr
    assert said[0].stdout == said[1].stdout
