"""Results of inference: an ArviZ posterior with what is needed to trust it."""

from __future__ import annotations

import functools
import hashlib
import html
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.arviz_import import import_arviz
from physlearn.calibration_marks import uncalibrated
from physlearn.checks import CREDIBLE_MASS, InputError, NotFound
from physlearn.records.hdf5_parts import check_hdf5_parts
from physlearn.records.json_text import fit_texts
from physlearn.records.shown import STYLE, table_html
from physlearn.records.storage import save_groups
from physlearn.warning_codes import with_code

if TYPE_CHECKING:
    import arviz

__all__ = ["Fit", "data_fingerprint", "fit_from_draws", "library_versions", "plain_json"]

PRIOR_REPEATED = 0.9
"""Posterior over prior standard deviation above which the data said next to nothing."""

COLUMNS = [
    "name", "mean", "sd", "q05", "q95", "probability_positive", "unit", "sd_over_prior_sd",
    "verdict",
]  # fmt: skip
SHOWN = ["name", "mean", "sd", "q05", "q95", "unit", "verdict"]
"""Columns of the summary that a session or a notebook shows."""

ROWS_SHOWN, MOST_ROWS = 50, 16
"""A variable of more numbers is named only; of all rows a session shows the first."""

REPORTED_VERSIONS = ("physlearn", "numpy", "scipy", "numba", "arviz", "xarray", "pandas")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fit:
    """A posterior, the model behind it, and what its own diagnostics say.

    Attributes
    ----------
    idata
        ``arviz.InferenceData``; group ``posterior`` with dims chain, draw. Its attrs name the
        likelihood, the approximation, the model (JSON), seed, versions, data_sha256, warnings.
    model
        One line that says what was fitted.
    diagnostics
        Plain numbers, texts and lists by name.
    warnings
        Sentences that every summary prints, each with its code behind it (``warning_page`` says
        what to do).

    Examples
    --------
    >>> draws = {"couplings": np.random.default_rng(1).normal(0.1, 0.02, (4000, 1))}
    >>> fit = fit_from_draws(draws, model="Ising", likelihood="exact", approximation="none",
    ...     seed=1, data=[np.ones(3)], dims={"couplings": ["shell"]}, units={"couplings": "kT"})
    >>> fit.summary()["unit"].tolist()
    ['kT']
    >>> low, high = fit.interval("couplings")[0]
    >>> bool(low < 0.1 < high)
    True
    """

    idata: arviz.InferenceData
    model: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        table, notes = self._shown()
        text = table.to_string(index=False, float_format=_short)
        return "\n".join((f"Fit of {self.model}", text, *notes))

    def _repr_html_(self) -> str:
        table, notes = self._shown()
        said = "".join(f"<li>{html.escape(text)}</li>" for text in notes)
        return f"{STYLE}{table_html(table, f'Fit of {self.model}')}<ul>{said}</ul>"

    def _shown(self) -> tuple[pd.DataFrame, list[str]]:
        # A map of thousands of numbers is named, not printed
        sizes = {name: self.idata["posterior"][name].shape[2:] for name in self.variables}
        small = [name for name, shape in sizes.items() if np.prod(shape) <= ROWS_SHOWN]
        notes = [f"{name}: {list(shape)}" for name, shape in sizes.items() if name not in small]
        table = self._rows(small)[SHOWN]
        if len(table) > MOST_ROWS:
            notes.append(f"and {len(table) - MOST_ROWS} rows more: summary() has all")
        return table.head(MOST_ROWS), [*notes, *map(with_code, self.warnings)]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return the draws of one variable, shape (n_draws, ...), or of one row of the summary."""
        posterior = self.idata["posterior"]
        whole = name.split("[", 1)[0]
        if name not in posterior and whole in posterior:
            labels = _labels(posterior[whole], whole)
            if name in labels:
                draws = self[whole]
                return np.ascontiguousarray(draws.reshape(len(draws), -1)[:, labels.index(name)])
        if name not in posterior:
            raise InputError(
                f"name must be a variable of this fit ({', '.join(self.variables)}); got {name!r}."
            )
        values = posterior[name].to_numpy()
        return np.ascontiguousarray(values.reshape(-1, *values.shape[2:]), dtype=np.float64)

    @property
    def variables(self) -> list[str]:
        """Names of the posterior's variables."""
        return [str(name) for name in self.idata["posterior"].data_vars]

    @property
    def attrs(self) -> dict[str, Any]:
        """Likelihood, approximation, seed, versions and the data's hash."""
        return dict(self.idata["posterior"].attrs)

    def interval(self, name: str, mass: float = CREDIBLE_MASS) -> NDArray[np.float64]:
        """Return the equal-tailed interval of a variable, shape (..., 2)."""
        if not 0 < mass < 1:
            raise InputError(f"mass must lie between 0 and 1; got {mass!r}.")
        tails = [(1 - mass) / 2, (1 + mass) / 2]
        return np.moveaxis(np.quantile(self[name], tails, axis=0), 0, -1)

    def summary(self) -> pd.DataFrame:
        """Return one row a number: mean, sd, 90 % interval, sign, unit, prior share, verdict.

        The verdict says ``uncalibrated`` where the ledger (docs/calibration.md) found intervals of
        this likelihood outside their band.
        """
        return self._rows(self.variables)

    def _rows(self, names: Sequence[str]) -> pd.DataFrame:
        attrs = self.attrs
        units = json.loads(attrs.get("units", "{}"))
        prior_sd = json.loads(attrs.get("prior_sd", "{}"))
        verdicts = json.loads(attrs.get("verdicts", "{}"))
        rows = []
        for name in names:
            draws = self[name]
            flat = draws.reshape(len(draws), -1)
            prior = np.broadcast_to(np.asarray(prior_sd.get(name, np.nan), float), draws.shape[1:])
            for index, label in enumerate(_labels(self.idata["posterior"][name], name)):
                column = flat[:, index]
                low, high = np.quantile(column, [(1 - CREDIBLE_MASS) / 2, (1 + CREDIBLE_MASS) / 2])
                sd = float(column.std(ddof=1))
                share = sd / float(prior.ravel()[index])
                verdict = verdicts.get(label, verdicts.get(name, ""))
                if share > PRIOR_REPEATED:
                    verdict = f"{verdict}; prior repeated".lstrip("; ")
                if noted := uncalibrated(label, likelihood=attrs.get("likelihood", "")):
                    verdict = f"{verdict}; {noted}".lstrip("; ")
                rows.append(
                    {
                        "name": label, "mean": float(column.mean()), "sd": sd, "q05": float(low),
                        "q95": float(high), "probability_positive": float((column > 0).mean()),
                        "unit": units.get(name, "1"), "sd_over_prior_sd": share,
                        "verdict": verdict,
                    }
                )  # fmt: skip
        return pd.DataFrame(rows, columns=COLUMNS)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write posterior, model and diagnostics as netCDF."""
        self.idata["posterior"].attrs.update(
            physlearn_record="Fit", diagnostics=json.dumps(plain_json(self.diagnostics))
        )
        save_groups(self.idata, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Fit:
        """Read what ``save`` wrote.

        Raises
        ------
        NotFound
            When there is no such file.
        InputError
            When the file does not hold a fit.
        """
        if not Path(path).is_file():
            raise NotFound(f"no such file: {path}")
        try:
            # Without the load the file would stay open, and locked, as long as the fit lives
            check_hdf5_parts(path)
            idata = import_arviz().from_netcdf(str(path), engine="h5netcdf").load()
            attrs = idata["posterior"].attrs
            whole = attrs.get("physlearn_record") == "Fit"
            fit = cls(idata, *fit_texts(attrs)) if whole else None
            if any(one.dims[:2] != ("chain", "draw") for one in idata["posterior"].values()):
                raise ValueError("its draws")
        except InputError:
            raise
        except Exception as error:  # arviz, xarray and h5netcdf raise many kinds
            said = (str(error) or type(error).__name__).splitlines()[0][:120]
            raise InputError(
                f"{path} must be a fit that physlearn wrote; it lacks or damages {said}."
            ) from None
        if fit is None:
            raise InputError(f"{path} must be a fit that physlearn wrote; it holds something else.")
        return fit


def _short(value: float) -> str:
    return f"{value:.4g}"


def fit_from_draws(
    draws: Mapping[str, NDArray[np.float64]],
    *,
    model: str,
    likelihood: str,
    approximation: str,
    seed: int,
    data: bytes | Sequence[NDArray[Any]],
    prior_sd: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    dims: Mapping[str, list[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    diagnostics: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    verdicts: Mapping[str, str] | None = None,
    attrs: Mapping[str, str | float | int] | None = None,
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> Fit:
    """Wrap equally weighted posterior draws as a ``Fit``.

    Parameters
    ----------
    draws
        Variable -> array of shape (n_draws, ...).
    model, likelihood, approximation
        What was fitted, with which likelihood, and what stands between it and the exact posterior.
    seed
        Seed that reproduces the draws.
    data
        Bytes or arrays whose SHA-256 names the data.
    prior_sd
        Prior standard deviation of each variable, for the prior's share in the summary.
    units, dims, coords
        Units and dimensions of the variables.
    diagnostics, warnings, verdicts
        What the estimator found about itself; ``verdicts`` by variable or ``variable[label]``.
    attrs
        More attributes of the posterior.
    constants
        Arrays that later questions to the fit need (the pictures, their graph), kept as they are
        in the group ``constant_data``.

    Raises
    ------
    InputError
        When a variable has no draws or holds NaN.

    Examples
    --------
    >>> fit = fit_from_draws({"field": np.zeros(10)}, model="m", likelihood="l",
    ...     approximation="a", seed=0, data=b"x")
    >>> fit.attrs["seed"]
    0
    """
    arviz = import_arviz()
    for name, values in draws.items():
        if not np.size(values) or not np.isfinite(values).all():
            raise InputError(
                f"draws[{name!r}] must be finite and not empty, shape {np.shape(values)}."
            )
    posterior = {name: np.asarray(values, dtype=np.float64)[None] for name, values in draws.items()}
    idata = arviz.from_dict(
        posterior=posterior,
        dims={name: list(value) for name, value in (dims or {}).items()},
        coords={name: list(value) for name, value in (coords or {}).items()},
        constant_data={name: np.asarray(value) for name, value in constants.items()}
        if constants
        else None,
    )
    idata["posterior"].attrs.update(
        physlearn_record="Fit",
        model=json.dumps(model),
        likelihood=likelihood,
        approximation=approximation,
        seed=int(seed),
        versions=json.dumps(library_versions()),
        data_sha256=data_fingerprint(data),
        warnings=json.dumps(list(warnings)),
        units=json.dumps(dict(units or {})),
        prior_sd=json.dumps(plain_json(prior_sd or {})),
        verdicts=json.dumps(dict(verdicts or {})),
        **(attrs or {}),
    )
    return Fit(idata, model, dict(diagnostics or {}), tuple(warnings))


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make the numbers."""
    return dict(_installed_versions())


