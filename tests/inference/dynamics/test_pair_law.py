"""Laws of the force between particles: orbits, springs, films, and data without a force."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.dynamics.pair_bodies import memory_of_steps
from physlearn.inference.dynamics.pair_films import FilmCurve, laws_of_film
from physlearn.inference.dynamics.pair_forms import (
    KNOWN,
    _read,
    fit_to_curve,
    force_forms,
    in_film_units,
)
from physlearn.inference.dynamics.pair_law import COASTING, discover_pair_law
from physlearn.inference.dynamics.pair_options import PairLawOptions
from physlearn.inference.dynamics.pair_score import different_laws
from physlearn.records import Trajectory


def _tracks(force, strengths, x, v, times, noise, seed, missing=0.0, **record):
    shape = (2, *np.shape(x))

    def rates(_, flat):
        place, speed = flat.reshape(shape)
        line = place[:, None] - place[None]
        distance = np.sqrt((line**2).sum(axis=2)) + np.eye(len(place))
        pull = force(distance) * strengths[None] / distance * (1 - np.eye(len(place)))
        return np.stack([speed, (pull[:, :, None] * line).sum(axis=1)]).ravel()

    start = np.stack([x, v]).ravel()
    paths = solve_ivp(rates, (0, times[-1]), start, "DOP853", times, rtol=1e-9, atol=1e-10).y.T
    places = paths.reshape(-1, *shape)[:, 0]
    rng = np.random.default_rng(seed)
    places = places + noise * rng.normal(size=places.shape)
    frame, body = np.nonzero(rng.uniform(size=places.shape[:2]) >= missing)
    return Trajectory(frame, body, places[frame, body], times, **record)


def _orbits(seed, **record):
    """A star and three planets, times uneven, a tenth of the positions missing."""
    rng = np.random.default_rng((seed, 5))
    radius, angle = np.array([1.0, 1.7, 2.8]), rng.uniform(0, 2 * np.pi, 3)
    speed = rng.uniform(0.95, 1.05, 3) / np.sqrt(radius)
    x = np.zeros((4, 2))
    v = np.zeros((4, 2))
    x[1:] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    v[1:] = speed[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    times = np.sort(rng.uniform(0.0, 18.0, 70))
    strengths = np.array([1.0, 1e-3, 3e-4, 5e-4])
    film = _tracks(lambda r: -1 / r**2, strengths, x, v, times, 0.01, seed, 0.1, **record)
    return film


ORBIT = {"unit": "reduced", "time_unit": "reduced"}


@pytest.fixture(scope="module")
def orbit_laws():
    return discover_pair_law(_orbits(1, **ORBIT), options=PairLawOptions(search=False))


def test_the_inverse_square_is_found_in_orbits(orbit_laws):
    laws = orbit_laws
    assert laws.best.structure == {("r", "square", "inv")}
    assert laws.claims_law and laws.units == "reduced/reduced^2"
    error = math.sqrt(laws.best.covariance[0, 0])
    assert abs(laws.best.constants[0] + 1.0018) < 4 * error < 0.02
    assert "0: 1 +- " in laws.warnings[0]
    assert "correlate by" in laws.warnings[-1]


def test_the_exponent_as_a_free_constant_holds_minus_two(orbit_laws):
    power = orbit_laws.index_of([("r", "c", "pow")])
    law = orbit_laws.law(power)
    assert abs(law.constants[1] + 2.0) < 4 * math.sqrt(law.covariance[1, 1]) < 0.1


def _two(ratio, seed=1):
    """Two bodies on an ellipse about each other; the strengths' sum is 1."""
    share = np.array([ratio, 1.0]) / (1 + ratio)
    arms = np.array([[share[1], 0.0], [-share[0], 0.0]])
    return _tracks(lambda r: -1 / r**2, share, arms, 0.75 * arms[:, ::-1], np.linspace(0, 6, 100),
                   0.005, seed, **ORBIT)  # fmt: skip


