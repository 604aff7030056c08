"""setuptools as the build backend, and an editable install that a folder's name cannot hide.

setuptools asks its own finder last. A folder named ``physlearn`` beside a script, as a clone is,
would then be taken for a namespace package that holds nothing; so the finder is asked first.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable", "build_sdist", "build_wheel", "get_requires_for_build_editable",
    "get_requires_for_build_sdist", "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable", "prepare_metadata_for_build_wheel",
]  # fmt: skip

# A line of a .pth file that begins with `import` is run when Python starts; the sort is stable
ASK_FIRST = (
    "import sys; sys.meta_path.sort(key=lambda finder: not "
    "getattr(finder, '__module__', '').startswith('__editable___physlearn'))"
)


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    ask_first(Path(wheel_directory) / name)
    return name


def ask_first(wheel: Path) -> None:
    """Add the line to the wheel's .pth file, and its new hash to the wheel's record."""
    with zipfile.ZipFile(wheel) as old:
        files = {item: old.read(item) for item in old.infolist()}
    changed = {}
    for item in files:
        if item.filename.endswith(".pth"):
            files[item] = files[item].rstrip() + f"\n{ASK_FIRST}\n".encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(files[item]).digest()).rstrip(b"=")
            changed[item.filename] = f"{item.filename},sha256={digest.decode()},{len(files[item])}"
    for item in files:
        if item.filename.endswith(".dist-info/RECORD"):
            lines = files[item].decode().splitlines()
            lines = [changed.get(line.split(",")[0], line) for line in lines]
            files[item] = ("\n".join(lines) + "\n").encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new:
        for item, content in files.items():
            new.writestr(item, content)
