"""Odd arguments of inference that once passed without a word, or ended in an error of Python."""

from functools import partial

import numpy as np
import pytest

from physlearn import AtomicConfiguration, InputError, SiteGraph
from physlearn.covariance_checks import check_covariance
from physlearn.inference import (
    Crosstalk,
    FlipRate,
    ForceMapSettings,
    LatticePrior,
    PotentialCandidate,
    Prior,
    ThreeBody,
    WallLawOptions,
    cramer_rao_bound,
    fit_batch,
    fit_lattice_hamiltonian,
    lattice_family,
    make_family,
    simulate_intensities,
    snapshot_bound,
)
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models import Ising, StillingerWeberAngle, square_lattice

INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
CHAIN = SiteGraph(2, [[0, 1]], [0], [1])


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_covariances_are_told_from_indefinite_matrices(d):
    rng = np.random.default_rng(d)
    roots = rng.normal(size=(20, d, max(1, d - 1)))
    sound = roots @ roots.transpose(0, 2, 1)  # of less than full rank where d > 1
    assert check_covariance("c", sound) is sound
    assert check_covariance("c", sound.astype(np.float32)).dtype == np.float32
    odd = sound.copy()
    odd[7] -= 0.01 * np.abs(odd[7]).max() * np.eye(d)
    if d == 1:
        odd[7] = -0.1
    with pytest.raises(InputError, match=r"no negative variance in any direction.*in matrix 7"):
        check_covariance("c", odd)
    odd = sound.copy()
    odd[3, 0, -1] += 0.1 * np.abs(odd[3]).max()
    if d > 1:
        with pytest.raises(InputError, match="symmetric in matrix 3"):
            check_covariance("c", odd)


def test_many_large_matrices_are_looked_at_by_pairs():
    wide = np.tile(np.eye(300), (5, 1, 1))
    wide[2, 7, 290] = wide[2, 290, 7] = 1.1
    with pytest.raises(InputError, match=r"got -0\.1 in matrix 2"):
        check_covariance("c", wide)


def test_indefinite_covariances_are_refused_where_they_are_given():
    with pytest.raises(InputError, match="position_covariance must have no negative"):
        AtomicConfiguration([[0.0, 0.0]], position_covariance=INDEFINITE[None])
    wide = np.eye(4)
    wide[:2, :2] = INDEFINITE
    with pytest.raises(InputError, match="covariance must have no negative"):
        Crosstalk((1.0, 2.0), 0.1, 0.2, wide)
    with pytest.raises(InputError, match="covariance must have shape"):
        Crosstalk((1.0, 2.0), 0.1, 0.2, -1)  # type: ignore[arg-type]
    assert Crosstalk((1.0, 2.0), 0.1, 0.2, np.zeros((4, 4))).separation == 5.0


@pytest.mark.parametrize("bad", [7, [], None, "up", [1, 0], [1, np.nan], [1, 1, 1], {}])
def test_states_of_intensities(bad):
    with pytest.raises(InputError, match="states must"):
        simulate_intensities(bad, CHAIN, Crosstalk((1.0, 3.0), 0.1, 0.1), rng=1)


@pytest.mark.parametrize("bad", [7, "ab", None, [], {}])
def test_batches_are_sequences_also_for_an_estimator_of_this_package(bad):
    with pytest.raises(InputError, match="batch must"):
        fit_batch(partial(fit_lattice_hamiltonian, n_shells=1), bad)


