"""Two-state square lattices swept colour by colour, one byte a site."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_count
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.checkerboard_kernels import (
    checkerboard_half_sweep,
    checkerboard_sweeps,
)
from physlearn.records.storage import short_repr

if TYPE_CHECKING:
    from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas
    from physlearn.records import SiteGraph

__all__ = [
    "CheckerboardIsing",
    "UniformSquare",
    "make_checkerboard_engine",
    "uniform_square_model",
    "up_probabilities",
]

Float = NDArray[np.float64]
Int8 = NDArray[np.int8]
WORDS = 2.0**32
ROWS_PER_BLOCK = 64
UP_NEIGHBOURS = np.arange(5)


class UniformSquare(NamedTuple):
    """Shape (rows, columns), coupling J and field h of a periodic square Ising lattice."""

    shape: tuple[int, int]
    coupling: float
    field: float


class CheckerboardIsing:
    """A periodic square Ising lattice of even sides, p ~ exp(J sum s s' + h sum s).

    A sweep draws all sites of one colour, then all of the other; 16 to 64 sites at once. Every
    half sweep, and so the sweep, keeps the distribution. Probabilities are whole multiples of
    2 ** -32 from 2 ** -32 to 1 - 2 ** -32, the nearest to the formula, and the same for both states
    when all states and the field are turned over.

    Metropolis here accepts with probability c min(1, exp(-change)), where
    c = 1 - exp(-(8 |J| + 2 |h|)) / 4. With c = 1 every site would flip in every sweep at J = h = 0,
    and almost every one near it: the pattern would only blink. c is 3/4 there, and .993 at the
    critical coupling, where Metropolis forgets three times as fast as heat bath (on 64 x 64, tau
    of abs(M) is 191 sweeps against 648).

    Parameters
    ----------
    shape
        Rows and columns, even, at least 2.
    coupling
        J in kT; each bond counts once (with two rows or columns, each pair has two bonds).
    field
        h in kT.
    start
        States -1 and +1, shape (rows, columns) or (rows * columns,); None draws them at random.
    method
        ``metropolis`` or ``heat_bath``.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For odd or small sides, numbers that are not finite, or a start of another shape or value.

    Examples
    --------
    >>> lattice = CheckerboardIsing((64, 64), 0.3, rng=1)
    >>> lattice.sweep(10)
    >>> lattice.states().shape
    (4096,)
    """

    __repr__ = short_repr

    def __init__(
        self,
        shape: tuple[int, int],
        coupling: float,
        field: float = 0.0,
        *,
        start: ArrayLike | None = None,
        method: str = "metropolis",
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.shape = even_shape(shape)
        rows, columns = self.shape
        generator, _ = as_generator(rng)
        self._thresholds = up_thresholds(coupling, field, method, WORDS).astype(np.uint32)
        up = start_grid(start, self.shape, generator) > 0
        self._even, self._odd = (
            np.zeros((rows, columns // 2 + 2), np.int8),
            np.zeros((rows, columns // 2 + 2), np.int8),
        )
        for colour, array in enumerate((self._even, self._odd)):
            for parity in (0, 1):
                array[parity::2, 1:-1] = up[parity::2, (parity + colour) % 2 :: 2]
            array[:, 0], array[:, -1] = array[:, -2], array[:, 1]
        words = seed_words(generator, (max(1, rows // ROWS_PER_BLOCK), columns // 2))
        halves = words.view(np.uint32).reshape(*words.shape, 2)
        self._lanes = np.ascontiguousarray(halves.transpose(0, 2, 1))

    def sweep(self, n: int, n_threads: int = 1) -> None:
        """Visit every site ``n`` times; the result does not depend on ``n_threads``.

        Threads share the blocks of 64 rows out among them and meet after every half sweep: worth it
        from about 1024 rows on. Several chains on a thread each gain more.
        """
        n = check_count("n", n, 0)
        n_blocks = len(self._lanes)
        n_threads = min(check_count("n_threads", n_threads, 1), n_blocks)
        if n_threads <= 1:
            checkerboard_sweeps(self._even, self._odd, self._thresholds, self._lanes, n)
            return
        bounds = [n_blocks * k // n_threads for k in range(n_threads + 1)]
        meeting = threading.Barrier(n_threads)
        colours = ((0, self._even, self._odd), (1, self._odd, self._even))

        def work(number: int) -> None:
            for _ in range(n):
                for colour, changing, fixed in colours:
                    checkerboard_half_sweep(
                        colour, changing, fixed, self._thresholds, self._lanes,
                        bounds[number], bounds[number + 1],
                    )  # fmt: skip
                    meeting.wait()

        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(work, range(n_threads)))

    def states(self) -> Int8:
        """Return the states -1 and +1, shape (n_sites,), site row * columns + column."""
        grid = np.empty(self.shape, np.int8)
        for colour, array in enumerate((self._even, self._odd)):
            for parity in (0, 1):
                grid[parity::2, (parity + colour) % 2 :: 2] = array[parity::2, 1:-1]
        return (2 * grid - 1).ravel()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of all that ``restore`` needs to go on to the bit."""
        return {"even": self._even.copy(), "odd": self._odd.copy(), "lanes": self._lanes.copy()}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go back to what ``arrays`` returned."""
        for name, array in (("even", self._even), ("odd", self._odd), ("lanes", self._lanes)):
            array[:] = arrays[name]


def make_checkerboard_engine(
    hamiltonian: Ising | LatticeGas,
    graph: SiteGraph,
    start_states: Int8,
    rng: np.random.Generator,
) -> CheckerboardIsing:
    """Return the sampler of a Hamiltonian with one coupling and one field on a square lattice.

    A lattice gas is sampled as its ``to_ising(graph)``: states -1 (empty) and +1.

    Raises
    ------
    InputError
        For anything but a periodic square lattice of even sides, one coupling and one field.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> start = np.ones(64, np.int8)
    >>> graph, rng = square_lattice((8, 8)), np.random.default_rng(1)
    >>> make_checkerboard_engine(Ising([0.2]), graph, start, rng).shape
    (8, 8)
    """
    model = uniform_square_model("checkerboard", hamiltonian, graph)
    return CheckerboardIsing(model.shape, model.coupling, model.field, start=start_states, rng=rng)


def up_probabilities(coupling: float, field: float, method: str) -> Float:
    """Return the probability of +1 by state now (down, up) and number of up neighbours, (2, 5).

    Examples
    --------
    >>> up_probabilities(0.0, 0.0, "metropolis")[:, 0].tolist()
    [0.75, 0.25]
    """
    check_choice("method", method, ("metropolis", "heat_bath"))
    strength = float(check_array("coupling", coupling, shape=()))
    bias = float(check_array("field", field, shape=()))
    around = strength * (2 * UP_NEIGHBOURS - 4) + bias
    if method == "heat_bath":
        chance = np.exp(-np.logaddexp(0.0, -2.0 * around))
        return np.stack([chance, chance])
    lazy = 1.0 - 0.25 * np.exp(-(8.0 * abs(strength) + 2.0 * abs(bias)))
    rise = lazy * np.exp(np.minimum(0.0, 2.0 * around))
    fall = lazy * np.exp(np.minimum(0.0, -2.0 * around))
    return np.stack([rise, 1.0 - fall])


def up_thresholds(coupling: float, field: float, method: str, words: float) -> Float:
    """Return how many of ``words`` random words make a site +1: whole, from 1 to words - 1.

    The rarer state's probability is rounded and the other one has the rest, so that turning all
    states and the field over turns every threshold t into words - t, exactly. A certain state
    would need a threshold of ``words``, which does not fit into a word: neither state is certain.

    Examples
    --------
    >>> up_thresholds(3.0, 0.0, "metropolis", 2.0**32)[:, [0, 4]].tolist()
    [[1.0, 4294967295.0], [1.0, 4294967295.0]]
    """
    up = up_probabilities(coupling, field, method)
    down = up_probabilities(coupling, -field, method)[::-1, ::-1]
    rarer = np.clip(np.round(words * np.minimum(up, down)), 1.0, words - 1.0)
    return np.where(up <= down, rarer, words - rarer)


def even_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape if both sides are even."""
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=2)
    if np.any(sizes % 2):
        raise InputError(
            f"shape must have even sides, or neighbours would share a colour; got "
            f"{tuple(sizes.tolist())}. Use method='heat_bath' or 'metropolis'."
        )
    return int(sizes[0]), int(sizes[1])


