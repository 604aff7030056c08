"""What a lattice fit says of itself: priors that rule, spontaneous order, lost replicas."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices import lattice_methods
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_doubts import draw_flags, magnetization_flags
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.posteriors.priors import make_prior
from physlearn.inference.prediction.phase_diagram import predict_phase_diagram
from physlearn.inference.prediction.predicted_pictures import predict_pictures
from physlearn.inference.prediction.thermodynamics import predict_thermodynamics
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.records import LatticeSnapshots

GRAPH = square_lattice((16, 16))
PICTURE = simulate_lattice(Ising([0.25]), GRAPH, burn_in=300, rng=1)
ISING = lattice_family("ising", (-1, 1), 1)
CRITICAL = float(np.log1p(np.sqrt(2)) / 2)


def row(fit, name):
    """One row of the summary."""
    return fit.summary().set_index("name").loc[name]


def test_a_prior_that_rules_is_named_and_not_the_data():
    fit = fit_lattice_hamiltonian(PICTURE, 1, prior={"couplings": (0.0, 1e-4)}, rng=1)
    said = " ".join(fit.warnings)
    assert "couplings[1]: the prior rules" in said
    assert "the data by themselves say about 0.2" in said
    assert "would narrow it" not in said
    assert "the prior alone speaks" in row(fit, "couplings[1]")["verdict"]
    assert "these data" not in row(fit, "couplings[1]")["verdict"]


def test_certainty_is_never_claimed_of_draws():
    fit = fit_lattice_hamiltonian(PICTURE, 1, rng=1)
    assert np.all(fit["couplings"] > 0)
    assert row(fit, "couplings[1]")["verdict"] == "like neighbours preferred: P > 0.999"


def test_a_list_that_may_mean_one_width_for_each_shell_is_refused():
    data = gather_snapshots(
        simulate_lattice(Ising([0.2, 0.1]), square_lattice((8, 8), 2), rng=1),
        lattice_family("ising", (-1, 1), 2),
    )
    with pytest.raises(InputError, match=r"tuple \(mean, sd\).*couplings\[1\]"):
        make_prior({"couplings": [0.1, 0.2]}, data)
    assert make_prior({"couplings": (0.1, 0.2)}, data).sd.tolist() == [3.0, 0.2, 0.2]
    assert make_prior({"couplings[2]": [0.1, 0.2]}, data).mean.tolist() == [0.0, 0.0, 0.1]


def test_no_label_noise_means_certain_labels():
    one, two = (
        fit_lattice_hamiltonian(PICTURE, 1, label_noise=noise, rng=1) for noise in (0, None)
    )
    np.testing.assert_array_equal(one["couplings"], two["couplings"])


@pytest.mark.parametrize(
    ("field", "said"), [(0.0, True), (0.35, False)], ids=["critical", "held by a field"]
)
def test_spontaneous_order_is_not_taken_for_a_field(field, said):
    coupling = CRITICAL if said else 0.15
    graph = square_lattice((24, 24))
    picture = simulate_lattice(Ising([coupling], field), graph, burn_in=2000, rng=2)
    data = gather_snapshots(picture, ISING)
    rng = np.random.default_rng(1)
    up = np.sign(picture.states.mean())
    theta = np.column_stack(
        [up * (0.03 if said else field) + 0.01 * rng.standard_normal(2000),
         coupling + 0.01 * rng.standard_normal(2000)]
    )  # fmt: skip
    found = magnetization_flags(data, theta, rng)
    assert bool(found) == said
    assert all("spontaneous order" in text for text in found)
    # a field whose sign is open needs no warning
    theta[:, 0] -= theta[:, 0].mean()
    assert magnetization_flags(data, theta, rng) == []


def test_independent_sites_are_a_model_too(oracle):
    """Without couplings the field is arctanh of the mean state, known to 1 / sqrt(n (1 - m^2))."""
    states = np.where(np.random.default_rng(1).random((1, 256)) < 0.65, 1, -1)
    fit = fit_lattice_hamiltonian(LatticeSnapshots(states, GRAPH), 0, rng=1)
    assert fit.variables == ["field"]
    assert "no couplings" in fit.model
    assert fit.warnings == ()
    mean = float(states.mean())
    sd = 1 / np.sqrt(256 * (1 - mean**2))
    oracle("field", error=(fit["field"].mean() - np.arctanh(mean)) / sd, bound=0.12)
    oracle("its sd", error=fit["field"].std() / sd - 1, bound=0.08)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"composition": "fixed"}, "n_shells must be at least 1 where composition='fixed'"),
     ({"method": "statistical_distance"}, "n_shells must be at least 1 for method='statistical")],
)  # fmt: skip
def test_what_independent_sites_cannot_tell_is_said(options, said):
    with pytest.raises(InputError, match=said):
        fit_lattice_hamiltonian(PICTURE, 0, rng=1, **options)


def test_independent_sites_are_not_predicted_at_other_temperatures():
    fit = fit_lattice_hamiltonian(PICTURE, 0, n_draws=200, rng=1)
    for predict in (
        lambda: predict_thermodynamics(fit, rng=1), lambda: predict_pictures(fit, 1.5, rng=1),
        lambda: predict_phase_diagram(fit, [0.5], [1.0], rng=1),
    ):  # fmt: skip
        with pytest.raises(InputError, match="fit must have couplings"):
            predict()


def test_copies_among_many_draws_are_counted():
    answer = SimpleNamespace(numbers={"effective_draws": 6000.0})
    assert draw_flags(answer, 4000) == []
    assert draw_flags(answer, 8000) == []
    assert "worth 6000 independent" in draw_flags(answer, 40_000)[0]
    assert fit_lattice_hamiltonian(PICTURE, 1, rng=1).attrs["effective_draws"] > 1000


def test_replicas_that_lost_their_way_start_again(monkeypatch):
    """The first start ends without weight: what is given comes from the second."""
    run, seen = lattice_methods._run_likelihood, []

    def lose(task, mean, covariance, n_replicas):
        problem, result = run(task, mean, covariance, n_replicas)
        seen.append(result)
        lost = replace(result, effective_draws=3.0, converged=False, draws=result.draws + 5.0)
        return problem, lost if len(seen) == 1 else result

    monkeypatch.setattr(lattice_methods, "_run_likelihood", lose)
    fit = fit_lattice_hamiltonian(PICTURE, 1, rng=1)
    assert fit.diagnostics["attempts"] == 2 == len(seen)
    assert abs(fit["couplings"].mean() - 0.25) < 0.2


@pytest.fixture
def without_overlap(monkeypatch):
    """Replicas that never find the picture; returns the list of their starts."""
    run, starts = lattice_methods._run_likelihood, []

    def lose(*given):
        problem, result = run(*given)
        starts.append(problem)
        return problem, replace(result, effective_draws=3.0, converged=False)

    monkeypatch.setattr(lattice_methods, "_run_likelihood", lose)
    return starts


def test_no_posterior_is_made_of_a_handful_of_draws(without_overlap):
    with pytest.raises(NotIdentified, match=r"3\.0 effective draws after 2 start"):
        fit_lattice_hamiltonian(PICTURE, 1, method="likelihood", rng=1)
    assert len(without_overlap) == 2


def test_where_replicas_find_nothing_the_pseudolikelihood_answers_and_says_so(without_overlap):
    fit = fit_lattice_hamiltonian(PICTURE, 1, rng=1)
    assert len(without_overlap) == 2
    plain = fit_lattice_hamiltonian(PICTURE, 1, method="pseudolikelihood", rng=1)
    assert fit.attrs["likelihood"] == plain.attrs["likelihood"] == "pseudolikelihood"
    assert any("3.0 effective draws after 2 start(s)" in text for text in fit.warnings)
    assert abs(fit["couplings"].mean() - plain["couplings"].mean()) < 0.2 * plain["couplings"].std()


def test_perfect_order_on_few_sites_is_bounded_without_replicas_too(without_overlap):
    states = np.indices((6, 6)).sum(axis=0).reshape(1, -1) % 2 * 2 - 1
    fit = fit_lattice_hamiltonian(LatticeSnapshots(states, square_lattice((6, 6))), 1, rng=1)
    assert without_overlap
    assert fit.attrs["likelihood"] == "likelihood of rare single sites"
    assert fit["couplings"].mean() < 0


def test_a_checkerboard_is_said_to_be_a_bound():
    states = np.indices((16, 16)).sum(axis=0).reshape(1, -1) % 2 * 2 - 1
    fit = fit_lattice_hamiltonian(LatticeSnapshots(states, GRAPH), 1, rng=1)
    assert any("couplings[1] favours: only a bound follows" in text for text in fit.warnings)
    assert fit.diagnostics["effective_draws"] > 1000