FEW = PairLawOptions(search=False, n_refitted=4)


@pytest.fixture(scope="module")
def two_bodies():
    return discover_pair_law(_two(3.0), options=FEW)


def test_two_bodies_tell_the_ratio_of_their_strengths(two_bodies):
    assert two_bodies.best.structure == {("r", "square", "inv")}
    error = math.sqrt(two_bodies.best.covariance[0, 0])
    assert abs(two_bodies.best.constants[0] + 1.0) < 4 * error < 0.02
    heavy = re.search(r"0: ([.\d]+) \+- ([.\d]+), 1:", two_bodies.warnings[0])
    assert abs(float(heavy[1]) - 0.75) < 4 * float(heavy[2]) < 0.02


@pytest.mark.parametrize(
    ("scale", "slower", "flow"), [(1.0, 1.0, 0.0), (1.0, 1.0, 50.0), (1e-6, 1e3, 0.0)]
)
def test_neither_origin_nor_flow_nor_units_matter(two_bodies, scale, slower, flow):
    film = _two(3.0)
    places = film.positions + [100.0, -300.0] + flow * film.times[film.frame][:, None]
    moved = replace(film, positions=scale * places, times=slower * film.times)
    laws = discover_pair_law(moved, options=FEW)
    assert [law.structure for law in laws.equations] == [
        law.structure for law in two_bodies.equations
    ]
    power = scale**3 / slower**2
    assert laws.best.constants[0] == pytest.approx(power * two_bodies.best.constants[0], rel=1e-5)
    assert laws.weights == pytest.approx(two_bodies.weights, abs=1e-3)


def _three(keep):
    share = np.array([0.5, 0.3, 0.2])
    x = np.array([[0.4, 0.0], [-0.6, 0.0], [0.0, 2.5]])
    v = np.array([[0.04, 0.5], [0.04, -0.8], [-0.66, 0.0]])
    film = _tracks(lambda r: -1 / r**2, share, x, v, np.linspace(0, 12, 120), 0.005, 1, **ORBIT)
    kept = keep(film.frame, film.particle)
    return Trajectory(film.frame[kept], film.particle[kept], film.positions[kept], film.times,
                      **ORBIT)  # fmt: skip


def test_a_body_that_appears_late_is_followed_back():
    laws = discover_pair_law(_three(lambda frame, body: (body != 2) | (frame >= 60)), options=FEW)
    assert laws.best.structure == {("r", "square", "inv")}
    assert abs(laws.best.constants[0] + 1.0) < 4 * math.sqrt(laws.best.covariance[0, 0]) < 0.02
    assert "2: 0.2 +- " in laws.warnings[0]


def test_bodies_that_are_never_seen_together_are_refused_by_name():
    film = _three(lambda frame, body: np.where(body == 2, frame >= 60, (body != 1) | (frame < 63)))
    with pytest.raises(NotIdentified, match="particle 2 appears when particle 1 is gone"):
        discover_pair_law(film, options=FEW)


@pytest.mark.parametrize("noise", [0.002, 0.02])
@pytest.mark.parametrize("n_refitted", [1, 14])
def test_one_distance_fixes_no_law(noise, n_refitted):
    arms = np.array([[0.5, 0.0], [-0.5, 0.0]])
    film = _tracks(lambda r: -1 / r**2, np.full(2, 0.5), arms, arms[:, ::-1],
                   np.linspace(0, 7, 50), noise, 2, **ORBIT)  # fmt: skip
    options = PairLawOptions(search=n_refitted > 1, n_refitted=n_refitted)
    laws = discover_pair_law(film, options=options)
    assert laws.claims_law and not laws.fixes_law
    assert any("distance hardly varies" in said for said in laws.warnings)
    assert any("known laws were compared along the tracks" in said for said in laws.warnings)


