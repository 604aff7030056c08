"""Policies that learn the readout itself from descriptors: explore, exploit, reach a target."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.causal.actions import strict_number
from physlearn.causal.policies.belief import Floats
from physlearn.causal.policies.situation import Situation
from physlearn.checks import InputError

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

__all__ = ["expected_approach", "expected_improvement", "exploration", "upper_bound"]

FEWEST_READOUTS = 3
"""Below that many, acts far from those tried come first: there is nothing to learn from yet."""
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


def exploration(situation: Situation) -> Floats:
    """Return the standard deviation of the readout that is learned so far, noise excluded."""
    if len(situation.readouts) < FEWEST_READOUTS:
        return _distance_to_tried(situation)
    return _learned(situation)[1]


def expected_improvement(situation: Situation) -> Floats:
    """Return the expected improvement on the best learned readout.

    Jones, Schonlau & Welch 1998, doi:10.1023/A:1008306431147, equation 15; the best is that of
    the learned means at acts done, as single readouts are noisy.
    """
    if len(situation.readouts) < FEWEST_READOUTS:
        return _distance_to_tried(situation)
    mean, sd, at_tried = _learned(situation)
    sign = -1.0 if situation.policy.smallest else 1.0
    gain = sign * mean - (sign * at_tried).max()
    z = gain / sd
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    below = 0.5 * np.array([math.erfc(-value / math.sqrt(2.0)) for value in z])
    return np.asarray(gain * below + sd * density)


def upper_bound(situation: Situation) -> Floats:
    """Return mean plus `Policy.confidence_width` standard deviations.

    Srinivas et al. 2012, doi:10.1109/TIT.2011.2182033; counted from the lowest of all acts, so
    that it is never negative.
    """
    if len(situation.readouts) < FEWEST_READOUTS:
        return _distance_to_tried(situation)
    mean, sd, _ = _learned(situation)
    sign = -1.0 if situation.policy.smallest else 1.0
    bound = sign * mean + situation.policy.confidence_width * sd
    return np.asarray(bound - bound.min())


def expected_approach(situation: Situation) -> Floats:
    """Return by how much an act is expected to come nearer to the wanted readout.

    Expected improvement of the distance to `Policy.wanted_readout`, over Gauss-Hermite nodes.
    """
    if len(situation.readouts) < FEWEST_READOUTS:
        return _distance_to_tried(situation)
    mean, sd, at_tried = _learned(situation)
    wanted = strict_number("wanted_readout", situation.policy.wanted_readout)
    nearest = np.abs(at_tried - wanted).min()
    distance = np.abs(mean[:, None] + sd[:, None] * NODES - wanted)
    return np.asarray(np.maximum(nearest - distance, 0.0) @ NODE_WEIGHTS / NODE_WEIGHTS.sum())


def descriptors_of(situation: Situation) -> Floats:
    """Return descriptors scaled to unit spread, shape (n_actions, n_descriptors)."""
    given = situation.policy.descriptors
    if given is None:
        names = sorted(
            {
                name
                for action in situation.actions
                for name, value in action.args.items()
                if not isinstance(value, str)
            }
        )
        rows = [
            [_number(action.args.get(name, 0.0)) for name in names] for action in situation.actions
        ]
        given = np.array(rows, dtype=np.float64).reshape(len(situation.actions), len(names))
    values = np.asarray(given, dtype=np.float64)
    if len(values) != len(situation.actions):
        raise InputError(
            f"descriptors must have one row for each of {len(situation.actions)} acts; got "
            f"{len(values)}."
        )
    spread = values.std(axis=0)
    varied = values[:, spread > 0]
    if varied.shape[1] == 0:
        raise InputError("descriptors must differ between acts; all of them are alike.")
    return np.asarray((varied - varied.mean(axis=0)) / spread[spread > 0])


def _number(value: Any) -> float:
    return 0.0 if isinstance(value, str) else float(value)


def _distance_to_tried(situation: Situation) -> Floats:
    where = descriptors_of(situation)
    tried = np.unique(np.concatenate([situation.tried, np.flatnonzero(situation.asked)]))
    if not len(tried):
        # the middle first: it is nearest to everything
        return np.asarray(1.0 / (1.0 + np.linalg.norm(where, axis=1)))
    apart = np.linalg.norm(where[:, None] - where[tried.astype(np.int64)], axis=2)
    return np.asarray(apart.min(axis=1))


def _learned(situation: Situation) -> tuple[Floats, Floats, Floats]:
    """Return mean and sd at all acts, and the mean at those tried."""
    where = descriptors_of(situation)
    process = _process(where.shape[1])
    with warnings.catch_warnings():
        # few readouts leave length scales at their bounds, which is all that is known then
        warnings.simplefilter("ignore")
        process.fit(where[situation.tried], situation.readouts)
        mean, total = process.predict(where, return_std=True)
    noise = process.kernel_.get_params()["k2__noise_level"] * float(np.var(situation.readouts))
    sd = np.sqrt(np.maximum(total**2 - noise, 1e-12 * (1.0 + total**2)))
    return mean, np.asarray(sd), np.asarray(mean[situation.tried])


def _process(n_descriptors: int) -> GaussianProcessRegressor:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    scales = np.ones(n_descriptors)
    smooth = ConstantKernel(1.0, (0.05, 50.0)) * Matern(scales, (0.1, 20.0), nu=2.5)
    kernel = smooth + WhiteKernel(0.05, (1e-6, 2.0))
    return GaussianProcessRegressor(kernel, normalize_y=True)
