"""The same shots if more drift were allowed for: "none of these" must not be due to drift."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from physlearn.causal.severity.evidence import Evidence, Part, drift_covariance
from physlearn.causal.spatial_layout import Floats

__all__ = ["DRIFT_MARGIN", "with_drift_times"]

DRIFT_MARGIN = 3.0
""""None of these" must hold with so many times the declared drift as well."""


def with_drift_times(evidence: Evidence, factor: float) -> Evidence:
    """Return the evidence as if `factor` times the declared drift had been allowed for.

    Only to read from: shots that are added later count with the declared drift.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> from physlearn.causal.severity.history import History
    >>> from physlearn.causal.severity.options import SeverityOptions
    >>> table = DesignTable(("flat", "one"), (np.zeros((1, 9)), np.ones((1, 9))), 0.2,
    ...                     np.linspace(0, 1, 9))
    >>> test = declare_test(table, SeverityOptions(drift_sd=0.1, drift_time_s=1.0), rng=0)
    >>> evidence = follow(test, History([0, 8], [0.9, 1.1]))
    >>> bool(with_drift_times(evidence, 3.0).weights()[1] < evidence.weights()[1])
    True
    """
    options, history = evidence.test.options, evidence.history
    if options.drift_sd == 0 or not len(history):
        return evidence
    times = history.time_s - history.time_s[0]
    more = (factor**2 - 1.0) * drift_covariance(options, times, times)
    parts = tuple(_widened(evidence, k, more) for k in range(len(evidence.parts)))
    return Evidence(evidence.test, history, parts, evidence.n_counted)


def _widened(evidence: Evidence, k: int, more: Floats) -> Part:
    part = evidence.parts[k]
    root = np.asarray(np.linalg.cholesky(part.factor @ part.factor.T + more), dtype=np.float64)
    change: Floats = solve_triangular(root, part.factor, lower=True)
    residuals: Floats = np.asarray(change @ part.residuals, dtype=np.float64)
    deviations = tuple(np.asarray(change @ d, dtype=np.float32) for d in part.deviations)
    products, squares = [], []
    for declared, shape in zip(evidence.test.classes[k], deviations, strict=True):
        summed = np.einsum("ij,ij->j", residuals[:, declared.member], shape)
        products.append(np.asarray(summed, dtype=np.float32))
        squares.append(np.asarray((shape**2).sum(axis=0), dtype=np.float32))
    return Part(
        np.asarray((residuals**2).sum(axis=0)), float(np.log(np.diag(root)).sum()),
        tuple(products), tuple(squares), root, residuals, deviations,
    )  # fmt: skip