@functools.cache
def _installed_versions() -> tuple[tuple[str, str], ...]:
    # Reading the metadata from the disk takes longer than a small fit
    return tuple((name, importlib.metadata.version(name)) for name in REPORTED_VERSIONS)


def data_fingerprint(data: bytes | Sequence[NDArray[Any]]) -> str:
    """Return the SHA-256 of bytes, or of arrays with their shapes and types.

    Examples
    --------
    >>> data_fingerprint(b"")[:8]
    'e3b0c442'
    """
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    for array in data:
        values = np.ascontiguousarray(array)
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _labels(variable: Any, name: str) -> list[str]:
    """Return ``name`` or ``name[first shell label, ...]`` for every element of a variable."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    if not dims:
        return [name]
    grids = np.meshgrid(*[variable[dim].to_numpy() for dim in dims], indexing="ij")
    flat = zip(*[grid.ravel() for grid in grids], strict=True)
    return [f"{name}[{', '.join(str(label) for label in labels)}]" for labels in flat]


def plain_json(value: Any, *, texts: bool = False) -> Any:
    """Return ``value`` as JSON holds it: numpy unpacked, NaN and infinity as None.

    Parameters
    ----------
    value
        Mappings, sequences, arrays and plain values, nested.
    texts
        Give anything else by its text; otherwise it stays, and JSON will refuse it.

    Examples
    --------
    >>> plain_json({"a": np.float64("nan"), "b": np.arange(2), 3: (True,)})
    {'a': None, 'b': [0, 1], '3': [True]}
    >>> plain_json([Path("a")], texts=True)
    ['a']
    """
    if isinstance(value, Mapping):
        return {str(key): plain_json(item, texts=texts) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist(), texts=texts)
    if isinstance(value, list | tuple):
        return [plain_json(item, texts=texts) for item in value]
    if isinstance(value, np.generic):
        return plain_json(value.item(), texts=texts)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool) or not texts:
        return value
    return str(value)
