"""Which fits can be compared, what is refused, and what is handed on."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.adequacy.model_comparison import LatticeModel, compare_models
from physlearn.inference.adequacy.model_evidence import union_family
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, Potts, simulate_lattice, square_lattice
from physlearn.records import LatticeSnapshots
from physlearn.results import fit_from_draws


def test_union_of_families_counts_common_terms_once():
    two = lattice_family("ising", (-1, 1), 2)
    corner_family = lattice_family("ising", (-1, 1), 1, [(0, 0, 1)])
    union, maps = union_family([two, corner_family])
    assert union.n_parameters == 4
    graph = square_lattice((6, 6), 2)
    codes = np.random.default_rng(1).integers(0, 2, (3, 36))
    whole = union.statistics(codes, graph)
    for family, mapping in zip((two, corner_family), maps, strict=True):
        assert np.allclose(whole @ mapping, family.statistics(codes, graph))


def stand_in(likelihood, data=b"x", label_noise=None):
    import json

    lattice = {"label_noise": label_noise}
    return fit_from_draws(
        {"field": np.zeros(10)}, model="m", likelihood=likelihood, approximation="a", seed=1,
        data=data, attrs={"lattice": json.dumps(lattice)},
    )  # fmt: skip


def test_what_is_refused():
    graph = square_lattice((8, 8), n_shells=2)
    picture = simulate_lattice(Ising([0.1]), graph, rng=1)
    likelihood, other = stand_in("likelihood"), stand_in("likelihood", b"y")
    with pytest.raises(InputError, match="method='likelihood' to be compared: pseudolikelihood"):
        compare_models([stand_in("pseudolikelihood"), likelihood])
    with pytest.raises(InputError, match="different pictures"):
        compare_models([likelihood, other])
    with pytest.raises(InputError, match="known flip rate"):
        compare_models([stand_in("likelihood", label_noise="unknown")])
    with pytest.raises(InputError, match="all fits or all snapshots"):
        compare_models([likelihood, picture])
    with pytest.raises(InputError, match="left out where fits"):
        compare_models([likelihood, likelihood], [1, 2])
    with pytest.raises(InputError, match="at least two"):
        compare_models(picture, [1])
    with pytest.raises(InputError, match="prior names 'coupling'"):
        compare_models(picture, [1, 2], prior={"coupling": 0.1})
    with pytest.raises(InputError, match="known rate"):
        compare_models(picture, [1, 2], label_noise="unknown")
    with pytest.raises(InputError, match="model must be one of"):
        LatticeModel(1, model="heisenberg")


def test_fits_are_compared_as_they_are():

    graph = square_lattice((24, 24), n_shells=2)
    picture = simulate_lattice(Ising([0.15, -0.1]), graph, burn_in=200, rng=1)
    prior = {"field": 0.5, "couplings": 0.2}
    fits = [
        fit_lattice_hamiltonian(picture, n, method="likelihood", prior=prior, rng=n) for n in (1, 2)
    ]
    ours = compare_models(fits, rng=1)
    again = compare_models(picture, [1, 2], prior=prior, rng=2)
    error = np.hypot(ours.table["error"].max(), again.table["error"].max())
    gap = ours.log_odds("2 shells", "1 shell") - again.log_odds("2 shells", "1 shell")
    assert abs(gap) < 4 * error
    quick = fit_lattice_hamiltonian(picture, 1, method="pseudolikelihood", prior=prior, rng=1)
    with pytest.raises(InputError, match="pseudolikelihood has no evidence"):
        compare_models([quick, fits[1]])


def test_models_have_names():
    assert LatticeModel(1).label == "1 shell"
    assert LatticeModel(2, model="potts").label == "potts, 2 shells"
    graph = square_lattice((12, 12))
    picture = simulate_lattice(Potts(3, [0.5]), graph, burn_in=100, rng=1)
    found = compare_models(
        picture, [LatticeModel(1, model="potts"), LatticeModel(1, model="pair")], rng=1
    )
    assert found.table["n_parameters"].tolist() == [3, 5]
    assert "potts, 1 shell" in str(found)
    with pytest.raises(InputError, match="model must be one of potts, 1 shell; pair, 1 shell"):
        found.log_odds("potts", "pair")


def test_what_the_fits_say_of_themselves_is_handed_on():
    """A picture of one state says next to nothing: the comparison does not hide it."""
    graph = square_lattice((8, 8), n_shells=2)
    alike = LatticeSnapshots(np.ones((1, 64), np.int64), graph)
    found = compare_models(alike, [1, 2], n_draws=1000, rng=1)
    assert sum("all sites hold one state" in text for text in found.warnings) == 1
    picture = simulate_lattice(Ising([0.2, -0.1]), graph, rng=1)
    tight = {"couplings": (0.0, 0.001)}
    from_pictures = compare_models(picture, [1, 2], prior=tight, n_draws=1000, rng=1)
    assert any("2 shells: couplings[2]: prior repeated" in t for t in from_pictures.warnings)
    fits = [
        fit_lattice_hamiltonian(picture, n, prior=tight, method="likelihood", rng=1) for n in (1, 2)
    ]
    from_fits = compare_models(fits, n_draws=1000, rng=1)
    assert any("2 shells: couplings[2]: the prior rules" in t for t in from_fits.warnings)
