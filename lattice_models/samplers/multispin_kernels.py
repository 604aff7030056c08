"""Compiled sweeps of a periodic square Ising lattice with 64 sites in a word of 64 bits.

Bit b of word (i, c) of a colour is the site in lattice row b H + i, H = rows / 64 (even), and
column 2 c + (i + colour) % 2. A colour is uint64, shape (H + 2, columns / 2 + 2): a rim repeats the
other side, its first and last rows turned by one bit. So the four neighbours of 64 sites are four
words, and logic on words counts them (Jacobs & Rebbi 1981, doi:10.1016/0021-9991(81)90089-9).

A word whose bits are one with probability p: 16 random words r, one for each of the first 16
binary places of p from the last to the first, turn m into "m or r" where the place is 1 and "m and
r" where it is 0. What p has beyond those places, p' = (2 ** 16 p) mod 1 to 32 further places, sets
the first m: all ones with probability p', else all zeros, for the 64 bits together. So every bit is
one with probability p rounded to 2 ** -48, exactly, and two bits of a word have covariance
4 ** -16 p' (1 - p') < 6e-11; bits of different words share nothing. All thresholds of a site are
cut from the same random words.

Random numbers: one xoroshiro128+ lane a column of words, uint64, shape (2, columns / 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

UInt64 = NDArray[np.uint64]

ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B, HALF_WORD = np.uint64(40), np.uint64(27), np.uint64(32)
ZERO, ONE, LAST = np.uint64(0), np.uint64(1), np.uint64(63)
N_PLACES = 16
PAIRS, NIBBLES = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
BYTES, EACH_BYTE = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
TWO, FOUR, TOP_BYTE = np.uint64(2), np.uint64(4), np.uint64(56)


@kernel
def next_lane(first: Any, second: Any) -> Any:
    """Return the next word of a lane and the lane's new state."""
    word = first + second
    second ^= first
    turned = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    return word, turned, (second << ROTATE_B) | (second >> BACK_B)


@kernel
def two_places(lane: Any, place: Any) -> Any:
    """Add one binary place to two chances; ``lane`` is (first, second, chances...)."""
    word, first, second = next_lane(lane[0], lane[1])
    return (
        first,
        second,
        (lane[2] & word) | (place[0] & (lane[2] | word)),
        (lane[3] & word) | (place[1] & (lane[3] | word)),
    )


@kernel
def next_four(first: Any, second: Any) -> Any:
    """Return the next four words of a lane and the lane's new state."""
    one, first, second = next_lane(first, second)
    two, first, second = next_lane(first, second)
    three, first, second = next_lane(first, second)
    four, first, second = next_lane(first, second)
    return one, two, three, four, first, second


@kernel
def add_place(chances: Any, word: Any, place: Any) -> Any:
    """Add one binary place to five chances (with larger helpers the loop is not vectorised)."""
    return (
        (chances[0] & word) | (place[0] & (chances[0] | word)),
        (chances[1] & word) | (place[1] & (chances[1] | word)),
        (chances[2] & word) | (place[2] & (chances[2] | word)),
        (chances[3] & word) | (place[3] & (chances[3] | word)),
        (chances[4] & word) | (place[4] & (chances[4] | word)),
    )


@kernel
def two_by_place(table: UInt64) -> Any:
    """Return a table as numbers, row by row, which the loop over words keeps outside."""
    return (
        (table[0, 0], table[0, 1]),
        (table[1, 0], table[1, 1]),
        (table[2, 0], table[2, 1]),
        (table[3, 0], table[3, 1]),
        (table[4, 0], table[4, 1]),
        (table[5, 0], table[5, 1]),
        (table[6, 0], table[6, 1]),
        (table[7, 0], table[7, 1]),
        (table[8, 0], table[8, 1]),
        (table[9, 0], table[9, 1]),
        (table[10, 0], table[10, 1]),
        (table[11, 0], table[11, 1]),
        (table[12, 0], table[12, 1]),
        (table[13, 0], table[13, 1]),
        (table[14, 0], table[14, 1]),
        (table[15, 0], table[15, 1]),
        (table[16, 0], table[16, 1]),
    )


