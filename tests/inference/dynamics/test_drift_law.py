"""Laws of drift and diffusion from tracks of known motion."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import DriftLawOptions, DynamicsLaws, discover_drift_law, discover_dynamics
from physlearn.inference.dynamics.drift_data import read_drift_data
from physlearn.records import Trajectory

EXACT = DriftLawOptions(localization_sd=0.0, search=False)
HALF_WIDTH = 1.6448536269514722


def moved(drift, diffusion, interval, n_frames, start, rng, n_sub=40):
    """Ito's motion by Milstein's steps (Heun's where D is one), shape (n_frames + 1, ...)."""
    h, at, seen = interval / n_sub, np.array(start, dtype=float), []
    for _ in range(n_frames + 1):
        seen.append(at)
        for _ in range(n_sub):
            kick = rng.normal(size=at.shape)
            d0, d1 = diffusion
            spread = np.sqrt(2 * (d0 + d1 * at**2))
            bent = d1 * at * h * (kick**2 - 1)
            first = drift(at)
            ahead = at + h * first + spread * np.sqrt(h) * kick
            at = at + 0.5 * h * (first + drift(ahead)) + spread * np.sqrt(h) * kick + bent
    return np.array(seen)


def tables(places, interval):
    times = interval * np.arange(len(places))
    return [{"t": times, "x": places[:, k]} for k in range(places.shape[1])]


def holds(law, truth):
    width = 1.6 * HALF_WIDTH * np.sqrt(np.diag(law.covariance))  # 99 %
    return bool((np.abs(law.constants - truth) <= width).all())


def structure(law):
    return {term.program for term in law.terms}


def test_a_double_well_is_found_at_frames_where_regression_fails():
    rng = np.random.default_rng(1)
    interval = 0.25  # slope at the minima times the interval: 1
    places = moved(lambda x: 2 * x - x**3, (1.0, 0.0), interval, 150, rng.normal(size=30), rng)
    laws = discover_drift_law(tables(places, interval), options=EXACT)
    best = laws["dx/dt"].best
    assert structure(best) == {("x",), ("x", "cube")}
    truth = np.array([2.0 if term.program == ("x",) else -1.0 for term in best.terms])
    assert holds(best, truth)
    design = np.stack([places[:-1].ravel(), places[:-1].ravel() ** 3], axis=1)
    slopes = np.linalg.lstsq(design, np.diff(places, axis=0).ravel() / interval, rcond=None)[0]
    assert slopes[0] < 1.0  # half of the truth and less
    assert laws["dx/dt"].claims_law and not laws["D"].claims_law
    assert "frames are coarse" in laws.verdict and laws.verdict.startswith("a force law is seen")


def test_free_diffusion_claims_no_force():
    rng = np.random.default_rng(2)
    places = np.cumsum(rng.normal(0.0, 0.3, (200, 10)), axis=0)
    laws = discover_drift_law(tables(places, 0.1), options=EXACT)
    assert not laws["dx/dt"].claims_law
    assert laws.verdict.startswith("free diffusion: no force law is seen")
    assert "a trap would pull back at less than" in laws.verdict
    assert laws["D"].best.constants == pytest.approx([0.45], rel=0.1)
    assert not laws["dx/dt"].best.variables
    assert DynamicsLaws.from_json(laws.to_json()).said == laws.said


def test_a_flow_is_said_to_be_a_flow():
    rng = np.random.default_rng(3)
    places = np.cumsum(rng.normal(0.05, 0.3, (200, 10)), axis=0)
    laws = discover_drift_law(tables(places, 0.1), options=EXACT)
    assert laws["dx/dt"].best.n_constants == 1 and not laws["dx/dt"].claims_law
    assert "all particles drift at 0.5" in laws.verdict


def test_a_diffusion_that_depends_on_the_place_is_found():
    rng = np.random.default_rng(4)
    places = moved(lambda x: -1.5 * x, (0.5, 0.4), 0.05, 250, rng.normal(size=20), rng, 25)
    laws = discover_drift_law(tables(places, 0.05), options=EXACT)
    assert structure(laws["dx/dt"].best) == {("x",)}
    assert structure(laws["D"].best) == {(1,), ("x", "square")}
    truth = np.array([0.4 if t.program == ("x", "square") else 0.5 for t in laws["D"].best.terms])
    assert holds(laws["D"].best, truth) and holds(laws["dx/dt"].best, [-1.5])
    assert "the diffusion depends on the place" in laws.verdict


def test_localisation_errors_are_no_force():
    rng = np.random.default_rng(5)
    places = np.cumsum(rng.normal(0.0, 0.3, (150, 8)), axis=0)
    seen = places + 0.3 * rng.normal(size=places.shape)
    options = DriftLawOptions(localization_sd=0.3, search=False, frames_apart=1)
    laws = discover_drift_law(tables(seen, 0.1), options=options)
    assert not laws["dx/dt"].claims_law
    assert laws["D"].best.constants == pytest.approx([0.45], rel=0.2)


def test_coarse_frames_with_errors_are_warned_of():
    rng = np.random.default_rng(9)
    places = moved(lambda x: 2 * x - x**3, (1.0, 0.0), 0.12, 100, rng.normal(size=12), rng)
    options = DriftLawOptions(localization_sd=0.05, search=False, frames_apart=1)
    laws = discover_drift_law(tables(places, 0.12), options=options)
    assert any("transitions were taken as Gaussian" in text for text in laws["dx/dt"].warnings)


def test_a_trap_with_rotation_has_a_law_for_each_axis():
    rng = np.random.default_rng(6)
    turn = np.array([[-1.0, -0.7], [0.7, -1.0]])
    at, seen = rng.normal(size=(2, 12)), []
    for _ in range(201):
        seen.append(at)
        for _ in range(20):
            at = at + 0.01 * turn @ at + np.sqrt(0.02) * rng.normal(size=at.shape)
    places = np.array(seen)
    film = Trajectory(
        np.repeat(np.arange(201), 12), np.tile(np.arange(12), 201),
        np.moveaxis(places, 1, 2).reshape(-1, 2), 0.2 * np.arange(201), unit="um",
    )  # fmt: skip
    laws = discover_dynamics(film, options=EXACT)
    assert laws.kind == "particles" and list(laws) == ["dx/dt", "dy/dt", "D"]
    for target, row in zip(("dx/dt", "dy/dt"), turn, strict=True):
        best = laws[target].best
        assert structure(best) == {("x",), ("y",)}
        assert holds(best, [row["xy".index(str(t.program[0]))] for t in best.terms])
    assert laws["dx/dt"].units == "um/s" and laws["D"].units == "um^2/s"


def smeared(rng, n=12, n_frames=400):
    """Free diffusion whose places follow over some frames, as a tracker may smear them."""
    walk = np.cumsum(rng.normal(0.0, 0.3, (n_frames + 20, n, 2)), axis=0)
    seen = walk.copy()
    for k in range(1, len(walk)):
        seen[k] = 0.6 * seen[k - 1] + 0.4 * walk[k]
    seen = seen[20:]
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames), seen.reshape(-1, 2),
        np.arange(n_frames) / 24.0, unit="um",
    )  # fmt: skip


