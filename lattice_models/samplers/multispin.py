"""Two-state square lattices with 64 sites in a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.checkerboard import (
    even_shape,
    start_grid,
    uniform_square_model,
    up_thresholds,
)
from physlearn.lattice_models.samplers.multispin_kernels import (
    N_PLACES,
    close_rim,
    multispin_heat_bath_sweeps,
    multispin_metropolis_sweeps,
)
from physlearn.records.storage import short_repr

if TYPE_CHECKING:
    from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas
    from physlearn.records import SiteGraph

__all__ = ["MultispinIsing", "binary_places", "make_multispin_engine", "unpack_colours"]

UInt64 = NDArray[np.uint64]
BITS = 64
PERIOD = 128
UNITS = 2.0**48
ALL_ONES = np.uint64(2**64 - 1)
LEAST_COUPLING = 0.2


class MultispinIsing:
    """A periodic square Ising lattice in words of 64 sites, p ~ exp(J sum s s' + h sum s).

    The fastest sampler here, for one coupling of either sign and one field. A sweep visits all
    sites of one colour, then all of the other. A site's probability is the formula's rounded to
    2 ** -48 (and by heat bath from 2 ** -48 to 1 - 2 ** -48), exactly, and the same for both states
    when all states and the field are turned over; two sites of one word, in the same column and at
    least rows / 64 apart, decide with a covariance below 6e-11; all others are independent.

    Parameters
    ----------
    shape
        Rows and columns, both even, one of them a multiple of 128.
    coupling
        J in kT; each bond counts once (with two columns, each pair has two bonds).
    field
        h in kT.
    start
        States -1 and +1, shape (rows, columns) or (rows * columns,); None draws them at random.
    method
        ``heat_bath``, ``metropolis`` (without a field and for abs(J) >= 0.2 only: at J = 0 it would
        flip every site in every sweep) or ``auto``: Metropolis where it is allowed, as it forgets
        three times as fast at the critical coupling and takes three quarters of the time.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For other shapes, numbers that are not finite, a start of another shape or value, or
        ``metropolis`` with a field or a small coupling.

    Notes
    -----
    Jacobs & Rebbi 1981, doi:10.1016/0021-9991(81)90089-9; how random bits become chances:
    ``multispin_kernels``. J < 0 without a field is J > 0 with every odd site turned over.

    Examples
    --------
    >>> lattice = MultispinIsing((128, 128), 0.44, rng=1)
    >>> lattice.sweep(10)
    >>> lattice.method, lattice.states().shape
    ('metropolis', (16384,))
    """

    __repr__ = short_repr

    def __init__(
        self,
        shape: tuple[int, int],
        coupling: float,
        field: float = 0.0,
        *,
        start: ArrayLike | None = None,
        method: str = "auto",
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.shape = even_shape(shape)
        if self.shape[0] % PERIOD and self.shape[1] % PERIOD:
            raise InputError(
                f"shape must have a side that is a multiple of {PERIOD}, for words of {BITS} "
                f"sites; got {self.shape}. Use method='checkerboard'."
            )
        generator, _ = as_generator(rng)
        chances = up_thresholds(coupling, field, "heat_bath", UNITS)[0] / UNITS
        self.method = _choose_method(method, coupling, field)
        self._upright = self.shape[0] % PERIOD == 0
        self._odd_up = 1
        if self.method == "metropolis":
            self._odd_up = 1 if coupling > 0 else -1
            chances = np.exp(-np.abs(coupling) * np.array([4.0, 8.0]))
        self._table = binary_places(chances)
        self._even, self._odd = self._pack(start_grid(start, self.shape, generator))
        self._lanes = seed_words(generator, (2, self._even.shape[1] - 2))

    def _pack(self, grid: NDArray[np.int8]) -> tuple[UInt64, UInt64]:
        """Return the words of both colours."""
        upright = grid if self._upright else grid.T
        rows, columns = upright.shape
        layers = upright.reshape(BITS, rows // BITS, columns)
        colours = []
        for colour, up in ((0, 1), (1, self._odd_up)):
            words = np.zeros((rows // BITS + 2, columns // 2 + 2), np.uint64)
            for parity in (0, 1):
                here = layers[:, parity::2, (parity + colour) % 2 :: 2] == up
                bits = np.packbits(
                    np.ascontiguousarray(here.transpose(1, 2, 0)), axis=-1, bitorder="little"
                )
                words[1 + parity : -1 : 2, 1:-1] = bits.view("<u8")[..., 0]
            close_rim(words)
            colours.append(words)
        return colours[0], colours[1]

    def sweep(self, n: int) -> None:
        """Visit every site ``n`` times, a whole number of at least 0."""
        n = check_count("n", n, 0)
        sweeps = (
            multispin_metropolis_sweeps
            if self.method == "metropolis"
            else multispin_heat_bath_sweeps
        )
        sweeps(self._even, self._odd, self._table, self._lanes, n)

    def states(self) -> NDArray[np.int8]:
        """Return the states -1 and +1, shape (n_sites,), site row * columns + column."""
        torus = self.shape if self._upright else self.shape[::-1]
        # odd sites that stand turned over are turned back
        odd = self._odd if self._odd_up == 1 else ~self._odd
        grid = unpack_colours(self._even, odd, torus)
        return np.ascontiguousarray(grid if self._upright else grid.T).ravel()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of all that ``restore`` needs to go on to the bit."""
        return {"even": self._even.copy(), "odd": self._odd.copy(), "lanes": self._lanes.copy()}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go back to what ``arrays`` returned."""
        for name, array in (("even", self._even), ("odd", self._odd), ("lanes", self._lanes)):
            array[:] = arrays[name]


def unpack_colours(even: UInt64, odd: UInt64, torus: tuple[int, int]) -> NDArray[np.int8]:
    """Return states -1 and +1, shape ``torus``, of both colours' words with their rims."""
    height = torus[0] // BITS
    out = np.empty(torus, np.int8)
    for bit in range(BITS):
        strip = out[bit * height : (bit + 1) * height]
        for colour, words in enumerate((even, odd)):
            for parity in (0, 1):
                here = words[1 + parity : -1 : 2, 1:-1] >> np.uint64(bit)
                strip[parity::2, (parity + colour) % 2 :: 2] = (here & np.uint64(1)).astype(np.int8)
    out *= 2
    out -= 1
    return out


def make_multispin_engine(
    hamiltonian: Ising | LatticeGas,
    graph: SiteGraph,
    start_states: NDArray[np.int8],
    rng: np.random.Generator,
) -> MultispinIsing:
    """Return the sampler of a Hamiltonian with one coupling and one field on a square lattice.

    A lattice gas is sampled as its ``to_ising(graph)``: states -1 (empty) and +1.

    Raises
    ------
    InputError
        For anything but a periodic square lattice with even sides of which one is a multiple of
        128, one coupling and one field.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> graph, rng = square_lattice((128, 4)), np.random.default_rng(1)
    >>> make_multispin_engine(Ising([0.2]), graph, np.ones(512, np.int8), rng).method
    'metropolis'
    """
    model = uniform_square_model("multispin", hamiltonian, graph)
    return MultispinIsing(model.shape, model.coupling, model.field, start=start_states, rng=rng)


def binary_places(chances: ArrayLike) -> UInt64:
    """Return the table that kernels read probabilities from, shape (17, n).

    Rows 0 to 15: the 16th to the first binary place, as all ones or zeros; row 16: what is beyond,
    in units of 2 ** -48.

    Examples
    --------
    >>> int(binary_places([0.5])[15, 0] == 2**64 - 1), int(binary_places([0.5])[:15].sum())
    (1, 0)
    """
    units = np.minimum(np.round(np.asarray(chances) * UNITS), UNITS - 1).astype(np.uint64)
    high = units >> np.uint64(32)
    table = np.empty((N_PLACES + 1, len(units)), np.uint64)
    for place in range(N_PLACES):
        table[place] = np.where((high >> np.uint64(place)) & np.uint64(1), ALL_ONES, np.uint64(0))
    table[N_PLACES] = units & np.uint64(2**32 - 1)
    return table


def _choose_method(method: str, coupling: float, field: float) -> str:
    check_choice("method", method, ("auto", "metropolis", "heat_bath"))
    allowed = field == 0.0 and abs(coupling) >= LEAST_COUPLING
    if method == "metropolis" and not allowed:
        raise InputError(
            f"method 'metropolis' of the multi-spin sampler needs field 0 and abs(coupling) >= "
            f"{LEAST_COUPLING}; got {coupling:g} and field {field:g}. Use 'heat_bath'."
        )
    if method == "auto":
        return "metropolis" if allowed else "heat_bath"
    return method
