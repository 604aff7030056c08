"""Laws of motion found in noisy series of known truth, and no law where there is none."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp

from physlearn.checks import InputError
from physlearn.inference.dynamics.motion_law import (
    MotionLawOptions,
    _said_of_order,
    discover_motion_law,
)


def _series(rates, start, times, noise, seed, names):
    generator = np.random.default_rng(seed)
    paths = solve_ivp(
        rates, (times[0], times[-1]), start, t_eval=times, rtol=1e-9, atol=1e-11
    ).y[: len(names)]  # fmt: skip
    noisy = paths + noise * paths.std(axis=1, keepdims=True) * generator.normal(size=paths.shape)
    return {"t": times, **dict(zip(names, noisy, strict=True))}


def _random_times(duration, n, seed):
    return np.sort(np.random.default_rng((seed, 1)).uniform(0.0, duration, n))


def _pendulum(seed, noise, n=300):
    return _series(
        lambda _t, s: [s[1], -2.0 * np.sin(s[0]) - 0.15 * s[1]], (2.5, 0.0),
        _random_times(20.0, n, seed), noise, seed, ["q"],
    )  # fmt: skip


def _terms(law):
    return {term.program: term.coefficient for term in law.terms}


def test_pendulum_at_ten_percent_noise_and_its_order():
    laws = discover_motion_law(_pendulum(0, 0.1), options=MotionLawOptions(angles=["q"]))
    assert laws.target == "d2q/dt2"
    assert set(_terms(laws.best)) == {("q", "sin"), ("v_q",)}
    assert laws.claims_law


def test_constants_are_covered():
    scores = []
    options = MotionLawOptions(order="2", terms=["1", "q", "v_q", "sin(q)"])
    for seed in range(12):
        laws = discover_motion_law(_pendulum(seed, 0.05), options=options)
        place = laws.index_of([("q", "sin"), ("v_q",)])
        assert place is not None
        law = laws.equations[place]
        truth = np.array([{"sin": -2.0}.get(t.program[-1], -0.15) for t in law.terms])
        scores += ((law.constants - truth) / np.sqrt(np.diag(law.covariance))).tolist()
    # The sum of 24 squared scores is chi-square; its standard deviation is sqrt(48)
    assert abs(np.sum(np.square(scores)) - 24) < 4 * np.sqrt(48)


def test_an_order_that_is_not_fixed_is_told():
    assert "not fixed: order 1 was taken, the other lies only 1.2 nats" in _said_of_order(1, 1.2)
    assert _said_of_order(2, 8.0) == "order 2 was taken; the other lies 8 nats behind"


def test_lorenz_from_noisy_series():
    table = _series(
        lambda _t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        (-8.0, 7.0, 27.0), np.linspace(0, 5, 500), 0.02, 1, ["x", "y", "z"],
    )  # fmt: skip
    laws = discover_motion_law(pd.DataFrame(table), options=MotionLawOptions(order="1"))
    assert set(laws) == {"dx/dt", "dy/dt", "dz/dt"}
    assert set(_terms(laws["dx/dt"].best)) == {("x",), ("y",)}
    assert laws["dy/dt"].index_of([("x",), ("y",), ("x", "z", "mul")]) is not None
    assert set(_terms(laws["dz/dt"].best)) == {("z",), ("x", "y", "mul")}
    assert _terms(laws["dz/dt"].best)[("z",)] == pytest.approx(-8 / 3, abs=0.1)


def test_units_do_not_matter():
    table = _pendulum(3, 0.05, n=150)
    options = MotionLawOptions(angles=["q"], degree=2)
    plain = discover_motion_law(table, options=options)
    fast = discover_motion_law({"t": 1e-9 * table["t"], "q": table["q"]}, options=options)
    assert fast.best.structure == plain.best.structure
    for law, scaled in zip(plain.best.terms, fast.best.terms, strict=True):
        power = 9 if law.program == ("v_q",) else 18
        assert scaled.coefficient == pytest.approx(10**power * law.coefficient, rel=1e-3)


def test_weights_do_not_depend_on_the_unit_of_the_variable():
    t = np.linspace(0.0, 6.0, 120)
    x = 1 / (1 + 9 * np.exp(-t)) + 0.02 * np.random.default_rng(0).normal(size=120)
    plain, *others = (
        discover_motion_law({"t": t, "x": unit * x}, options=MotionLawOptions(order="1"))
        for unit in (1.0, 1e-3, 1e6)
    )
    assert 0.5 < plain.weights[0] < 0.99
    for laws in others:
        assert laws.best.structure == plain.best.structure
        assert laws.weights[0] == pytest.approx(plain.weights[0], abs=1e-3)


def test_several_series_with_gaps_and_a_drive_share_a_law():
    tables = []
    for seed in range(3):
        times = _random_times(10.0, 80, seed)
        table = _series(
            lambda t, s: [-0.5 * s[0] + np.sin(1.3 * t)], (2.0 * seed,), times, 0.05, seed, ["x"]
        )
        table["x"][::7] = np.nan
        tables.append({**table, "E": np.sin(1.3 * times)})
    laws = discover_motion_law(tables, drives=["E"], options=MotionLawOptions(order="1", degree=3))
    found = _terms(laws.best)
    assert set(found) == {("x",), ("E",)}
    error = np.sqrt(np.diag(laws.best.covariance))
    truth = [{("x",): -0.5, ("E",): 1.0}[term.program] for term in laws.best.terms]
    assert (np.abs(laws.best.constants - truth) < 4 * error).all()


def test_a_constant_inside_a_term_is_fitted():
    times = np.linspace(0.0, 12.0, 400)
    table = _series(
        lambda _t, s: [s[1], -s[0] - 0.1 * s[1] - 0.2 / (1.5 + s[0]) ** 2], (0.7, 0.0), times, 0.01,
        0, ["x"],
    )  # fmt: skip
    options = MotionLawOptions(
        order="2", terms=["1", "x", "v_x", "x*v_x", "1/(d + x)**2"], constants={"d": 1.8}
    )
    laws = discover_motion_law(table, options=options)
    held = [law for law in laws.equations if law.n_constants == 4 and len(law.terms) == 3]
    inside = [t for law in held for t in law.terms if any(isinstance(p, float) for p in t.program)]
    assert inside, laws.table
    law = next(law for law in held if inside[0] in law.terms)
    place = law.constants.tolist().index(next(p for p in inside[0].program if isinstance(p, float)))
    assert abs(law.constants[place] - 1.5) < 4 * np.sqrt(law.covariance[place, place])


@pytest.mark.parametrize("walk", [False, True])
def test_noise_and_random_walks_hold_no_law(walk):
    claims = 0
    for seed in range(8):
        steps = np.random.default_rng((seed, 3)).normal(size=100)
        table = {"t": np.arange(100) * 0.1, "x": np.cumsum(steps) if walk else steps}
        claims += discover_motion_law(table, options=MotionLawOptions(degree=3)).claims_law
    assert claims <= 1


def _table():
    t = np.linspace(0.0, 5.0, 50)
    return {"t": t, "x": np.exp(-t) + 0.01 * np.sin(40 * t)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t": np.repeat(np.arange(25.0), 2)}, "times must increase"),
        ({"t": np.full(50, np.nan)}, "not finite"),
        ({"x": np.ones(50)}, "one value throughout"),
        ({"x": np.full(50, np.nan)}, "at least 12 measurements"),
        ({"x": np.full(50, np.inf)}, "infinite"),
        ({"x": np.ones(49)}, "49 values for 50 times"),
        ({"x": ["a"] * 50}, "must hold numbers"),
        ({"exp": np.ones(50)}, "must be names"),
        ({"x": np.arange(50) > 20}, "got booleans"),
        ({"x": 1j * np.arange(50)}, "got complex numbers"),
        ({"t": np.arange(50).astype("datetime64[s]")}, "give seconds"),
        ({"x": np.ma.masked_all(50)}, "at least 12 measurements"),
    ],
)
def test_series_that_cannot_be_used_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        discover_motion_law({**_table(), **change})


def test_masked_values_are_not_measured():
    table = _table()
    hidden = np.arange(50) % 5 == 0
    wild = np.where(hidden, 1e6, table["x"])
    options = MotionLawOptions(order="1", degree=1)
    masked = {"t": table["t"], "x": np.ma.masked_array(wild, hidden)}
    missing = {"t": table["t"], "x": np.where(hidden, np.nan, table["x"])}
    laws = [discover_motion_law(each, options=options) for each in (masked, missing)]
    assert laws[0].best == laws[1].best


def test_other_arguments_get_one_sentence():
    with pytest.raises(InputError, match=r"must be a table .* got NoneType"):
        discover_motion_law(None)
    with pytest.raises(InputError, match="variables must be a list of names, got the text 'x'"):
        discover_motion_law(_table(), variables="x")
    with pytest.raises(InputError, match="options must be a MotionLawOptions, got dict"):
        discover_motion_law(_table(), options={"order": "1"})


def test_one_frame_is_refused():
    with pytest.raises(InputError, match="at least 12 measurements"):
        discover_motion_law({"t": [0.0], "x": [1.0]})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (MotionLawOptions(order="1", terms=["x*w"]), "w"),
        (MotionLawOptions(order="1", terms=["x", "x"]), "twice"),
        (MotionLawOptions(order="1", terms=["x", "log(x - 1/2)"]), "a value all along"),
        (MotionLawOptions(angles=["q"]), "angles"),
        (MotionLawOptions(order="1", degree=40), "fewer than twice"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        discover_motion_law(_table(), options=options)


def test_terms_ask_for_an_order():
    with pytest.raises(InputError, match="order must be 1 or 2"):
        MotionLawOptions(terms=["x"])
    with pytest.raises(InputError, match="drives must be known"):
        discover_motion_law({**_table(), "E": np.full(50, np.nan)}, drives=["E"])


def test_stopped_search_says_so():
    laws = discover_motion_law(_table(), options=MotionLawOptions(order="1", stop=lambda: True))
    assert any("stopped" in note for note in laws.notes)
