"""Text of a study file as plain texts, lists and dicts: no tags, aliases, surprises or bombs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, NotFound

if TYPE_CHECKING:
    import yaml

__all__ = ["YamlText", "read_yaml"]

MOST_BYTES = 262_144
DEEPEST = 12
NOTHING = ("", "~", "null", "Null", "NULL")


class YamlText:
    """What a file says, and on which line.

    Attributes
    ----------
    content
        Dicts, lists, texts and None; numbers are still texts, so that 1e3, no and 12:30 mean what
        they look like.
    lines
        Key path (as ``inputs.0.file``) -> line, counted from 1.
    """

    def __init__(self, content: Any, lines: Mapping[str, int]) -> None:
        self.content = content
        self.lines = dict(lines)


def read_yaml(path: str | os.PathLike[str]) -> YamlText:
    r"""Read a YAML file of keys, lists and plain values.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        For a file that is too large, no text or no YAML, holds a key twice, tags, anchors or
        aliases, or is nested deeper than a study file ever is.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "study.yaml"
    >>> _ = path.write_text("inputs:\n  - file: image.tiff\n    temperature_K: 300\n")
    >>> text = read_yaml(path)
    >>> text.content, text.lines["inputs.0.temperature_K"]
    ({'inputs': [{'file': 'image.tiff', 'temperature_K': '300'}]}, 3)
    """
    import yaml

    file = Path(path)
    if not file.is_file():
        if file.is_dir():
            raise InputError(f"{file} is a folder; give a study file (study.yaml).")
        raise NotFound(f"no such file: {file}")
    if file.stat().st_size > MOST_BYTES:
        raise InputError(
            f"{file.name} must be a study file of at most {MOST_BYTES // 1024} kB; it has "
            f"{file.stat().st_size / 1024:.0f} kB."
        )
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file.name} must be text in UTF-8; byte {error.start} is not: save it as UTF-8."
        ) from None
    try:
        _check_events(file.name, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "no line"
        raise InputError(
            f"{file.name} must be YAML; {where}: {error.problem or error.context}."
        ) from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{file.name} must be YAML; {said}.") from None
    lines: dict[str, int] = {}
    content = None if node is None else _plain(file.name, node, "", lines)
    return YamlText(content, lines)


def _check_events(name: str, text: str) -> None:
    """Refuse, before anything is built, what a study file never holds."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(
                f"{name}, line {line}: anchors and aliases (& and *) are not taken; write the "
                "value out, or in quotes."
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise InputError(f"{name}, line {line}: tags ({tag}) are not taken; drop it.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise InputError(f"{name}, line {line}: nested deeper than {DEEPEST} levels.")


def _plain(name: str, node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
    import yaml

    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return None if node.style is None and node.value in NOTHING else str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(name, part, f"{path}.{i}".lstrip("."), lines)
                for i, part in enumerate(node.value)]  # fmt: skip
    content: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{name}, line {line}: a key must be a plain word.")
        if key.value in content:
            raise InputError(f"{name}, line {line}: the key {key.value!r} stands there twice.")
        content[key.value] = _plain(name, value, f"{path}.{key.value}".lstrip("."), lines)
        lines[f"{path}.{key.value}".lstrip(".")] = line
    return content