def start_grid(start: ArrayLike | None, shape: tuple[int, int], rng: np.random.Generator) -> Int8:
    """Return the start as a grid of -1 and +1."""
    if start is None:
        return 2 * rng.integers(0, 2, shape, dtype=np.int8) - np.int8(1)
    values = np.asarray(start)
    if values.shape not in (shape, (shape[0] * shape[1],)):
        raise InputError(
            f"start must have shape {shape} or ({shape[0] * shape[1]},); got {values.shape}."
        )
    wrong = np.flatnonzero((values != 1) & (values != -1))
    if wrong.size:
        raise InputError(
            f"start may hold only -1 and +1; site {wrong[0]} holds {values.ravel()[wrong[0]]}."
        )
    return values.astype(np.int8).reshape(shape)


def uniform_square_model(
    method: str, hamiltonian: Ising | LatticeGas, graph: SiteGraph
) -> UniformSquare:
    """Return shape, coupling and field, or say why a fast method does not fit.

    Raises
    ------
    InputError
        For another graph than ``square_lattice`` with periodic sides, several couplings, random
        bonds or fields, triplets, or states that are not two.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> uniform_square_model("checkerboard", Ising([0.2], 0.1), square_lattice((4, 6)))
    UniformSquare(shape=(4, 6), coupling=0.2, field=0.1)
    """
    from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas

    ising = hamiltonian.to_ising(graph) if isinstance(hamiltonian, LatticeGas) else hamiltonian
    if not isinstance(ising, Ising):
        raise InputError(
            f"method {method!r} needs two states with pair couplings (Ising, LatticeGas); got "
            f"{type(hamiltonian).__name__}. Use method='auto'."
        )
    if dict(ising.triplets):
        raise InputError(f"method {method!r} knows no triplets. Use method='auto'.")
    strength = ising.bond_couplings(graph) / graph.multiplicity
    nearest = graph.shell == 0
    field = ising.site_field(graph)
    same = np.ptp(strength[nearest]) if nearest.any() else np.inf
    if same > 1e-12 or np.any(strength[~nearest]) or np.ptp(field) > 1e-12:
        raise InputError(
            f"method {method!r} needs one coupling, of nearest neighbours, and one field; got "
            "several. Use method='auto'."
        )
    shape = _square_shape(graph, nearest)
    if shape is None:
        raise InputError(
            f"method {method!r} needs the periodic graph of square_lattice((rows, columns)); got "
            "another graph. Use method='auto'."
        )
    return UniformSquare(shape, float(strength[nearest][0]), float(field[0]))


