"""The linear-Gaussian core against dense algebra, and its error bars against simulation."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.datasets.scan import scan_kernels
from physlearn.datasets.scan.row_model import (
    RowHyperparameters,
    RowProblem,
    fit_hyperparameters,
    shift_variance,
    solve_rows,
)

N_ROWS, N_COLUMNS, WINDOW = 60, 80, 7
HYPER = RowHyperparameters(0.3, 0.8, 0.1)


def ar1_precision(n, sd, rho):
    index = np.arange(n)
    return np.linalg.inv(sd**2 * rho ** np.abs(np.subtract.outer(index, index)))


def make_problem(seed=0):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, N_ROWS - WINDOW + 1, N_COLUMNS)
    information = rng.uniform(50, 100, N_COLUMNS)
    share = rng.uniform(0.5, 1, (N_COLUMNS, WINDOW))
    share /= share.sum(axis=1, keepdims=True)
    whole = np.zeros((N_COLUMNS, N_ROWS))
    for k in range(N_COLUMNS):
        whole[k, first[k] : first[k] + WINDOW] = share[k]
    design = np.column_stack([np.ones(N_COLUMNS), rng.normal(size=N_COLUMNS), first - 27.0])
    on = rng.uniform(size=N_COLUMNS) < 0.9
    design[~on] = 0.0
    rows = whole.T @ (information[:, None] * whole)
    band = np.zeros((WINDOW, N_ROWS))
    for d in range(WINDOW):
        band[d, : N_ROWS - d] = np.diag(rows, -d)
    problem = RowProblem(
        information, rng.normal(size=N_COLUMNS), information[:, None] * share, first, band,
        rng.normal(size=N_ROWS), 0.1 * rng.normal(size=N_COLUMNS), design, on,
        0.1 * rng.normal(size=N_ROWS),
    )  # fmt: skip
    return problem, whole, rows


def test_posterior_equals_dense_algebra(oracle):
    problem, whole, rows = make_problem()
    tight = np.where(problem.on_lattice, HYPER.displacement_px**-2.0, 0.0)
    prior = ar1_precision(N_ROWS, HYPER.jitter_px, HYPER.correlation)
    shared = problem.information[:, None] * whole
    matrix = np.block([
        [np.diag(problem.information + tight), shared, -tight[:, None] * problem.design],
        [shared.T, rows + prior, np.zeros((N_ROWS, 3))],
        [-(tight[:, None] * problem.design).T, np.zeros((3, N_ROWS)),
         problem.design.T @ (tight[:, None] * problem.design)],
    ])  # fmt: skip
    right = np.concatenate([
        problem.score - tight * problem.away, problem.row_score - prior @ problem.shift,
        problem.design.T @ (tight * problem.away),
    ])  # fmt: skip
    solution, inverse = np.linalg.solve(matrix, right), np.linalg.inv(matrix)
    found = solve_rows(problem, HYPER)
    middle = slice(N_COLUMNS, N_COLUMNS + N_ROWS)
    gap = np.abs(solution[middle] + problem.shift - found.shift).max()
    oracle("row shifts against a dense solve", error=gap, bound=1e-10)
    gap = np.abs(solution[-3:] - found.lattice_step).max()
    oracle("lattice step against a dense solve", error=gap, bound=1e-10)
    variance, _ = shift_variance(problem, found)
    gap = np.abs(variance - np.diag(inverse)[middle]).max()
    oracle("row variance against a dense inverse", error=gap, bound=1e-10)


def test_error_of_corrected_columns_is_right(oracle):
    problem, whole, _ = make_problem(1)
    prior = np.linalg.inv(ar1_precision(N_ROWS, HYPER.jitter_px, HYPER.correlation))
    rng = np.random.default_rng(2)
    n_draws = 2000
    shift = rng.multivariate_normal(np.zeros(N_ROWS), prior, n_draws)
    own = rng.normal(0, 0.1, (n_draws, N_COLUMNS))
    own[:, ~problem.on_lattice] *= 30
    noise = rng.normal(size=(n_draws, N_COLUMNS)) / np.sqrt(problem.information)
    errors = np.empty((n_draws, N_COLUMNS))
    for k in range(n_draws):
        seen = own[k] + shift[k] @ whole.T + noise[k]
        drawn = replace(
            problem, score=np.zeros(N_COLUMNS), row_score=np.zeros(N_ROWS), away=seen,
            shift=np.zeros(N_ROWS),
        )  # fmt: skip
        errors[k] = seen - whole @ solve_rows(drawn, HYPER).shift - own[k]
    added = shift_variance(problem, solve_rows(problem, HYPER))[1]
    ratio = (errors**2).mean(axis=0) / (1.0 / problem.information + added)
    # columns share rows: the mean ratio has at least the error of a single column
    oracle("variance of corrected columns", z=(ratio.mean() - 1) / np.sqrt(2 / n_draws))


def test_hyperparameters_are_recovered():
    rng = np.random.default_rng(4)
    n_rows = 600
    first = rng.integers(0, n_rows - WINDOW + 1, 3000)
    share = np.full((3000, WINDOW), 1.0 / WINDOW)
    information = np.full(3000, 400.0)
    shift = np.zeros(n_rows)
    for r in range(1, n_rows):
        shift[r] = 0.7 * shift[r - 1] + rng.normal(0, 0.4 * np.sqrt(1 - 0.49))
    rows = first[:, None] + np.arange(WINDOW)
    seen = (share * shift[rows]).sum(axis=1) + rng.normal(0, np.hypot(0.05, 0.08), 3000)
    band = np.zeros((WINDOW, n_rows))
    for d in range(WINDOW):
        np.add.at(band[d], rows[:, : WINDOW - d].ravel(), 400.0 / WINDOW**2)
    drawn = RowProblem(
        information, np.zeros(3000), information[:, None] * share, first, band, np.zeros(n_rows),
        seen, np.ones((3000, 1)), np.ones(3000, dtype=bool), np.zeros(n_rows),
    )  # fmt: skip
    found, spread = fit_hyperparameters(drawn, RowHyperparameters(0.2, 0.2, 0.05))
    sd = np.sqrt(np.diag(spread))
    true = RowHyperparameters(0.4, 0.7, 0.08).packed()
    assert np.all(np.abs(found.packed() - true) < 4 * sd)
    assert np.all(sd < 0.4)


@pytest.mark.parametrize("name", ["draw_columns", "column_statistics", "column_steps"])
def test_kernels_equal_their_python(name):
    rng = np.random.default_rng(0)
    image = rng.poisson(20.0, (24, 28)).astype(float)
    usable = rng.uniform(size=image.shape) < 0.9
    columns = np.array([[9.3, 11.8, 3.0, 0.7], [19.1, 8.2, 3.2, 0.8]])
    shift = rng.normal(0, 0.5, 24)
    noise = np.array([0.0, 1.0, 0.1])
    results = []
    for compiled in (True, False):
        function = getattr(scan_kernels, name)
        function = function if compiled else function.py_func
        model, slope = np.full((24, 28), 10.0), np.zeros((24, 28))
        moved = columns.copy()
        if name == "draw_columns":
            function(model, slope, moved, shift, 4.0)
            results.append((model, slope))
        elif name == "column_statistics":
            results.append(function(image, usable, model, moved, shift, noise, 4.0, 20))
        else:
            scan_kernels.draw_columns(model, slope, moved, shift, 4.0)
            limits = np.array([0.0, 1.5])
            ties = np.zeros((2, 4))
            function(image, usable, model, moved, shift, noise, 4.0, 20, limits, columns, ties)
            results.append((model, moved))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_row_precision_equals_its_python():
    problem, _, _ = make_problem()
    out = [np.empty_like(problem.band) for _ in range(2)]
    weights = 1.0 / problem.information
    scan_kernels.row_precision(problem.band, problem.shared, problem.first, weights, out[0])
    scan_kernels.row_precision.py_func(problem.band, problem.shared, problem.first, weights, out[1])
    np.testing.assert_allclose(out[0], out[1], atol=1e-12)
