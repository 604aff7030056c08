"""Columns of one channel's pixels, the library's and the user's, with one covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import linear_covariance
from physlearn.datasets.descriptors.polar_columns import PolarColumns
from physlearn.datasets.descriptors.user_descriptor import CustomColumns
from physlearn.datasets.descriptors.window_batch import DescriptorGroup, GroupResult, WindowBatch

__all__ = ["PixelColumns"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PixelColumns:
    """What computes the columns: the library's groups, then the user's own descriptors."""

    groups: Sequence[DescriptorGroup]
    extra: CustomColumns

    @property
    def words(self) -> list[str]:
        """Terms of the vocabulary, then the user's."""
        return [word for group in self.groups for word in group.words] + list(self.extra.words)

    def tiers(self, tier: int, alone: bool) -> list[int]:
        """Return the tier of each: a channel's shape is of its channel's tier."""
        own = [(1 if alone else tier) if each.tier is None else each.tier
               for each in self.extra.descriptors]  # fmt: skip
        if not alone:
            return [tier for group in self.groups for _ in group.words] + own
        return [
            0 if not word else (1 if of is None else of)
            for group in self.groups
            for word, of in zip(group.words, group.tiers, strict=True)
        ] + own

    @property
    def units(self) -> list[str]:
        """Units, with {channel} and {length} to fill in."""
        own = [each.unit for each in self.extra.descriptors]
        return [unit for group in self.groups for unit in group.units] + own

    def need_whole(self) -> list[str]:
        """Return the words of descriptors that cannot pass over gaps."""
        lacking = [word for group in self.groups if not _takes_gaps(group) for word in group.words]
        return lacking + list(self.extra.words)

    def notes(self, name: str) -> list[str]:
        """Return what the groups say of the patches they saw."""
        polar = [group for group in self.groups if isinstance(group, PolarColumns)]
        return [f"{name}: {text}" for group in polar if (text := group.note())]

    def describe(self, batch: WindowBatch) -> tuple[Floats, Floats | None]:
        """Return the values of all columns and the covariance of their errors."""
        parts: list[GroupResult] = [group.describe(batch) for group in self.groups]
        gaps = batch.incomplete
        columns = [
            part.values if _takes_gaps(group) else np.where(gaps[:, None], np.nan, part.values)
            for group, part in zip(self.groups, parts, strict=True)
        ]
        if self.extra.words:
            own = self.extra.describe(batch.pixels)
            columns.append(np.where(gaps[:, None], np.nan, own))
        values = np.concatenate(columns, axis=1)
        if not batch.with_errors or batch.noise is None or batch.variance is None:
            return values, None
        gradients, covariance = None, np.zeros((len(values), 0, 0))
        if parts:
            gradients = np.concatenate(
                [part.gradients for part in parts if part.gradients is not None], axis=1
            )
            covariance = linear_covariance(gradients, batch.variance, batch.noise)
        linear = np.diagonal(covariance, axis1=1, axis2=2).copy()
        if parts:
            covariance = _with_more_errors(covariance, parts)
        if self.extra.words:
            errors, correlation = self.extra.errors(batch, own, gradients)
            covariance = _with_own_errors(covariance, linear, errors, correlation)
        return values, covariance


def _takes_gaps(group: DescriptorGroup) -> bool:
    return bool(getattr(group, "takes_gaps", False))


def _with_more_errors(covariance: Floats, parts: Sequence[GroupResult]) -> Floats:
    """Return the covariance with what is not linear in the noise."""
    second = np.concatenate(
        [np.zeros_like(part.values) if part.second is None else part.second for part in parts],
        axis=1,
    )
    diagonal = np.arange(covariance.shape[1])
    covariance[:, diagonal, diagonal] += second
    if any(part.jump is not None for part in parts):
        jump = np.concatenate(
            [np.zeros_like(part.values) if part.jump is None else part.jump for part in parts],
            axis=1,
        )
        covariance += jump[:, :, None] * jump[:, None, :]
    return covariance


def _with_own_errors(
    covariance: Floats, linear: Floats, errors: Floats, correlation: Floats
) -> Floats:
    """Return the covariance with the user's columns behind; ``correlation`` (n, l, k) with them."""
    n, count = linear.shape
    k = errors.shape[1]
    own = np.diagonal(errors, axis1=1, axis2=2)
    joint = np.zeros((n, count + k, count + k))
    joint[:, :count, :count] = covariance
    joint[:, count:, count:] = errors
    joint[:, :count, count:] = correlation * np.sqrt(linear[:, :, None] * own[:, None, :])
    joint[:, count:, :count] = joint[:, :count, count:].transpose(0, 2, 1)
    # correlations from few draws beside exact ones may leave a negative direction
    size = np.sqrt(np.diagonal(joint, axis1=1, axis2=2))
    scale = np.where(size > 0, size, 1.0)
    roots, axes = np.linalg.eigh(joint / (scale[:, :, None] * scale[:, None, :]))
    bad = roots[:, 0] < -1e-9
    if bad.any():
        fixed = (axes[bad] * np.maximum(roots[bad], 0.0)[:, None]) @ axes[bad].transpose(0, 2, 1)
        grown = np.sqrt(np.maximum(np.diagonal(fixed, axis1=1, axis2=2), 1e-300))
        factor = size[bad] / grown
        joint[bad] = fixed * factor[:, :, None] * factor[:, None, :]
    return joint
