"""Exact posteriors of small lattices: what a fit is compared with.

Nothing here is Monte Carlo but the pictures: log Z comes from Kaufman's formula, from transfer
matrices, or from sums over all states, and the posterior from a sum over a grid. Priors are normal
and independent; parameters are in the order of the units that a model is made of (see
``exact_models``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from exact_grids import exact_posterior, find_bounds, integrate, outer_sum
from exact_models import statistics, unit_energies
from threadpoolctl import threadpool_limits

from physlearn.lattice_models import Ising, kaufman_torus, simulate_lattice, square_lattice
from physlearn.lattice_models.exact_answers.transfer_matrix import all_rows, read_bonds, row_to_row
from physlearn.records import LatticeSnapshots, SiteGraph


class AllStates:
    """Every state of a small lattice, grouped by the values of its statistics.

    ``composition`` (counts by state): only states that hold it. The statistics of all models here
    take few values, so that sums over states are sums over a small table, axis by axis.
    """

    def __init__(self, units: Sequence, graph: SiteGraph, composition=None):
        self.units, self.graph = list(units), graph
        self.values = tuple(int(value) for value in self.units[0].state_values)
        energies = np.stack([unit_energies(unit, graph) for unit in self.units])
        q, n = len(self.values), graph.n_sites
        numbers = np.arange(q**n)
        self.codes = np.stack([numbers // q**site % q for site in range(n)], axis=1).astype(np.int8)
        if composition is not None:
            counts = np.stack([(self.codes == code).sum(axis=1) for code in range(q)], axis=1)
            kept = np.all(counts == np.asarray(composition), axis=1)
            energies, self.codes = energies[:, kept], self.codes[kept]
        parts = [np.unique(np.round(-row, 9), return_inverse=True) for row in energies]
        self.levels = [levels for levels, _ in parts]
        self.shape = tuple(len(levels) for levels in self.levels)
        self.place = np.ravel_multi_index(tuple(inverse for _, inverse in parts), self.shape)
        self.count = np.bincount(self.place, minlength=int(np.prod(self.shape))).astype(float)

    def log_sum(self, axes, weight=None):
        """Return log sum of weight exp(theta . T) on the grid; ``weight`` one a table entry."""
        table = (self.count if weight is None else weight).reshape(self.shape)
        scale = 0.0
        # axis by axis: exp(theta_k t) is a matrix between the k-th grid and the k-th levels
        for axis, levels in zip(axes, self.levels, strict=True):
            exponent = np.multiply.outer(axis, levels)
            top = exponent.max(axis=1)
            table = np.tensordot(table, np.exp(exponent - top[:, None]), ((0,), (1,)))
            scale = np.add.outer(scale, top) if np.ndim(scale) else top
        return np.log(table) + scale

    def draw(self, theta, n_snapshots, rng):
        """Return n independent states (codes), shape (n_snapshots, n_sites)."""
        exponent = sum(
            value * levels[index]
            for value, levels, index in zip(
                theta, self.levels, np.unravel_index(self.place, self.shape), strict=True
            )
        )
        weight = np.exp(exponent - exponent.max())
        return self.codes[rng.choice(len(weight), n_snapshots, p=weight / weight.sum())]

    def snapshots(self, codes, **parts):
        """Return pictures of codes."""
        states = np.array(self.values, np.int8)[codes]
        return LatticeSnapshots(
            states, self.graph, state_values=self.values, metadata={"boundary": "free"}, **parts
        )

    def certain(self, codes):
        """Return the log likelihood of pictures whose labels are all certain."""
        states = np.array(self.values)[codes]
        observed = statistics(self.units, states, self.graph).sum(axis=0)

        def on(axes):
            linear = outer_sum([axis * one for axis, one in zip(axes, observed, strict=True)])
            return linear - len(codes) * self.log_sum(axes)

        return on

    def uncertain(self, label):
        """Return the log likelihood where label (n_snapshots, n_sites, q) = log p(seen | state)."""
        sites = np.arange(self.graph.n_sites)
        weights = [
            np.bincount(self.place, np.exp(one[sites, self.codes].sum(axis=1)), self.count.size)
            for one in label
        ]

        def on(axes):
            free = self.log_sum(axes)
            return sum(self.log_sum(axes, weight) - free for weight in weights)

        return on

    def unknown_rate(self, codes, labelled):
        """Return the log likelihood of (theta, flip rate) with wrong labels at an unknown rate.

        A flipped label is any of the other states, all alike. The rate is the last axis.
        """
        q, n_entries = len(self.values), self.count.size
        tables = []
        for seen, known in zip(codes, labelled, strict=True):
            wrong = ((self.codes != seen) & known).sum(axis=1)
            by_wrong = [
                np.bincount(self.place[wrong == k], minlength=n_entries).astype(float)
                for k in range(int(known.sum()) + 1)
            ]
            tables.append(by_wrong)

        def on(axes):
            *own, rates = axes
            free = self.log_sum(own)[..., None]
            total = 0.0
            for by_wrong in tables:
                k, n_known = np.arange(len(by_wrong))[:, None], len(by_wrong) - 1
                chance = k * np.log(rates / (q - 1)) + (n_known - k) * np.log1p(-rates)
                with np.errstate(divide="ignore"):
                    parts = np.stack([self.log_sum(own, table) for table in by_wrong], axis=-1)
                total = total + log_product(parts, chance) - free
            return total

        return on


def log_product(log_left, log_right):
    """Return log(exp(log_left) @ exp(log_right)), the tops of rows and of columns taken out."""
    rows, columns = log_left.max(axis=-1, keepdims=True), log_right.max(axis=0)
    # all terms of a product may lie far below both tops, but not so far that they vanish
    product = np.exp(log_left - rows) @ np.exp(log_right - columns)
    assert product.min() > 1e-250, "the tops of rows and columns are too far apart"
    return np.log(product) + rows + columns


def noisy_labels(codes, rate, q, rng, unlabelled=0.0):
    """Return what is read of codes, and log p(reading | state); a flip goes to any other state."""
    flips = rng.random(codes.shape) < rate
    read = np.where(flips, (codes + rng.integers(1, q, codes.shape)) % q, codes)
    label = np.where(read[..., None] == np.arange(q), np.log1p(-rate), np.log(rate / (q - 1)))
    known = rng.random(codes.shape) >= unlabelled
    label[~known] = 0.0
    return read.astype(np.int8), label, known


class LogZ:
    """log Z as a polynomial in a box: Chebyshev nodes, a tensor product."""

    def __init__(self, log_z, box, n_nodes):
        self.log_z, self.box, self.n_nodes = log_z, np.array(box, float), n_nodes
        nodes = np.cos(np.pi * (np.arange(n_nodes) + 0.5) / n_nodes)
        axes = [(low + high + (high - low) * nodes) / 2 for low, high in self.box]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        # many small products: threads would only wait for each other
        with threadpool_limits(limits=1, user_api="blas"):
            table = np.array([log_z(theta) for theta in points])
        table = table.reshape((n_nodes,) * len(axes))
        transform = np.cos(np.outer(np.arange(n_nodes), np.arccos(nodes))) * 2 / n_nodes
        transform[0] /= 2
        for _ in axes:  # each turn transforms the first axis and puts it last
            table = np.moveaxis(np.tensordot(transform, table, ((1,), (0,))), 0, -1)
        self.coefficients = table

    def on(self, axes):
        """Return log Z on a tensor grid within the box."""
        table = self.coefficients
        for axis, (low, high) in zip(axes, self.box, strict=True):
            x = np.clip((2 * axis - low - high) / (high - low), -1, 1)
            values = np.cos(np.multiply.outer(np.arccos(x), np.arange(self.n_nodes)))
            table = np.moveaxis(np.tensordot(values, table, ((1,), (0,))), 0, -1)
        return table

    def error(self, n, rng):
        """Return the largest error at random points of the box."""
        points = rng.uniform(self.box[:, 0], self.box[:, 1], (n, len(self.box)))
        errors = [self.on(tuple(point[:, None])).item() - self.log_z(point) for point in points]
        return float(np.max(np.abs(errors)))


class Torus:
    """A torus ``length`` rows long and ``width`` sites round, its log Z by transfer matrices.

    ``box`` (d, 2) holds every posterior asked for. Where in it a posterior lies is found with a
    coarse polynomial for log Z; the posterior itself has one of its own, with ``n_nodes`` ** d
    exact values within some six standard deviations of its mean.
    """

    def __init__(self, units, shape, n_shells, box, n_coarse, n_nodes):
        self.units, self.shape, self.box = list(units), shape, np.array(box, float)
        self.length, self.width = shape
        self.graph = square_lattice(shape, n_shells=n_shells)
        self.values = tuple(int(value) for value in self.units[0].state_values)
        self.energy = np.stack([self._unit_energy(unit) for unit in self.units])
        self.n_nodes = n_nodes
        self.coarse = LogZ(self.log_z, box, n_coarse)

    def _unit_energy(self, unit):
        bonds = read_bonds(unit, "square")
        return row_to_row(bonds, all_rows(bonds, self.width, True), True)

    def log_z(self, theta):
        """Return log Z at one set of parameters: log of the trace of T ** length."""
        energy = np.tensordot(theta, self.energy, 1)
        low = energy.min()
        transfer = np.exp(low - energy)
        scale = np.linalg.norm(transfer, 2) if len(transfer) <= 9 else transfer.sum(axis=1).max()
        trace = np.trace(np.linalg.matrix_power(transfer / scale, self.length))
        return float(np.log(trace) + self.length * (np.log(scale) - low))

    def draw(self, theta, n_snapshots, rng):
        """Return independent pictures, drawn row after row with exact probabilities."""
        energy = np.tensordot(theta, self.energy, 1)
        transfer = np.exp(energy.min() - energy)
        transfer /= transfer.sum(axis=1).max()
        powers = [np.eye(len(transfer))]
        for _ in range(self.length):
            step = powers[-1] @ transfer
            powers.append(step / step.max())
        first = rng.choice(len(transfer), n_snapshots, p=np.diag(powers[-1]) / np.trace(powers[-1]))
        rows = [first]
        for left in range(self.length - 1, 0, -1):
            chance = transfer[rows[-1]] * powers[left][:, first].T
            limits = np.cumsum(chance, axis=1)
            draw = rng.random(n_snapshots) * limits[:, -1]
            rows.append((draw[:, None] >= limits).sum(axis=1))
        q = len(self.values)
        numbers = np.stack(rows, axis=1)[..., None] // q ** np.arange(self.width) % q
        states = np.array(self.values, np.int8)[numbers.reshape(n_snapshots, -1)]
        return LatticeSnapshots(
            states, self.graph, state_values=self.values, metadata={"boundary": "free"}
        )

    def posterior(self, snapshots, prior):
        """Return the exact posterior of pictures."""
        observed = statistics(self.units, snapshots.states, self.graph).sum(axis=0)

        def with_log_z(log_z):
            def on(axes):
                linear = outer_sum([axis * one for axis, one in zip(axes, observed, strict=True)])
                return linear - snapshots.n_snapshots * log_z.on(axes)

            return on

        bounds = find_bounds(with_log_z(self.coarse), prior, self.box)
        fine = LogZ(self.log_z, bounds.T, self.n_nodes)
        return integrate(with_log_z(fine), prior, bounds)


def kaufman_pictures(shape, coupling, n_snapshots, seed):
    """Return pictures at zero field, by cluster flips from a random start."""
    return simulate_lattice(
        Ising([coupling]), square_lattice(shape), n_snapshots, 50, method="swendsen_wang",
        burn_in=300, rng=seed,
    )  # fmt: skip


def kaufman_posterior(snapshots, shape, prior):
    """Return the exact posterior of J, the field being zero; prior of one parameter."""
    observed = statistics([Ising([1.0])], snapshots.states, snapshots.graph).sum()

    def on(axes):
        (couplings,) = axes
        log_z = np.array([kaufman_torus(shape, float(one)).log_partition for one in couplings])
        return couplings * observed - snapshots.n_snapshots * log_z

    return exact_posterior(on, prior)
