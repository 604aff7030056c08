"""Atoms (columns, particles) at one moment, with the errors of what was fitted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.covariance_checks import check_covariance
from physlearn.records.storage import (
    arrays_of,
    described,
    freeze,
    html_table,
    record_of,
    save_dataset,
    short_repr,
    told,
)
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from scipy.sparse import csc_array

__all__ = ["LENGTH_UNITS", "AtomicConfiguration"]

LENGTH_UNITS = ("angstrom", "nm", "um", "pixel", "reduced")
AXES = ("x", "y", "z")
ANGSTROM_PER = {"angstrom": 1.0, "nm": 10.0, "um": 1e4}
PER_ATOM = ("width", "intensity", "intensity_sd", "detection_probability")
TEXTS = (
    "unit", "species_names", "row_error", "thickness_columns", "field_of_view", "pixel_size",
    "metadata", "warnings",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AtomicConfiguration:
    """Positions of atoms or columns, what is known of each, and how well.

    Attributes
    ----------
    positions
        float64, shape (n, 2) or (n, 3); columns x, y (z).
    unit
        Unit of every length: angstrom, nm, um, pixel or reduced.
    species
        int64, shape (n,): code of each atom's species, or None when not classified.
    species_names
        One name for each code.
    position_covariance
        float64, shape (n, d, d), in unit squared; None when unknown.
    width, intensity, intensity_sd, detection_probability
        float64, shape (n,); None when unknown. ``width`` is the column's standard deviation.
    covariance
        Sparse covariance over all fitted parameters (overlapping columns correlate), or None.
    row_error
        Standard deviation and correlation length (rows) of the scan's row jitter, or None.
    species_log_likelihood
        float64, shape (n, n_species): log p(measurement | species), WITHOUT class weights.
    thickness_columns
        Atoms along the beam; 1 only when the user says so, None when unknown.
    field_of_view
        (x_min, y_min, x_max, y_max) that was looked at, or None.
    cell
        float64, shape (d, d): rows are the periods of a periodic box; None when not periodic.
    pixel_size
        Length of one pixel along x and y, in ``unit``; None when there was no picture.
    metadata
        What the file said of itself: plain text, numbers and truth values.
    warnings
        Sentences that travel to the report.

    Raises
    ------
    InputError
        Where a shape, a value or a unit is not as above.

    Examples
    --------
    >>> atoms = AtomicConfiguration([[0.0, 0.0], [1.5, 0.0]], unit="angstrom")
    >>> atoms.n, atoms.dimension
    (2, 2)
    """

    positions: NDArray[np.float64]
    unit: str = "pixel"
    species: NDArray[np.int64] | None = field(default=None, kw_only=True)
    species_names: tuple[str, ...] = field(default=(), kw_only=True)
    position_covariance: NDArray[np.float64] | None = field(default=None, kw_only=True)
    width: NDArray[np.float64] | None = field(default=None, kw_only=True)
    intensity: NDArray[np.float64] | None = field(default=None, kw_only=True)
    intensity_sd: NDArray[np.float64] | None = field(default=None, kw_only=True)
    covariance: csc_array | None = field(default=None, kw_only=True)
    row_error: tuple[float, float] | None = field(default=None, kw_only=True)
    species_log_likelihood: NDArray[np.float64] | None = field(default=None, kw_only=True)
    detection_probability: NDArray[np.float64] | None = field(default=None, kw_only=True)
    thickness_columns: int | None = field(default=None, kw_only=True)
    field_of_view: tuple[float, float, float, float] | None = field(default=None, kw_only=True)
    cell: NDArray[np.float64] | None = field(default=None, kw_only=True)
    pixel_size: tuple[float, float] | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        positions = check_array("positions", self.positions, ndim=2, allow_empty=True)
        n, d = positions.shape
        if d not in (2, 3):
            raise InputError(f"positions must have shape (n, 2) or (n, 3), got {positions.shape}.")
        check_choice("unit", self.unit, LENGTH_UNITS)
        checked: dict[str, object] = {"positions": positions}
        for name in PER_ATOM:
            if getattr(self, name) is not None:
                checked[name] = check_array(
                    name, getattr(self, name), shape=(n,), allow_empty=True,
                    minimum=None if name == "intensity" else 0.0,
                )  # fmt: skip
        if self.species is not None:
            species = check_array(
                "species", self.species, shape=(n,), dtype=np.int64, minimum=0, allow_empty=True
            )
            if self.species_names and n and species.max() >= len(self.species_names):
                raise InputError(
                    f"species_names must name every code; {len(self.species_names)} name(s) came "
                    f"for code {species.max()}."
                )
            checked["species"] = species
        if self.position_covariance is not None:
            covariance = check_array(
                "position_covariance", self.position_covariance, shape=(n, d, d), allow_empty=True
            )
            checked["position_covariance"] = check_covariance("position_covariance", covariance)
        if self.species_log_likelihood is not None:
            # -inf is legal: this measurement is impossible for that species
            log_likelihood = check_array(
                "species_log_likelihood", self.species_log_likelihood, shape=(n, None),
                finite=False, allow_empty=True,
            )  # fmt: skip
            if np.isnan(log_likelihood).any() or (
                n and (log_likelihood.max(axis=1) == -np.inf).any()
            ):
                raise InputError(
                    "species_log_likelihood must leave each atom at least one possible species "
                    "and hold no NaN."
                )
            checked["species_log_likelihood"] = log_likelihood
        if self.cell is not None:
            checked["cell"] = check_array("cell", self.cell, shape=(d, d))
        if self.covariance is not None:
            if not hasattr(self.covariance, "tocsc"):
                raise InputError(
                    "covariance must be a sparse matrix of scipy or None; got "
                    f"{type(self.covariance).__name__}."
                )
            checked["covariance"] = self.covariance.tocsc().copy()
        for name in ("species_names", "warnings"):
            checked[name] = tuple(str(text) for text in getattr(self, name))
        for name in ("row_error", "field_of_view", "pixel_size"):
            if getattr(self, name) is not None:
                checked[name] = tuple(float(number) for number in getattr(self, name))
        _check_numbers(checked)
        checked["metadata"] = dict(self.metadata)
        freeze(self, checked)

    @property
    def n(self) -> int:
        """Number of atoms."""
        return int(self.positions.shape[0])

    @property
    def dimension(self) -> int:
        """Number of spatial dimensions, 2 or 3."""
        return int(self.positions.shape[1])

    def with_changes(self, **changes: Any) -> AtomicConfiguration:
        """Return a copy with some attributes replaced (and checked again)."""
        return replace(self, **changes)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row an atom, standard deviations beside numbers; ``attrs`` hold the unit."""
        import pandas as pd

        d = self.dimension
        columns: dict[str, Any] = {AXES[i]: self.positions[:, i] for i in range(d)}
        if self.position_covariance is not None:
            for i in range(d):
                columns[f"{AXES[i]}_sd"] = np.sqrt(self.position_covariance[:, i, i])
            for i in range(d):
                for j in range(i + 1, d):
                    columns[f"{AXES[i]}{AXES[j]}_covariance"] = self.position_covariance[:, i, j]
        for name in PER_ATOM:
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name)
        if self.species is not None:
            columns["species"] = self.species
            if self.species_names:
                columns["species_name"] = [self.species_names[code] for code in self.species]
        if self.species_log_likelihood is not None:
            for code in range(self.species_log_likelihood.shape[1]):
                columns[f"log_likelihood_{code}"] = self.species_log_likelihood[:, code]
        table = pd.DataFrame(columns)
        table.attrs["unit"] = self.unit
        return table

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays as a dataset with dims atom, axis, axis_2 and species_code."""
        import xarray as xr

        dims = {
            "positions": ("atom", "axis"),
            "position_covariance": ("atom", "axis", "axis_2"),
            "species": ("atom",),
            "species_log_likelihood": ("atom", "species_code"),
            "cell": ("axis", "axis_2"),
        } | dict.fromkeys(PER_ATOM, ("atom",))
        variables = {
            name: (dim, getattr(self, name))
            for name, dim in dims.items()
            if getattr(self, name) is not None
        }
        dataset = xr.Dataset(variables, attrs={"unit": self.unit})
        if self.covariance is not None:
            entries = self.covariance.tocoo()
            dataset["covariance_row"] = ("entry", entries.row.astype(np.int64))
            dataset["covariance_column"] = ("entry", entries.col.astype(np.int64))
            dataset["covariance_value"] = ("entry", entries.data)
        texts = {name: getattr(self, name) for name in TEXTS}
        if self.covariance is not None:
            texts["covariance_size"] = int(self.covariance.shape[0])
        return described(dataset, "AtomicConfiguration", texts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as netCDF (lossless; readable by any HDF5 tool)."""
        save_dataset(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AtomicConfiguration:
        """Read what ``save`` wrote.

        Raises
        ------
        InputError
            When the file holds something else.
        """
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> AtomicConfiguration:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "AtomicConfiguration")
        size = texts.pop("covariance_size", None)
        values = arrays_of(dataset)
        if size is not None:
            from scipy.sparse import csc_array

            where = (values.pop("covariance_row"), values.pop("covariance_column"))
            values["covariance"] = csc_array(
                (values.pop("covariance_value"), where), shape=(size, size)
            )
        return cls(**values, **texts)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``to_pandas()`` as CSV; the unit stands in the first line, after ``#``."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(f"# unit: {self.unit}\n")
            self.to_pandas().to_csv(file, index=False)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> AtomicConfiguration:
        """Read columns x, y (z) and what else ``to_csv`` writes; without its first line: pixels."""
        import pandas as pd

        with Path(path).open(encoding="utf-8") as file:
            first = file.readline()
        unit = first.split(":", 1)[1].strip() if first.startswith("# unit:") else "pixel"
        return cls.from_pandas(pd.read_csv(path, comment="#"), unit=unit)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, unit: str | None = None) -> AtomicConfiguration:
        """Return the record of a table with columns x, y (z) and any that ``to_pandas`` makes.

        Without ``unit`` lengths are in that of ``frame.attrs``, or in pixels.

        Raises
        ------
        InputError
            When x or y is missing.
        """
        missing = [axis for axis in AXES[:2] if axis not in frame]
        if missing:
            raise InputError(
                f"the table must have columns x and y; {', '.join(missing)} missing, "
                f"found {', '.join(map(str, frame.columns[:8]))}."
            )
        axes = [axis for axis in AXES if axis in frame]
        d = len(axes)
        values: dict[str, Any] = {
            name: frame[name].to_numpy() for name in PER_ATOM if name in frame
        }
        if all(f"{axis}_sd" in frame for axis in axes):
            covariance = np.zeros((len(frame), d, d))
            for i, axis in enumerate(axes):
                covariance[:, i, i] = frame[f"{axis}_sd"].to_numpy() ** 2
                for j in range(i + 1, d):
                    name = f"{axis}{axes[j]}_covariance"
                    if name in frame:
                        covariance[:, i, j] = covariance[:, j, i] = frame[name].to_numpy()
            values["position_covariance"] = covariance
        if "species" in frame:
            values["species"] = frame["species"].to_numpy()
        if "species_name" in frame and "species" in frame:
            named = frame.drop_duplicates("species").set_index("species")["species_name"]
            top = int(frame["species"].max()) if len(frame) else -1
            values["species_names"] = tuple(
                str(named.get(k, f"species {k}")) for k in range(top + 1)
            )
        codes = [name for name in frame if str(name).startswith("log_likelihood_")]
        if codes:
            values["species_log_likelihood"] = frame[codes].to_numpy()
        given = unit if unit is not None else str(frame.attrs.get("unit", "pixel"))
        return cls(frame[axes].to_numpy(), unit=given, **values)

    def to_xyz(self, path: str | os.PathLike[str]) -> None:
        """Write a plain XYZ file (symbol, x, y, z); pixels and reduced lengths as they are."""
        scale = ANGSTROM_PER.get(self.unit, 1.0)
        full = np.zeros((self.n, 3))
        full[:, : self.dimension] = self.positions * scale
        said = "angstrom" if self.unit in ANGSTROM_PER else self.unit
        rows = [str(self.n), f"physlearn; lengths in {said}"]
        rows += [
            f"{symbol} {x:.10g} {y:.10g} {z:.10g}"
            for symbol, (x, y, z) in zip(self._symbols(), full, strict=True)
        ]
        with atomic_write(path) as temporary:
            temporary.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def _symbols(self) -> list[str]:
        if self.species is None:
            return ["X"] * self.n
        if self.species_names:
            return [self.species_names[code].replace(" ", "_") for code in self.species]
        return [f"X{code}" for code in self.species]

    def to_ase(self) -> Any:
        """Return an ``ase.Atoms`` in angstrom; names that are no element become X.

        Errors and what is known of each atom are arrays there, all else stands in ``info``.

        Raises
        ------
        BackendUnavailable
            When ASE is not installed (``python -m pip install ase``).
        InputError
            When the unit is pixel or reduced, which has no length in angstrom.
        """
        from physlearn.records.ase_atoms import atoms_to_ase

        return atoms_to_ase(self, ANGSTROM_PER.get(self.unit), self._symbols())

    @classmethod
    def from_ase(cls, atoms: Any) -> AtomicConfiguration:
        """Return the record of an ``ase.Atoms``: what ``to_ase`` left there, or three dimensions.

        Without that: angstrom, species by symbol, the cell where all its periods repeat.
        """
        from physlearn.records.ase_atoms import values_from_ase

        positions, values = values_from_ase(atoms, ANGSTROM_PER)
        return cls(positions, **values)


def _check_numbers(checked: dict[str, Any]) -> None:
    """Refuse numbers about the picture that can't be what they are said to be."""
    row = checked.get("row_error")
    if row is not None and not (len(row) == 2 and all(np.isfinite(x) and x >= 0 for x in row)):
        raise InputError(
            "row_error must be a standard deviation and a correlation length, both finite and 0 or "
            f"more; got {row}."
        )
    pixel = checked.get("pixel_size")
    if pixel is not None and not (len(pixel) == 2 and all(np.isfinite(x) and x > 0 for x in pixel)):
        raise InputError(f"pixel_size must be two positive lengths (x, y); got {pixel}.")
