"""Whether the frame interval is too long: stiffness, and the bias that an approximation has.

The bias is not guessed from the stiffness: the fitted law is run from the observed places, and
the approximation is asked what it would make of the mean of those runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin import sub_steps_kernels as kernels
from physlearn.inference.langevin.displacement_regression import design_of
from physlearn.inference.langevin.force_tables import SIZE, force_tables
from physlearn.inference.langevin.short_runs import Frame
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables

__all__ = ["PredictedBias", "diffusion_seen", "predict_regression_bias", "stiffness_of"]

Float = NDArray[np.float64]
QUANTILE = 0.95
TOO_LARGE = 1.0
"""Bias over standard error of the regression from which it is refused."""


@dataclass(frozen=True, eq=False)
class PredictedBias:
    """What displacement regression would get wrong on these data if the fitted law were true.

    Attributes
    ----------
    bias
        float64, shape (p + 1,): of theta and ln(diffusion).
    standard_error
        float64, shape (p + 1,): the regression's own.
    noise
        float64, shape (p + 1,): of ``bias``, from the finite number of runs.
    """

    bias: Float
    standard_error: Float
    noise: Float

    @property
    def worst(self) -> float:
        """Largest bias over standard error."""
        return float(np.abs(self.bias / self.standard_error).max())

    @property
    def too_large(self) -> bool:
        """Whether the bias of some parameter exceeds one standard error."""
        return self.worst > TOO_LARGE


def stiffness_of(
    frames: Sequence[Frame], family: InteractionFamily, theta: Float, diffusion: float,
    interval: float,
) -> float:  # fmt: skip
    """Return diffusion x interval x the 95 % quantile of |div F|, a dimensionless number."""
    values = []
    for frame in frames[:: max(1, len(frames) // 10)]:
        n, d = frame.places.shape
        one = np.repeat(np.arange(n), np.diff(frame.start))
        away = frame.places[one] - frame.places[frame.other] - frame.shift
        distance = np.sqrt((away**2).sum(axis=1))
        _, slope, bend = family.radial(theta, distance, frame.kinds)
        part = bend + (d - 1) * slope / distance
        total = np.bincount(one, part, n) + np.bincount(frame.other, part, n)
        values.append(np.abs(total[frame.use == 1]))
    return float(diffusion * interval * np.quantile(np.concatenate(values), QUANTILE))


def diffusion_seen(
    frames: Sequence[Frame], some: Sequence[Frame], family: InteractionFamily, at: Float,
    interval: float, n_steps: int, seed: int,
) -> float:  # fmt: skip
    """Return ln(diffusion) at which runs from ``some`` frames move as far as all ``frames`` did.

    Forces hold particles back within a frame interval, so what displacements say at once is too
    little; ``at[-1]`` has to be near.
    """
    diffusion = float(np.exp(at[-1]))
    law = force_tables(family, at[:-1], diffusion * interval / n_steps)
    ends, free = (
        sum(
            _squares(frame, end[:, :, k])[0]
            for frame, end in zip(
                some, _ends(some, flat, law.scale, diffusion, interval, n_steps, seed), strict=True
            )
            for k in range(kernels.LANES)
        )
        for flat in (law.flat, 0.0 * law.flat)
    )
    seen = np.sum([_squares(frame, frame.after) for frame in frames], axis=0)
    # the same noise without forces: its square is known, so the ratio hardly has any
    return float(np.log(seen[0] / seen[1] / (2.0 * interval) * free / ends))


def _squares(frame: Frame, after: Float) -> tuple[float, int]:
    """Return the sum of squared displacements that count, and how many of them are free."""
    use = frame.use == 1
    moved = (after - frame.places)[use]
    moved = moved - frame.common * moved.mean(axis=0)
    return float((moved**2).sum()), (len(moved) - frame.common) * moved.shape[1]


def predict_regression_bias(
    frames: Sequence[Frame],
    family: InteractionFamily,
    at: Float,
    interval: float,
    n_steps: int,
    seed: int,
    precision: Float,
) -> PredictedBias:
    """Return the bias of displacement regression at parameters ``at``, and its standard error.

    One step of the regression from the truth on runs of that truth; ``precision``: the prior's.
    """
    diffusion = float(np.exp(at[-1]))
    scale = diffusion * interval
    law = force_tables(family, at[:-1], scale / n_steps)
    ends = _ends(frames, law.flat, law.scale, diffusion, interval, n_steps, seed)
    free = _ends(frames, 0.0 * law.flat, law.scale, diffusion, interval, n_steps, seed)
    information = np.zeros((len(at), len(at)))
    shares = np.zeros((kernels.LANES, len(at)))
    for k in range(kernels.LANES):
        pulls = []
        for runs in (ends, free):
            design = design_of(frames, family, at[:-1], [end[:, :, k] for end in runs])
            # one displacement with the same noise, as the regression thinks of it: its pull has
            # mean 0, so the difference keeps the bias and loses the noise
            rest = design.moved - (scale * design.force if runs is ends else 0.0)
            slope = scale * np.column_stack([design.change, design.force])
            pull = slope.T @ rest / (2.0 * scale)
            pull[-1] += 0.5 * (rest @ rest / (2.0 * scale) - design.n_free)
            information = slope.T @ slope / (2.0 * scale)
            information[-1, -1] += 0.5 * design.n_free
            pulls.append(pull)
        shares[k] = np.linalg.solve(information + precision, pulls[0] - pulls[1])
    pairs = 0.5 * (shares[: kernels.HALF] + shares[kernels.HALF :])
    error = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    spread = np.sqrt(np.diag(np.linalg.inv(information + precision)))
    return PredictedBias(shares.mean(axis=0), spread, error)


def _ends(
    frames: Sequence[Frame], flat: Float, scale: float, diffusion: float, interval: float,
    n_steps: int, seed: int,
) -> list[Float]:  # fmt: skip
    """Places of eight runs after one frame interval, (n, d, 8) a frame."""
    step = interval / n_steps
    numbers = np.array([diffusion, step, scale])
    words = seed_words(np.random.default_rng(seed), (len(frames), 2))
    ziggurat, ends = ziggurat_tables(), []
    for frame, state in zip(frames, words, strict=True):
        lanes = np.repeat(frame.places[:, :, None], kernels.LANES, axis=2)
        kernels.move_lanes(
            lanes, np.empty_like(lanes), np.empty_like(lanes), frame.start, frame.other,
            frame.shift, frame.kinds, flat, SIZE, numbers, n_steps, 1, state.copy(), ziggurat,
        )  # fmt: skip
        ends.append(lanes)
    return ends
