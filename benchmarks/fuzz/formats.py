"""Every kind of file that is read: how the smallest valid one is made, and who reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Format", "all_formats", "any_of", "corpus_of"]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    ``build``: folder -> valid files in it. ``read``: path -> whatever; every public function that
    takes such a file. ``sign``: makes the checksum of changed JSON anew. ``structured``: json, zip
    or hdf5, where half of the damage goes through the format's own structure. ``also``: errors
    beside `InputError` and `BackendUnavailable` that the docstrings promise, as "module:name".
    """

    name: str
    build: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    structured: str = ""
    sign: Callable[[Any], Any] | None = None
    fixed_name: str = ""
    also: tuple[str, ...] = ()

    def suffixes(self, source: Path) -> list[str]:
        """Return what a damaged copy's name ends in."""
        return source.suffixes[-1:]

    def refusals(self) -> tuple[type[Exception], ...]:
        """Return the errors that are a good answer to a damaged file."""
        from importlib import import_module

        from physlearn.checks import BackendUnavailable, InputError

        more = [
            getattr(import_module(m), n) for m, _, n in (one.partition(":") for one in self.also)
        ]
        return (InputError, BackendUnavailable, *more)


def any_of(*readers: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a reader that tries all; one good answer of them is enough."""

    def read(path: Path) -> None:
        from physlearn.checks import BackendUnavailable, InputError

        said, good = None, 0
        for reader in readers:
            try:
                reader(path)
                good += 1
            except (InputError, BackendUnavailable) as error:
                said = error
        if not good and said is not None:
            raise said

    return read


@cache
def all_formats() -> dict[str, Format]:
    """Return every format by name."""
    from benchmarks.fuzz.pictures import PICTURES
    from benchmarks.fuzz.positions import POSITIONS
    from benchmarks.fuzz.records import RECORDS

    return {one.name: one for one in (*PICTURES, *POSITIONS, *RECORDS)}


def corpus_of(form: Format, folder: Path) -> list[Path]:
    """Write the valid files of a format and return them, each checked to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = form.build(folder)
    for path in found:
        form.read(path)
    return found
