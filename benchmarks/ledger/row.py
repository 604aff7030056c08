"""One row of the ledger: an estimator in one world."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.calibration.function_identity import function_identity
from physlearn.results import Fit

Float = NDArray[np.float64]
Rng = np.random.Generator
Truth = Mapping[str, Any]
N_DRAWS = 1000
CHEAP_S, CHEAP, DEAR = 0.5, 200, 100
BATCH_SECONDS = 10.0


@dataclass(frozen=True)
class Row:
    """What is drawn, simulated and fitted.

    Attributes
    ----------
    id
        ``kind/world``; of a probe ``kind/world~what is wrong``.
    function
        Dotted public name below physlearn.
    prior
        The prior of truth and fit in words.
    draw, simulate, fit
        As `check_calibration` takes them.
    seconds
        About one replicate, on one core.
    variables
        What is compared; None: all of the truth.
    probe
        What is wrong with the data or the model; empty where nothing is.
    goal
        Replicates asked; None: 200, or 100 of rows that take longer than half a second.
    """

    id: str
    function: str
    prior: str
    draw: Callable[[Rng], dict[str, Any]]
    simulate: Callable[[Any, Rng], Any]
    fit: Callable[[Any, Rng], Any]
    seconds: float = 0.1
    variables: tuple[str, ...] | None = None
    probe: str = ""
    goal: int | None = None

    @property
    def replicates(self) -> int:
        """How many the row asks for."""
        return self.goal or (CHEAP if self.seconds <= CHEAP_S else DEAR)

    @property
    def batch(self) -> int:
        """How many at once."""
        return int(np.clip(BATCH_SECONDS / self.seconds, 5, self.replicates))

    @property
    def file(self) -> str:
        """Name of the row's files."""
        return self.id.replace("/", "_").replace("~", "__").replace(" ", "_")

    @property
    def fingerprint(self) -> str:
        """Tells results of another simulation or fit of the same name."""
        told = "".join(function_identity(one) for one in (self.draw, self.simulate, self.fit))
        return hashlib.sha256(told.encode()).hexdigest()[:10]

    def probed(self, wrong: str, what: str, simulate: Callable[[Any, Rng], Any]) -> Row:
        """Return the same fit of data that it doesn't expect."""
        return replace(self, id=f"{self.id}~{wrong}", probe=what, simulate=simulate)


class Draws(dict[str, Any]):
    """Draws under the truth's names, with what the fit said of itself."""

    warnings: tuple[str, ...] = ()
    likelihood: str = ""


def named(fit: Any, draws: Mapping[str, Any]) -> Draws:
    """Return draws with the warnings (and likelihood) of the result that they come from."""
    out = Draws(draws)
    out.warnings = tuple(getattr(fit, "warnings", ()))
    out.likelihood = str(fit.attrs["likelihood"]) if isinstance(fit, Fit) else ""
    return out


def seed_of(rng: Rng) -> int:
    """A seed for functions that take whole numbers."""
    return int(rng.integers(2**31))


def normal_draws(rng: Rng, mean: Any, sd: Any) -> Float:
    """Draws of an estimate with a standard error, shape (N_DRAWS, ...)."""
    return np.asarray(mean) + np.asarray(sd) * rng.standard_normal((N_DRAWS, *np.shape(mean)))


def interval_draws(rng: Rng, low: Any, high: Any) -> Float:
    """Normal draws with this central 90 % interval."""
    mean, half = (np.add(low, high)) / 2, np.subtract(high, low) / 2
    return normal_draws(rng, mean, half / 1.6448536269514722)
