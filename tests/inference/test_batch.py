"""One estimator on many data sets."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.batch import fit_batch
from physlearn.results import fit_from_draws


def mean_of(data, rng):
    """A small estimator: Gaussian mean with known noise."""
    if len(data) < 2:
        raise NotIdentified("data must hold two numbers.")
    draws = np.random.default_rng(rng).normal(np.mean(data), 1 / np.sqrt(len(data)), (500,))
    return fit_from_draws(
        {"level": draws}, model="m", likelihood="l", approximation="a", seed=rng, data=[data]
    )


DATA = [np.full(4, float(k)) for k in range(6)]


def test_workers_do_not_change_the_answer():
    alone = fit_batch(mean_of, DATA, rng=3)
    with ThreadPoolExecutor(3) as executor:
        together = fit_batch(mean_of, DATA, executor=executor, rng=3)
    np.testing.assert_array_equal(alone.table["mean"], together.table["mean"])
    assert np.abs(alone.table["mean"] - np.arange(6)).max() < 0.15
    assert alone.table["mean"].nunique() == 6


def test_equal_data_sets_get_random_numbers_of_their_own():
    same = fit_batch(mean_of, [DATA[0]] * 6, rng=3)
    assert same.table["mean"].nunique() == 6


def test_refusals_stay_beside_their_data():
    data = [DATA[0], np.ones(1), DATA[2]]
    found = fit_batch(mean_of, data, rng=1)
    assert found.refusals == {1: "data must hold two numbers."}
    assert found.fits[1] is None
    assert found.table["data"].tolist() == [0, 2]
    only = fit_batch(mean_of, [np.ones(1)], rng=1)
    assert len(only.table) == 0


def test_errors_that_are_no_refusals_are_raised():
    def broken(data, rng):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit_batch(broken, DATA, rng=1)
    with ThreadPoolExecutor(2) as executor, pytest.raises(ZeroDivisionError):
        fit_batch(broken, DATA, executor=executor, rng=1)


def test_progress_counts_and_an_empty_batch_is_refused():
    seen = []
    fit_batch(mean_of, DATA, rng=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 6) for k in range(1, 7)]
    with pytest.raises(InputError, match="at least one"):
        fit_batch(mean_of, [], rng=1)
