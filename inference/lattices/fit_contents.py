"""What a lattice fit carries besides its draws: pictures, model, prior; written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_data import LatticeData, gather_snapshots
from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.inference.posteriors.priors import Prior
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.results import Fit, plain_json

__all__ = [
    "constants_of",
    "data_of",
    "family_of",
    "model_attrs",
    "prior_of",
    "snapshots_of",
    "theta_of",
]

Float = NDArray[np.float64]
GRAPH_ARRAYS = ("edges", "shell", "multiplicity", "positions", "cell")
RECORD_ARRAYS = ("states", "observed", "label_log_likelihood", "times")
FURTHER_VARIABLES = ("field_response", "field_gradient")


def model_attrs(
    family: LatticeFamily, prior: Prior, options: Mapping[str, Any]
) -> dict[str, str | float | int]:
    """Return attrs that name the model, its prior and the options of the data, as JSON."""
    lattice = {
        "model": family.model, "state_values": family.state_values, "n_shells": family.n_shells,
        "motifs": family.motifs,
        "composition": "fixed" if family.fixed_composition else "free", **options,
    }  # fmt: skip
    return {
        "lattice": json.dumps(plain_json(lattice)),
        "prior": json.dumps(plain_json(prior.to_json())),
    }


def constants_of(
    data: LatticeData,
    prior: Prior,
    covariates: str | ArrayLike | None,
    site_field: ArrayLike | None,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of pictures, graphs and prior; those of record k > 1 end in ``_k``."""
    out: dict[str, NDArray[Any]] = {}
    for number, record in enumerate(data.given, start=1):
        end = "" if number == 1 else f"_{number}"
        values = {name: getattr(record.graph, name) for name in GRAPH_ARRAYS}
        values |= {name: getattr(record, name) for name in RECORD_ARRAYS}
        values |= {
            f"condition{place}_of_picture": record.conditions[name]
            for place, name in enumerate(record.conditions, start=1)
        }
        for name, value in values.items():
            if value is not None:
                array = np.asarray(value)
                out[name + end] = array.astype(np.int8) if array.dtype == bool else array
        out[f"texts{end}"] = _as_bytes(
            {
                "n_sites": record.graph.n_sites, "unit": record.graph.unit,
                "shell_radii": record.graph.shell_radii, "state_names": record.state_names,
                "conditions": list(record.conditions), "metadata": record.metadata,
                "warnings": record.warnings,
            }
        )  # fmt: skip
    tables = prior.tables()
    if len(tables):
        out["prior_tables"] = tables
    if covariates is not None and not isinstance(covariates, str):
        out["covariates"] = np.asarray(covariates, np.float64)
    if site_field is not None:
        out["site_field"] = np.asarray(site_field, np.float64)
    return out


def _as_bytes(value: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return JSON as an array: texts longer than 64 kB do not fit into an attribute of HDF5."""
    text = json.dumps(plain_json(value, texts=True))
    return np.frombuffer(text.encode(), np.uint8)


def _constants(fit: Fit) -> Mapping[str, Any]:
    groups = getattr(fit, "idata", {})
    # a fit to energies names its parent crystal there, in one word
    described = str(fit.attrs.get("lattice", "")).startswith("{")
    if "constant_data" not in groups or not described:
        raise InputError(
            "fit must come from fit_lattice_hamiltonian: it holds no pictures and no lattice model."
        )
    held = groups["constant_data"]
    return {str(name): held[name].to_numpy() for name in held.data_vars}


def snapshots_of(fit: Fit) -> list[LatticeSnapshots]:
    """Return the pictures that a fit was made from.

    Raises
    ------
    InputError
        For a fit of something else.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    >>> bool(np.all(snapshots_of(fit)[0].states == picture.states))
    True
    """
    held = _constants(fit)
    values = tuple(json.loads(fit.attrs["lattice"])["state_values"])
    records = []
    for number in range(1, 1 + sum(name.startswith("texts") for name in held)):
        end = "" if number == 1 else f"_{number}"
        texts = json.loads(held[f"texts{end}"].astype(np.uint8).tobytes().decode())
        graph = SiteGraph(
            texts["n_sites"], held["edges" + end], held["shell" + end],
            held["multiplicity" + end],
            positions=held.get("positions" + end), unit=texts["unit"], cell=held.get("cell" + end),
            shell_radii=tuple(texts["shell_radii"]),
        )  # fmt: skip
        observed = held.get("observed" + end)
        records.append(
            LatticeSnapshots(
                held["states" + end], graph,
                observed=None if observed is None else observed.astype(bool),
                label_log_likelihood=held.get("label_log_likelihood" + end),
                state_values=values, state_names=tuple(texts["state_names"]),
                conditions={
                    name: held[f"condition{place}_of_picture{end}"]
                    for place, name in enumerate(texts["conditions"], start=1)
                },
                times=held.get("times" + end), metadata=texts["metadata"],
                warnings=tuple(texts["warnings"]),
            )
        )  # fmt: skip
    return records


def family_of(fit: Fit) -> LatticeFamily:
    """Return the model that was fitted.

    Raises
    ------
    InputError
        For a fit of something else.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> family_of(fit_lattice_hamiltonian(picture, 1, rng=1)).model
    'ising'
    """
    _constants(fit)
    given = json.loads(fit.attrs["lattice"])
    return lattice_family(
        given["model"], given["state_values"], given["n_shells"],
        [tuple(motif) for motif in given["motifs"]],
        fixed_composition=given["composition"] == "fixed",
    )  # fmt: skip


def data_of(fit: Fit) -> LatticeData:
    """Return the data as the fit saw them, latent margin and known fields included.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> data_of(fit_lattice_hamiltonian(picture, 1, rng=1)).names
    ['field', 'couplings[1]']
    """
    held = _constants(fit)
    given = json.loads(fit.attrs["lattice"])
    covariates = held.get("covariates", given["covariates"])
    return gather_snapshots(
        snapshots_of(fit), family_of(fit), label_noise=given["label_noise"],
        covariates=covariates, site_field=held.get("site_field"), margin=given["margin"],
    )  # fmt: skip


def theta_of(fit: Fit) -> Float:
    """Return draws of the model's d parameters, shape (n_draws, d).

    Those of the family come first, then ``field_response`` and ``field_gradient``; nuisances such
    as ``flip_rate`` are left out.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    >>> bool(np.all(theta_of(fit)[:, 1:] == fit["couplings"]))
    True
    """
    family = family_of(fit)
    columns, rows = [], []
    for variable in family.variables:
        columns.append(fit[variable.name].reshape(len(fit[variable.name]), -1))
        rows.append(variable.map.reshape(-1, family.n_parameters))
    values, table = np.concatenate(columns, axis=1), np.concatenate(rows)
    # the tables' columns are orthogonal: parameters follow from the elements exactly
    size = (table**2).sum(axis=0)
    out = [values @ table / size]
    for name in FURTHER_VARIABLES:
        if name in fit.variables:
            out.append(fit[name].reshape(len(values), -1))
    return np.concatenate(out, axis=1)


def prior_of(fit: Fit) -> Prior:
    """Return the prior of the parameters of ``theta_of``.

    Distributions of PyMC come back as fine tables of their log densities.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> prior_of(fit_lattice_hamiltonian(picture, 1, prior={"couplings": 0.3}, rng=1)).sd.tolist()
    [3.0, 0.3]
    """
    held = _constants(fit)
    return Prior.from_json(json.loads(fit.attrs["prior"]), held.get("prior_tables"))
