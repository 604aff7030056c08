"""Kernels of the loop fit: compiled as plain, derivatives as differences."""

import numpy as np

from physlearn.datasets import make_spectra
from physlearn.datasets.spectra import loop_kernels as kernels
from physlearn.datasets.spectra.loop_sweep import sweep_directions

PARAMETERS = np.array([0.1, 0.02, 1.1, 3.5, -2.5, -0.1, 0.2])


def loops(n=2):
    """Return voltages, directions and a few spoilt loops."""
    scene = make_spectra("loops", (1, n), spoilt_share=1.0, rng=1)
    voltage = scene.spectra.voltage.to_numpy()
    return voltage, sweep_directions(voltage), scene.spectra.to_numpy()[0]


def test_compiled_kernels_equal_the_plain_ones():
    voltage, rising, spectra = loops()
    n, work = len(voltage), np.empty((5, len(voltage)))
    for name in ("_start", "_refine"):
        results = []
        for run in (getattr(kernels, name), getattr(kernels, name).py_func):
            p = PARAMETERS.copy()
            more = (0.2, work, p) if name == "_refine" else (work, p)
            run(voltage, rising, spectra[0], n, -8.5, 8.5, *more)
            results.append(p)
        np.testing.assert_allclose(*results, rtol=1e-9)
    right, matrix = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    for run in (kernels._solve, kernels._solve.py_func):
        answer = right.copy()
        run(matrix.copy(), answer)
        np.testing.assert_allclose(answer, np.linalg.solve(matrix, right))
    for run in (kernels._median, kernels._median.py_func):
        assert run(np.array([3.0, 1.0, 2.0, 9.0]), 4) == 2.5
    r = np.linspace(-1, 9, n)
    assert kernels._loss(r, n, 1.0) == kernels._loss.py_func(r, n, 1.0)
    assert kernels._scale(r, n, work) == kernels._scale.py_func(r, n, work)


def test_derivatives_are_differences():
    voltage, rising, spectra = loops(1)
    n = len(voltage)
    r, jac = np.empty(n), np.empty((n, 7))
    kernels._residuals(PARAMETERS, voltage, rising, spectra[0], n, r, jac)
    for k in range(7):
        step = np.zeros(7)
        step[k] = 1e-6
        up, down, other = np.empty(n), np.empty(n), np.empty((n, 7))
        kernels._residuals(PARAMETERS + step, voltage, rising, spectra[0], n, up, other)
        kernels._residuals.py_func(PARAMETERS - step, voltage, rising, spectra[0], n, down, other)
        np.testing.assert_allclose(-(up - down) / 2e-6, jac[:, k], atol=1e-6)
