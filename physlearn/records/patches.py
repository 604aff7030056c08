"""Descriptors of patches, with units, tiers, errors and neighbours."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.covariance_checks import check_covariance
from physlearn.records.atoms import LENGTH_UNITS
from physlearn.records.patch_checks import check_error_covariance
from physlearn.records.storage import (
    described,
    frame_from_dataset,
    frame_to_dataset,
    freeze,
    html_table,
    record_of,
    save_dataset,
    short_repr,
    told,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["TIERS", "PatchTable"]

TIERS = ("composition", "structure", "response")
REQUIRED = ("frame", "centers", "patch_size")
TEXTS = (
    "unit", "units", "tiers", "error_correlation_length", "patch_size", "overlap", "selection",
    "chosen_by_result", "derived", "flags", "errors_unknown", "metadata", "warnings",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatchTable:
    """One row a patch, one column a descriptor.

    Attributes
    ----------
    frame
        pandas, numbers only, without gaps: descriptors by name.
    centers
        float64, shape (n_patches, 2): x, y of each patch in ``unit``.
    patch_size
        Edge of a patch in ``unit``.
    unit
        Unit of lengths.
    units
        Column -> unit ("1" for a pure number).
    tiers
        Column -> 0 composition, 1 structure, 2 response: a later tier does not cause an earlier.
    measurement_covariance
        float64, shape (n_patches or 1, n_columns, n_columns): covariance of the measurement errors
        of a patch's columns; None when unknown.
    error_correlation_length
        Length in ``unit`` over which measurement errors of neighbours agree, or None.
    overlap
        Share of a patch that its neighbour shares, 0 when they only touch.
    selection
        How patches were chosen; "all" when none was left out.
    chosen_by_result
        Whether what a patch shows decided that it is in the table: choosing so makes independent
        causes look dependent.
    derived
        Column -> the columns that it is computed from or repeats (a slope of the height).
    flags
        Column -> what must be known before it is used ("no signal above its noise").
    errors_unknown
        Columns whose measurement error nobody knows; their entries of the covariance are 0.
    covariates
        Acquisition columns (row, drift, dose, frame, time) by patch, or None.
    metadata, warnings
        As in ``AtomicConfiguration``.

    Raises
    ------
    InputError
        For gaps, columns that are no numbers, a tier that is not 0, 1 or 2, or a covariance that
        no errors have.

    Examples
    --------
    >>> import pandas as pd
    >>> table = PatchTable.from_frame(pd.DataFrame({"strain": [0.0, 0.01]}), [[0, 0], [8, 0]], 8.0)
    >>> table.n_patches, table.units["strain"]
    (2, '1')
    """

    frame: pd.DataFrame
    centers: NDArray[np.float64]
    patch_size: float
    unit: str = field(default="pixel", kw_only=True)
    units: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    tiers: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    measurement_covariance: NDArray[np.float64] | None = field(default=None, kw_only=True)
    error_correlation_length: float | None = field(default=None, kw_only=True)
    overlap: float = field(default=0.0, kw_only=True)
    selection: str = field(default="all", kw_only=True)
    chosen_by_result: bool = field(default=False, kw_only=True)
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    flags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    errors_unknown: tuple[str, ...] = field(default=(), kw_only=True)
    covariates: pd.DataFrame | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        frame = _checked_frame(self.frame)
        columns = [str(name) for name in frame.columns]
        n, c = frame.shape
        checked: dict[str, object] = {"frame": frame}
        checked["centers"] = check_array("centers", self.centers, shape=(n, 2))
        checked["patch_size"] = check_positive("patch_size", self.patch_size)
        check_choice("unit", self.unit, LENGTH_UNITS)
        named: tuple[tuple[str, Collection[str]], ...] = (
            ("units", self.units), ("tiers", self.tiers), ("derived", self.derived),
            ("flags", self.flags), ("errors_unknown", self.errors_unknown),
        )  # fmt: skip
        for name, given in named:
            _check_kind(name, given)
            unknown = [key for key in given if key not in columns]
            if unknown:
                raise InputError(f"{name} must name columns of frame; {unknown[0]!r} is none.")
        outside = [name for name, tier in self.tiers.items() if tier not in range(len(TIERS))]
        if outside:
            raise InputError(
                f"tiers must be 0, 1 or 2; got {self.tiers[outside[0]]!r} for {outside[0]!r}."
            )
        checked["tiers"] = {name: int(tier) for name, tier in self.tiers.items()}
        checked["units"] = {name: str(self.units.get(name, "1")) for name in columns}
        if self.measurement_covariance is not None:
            covariance = check_array(
                "measurement_covariance", self.measurement_covariance, shape=(None, c, c)
            )
            if len(covariance) not in (1, n):
                raise InputError(
                    f"measurement_covariance must hold 1 or {n} matrices, got {len(covariance)}."
                )
            check_error_covariance(covariance, columns)
            check_covariance("measurement_covariance", covariance)
            checked["measurement_covariance"] = covariance
        is_number = isinstance(self.overlap, int | float | np.floating)
        if not is_number or not 0 <= self.overlap < 1:
            raise InputError(f"overlap must be at least 0 and below 1; got {self.overlap!r}.")
        if self.error_correlation_length is not None:
            check_positive(
                "error_correlation_length", self.error_correlation_length, allow_zero=True
            )
        if self.covariates is not None:
            _check_kind("covariates", self.covariates)
        if self.covariates is not None and self.covariates.shape[1] == 0:
            # a file cannot tell a table without columns from none
            checked["covariates"] = None
        elif self.covariates is not None:
            if len(self.covariates) != n:
                raise InputError(f"covariates must have {n} rows, got {len(self.covariates)}.")
            checked["covariates"] = self.covariates.reset_index(drop=True).copy()
        checked["chosen_by_result"] = bool(self.chosen_by_result)
        sources: Mapping[str, Any] = self.derived  # one source may come as a plain text
        checked["derived"] = {
            name: (of,) if isinstance(of, str) else tuple(map(str, of))
            for name, of in sources.items()
        }
        checked["flags"] = {name: str(text) for name, text in self.flags.items()}
        checked["errors_unknown"] = tuple(map(str, self.errors_unknown))
        _check_kind("metadata", self.metadata)
        checked["metadata"] = dict(self.metadata)
        _check_kind("warnings", self.warnings)
        checked["warnings"] = tuple(map(str, self.warnings))
        freeze(self, checked)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, centers: ArrayLike, patch_size: float, **options: Any
    ) -> PatchTable:
        """Return the record of a plain table; ``options`` are the attributes above."""
        _check_options(options)
        try:
            places = np.asarray(centers, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"centers must hold two numbers (x, y) for each patch; {error}."
            ) from None
        return cls(frame, places, patch_size, **options)

    @classmethod
    def from_rows(cls, frame: pd.DataFrame, **options: Any) -> PatchTable:
        """Return the record of rows that have no place (cells, runs, samples): no neighbours.

        Each row is put on a cell of a square grid in a fixed random order, so that the place says
        nothing, and ``metadata["rows_independent"]`` is True: tests that read it count every row
        as one. Rows of one scan or film are no such rows.

        Parameters
        ----------
        frame
            Numbers only, without gaps.
        options
            The attributes above.

        Examples
        --------
        >>> import pandas as pd
        >>> table = PatchTable.from_rows(pd.DataFrame({"raf": [26.4, 35.9, 59.4]}))
        >>> table.metadata["rows_independent"], table.n_patches
        (True, 3)
        """
        _check_options(options)
        _check_kind("frame", frame)
        across = int(np.ceil(np.sqrt(max(len(frame), 1))))
        cells = np.random.default_rng(0).permutation(len(frame))
        centers = np.stack([cells % across, cells // across], axis=1).astype(np.float64) + 0.5
        metadata = {**options.pop("metadata", {}), "rows_independent": True}
        return cls(frame, centers, 1.0, metadata=metadata, **options)

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Names of the descriptors."""
        return [str(name) for name in self.frame.columns]

    def take(
        self,
        rows: ArrayLike,
        *,
        selection: str | None = None,
        chosen_by_result: bool | None = None,
    ) -> PatchTable:
        """Return the table of some patches, by number or by a mask.

        Give the rule as ``selection``; ``chosen_by_result`` is True where what a patch shows
        decided (it stays True once it was).

        Examples
        --------
        >>> import pandas as pd
        >>> table = PatchTable.from_frame(pd.DataFrame({"a": [0.0, 1.0]}), [[0, 0], [8, 0]], 8.0)
        >>> table.take([1], selection="the right patch").frame["a"].tolist()
        [1.0]
        """
        given = np.asarray(rows)
        if given.dtype == bool and len(given) != self.n_patches:
            raise InputError(f"rows must hold {self.n_patches} answers, got {len(given)}.")
        index = np.flatnonzero(given) if given.dtype == bool else check_array(
            "rows", given, ndim=1, dtype=np.int64, allow_empty=True
        )  # fmt: skip
        if not len(index) or index.min() < -self.n_patches or index.max() >= self.n_patches:
            raise InputError(f"rows must name at least one of {self.n_patches} patches.")
        covariance = self.measurement_covariance
        if covariance is not None and len(covariance) > 1:
            covariance = covariance[index]
        told = f"{len(index)} of {self.n_patches} patches" if selection is None else selection
        return replace(
            self,
            frame=self.frame.iloc[index],
            centers=self.centers[index],
            measurement_covariance=covariance,
            covariates=None if self.covariates is None else self.covariates.iloc[index],
            selection=told if self.selection == "all" else f"{self.selection}; {told}",
            chosen_by_result=self.chosen_by_result or bool(chosen_by_result),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return patch centres (``x``, ``y``), descriptors and their standard errors (``_sd``)."""
        import pandas as pd

        centers = pd.DataFrame(self.centers, columns=["x", "y"])
        result = pd.concat([centers, self.frame], axis=1)
        if self.measurement_covariance is not None:
            for index, name in enumerate(self.columns):
                sd = np.sqrt(self.measurement_covariance[:, index, index])
                result[f"{name}_sd"] = np.broadcast_to(sd, (self.n_patches,))
        result.attrs.update(unit=self.unit, units=dict(self.units), patch_size=self.patch_size)
        return result

    def to_xarray(self) -> xr.Dataset:
        """Return descriptors, centres and covariances as a dataset with dim patch."""
        import xarray as xr

        dataset = xr.Dataset(frame_to_dataset(self.frame, "patch", "column_"))
        for name in self.columns:
            dataset[f"column_{name}"].attrs["units"] = self.units[name]
        dataset["centers"] = (("patch", "axis"), self.centers)
        if self.measurement_covariance is not None:
            dims = ("patch" if len(self.measurement_covariance) == self.n_patches else "one",
                    "column", "column_2")  # fmt: skip
            dataset["measurement_covariance"] = (dims, self.measurement_covariance)
        if self.covariates is not None:
            dataset = dataset.assign(frame_to_dataset(self.covariates, "patch", "covariate_"))
        texts = {name: getattr(self, name) for name in TEXTS}
        texts["columns"] = self.columns
        texts["covariates"] = None if self.covariates is None else list(self.covariates.columns)
        return described(dataset, "PatchTable", texts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as netCDF."""
        save_dataset(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PatchTable:
        """Read what ``save`` wrote."""
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> PatchTable:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "PatchTable")
        covariates = texts.pop("covariates")
        covariance = dataset.get("measurement_covariance")
        return cls(
            frame_from_dataset(dataset, texts.pop("columns"), "column_"),
            dataset["centers"].to_numpy(),
            measurement_covariance=None if covariance is None else covariance.to_numpy(),
            covariates=None
            if covariates is None
            else frame_from_dataset(dataset, covariates, "covariate_"),
            **texts,
        )


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse an option that the record does not have, and name the one that was meant."""
    known = [name for name in PatchTable.__slots__ if name not in REQUIRED]
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"; did you mean {close[0]!r}?" if close else f": {', '.join(known)}."
            raise InputError(f"{name!r} is no attribute of a PatchTable{meant}")


def _check_kind(name: str, given: object) -> None:
    """Refuse another type than the attribute has."""
    import pandas as pd

    if name in ("frame", "covariates"):
        legal, wanted = isinstance(given, pd.DataFrame), "a pandas DataFrame"
    elif name in ("errors_unknown", "warnings"):
        legal = isinstance(given, Collection) and not isinstance(given, str)
        wanted = "a tuple of texts"
    else:
        legal, wanted = isinstance(given, Mapping), "a mapping"
    if not legal:
        raise InputError(f"{name} must be {wanted}; got {type(given).__name__} {given!r:.60}.")


def _checked_frame(given: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table of numbers without gaps, columns named by texts."""
    import pandas as pd

    _check_kind("frame", given)
    names = pd.Index([str(name) for name in given.columns], dtype=object)
    if names.duplicated().any():
        raise InputError(
            f"frame must have columns of different names; "
            f"{names[names.duplicated()][0]!r} stands twice."
        )
    if given.empty:
        raise InputError(f"frame must hold at least one patch and column, got {given.shape}.")
    if all(kind == np.float64 for kind in given.dtypes):
        # one copy of a table of 1e5 patches is enough: column by column there would be two
        values = given.to_numpy()
        if np.isfinite(values).all():
            return pd.DataFrame(np.array(values, order="F"), columns=names, copy=False)
    columns = {
        name: check_array(f"frame[{name!r}]", given.iloc[:, i].to_numpy())
        for i, name in enumerate(names)
    }
    return pd.DataFrame(columns).set_axis(names, axis=1)
