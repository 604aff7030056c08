"""Posterior of an Ising Hamiltonian from a square picture too large for a list of bonds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.inference.adequacy.lattice_adequacy import check_adequacy
from physlearn.inference.large_squares.square_counts import SquareCounts, count_square
from physlearn.inference.lattices.fit_contents import model_attrs
from physlearn.inference.lattices.lattice_data import LatticeData, gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_trust import trust_flags
from physlearn.inference.lattices.lattice_verdicts import prior_widths, sign_verdicts
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.inference.posteriors.likelihood_records import LatticeProblem, LikelihoodPosterior
from physlearn.inference.posteriors.priors import LatticePrior, Prior, make_prior
from physlearn.inference.posteriors.pseudolikelihood import (
    Sandwich,
    combine_with_prior,
    maximize_rows,
    measure_sandwich,
)
from physlearn.inference.posteriors.replica_chains import Ensemble
from physlearn.lattice_models.cuda_device import BACKENDS, require_cuda
from physlearn.lattice_models.graphs.regular_lattices import square_lattice
from physlearn.lattice_models.replicas.cuda_squares import CudaSquares
from physlearn.lattice_models.replicas.packed_squares import PackedSquares
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_large_square"]

Float = NDArray[np.float64]
METHODS = ("auto", "pseudolikelihood", "likelihood")
LEAST_SITES = 10_000
WINDOW_EDGE = 90
MOST_LOSS = 1.25
"""How many times the bound the pseudolikelihood's errors may be, as in ``lattice_methods``."""
N_REPLICAS = 32
LEAST_ROUND = 240
"""Sweeps that a round may take, however large the picture is."""
USUAL_ROUND_S = 2.0
LEAST_EFFECTIVE = 10.0
ORDERED, PULL_TOLD = 0.8, 1e-3
"""Mean state of a picture of one phase; chance of a field against it from which on it is said."""


@dataclass(frozen=True, eq=False)
class _Answer:
    """Draws (n, d), how they came about, and what to say of them."""

    draws: Float
    method: str
    approximation: str
    choice: str
    numbers: dict[str, Any]
    flags: list[str]


@dataclass(frozen=True, eq=False)
class _Task:
    """Picture, its counts, a window of it, prior and options."""

    picture: Any
    boundary: str
    counts: SquareCounts
    window: LatticeData
    prior: Prior
    n_draws: int
    rng: np.random.Generator
    executor: Executor | None
    progress: Callable[[int, int], Any] | None
    backend: str


