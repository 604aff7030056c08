"""The gallery: every figure of docs/figures with its caption, its page and its code."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
FIGURE = re.compile(r"!\[([^\]]*)\]\((?:\.\./)?figures/([\w-]+)\.png\)\n(\*[^\n]*\*\n)?")


def captions() -> dict[str, tuple[str, str]]:
    """Figure -> page that shows it first, and what the page says below it."""
    found: dict[str, tuple[str, str]] = {}
    for page in sorted(HERE.rglob("*.md")):
        if {"_build", "generated"} & set(page.relative_to(HERE).parts):
            continue
        for match in FIGURE.finditer(page.read_text()):
            alt, name, said = match.groups()
            words = (said or "").strip().strip("*") or f"{alt[:1].upper()}{alt[1:]}."
            found.setdefault(name, (page.relative_to(HERE).with_suffix("").as_posix(), words))
    return found


def drawn_by() -> dict[str, tuple[str, str]]:
    """Figure -> command that draws it, and the source of the function."""
    sys.path.insert(0, str(HERE))
    from figures import FIGURES

    out = {}
    for name, function in FIGURES.items():
        wrapped = getattr(function, "func", function)
        try:
            source = inspect.getsource(wrapped)
        except (OSError, TypeError):
            source = ""
        out[name] = (f"python docs/figures.py {name}", source)
    return out


def gallery_page(translate: Callable[[str, Path, str], str]) -> str:
    """Return the page; ``translate(text, file, page)`` mends links of a caption."""
    shown, made = captions(), drawn_by()
    lines = [
        "# Gallery", "",
        "Every figure of these pages, with the page that explains it and the code that draws it. "
        "`make figures` draws them all.", "",
    ]  # fmt: skip
    for path in sorted((HERE / "figures").glob("*.png")):
        name = path.stem
        page, words = shown.get(name, ("", ""))
        command, source = made.get(name, ("python docs/figures_calibration.py", ""))
        words = translate(words, HERE / f"{page}.md", "generated/gallery")
        alt = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)
        lines += [
            f"## {name.replace('_', ' ').capitalize()}",
            "",
            f"![{alt}](../figures/{path.name})",
        ]
        lines += ["", f"{words} [The page](../{page}.md)." if page else words, ""]
        lines += [f"`{command}`", ""]
        if source:
            lines += [":::{dropdown} The code", "```python", source.rstrip(), "```", ":::", ""]
    return "\n".join(lines)
