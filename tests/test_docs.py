"""What the documentation shows runs as it stands, what it names is there, and the site builds."""

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if not {"generated", "_build"} & set(page.relative_to(DOCS).parts)
)


def page_id(page):
    return page.relative_to(DOCS).with_suffix("").as_posix().replace("/", "-")


BLOCKS = [
    pytest.param(block, id=f"{page_id(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    )
]


@cache
def load(path):
    """A module that stands in no package."""
    spec = importlib.util.spec_from_file_location(f"_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINKS = load(DOCS / "links.py")


@pytest.mark.parametrize("block", BLOCKS)
def test_python_block_runs(block, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # what a page writes stays out of the repository
    exec(compile(block, "docs", "exec"), {})  # noqa: S102 -- our own documentation
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_tables_are_filled(page):
    text = page.read_text()
    tables = re.findall(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", text, flags=re.DOTALL)
    assert [name for name, content in tables if "|" not in content] == []


@pytest.mark.parametrize(
    "page", LINKS.pages(), ids=lambda page: page.relative_to(ROOT).as_posix().replace("/", "-")
)
def test_every_link_leads_somewhere(page):
    assert LINKS.problems(page) == []


def test_addresses_outside_are_well_formed():
    assert [said for address in LINKS.external_links() if (said := LINKS.malformed(address))] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[a](no_such_page.md)", "no such file"),
        ("[a](units.md#no-such-heading)", "no heading"),
        ("[a](#no-such-heading)", "no heading"),
        ("[a](ftp://example.org/x)", "https"),
    ],
)
def test_a_broken_link_is_seen(line, words, tmp_path):
    (tmp_path / "units.md").write_text("# Units\n")
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{line} and [a good one](units.md#units), `[code](nowhere)`\n")
    (said,) = LINKS.problems(page)
    assert words in said


@pytest.mark.parametrize("address", ["http://example.org", "https://", "https://no host/x"])
def test_a_malformed_address_is_seen(address):
    assert LINKS.malformed(address)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_in_the_text_exist(page):
    import physlearn.causal as causal
    import physlearn.datasets as datasets
    import physlearn.inference as inference
    import physlearn.lattice_models as models
    import physlearn.live as live
    import physlearn.plots as plots
    from physlearn.lattice_models import fields
    from physlearn.lattice_models.samplers import engines

    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    called = set(re.findall(r"`(?:physlearn\.lattice_models\.)?([A-Za-z_]+)\(", text))
    known = {*models.__all__, *fields.__all__, *engines.METHODS, *plots.__all__}
    known |= {*live.__all__, *inference.__all__, *datasets.__all__, *causal.__all__}
    known |= {name for name in dir(causal.ExperimentPlan) if not name.startswith("_")}
    methods = {"sweep", "simulate", "fit"}  # of objects and of examples
    words = {
        "help",
        "read_study",
        "run_study",
        "Study",
        "to_pandas",
        "to_xarray",
        "summary",
        "run_step",
        "study_steps",
    }
    assert sorted(called - known - methods - words) == []


@cache
def functions_of(path):
    return {
        node.name for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }  # fmt: skip


def proof_is_there(proof):
    """Whether a test, a make target, a module or a command of the list of promises exists."""
    from typer.main import get_command

    from physlearn.cli import app

    if proof.startswith("tests/"):
        file, _, name = proof.partition("::")
        return (ROOT / file).is_file() and (not name or name in functions_of(ROOT / file))
    kind, *rest = proof.split()
    if kind == "make":
        target = rf"^{rest[0]}:"
        return bool(re.search(target, (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    if kind == "python":
        where = ROOT / rest[1].replace(".", "/")
        return (where / "__main__.py").is_file() or where.with_suffix(".py").is_file()
    return kind == "physlearn" and rest[0] in get_command(app).commands


def test_every_promise_has_its_proof():
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", (DOCS / "promises.md").read_text(), re.MULTILINE)
    rows = [row for row in rows if row[0] != "promise" and "---" not in row[0]]
    assert len(rows) > 25
    for promise, proofs in rows:
        named = re.findall(r"`([^`]+)`", proofs)
        assert named, promise
        assert [proof for proof in named if not proof_is_there(proof)] == [], promise


def test_a_promise_without_proof_is_seen():
    assert not proof_is_there("tests/test_docs.py::test_that_nobody_wrote")
    assert not proof_is_there("make nothing-of-this-kind")
    assert not proof_is_there("physlearn no-such-command")


@pytest.mark.parametrize("formula", ["^2", r"\exp\Big(h \sum_i s_i\Big)", r"t_1 \dots t_m"])
def test_formulas_become_mathml(formula):
    from docutils import nodes

    said = load(DOCS / "site_math.py").mathml(nodes.math("", formula), as_block=False)
    assert said.startswith("<math")


def test_a_formula_that_is_none_is_shown_as_written():
    from docutils import nodes

    said = load(DOCS / "site_math.py").mathml(nodes.math("", r"\nosuch<x>"), as_block=False)
    assert said == r"<code>\nosuch&lt;x&gt;</code>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, and what was said while it was built."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-n", "-q"]
    command += ["-d", str(out / "doctrees"), str(DOCS), str(out / "html")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    return out / "html", built


def test_the_site_is_built_without_a_warning(site):
    _, built = site
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr + built.stdout


def test_the_site_has_every_page(site):
    html, _ = site
    made = {path.relative_to(html).with_suffix("").as_posix() for path in html.rglob("*.html")}
    written = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES}
    papers = {
        f"generated/papers/{path.parent.name}" for path in ROOT.glob("papers/*/notebook.ipynb")
    }
    kept = {f"generated/{name}" for name in ("changelog", "contributing", "gallery", "scope")}
    assert (written | papers | kept) - made == set()


def test_every_public_name_is_in_the_reference(site):
    html, _ = site
    pages = "".join(path.read_text() for path in (html / "generated" / "api").glob("*.html"))
    anchors = set(re.findall(r'id="(physlearn\.[\w.]+)"', pages))
    for package in ("physlearn.inference", "physlearn.datasets", "physlearn.causal"):
        module = __import__(package, fromlist=["__all__"])
        missing = [name for name in module.__all__ if f"{package}.{name}" not in anchors]
        # a name that a package above shows is described there
        assert [m for m in missing if f"physlearn.{m}" not in anchors] == []


def test_the_site_asks_nothing_of_a_network(site):
    html, _ = site
    text = (html / "index.html").read_text()
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]+)"', text)
    assert loaded == []
