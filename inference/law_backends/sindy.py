"""PySINDy beside ours on a user's own data, in one line.

Kaptanoglu et al., PySINDy, J. Open Source Softw. 7:3994, 2022,
https://doi.org/10.21105/joss.03994; weak form: Messenger and Bortz 2021,
https://doi.org/10.1016/j.jcp.2021.110525.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError, as_generator
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.expression_text import parse_expression, to_sympy

__all__ = ["SINDY_RECIPE", "compare_with_pysindy"]

Floats = NDArray[np.float64]
Coefficients = dict[str, float]

SINDY_RECIPE = (
    "compare_with_pysindy needs the package pysindy, which is not installed: run "
    "`pip install 'pysindy>=2.1'`; physlearn's own laws need nothing."
)
THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
DEGREES = (2, 3)
POWERS = (1, 2, 3)
DOMAINS = (100, 500)  # of the weak form: PySINDy's own number, and tuned
WIDE_SHARE = 0.12  # of the film: half width of the tuned test functions


def compare_with_pysindy(
    data: pd.DataFrame | xr.DataArray,
    *,
    ours: EquationSet | Mapping[str, EquationSet] | None = None,
    time: str = "t",
    rng: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Return the terms that PySINDy finds, with its defaults and tuned, beside ours.

    Default: polynomials of degree 2, finite differences, threshold 0.1 (series); the weak form with
    100 domains of its own width and threshold 0.1 (films). Tuned: smoothed differences and degree 2
    or 3 (series), 500 domains of 0.12 of the film (films), and the threshold of smallest Bayesian
    information criterion on the equations that PySINDy itself solves.

    Parameters
    ----------
    data
        A table of one evenly timed series with its time in ``time``, or a film with dims
        (time, y, x) or (time, x).
    ours
        What `discover_motion_law` or `discover_field_law` returned; None calls it.
    time
        Name of the time column of a table.
    rng
        Seed of PySINDy's domains.

    Returns
    -------
    pandas.DataFrame
        Columns target, term, ours, pysindy_default, pysindy_tuned: coefficients, 0 where a term is
        not in the law. ``lap_u`` is written as ``u_xx`` and ``u_yy`` for all.

    Raises
    ------
    BackendUnavailable
        If PySINDy is not installed.
    InputError
        For data of another kind.

    Examples
    --------
    >>> times = np.arange(400) * 0.05
    >>> table = pd.DataFrame({"t": times, "x": np.cos(times), "y": -np.sin(times)})
    >>> compare_with_pysindy(table).columns.tolist()  # doctest: +SKIP
    ['target', 'term', 'ours', 'pysindy_default', 'pysindy_tuned']
    """
    if importlib.util.find_spec("pysindy") is None:
        raise BackendUnavailable(SINDY_RECIPE)
    _, seed = as_generator(rng)
    if isinstance(data, pd.DataFrame):
        default, tuned = _of_series(data, time)
        found = ours if ours is not None else _our_series(data, time)
        own = _our_terms(found, flat=True)
    elif isinstance(data, xr.DataArray):
        default, tuned = _of_film(data, seed)
        found = ours if ours is not None else _our_film(data)
        own = _our_terms(found, flat=data.ndim == 2)
    else:
        raise InputError(
            "data must be a pandas table of a series or an xarray film with dims (time, y, x), got "
            f"{type(data).__name__}."
        )
    return _side_by_side(own, default, tuned)


def _side_by_side(*laws: dict[str, Coefficients]) -> pd.DataFrame:
    rows = []
    for target in dict.fromkeys(name for law in laws for name in law):
        terms = dict.fromkeys(term for law in laws for term in law.get(target, {}))
        for term in terms:
            numbers = [law.get(target, {}).get(term, 0.0) for law in laws]
            rows.append([target, term, *numbers])
    return pd.DataFrame(
        rows, columns=["target", "term", "ours", "pysindy_default", "pysindy_tuned"]
    )


def _our_series(data: pd.DataFrame, time: str) -> Any:
    from physlearn.inference.dynamics.motion_law import discover_motion_law

    return discover_motion_law(data, time=time)


def _our_film(data: xr.DataArray) -> Any:
    from physlearn.inference.dynamics.field_law import discover_field_law

    return discover_field_law(data)


def _our_terms(
    found: EquationSet | Mapping[str, EquationSet], *, flat: bool
) -> dict[str, Coefficients]:
    sets = {found.target: found} if isinstance(found, EquationSet) else dict(found)
    laws: dict[str, Coefficients] = {}
    for target, one in sets.items():
        law: Coefficients = {}
        for term in one.best.terms:
            name = "1" if term.program == (1,) else str(to_sympy(term.program))
            for part, share in _untied(name, flat=flat):
                law[part] = law.get(part, 0.0) + share * float(term.coefficient)
        laws[target] = law
    return laws


def _untied(name: str, *, flat: bool) -> list[tuple[str, float]]:
    """Laplacians as sums of second derivatives."""
    head, _, tail = name.partition("_")
    if head == "lap" and tail:
        return [(f"{tail}_xx", 1.0)] + ([] if flat else [(f"{tail}_yy", 1.0)])
    if head == "bilap" and tail:
        more = [(f"{tail}_yyxx", 2.0), (f"{tail}_yyyy", 1.0)]
        return [(f"{tail}_xxxx", 1.0)] + ([] if flat else more)
    return [(name, 1.0)]


