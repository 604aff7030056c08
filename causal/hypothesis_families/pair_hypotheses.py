"""Hypotheses from fitted pair potentials and force laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.actions import Action
from physlearn.causal.hypotheses import Hypothesis, NoiseSd
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    Draws,
    hypothesis_from_draws,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, check_choice, check_count

if TYPE_CHECKING:
    from physlearn.results import Fit

__all__ = ["hypotheses_from_pair_fits"]

READOUTS = ("force", "energy")


def hypotheses_from_pair_fits(
    fits: Mapping[str, Fit],
    *,
    noise_sd: NoiseSd,
    distance: str | Callable[[Action], float] = "distance",
    readout: str = "force",
    kind: tuple[int, int] = (0, 0),
    weights: Mapping[str, float] | None = None,
    functions: Mapping[str, Callable[..., NDArray[np.float64]]] | None = None,
    n_draws: int = 1000,
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each fitted pair potential: the force at the distance that is set.

    Parameters
    ----------
    fits
        Name -> `Fit` with a pair potential (`fit_pair_potential`, `fit_langevin`, `fit_forces`).
    noise_sd
        Of one measured force or energy, in kT per length or kT.
    distance
        The action's argument that sets the distance, in the length of the fit (a `move` of one
        particle to x, y with ``distance`` among its arguments, say), or a function of the action;
        acts without the argument show nothing.
    readout
        "force" (minus the slope, repulsion positive) or "energy".
    kind
        The two species.
    weights
        Name -> weight (`PotentialComparison.table["probability"]`, say); equal when None.
    functions
        Name -> the user's own function, for fits of one.
    n_draws
        Draws of each posterior that are kept.

    Raises
    ------
    InputError
        For a fit without a pair potential, or species that it has not.

    Examples
    --------
    >>> from physlearn.inference.potential_families.fit_contents import (
    ...     name_draws, write_interaction)
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.results import fit_from_draws
    >>> fits = {}
    >>> for name in ("morse", "lennard_jones"):
    ...     family = make_interaction(name, length=1.0)
    ...     theta = np.tile(family.prior_mean, (50, 1))
    ...     fits[name] = fit_from_draws(name_draws(family, theta, "nm").draws, model=name,
    ...         likelihood="l", approximation="a", seed=0, data=b"x",
    ...         attrs=write_interaction(family))
    >>> laws = hypotheses_from_pair_fits(fits, noise_sd=0.1)
    >>> near = Action("move", {"x": 0.0, "y": 0.0, "distance": 0.9}, 0, 1, 1)
    >>> all(law.mean_sd(near, 0)[0] > 0 for law in laws)
    True
    """
    from physlearn.inference.potential_families.fit_contents import interaction_of, theta_draws

    if not isinstance(fits, Mapping) or not fits:
        raise InputError(f"fits must hold name -> Fit; got {fits!r}.")
    check_choice("readout", readout, READOUTS)
    check_count("n_draws", n_draws, 2)
    asked = Asked(
        "which pair potential holds", f"pair {readout}",
        "kT/length" if readout == "force" else "kT",
    )  # fmt: skip
    result = []
    for name, fit in fits.items():
        family = interaction_of(fit, None if functions is None else functions.get(name))
        pair = (min(kind), max(kind))
        if pair not in family.pairs:
            raise InputError(
                f"kind must be two species of {name!r} ({family.pairs}); got {kind!r}."
            )
        place = family.pairs.index(pair)
        part, at = family.parts[place], family.slices()[place]
        theta = theta_draws(fit, family)[:, at]
        kept = theta[np.linspace(0, len(theta) - 1, min(n_draws, len(theta))).astype(np.int64)]
        weight = 1.0 if weights is None else weights[name]
        result.append(
            hypothesis_from_draws(
                name, {"theta": kept}, _radial(part.radial, distance, readout), noise_sd=noise_sd,
                weight=weight, asked=asked,
            )
        )  # fmt: skip
    return tuple(result)


def _radial(
    radial: Callable[..., Floats], distance: str | Callable[[Action], float], readout: str
) -> Callable[[Action, Draws], Floats | None]:
    def expected(action: Action, members: Draws) -> Floats | None:
        if callable(distance):
            r = float(distance(action))
        elif distance in action.args:
            r = action.number(distance)
        else:
            return None
        if not r > 0:
            raise InputError(f"distance of {action.verb} must be above 0; got {r}.")
        place = np.array([r])
        found = np.array([radial(theta, place)[:2, 0] for theta in members["theta"]])
        return -found[:, 1] if readout == "force" else found[:, 0]

    return expected
