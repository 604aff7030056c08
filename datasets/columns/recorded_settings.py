"""How the columns of a record were fitted, kept with it: the same fit can be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError
from physlearn.datasets.columns.column_options import FindAtomsOptions

__all__ = ["check_same_mask", "recorded_options", "recorded_settings"]

OPTIONS, MASK = "fit_options", "mask_sha256"


def recorded_settings(options: FindAtomsOptions, mask: ArrayLike | None) -> dict[str, Any]:
    """Return the metadata that say how the columns were fitted."""
    text = json.dumps(asdict(options), sort_keys=True, default=_plain)
    said: dict[str, Any] = {OPTIONS: text}
    told = _mask_sha256(mask)
    return said | ({MASK: told} if told else {})


def recorded_options(metadata: Mapping[str, Any]) -> FindAtomsOptions:
    """Return the options that a record's columns were fitted with.

    Records that do not say more than the polarity get the defaults besides.
    """
    if OPTIONS not in metadata:
        return FindAtomsOptions(polarity=str(metadata.get("polarity", "bright")))
    try:
        said = dict(json.loads(str(metadata[OPTIONS])))
    except (ValueError, TypeError):
        raise InputError(
            "atoms.metadata['fit_options'] must be what find_atoms wrote; find the atoms anew."
        ) from None
    unknown = sorted(set(said) - {field.name for field in fields(FindAtomsOptions)})
    if unknown:
        raise InputError(
            f"atoms were fitted with settings that this version does not know "
            f"({', '.join(unknown)}); find the atoms anew."
        )
    if "width_range" in said:
        said["width_range"] = tuple(said["width_range"])
    return FindAtomsOptions(**said)


def check_same_mask(metadata: Mapping[str, Any], mask: ArrayLike | None) -> None:
    """Refuse a mask that is not the one that a record's columns were fitted with."""
    told = metadata.get(MASK)
    if told is None or told == _mask_sha256(mask):
        return
    came = "none" if mask is None else "another one"
    raise InputError(
        f"mask must be the one that find_atoms was given for these atoms; got {came}, and pixels "
        "that were left out then would count now."
    )


def _plain(value: Any) -> Any:
    """Return the plain number of a NumPy one."""
    return value.item()


def _mask_sha256(mask: ArrayLike | None) -> str:
    """Return a mask's fingerprint; nothing where all pixels count."""
    if mask is None:
        return ""
    flags = np.asarray(mask, dtype=np.bool_)
    if flags.all():
        return ""
    told = hashlib.sha256(repr(flags.shape).encode())
    told.update(np.packbits(flags).tobytes())
    return told.hexdigest()
