"""JSON text that holds finite numbers only, and files of it that are written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from physlearn.checks import InputError, atomic_write


def write_json(content: Mapping[str, Any], path: str | os.PathLike[str] | None = None) -> str:
    """Return the content as JSON text, and write it to `path` if given."""
    text = json.dumps(content, indent=1, allow_nan=False)
    if path is not None:
        with atomic_write(path) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
    return text


def read_json(source: str | os.PathLike[str], kind: str) -> Any:
    """Return what JSON text, or the file at a path, holds; `kind` names it in errors.

    Raises
    ------
    InputError
        For text that is no JSON, or holds NaN or infinity.
    """

    def refuse(name: str) -> float:
        raise InputError(f"{kind} may hold finite numbers only; found {name}.")

    text = str(source)
    if not text.lstrip().startswith("{"):
        text = Path(source).read_text(encoding="utf-8")
    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise InputError(f"source must be JSON of {kind}; {error}.") from None