@kernel
def five_by_place(table: UInt64) -> Any:
    """Return a table as numbers, row by row, which the loop over words keeps outside.

    One call for the whole table, and few helpers in the loop: with about thirty calls numba inlines
    them too late to vectorise the loop, which is then eight times slower.
    """
    return (
        (table[0, 0], table[0, 1], table[0, 2], table[0, 3], table[0, 4]),
        (table[1, 0], table[1, 1], table[1, 2], table[1, 3], table[1, 4]),
        (table[2, 0], table[2, 1], table[2, 2], table[2, 3], table[2, 4]),
        (table[3, 0], table[3, 1], table[3, 2], table[3, 3], table[3, 4]),
        (table[4, 0], table[4, 1], table[4, 2], table[4, 3], table[4, 4]),
        (table[5, 0], table[5, 1], table[5, 2], table[5, 3], table[5, 4]),
        (table[6, 0], table[6, 1], table[6, 2], table[6, 3], table[6, 4]),
        (table[7, 0], table[7, 1], table[7, 2], table[7, 3], table[7, 4]),
        (table[8, 0], table[8, 1], table[8, 2], table[8, 3], table[8, 4]),
        (table[9, 0], table[9, 1], table[9, 2], table[9, 3], table[9, 4]),
        (table[10, 0], table[10, 1], table[10, 2], table[10, 3], table[10, 4]),
        (table[11, 0], table[11, 1], table[11, 2], table[11, 3], table[11, 4]),
        (table[12, 0], table[12, 1], table[12, 2], table[12, 3], table[12, 4]),
        (table[13, 0], table[13, 1], table[13, 2], table[13, 3], table[13, 4]),
        (table[14, 0], table[14, 1], table[14, 2], table[14, 3], table[14, 4]),
        (table[15, 0], table[15, 1], table[15, 2], table[15, 3], table[15, 4]),
        (table[16, 0], table[16, 1], table[16, 2], table[16, 3], table[16, 4]),
    )


@kernel
def close_rim(words: UInt64) -> None:
    """Repeat the other side in the rim; the rows beyond the last are the first ones, one bit on."""
    last = words.shape[0] - 2
    n = words.shape[1] - 2
    for c in range(1, n + 1):
        below = words[last, c]
        words[0, c] = (below << ONE) | (below >> LAST)
        above = words[1, c]
        words[last + 1, c] = (above >> ONE) | (above << LAST)
    for i in range(1, last + 1):
        words[i, 0] = words[i, n]
        words[i, n + 1] = words[i, 1]


@kernel
def metropolis_row(
    changing: UInt64, fixed: UInt64, i: int, shift: int, table: UInt64, lanes: UInt64
) -> None:
    """Flip sites of one colour: at once with 2 or more unlike neighbours, else by chance.

    ``table`` (17, 2): 16 binary places, all ones or zeros, last place first, and the rest in 2 **
    -32, of the chances with one unlike neighbour and with none.
    """
    n = changing.shape[1] - 2
    first = lanes[0]
    second = lanes[1]
    places = two_by_place(table)
    rest = places[N_PLACES]
    above = fixed[i - 1, 1 : n + 1]
    below = fixed[i + 1, 1 : n + 1]
    beside = fixed[i, 1 : n + 1]
    further = fixed[i, shift : n + shift]
    here = changing[i, 1 : n + 1]
    for c in range(n):
        word, a, b = next_lane(first[c], second[c])
        word >>= HALF_WORD
        lane = (a, b, ZERO - ((word - rest[0]) >> LAST), ZERO - ((word - rest[1]) >> LAST))
        lane = two_places(two_places(lane, places[0]), places[1])
        lane = two_places(two_places(lane, places[2]), places[3])
        lane = two_places(two_places(lane, places[4]), places[5])
        lane = two_places(two_places(lane, places[6]), places[7])
        lane = two_places(two_places(lane, places[8]), places[9])
        lane = two_places(two_places(lane, places[10]), places[11])
        lane = two_places(two_places(lane, places[12]), places[13])
        lane = two_places(two_places(lane, places[14]), places[15])
        first[c] = lane[0]
        second[c] = lane[1]
        site = here[c]
        a, b = above[c] ^ site, below[c] ^ site
        d, e = beside[c] ^ site, further[c] ^ site
        some, others = a | b, d | e
        several = (a & b) | (d & e) | (some & others)
        here[c] = site ^ (several | ((some | others) & lane[2]) | lane[3])