@pytest.mark.parametrize("bad", [None, "3", 1j, object(), [[0.0], [0.0, 1.0]]])
def test_parameters_are_numbers(bad):
    prior, rate = Prior.gaussian(("a", "b"), 1.0), FlipRate(2)
    family = make_family("morse", length=1.0)
    for call, name in (
        (family.natural, "theta"), (family.unconstrained, "numbers"), (prior.log_density, "theta"),
        (rate.coordinate, "rate"), (rate.value, "coordinate"),
        (lambda sd: Prior.gaussian(("a", "b"), sd), "sd"),
        (lambda mean: Prior.gaussian(("a", "b"), 1.0, mean), "mean"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"{name} must"):
            call(bad)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_parameters_are_as_many_as_there_are(length):
    family = make_family("morse", length=1.0)
    for call, name in ((family.natural, "theta"), (family.unconstrained, "numbers")):
        with pytest.raises(InputError, match=f"{name} must"):
            call(np.ones(length))
    with pytest.raises(InputError, match="mean must be one number or 3"):
        Prior.gaussian(("a", "b", "c"), 1.0, np.ones(length + 3))


@pytest.mark.parametrize("bad", [np.nan, -1.0, 0.0, "3", None, np.inf])
def test_widths_of_three_body_terms(bad):
    assert ThreeBody(StillingerWeberAngle(), 2).prior_sd == 2
    with pytest.raises(InputError, match="prior_sd must be"):
        ThreeBody(StillingerWeberAngle(), bad)
    with pytest.raises(InputError, match="shape must be a StillingerWeberAngle"):
        ThreeBody(bad)


@pytest.mark.parametrize("bad", [True, -1, 1.5, np.array([1, 2]), 10**12])
def test_shells_of_priors_are_counted(bad):
    with pytest.raises(InputError, match="n_shells must be"):
        LatticePrior().sds(bad)


@pytest.mark.parametrize("bad", ["pair", None, 7, np.nan])
def test_candidates_are_families(bad):
    with pytest.raises(InputError, match="family must be a InteractionFamily"):
        PotentialCandidate(bad)
    if bad is not None:
        with pytest.raises(InputError, match="three_body must be a ThreeBody"):
            PotentialCandidate(make_interaction("morse", length=1.0), bad)


@pytest.mark.parametrize(
    "bad", [[], 7, "here", [[np.inf, 1.0]], [[1.0], [1.0, 2.0]], [[None, 1.0]]]
)
def test_pins_are_places_or_a_picture(bad):
    assert WallLawOptions(pins=np.eye(4, dtype=bool)).pins.shape == (4, 4)
    with pytest.raises(InputError, match="pins must"):
        WallLawOptions(pins=bad)


@pytest.mark.parametrize("bad", [(-1,), (0, 0), (0.5,), ("x",)])
def test_axes_of_force_maps(bad):
    with pytest.raises(InputError, match="axes must"):
        ForceMapSettings(axes=bad)


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.inf])
def test_flip_rates_are_shares(rate):
    assert np.isnan(FlipRate(2).coordinate(np.nan))
    with pytest.raises(InputError, match="rate must lie between 0 and 1"):
        FlipRate(2).coordinate(rate)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", [np.nan, 0.0]), ("sd", [1.0, 0.0]), ("lower", [np.inf, 0.0]), ("upper", [1.0]),
     ("upper", [-np.inf, 1.0]), ("shapes", (None,)), ("sd", "wide"), ("mean", None)],
)  # fmt: skip
def test_priors_are_made_of_arrays_of_one_length(name, value):
    whole = Prior.gaussian(("a", "b"), 1.0)
    fields = {
        key: getattr(whole, key) for key in ("names", "mean", "sd", "lower", "upper", "shapes")
    }
    assert Prior(**fields).n_parameters == 2
    with pytest.raises(InputError, match=rf"\b{name}\b"):
        Prior(**{**fields, name: value})


def test_draws_numbers_and_priors_of_models():
    from physlearn.inference.adequacy.lattice_adequacy import check_adequacy
    from physlearn.inference.potential_families.user_function import with_prior

    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2) * 1.2
    start = AtomicConfiguration(grid, unit="reduced", cell=np.eye(2) * 7.2)
    family = make_interaction("lennard_jones", length=1.0)
    for bad in (7, [1.0], [1.0, 1.0, 1.0], [1.0, np.nan], None, "ab"):
        with pytest.raises(InputError, match="numbers must"):
            snapshot_bound(start, family, bad, rng=1, n_records=20)
        with pytest.raises(InputError, match="draws must"):
            check_adequacy(None, bad, np.random.default_rng(1))
    for bad in (
        "nonsense",
        {"depth": 1.0},
        {"depth": (1.0, 2.0, 3.0)},
        {"depth": "ab"},
        {"d": (1, 1)},
    ):
        with pytest.raises(InputError, match="prior"):
            with_prior(make_family("morse", length=1.0), bad)


def test_bounds_of_a_hamiltonian_take_no_parameters_of_a_family():
    graph = square_lattice((3, 3))
    for name in ("theta", "codes"):
        for bad in (-1, "nonsense", [0.2, 0.1]):
            with pytest.raises(InputError, match=f"{name} must be None"):
                cramer_rao_bound(Ising([0.2]), graph, rng=1, **{name: bad})


def test_errors_of_positions_are_smaller_than_the_picture():
    from physlearn.inference.configurations.snapshots import read_snapshots

    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2) * 1.2
    frame = AtomicConfiguration(grid, unit="reduced", cell=np.eye(2) * 7.2)
    assert len(read_snapshots(frame, 0.1)) == 1
    for bad in (6.0, 1e12, -1.0, np.nan, "wide"):
        with pytest.raises(InputError, match="position_sd must be"):
            read_snapshots(frame, bad)


def test_states_and_forms_of_families():
    for bad in ((0, 0), (0, 1, 10**12), (0.5, 1), "ab", (), 7):
        with pytest.raises(InputError, match="state_values must"):
            lattice_family("potts", bad, 1)
    for bad in ("", "nonsense", None, 7):
        with pytest.raises(InputError, match="truncation must"):
            make_family("morse", length=1.0, truncation=bad)
    with pytest.raises(InputError, match="knots must be None"):
        make_family("morse", length=1.0, knots=[0.5, 1.0])
