"""What the documentation shows runs as it stands, and every figure and table it names is there."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_block_runs(block, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # what a page writes stays out of the repository
    exec(compile(block, "docs", "exec"), {})  # noqa: S102 -- our own documentation
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_figures_links_and_tables_are_there(page):
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).is_file()] == []
    tables = re.findall(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", text, flags=re.DOTALL)
    assert [name for name, content in tables if "|" not in content] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_in_the_text_exist(page):
    import physlearn.causal as causal
    import physlearn.datasets as datasets
    import physlearn.inference as inference
    import physlearn.lattice_models as models
    from physlearn.lattice_models import fields
    from physlearn.lattice_models.samplers import engines

    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    called = set(re.findall(r"`(?:physlearn\.lattice_models\.)?([A-Za-z_]+)\(", text))
    known = {*models.__all__, *fields.__all__, *engines.METHODS}
    known |= {*inference.__all__, *datasets.__all__, *causal.__all__}
    known |= {name for name in dir(causal.ExperimentPlan) if not name.startswith("_")}
    methods = {"sweep", "simulate", "fit"}  # of objects and of examples
    assert sorted(called - known - methods) == []
