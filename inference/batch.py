"""One estimator on many data sets: in parallel, each failure beside its data set, same answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError, as_generator
from physlearn.declared_types import shown
from physlearn.executors import ExecutorLike
from physlearn.many_tasks import answers_and_refusals
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchFits", "fit_batch"]


@dataclass(frozen=True, slots=True, eq=False)
class BatchFits:
    """Fits of many data sets.

    Attributes
    ----------
    fits
        One for each data set; None where the estimator refused it.
    refusals
        Place of a data set -> the sentence that refused it.
    seed
        Reproduces all of them.

    Examples
    --------
    >>> BatchFits((None,), {0: "too few sites"}, seed=1).refusals
    {0: 'too few sites'}
    """

    fits: tuple[Fit | None, ...]
    refusals: dict[int, str]
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def table(self) -> pd.DataFrame:
        """One row a data set and number: ``data``, then the columns of ``Fit.summary``.

        A data set that was refused has no rows.
        """
        import pandas as pd

        parts = []
        for place, fit in enumerate(self.fits):
            if fit is not None:
                part = fit.summary()
                part.insert(0, "data", place)
                part["warnings"] = "; ".join(fit.warnings)
                parts.append(part)
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"data": []})


def fit_batch(
    fit: Callable[..., Fit],
    batch: Sequence[Any],
    *,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> BatchFits:
    """Apply one estimator to many data sets.

    Every data set has its own random stream, so that the answers depend neither on the number of
    workers nor on the order in which they finish.

    Parameters
    ----------
    fit
        Called as ``fit(data, rng=seed)``; for a process pool it must be importable, such as
        ``functools.partial(fit_lattice_hamiltonian, n_shells=1)``.
    batch
        The data sets; one that reads a file when it is asked for an item will do.
    executor
        ``"processes:4"``, an executor or a dask client, see `physlearn.executors`; None: one after
        the other.
    rng
        Seed or generator.
    progress
        Called with (data sets done, data sets).

    Raises
    ------
    InputError
        For an empty batch. What the estimator refuses (``InputError``, ``NotIdentified``) is noted
        in ``refusals``, as is a data set whose worker died three times, and the others go on.

    Examples
    --------
    >>> from functools import partial
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> graph = square_lattice((12, 12))
    >>> pictures = [simulate_lattice(Ising([0.2]), graph, rng=seed) for seed in range(2)]
    >>> found = fit_batch(partial(fit_lattice_hamiltonian, n_shells=1), pictures, rng=1)
    >>> found.table["data"].tolist(), found.refusals
    ([0, 0, 1, 1], {})
    """
    if isinstance(batch, str | dict) or not hasattr(batch, "__len__"):
        raise InputError(f"batch must be a sequence of data sets; got {shown(batch)}.")
    if len(batch) == 0:
        raise InputError("batch must hold at least one data set; it is empty.")
    generator, seed = as_generator(rng)
    seeds = [int(word) for word in generator.integers(0, 2**62, len(batch))]
    tasks = ((batch[place], own) for place, own in enumerate(seeds))
    fits, refusals = answers_and_refusals(
        partial(_one, fit), tasks, len(batch), executor=executor, progress=progress
    )
    return BatchFits(fits, refusals, seed)


def _one(fit: Callable[..., Fit], data: Any, seed: int) -> Fit:
    return fit(data, rng=seed)