def test_smeared_frames_are_looked_at_farther_apart():
    laws = discover_drift_law(smeared(np.random.default_rng(7)))
    assert not laws["dx/dt"].claims_law and not laws["dy/dt"].claims_law
    assert "frames apart were compared" in laws.verdict
    assert "a step remembers the ones before" in laws.verdict
    assert laws["D"].best.constants == pytest.approx([0.09 / 2 * 24], rel=0.2)


GOOD = {"t": np.arange(50.0), "x": np.sin(np.arange(50.0) ** 2)}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (3, "data must be a Trajectory, a table"),
        ([], "data must be a Trajectory, a table"),
        ({"t": np.arange(50.0)}, "columns t and x"),
        ({"t": np.arange(10.0), "x": np.arange(10.0)}, "at least 30 steps"),
        ({**GOOD, "t": np.r_[0.0, np.arange(49.0)]}, "times of a particle must increase; got 0"),
        ({**GOOD, "x": np.zeros(50)}, "some motion"),
        ({**GOOD, "x": np.full(50, np.nan)}, "none is seen twice"),
        (Trajectory([0, 0], [0, 1], np.eye(2), [0.0]), "at least 2 frames"),
        (Trajectory([0, 1], [0, 0], np.eye(3)[:2], [0.0, 1.0]), "one or two coordinates"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(data, said):
    with pytest.raises(InputError, match=said):
        discover_drift_law(data)


def test_options_are_checked():
    with pytest.raises(InputError, match="DriftLawOptions"):
        discover_drift_law(GOOD, options=3)
    with pytest.raises(InputError, match="n_kept"):
        DriftLawOptions(n_kept=0)
    with pytest.raises(InputError, match="exposure_s must not be longer"):
        discover_drift_law(GOOD, options=DriftLawOptions(exposure_s=2.0))
    with pytest.raises(InputError, match="'free' or None"):
        discover_drift_law(GOOD, options=DriftLawOptions(localization_sd="much"))


def test_a_search_that_is_stopped_hands_back_the_best_so_far():
    rng = np.random.default_rng(8)
    places = np.cumsum(rng.normal(0.0, 0.3, (60, 2)), axis=0)
    told = []
    options = DriftLawOptions(
        localization_sd=0.0, search=False, stop=lambda: True,
        progress=lambda done, total, best: told.append((done <= total, best)),
    )  # fmt: skip
    laws = discover_drift_law(tables(places, 0.1), options=options)
    assert any("stopped before its end" in text for text in laws["D"].warnings)
    assert told and all(ok and best for ok, best in told)


def test_rows_are_thinned_and_capped_by_tracks():
    track = {"t": np.arange(40.0), "x": np.arange(40.0) ** 2}
    data = read_drift_data([track, {**track, "x": -track["x"]}], None, 0.0, None)
    thin = data.thinned(8, 3)
    assert (thin.apart, thin.phases, len(thin.series.starts) - 1) == (8, 3, 6)
    assert set(thin.series.gaps[thin.series.is_step]) == {8.0}
    begin, end, _ = thin.steps
    assert np.sqrt(np.abs(end)) - np.sqrt(np.abs(begin)) == pytest.approx(8.0)
    few = data.capped(40)
    assert len(few.series.starts) == 2 and len(few.series.gaps) == 40
    table = {"t": np.tile(track["t"], 2), "x": np.r_[track["x"], -track["x"]],
             "particle": np.repeat([1, 2], 40)}  # fmt: skip
    same = read_drift_data(table, None, 0.0, None)
    assert (same.series.positions == data.series.positions).all()
