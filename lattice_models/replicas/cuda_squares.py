"""Copies of one large square Ising lattice on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_choice, check_count
from physlearn.lattice_models.cuda_device import require_cuda
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.replicas.packed_squares import BOUNDARIES
from physlearn.lattice_models.samplers.checkerboard import up_thresholds
from physlearn.records.storage import short_repr

__all__ = ["CudaSquares"]

WORDS = 2.0**32
THREADS = (64, 2, 1)


class CudaSquares:
    """Copies of one square Ising picture on a GPU, as ``PackedSquares`` on the CPU.

    p ~ exp(h sum s + J sum over bonds s s'), drawn by heat bath, each copy at its own h and J, one
    byte a site and copy on the device. States depend on the seed alone. With a held rim the sums
    count the bonds that wrap too: they join sites that never change.

    Parameters
    ----------
    picture
        States -1 and +1, shape (rows, columns), with ``periodic`` boundary of even sides.
    n_replicas
        Number of copies, R.
    rng
        For the copies' seeds.
    boundary
        ``rim`` or ``periodic``.

    Raises
    ------
    BackendUnavailable
        Without a GPU.
    InputError
        For other states or shapes.

    Examples
    --------
    >>> from physlearn.checks import BackendUnavailable
    >>> try:
    ...     shape = CudaSquares(np.ones((4, 4)), 2, np.random.default_rng(1)).statistics().shape
    ... except BackendUnavailable:
    ...     shape = (2, 2)
    >>> shape
    (2, 2)
    """

    dynamics = "heat_bath"
    n_parameters = 2
    update_seconds = 0.12e-9
    __repr__ = short_repr

    def __init__(
        self, picture: ArrayLike, n_replicas: int, rng: np.random.Generator, *,
        boundary: str = "rim",
    ) -> None:  # fmt: skip
        check_choice("boundary", boundary, BOUNDARIES)
        self._cuda = require_cuda()
        given = np.asarray(picture)
        even = boundary == "rim" or not any(size % 2 for size in given.shape)
        if given.ndim != 2 or min(given.shape) < 3 or not even:
            raise InputError(
                "picture must have shape (rows, columns), at least 3 x 3 and with even sides where "
                f"it is periodic; got {given.shape}."
            )
        if not np.all((given == 1) | (given == -1)):
            raise InputError("picture may hold only -1 and +1.")
        self.shape = (int(given.shape[0]), int(given.shape[1]))
        self.n_sites = int(given.size)
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self._first = int(boundary == "rim")
        self.magnetization = int(given.sum(dtype=np.int64))
        self._seeds = self._cuda.to_device(seed_words(rng, (self.n_replicas,)))
        self._states = self._cuda.to_device(
            np.repeat(given.astype(np.int8)[None], self.n_replicas, axis=0)
        )
        self._n_done = 0
        self._bonds = 0.0
        self._bonds = float(self.statistics()[0, 1])

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        """Draw every free site ``n_sweeps`` times at (h, J), shape (2,) or (R, 2)."""
        from physlearn.lattice_models.replicas.cuda_square_kernels import half_sweep

        given = np.broadcast_to(np.asarray(natural, np.float64), (self.n_replicas, 2))
        if not np.all(np.isfinite(given)):
            raise InputError("natural must be finite.")
        table = np.array(
            [up_thresholds(coupling, field, "heat_bath", WORDS)[0] for field, coupling in given]
        )
        thresholds = self._cuda.to_device(table.astype(np.uint64))
        blocks = self._blocks((self.shape[1] + 1) // 2, self.shape[0])
        for _ in range(check_count("n_sweeps", n_sweeps, 0)):
            for colour in (0, 1):
                half_sweep[blocks, THREADS](
                    self._states, thresholds, self._seeds, colour, self._first, self._n_done
                )
                self._n_done += 1

    def statistics(self) -> NDArray[np.float64]:
        """Return (sum s, sum of s s' over bonds less that of the picture), shape (R, 2)."""
        from physlearn.lattice_models.replicas.cuda_square_kernels import sums_of_rows

        rows = self._cuda.device_array((self.n_replicas, self.shape[0], 2), np.int64)
        sums_of_rows[(-(-self.shape[0] // 64), self.n_replicas), (64, 1)](self._states, rows)
        out = rows.copy_to_host().sum(axis=1).astype(np.float64)
        out[:, 1] -= self._bonds
        return np.asarray(out)

    def pictures(self, n: int | None = None) -> NDArray[np.int8]:
        """Return the first n copies (all), states -1 and +1, shape (n, rows, columns)."""
        return np.asarray(self._states.copy_to_host()[:n])

    def codes(self) -> NDArray[np.uint8]:
        """Return 1 where a state is up, shape (n_sites, R)."""
        up = self.pictures().reshape(self.n_replicas, -1).T > 0
        return np.ascontiguousarray(up).astype(np.uint8)

    def restart(self, codes: ArrayLike) -> None:
        """Set the states by codes 0 and 1, shape (n_sites,) for all copies or (n_sites, R)."""
        given = np.asarray(codes, np.int8)
        wide = np.broadcast_to(given[:, None] if given.ndim == 1 else given,
                               (self.n_sites, self.n_replicas))  # fmt: skip
        states = (2 * wide.T - 1).astype(np.int8).reshape(self.n_replicas, *self.shape)
        self._states = self._cuda.to_device(np.ascontiguousarray(states))

    def _blocks(self, n_pairs: int, n_rows: int) -> tuple[Any, ...]:
        """Return how many blocks of threads cover all sites of one colour."""
        return (-(-n_pairs // THREADS[0]), -(-n_rows // THREADS[1]), self.n_replicas)
