"""Exact draws of ferromagnets by coupling from the past."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.lattice_models.replicas.exact_draw_kernels import bounding_sweeps
from physlearn.lattice_models.replicas.replica_layout import make_lanes
from physlearn.lattice_models.replicas.term_replicas import TermReplicas
from physlearn.records import SiteGraph

__all__ = ["ExactReplicas"]

Float = NDArray[np.float64]
FIRST_SWEEPS = 16
MOST_SWEEPS = 1 << 20
TO_EXPONENT = 1.0 / np.log(2.0)


class ExactReplicas:
    """Independent exact draws of a ferromagnet of two states, each at its own energies.

    Coupling from the past (Propp & Wilson 1996,
    doi:10.1002/(SICI)1098-2418(199608/09)9:1/2<223::AID-RSA14>3.0.CO;2-O): two heat-bath chains
    start from all 0 and all 1 so far in the past, with the same random numbers, that they have met
    at present; the state where they meet is a draw of p ~ exp(-E), E as in ``TermReplicas``
    without triplets, with nothing left to converge. Where they have not met the start goes back
    twice as far and the numbers of later times are used again.

    Parameters
    ----------
    graph, n_shells, start, n_replicas, rng, sites, extra
        As in ``TermReplicas``; ``start`` only matters where sites are not drawn.

    Raises
    ------
    InputError
        As ``TermReplicas``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> copies = ExactReplicas(square_lattice((4, 4)), 1, np.zeros(16), 8, np.random.default_rng(1))
    >>> copies.draw([0.0, 0.0], [[[-0.2, 0.2], [0.2, -0.2]]]).shape
    (16, 8)
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: NDArray[np.int64] | None = None,
        extra: ArrayLike | None = None,
    ) -> None:
        self._rng = rng if isinstance(rng, np.random.Generator) else as_generator(rng)[0]
        self.copies = TermReplicas(graph, n_shells, (), start, n_replicas, self._rng, sites, extra)
        self.n_replicas = self.copies.n_replicas
        self.last_sweeps = 0
        """How far into the past the last draw had to start."""
        self._upper = np.zeros_like(self.copies.memory)
        self._count = np.zeros(self.copies.memory.shape[1], np.uint8)

    def draw(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        offset: ArrayLike = 0.0,
        *,
        extra_energy: ArrayLike | None = None,
        most_sweeps: int = MOST_SWEEPS,
    ) -> NDArray[np.uint8]:
        """Return an exact draw of every replica, codes of shape (n_sites, n_replicas).

        ``copies`` holds the draw too.

        Parameters
        ----------
        site_energy, pair_energy, offset, extra_energy
            As in ``TermReplicas.sweep``.
        most_sweeps
            How far into the past the chains may start.

        Raises
        ------
        InputError
            For a coupling that is not ferromagnetic, U(0, 0) + U(1, 1) > 2 U(0, 1), and as
            ``TermReplicas.sweep``.
        NotIdentified
            Where the chains do not meet within ``most_sweeps``: beyond a transition they take too
            long.
        """
        check_count("most_sweeps", most_sweeps, 1)
        copies = self.copies
        # checks shapes and symmetry, in single precision
        single = copies.weights(site_energy, pair_energy, offset, None, extra_energy)
        base, slope, field, known, weight = (
            np.ascontiguousarray(table, np.float64)
            for table in (single.base, single.slope, single.field, single.offset, single.weight)
        )
        if slope.min(initial=0.0) < 0.0:
            raise InputError(
                "pair_energy must be ferromagnetic in every shell for coupling from the past; a "
                "shell favours unlike states."
            )
        lanes: list[NDArray[np.uint32]] = []
        lengths: list[int] = []
        while True:
            # block k lies in the past of block k - 1 and keeps its random numbers
            lengths.append(FIRST_SWEEPS if not lengths else sum(lengths))
            lanes.append(make_lanes(self._rng, len(self._count)))
            self._bound(lanes, lengths, base, slope, field, known, weight)
            self.last_sweeps = sum(lengths)
            if np.array_equal(copies.memory, self._upper):
                return copies.states
            if self.last_sweeps >= most_sweeps:
                raise NotIdentified(
                    f"chains from all 0 and all 1 have not met within {self.last_sweeps} sweeps; "
                    "the couplings are too strong for coupling from the past."
                )

    def _bound(
        self,
        lanes: list[NDArray[np.uint32]],
        lengths: list[int],
        base: Float,
        slope: Float,
        field: Float,
        known: Float,
        weight: Float,
    ) -> None:
        """Run both chains from the farthest past to the present."""
        copies, groups = self.copies, self.copies.groups
        self._upper[:] = copies.memory
        copies.memory[copies.sites] = 0
        self._upper[copies.sites] = 1
        for block, n_sweeps in zip(reversed(lanes), reversed(lengths), strict=True):
            bounding_sweeps(
                copies.memory, copies.words, self._upper, self._upper.reshape(-1).view(np.uint64),
                copies.sites, groups.group_start, groups.entry_start, groups.kind, groups.degree,
                groups.entry, base, slope, field, known, weight, copies.value, n_sweeps,
                block.copy(), self._count, self._count.view(np.uint64),
            )  # fmt: skip
