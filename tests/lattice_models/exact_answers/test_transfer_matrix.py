"""Endless strips against Onsager's eigenvalues, long Kaufman tori, and closed forms of chains."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice
from physlearn.lattice_models.exact_answers import transfer_matrix as module
from physlearn.lattice_models.exact_answers.ising_square import (
    critical_coupling,
    onsager_energy,
    onsager_free_energy,
)
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.exact_answers.torus_transfer import torus_ensemble
from physlearn.lattice_models.exact_answers.transfer_matrix import strip_free_energy
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)

KC = critical_coupling()


def onsager_spectrum(width, coupling):
    """Return log of the largest eigenvalue of each sector (Onsager 1944), from gamma(omega)."""
    dual = -np.log(np.tanh(coupling)) / 2
    omega = np.pi * np.arange(2 * width) / width
    middle = np.cosh(2 * coupling) * np.cosh(2 * dual) - np.cos(omega)  # the sinhs multiply to 1
    gamma = np.arccosh(np.maximum(middle, 1.0))
    gamma[0] = 2 * (coupling - dual)
    shared = width / 2 * np.log(2 * np.sinh(2 * coupling))
    return shared + gamma[1::2].sum() / 2, shared + gamma[::2].sum() / 2


@pytest.mark.parametrize("width", [2, 3, 5, 8, 10, 13])
@pytest.mark.parametrize("coupling", [0.2, KC, 0.6])
def test_ising_strips_have_onsagers_eigenvalues(width, coupling, oracle):
    largest, second = onsager_spectrum(width, coupling)
    strip = strip_free_energy(Ising([coupling]), width)
    name = f"strip of {width}, K = {coupling:.2f}"
    oracle(f"{name}: f", error=strip.free_energy + largest / width, bound=1e-13)
    error = (largest - second) * strip.correlation_length - 1
    # the gap is a difference of two eigenvalues known to 1e-16 each
    oracle(f"{name}: correlation length", error=error, bound=1e-12 * strip.correlation_length)
    assert strip.magnetization == pytest.approx(0.0, abs=1e-13 * strip.correlation_length)


@pytest.mark.parametrize(
    ("width", "coupling"), [(4, 0.42), (11, 0.42), (4, -0.3), (11, -0.3), (7, -0.8)]
)
def test_energy_is_that_of_a_long_kaufman_torus(width, coupling, oracle):
    strip = strip_free_energy(Ising([coupling]), width)
    torus = kaufman_torus((1000, width), coupling)  # the longest correlation is 16
    name = f"strip of {width} and a torus 400 long, K = {coupling}"
    error = strip.free_energy + torus.log_partition / torus.n_sites
    oracle(f"{name}: f", error=error, bound=1e-13)
    oracle(f"{name}: u", error=strip.energy - torus.energy / torus.n_sites, bound=1e-13)


def test_wide_strips_reach_onsagers_limit(oracle):
    for width, coupling in ((16, 0.25), (16, 0.7)):
        strip = strip_free_energy(Ising([coupling]), width)
        error = float(strip.free_energy - onsager_free_energy(coupling))
        oracle(f"strip of {width}, f, K = {coupling}", error=error, bound=1e-7)
        error = float(strip.energy - onsager_energy(coupling))
        oracle(f"strip of {width}, u, K = {coupling}", error=error, bound=1e-5)


def test_triangular_strips_reach_houtappels_limit(oracle):
    """- f = log 2 + half the mean of log(C^3 + S^3 - S (cos a + cos b + cos(a + b))).

    Houtappel 1950, doi:10.1016/0031-8914(50)90130-3.
    """
    coupling = 0.12
    c, s = np.cosh(2 * coupling), np.sinh(2 * coupling)
    angle = 2 * np.pi * (np.arange(300) + 0.5) / 300
    a, b = np.meshgrid(angle, angle)
    inside = c**3 + s**3 - s * (np.cos(a) + np.cos(b) + np.cos(a + b))
    free_energy = -np.log(2) - np.mean(np.log(inside)) / 2
    strip = strip_free_energy(Ising([coupling]), 11, "triangular")
    oracle("triangular strip of 11", error=strip.free_energy - free_energy, bound=1e-7)


MODELS = {
    "ising_field": (Ising([0.3], 0.2), "square", 6),
    "ising_diagonal": (Ising([0.3, -0.2], 0.1), "square", 5),
    "gas": (LatticeGas([0.7], 0.4), "square", 5),
    "blume_capel": (BlumeCapel([0.5], 0.4, 0.1), "square", 4),
    "potts": (Potts(3, [0.6, 0.1], [0.2, 0.0, 0.0]), "square", 4),
    "clock": (Clock(5, [0.5], 0.2), "square", 3),
    "pair": (PairHamiltonian([[[0.0, 0.4], [0.4, -0.3]]], [0.1, 0.0]), "square", 5),
    "triangular": (Ising([-0.4], 0.3), "triangular", 5),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_long_torus_is_an_endless_strip(name, oracle):
    """log Z and energy per row, and mean M, of two tori; the rest falls off exponentially."""
    model, lattice, width = MODELS[name]
    strip = strip_free_energy(model, width, lattice)
    assert strip.correlation_length < 10
    torus = torus_ensemble(model, (400, width), lattice)
    n = torus.n_sites
    oracle(f"{name}: f", error=strip.free_energy + torus.log_partition / n, bound=1e-13)
    oracle(f"{name}: u", error=strip.energy - torus.energy / n, bound=1e-12)
    error = strip.magnetization - torus.magnetization_moments[0] / n
    oracle(f"{name}: m", error=error, bound=1e-12)


@pytest.mark.parametrize("name", ["ising_field", "blume_capel", "potts"])
@pytest.mark.parametrize("periodic", [True, False])
def test_factors_and_whole_matrix_agree(name, periodic, monkeypatch):
    model, lattice, width = MODELS[name]
    if name == "potts":
        model = Potts(3, [0.6], [0.2, 0.0, 0.0])
    whole = strip_free_energy(model, width, lattice, periodic=periodic)
    monkeypatch.setattr(module, "DENSE_EIGENVALUES", 8)
    factors = strip_free_energy(model, width, lattice, periodic=periodic)
    for field in ("free_energy", "energy", "magnetization", "correlation_length"):
        assert getattr(factors, field) == pytest.approx(getattr(whole, field), rel=1e-11)


def test_sparse_vectors_of_one_sided_matrices_agree(monkeypatch):
    model, lattice, width = MODELS["triangular"]
    whole = strip_free_energy(model, width, lattice)
    monkeypatch.setattr(module, "DENSE_EIGENVALUES", 8)
    again = strip_free_energy(model, width, lattice)
    for field in ("free_energy", "energy", "magnetization", "correlation_length"):
        assert getattr(again, field) == pytest.approx(getattr(whole, field), rel=1e-10)


def test_open_strip_of_two_is_a_ladder(oracle):
    """The 4 x 4 matrix of the ladder, written out by hand."""
    k, h = 0.5, 0.3
    rows = np.array([(a, b) for a in (-1, 1) for b in (-1, 1)])
    own = k * rows[:, 0] * rows[:, 1] + h * rows.sum(axis=1)
    ladder = np.exp(k * rows @ rows.T + (own[:, None] + own) / 2)
    values = np.linalg.eigvalsh(ladder)
    strip = strip_free_energy(Ising([k], h), 2, periodic=False)
    oracle("ladder f", error=strip.free_energy + np.log(values[-1]) / 2, bound=1e-14)
    length = 1 / np.log(values[-1] / np.sort(np.abs(values))[-2])
    oracle("ladder length", error=strip.correlation_length / length - 1, bound=1e-13)


def test_ordered_strip_says_that_it_cannot_know_its_magnetization():
    strip = strip_free_energy(Ising([4.0]), 6)
    assert np.isnan(strip.magnetization)
    assert strip.correlation_length == np.inf
    assert strip.free_energy == pytest.approx(float(onsager_free_energy(4.0)), rel=1e-12)
    tilted = strip_free_energy(Ising([4.0], 1e-3), 6)
    assert tilted.magnetization == pytest.approx(1.0, rel=1e-6)
    assert strip_free_energy(Ising([0.0], 0.3), 4).correlation_length == 0.0


@pytest.mark.parametrize("width", [8, 11])
@pytest.mark.parametrize("coupling", np.linspace(0.5, 3.0, 26))
def test_magnetization_without_a_field_is_its_symmetry_or_not_known(width, coupling):
    """Neither state is preferred: 0 of an Ising model, 1/2 of a half-filled lattice gas.

    The gas has the same symmetry only to round-off: its figure comes from the vectors.
    """
    strip = strip_free_energy(Ising([coupling]), width)
    gas = strip_free_energy(LatticeGas([-4 * coupling], -8 * coupling), width)
    if strip.correlation_length < 9e6:
        assert strip.magnetization == 0.0
        assert gas.magnetization == pytest.approx(0.5, abs=5e-8)
    elif strip.correlation_length > 1.1e7:
        assert np.isnan(strip.magnetization) and np.isnan(gas.magnetization)


def test_magnetization_of_the_vectors_is_that_of_the_symmetry(monkeypatch):
    monkeypatch.setattr(module, "turns_over", lambda bonds: False)
    for model in (Ising([0.5]), BlumeCapel([0.4], 0.3), Ising([0.3, 0.1])):
        assert strip_free_energy(model, 5).magnetization == pytest.approx(0.0, abs=1e-12)


def test_a_small_field_still_decides(oracle):
    """At strong coupling the rows are all up or all down: m = tanh of a chain of such rows."""
    coupling, field, width = 2.0, 1e-6, 6
    strip = strip_free_energy(Ising([coupling], field), width)
    between, bias = width * coupling, width * field
    chain = np.sinh(bias) / np.sqrt(np.sinh(bias) ** 2 + np.exp(-4 * between))
    # single turned sites cost exp(-16)
    error = strip.magnetization / chain - 1
    oracle("ordered strip in a small field, m", error=error, bound=3 * np.exp(-8 * coupling))


def test_strong_couplings_do_not_overflow():
    assert strip_free_energy(Ising([300.0]), 4).energy == pytest.approx(-600.0)
    assert strip_free_energy(Ising([-300.0]), 4).energy == pytest.approx(-600.0)
    assert strip_free_energy(Ising([-300.0]), 14).free_energy == pytest.approx(-600.0)


GRAPH = square_lattice((7, 7), 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strip_free_energy(Ising([0.1]), 1), "width must be a whole number of at least 2"),
        (lambda: strip_free_energy(Ising([0.1]), 4.0), "width must be a whole number"),
        (lambda: strip_free_energy(0.1, 4), "hamiltonian must be a Hamiltonian such as"),
        (lambda: strip_free_energy(Ising([0.1]), 19), "at most 18 for 2 states"),
        (lambda: strip_free_energy(Ising([0.1]), 10**9), "at most 18 for 2 states"),
        (lambda: strip_free_energy(Ising([0.1, 0.1]), 13), "at most 12 for 2 states with diag"),
        (lambda: strip_free_energy(Potts(5, [0.1]), 8), "at most 7 for 5 states"),
        (lambda: strip_free_energy(Ising([0.1] * 3), 4), "at most 2 shell"),
        (lambda: strip_free_energy(Ising([0.1] * 2), 4, "triangular"), "at most 1 shell"),
        (lambda: strip_free_energy(Ising([0.1]), 4, "kagome"), "square, triangular"),
        (lambda: strip_free_energy(Ising([0.1], np.ones(9)), 4), "same on all sites"),
        (lambda: strip_free_energy(Ising([0.1], np.arange(49.0)), 4), "single sites"),
        (
            lambda: strip_free_energy(Ising([0.1], bonds=np.arange(len(GRAPH.edges))), 4),
            "single sites",
        ),
        (lambda: strip_free_energy(Ising([0.1], triplets={(0, 0, 1): 1.0}), 4), "triplets"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
