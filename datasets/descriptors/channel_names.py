"""Controlled names of measured channels, whatever an instrument calls them."""

from __future__ import annotations

import re

from physlearn.checks import InputError

__all__ = ["CHANNEL_NAMES", "controlled_channel_name", "plain_channel_name"]

CHANNEL_NAMES = {
    "height": ("topography", "topo", "z", "zsensor", "z_sensor", "z_height"),
    "deflection": ("defl", "deflection_error", "error", "error_signal"),
    "amplitude": ("amp", "ampl", "magnitude", "mag"),
    "phase": ("phas",),
    "resonance_frequency": ("frequency", "freq", "resonance"),
    "quality_factor": ("q", "q_factor"),
    "surface_potential": (
        "potential", "kpfm", "cpd", "contact_potential", "contact_potential_difference",
        "nap_potential",
    ),
    "current": ("i", "tunneling_current", "tunnelling_current", "c_afm", "cafm"),
    "conductance": ("d_id_v", "di_dv", "didv", "d_i_d_v"),
    "piezoresponse": ("piezo_response", "pr"),
    "haadf": ("high_angle_annular_dark_field",),
    "adf": ("annular_dark_field",),
    "abf": ("annular_bright_field",),
    "bright_field": ("bf", "brightfield"),
}  # fmt: skip
"""Controlled name -> what instruments call it, in small letters with underscores."""

DIRECTIONS = {
    "trace": "trace", "forward": "trace", "fwd": "trace", "fw": "trace",
    "retrace": "retrace", "backward": "retrace", "bwd": "retrace", "bw": "retrace",
}  # fmt: skip
CONTROLLED = {spelling: name for name, all_ in CHANNEL_NAMES.items() for spelling in (name, *all_)}


def controlled_channel_name(name: str) -> str:
    """Return the controlled name of a channel that an instrument named.

    The quantity comes first, then the number of the channel, then the direction of the scan
    (``trace`` or ``retrace``). A name that means nothing known comes back in small letters with
    underscores.

    Raises
    ------
    InputError
        When the name holds no letter.

    Examples
    --------
    >>> controlled_channel_name("HeightRetrace"), controlled_channel_name("ZSensorTrace")
    ('height_retrace', 'height_trace')
    >>> controlled_channel_name("Phase 1 [Fwd]"), controlled_channel_name("UserIn0Retrace")
    ('phase_1_trace', 'user_in_0_retrace')
    """
    words = _words(str(name))
    if not any(word.isalpha() for word in words):
        raise InputError(f"name must hold a word that says what the channel is; got {name!r}.")
    direction = [DIRECTIONS[word] for word in words if word in DIRECTIONS][-1:]
    quantity = [word for word in words if word not in DIRECTIONS]
    number = [quantity.pop()] if quantity and quantity[-1].isdigit() else []
    if not quantity:
        return "_".join([*number, *direction])
    plain = "_".join(quantity)
    return "_".join([CONTROLLED.get(plain, plain), *number, *direction])


def plain_channel_name(name: str) -> str:
    """Return a channel's own name in small letters with underscores; "channel" without letters.

    Examples
    --------
    >>> plain_channel_name("HeightRetrace"), plain_channel_name("UserIn0Retrace")
    ('height_retrace', 'user_in0_retrace')
    """
    words = [word for word in re.split(r"[^A-Za-z0-9]+", _spaced(str(name))) if word]
    return "_".join(words).lower() or "channel"


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters: split at signs, capitals and numbers."""
    # brackets hold a unit, or the direction of the scan
    name = re.sub(
        r"[(\[]([^)\]]*)[)\]]",
        lambda found: f" {found[1]} " if found[1].lower() in DIRECTIONS else " ",
        name,
    )
    spaced = re.sub(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", _spaced(name))
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]


def _spaced(name: str) -> str:
    """Return a name with a space before each capital that begins a word."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", " ", name)