def _square_shape(graph: SiteGraph, nearest: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the shape of a periodic square lattice with its sites in order, or None."""
    ends = np.sort(graph.edges[nearest], axis=1)
    times = graph.multiplicity[nearest]
    n = graph.n_sites
    for columns in np.unique(ends[ends[:, 0] == 0, 1]):
        fits = columns > 1 and n % columns == 0 and n // columns > 1
        if fits and _is_square(ends, times, n, int(columns)):
            return n // int(columns), int(columns)
    return None


def _is_square(ends: NDArray[np.int64], times: NDArray[np.int64], n: int, columns: int) -> bool:
    """Say whether each site has one bond to the right and one to the next row, and no others."""
    first, last = ends[:, 0], ends[:, 1]
    step, column = last - first, first % columns
    right = (step == 1) & (column < columns - 1)
    around = (step == columns - 1) & (column == 0) & ~right
    down = (step == columns) & ~right & ~around
    wrapped = (step == n - columns) & (first < columns) & ~right & ~around & ~down
    if not np.all(right | around | down | wrapped):
        return False
    slot = np.where(right, first, np.where(around, last, n + np.where(down, first, last)))
    expected = np.ones(2 * n)
    if columns == 2:  # both bonds of a pair are one edge of multiplicity 2
        expected[0:n:2], expected[1:n:2] = 2, 0
    if n == 2 * columns:
        expected[n : n + columns], expected[n + columns :] = 2, 0
    return bool(np.array_equal(np.bincount(slot, weights=times, minlength=2 * n), expected))