def fit_large_square(
    picture: ArrayLike,
    n_shells: int = 1,
    *,
    boundary: str = "rim",
    method: str = "auto",
    prior: LatticePrior | Prior | Mapping[str, Any] | None = None,
    n_draws: int = 4000,
    executor: Executor | None = None,
    backend: str = "cpu",
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Infer field and couplings of a square Ising picture of up to 10^9 sites.

    p(s) ~ exp(h sum s + sum over bonds J s s'), temperature absorbed. No list of bonds is made: the
    picture is counted in strips of rows, and copies of it are held with one bit a site. For smaller
    pictures, other lattices and models, uncertain labels and triplets there is
    ``fit_lattice_hamiltonian``.

    Parameters
    ----------
    picture
        States -1 and +1, shape (rows, columns), at least 10,000 sites; an array, a memory map, or
        anything that gives rows by slices.
    n_shells
        Shells of neighbours with a coupling, 1 to 3.
    boundary
        ``rim``: a cut-out of a larger crystal, whose outermost sites serve as neighbours only;
        ``periodic``: both directions wrap (``likelihood`` then needs a multiple of 128 rows and an
        even number of columns).
    method
        ``pseudolikelihood`` (sandwich covariance read off the picture, Gaussian), ``likelihood``
        (Monte Carlo likelihood with 32 copies, one shell only; 1.3 GB at 16,384 x 16,384), or
        ``auto``: the pseudolikelihood, unless a simulated window of it shows that it can't be
        trusted there or would lose more than a quarter of the precision.
    prior
        As in ``fit_lattice_hamiltonian``; Gaussian only.
    n_draws
        Number of posterior draws.
    executor
        Threads that sweep the copies side by side, or None; the answer does not depend on it.
    backend
        Where the copies are swept: ``cpu``, or ``cuda``, an NVIDIA GPU with room for one byte a
        site and copy.
    rng
        Seed or generator.
    progress
        Called with (rounds done, most rounds) of the likelihood.

    Returns
    -------
    Fit
        ``field`` and ``couplings`` (dim shell, 1-based) in kT. ``diagnostics["method_choice"]``
        says why this method; ``patterns`` and ``correlations`` are those of a window of 8,100 sites
        in the middle, on which the model is checked. The picture is not kept in the fit.

    Raises
    ------
    InputError
        For other states, shapes or options, or ``likelihood`` with several shells.
    BackendUnavailable
        For ``cuda`` without a GPU.
    NotIdentified
        For fewer than 10,000 sites, or all of one state.

    Notes
    -----
    Besag (1975), doi:10.2307/2987782; Godambe (1960), doi:10.1214/aoms/1177705693; Jacobs & Rebbi
    (1981), doi:10.1016/0021-9991(81)90089-9; Shirts & Chodera (2008), doi:10.1063/1.2978177.

    Examples
    --------
    >>> from physlearn.lattice_models import MultispinIsing
    >>> lattice = MultispinIsing((128, 128), 0.2, 0.05, rng=1)
    >>> lattice.sweep(50)
    >>> fit = fit_large_square(lattice.states().reshape(128, 128), rng=1)
    >>> bool(abs(fit["couplings"].mean() - 0.2) < 0.03)
    True
    """
    check_choice("method", method, METHODS)
    check_choice("backend", backend, BACKENDS)
    if backend == "cuda":
        require_cuda()
    check_count("n_draws", n_draws, 100)
    if method == "likelihood" and n_shells != 1:
        raise InputError(
            f"n_shells must be 1 with method='likelihood'; got {n_shells}. Use "
            "method='pseudolikelihood', or cut out a part for fit_lattice_hamiltonian."
        )
    generator, seed = as_generator(rng)
    given = picture if hasattr(picture, "shape") else np.asarray(picture)
    counts = count_square(given, n_shells, boundary=boundary)
    _check_counts(counts)
    window = _window(given, counts.n_shells)
    full_prior = make_prior(prior, window)
    if not full_prior.is_gaussian:
        raise InputError(
            "prior must be Gaussian here: a standard deviation or (mean, sd) for each name; for "
            "other priors cut out a part for fit_lattice_hamiltonian."
        )
    task = _Task(
        given, boundary, counts, window, full_prior, int(n_draws), generator, executor, progress,
        backend,
    )  # fmt: skip
    return _wrap(task, _solve(task, method), seed)


def _check_counts(counts: SquareCounts) -> None:
    """Refuse what is too small or of one state."""
    if counts.n_drawn < LEAST_SITES:
        raise NotIdentified(
            f"picture holds {counts.n_drawn} sites with a complete neighbourhood; at least "
            f"{LEAST_SITES} are needed here. Use fit_lattice_hamiltonian."
        )
    if not np.all(counts.state_counts):
        raise NotIdentified(
            "picture holds one state only, which gives a bound at most; cut out a part of it for "
            "fit_lattice_hamiltonian, which says which."
        )


def _window(picture: Any, n_shells: int) -> LatticeData:
    """Return the middle of the picture as data of the usual kind."""
    rows, columns = (int(size) for size in picture.shape)
    height, width = min(WINDOW_EDGE, rows), min(WINDOW_EDGE, columns)
    top, left = (rows - height) // 2, (columns - width) // 2
    part = np.asarray(picture[top : top + height])[:, left : left + width].astype(np.int8)
    snapshot = LatticeSnapshots(
        part.reshape(1, -1), square_lattice((height, width), max(n_shells, 2), periodic=False)
    )
    return gather_snapshots(snapshot, lattice_family("ising", (-1, 1), n_shells))


def _solve(task: _Task, method: str) -> _Answer:
    """Return draws by the method asked for, or by the one that fits the picture."""
    rough, mean, covariance = _pseudolikelihood(task)
    if method == "pseudolikelihood":
        return rough
    lossy = rough.numbers["precision_loss"] > MOST_LOSS
    if method == "auto":
        if not rough.flags and not lossy:
            return rough
        reason = "; ".join(rough.flags) or (
            f"the pseudolikelihood would lose a factor {rough.numbers['precision_loss']:.2f}"
        )
        if task.counts.n_shells > 1:
            return _with(rough, f"the likelihood knows one shell only, although {reason}")
        choice = f"escalated from the pseudolikelihood: {reason}"
    else:
        choice = "asked for"
    result = _run_likelihood(task, mean, covariance)
    lost = float(result.numbers["uncovered_share"])
    if result.effective_draws < LEAST_EFFECTIVE or lost > 0.5:
        said = (
            f"the Monte Carlo likelihood has {result.effective_draws:.1f} effective draws, and "
            f"{lost:.0%} of the posterior lies where no copy went: this is the pseudolikelihood's"
        )
        return _with(rough, "the full likelihood gave no posterior", said)
    numbers = rough.numbers | result.numbers | {
        "effective_draws": result.effective_draws, "rounds": result.rounds,
        "log_evidence_relative": float(result.log_evidence), "n_replicas": N_REPLICAS,
    }  # fmt: skip
    flags = list(result.flags) + _phase_flags(task, result.draws)
    return _Answer(
        result.draws, "likelihood", "Monte Carlo likelihood, importance weights", choice, numbers,
        flags,
    )  # fmt: skip


def _with(answer: _Answer, choice: str, *flags: str) -> _Answer:
    """Return an answer that was kept for want of a better one."""
    return _Answer(
        answer.draws, answer.method, answer.approximation, choice, answer.numbers,
        [*answer.flags, *flags],
    )  # fmt: skip


def _pseudolikelihood(task: _Task) -> tuple[_Answer, Float, Float]:
    """Return the pseudolikelihood's answer, and its mean and covariance.

    Whether it can be trusted is seen on a window that is simulated at the estimate.
    """
    counts, prior = task.counts, task.prior
    mode, _ = maximize_rows([counts.rows()], prior, prior.n_parameters)
    curvature, variance = counts.sandwich(mode)
    tried = measure_sandwich(task.window, mode, task.rng)
    reasons, numbers = trust_flags(task.window.observed(), tried)
    found = Sandwich(curvature, variance, tried.statistics)
    numbers["sandwich_over_naive"] = found.inflation
    if np.linalg.eigvalsh(variance).min() <= 0:
        reasons.append("the variance of its score comes out negative")
        scale = counts.n_drawn / task.window.n_terms
        found = Sandwich(curvature, tried.variability * scale, tried.statistics)
    mean, covariance = combine_with_prior(mode, found, prior)
    draws = mean + task.rng.standard_normal((task.n_draws, len(mean))) @ (
        np.linalg.cholesky(covariance).T
    )
    flags = []
    if reasons:
        flags.append(
            "near a transition: pseudolikelihood error bars unreliable (" + "; ".join(reasons) + ")"
        )
    choice = f"{counts.n_drawn} random sites make the full likelihood dear, and nothing asks for it"
    answer = _Answer(
        draws, "pseudolikelihood", "Gaussian, sandwich covariance from the picture's own scores",
        choice, dict(numbers), flags,
    )  # fmt: skip
    return answer, mean, covariance


def _run_likelihood(task: _Task, mean: Float, covariance: Float) -> LikelihoodPosterior:
    """Return draws under the full likelihood, copies one bit a site."""
    copies: PackedSquares | CudaSquares
    if task.backend == "cuda":
        copies = CudaSquares(task.picture, N_REPLICAS, task.rng, boundary=task.boundary)
    else:
        copies = PackedSquares(
            task.picture, N_REPLICAS, task.rng, boundary=task.boundary, executor=task.executor
        )
    periodic = task.boundary == "periodic"
    ensemble = Ensemble(copies, np.eye(2), -1.0, mirrored=periodic)
    # bonds are counted relative to the picture's: of 10^8 of them float64 keeps what matters
    linear = np.array([float(copies.magnetization), 0.0])
    problem = LatticeProblem((ensemble,), linear, None, task.prior, tuple(task.prior.names))
    sweep_seconds = copies.n_sites * copies.n_replicas * copies.update_seconds
    patience = max(1.0, LEAST_ROUND * sweep_seconds / USUAL_ROUND_S)
    return sample_posterior(
        problem, mean, covariance, task.n_draws, task.rng, progress=task.progress, patience=patience
    )


def _phase_flags(task: _Task, draws: Float) -> list[str]:
    """Say where the phase turned over, which no copy visits, might count."""
    down, up = task.counts.state_counts
    order = float(up - down) / float(up + down)
    against = float(np.mean(draws[:, 0] * order < 0))
    if task.boundary == "periodic" or abs(order) < ORDERED or against < PULL_TOLD:
        return []
    return [
        f"field: the picture is of one phase (mean state {order:.2f}) and the field may point "
        "against it; log Z counts this phase alone, so that the field's interval reaches too far "
        "that way, if anything"
    ]


def _wrap(task: _Task, answer: _Answer, seed: int) -> Fit:
    """Return draws, texts and numbers as a ``Fit``; the model is checked on the window."""
    window, theta = task.window, answer.draws
    found = check_adequacy(window, theta, task.rng)
    sites = f"in a window of {window.n_sites} sites"
    draws = {
        one.name: np.tensordot(theta, one.map, axes=(-1, -1)) for one in window.variables
    }  # fmt: skip
    rows, columns = task.counts.shape
    attrs = model_attrs(window.family, task.prior, {"boundary": task.boundary})
    effective = float(answer.numbers.get("effective_draws", len(theta)))
    return fit_from_draws(
        draws,
        model=f"Ising with {task.counts.n_shells} shell(s) of couplings and a field, {rows} x "
        f"{columns} sites; assumes equilibrium at one temperature, which is absorbed into the "
        "couplings; one column thick",
        likelihood=answer.method,
        approximation=answer.approximation,
        seed=seed,
        data=task.counts.fingerprint,
        prior_sd=prior_widths(window.variables, task.prior),
        units=dict.fromkeys(draws, "kT"),
        dims={one.name: list(one.dims) for one in window.variables if one.dims},
        coords={
            dim: list(labels)
            for one in window.variables
            for dim, labels in zip(one.dims, one.coords, strict=True)
        },
        diagnostics={
            "correlations": found.correlations, "patterns": found.patterns,
            "adequacy": found.summary(), "method_choice": answer.choice,
            "n_sites": rows * columns, "n_terms": task.counts.n_drawn,
            "window_sites": window.n_sites, **answer.numbers,
        },
        warnings=[*answer.flags, *(f"{sites}: {said}" for said in found.warnings)],
        verdicts=sign_verdicts(window.variables, theta)
        | {"model": f"{sites}: {found.verdict}"},
        attrs=attrs | {"method_choice": answer.choice, "effective_draws": effective},
    )  # fmt: skip
