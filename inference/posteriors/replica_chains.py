"""Populations of replicas as they are used: traces of statistics, their memory, mirror images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.lattice_population import Population
from physlearn.inference.posteriors.local_controls import recentre
from physlearn.inference.posteriors.opposite_phase import HeldRim

__all__ = ["Chains", "Ensemble", "chain_memory"]

Float = NDArray[np.float64]
LONGEST_MEMORY = 1e4
SHORTEST_MEMORY = 0.5
SEEN_LENGTHS = 2
LONG_MEMORY = 30.0
"""Sweeps of the heat bath that cost as much as what clusters take to forget."""
CLUSTER_MEMORY, CLUSTER_BURN_IN = 3.0, 12
CHEAP_CONTROLS = 200_000
"""States held at once up to which control sums cost no more than the sweeps they save."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One normalisation constant of a likelihood: log L holds power * log Z(design @ phi).

    Attributes
    ----------
    population
        Copies of the model whose log Z it is, in equilibrium or close.
    design
        float64, shape (d_nat, d_phi): natural parameters = design @ phi.
    power
        -1 for a free model, +1 for one that is held by labels; -n for n pictures alike.
    mirrored
        Whether turning every state over leaves the model the same but for the sign of the natural
        parameters that ``odd`` names.
    odd
        bool, shape (d_nat,); None: the first one alone (the field).
    clusters
        Makes the same population with cluster moves, for where the heat bath remembers too long;
        None: there is none.
    controls
        Gives sums of mean zero of codes (n_sites, R) at natural parameters (R, d_nat), shape
        (R, d_nat): the part of the statistics' noise that they explain is taken out
        (``local_controls``); None: there are none.
    parts
        int, shape (n_sites,): which picture a site belongs to, ascending, where there are several;
        with two states and a field alone each picture is turned over by itself.
    rim
        What is held around a picture of one phase; None: there is no other phase to be missed.
    """

    population: Population
    design: Float
    power: float
    mirrored: bool
    odd: NDArray[np.bool_] | None = None
    clusters: Callable[[], Population] | None = None
    controls: Callable[[NDArray[np.uint8], Float], Float] | None = None
    parts: NDArray[np.int64] | None = None
    rim: HeldRim | None = None

    @property
    def turned(self) -> NDArray[np.bool_] | None:
        """The natural parameters that change sign with the states; None without the symmetry."""
        if not self.mirrored:
            return None
        only_field: NDArray[np.bool_] = np.arange(len(self.design)) == 0
        return only_field if self.odd is None else self.odd


class Chains:
    """The replicas of an ensemble, with what they remember.

    Parameters
    ----------
    ensemble
        Its population is swept in place.
    rng
        For turning replicas over.
    """

    def __init__(self, ensemble: Ensemble, rng: np.random.Generator) -> None:
        self.ensemble = ensemble
        self.population = ensemble.population
        self.odd = ensemble.turned
        self.memory = 1.0
        self.n_sweeps = 0
        self._starts = _picture_starts(ensemble)
        self.clusters = False
        self.stays: NDArray[np.bool_] = np.ones(self.population.n_replicas, bool)
        self._rng = rng

    @property
    def dynamics(self) -> str:
        """How the states move."""
        return "clusters" if self.clusters else "heat bath"

    @property
    def sweep_seconds(self) -> float:
        """About how long a sweep of all replicas takes."""
        copies = self.population
        return copies.n_sites * copies.n_replicas * copies.update_seconds

    def sweep_until_forgotten(self, natural: Float) -> None:
        """Go on with cluster moves where the heat bath turned out to remember too long."""
        if self.memory > LONG_MEMORY and self.switch_to_clusters():
            self.sweep(natural[: self.population.n_replicas], CLUSTER_BURN_IN, True)

    def switch_to_clusters(self) -> bool:
        """Go on with cluster moves from these states, where there are any.

        Not inside a rim of the picture's phase: the largest cluster holds on to it.
        """
        if self.clusters or self.ensemble.clusters is None or self.ensemble.rim is not None:
            return False
        codes = self.population.codes()
        self.population = self.ensemble.clusters()
        self.population.restart(codes[:, : self.population.n_replicas])
        self.clusters, self.memory = True, CLUSTER_MEMORY
        return True

    def natural(self, phi: Float) -> Float:
        """Return natural parameters (..., d_nat) at parameters (..., d_phi)."""
        return np.asarray(phi @ self.ensemble.design.T)

    def sweep(self, natural: Float, n_sweeps: int, turn: bool) -> tuple[Float, NDArray[np.bool_]]:
        """Sweep at natural parameters (d_nat,) or (R, d_nat).

        ``turn``: first, replicas are turned over with the probability that their reference gives
        it. A state s at parameters with odd part h is -s at -h: the sign of h is turned instead.
        Returned are the parameters that were used and which replicas were turned.
        """
        n_replicas = self.population.n_replicas
        given = np.broadcast_to(natural, (n_replicas, self.population.n_parameters))
        turned = np.zeros(n_replicas, bool)
        if turn and self._starts is not None:
            self._turn_pictures(given[:, 0], self._starts)
        if turn and self.odd is not None:
            pull = np.sum(self.population.statistics() * np.where(self.odd, given, 0.0), axis=1)
            turned = self._rng.random(n_replicas) < 1.0 / (1.0 + np.exp(np.clip(2 * pull, -50, 50)))
            given = np.where(turned[:, None] & self.odd, -given, given)
        self.population.sweep(given, int(n_sweeps))
        self.n_sweeps += int(n_sweeps)
        return given, turned

    def _turn_pictures(self, field: Float, starts: NDArray[np.int64]) -> None:
        """Turn every picture of every replica over with the probability that its field gives it."""
        codes = self.population.codes()
        spins = codes.astype(np.int32) * 2 - 1
        pull = np.add.reduceat(spins, starts, axis=0) * field
        over = self._rng.random(pull.shape) < 1.0 / (1.0 + np.exp(np.clip(2 * pull, -50, 50)))
        if np.any(over):
            sizes = np.diff(np.append(starts, len(codes)))
            self.population.restart(codes ^ np.repeat(over, sizes, axis=0).astype(np.uint8))

    def trace(
        self,
        natural: Float,
        burn_in: int,
        n_records: int,
        between: int,
        *,
        turn: bool = True,
        alike: bool = False,
    ) -> Float:
        """Return statistics of replicas at their parameters, shape (R, n_records, d_nat).

        Learns how long replicas remember; ``alike``: all have the same parameters. Inside a held
        rim replicas that leave the picture's phase are told in ``stays`` and brought back.
        """
        if burn_in:
            self.sweep(natural, burn_in, turn)
        population, controls = self.population, self.ensemble.controls
        if population.n_sites * population.n_replicas > CHEAP_CONTROLS:
            controls = None
        shape = (population.n_replicas, n_records, population.n_parameters)
        out, zeros = np.empty(shape), np.zeros(shape)
        for record in range(n_records):
            given, turned = self.sweep(natural, between, turn)
            sign = 1.0 if self.odd is None else np.where(turned[:, None] & self.odd, -1.0, 1.0)
            out[:, record] = sign * population.statistics()
            if controls is not None:
                zeros[:, record] = sign * controls(population.codes(), given)
        self._bring_back(out)
        self.memory = chain_memory(out[self.stays], between, self.odd, alike=alike)
        return out if controls is None else recentre(out, zeros)

    def _bring_back(self, trace: Float) -> None:
        """Tell which replicas stayed in the picture's phase, and put the others beside them."""
        rim, n_replicas = self.ensemble.rim, len(trace)
        self.stays = np.ones(n_replicas, bool) if rim is None else rim.stays(trace)
        if np.all(self.stays) or not np.any(self.stays):
            self.stays = np.ones(n_replicas, bool)
            return
        source = np.arange(n_replicas)
        source[~self.stays] = self._rng.choice(source[self.stays], int(np.sum(~self.stays)))
        self.population.restart(self.population.codes()[:, source])


