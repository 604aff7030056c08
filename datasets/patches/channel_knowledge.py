"""What is known of each channel before it is described: noise, signal, what it is derived from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.channel_names import (
    controlled_channel_name,
    plain_channel_name,
)
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.patch_sources import Sources

__all__ = ["ChannelKnowledge", "know_channels", "mark_block"]


FEWEST_PIXELS = 4
"""Along a patch's edge, for the channel's noise to be told from what differs between patches."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelKnowledge:
    """Noise, flags and origin of the channels.

    Attributes
    ----------
    noises
        Channel -> what is known of its noise, None where nothing is.
    flags
        Channel -> what must be known before it is used.
    derived
        Channel -> the channels that it repeats or is computed from.
    notes
        Sentences for the table's warnings.
    responses
        Channel -> the response of which it is one part (amplitude or phase).
    """

    noises: Mapping[str, ChannelNoise | None]
    flags: Mapping[str, str]
    derived: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    responses: Mapping[str, str] = field(default_factory=dict)


def know_channels(
    sources: Sources, places: PatchPlaces, *, repeated: Collection[str] = ()
) -> ChannelKnowledge:
    """Return noise, flags and origin of every map; of a video, those of its middle frame.

    Noise is measured on pixels that are much smaller than the patches: on larger ones it looks
    like what differs between patches.
    Of channels that were ``repeated`` nothing is said of their errors: the repeat tells them.
    """
    from physlearn.datasets.channels.measure_noise import NO_SIGNAL

    middle = sources.at_frame(sources.n_frames // 2)
    noises: dict[str, ChannelNoise | None] = {}
    flags: dict[str, str] = {}
    notes: list[str] = []
    for name, channel in middle.maps.items():
        said = [] if name in repeated else notes
        pixels = min(places.windows(axis_frame(name, channel))[1])
        noise = _noise_of(name, channel, pixels, said)
        noises[name] = noise
        if noise is not None and not noise.has_signal and not _is_constant(channel):
            flags[name] = NO_SIGNAL
            notes.append(f"{_called(name)} holds no signal above its noise; it is kept and marked.")
    seen = [name for name, noise in noises.items() if noise and noise.source == "picture"]
    if seen := [name for name in seen if name not in repeated]:
        called = "the picture" if seen == ["image"] else f"channel {', '.join(seen)}"
        notes.append(
            f"the noise of {called} was measured on its own pixels: noise that neighbours share "
            "in full is not in it."
        )
    if sources.n_frames > 1 and noises:
        notes.append("the noise of the channels was measured on the middle frame of the video.")
    known = [name for name, noise in noises.items() if noise and name not in repeated]
    if len(known) > 1:
        notes.append(
            "the errors of different channels are taken as independent; a repeated scan (repeat=) "
            "measures what they share."
        )
    derived = _derived(middle.channels, notes) if len(middle.channels) > 1 else {}
    responses = _responses(middle.channels, notes)
    return ChannelKnowledge(noises, flags, derived, tuple(dict.fromkeys(notes)), responses)


def _responses(channels: Collection[str], notes: list[str]) -> dict[str, str]:
    """Return the channels that are amplitude and phase of one response, by their names."""
    of = {controlled_channel_name(name): name for name in channels if re.search("[a-z]", name)}
    found: dict[str, str] = {}
    for controlled, amplitude in of.items():
        phase = of.get(controlled.replace("amplitude", "phase", 1))
        if "amplitude" in controlled.split("_") and phase is not None:
            notes.append(
                f"channels {amplitude} and {phase} are two parts of one response and share its "
                "noise and its background: complex_response gives what is one number a pixel."
            )
            found.update(dict.fromkeys((amplitude, phase), f"{amplitude} and {phase}"))
    return found


def _is_constant(channel: xr.DataArray) -> bool:
    """Return whether all pixels are alike; its columns then go for not varying, which is said."""
    values = channel.to_numpy()
    values = values[np.isfinite(values)]
    return not (values.size and float(np.ptp(values)) > 1e-12 * float(np.abs(values).max()))


def _called(name: str) -> str:
    return "the picture" if name == "image" else f"channel {name}"


def _noise_of(
    name: str, channel: xr.DataArray, pixels: int, notes: list[str]
) -> ChannelNoise | None:
    """Return the declared or measured noise of one channel, None where it can't be known.

    ``pixels`` is how many of them lie along a patch's edge.
    """
    from physlearn.datasets.channels.measure_noise import measure_channel_noise

    stated = "noise_sd" in channel.attrs or channel.attrs.get("counts") == "known"
    if pixels < FEWEST_PIXELS and not stated:
        notes.append(
            f"the measurement noise of {_called(name)} is unknown: its pixels are about as large "
            "as the patches, so that noise looks like what differs between them; give the "
            "attribute noise_sd, or repeat the scan (repeat=)."
        )
        return None
    try:
        noise = measure_channel_noise(channel.rename(name))
    except (InputError, NotIdentified) as error:
        declared = channel.attrs.get("noise_sd")
        if declared is not None:
            return ChannelNoise(float(declared))
        if np.isfinite(channel.to_numpy()).any():
            notes.append(f"the measurement noise of {_called(name)} is unknown: {error}")
        return None
    notes += [f"{_called(name)}: {text}" for text in noise.warnings]
    return noise


def _derived(channels: Mapping[str, xr.DataArray], notes: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the channels that others give, under controlled names."""
    from physlearn.datasets.channels.derived_channels import find_derived_channels

    try:
        found = find_derived_channels(channels)
    except (InputError, NotIdentified) as error:
        notes.append(f"whether a channel repeats another was not tested: {error}")
        return {}
    notes += [each.sentence for each in found.values()]
    return {
        name: tuple(plain_channel_name(source) for source in each.of)
        for name, each in found.items()
    }


def mark_block(block: ColumnBlock, channel: str, knowledge: ChannelKnowledge) -> ColumnBlock:
    """Return the block of a channel with the channel's flag and origin on every column."""
    flags, derived = dict(block.flags), dict(block.derived)
    for name in block.names:
        if channel in knowledge.flags:
            flags[name] = knowledge.flags[channel]
        if channel in knowledge.derived:
            # a descriptor repeats the same descriptor of the channels it is derived from
            rest = name.removeprefix(channel)
            derived.setdefault(name, tuple(each + rest for each in knowledge.derived[channel]))
    pixels = dict(block.pixels_of)
    if channel in knowledge.responses:
        pixels = dict.fromkeys(block.names, knowledge.responses[channel])
    return replace(block, flags=flags, derived=derived, pixels_of=pixels)
