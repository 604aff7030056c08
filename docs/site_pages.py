"""Pages of the site that are made from other files of the repository.

``write`` puts notebooks, API, gallery, change log and a list of external links into
docs/generated, which git ignores; ``translate_source`` turns links between files of the repository
(which work on the forge) into links between pages of the site.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from site_api import api_pages
from site_gallery import gallery_page

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = ROOT / "benchmarks" / "results"
LARGEST_PAGE = 100_000  # characters
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


@cache
def places() -> Mapping[Path, str]:
    """File of the repository -> name of the page that shows it."""
    pages = {path: page_of(path) for path in sorted(HERE.rglob("*.md")) if is_source(path)}
    pages[ROOT / "README.md"] = "index"
    for name in ("SCOPE", "CONTRIBUTING", "CHANGELOG"):
        pages[ROOT / f"{name}.md"] = f"generated/{name.lower()}"
    for path in notebooks():
        pages[path] = f"generated/papers/{path.parent.name}"
        pages[path.parent] = pages[path.parent / "README.md"] = pages[path]
    for path, name in _results().items():
        pages[path] = f"generated/results/{name}"
    pages[ROOT / "papers"] = pages[ROOT / "papers" / "README.md"] = "generated/papers/index"
    return pages


def is_source(path: Path) -> bool:
    """Whether a page was written by hand."""
    return not {"generated", "_build"} & set(path.relative_to(HERE).parts)


def page_of(path: Path) -> str:
    """Name of a page by its file."""
    return path.relative_to(HERE).with_suffix("").as_posix()


def notebooks() -> list[Path]:
    """Return the executed notebook of every folder of papers/."""
    found: dict[Path, Path] = {}
    for path in sorted((ROOT / "papers").glob("*/*.ipynb")):
        if path.name in ("notebook.ipynb", "lesson.ipynb"):
            found[path.parent] = path  # "notebook" comes after "lesson"
    return list(found.values())


def write(source: Path) -> None:
    """Write every made page below ``source``/generated; what did not change keeps its date."""
    if source.resolve() != HERE.resolve():
        raise ValueError(f"the sources are {HERE}; got {source}")
    places.cache_clear()
    pages: dict[str, str] = {f"api/{name}": text for name, text in api_pages().items()}
    for name in ("SCOPE", "CONTRIBUTING"):
        pages[f"{name.lower()}.md"] = _moved(ROOT / f"{name}.md", f"generated/{name.lower()}")
    for path, name in _results().items():
        pages[f"results/{name}.md"] = _result(path, name)
    pages["changelog.md"] = _changelog()
    pages["gallery.md"] = gallery_page(translate)
    pages["external_links.md"] = _external_links()
    pages |= _paper_pages()
    folder = source / "generated"
    for path in [*folder.rglob("*.md"), *folder.rglob("*.rst"), *folder.rglob("*.ipynb")]:
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink(missing_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}")
            part.write_text(text)
            part.replace(path)  # two builds at once never read half a page


def _paper_pages() -> dict[str, str]:
    """Notebooks as they were executed, and their list."""
    pages, rows = {}, []
    for path in notebooks():
        name = path.parent.name
        docname = f"generated/papers/{name}"
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = translate("".join(cell["source"]), path, docname)
        notebook["metadata"].pop("widgets", None)
        pages[f"papers/{name}.ipynb"] = json.dumps(notebook, ensure_ascii=False, indent=1)
        rows.append(name)
    readme = ROOT / "papers" / "README.md"
    about = "# Papers and lessons\n"
    if readme.is_file():
        about = _moved(readme, "generated/papers/index")
    toc = "\n".join(["", ":::{toctree}", ":hidden:", ":maxdepth: 1", "", *rows, ":::", ""])
    listing = [] if readme.is_file() else ["", *(f"- [{_title(n)}]({n}.ipynb)" for n in rows), ""]
    pages["papers/index.md"] = "\n".join([about.rstrip(), *listing, toc])
    return pages


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _moved(path: Path, docname: str) -> str:
    """Text of a page that stands elsewhere, with its links translated."""
    return translate(path.read_text(), path, docname)


def _results() -> dict[Path, str]:
    """Tables of the benchmarks -> their names; the rows of some fill a folder beside the table."""
    alone = {path: path.stem for path in sorted(RESULTS.glob("*.md"))}
    return alone | {path: path.parent.name for path in sorted(RESULTS.glob("*/table.md"))}


def _result(path: Path, name: str) -> str:
    """Return the tables of one benchmark; of the many thousand comparisons the file alone."""
    text = path.read_text()
    title = text.partition("\n")[0] if text.startswith("# ") else f"# {_title(name)}\n\n{text}"
    if len(text) > LARGEST_PAGE:
        there = os.path.relpath(path, HERE / "generated" / "results")
        title += f"\n\nToo long for a page: {{download}}`{path.name} <{there}>`."
    elif text.startswith("# "):
        title = text
    return f"---\norphan: true\n---\n{title}\n"


def _changelog() -> str:
    """Return the change log with what waits in changelog.d, as towncrier will fold it."""
    command = f"{sys.executable} -m towncrier build --draft --version next --date waiting".split()
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise RuntimeError(f"towncrier could not draw up the change log: {run.stderr}")
    waiting = run.stdout[max(run.stdout.find("## next"), 0) :]
    released = (ROOT / "CHANGELOG.md").read_text()
    head, mark, rest = released.partition("<!-- towncrier release notes start -->")
    text = f"{head.rstrip()}\n\n{waiting.strip()}\n{rest if mark else ''}"
    return translate(text, ROOT / "CHANGELOG.md", "generated/changelog")


def _external_links() -> str:
    """Every address outside this repository that a page names."""
    from links import external_links

    lines = ["# Addresses outside", "", "What the pages cite; no test fetches them.", ""]
    for address, pages in sorted(external_links().items()):
        lines.append(f"- <{address}> ({', '.join(sorted(page.as_posix() for page in pages))})")
    return "\n".join([*lines, ""])


def translate_source(app: Any, docname: str, source: list[str]) -> None:
    """Translate the links of a page that stands in docs/."""
    del app
    if not docname.startswith("generated/"):
        source[0] = translate(source[0], HERE / f"{docname}.md", docname)


def translate(text: str, path: Path, docname: str) -> str:
    """Return a text in which links to files of the repository lead to pages of the site."""

    def link(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match.group(0)
        name, mark, anchor = target.partition("#")
        file = Path(os.path.normpath(path.parent / name))
        page = places().get(file)
        if page is None:
            there = os.path.relpath(file, (HERE / docname).parent)
        else:
            suffix = ".ipynb" if re.match(r"generated/papers/(?!index)", page) else ".md"
            there = os.path.relpath(HERE / f"{page}{suffix}", (HERE / docname).parent)
        return f"{before}{there}{mark}{anchor}{after}"

    # "console" would be read as what a program said; these are commands
    text = re.sub(r"^```console$", "```bash", text, flags=re.MULTILINE)
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)
