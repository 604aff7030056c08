"""A crystal's springs as a PyMC model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import NotIdentified, check_count
from physlearn.inference.crystals.crystal_data import read_crystal
from physlearn.inference.crystals.fit_crystal import (
    check_sampling,
    likelihood_parts,
    rough_spring,
)
from physlearn.inference.crystals.spring_geometry import spring_geometry
from physlearn.inference.crystals.spring_model import SpringModel, read_position_error
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood

if TYPE_CHECKING:
    import pymc

__all__ = ["crystal_model"]


def crystal_model(
    configurations: Any,
    *,
    sampling: str,
    n_shells: int = 2,
    lattice: str | None = None,
    position_sd: Any = None,
) -> pymc.Model:
    """Return the model that ``fit_crystal`` fits, for NUTS or as a part of a larger one.

    Parameters
    ----------
    configurations, sampling, n_shells, lattice, position_sd
        As of ``fit_crystal``; a whole periodic crystal.

    Returns
    -------
    pymc.Model
        Free variables ``log_stiffness`` (of the first longitudinal spring), ``others`` (over a
        reference spring) and, where it is inferred, ``position_sd``; deterministic ``springs``
        (longitudinal and transverse of shell 1, of shell 2, ...).

    Raises
    ------
    NotIdentified
        For a field of view or vacancies: their likelihood has no gradient here.

    Examples
    --------
    >>> from physlearn.inference.crystals.harmonic_crystal import sample_harmonic_crystal
    >>> atoms = sample_harmonic_crystal("triangular", 10, [300.0, 0.0], rng=1)[0]
    >>> model = crystal_model(atoms, sampling="thermal_snapshot", n_shells=1, position_sd=0)
    >>> sorted(v.name for v in model.free_RVs)
    ['log_stiffness', 'others']
    """
    check_sampling(sampling)
    check_count("n_shells", n_shells, 1)
    frames = read_crystal(configurations, lattice)
    first = frames.sites[0]
    geometry = spring_geometry(first.kind, first.primitive, n_shells)
    part = likelihood_parts(frames, geometry)[0]
    if not isinstance(part, WaveLikelihood):
        raise NotIdentified(
            "a field of view has no PyMC model here; take fit_crystal, or give the cell."
        )
    error = read_position_error(position_sd, frames.covariance, first.spacing)
    reference = rough_spring(frames, geometry, error.mean**2)
    return _model(part, SpringModel(2 * n_shells, first.spacing, error, reference))


def _model(part: WaveLikelihood, model: SpringModel) -> pymc.Model:
    import pymc as pm
    import pytensor.tensor as pt

    k, size = model.n_springs, part.geometry.shape[-1]
    mean, sd = model.prior_mean, model.prior_sd
    start = np.zeros(k - 1)
    with pm.Model() as built:
        first = pm.Normal("log_stiffness", mean[0], sd[0], initval=float(np.log(model.reference)))
        others = pm.Normal("others", mean[1:k], sd[1:k], initval=start)
        whole = [pt.exp(first)[None], model.reference * others]
        joined = pt.concatenate(whole)  # type: ignore[no-untyped-call]
        springs = pm.Deterministic("springs", joined)
        if model.error.is_known:
            noise = pt.as_tensor_variable(model.error.mean**2)
        elif model.error.mean > 0.0:
            noise = (
                pm.TruncatedNormal("position_sd", model.error.mean, model.error.sd, lower=0.0) ** 2
            )
        else:
            square = pm.Exponential("variance", 1.0 / (2.0 * model.error.sd**2))
            pm.Deterministic("position_sd", pt.sqrt(square))
            noise = square
        stiff = pt.tensordot(springs, part.geometry, axes=[[0], [1]])
        value = _log_likelihood(pt, stiff, noise, part, size)
        pm.Potential("waves", value)
    return built


def _log_likelihood(pt: Any, stiff: Any, noise: Any, part: WaveLikelihood, size: int) -> Any:
    """-sum w (ln det C + tr C^-1 S), C = D^-1 + noise, by elimination written out: no solver."""
    matrix = [[stiff[:, i, j] for j in range(size)] for i in range(size)]
    whole = [[noise * matrix[i][j] + (1.0 if i == j else 0.0) for j in range(size)]
             for i in range(size)]  # fmt: skip
    right = [
        [sum(matrix[i][s] * part.spectrum[:, s, j] for s in range(size)) for j in range(size)]
        for i in range(size)
    ]
    stiff_pivots, _ = _eliminate(matrix, None)
    pivots, solved = _eliminate(whole, right)
    trace = sum(solved[i][i] for i in range(size))
    stable = pt.all(pt.stack([pt.all(pivot > 0.0) for pivot in stiff_pivots]))
    log_det = sum(pt.log(pt.abs(p)) for p in pivots) - sum(pt.log(pt.abs(p)) for p in stiff_pivots)
    return pt.switch(stable, -(part.weight * (log_det + trace)).sum(), -np.inf)


def _eliminate(matrix: list[list[Any]], right: list[list[Any]] | None) -> tuple[list[Any], Any]:
    """Return pivots and the solution of Gauss elimination, each entry a vector over waves."""
    size = len(matrix)
    rows = [list(row) for row in matrix]
    sides = [list(row) for row in right] if right is not None else [[] for _ in range(size)]
    for i in range(size):
        for r in range(i + 1, size):
            share = rows[r][i] / rows[i][i]
            rows[r] = [a - share * b for a, b in zip(rows[r], rows[i], strict=True)]
            sides[r] = [a - share * b for a, b in zip(sides[r], sides[i], strict=True)]
    pivots = [rows[i][i] for i in range(size)]
    for i in reversed(range(size)):
        for j in range(len(sides[i])):
            value = sides[i][j]
            for s in range(i + 1, size):
                value = value - rows[i][s] * sides[s][j]
            sides[i][j] = value / rows[i][i]
    return pivots, sides
