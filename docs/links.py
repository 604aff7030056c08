"""Links of the documentation: ``python docs/links.py`` lists broken ones and addresses outside.

Nothing is fetched: a local link must lead to a file or folder of the repository, an anchor to a
heading as the forge names it, an address outside must be well formed.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!\\)\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
BARE = re.compile(r"<(https?://[^>\s]+)>")
DOI = re.compile(r"(?<![/\w.])doi:(10\.\d{4,9}/[^\s,;)\]]+[^\s,;:.)\]])")
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.IGNORECASE)


def pages() -> list[Path]:
    """Every page and notebook that is written by hand or stored."""
    made = {"generated", "_build"}
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "papers").rglob("*.md")]
    found += (ROOT / "papers").rglob("*.ipynb")
    return sorted(
        path for path in found
        if not made & set(path.relative_to(ROOT).parts) and ".ipynb_checkpoints" not in path.parts
    )  # fmt: skip


@cache
def prose(path: Path) -> str:
    """Text of a page without its code."""
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


@cache
def anchors(path: Path) -> frozenset[str]:
    """Anchors of a page's headings, as the forge makes them, and those set by hand."""
    text = path.read_text() if path.suffix == ".md" else prose(path)
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = defaultdict(int)
    out = set(re.findall(r"^\((\S+)\)=$|<a (?:id|name)=\"([^\"]+)\"", text, flags=re.MULTILINE))
    names = {name for pair in out for name in pair if name}
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", text, flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return frozenset(names)


def problems(path: Path) -> list[str]:
    """Return what is wrong with the links of one page, a sentence each."""
    wrong = []
    for target in LINK.findall(prose(path)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        if "://" in target:
            wrong.append(f"{target}: an address outside starts with https://")
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            wrong.append(f"{target}: no such file")
        elif anchor and file.suffix in (".md", ".ipynb") and anchor not in anchors(file):
            wrong.append(f"{target}: no heading with that anchor")
    return wrong


def external_links() -> dict[str, set[Path]]:
    """Address outside -> pages that name it (from the repository's root)."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in pages():
        text = prose(path)
        addresses = [link for link in LINK.findall(text) if "://" in link] + BARE.findall(text)
        addresses += [f"https://doi.org/{doi}" for doi in DOI.findall(text)]
        for address in addresses:
            found[address].add(path.relative_to(ROOT))
    return dict(found)


def malformed(address: str) -> str:
    """Return what is wrong with an address outside, or nothing."""
    parts = urlsplit(address)
    if parts.scheme != "https":
        return f"{address}: not https"
    return "" if HOST.fullmatch(parts.netloc) else f"{address}: no host"


def main() -> int:
    """Print every problem, then every address outside."""
    wrong = [f"{path.relative_to(ROOT)}: {text}" for path in pages() for text in problems(path)]
    outside = external_links()
    wrong += [text for address in outside if (text := malformed(address))]
    sys.stdout.write("\n".join([*sorted(outside), "", *wrong, f"{len(wrong)} broken"]) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
