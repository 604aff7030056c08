"""Sets of laws made from a few templates by least squares: no search, so quick and independent."""

import numpy as np
from scipy.optimize import least_squares

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.laws.equation import Equation, split_terms
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.expression import evaluate_many, gradients, with_floats
from physlearn.inference.laws.expression_text import parse_expression

X1 = np.linspace(0.5, 4.0, 40)
TEMPLATES = {
    "a*x": [1.0],
    "a + b*x": [0.5, 0.5],
    "a*x**b": [1.0, 0.8],
    "a*exp(b/x)": [2.0, -1.0],
    "a*exp(b*x)": [1.0, -0.2],
    "a*x/(x + b)": [2.0, 1.0],
    "a*log(1 + b*x)": [1.0, 1.0],
}
NAMES = "abcd"


def fit_template(data, text, start):
    """Return the template fitted by scipy and measured, or None where it does not converge."""
    constants = dict(zip(NAMES, start, strict=False))
    law = Equation(split_terms(parse_expression(text, data.names, constants)), 0.0, 0.0, 0)
    root = np.sqrt(data.weight)

    program, columns = law.program, data.columns

    def residual(c):
        values = evaluate_many(program, columns, c[None])[0]
        return np.nan_to_num(root * (values - data.y), nan=1e6)

    def slopes(c):
        return np.nan_to_num(root * gradients(with_floats(program, c), columns)[1]).T

    found = least_squares(
        residual, law.constants, slopes, x_scale="jac", xtol=1e-10, ftol=1e-10, max_nfev=200
    )
    if not found.success:
        return None
    return measure_law(data, law.with_constants(found.x).terms)


def observe(values, noise_sd, rng, *, known=True, x=X1, name="x"):
    """Return noisy observations as the search takes them."""
    y = values + noise_sd * rng.standard_normal(values.size)
    weight = np.full(values.size, 1.0 / noise_sd**2 if known else 1.0)
    return SearchData(x[None], y, weight, known, (name,))


def laws_of(data, templates=TEMPLATES, noise_sd=None, **given):
    """Return the set of the templates fitted to the observations."""
    fitted = [fit_template(data, text, start) for text, start in templates.items()]
    laws = [law for law in fitted if law is not None and np.isfinite(law.description_length)]
    best = min(laws, key=lambda law: law.description_length)
    return EquationSet(
        tuple(laws), data.names, "y", np.stack([data.x.min(axis=1), data.x.max(axis=1)], axis=1),
        best.noise_sd if noise_sd is None else noise_sd, data=data, **given,
    )  # fmt: skip