def test_known_masses_and_springs():
    rng = np.random.default_rng(3)
    masses = np.array([2.0, 1.0, 0.5])
    film = _tracks(lambda r: -r, masses, rng.normal(size=(3, 2)), rng.normal(size=(3, 2)),
                   np.linspace(0, 6, 60), 0.02, 4, **ORBIT)  # fmt: skip
    options = PairLawOptions(regime="newtonian", search=False, n_refitted=5)
    laws = discover_pair_law(film, masses=masses, options=options)
    place = laws.index_of([("r",)])
    assert place is not None and place < laws.n_credible(0.9)
    law = laws.law(place)
    assert abs(law.constants[0] + 1.0) < 4 * math.sqrt(law.covariance[0, 0])


def test_bodies_that_fly_straight_hold_no_force():
    rng = np.random.default_rng(6)
    film = _tracks(lambda r: 0 * r, np.ones(4), 2 * rng.normal(size=(4, 2)),
                   rng.normal(size=(4, 2)), np.linspace(0, 2, 40), 0.01, 7, **ORBIT)  # fmt: skip
    options = PairLawOptions(regime="newtonian", strengths="equal", search=False, n_refitted=6)
    laws = discover_pair_law(film, options=options)
    assert not laws.claims_law


def _diffusing(seed, n=60, frames=120):
    rng = np.random.default_rng(seed)
    walk = 12 * rng.random((n, 2)) + np.cumsum(rng.normal(0.0, 0.05, (frames, n, 2)), axis=0)
    return Trajectory(np.repeat(range(frames), n), np.tile(range(n), frames),
                      walk.reshape(-1, 2), 0.1 * np.arange(frames), unit="um")  # fmt: skip


def test_free_diffusion_holds_no_force():
    claims = 0
    for seed in range(2):
        film = _diffusing(seed)
        assert memory_of_steps(film) < 0.5
        laws = discover_pair_law(film, options=PairLawOptions(lag=1, search=False), rng=1)
        assert laws.units == "kT/um" and "0" in set(laws.table["equation"])
        claims += laws.claims_law
    assert claims == 0  # each with a chance of 5 % or less


def test_two_that_diffuse_in_a_flow_are_no_orbits():
    for frames, n in ((13, 2), (60, 2), (100, 3)):
        rng = np.random.default_rng(frames)
        flow = 3.0 * np.arange(frames)[:, None, None]
        newtonian = 0
        for _ in range(200):
            walk = np.cumsum(rng.normal(size=(frames, n, 2)), axis=0) + flow
            newtonian += memory_of_steps(_pair(walk)) > COASTING
        assert newtonian == 0


def test_laws_that_are_nowhere_finite_are_no_list():
    law = replace(force_forms(())[0].equation(np.ones(1))[0], description_length=math.nan)
    with pytest.raises(NotIdentified, match="no law of the force is finite"):
        different_laws([law], np.array([1.0, 2.0]), np.ones(2), 5)


def test_too_few_steps_tell_no_regime():
    with pytest.raises(NotIdentified, match="8 frames of 2 particles are too few to tell coasting"):
        discover_pair_law(_pair(np.random.default_rng(0).normal(size=(8, 2, 2))))


def test_skewed_boxes_are_refused():
    film = replace(_two(3.0), cell=np.array([[10.0, 1.0], [0.0, 10.0]]))
    with pytest.raises(InputError, match=r"must be rectangular .* skewed"):
        discover_pair_law(film, options=FEW)


def _curve(force, seed, share=0.05, freedom=math.inf):
    """A measured curve whose errors are correlated between neighbours."""
    distance = np.linspace(1.0, 3.0, 9)
    gap = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    sd = share * np.abs(force(distance)).max() * np.ones(9)
    covariance = 0.7**gap * np.outer(sd, sd)
    noisy = np.random.default_rng(seed).multivariate_normal(force(distance), covariance)
    return FilmCurve(distance, noisy, covariance, freedom, "um", ())


