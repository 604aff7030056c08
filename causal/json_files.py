"""JSON text that holds finite numbers only, and files of it that are written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from physlearn.checks import InputError, NotFound
from physlearn.records.json_text import parse_json
from physlearn.whole_files import atomic_write


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
        For text that is no JSON, or holds NaN or infinity, and for what is no file of text.
    """
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"source must be JSON text of {kind} or the path of a file; got "
            f"{type(source).__name__}."
        )
    text = str(source)
    if not text.lstrip().startswith("{"):
        text = file_text("source", source, kind)
    try:
        return parse_json(text)
    except ValueError as error:
        if str(error).endswith("no finite number"):
            raise InputError(f"{kind} may hold finite numbers only; {error}.") from None
        raise InputError(f"source must be JSON of {kind}; {error}.") from None


def file_text(name: str, path: str | os.PathLike[str], kind: str) -> str:
    """Return the text of a file; `name` is the argument and `kind` what it should hold, in errors.

    Raises
    ------
    InputError
        For a path at which no file of text lies.
    """
    if Path(path).is_dir():
        raise InputError(f"{name} must be a file of {kind}; {os.fspath(path)!r} is a folder.")
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"{name} must be a file of {kind}; there is none at {os.fspath(path)!r}."
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"{name} {os.fspath(path)!r} must hold {kind}; it is no file of text."
        ) from None
