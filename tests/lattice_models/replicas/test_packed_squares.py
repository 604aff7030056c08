"""Copies of a square lattice with one bit a site: states, sums and the distribution they draw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.replicas.packed_squares import (
    PackedSquares,
    pack_square,
    unpack_square,
)
from physlearn.lattice_models.samplers.multispin import MultispinIsing
from physlearn.lattice_models.samplers.multispin_kernels import count_ones, multispin_sums


def random_picture(shape, seed):
    return np.where(np.random.default_rng(seed).random(shape) < 0.6, 1, -1).astype(np.int8)


def bonds(picture, periodic):
    wide = picture.astype(int)
    if periodic:
        return int((wide * np.roll(wide, 1, 0)).sum() + (wide * np.roll(wide, 1, 1)).sum())
    return int((wide[1:] * wide[:-1]).sum() + (wide[:, 1:] * wide[:, :-1]).sum())


@pytest.mark.parametrize("shape", [(40, 51), (128, 6), (131, 77)])
def test_rim_stays_and_sums_are_those_of_the_states(shape):
    picture = random_picture(shape, 1)
    copies = PackedSquares(picture, 3, np.random.default_rng(2))
    assert copies.magnetization == picture.sum()
    copies.sweep([[0.1, 0.2], [0.0, 0.3], [-0.2, 0.1]], 3)
    drawn = copies.pictures()
    for side in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        np.testing.assert_array_equal(
            drawn[side], np.broadcast_to(picture[side[1:]], drawn[side].shape)
        )
    assert not np.array_equal(drawn[0], drawn[1])
    expected = [(one.sum(), bonds(one, False) - bonds(picture, False)) for one in drawn]
    np.testing.assert_array_equal(copies.statistics(), expected)


def test_periodic_copies_equal_the_multispin_sampler_to_the_bit():
    picture = random_picture((128, 10), 3)
    copies = PackedSquares(picture, 1, np.random.default_rng(4), boundary="periodic")
    lattice = MultispinIsing((128, 10), 0.3, 0.1, start=picture, method="heat_bath", rng=5)
    lattice._lanes[:] = copies._lanes[0]
    copies.sweep([0.1, 0.3], 5)
    lattice.sweep(5)
    (drawn,) = copies.pictures()
    np.testing.assert_array_equal(drawn.ravel(), lattice.states())
    assert copies.statistics()[0, 1] == bonds(drawn, True) - bonds(picture, True)


def test_held_rim_draws_the_exact_distribution():
    picture = random_picture((5, 5), 6)
    field, coupling = 0.15, 0.4
    moments, weights = [], []
    for inner in product((-1, 1), repeat=9):
        states = picture.copy()
        states[1:-1, 1:-1] = np.reshape(inner, (3, 3))
        at = states.sum(), bonds(states, False) - bonds(picture, False)
        moments.append(at)
        weights.append(np.exp(field * at[0] + coupling * at[1]))
    exact = np.average(np.array(moments, float), axis=0, weights=weights)
    copies = PackedSquares(picture, 1500, np.random.default_rng(7))
    copies.sweep([field, coupling], 40)
    drawn = copies.statistics()
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert np.all(np.abs(drawn.mean(axis=0) - exact) < 4 * error)


def test_threads_do_not_change_the_states():
    picture = random_picture((60, 44), 8)
    alone = PackedSquares(picture, 4, np.random.default_rng(9))
    with ThreadPoolExecutor(2) as pool:
        shared = PackedSquares(picture, 4, np.random.default_rng(9), executor=pool)
        shared.sweep([0.0, 0.3], 4)
    alone.sweep([0.0, 0.3], 4)
    np.testing.assert_array_equal(alone.pictures(), shared.pictures())


def test_codes_go_out_and_in():
    copies = PackedSquares(random_picture((20, 30), 10), 3, np.random.default_rng(11))
    copies.sweep([0.0, 0.2], 2)
    codes, sums = copies.codes(), copies.statistics()
    copies.sweep([0.0, 0.2], 2)
    copies.restart(codes)
    np.testing.assert_array_equal(copies.statistics(), sums)
    copies.restart(codes[:, 0])
    np.testing.assert_array_equal(copies.statistics(), np.tile(sums[0], (3, 1)))


def test_kernels_equal_their_plain_form():
    words = np.random.default_rng(12).integers(0, 2**63, 50).astype(np.uint64)
    assert [int(count_ones(word)) for word in words] == [int(w).bit_count() for w in words]
    even, odd = pack_square(random_picture((128, 6), 13), (128, 6))
    with np.errstate(over="ignore"):
        assert multispin_sums(even, odd) == multispin_sums.py_func(even, odd)
    assert np.all(unpack_square(np.stack([even, odd]), (128, 6)) == random_picture((128, 6), 13))


def test_refusals_name_the_argument():
    rng = np.random.default_rng(1)
    for picture, options, said in (
        (np.zeros((40, 40)), {}, "only -1 and"),
        (np.ones((2, 40)), {}, "at least 3 x 3"),
        (np.ones((40, 40)), {"boundary": "periodic"}, "multiple of 128 rows"),
        (np.ones((40, 40)), {"boundary": "open"}, "boundary"),
    ):
        with pytest.raises(InputError, match=said):
            PackedSquares(picture, 2, rng, **options)
    with pytest.raises(InputError, match="finite"):
        PackedSquares(np.ones((40, 40)), 2, rng).sweep([np.nan, 0.1], 1)