def _of_series(
    data: pd.DataFrame, time: str
) -> tuple[dict[str, Coefficients], dict[str, Coefficients]]:
    if time not in data:
        raise InputError(f"time must name a column of data, got {time!r}.")
    times = data[time].to_numpy(dtype=np.float64)
    steps = np.diff(times)
    if steps.size < 10 or not np.allclose(steps, steps.mean(), rtol=1e-3):
        raise InputError("PySINDy needs an evenly timed series of more than 10 rows.")
    names = [name for name in data.columns if name != time]
    values = data[names].to_numpy(dtype=np.float64)
    sindy = importlib.import_module("pysindy")

    def fitted(degree: int, threshold: float, differences: Any) -> Any:
        model = sindy.SINDy(
            feature_library=sindy.PolynomialLibrary(degree=degree),
            optimizer=sindy.STLSQ(threshold=threshold), differentiation_method=differences,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(values, t=times, feature_names=names)
        return model

    default = fitted(2, 0.1, sindy.FiniteDifference())
    tried = []
    for degree in DEGREES:
        for threshold in THRESHOLDS:
            model = fitted(degree, threshold, sindy.SmoothedFiniteDifference())
            slopes = np.asarray(sindy.SmoothedFiniteDifference()(values, times))
            rest = slopes - np.asarray(model.predict(values))
            tried.append((_criterion(rest, np.asarray(model.coefficients())), model))
    best = min(tried, key=lambda one: one[0])[1]
    return (_series_terms(default, names), _series_terms(best, names))


def _criterion(rest: Floats, coefficients: Floats) -> float:
    n = len(rest)
    size = np.maximum((rest**2).mean(axis=0), 1e-300)
    return float(n * np.log(size).sum() + np.log(n) * np.count_nonzero(coefficients))


def _series_terms(model: Any, names: Sequence[str]) -> dict[str, Coefficients]:
    words = model.get_feature_names()
    texts = [
        str(to_sympy(parse_expression(word.replace(" ", "*"), names))) for word in words
    ]  # fmt: skip
    return {
        f"d{name}/dt": {t: float(c) for t, c in zip(texts, row, strict=True) if c}
        for name, row in zip(names, model.coefficients(), strict=True)
    }


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which PySINDy draws, and put it back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _of_film(
    video: xr.DataArray, seed: int
) -> tuple[dict[str, Coefficients], dict[str, Coefficients]]:
    if video.dims[0] != "time" or video.ndim not in (2, 3):
        raise InputError(f"data must have dims (time, y, x) or (time, x), got {video.dims}.")
    values = np.moveaxis(video.to_numpy().astype(np.float64), 0, -1)
    if not np.isfinite(values).all():
        raise InputError("PySINDy needs a film without NaN.")
    fields = np.stack([values**power for power in POWERS], axis=-1)
    axes = [video[dim].to_numpy().astype(np.float64) for dim in (*video.dims[1:], "time")]
    spans = [WIDE_SHARE * float(np.ptp(axis)) for axis in axes]
    plain = _weak(fields, axes, DOMAINS[0], None, 0.1, seed)
    tried = [_weak(fields, axes, DOMAINS[1], spans, t, seed) for t in THRESHOLDS]
    best = min(tried, key=lambda one: one[0])
    letters = [str(dim) for dim in video.dims[1:]]
    name = str(video.name or "u")
    name = name if name.isidentifier() else "u"
    return tuple(  # type: ignore[return-value]
        {f"d{name}/dt": _film_terms(law, name, letters)} for _, law in (plain, best)
    )


def _weak(
    fields: Floats, axes: list[Floats], n_domains: int, spans: list[float] | None,
    threshold: float, seed: int,
) -> tuple[float, Coefficients]:  # fmt: skip
    sindy = importlib.import_module("pysindy")
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    with _numpy_seed(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = sindy.WeakPDELibrary(
            sindy.PolynomialLibrary(degree=1, include_bias=False),
            derivative_order=4 if len(axes) == 2 else 2, spatiotemporal_grid=grid,
            include_bias=True, include_interaction=False, K=n_domains, H_xt=spans,
        )  # fmt: skip
        model = sindy.SINDy(
            feature_library=library, optimizer=sindy.STLSQ(threshold=threshold, alpha=1e-6)
        )
        model.fit(fields, t=axes[-1])
        moments = np.asarray(library.convert_u_dot_integral(fields))
        features = np.asarray(library.fit_transform(fields)).reshape(len(moments), -1)
    row = np.asarray(model.coefficients())[0]
    rest = moments[:, :1] - (features @ row)[:, None]
    law = {n: float(c) for n, c in zip(model.get_feature_names(), row, strict=True) if c}
    return _criterion(rest, row), law


def _film_terms(law: Coefficients, name: str, letters: Sequence[str]) -> Coefficients:
    """PySINDy's x1_22 as u2_xx."""
    terms: Coefficients = {}
    for word, value in law.items():
        match = re.fullmatch(r"x(\d)(?:_([1-9]+))?", word)
        if match is None:
            terms[word] = value
            continue
        power = int(match.group(1)) + 1
        head = name if power == 1 else f"{name}{power}"
        along = "".join(letters[int(digit) - 1] for digit in match.group(2) or "")
        terms[f"{head}_{along}" if along else head] = value
    return terms
