"""Files of computed structures as entries with tags, for all that is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from physlearn.checks import InputError
from physlearn.datasets.reading.damage_checks import check_atom_counts
from physlearn.datasets.reading.file_checks import need, one_line
from physlearn.datasets.reading.structure_files import ASE_FORMATS
from physlearn.records.json_text import parse_json

__all__ = ["ase_frames", "entry_tags", "json_entries", "keep_tagged"]

One = TypeVar("One")


def json_entries(path: Path) -> list[dict[str, Any]] | None:
    """Return the entries of a JSON list, or None for another kind of file (ASE's database)."""
    if path.suffix.lower() != ".json":
        return None
    try:
        entries = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"path {path} cannot be read as JSON ({one_line(error)}); export it again."
        ) from None
    if not isinstance(entries, list):
        return None
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(
                f"path {path} must hold entries with structure and outputs; entry {number} is of "
                f"type {type(entry).__name__}."
            )
    return entries


def ase_frames(path: Path) -> list[Any]:
    """Return all frames of a file as ASE reads it."""
    read = need("ase.io", path).read
    kind = ASE_FORMATS.get(path.suffix.lower(), "extxyz" if path.suffix == ".xyz" else "")
    try:
        check_atom_counts(path, kind)
        return list(read(path, index=":", do_not_split_by_at_sign=True))
    except Exception as error:  # ASE's readers raise any error there is
        raise InputError(
            f"path {path} cannot be read by ASE ({one_line(error)}); check the export."
        ) from None


def entry_tags(content: Mapping[str, Any]) -> list[str]:
    """Return the tags of an entry (or of an ASE frame's ``info``).

    A text is one tag, and so is each of its words: ASE's formats write texts, not lists.

    Examples
    --------
    >>> entry_tags({"tags": ["relax", "slab 2"]}), entry_tags({"tags": "slab 2"}), entry_tags({})
    (['relax', 'slab 2'], ['slab 2', 'slab', '2'], [])
    """
    tags = content.get("tags")
    if isinstance(tags, str):
        return list(dict.fromkeys([tags, *tags.split()]))
    return [str(tag) for tag in tags] if isinstance(tags, list | tuple) else []


def keep_tagged(
    path: Path, items: Sequence[One], tags: Sequence[list[str]], tag: str | None
) -> list[One]:
    """Return the items with a tag (None: all), or name the tags that there are.

    Raises
    ------
    InputError
        When nothing is left.
    """
    kept = [one for one, own in zip(items, tags, strict=True) if tag is None or tag in own]
    if not kept:
        known = sorted({name for own in tags for name in own})
        raise InputError(
            f"tag must be one of the tags in {path.name} ({', '.join(known) or 'it has none'}); "
            f"got {tag!r}."
            if len(items)
            else f"path {path} must hold at least one structure; it holds none."
        )
    return kept
