"""The likelihood of a site's states against direct integration."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from physlearn.datasets.sites import vacancy_kernels as kernels


def one_site(image, columns, own, place, precision, states, neighbours=(), *, python=False):
    """Return evidence and amplitude of one site on a flat background of 10 counts."""
    model = np.full(image.shape, 10.0)
    kernels.draw_columns(model, columns)
    function = kernels.site_evidence.py_func if python else kernels.site_evidence
    return function(
        image, model, 1.0 / model, columns, np.array([own]), np.array([place]), precision[None],
        np.array([2.5]), np.array([states]), np.array([0, len(neighbours)]),
        np.array(neighbours, dtype=np.int64),
    )  # fmt: skip


def test_evidence_is_the_integral_over_place_and_amplitude():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :40].astype(float)
    image = 10 + 6 * np.exp(-((x - 20.2) ** 2 + (y - 19.9) ** 2) / 12.5)
    image = image + rng.normal(0, np.sqrt(10.0), image.shape)
    columns = np.empty((0, 4))
    precision = np.diag([1 / 0.4**2, 1 / 0.4**2])
    evidence, amplitude = one_site(
        image, columns, -1, [20.0, 20.0], precision, [[6.0, 0.6, 0, 0], [3.6, 3.6, 0.7, 18.0]]
    )
    # directly: a constant is profiled out in the same window, place and amplitude on a fine grid
    window = (np.abs(x - 20) <= 11) & (np.abs(y - 20) <= 11)
    rest = (image - 10.0)[window] / np.sqrt(10.0)
    flat = np.ones(rest.size) / np.sqrt(rest.size)
    rest = rest - flat * (flat @ rest)

    def likelihood_of(amplitudes):
        total = 0.0
        nodes, weights = np.polynomial.hermite_e.hermegauss(9)
        for a, wa in zip(nodes, weights, strict=True):
            for b, wb in zip(nodes, weights, strict=True):
                square = (x - 20 - 0.4 * a) ** 2 + (y - 20 - 0.4 * b) ** 2
                g = np.exp(-square[window] / 12.5) / np.sqrt(10.0)
                g = g - flat * (flat @ g)
                part = [np.exp(q * (g @ rest) - 0.5 * q * q * (g @ g)) * p for q, p in amplitudes]
                total += wa * wb / (2 * np.pi) * np.sum(part)
        return np.log(total)

    grid = np.linspace(3, 9, 121)
    normal = [(q, norm.pdf(q, 6, 0.6) * (grid[1] - grid[0])) for q in grid]
    assert evidence[0, 0] == pytest.approx(likelihood_of(normal), abs=0.05)
    grid = np.linspace(0.7, 18, 400)
    even = [(q, (grid[1] - grid[0]) / 17.3) for q in grid]
    assert evidence[0, 1] == pytest.approx(likelihood_of(even), abs=0.05)
    assert amplitude[0, 2] == pytest.approx(6.0, abs=4 * amplitude[0, 3])


def test_even_amplitudes_are_integrated_exactly():
    for gain, score, low, high in ((4.0, 6.0, 0.5, 3.0), (900.0, -300.0, 0.1, 2.0)):

        def inner(a, gain=gain, score=score):
            return np.exp(score * a - 0.5 * gain * a * a)

        expected = np.log(quad(inner, low, high, points=[low, low + 0.02])[0] / (high - low))
        found = kernels.amplitude_evidence(gain, score, 0.0, 0.0, low, high)
        assert found == pytest.approx(expected, abs=0.03)


def test_a_neighbour_fitted_too_bright_hides_nothing():
    # the neighbour took up light of a missed column: refitted with it, the column stands out
    y, x = np.mgrid[:48, :48].astype(float)

    def column(cx, cy, peak):
        return peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 12.5)

    image = 10 + column(20, 24, 60) + column(27.5, 24, 20)
    state = [[20.0, 2.0, 0, 0]]
    precision = np.diag([25.0, 25.0])
    wrong = np.array([[20.6, 24.0, np.log(64.0), np.log(2.5)]])
    for neighbours in ((), (0,)):
        evidence, amplitude = one_site(image, wrong, -1, [27.5, 24.0], precision, state, neighbours)
        assert evidence[0, 0] > 0
        if neighbours:
            assert amplitude[0, 2] == pytest.approx(20.0, rel=0.1)


def test_kernel_equals_its_python():
    rng = np.random.default_rng(3)
    image = 10 + rng.normal(0, 3, (26, 26))
    columns = np.array([[13.0, 13.0, np.log(5.0), np.log(2.5)], [20.0, 13.0, 2.0, np.log(2.5)]])
    arguments = (
        image, columns, 0, [13.1, 12.9], np.diag([9.0, 9.0]),
        [[5.0, 0.5, 0, 0], [3.0, 3.0, 0.6, 15.0]], (1,),
    )  # fmt: skip
    for one, two in zip(one_site(*arguments), one_site(*arguments, python=True), strict=True):
        assert np.allclose(one, two, rtol=1e-8)
