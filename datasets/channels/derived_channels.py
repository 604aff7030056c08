"""Channels that another channel makes: an error signal, a copy, a part of the response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage, optimize

from physlearn.checks import InputError, check_positive
from physlearn.datasets.channels.compared_channel import (
    ComparedChannel,
    chance_of,
    chance_of_pair,
    fitting_width,
    product,
    shared_part,
)
from physlearn.datasets.channels.given_channels import channel_items
from physlearn.records.storage import html_table, short_repr

__all__ = ["DerivedChannel", "find_derived_channels"]

Floats = NDArray[np.float64]
LEAST_COPY, LEAST_MONOTONE, LEAST_PART = 0.98, 0.97, 0.95
DOUBT_SDS = 2.0
LARGEST_CHANCE = 1e-5
"""That independent channels share so much; smooth ones have few independent places."""
LEAST_PIXELS = 400
FITTED_NUMBERS = 4


@dataclass(frozen=True, slots=True)
class DerivedChannel:
    """A channel that says next to nothing beyond its noise that its source does not say.

    Attributes
    ----------
    name
        Of the channel.
    of
        Channels that it is made of.
    relation
        "slope along x", "slope along y", "copy", "monotone copy", "part of the response" or
        "declared" (attribute ``derived_from``).
    share
        Share of its variance (without lines' offsets and slopes, and without noise where that is
        large enough to count) that the relation makes: R^2.
    coefficient
        Of the relation: channel per source (per unit of length for a slope); NaN where there is
        no single one.

    Examples
    --------
    >>> DerivedChannel("deflection", ("height",), "slope along x", 0.99, -8.3).sentence
    'channel deflection is the slope along x of height (R^2 = 0.990): it is derived.'
    """

    name: str
    of: tuple[str, ...]
    relation: str
    share: float
    coefficient: float

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def sentence(self) -> str:
        """What to tell the reader."""
        sources = " and ".join(self.of)
        if self.relation == "declared":
            return f"channel {self.name} is declared to be computed from {sources}."
        said = {
            "copy": "is a copy of", "monotone copy": "follows step by step",
            "part of the response": "is part of the response",
        }.get(self.relation, f"is the {self.relation} of")  # fmt: skip
        return f"channel {self.name} {said} {sources} (R^2 = {self.share:.3f}): it is derived."


def find_derived_channels(
    channels: xr.Dataset | Mapping[str, xr.DataArray], *, least_share: float = 0.9
) -> dict[str, DerivedChannel]:
    """Find channels that are the slope of another (an error signal), a copy, or part of one.

    A feedback's error signal (deflection) is about the slope of the height along the fast axis:
    ``R^2`` between the channel and the centred difference of each other channel, lines' offsets
    and slopes taken away. A copy has ``R^2 >= 0.98`` with the channel itself (0.97 with a rising or
    falling function of it: "monotone copy"; angles as directions); in-phase and quadrature parts
    lie in ``A cos(phi)`` and ``A sin(phi)`` (0.95). Where R^2 of the pixels is smaller, the
    variances are taken without the channels' noise (``measure_channel_noise``), after as little
    smoothing (0, 1, 2 or 4 pixels) as tells them from it, and only if smoothing takes away no more
    of the channel than of its source: structure of a channel's own makes it no copy. Relations
    that smooth channels of few independent places would show by chance are left out.

    Parameters
    ----------
    channels
        Dataset or mapping of channels; those (y, x) of one shape are compared.
    least_share
        Smallest R^2 of a slope.

    Returns
    -------
    dict
        Name -> ``DerivedChannel``, for derived channels alone; of two copies the later is derived.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> height = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 3)
    >>> error = np.gradient(height, axis=1) + rng.normal(0, 0.001, (64, 64))
    >>> found = find_derived_channels({"height": xr.DataArray(height, dims=("y", "x")),
    ...     "deflection": xr.DataArray(error, dims=("y", "x"))})
    >>> found["deflection"].of, found["deflection"].relation
    (('height',), 'slope along x')
    """
    least = check_positive("least_share", least_share)
    if least > 1:
        raise InputError(f"least_share must be at most 1; got {least_share!r}.")
    given = channel_items(channels)
    pictures = {name: part for name, part in given.items() if set(part.dims) == {"y", "x"}}
    found: dict[str, DerivedChannel] = {}
    for name, part in given.items():
        declared = part.attrs.get("derived_from")
        if declared is not None:
            of = (declared,) if isinstance(declared, str) else tuple(map(str, declared))
            found[name] = DerivedChannel(name, of, "declared", 1.0, float("nan"))
    prepared = {name: ComparedChannel(part) for name, part in pictures.items()}
    # the likeliest relation first: what it makes derived is nobody's source any more
    for each in sorted(_relations(prepared, least), key=_rank):
        free = not any(source in found for source in each.of)
        used = any(each.name in known.of for known in found.values())
        if each.name not in found and free and not used:
            found[each.name] = each
    return {name: found[name] for name in given if name in found}


def _rank(relation: DerivedChannel) -> tuple[bool, float]:
    """Return what sorts copies before all else, and larger shares before smaller ones."""
    return ("copy" not in relation.relation, -relation.share)


def _relations(channels: dict[str, ComparedChannel], least: float) -> list[DerivedChannel]:
    """Return every relation between channels that is clear enough."""
    result = []
    names = list(channels)
    for later, name in enumerate(names):
        for earlier, other in enumerate(names):
            if other == name or channels[other].shape != channels[name].shape:
                continue
            options = _slopes(channels[other], channels[name], least)
            # of two copies the first is the source; a slope has one direction
            if earlier < later:
                options += _copies(channels[other], channels[name])
            result += [
                DerivedChannel(name, (other,), relation, share, coefficient)
                for relation, share, coefficient in options
            ]
        part_of = _part_of_response(name, channels)
        if part_of is not None:
            result.append(part_of)
    return result


def _slopes(
    source: ComparedChannel, channel: ComparedChannel, least: float
) -> list[tuple[str, float, float]]:
    """Return (relation, R^2, coefficient) where the channel is a slope of the source."""
    if not source.usable or not channel.usable or source.period or channel.period:
        return []
    result = []
    for axis, word in ((1, "slope along x"), (0, "slope along y")):
        share, error, coefficient = shared_part(source, channel, axis, least)
        if share + DOUBT_SDS * error < least:
            continue
        if chance_of_pair(share, source, channel, axis) < LARGEST_CHANCE:
            factor = channel.scale / source.scale * source.steps[axis]
            result.append((word, share, coefficient * factor))
    return result


def _copies(source: ComparedChannel, channel: ComparedChannel) -> list[tuple[str, float, float]]:
    """Return (relation, R^2, coefficient) where the channel repeats the source."""
    if not source.usable or not channel.usable:
        return []
    if source.period or channel.period:
        return _same_angle(source, channel) if source.period and channel.period else []
    share, error, coefficient = shared_part(source, channel, -1, LEAST_COPY)
    if share + DOUBT_SDS * error >= LEAST_COPY:
        if chance_of_pair(share, source, channel) < LARGEST_CHANCE:
            return [("copy", share, coefficient * channel.scale / source.scale)]
        return []
    return _follows(source, channel)


def _same_angle(
    source: ComparedChannel, channel: ComparedChannel
) -> list[tuple[str, float, float]]:
    """Return the relation where two angles are one, or opposite in sign."""
    one, two = source.directions(), channel.directions()
    beyond = [
        product(u, u) / u.size + float(np.expm1(-each.pixel_noise()[0]))
        for u, each in ((one, source), (two, channel))
    ]
    if not min(beyond) > 0:
        return []
    powers = [abs(complex(np.einsum("ij,ij->", np.conj(one), u))) ** 2 for u in (two, two.conj())]
    share = min(max(powers) / one.size**2 / (beyond[0] * beyond[1]), 1.0)
    if share < LEAST_COPY or chance_of(share, one, two) >= LARGEST_CHANCE:
        return []
    return [("copy", share, float("nan"))]


def _follows(source: ComparedChannel, channel: ComparedChannel) -> list[tuple[str, float, float]]:
    """Return the relation where a channel is a rising or falling function of its source."""
    width = fitting_width(source, channel)
    if not np.isfinite(width):
        return []
    one, two = (
        each.inner(ndimage.gaussian_filter(each.values, width) if width else each.values)
        for each in (source, channel)
    )
    known = source.inner(source.known) * channel.inner(channel.known) > 0
    if known.sum() < LEAST_PIXELS:
        return []
    order = np.argsort(one[known], kind="stable")
    said = two[known][order]
    rises = float(np.corrcoef(np.arange(said.size), said)[0, 1]) >= 0 if np.ptp(said) > 0 else True
    fit = optimize.isotonic_regression(said, increasing=rises).x
    made = np.zeros(one.shape)
    made[known] = fit[np.argsort(order)]
    wanted = float(two[known].var()) - channel.noise(width) * channel.scale**2
    share = min(1.0 - (float((two - made)[known].var()) - (float(two[known].var()) - wanted))
                / max(wanted, 1e-300), 1.0)  # fmt: skip
    if share < LEAST_MONOTONE:
        return []
    level_part, own = (np.where(known, part - part[known].mean(), 0.0) for part in (made, two))
    if chance_of(share, level_part, own, FITTED_NUMBERS) >= LARGEST_CHANCE:
        return []
    return [("monotone copy", share, float("nan"))]


def _part_of_response(name: str, channels: dict[str, ComparedChannel]) -> DerivedChannel | None:
    """Return the relation of a channel to an amplitude and a phase, if it has one."""
    own = channels[name]
    if not own.usable or own.period:
        return None
    best: DerivedChannel | None = None
    for phase, angle in channels.items():
        if not angle.usable or not angle.period or angle.shape != own.shape:
            continue
        for size, amplitude in channels.items():
            if size == name or amplitude.period or not amplitude.usable:
                continue
            if amplitude.shape != own.shape or float(amplitude.values.min()) < 0:
                continue
            known = own.known & angle.known & amplitude.known
            turn = 2.0 * np.pi / angle.period
            response = amplitude.values / amplitude.scale * np.exp(1j * angle.values * turn)
            share = _explained(response, own.values / own.scale, known)
            if share < LEAST_PART or (best is not None and share <= best.share):
                continue
            level = [
                np.where(known, part - part[known].mean(), 0.0)
                for part in (response, own.values / own.scale)
            ]
            if chance_of(share, level[0], level[1], 2) < LARGEST_CHANCE:
                best = DerivedChannel(
                    name, (size, phase), "part of the response", share, float("nan")
                )
    return best


def _explained(response: NDArray[np.complex128], values: Floats, known: NDArray[np.bool_]) -> float:
    """Return the share of a picture that real and imaginary part of the response make."""
    if not known.any():
        return 0.0
    design = np.stack([response.real[known], response.imag[known]], axis=1)
    design = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    own = values[known]
    left = own - design @ np.linalg.lstsq(design, own, rcond=None)[0]
    return float(1.0 - left.var() / max(float(own.var()), 1e-300))
