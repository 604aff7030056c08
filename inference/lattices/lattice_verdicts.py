"""What a lattice fit says about itself in words: signs, priors that rule, unused data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS
from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.lattices.lattice_family import Variable
from physlearn.inference.posteriors.priors import Prior
from physlearn.results import PRIOR_REPEATED

__all__ = [
    "prior_flags", "prior_widths", "ruled_by_prior", "sign_verdicts", "state_flags",
]  # fmt: skip

Float = NDArray[np.float64]
PRESSED = 0.3
NEAR_BOUND = 0.05
CONFLICT = 4.0
LEAST_WEIGHT = 0.04
NARROW = 0.2
"""Width of a prior, as a share of the usual one, below which it was meant to rule."""
SURE = 0.999
"""Largest probability that is claimed of draws."""
WORDS = {
    "couplings": ("like neighbours preferred", "unlike neighbours preferred"),
    "interactions": ("occupied neighbours avoided", "occupied neighbours preferred"),
    "triplets": ("positive", "negative"),
}
SYMBOLS = {"couplings": "J", "interactions": "V", "triplets": "K"}


def prior_widths(variables: tuple[Variable, ...], prior: Prior) -> dict[str, list[float] | float]:
    """Return the prior standard deviation of every element of every variable."""
    out = {}
    for variable in variables:
        d = variable.map.shape[-1]
        out[variable.name] = np.sqrt(variable.map**2 @ prior.sd[:d] ** 2).tolist()
    return out


def sign_verdicts(
    variables: tuple[Variable, ...],
    theta: Float,
    *,
    one_state: bool = False,
    ruled: NDArray[np.bool_] | None = None,
) -> dict[str, str]:
    """Return what the sign of each coupling says, by label; nothing where one state was seen.

    A sign is told where the coupling's own 90 % interval leaves 0 out. ``ruled``, shape (d,): the
    parameters whose prior alone speaks.
    """
    tail = (1 - CREDIBLE_MASS) / 2
    verdicts = {}
    for variable in variables:
        if variable.name not in WORDS:
            continue
        more, less = WORDS[variable.name]
        if len(variable.dims) > 1:
            more, less = "these neighbours preferred", "these neighbours avoided"
        rows = variable.map.reshape(-1, variable.map.shape[-1])
        for row, label in zip(rows, variable.labels(), strict=True):
            draws = theta @ row
            low, high = np.quantile(draws, [tail, 1 - tail])
            chance = float((draws > 0).mean())
            symbol = SYMBOLS[variable.name]
            if one_state:
                # a field alone makes all sites alike, whatever the sign
                text = f"one state alone says no sign (P({symbol} > 0) = {chance:.2f})"
            elif ruled is not None and np.any(ruled[: len(row)] & (row != 0)):
                text = f"the prior alone speaks (P({symbol} > 0) = {chance:.2f})"
            elif low <= 0 <= high:
                text = f"these data can't tell the sign (P({symbol} > 0) = {chance:.2f})"
            elif low > 0:
                text = f"{more}: {_said(chance)}"
            else:
                text = f"{less}: {_said(1 - chance)}"
            verdicts[label] = text
    return verdicts


def _said(chance: float) -> str:
    """Return a probability as draws can tell it: 1 is never claimed."""
    return f"P > {SURE}" if chance > SURE else f"P = {chance:.3g}"


def ruled_by_prior(theta: Float, prior: Prior, usual: Prior) -> NDArray[np.bool_]:
    """Return the parameters, shape (d,), that a prior much narrower than the usual one decides."""
    share = theta.std(axis=0) / prior.sd
    return np.asarray((share > PRIOR_REPEATED) & (prior.sd < NARROW * usual.sd))


def prior_flags(
    names: tuple[str, ...],
    theta: Float,
    prior: Prior,
    ruled: NDArray[np.bool_] | None = None,
    alone: tuple[Float, Float] | None = None,
) -> list[str]:
    """Return sentences for parameters where the prior, not the data, has the word.

    ``ruled`` as ``ruled_by_prior`` tells; ``alone``: means and sds that the data give without it.
    """
    flags = []
    mean, sd = theta.mean(axis=0), theta.std(axis=0)
    for index, name in enumerate(names):
        share = sd[index] / prior.sd[index]
        pressed = _pressed(theta[:, index], prior, index)
        pull = _conflict(mean[index], sd[index], prior, index)
        if pressed:
            flags.append(
                f"{name}: the posterior presses against the prior's bound {pressed}; what lies "
                "beyond was excluded in advance: widen the prior, or report a bound only"
            )
        elif ruled is not None and ruled[index] and abs(pull) < CONFLICT:
            flags.append(
                f"{name}: the prior rules (its sd of {prior.sd[index]:.2g} is narrower than these "
                f"data can tell){_by_itself(alone, index)}"
            )
        elif share > PRIOR_REPEATED and abs(pull) < CONFLICT:
            flags.append(
                f"{name}: prior repeated (posterior sd is {share:.0%} of the prior's); a larger "
                "picture or more pictures would narrow it"
            )
        elif abs(pull) > CONFLICT and prior.shapes[index] is None:
            flags.append(
                f"{name}: prior and data disagree (what the data say lies {abs(pull):.1f} standard "
                f"deviations from the prior's centre): check the prior{_by_itself(alone, index)}"
            )
    return flags


def _by_itself(alone: tuple[Float, Float] | None, index: int) -> str:
    """Say what the data say of a parameter without the prior, where that was asked for."""
    if alone is None:
        return ""
    center, width = alone[0][index], alone[1][index]
    return f"; the data by themselves say about {center:.2g} +- {width:.1g}"


def _conflict(mean: float, sd: float, prior: Prior, index: int) -> float:
    """Return how far the data's own estimate lies from the prior's centre, in sds of both.

    For Gaussians the posterior's pull is w times that of the data, with 1 - w = sd^2 / prior sd^2,
    and prior and data together spread by prior sd / sqrt(w).
    """
    pull = (mean - prior.mean[index]) / prior.sd[index]
    weight = 1.0 - (sd / prior.sd[index]) ** 2
    # a posterior as wide as the prior leaves the weight to Monte Carlo noise: not below 0.04
    return float(pull / np.sqrt(max(weight, LEAST_WEIGHT)))


def _pressed(draws: Float, prior: Prior, index: int) -> str:
    """Return the bound of a parameter's prior that its draws (n,) press against, or nothing."""
    sd = draws.std()
    for bound in (prior.lower[index], prior.upper[index]):
        if not np.isfinite(bound):
            continue
        # half a sd holds 39 % of an exponential that falls from the bound, 24 % of half a
        # Gaussian that peaks there, and less of what peaks inside
        reach = max(NEAR_BOUND * prior.sd[index], 0.5 * sd)
        near = np.abs(draws - bound) < reach
        flat = sd > 0.8 * prior.sd[index]
        if near.mean() > PRESSED and not flat:
            return f"{bound:.4g}"
    return ""


def state_flags(data: LatticeData) -> list[str]:
    """Return sentences where states are missing, so that only bounds follow."""
    counts = data.state_counts
    values = np.array(data.family.state_values)
    if (counts > 0).sum() == 1:
        if data.family.fixed_composition:
            return [
                "all sites hold one state and the composition is fixed: the pictures say nothing, "
                "and the posterior is the prior"
            ]
        return ["all sites hold one state: only bounds follow, and they lean on the prior"]
    if np.any(counts == 0):
        gone = ", ".join(str(value) for value in values[counts == 0])
        return [
            f"no site holds state {gone}: what concerns it is bounded on one side only, and leans "
            "on the prior"
        ]
    return []
