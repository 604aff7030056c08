"""Hamiltonians as hypotheses: neighbours of a flipped site settle by heat bath."""

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.hypothesis_families.lattice_hypotheses import hypotheses_from_hamiltonians
from physlearn.checks import InputError
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

EDGE = 24


def _flip(site, **more):
    args = {"x": 0.0, "y": 0.0, "site": site, **more}
    return Action("expose_site", args, 1.0, 1.0, 1.0, irreversible=True)


@pytest.fixture(scope="module")
def sample():
    snapshots = simulate_lattice(Ising([0.3]), square_lattice((EDGE, EDGE), 2), rng=3)
    fits = {
        "nearest": fit_lattice_hamiltonian(snapshots, 1, rng=1),
        "next, too": fit_lattice_hamiltonian(snapshots, 2, rng=1),
    }
    return snapshots, fits


def _local_fields(snapshots, site, couplings, value):
    """Return, for each nearest neighbour, the sum of coupling x spin after a flip (n_draws, 4)."""
    graph, spins = snapshots.graph, snapshots.states[0].astype(float)
    spins[site] = value
    near = [
        int(a + b - site) for (a, b), kind in zip(graph.edges, graph.shell, strict=True)
        if kind == 0 and site in (a, b)
    ]  # fmt: skip
    fields = []
    for j in near:
        total = 0.0
        for (a, b), kind in zip(graph.edges, graph.shell, strict=True):
            if j in (a, b) and kind < couplings.shape[1]:
                total = total + couplings[:, kind] * spins[a + b - j]
        fields.append(total)
    return np.stack(fields, axis=1)


@pytest.mark.parametrize("name", ["nearest", "next, too"])
def test_response_is_the_heat_bath_of_the_ising_model(sample, name):
    snapshots, fits = sample
    law = {h.name: h for h in hypotheses_from_hamiltonians(fits, snapshots)}[name]
    fit, site = fits[name], 100
    n = len(fit["couplings"])
    (law,) = hypotheses_from_hamiltonians({name: fit}, snapshots, n_draws=n)
    value = -float(snapshots.states[0, site])
    fields = _local_fields(snapshots, site, fit["couplings"], value)
    wanted = np.tanh(fit["field"].reshape(-1, 1) + fields).mean(axis=1)
    drawn = law.joint([_flip(site)], np.random.default_rng(0), n)[:, 0]
    np.testing.assert_allclose(np.sort(drawn), np.sort(wanted), atol=1e-9)


def test_noise_is_the_chance_of_four_neighbours(sample):
    snapshots, fits = sample
    (law,) = hypotheses_from_hamiltonians({"nearest": fits["nearest"]}, snapshots, noise_sd=0.1)
    fit, site = fits["nearest"], 100
    mean = fit["couplings"].mean(axis=0, keepdims=True)
    fields = _local_fields(snapshots, site, mean, -float(snapshots.states[0, site]))
    spins = np.tanh(fit["field"].mean() + fields[0])
    # four spins that settle independently
    own = np.sqrt((1 - spins**2).sum()) / 4
    assert law.noise_sd(_flip(site)) == pytest.approx(np.hypot(own, 0.1), rel=0.05)


def test_setting_a_state_on_purpose_moves_its_neighbours_with_the_coupling(sample):
    snapshots, fits = sample
    (law,) = hypotheses_from_hamiltonians({"nearest": fits["nearest"]}, snapshots)
    up, down = (law.mean_sd(_flip(100, to=value), 0)[0] for value in (1, -1))
    assert up > down


def test_what_cannot_be_is_refused(sample):
    snapshots, fits = sample
    (law,) = hypotheses_from_hamiltonians({"nearest": fits["nearest"]}, snapshots)
    assert law.mean_sd(Action("wait", {"wait_s": 1.0}, 0, 1, 1), 0) is None
    with pytest.raises(InputError, match="site must be a whole number below 576"):
        law.mean_sd(_flip(576), 0)
    with pytest.raises(InputError, match="to must be one of"):
        law.mean_sd(_flip(5, to=3), 0)
    with pytest.raises(InputError, match="picture must be below 1; got 1"):
        hypotheses_from_hamiltonians(fits, snapshots, picture=1)
    with pytest.raises(InputError, match="shell must be below 2; got 2"):
        hypotheses_from_hamiltonians(fits, snapshots, shell=2)  # noqa: S604