def test_the_law_of_a_film_lies_in_the_credible_set():
    listed = 0
    for seed in range(6):
        curve = _curve(lambda r: 5 * np.exp(-r / 0.8) * (1 / r**2 + 1 / (0.8 * r)), seed, 0.03)
        laws = laws_of_film(curve, PairLawOptions(search=False))
        assert laws.claims_law
        text = [str(t) for t in laws.table["equation"].iloc[: laws.n_credible(0.9)]]
        listed += any("/r + r**(-2))*exp(" in t for t in text)
    assert listed >= 3  # 5.4 expected at 90 %, 4 sigma


def test_curves_of_noise_claim_no_law():
    claims = 0
    for seed in range(8):
        curve = _curve(lambda r: 0 * r + 1, seed, 0.5, 20.0)
        still = FilmCurve(curve.distance, curve.force - 1, curve.covariance, 20.0, "um", ())
        claims += laws_of_film(still, PairLawOptions(search=False)).claims_law
    assert claims <= 3  # 0.4 expected at 5 %, 4 sigma


def test_laws_move_between_units():
    r = np.geomspace(0.5, 2.0, 8)
    for text, starts in KNOWN:
        form = _read(text, starts)
        constants, _ = fit_to_curve(form, r, -2.0 / r**2, np.eye(8))
        law, slopes = form.equation(constants)
        values = form(constants, r)[0]
        assert law.predict({"r": r}) == pytest.approx(values)
        assert slopes @ constants == pytest.approx(law.constants)
        moved = in_film_units(law, 3.0, 5.0)
        assert moved.predict({"r": 3 * r}) == pytest.approx(5 * values)


def _pair(places, times=None):
    frames, n = places.shape[:2]
    times = np.arange(float(frames)) if times is None else times
    return Trajectory(np.repeat(range(frames), n), np.tile(range(n), frames),
                      places.reshape(-1, 2), times, **ORBIT)  # fmt: skip


RNG = np.random.default_rng(0)
NEWTON = PairLawOptions(regime="newtonian")


@pytest.mark.parametrize(
    ("film", "options", "error", "words"),
    [
        (_pair(RNG.normal(size=(20, 1, 2))), NEWTON, NotIdentified, "needs at least 2"),
        (_pair(RNG.normal(size=(1, 3, 2))), NEWTON, NotIdentified, "more than one frame"),
        (_pair(RNG.normal(size=(5, 3, 2))), NEWTON, InputError, "at least 8 times"),
        (_pair(np.ones((20, 2, 2))), NEWTON, InputError, "different places"),
        (_pair(RNG.normal(size=(20, 30, 2))), NEWTON, InputError, "at most 24"),
        (np.zeros((5, 2)), NEWTON, InputError, "must be a Trajectory"),
        (_pair(RNG.normal(size=(20, 2, 2))), "fast", InputError, "PairLawOptions"),
    ],
)
def test_tracks_that_cannot_be_used_are_refused(film, options, error, words):
    with pytest.raises(error, match=words):
        discover_pair_law(film, options=options)


def test_equal_times_are_refused_by_the_record():
    with pytest.raises(InputError, match="times must increase"):
        _pair(RNG.normal(size=(20, 2, 2)), np.repeat(np.arange(10.0), 2))


@pytest.mark.parametrize("masses", [[1.0], [1.0, -1.0], [0.0, 0.0]])
def test_masses_must_fit(masses):
    with pytest.raises(InputError, match="masses must hold 2 numbers"):
        discover_pair_law(_pair(RNG.normal(size=(20, 2, 2))), masses=masses, options=NEWTON)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"regime": "quantum"}, "regime"), ({"laws": "a/r"}, "laws must be a list"),
     ({"lag": 0}, "lag"), ({"cutoff": -1.0}, "cutoff"), ({"strengths": "big"}, "strengths")],
)  # fmt: skip
def test_options_are_checked(change, words):
    with pytest.raises(InputError, match=words):
        PairLawOptions(**change)
