"""Fixed forms with free constants: fitted under a noise model, and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, as_generator
from physlearn.inference.law_data.likelihood_fit import Limits, Model, Optimum, maximise
from physlearn.inference.law_data.noise_models import NoiseModel, Observations, observe
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_data.template_forms import (
    TemplateForm,
    TemplateOptions,
    read_form,
)
from physlearn.inference.law_data.template_starts import starting_points
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.records.storage import html_table, short_repr

__all__ = ["FittedTemplate", "TemplateOptions", "compare_templates", "fit_template"]

Floats = NDArray[np.float64]

CLIMBS = 8
AGREEING_CLIMBS = 3
SAME_HEIGHT = 1e-3
RIVAL_NATS = 2.0
SAME_CURVE = 1e-4  # of its range
RIVAL_DISTANCE = 5.0  # standard deviations
LEAVES = "the law leaves"


@dataclass(frozen=True, slots=True, eq=False)
class FittedTemplate:
    """A form with its constants fitted.

    Attributes
    ----------
    text
        The form.
    constants
        Index: names; columns value, sd, low, high (90 %, from the curvature at the best values).
    covariance
        In the order of ``constants``; None where the data leave a combination open.
    equation
        The law; its description length is minus the log evidence.
    noise_sd
        Scatter of the measured points about the law, in units of y.
    log_evidence
        Logarithm of the marginal likelihood of the measurements (nats).
    laws
        The form as a set of one law: predictions with intervals, posterior, text, JSON.
    warnings
        What to know before use.
    """

    text: str
    constants: pd.DataFrame
    covariance: Floats | None
    equation: Equation
    noise_sd: float
    log_evidence: float
    laws: EquationSet
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def fit_template(
    text: str,
    columns: Mapping[str, ArrayLike],
    y: ArrayLike,
    noise: NoiseModel | None = None,
    options: TemplateOptions | None = None,
    *,
    below: ArrayLike | None = None,
    above: ArrayLike | None = None,
) -> FittedTemplate:
    """Fit the constants of a form such as ``a*exp(-b/x) + c`` by maximum likelihood.

    Names that are neither columns nor functions are constants; a name may stand in several places.
    The text is read by a small grammar, nothing is executed.

    Parameters
    ----------
    text
        The form.
    columns
        Name -> values (n,) of each variable.
    y
        Shape (n,); for censored points the limit.
    noise
        How y scatters; None is additive noise of unknown size.
    options
        Starts, bounds and priors of the constants.
    below, above
        Booleans (n,): the value is known only to lie below (above) y, as with a detection limit
        (Tobin, Econometrica 26:24, 1958).

    Raises
    ------
    InputError
        For a form that cannot be read, data that cannot be used, fewer points than constants, or a
        form that is undefined on the data wherever it was tried.

    Examples
    --------
    >>> x = np.linspace(1.0, 5.0, 30)
    >>> fit = fit_template("a*exp(-b/x) + c", {"x": x}, 3.0 * np.exp(-2.0 / x) + 1.0)
    >>> fit.constants["value"].round(3).to_dict()
    {'a': 3.0, 'b': 2.0, 'c': 1.0}
    """
    noise = noise or NoiseModel()
    data = observe(columns, y, noise, below=below, above=above)
    return _fit(text, data, noise, options or TemplateOptions())


def compare_templates(
    texts: Sequence[str],
    columns: Mapping[str, ArrayLike],
    y: ArrayLike,
    noise: NoiseModel | None = None,
    options: TemplateOptions | None = None,
    *,
    below: ArrayLike | None = None,
    above: ArrayLike | None = None,
    target: str = "y",
) -> EquationSet:
    """Fit several forms and weigh them by their evidence, equal before the data.

    Parameters
    ----------
    texts
        The forms.
    columns, y, noise, options, below, above
        As in `fit_template`; starts, bounds and priors are for every form that has the name.
    target
        Name of y.

    Returns
    -------
    EquationSet
        Best first. Forms that are undefined on the data are left out with a warning.

    Raises
    ------
    InputError
        As `fit_template`, or if no form can be fitted.

    Examples
    --------
    >>> x = np.linspace(1.0, 4.0, 30)
    >>> y = 2.0 * x**1.5 + 0.01 * np.random.default_rng(1).standard_normal(30)
    >>> compare_templates(["a*x**b", "a*exp(b*x)", "a + b*x"], {"x": x}, y).weights.round(3)
    array([1., 0., 0.])
    """
    if isinstance(texts, str) or not texts:
        raise InputError("texts must be a list of forms such as ['a*x', 'a*x**b'].")
    noise, options = noise or NoiseModel(), options or TemplateOptions()
    data = observe(columns, y, noise, below=below, above=above)
    forms = {text: read_form(text, data.names) for text in texts}
    _check_named(options, list(forms.values()))
    fits, warnings = [], []
    for text, form in forms.items():
        try:
            fits.append(_fit(text, data, noise, _own(options, form.names)))
        except InputError as error:
            warnings.append(f"left out {text!r}: {error}")
    if not fits:
        raise InputError(f"no form can be fitted: {warnings[0]}")
    fits.sort(key=lambda fit: -fit.log_evidence)
    # A worse form always leaves more than the noise: only of the best does it say something
    warnings += [
        f"{fit.text}: {said}" for fit in fits for said in fit.warnings
        if fit is fits[0] or not said.startswith(LEAVES)
    ]  # fmt: skip
    return _set_of([fit.equation for fit in fits], data, noise, fits[0].noise_sd, warnings, target,
                   plain=all(fit.laws.data is not None for fit in fits))  # fmt: skip


def _own(options: TemplateOptions, names: Sequence[str]) -> TemplateOptions:
    start = {name: value for name, value in options.start.items() if name in names}
    bounds = {name: value for name, value in options.bounds.items() if name in names}
    priors = {name: value for name, value in options.priors.items() if name in names}
    return TemplateOptions(start, bounds, priors, options.n_starts, options.rng)


def _check_named(options: TemplateOptions, forms: Sequence[TemplateForm]) -> None:
    options.limits(sorted({name for form in forms for name in form.names}))


def _fit(
    text: str, data: Observations, noise: NoiseModel, options: TemplateOptions
) -> FittedTemplate:
    form = read_form(text, data.names)
    limits = options.limits(form.names)
    k, n = len(form.names), data.y.size
    free = int(np.isinf(limits.prior_sd).sum())
    if n < free + len(noise.nuisance):
        raise InputError(
            f"y has {n} points for {free} constants{' and the noise' if noise.nuisance else ''} of "
            f"{text!r}: measure more, or state priors and sd."
        )
    given = {form.names.index(name): float(value) for name, value in options.start.items()}
    found, warnings = best_optimum(form.model, data, noise, limits, given, options, text)
    if found.covariance is None and k:
        open_ones = _open_together(form, found.constants, data)
        warnings.append(
            f"these data leave a combination of the constants open ({', '.join(open_ones)}): write "
            "the number of one of them into the form, or state its prior"
        )
    at_bound = [name for name, at in zip(form.names, found.at_bound, strict=True) if at]
    if at_bound:
        warnings.append(f"{', '.join(at_bound)} stands at a bound")
    warnings += _more_than_noise(form, found, data, noise)
    equation, noise_sd = _measured(form, found, data, noise)
    bounded = any(name in options.bounds or name in options.priors for name in form.names)
    plain = not bounded and len(form.place) == k and noise.kind == "additive" and not noise.x_sd
    plain = plain and not data.censored.any()
    laws = _set_of([equation], data, noise, noise_sd, warnings, "y", plain=plain)
    return FittedTemplate(
        text, _table(form.names, found, n, noise), found.covariance, equation, noise_sd,
        found.log_evidence, laws, tuple(warnings),
    )  # fmt: skip


def _open_together(form: TemplateForm, constants: Floats, data: Observations) -> list[str]:
    """Name the constants in the combination that moves the law least; all where it is undefined."""
    with np.errstate(all="ignore"):
        slopes = form.model(constants, data.columns)[1]
        size = np.sqrt((slopes**2).sum(axis=1))
    if not np.isfinite(slopes).all():
        return list(form.names)
    if not size.all():
        return [name for name, own in zip(form.names, size, strict=True) if own == 0]
    scaled = slopes / size[:, None]
    flattest = np.linalg.eigh(scaled @ scaled.T)[1][:, 0]
    return [name for name, share in zip(form.names, flattest, strict=True) if abs(share) > 0.1]


def best_optimum(
    model: Model, data: Observations, noise: NoiseModel, limits: Limits,
    given: Mapping[int, float], options: TemplateOptions, text: str,
) -> tuple[Optimum, list[str]]:  # fmt: skip
    """Climb from the best of many guesses; say so where another maximum is as good."""
    generator, _ = as_generator(options.rng)
    starts = starting_points(model, data, noise, limits, given, options.n_starts, generator)
    found: list[Optimum] = []
    for start in starts[:CLIMBS]:
        optimum = maximise(model, start, data, noise, limits)
        if optimum is None or not math.isfinite(optimum.log_evidence):
            continue
        found.append(optimum)
        found.sort(key=lambda one: -one.log_likelihood)
        height = found[0].log_likelihood
        if sum(height - one.log_likelihood < SAME_HEIGHT for one in found) >= AGREEING_CLIMBS:
            break
    if not found:
        raise InputError(
            f"{text!r} is undefined on these data wherever it was tried (or not above 0, as "
            f"{noise.kind!r} noise may need): give a start or bounds, or change the form."
        )
    best = _most_positive(found)
    # Without covariance the caller says which constants are open: no start would close them
    lost = not best.converged and best.covariance is not None
    warnings = ["the fit did not converge: give a start"] if lost else []
    if any(_rivals(model, best, other, data) for other in found):
        warnings.append("another set of constants explains the data as well")
    return best, warnings


def _most_positive(found: list[Optimum]) -> Optimum:
    """Of maxima of one height (a sine has several) the one with the most positive constants."""
    height = found[0].log_likelihood
    level = [one for one in found if height - one.log_likelihood < SAME_HEIGHT]
    return max(level, key=lambda one: int((one.constants > 0).sum()))


def _rivals(model: Model, best: Optimum, other: Optimum, data: Observations) -> bool:
    """Whether another maximum is about as high, far away, and another curve."""
    if best.covariance is None or not other.converged:
        return False
    if best.log_likelihood - other.log_likelihood > RIVAL_NATS:
        return False
    sd = np.sqrt(np.maximum(np.diag(best.covariance), 1e-300))
    if (np.abs(other.constants - best.constants) / sd).max(initial=0.0) < RIVAL_DISTANCE:
        return False
    first, second = (model(one.constants, data.columns)[0] for one in (best, other))
    return bool(np.abs(first - second).max() > SAME_CURVE * np.ptp(first))


def _measured(
    form: TemplateForm, found: Optimum, data: Observations, noise: NoiseModel
) -> tuple[Equation, float]:
    law = form.equation(found.constants)
    exact = data.censored == 0
    with np.errstate(all="ignore"):
        rest = (data.y - law.predict(data.columns))[exact]
    loss = float(np.mean(rest**2))
    noise_sd = math.sqrt(loss * rest.size / max(rest.size - len(form.names), 1))
    if noise.kind == "additive" and noise.sd is not None:
        noise_sd = math.sqrt(float(np.mean(noise.sizes(data.y.size) ** 2)))
    ties = form.ties
    covariance = None if found.covariance is None else ties @ found.covariance @ ties.T
    if not len(form.place):
        covariance = None
    equation = Equation(
        law.terms, loss, -found.log_evidence, len(form.names), covariance, found.log_evidence,
        noise_sd,
    )  # fmt: skip
    return equation, noise_sd


def _more_than_noise(
    form: TemplateForm, found: Optimum, data: Observations, noise: NoiseModel
) -> list[str]:
    """Say so where the law leaves more than the noise that was stated."""
    exact = data.censored == 0
    if noise.sd is None or noise.x_sd or noise.kind not in ("additive", "multiplicative", "log"):
        return []
    law, y, sd = form.model(found.constants, data.columns)[0], data.y, noise.sizes(data.y.size)
    with np.errstate(all="ignore"):
        rest = np.log(y / law) if noise.kind == "log" else y - law
        away = rest / (sd * np.abs(law) if noise.kind == "multiplicative" else sd)
    freedom = max(int(exact.sum()) - found.constants.size, 1)
    excess = float((away[exact] ** 2).sum()) / freedom
    if not excess > 1.0 + 4.0 * math.sqrt(2.0 / freedom):
        return []
    return [
        f"{LEAVES} {math.sqrt(excess):.1f} times the noise: the form is not the true one, the "
        "noise is larger than given, or a column has errors (NoiseModel x_sd)"
    ]


def interval_factor(n: int, count: int, noise: NoiseModel) -> float:
    """Return how many standard deviations the ends of the 90 % interval lie from its middle."""
    from scipy.stats import norm, t

    tail = 0.5 + 0.5 * CREDIBLE_MASS
    free = max(n - count, 1)
    return float(norm.ppf(tail) if "log_sd" not in noise.nuisance else t.ppf(tail, free))


def _table(names: Sequence[str], found: Optimum, n: int, noise: NoiseModel) -> pd.DataFrame:
    sd = np.full(len(names), np.nan)
    if found.covariance is not None:
        sd = np.sqrt(np.maximum(np.diag(found.covariance), 0.0))
    reach = interval_factor(n, len(names), noise) * sd
    return pd.DataFrame({
        "value": found.constants, "sd": sd, "low": found.constants - reach,
        "high": found.constants + reach,
    }, index=pd.Index(names, name="constant"))  # fmt: skip


def _set_of(
    equations: list[Equation], data: Observations, noise: NoiseModel, noise_sd: float,
    warnings: Sequence[str], target: str, *, plain: bool,
) -> EquationSet:  # fmt: skip
    kept = None
    if plain:
        weight = 1.0 / np.square(noise.sizes(data.y.size))
        kept = SearchData(data.x, data.y, weight, noise.sd is not None, data.names)
    constant = TemplateForm("c", (1.0,), ("c",), np.array([0]))
    start = np.array([max(float(np.mean(data.y)), 1e-12) if noise.kind != "additive" else 0.0])
    flat = maximise(constant.model, start, data, noise)
    return EquationSet(
        tuple(equations), data.names, target, data.ranges, noise_sd, tuple(warnings), data=kept,
        constant_length=None if flat is None else -flat.log_evidence,
    )  # fmt: skip
