"""Hypotheses made from fits: couplings of a lattice, laws of a driven wall."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import (
    Hypothesis,
    Predict,
    Prediction,
    hypotheses_from_functions,
    image_area,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, NotIdentified, check_array, check_count

if TYPE_CHECKING:
    from physlearn.results import Fit

ONE_MAGNITUDE = 0.9
"""Drives above this share of the largest one count as the same magnitude."""


def hypotheses_from_couplings(
    fit: Fit,
    *,
    sites_per_area: float,
    bonds_per_site: float,
    shell: int = 0,
    equivalence: float = 0.02,
) -> tuple[Hypothesis, ...]:
    """Return what a lattice fit leaves open: unlike, like, or no preference of neighbours.

    The posterior of one coupling is split at plus and minus `equivalence`; an `image` of a new
    area reads the correlation of neighbours, tanh(coupling) for weak couplings, with the
    sampling error of the number of bonds in that area.

    Parameters
    ----------
    fit
        From `fit_lattice_hamiltonian`.
    sites_per_area
        Lattice sites per squared unit of length of the actions.
    bonds_per_site
        Bonds of the shell over sites, half the number of neighbours: 2 on a square lattice, 3 on a
        triangular one, fewer where the field of view has edges.
    shell
        Which coupling.
    equivalence
        Couplings smaller than this count as none.

    Raises
    ------
    InputError
        For numbers of sites or bonds that are not above 0.
    NotIdentified
        When the posterior lies in one region only: nothing is open.

    Examples
    --------
    >>> fit = {"couplings": np.random.default_rng(0).normal(0, 0.05, (1000, 1))}
    >>> [h.name for h in hypotheses_from_couplings(fit, sites_per_area=0.1, bonds_per_site=2)]
    ['unlike neighbours preferred', 'no preference', 'like neighbours preferred']
    """
    strict_number("equivalence", equivalence, minimum=0)
    draws = np.asarray(fit["couplings"], dtype=np.float64)
    by_shell = draws.reshape(len(draws), -1)
    if check_count("shell", shell, 0) >= by_shell.shape[1]:
        raise InputError(f"shell must be below {by_shell.shape[1]}; got {shell}.")
    coupling = by_shell[:, shell]
    strict_number("sites_per_area", sites_per_area, above=0)
    strict_number("bonds_per_site", bonds_per_site, above=0)
    parts = {
        "unlike neighbours preferred": coupling[coupling < -equivalence],
        "no preference": coupling[np.abs(coupling) <= equivalence],
        "like neighbours preferred": coupling[coupling > equivalence],
    }
    parts = {name: part for name, part in parts.items() if len(part) >= 10}
    if len(parts) < 2:
        raise NotIdentified(f"the fit leaves nothing open: {next(iter(parts), 'no draws')}.")

    def bound(part: Floats) -> Predict:
        def predict(action: Action, rng: np.random.Generator, n: int) -> Prediction:
            if action.verb != "image":
                return None
            n_bonds = max(image_area(action) * sites_per_area * bonds_per_site, 1.0)
            correlation = np.tanh(part[rng.integers(len(part), size=n)])
            return np.asarray(correlation + rng.normal(0, 1 / math.sqrt(n_bonds), n))

        return predict

    return tuple(
        Hypothesis(
            name,
            len(part) / len(coupling),
            bound(part),
            "which neighbours are preferred",
            f"coupling of shell {shell + 1}",
            "correlation of neighbours",
            "1",
        )
        for name, part in parts.items()
    )


def hypotheses_from_wall_fit(
    fit: Fit,
    drives: Floats,
    *,
    argument: str = "bias_V",
    unit: str = "1",
) -> tuple[Hypothesis, ...]:
    """Return laws of a driven wall that agree where it was measured and differ elsewhere.

    All follow the measured mobility up to the largest measured drive. Beyond it the velocity
    stays proportional to the drive, saturates, or accelerates (as when a wall leaves a pinned
    regime); the curves join with equal slope. Only where the film holds one magnitude of the
    drive a threshold below it is open, too.

    Parameters
    ----------
    fit
        From `fit_wall_dynamics`, with `drive_mobility`.
    drives
        Values of the drive in the film.
    argument
        The action's argument that sets the drive.
    unit
        Of the velocity.

    Raises
    ------
    NotIdentified
        When the drive never differed from zero.

    Examples
    --------
    >>> fit = {"drive_mobility": np.random.default_rng(0).normal(0.5, 0.01, 1000)}
    >>> laws = hypotheses_from_wall_fit(fit, np.array([-1.0, 0.5, 1.0]))
    >>> [h.name for h in laws]
    ['proportional', 'saturating', 'accelerating']
    """
    mobility = np.asarray(fit["drive_mobility"], dtype=np.float64).reshape(-1)
    values = np.abs(check_array("drives", drives, ndim=1))
    if not values.max() > 0:
        raise NotIdentified("the drive was zero throughout: no law of the drive can be tested.")
    top = float(values.max())
    mean, sd = float(mobility.mean()), float(mobility.std())

    def proportional(drive: float) -> float:
        return mean * drive

    def bent(shape: Callable[[float], float]) -> Callable[[float], float]:
        def law(drive: float) -> float:
            beyond = max(abs(drive) / top - 1.0, 0.0)
            more = mean * top * (shape(beyond) - beyond)
            return proportional(drive) + math.copysign(1.0, drive) * more

        return law

    def threshold(drive: float) -> float:
        return math.copysign(2.0 * mean * max(abs(drive) - top / 2, 0.0), drive)

    laws = {
        "proportional": proportional,
        "saturating": bent(math.tanh),
        "accelerating": bent(math.expm1),
    }
    if values[values > 0].min() > ONE_MAGNITUDE * top:
        laws["threshold"] = threshold
    return hypotheses_from_functions(
        laws,
        argument=argument,
        noise_sd=max(math.sqrt(2.0) * sd * top, 1e-9 * max(abs(mean) * top, 1e-300)),
        question="how the wall's velocity follows the drive",
        readout="wall velocity",
        unit=unit,
        measured_range=(-top, top),
    )