def _picture_starts(ensemble: Ensemble) -> NDArray[np.int64] | None:
    """Return the first site of every picture, where pictures can be turned over one by one."""
    odd, parts = ensemble.turned, ensemble.parts
    if odd is None or parts is None or np.flatnonzero(odd).tolist() != [0]:
        return None
    starts = np.flatnonzero(np.diff(parts, prepend=parts[0] - 1))
    return starts if len(starts) > 1 else None


def chain_memory(
    trace: Float,
    between: int,
    odd: NDArray[np.bool_] | None = None,
    *,
    alike: bool = True,
) -> float:
    """Return the longest relaxation time of the statistics, in sweeps.

    From how a record predicts the next one, shape (R, n_records, d). ``alike``: replicas share
    their parameters; then it needs no equilibrium, only replicas that are independent given their
    start. Otherwise each is compared with its own mean, the bias of which is corrected for (Nickell
    1981, doi:10.2307/1911408), and no more than twice the length of the trace can be seen.
    Statistics that turn over with the states enter by their size.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> trace = np.zeros((2000, 10, 1))
    >>> for step in range(1, 10):
    ...     trace[:, step] = 0.8 * trace[:, step - 1] + rng.standard_normal((2000, 1))
    >>> bool(abs(chain_memory(trace, 1) / (-1 / np.log(0.8)) - 1) < 0.1)
    True
    """
    values = trace if odd is None else np.where(odd, np.abs(trace), trace)
    n_records = values.shape[1]
    values = values - (values.mean(axis=0) if alike else values.mean(axis=1, keepdims=True))
    scale = values.std(axis=(0, 1))
    values = values[:, :, scale > 0] / scale[scale > 0]
    d = values.shape[2]
    if not d or len(values) * (n_records - 1) <= d:
        return 1.0
    before, after = values[:, :-1].reshape(-1, d), values[:, 1:].reshape(-1, d)
    gram = before.T @ before
    gram += 1e-6 * np.trace(gram) * np.eye(d)
    largest = float(np.max(np.linalg.eigvals(np.linalg.solve(gram, before.T @ after)).real))
    longest = LONGEST_MEMORY
    if not alike:
        largest = (largest * (n_records - 1) + 1.0) / max(n_records - 2, 1)
        longest = SEEN_LENGTHS * n_records * between
    fastest = max(np.exp(-between / SHORTEST_MEMORY), 1e-100)
    slowest = np.exp(-between / longest)
    return float(-between / np.log(np.clip(largest, fastest, slowest)))