@kernel
def heat_bath_row(
    changing: UInt64, fixed: UInt64, i: int, shift: int, table: UInt64, lanes: UInt64
) -> None:
    """Draw the sites of one colour; ``table`` (17, 5): chances of up by neighbours that are up."""
    n = changing.shape[1] - 2
    first = lanes[0]
    second = lanes[1]
    places = five_by_place(table)
    rest = places[N_PLACES]
    above = fixed[i - 1, 1 : n + 1]
    below = fixed[i + 1, 1 : n + 1]
    beside = fixed[i, 1 : n + 1]
    further = fixed[i, shift : n + shift]
    here = changing[i, 1 : n + 1]
    for c in range(n):
        word, a, b = next_lane(first[c], second[c])
        word >>= HALF_WORD
        chances = (
            ZERO - ((word - rest[0]) >> LAST), ZERO - ((word - rest[1]) >> LAST),
            ZERO - ((word - rest[2]) >> LAST), ZERO - ((word - rest[3]) >> LAST),
            ZERO - ((word - rest[4]) >> LAST),
        )  # fmt: skip
        word, other, third, last, a, b = next_four(a, b)
        chances = add_place(add_place(chances, word, places[0]), other, places[1])
        chances = add_place(add_place(chances, third, places[2]), last, places[3])
        word, other, third, last, a, b = next_four(a, b)
        chances = add_place(add_place(chances, word, places[4]), other, places[5])
        chances = add_place(add_place(chances, third, places[6]), last, places[7])
        word, other, third, last, a, b = next_four(a, b)
        chances = add_place(add_place(chances, word, places[8]), other, places[9])
        chances = add_place(add_place(chances, third, places[10]), last, places[11])
        word, other, third, last, a, b = next_four(a, b)
        chances = add_place(add_place(chances, word, places[12]), other, places[13])
        chances = add_place(add_place(chances, third, places[14]), last, places[15])
        first[c], second[c] = a, b
        one, two = above[c] ^ below[c], above[c] & below[c]
        other_one, other_two = beside[c] ^ further[c], beside[c] & further[c]
        none, other_none = ~(one | two), ~(other_one | other_two)
        here[c] = (
            (none & other_none & chances[0])
            | (((one & other_none) | (none & other_one)) & chances[1])
            | (((two & other_none) | (none & other_two) | (one & other_one)) & chances[2])
            | (((two & other_one) | (one & other_two)) & chances[3])
            | (two & other_two & chances[4])
        )


@kernel
def multispin_metropolis_sweeps(
    even: UInt64, odd: UInt64, table: UInt64, lanes: UInt64, n_sweeps: int
) -> None:
    """Visit every even site, then every odd one, ``n_sweeps`` times."""
    for half in range(2 * n_sweeps):
        colour = half % 2
        changing = odd if colour else even
        fixed = even if colour else odd
        for i in range(1, even.shape[0] - 1):
            metropolis_row(changing, fixed, i, 2 * ((i - 1 + colour) % 2), table, lanes)
        close_rim(changing)


@kernel
def multispin_heat_bath_sweeps(
    even: UInt64, odd: UInt64, table: UInt64, lanes: UInt64, n_sweeps: int
) -> None:
    """Visit every even site, then every odd one, ``n_sweeps`` times."""
    for half in range(2 * n_sweeps):
        colour = half % 2
        changing = odd if colour else even
        fixed = even if colour else odd
        for i in range(1, even.shape[0] - 1):
            heat_bath_row(changing, fixed, i, 2 * ((i - 1 + colour) % 2), table, lanes)
        close_rim(changing)


@kernel
def held_heat_bath_sweeps(
    even: UInt64,
    odd: UInt64,
    table: UInt64,
    lanes: UInt64,
    n_sweeps: int,
    held: UInt64,
    free: UInt64,
) -> None:
    """Draw every even site, then every odd one; those that are not free stay as ``held`` says.

    ``held`` and ``free`` (ones where a site is drawn): both colours, shape (2, H + 2,
    columns / 2 + 2). All sites use up the same random words as without any held.
    """
    n = even.shape[1] - 2
    for half in range(2 * n_sweeps):
        colour = half % 2
        changing = odd if colour else even
        fixed = even if colour else odd
        for i in range(1, even.shape[0] - 1):
            heat_bath_row(changing, fixed, i, 2 * ((i - 1 + colour) % 2), table, lanes)
            here = changing[i, 1 : n + 1]
            keep = held[colour, i, 1 : n + 1]
            drawn = free[colour, i, 1 : n + 1]
            for c in range(n):
                here[c] = keep[c] ^ ((keep[c] ^ here[c]) & drawn[c])
        close_rim(changing)


@kernel
def count_ones(word: Any) -> Any:
    """Return how many bits of a word are one, by sums of ever wider fields."""
    word = word - ((word >> ONE) & PAIRS)
    word = (word & NIBBLES) + ((word >> TWO) & NIBBLES)
    word = (word + (word >> FOUR)) & BYTES
    return (word * EACH_BYTE) >> TOP_BYTE


@kernel
def multispin_sums(even: UInt64, odd: UInt64) -> Any:
    """Return how many sites are one, and how many bonds join unlike sites."""
    n = even.shape[1] - 2
    ones = ZERO
    unlike = ZERO
    for i in range(1, even.shape[0] - 1):
        shift = 2 * ((i - 1) % 2)
        above = odd[i - 1, 1 : n + 1]
        below = odd[i + 1, 1 : n + 1]
        beside = odd[i, 1 : n + 1]
        further = odd[i, shift : n + shift]
        here = even[i, 1 : n + 1]
        for c in range(n):
            site = here[c]
            ones += count_ones(site) + count_ones(beside[c])
            unlike += count_ones(site ^ above[c]) + count_ones(site ^ below[c])
            unlike += count_ones(site ^ beside[c]) + count_ones(site ^ further[c])
    return np.int64(ones), np.int64(unlike)
