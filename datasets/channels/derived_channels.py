"""Channels that another channel makes: an error signal, a copy, a part of the response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage, stats

from physlearn.checks import InputError, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.given_channels import channel_items
from physlearn.datasets.channels.measure_noise import flatten_lines
from physlearn.datasets.channels.resample import without_gaps

__all__ = ["DerivedChannel", "find_derived_channels"]

Floats = NDArray[np.float64]
SMOOTHING_PX = (0.0, 1.0, 2.0, 4.0)
"""Both channels are smoothed alike: their noise is not part of what one makes of the other."""
EDGE_PX = 4
LEAST_COPY = 0.9
LEAST_PIXELS = 400
MOST_PX = 512
RANKED_EACH = 7
"""Every which pixel is ranked: neighbours say the same."""


@dataclass(frozen=True, slots=True)
class DerivedChannel:
    """A channel that says nothing its source does not say.

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
        Share of its variance (lines' offsets and slopes removed) that the relation makes: R^2.
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
    channels: xr.Dataset | Mapping[str, xr.DataArray], *, least_share: float = 0.8
) -> dict[str, DerivedChannel]:
    """Find channels that are the slope of another (an error signal), a copy, or part of one.

    A feedback's error signal (deflection) is about the slope of the height along the fast axis:
    ``R^2`` between the channel and the centred difference of each other channel, both smoothed
    alike by 0, 1, 2 and 4 pixels, lines' offsets and slopes taken away. A copy has ``R^2 >= 0.9``
    with the channel itself (in ranks: "monotone copy"; angles as directions); in-phase and
    quadrature parts lie in ``A cos(phi)`` and ``A sin(phi)``.

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
    prepared = {name: _Channel(part) for name, part in pictures.items()}
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


def _relations(channels: dict[str, _Channel], least: float) -> list[DerivedChannel]:
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


class _Channel:
    """A channel without gaps, at unit spread, and what its values are."""

    def __init__(self, channel: xr.DataArray) -> None:
        ordered = channel.transpose("y", "x")
        whole = np.asarray(ordered.to_numpy(), dtype=np.float64)
        self.shape = whole.shape
        # the middle of a large picture tells enough
        middle = tuple(
            slice((n - min(n, MOST_PX)) // 2, (n + min(n, MOST_PX)) // 2) for n in whole.shape
        )
        values = whole[middle]
        self.period = angle_period(channel)
        self.known = np.isfinite(values)
        usable = bool(self.known.any()) and values.size >= LEAST_PIXELS
        self.values = without_gaps(values)[0] if usable else np.zeros(values.shape)
        self.scale = float(self.values.std())
        self.steps = [
            abs(float(np.diff(ordered[dim].to_numpy()[:2])[0])) if dim in ordered.coords else 1.0
            for dim in ("y", "x")
        ]

        self._made: dict[tuple[float, int], Floats] = {}

    @property
    def usable(self) -> bool:
        """Whether there is anything to compare."""
        return self.scale > 0 and min(self.values.shape) > 4 * EDGE_PX

    def inner(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers (n,) away from the edges, 0 in gaps."""
        kept = slice(EDGE_PX, -EDGE_PX)
        return np.asarray(np.where(self.known, values, 0.0)[kept, kept].ravel())

    def flat(self, width: float, axis: int = -1) -> Floats:
        """Return the smoothed channel at unit spread, or its slope along an axis, lines level."""
        if (width, axis) not in self._made:
            values = self.values / self.scale
            if width:
                values = ndimage.gaussian_filter(values, width)
            if axis >= 0:
                values = np.gradient(values, axis=axis)
            self._made[width, axis] = self.inner(np.real(flatten_lines(values)))
        return self._made[width, axis]


def _compare(one: NDArray[Any], two: NDArray[Any]) -> tuple[float, float]:
    """Return R^2 of two level pictures, and how much of the first is in the second."""
    # einsum: a threaded BLAS waits longer for its threads than this takes
    own = float(np.einsum("i,i->", one, np.conj(one)).real)
    power = own * float(np.einsum("i,i->", two, np.conj(two)).real)
    if not power > 0:
        return 0.0, 0.0
    both = complex(np.einsum("i,i->", np.conj(one), two))
    return abs(both) ** 2 / power, both.real / own


def _slopes(source: _Channel, channel: _Channel, least: float) -> list[tuple[str, float, float]]:
    """Return (relation, R^2, coefficient) where the channel is a slope of the source."""
    if not source.usable or not channel.usable or source.period or channel.period:
        return []
    result = []
    for axis, word in ((1, "slope along x"), (0, "slope along y")):
        share, coefficient = max(
            _compare(source.flat(width, axis), channel.flat(width)) for width in SMOOTHING_PX
        )
        if share >= least:
            factor = channel.scale / source.scale * source.steps[axis]
            result.append((word, share, coefficient * factor))
    return result


def _copies(source: _Channel, channel: _Channel) -> list[tuple[str, float, float]]:
    """Return (relation, R^2, coefficient) where the channel repeats the source."""
    if not source.usable or not channel.usable:
        return []
    known = source.known & channel.known
    if source.period or channel.period:
        if not (source.period and channel.period):
            return []
        one, two = (
            each.inner(flatten_lines(np.exp(2j * np.pi * each.values / float(each.period or 1.0))))
            for each in (source, channel)
        )
        share = max(_compare(one, two)[0], _compare(one, np.conj(two))[0])
        return [("copy", share, float("nan"))] if share >= LEAST_COPY else []
    share, coefficient = max(
        _compare(source.flat(width), channel.flat(width)) for width in SMOOTHING_PX
    )
    if share >= LEAST_COPY:
        return [("copy", share, coefficient * channel.scale / source.scale)]
    if known.sum() < LEAST_PIXELS:
        return []
    ranks = [
        stats.rankdata(ndimage.gaussian_filter(each.values, 1.0)[known][::RANKED_EACH])
        for each in (source, channel)
    ]
    share = float(np.corrcoef(ranks[0], ranks[1])[0, 1] ** 2)
    return [("monotone copy", share, float("nan"))] if share >= LEAST_COPY else []


def _part_of_response(name: str, channels: dict[str, _Channel]) -> DerivedChannel | None:
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
            if share >= LEAST_COPY and (best is None or share > best.share):
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
