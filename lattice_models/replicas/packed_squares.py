"""Replicas of one large square Ising lattice, 64 sites in a word."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_choice, check_count
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.checkerboard import up_thresholds
from physlearn.lattice_models.samplers.multispin import (
    BITS,
    PERIOD,
    UNITS,
    binary_places,
    unpack_colours,
)
from physlearn.lattice_models.samplers.multispin_kernels import (
    close_rim,
    held_heat_bath_sweeps,
    multispin_heat_bath_sweeps,
    multispin_sums,
)
from physlearn.records.storage import short_repr

__all__ = ["BOUNDARIES", "PackedSquares", "pack_square", "unpack_square"]

Float = NDArray[np.float64]
Int8 = NDArray[np.int8]
UInt64 = NDArray[np.uint64]
BOUNDARIES = ("rim", "periodic")
ALL_ONES = np.uint64(2**64 - 1)


class PackedSquares:
    """Copies of one square Ising picture, each at its own field and coupling, one bit a site.

    p ~ exp(h sum s + J sum over bonds s s'), drawn by heat bath. A copy takes an eighth of a byte
    a site, 32 copies of 16,384 x 16,384 sites 1.1 GB. Statistics are told relative to those of the
    bonds in the picture: (sum s, sum s s' less the picture's).

    Parameters
    ----------
    picture
        States -1 and +1, shape (rows, columns); read in strips of rows, so that a memory map will
        do. All copies start from it.
    n_replicas
        Number of copies, R.
    rng
        For the copies' own generators.
    boundary
        ``rim``: a cut-out of a larger crystal, whose outermost sites stay as they are; any shape
        of at least 3 x 3. ``periodic``: both directions wrap; rows a multiple of 128 and an even
        number of columns.
    executor
        Threads that sweep copies side by side, or None; the states do not depend on it.

    Raises
    ------
    InputError
        For a picture of another shape or with other states, or an unknown boundary.

    Examples
    --------
    >>> copies = PackedSquares(np.ones((40, 50), np.int8), 4, np.random.default_rng(1))
    >>> copies.sweep([0.0, 0.1], 20)
    >>> copies.statistics().shape, bool(np.all(copies.pictures()[:, 0] == 1))
    ((4, 2), True)
    """

    dynamics = "heat_bath"
    n_parameters = 2
    update_seconds = 0.12e-9
    __repr__ = short_repr

    def __init__(
        self,
        picture: ArrayLike,
        n_replicas: int,
        rng: np.random.Generator,
        *,
        boundary: str = "rim",
        executor: Executor | None = None,
    ) -> None:
        check_choice("boundary", boundary, BOUNDARIES)
        given = np.asanyarray(picture)
        self.shape = _checked_shape(given, boundary)
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self.n_sites = self.shape[0] * self.shape[1]
        self.n_drawn = self.n_sites
        self._executor = executor
        self._torus = (-(-self.shape[0] // PERIOD) * PERIOD, -(-self.shape[1] // 2) * 2)
        self._picture = pack_square(given, self._torus)
        self._free: UInt64 | None = None
        if boundary == "rim":
            self._free = _inner_sites(self.shape, self._torus)
            self.n_drawn = (self.shape[0] - 2) * (self.shape[1] - 2)
        # one piece of memory: the copies' pages are touched as they are filled
        self._words = np.empty((self.n_replicas, *self._picture.shape), np.uint64)
        self._words[:] = self._picture
        half = self._torus[1] // 2
        self._lanes = [seed_words(one, (2, half)) for one in rng.spawn(self.n_replicas)]
        n_padding = self._torus[0] * self._torus[1] - self.n_sites
        self._padding = n_padding  # held at +1, as pack_square leaves them
        ones, unlike = multispin_sums(self._picture[0], self._picture[1])
        self.magnetization = int(2 * ones - self._n_torus - n_padding)
        self._unlike = int(unlike)

    @property
    def _n_torus(self) -> int:
        return self._torus[0] * self._torus[1]

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        """Draw every free site ``n_sweeps`` times at (h, J), shape (2,) or (R, 2)."""
        given = np.broadcast_to(np.asarray(natural, np.float64), (self.n_replicas, 2))
        if not np.all(np.isfinite(given)):
            raise InputError("natural must be finite.")
        n = check_count("n_sweeps", n_sweeps, 0)
        tables = [
            binary_places(up_thresholds(coupling, field, "heat_bath", UNITS)[0] / UNITS)
            for field, coupling in given.tolist()
        ]

        def work(number: int) -> None:
            even, odd = self._words[number]
            lanes, free = self._lanes[number], self._free
            if free is None:
                multispin_heat_bath_sweeps(even, odd, tables[number], lanes, n)
            else:
                held_heat_bath_sweeps(even, odd, tables[number], lanes, n, self._picture, free)

        run = map if self._executor is None else self._executor.map
        list(run(work, range(self.n_replicas)))

    def statistics(self) -> Float:
        """Return (sum s, sum of s s' over bonds less that of the picture), shape (R, 2)."""
        out = np.empty((self.n_replicas, 2))
        for number, (even, odd) in enumerate(self._words):
            ones, unlike = multispin_sums(even, odd)
            out[number] = 2 * ones - self._n_torus - self._padding, 2 * (self._unlike - unlike)
        return out

    def codes(self) -> NDArray[np.uint8]:
        """Return 1 where a state is up, one byte a site and copy, shape (n_sites, R)."""
        up = self.pictures().reshape(self.n_replicas, -1).T > 0
        return np.ascontiguousarray(up).astype(np.uint8)

    def restart(self, codes: ArrayLike) -> None:
        """Set the states by codes 0 and 1, shape (n_sites,) for all copies or (n_sites, R)."""
        given = np.asarray(codes, np.int8)
        wide = given[:, None] if given.ndim == 1 else given
        for number in range(self.n_replicas):
            states = 2 * wide[:, min(number, wide.shape[1] - 1)] - 1
            self._words[number] = pack_square(states.reshape(self.shape), self._torus)

    def pictures(self, n: int | None = None) -> Int8:
        """Return the first n copies (all), states -1 and +1, shape (n, rows, columns)."""
        rows, columns = self.shape
        return np.stack(
            [unpack_square(words, self._torus)[:rows, :columns] for words in self._words[:n]]
        )


def pack_square(picture: ArrayLike, torus: tuple[int, int]) -> UInt64:
    """Return both colours' words of a picture that is filled up with +1, see ``multispin_kernels``.

    Parameters
    ----------
    picture
        States -1 and +1, shape (rows, columns).
    torus
        Rows, a multiple of 128, and columns, even, at least those of the picture.

    Raises
    ------
    InputError
        For other states.

    Examples
    --------
    >>> pack_square(np.ones((10, 6), np.int8), (128, 6)).shape
    (2, 4, 5)
    """
    given = np.asanyarray(picture)
    height = torus[0] // BITS
    words = np.zeros((2, height + 2, torus[1] // 2 + 2), np.uint64)
    for bit in range(BITS):
        strip = np.ones((height, torus[1]), bool)
        part = np.asarray(given[bit * height : (bit + 1) * height])
        up = part == 1
        if not np.all(up | (part == -1)):
            wrong = part[~(up | (part == -1))]
            raise InputError(
                f"picture may hold only -1 and +1; got {wrong[0]} among rows {bit * height} to "
                f"{bit * height + len(part) - 1}. If these are labels, convert first: "
                "np.where(labels == up_label, 1, -1)."
            )
        strip[: part.shape[0], : part.shape[1]] = up
        for colour in (0, 1):
            for parity in (0, 1):
                here = strip[parity::2, (parity + colour) % 2 :: 2]
                words[colour, 1 + parity : -1 : 2, 1:-1] |= here.astype(np.uint64) << np.uint64(bit)
    close_rim(words[0])
    close_rim(words[1])
    return words


def unpack_square(words: UInt64, torus: tuple[int, int]) -> Int8:
    """Return states -1 and +1, shape ``torus``, of what ``pack_square`` packed.

    Examples
    --------
    >>> states = np.where(np.arange(128 * 6).reshape(128, 6) % 5 > 1, 1, -1)
    >>> bool(np.array_equal(unpack_square(pack_square(states, (128, 6)), (128, 6)), states))
    True
    """
    return unpack_colours(words[0], words[1], torus)


def _inner_sites(shape: tuple[int, int], torus: tuple[int, int]) -> UInt64:
    """Return words with ones at the sites that are not at the rim of the picture."""
    height = torus[0] // BITS
    free = np.zeros((2, height + 2, torus[1] // 2 + 2), np.uint64)
    column = np.arange(torus[1])
    inside = (column > 0) & (column < shape[1] - 1)
    for bit in range(BITS):
        row = np.arange(bit * height, (bit + 1) * height)
        strip = ((row > 0) & (row < shape[0] - 1))[:, None] & inside
        for colour in (0, 1):
            for parity in (0, 1):
                here = strip[parity::2, (parity + colour) % 2 :: 2]
                free[colour, 1 + parity : -1 : 2, 1:-1] |= here.astype(np.uint64) << np.uint64(bit)
    return free


def _checked_shape(picture: NDArray[np.generic], boundary: str) -> tuple[int, int]:
    """Return rows and columns of a picture that fits its boundary."""
    if picture.ndim != 2 or min(picture.shape) < 3:
        raise InputError(
            f"picture must have shape (rows, columns), at least 3 x 3; got {picture.shape}."
        )
    rows, columns = int(picture.shape[0]), int(picture.shape[1])
    if boundary == "periodic" and (rows % PERIOD or columns % 2):
        raise InputError(
            f"picture must have a multiple of {PERIOD} rows and an even number of columns with "
            f"boundary='periodic'; got {rows} x {columns}. Use boundary='rim'."
        )
    return rows, columns
