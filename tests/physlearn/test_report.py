"""The report: self-contained, readable by machine and by ear, opened in a real browser."""

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from physlearn.demo import demo_findings
from physlearn.findings import Findings
from physlearn.report.builder import build_report, strip
from physlearn.report.figures import draw_pictures
from physlearn.study import save_study
from physlearn.summary import summarize


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return the folder of a small study of a planted picture and video."""
    findings, steps = demo_findings(3, small=True)
    return save_study(findings, steps, out=tmp_path_factory.mktemp("report") / "study")


@pytest.fixture(scope="module")
def page(study):
    parsed = Page()
    parsed.feed(study.report.read_text(encoding="utf-8"))
    return parsed


def test_every_picture_has_an_alt_text_and_travels_inside_the_page(page, study):
    images, drawings = page.all("img"), [a for a in page.all("svg") if a.get("role") == "img"]
    # a drawing of lines stands in the page itself, so that its colours follow the page
    assert len(images) + len(drawings) >= 8
    for image in images:
        assert len(image["alt"]) > 20
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    assert all(len(drawing["aria-label"]) > 20 for drawing in drawings)
    files = {path.name for path in (study.folder / "figures").iterdir()}
    stems = {name.partition(".")[0] for name in files}
    assert files == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    assert len(stems) >= len(images) + len(drawings) - 1


def test_the_page_asks_for_nothing_outside_itself(page, study):
    written = set(study.summary["files"]) if "files" in study.summary else set()
    written |= {
        path.relative_to(study.folder).as_posix() for path in study.folder.rglob("*.*")
    }  # fmt: skip
    # a link to a file of the study's own folder asks for nothing until somebody follows it
    outside = [
        value
        for tag, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster")
        and not re.match(r"data:|#", value)
        and not (tag == "a" and value in written)
    ]
    assert not outside
    assert all("src" not in attrs for attrs in page.all("script"))
    css = re.search(r"<style>(.*?)</style>", study.report.read_text(), re.S).group(1)
    assert "@import" not in css
    assert "url(" not in css


def test_every_table_can_be_taken_away(page, study):
    links = {a["download"]: a["href"] for a in page.all("a") if "data:text/csv" in a["href"]}
    assert {"answers.csv", "steps.csv"} <= set(links)
    for name, link in links.items():
        text = base64.b64decode(link.partition(",")[2]).decode("utf-8")
        assert text == (study.folder / "tables" / name).read_text(encoding="utf-8")
        assert text.count("\n") > 1


def test_the_methods_cite_what_was_used_and_nothing_else(study):
    text = (study.folder / "methods.txt").read_text(encoding="utf-8")
    book = (study.folder / "references.bib").read_text(encoding="utf-8")
    numbers = {int(n) for group in re.findall(r"\[([\d, ]+)\]", text) for n in group.split(",")}
    assert numbers == set(range(1, book.count("\n@") + 2))
    assert "berglund2010" not in book  # no tracks in this study
    assert f"seed {study.summary['seed']}" in text
    assert all(entry.count("{") == entry.count("}") for entry in book.split("\n\n"))


def test_headings_go_down_one_level_at_a_time_and_anchors_exist(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    places = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert links
    assert set(links) <= places


def test_the_report_holds_every_part(study):
    text = study.report.read_text(encoding="utf-8")
    for part in ("What is assumed", "Equilibrium at one temperature", "Temperature is absorbed",
                 "One atom along each column", "Truth beside answer", "The next experiment",
                 "What would narrow this", "Warnings", "How it was done", "no scale of length",
                 f"Seed {study.summary['seed']}"):  # fmt: skip
        assert part in text, part


def test_what_people_wrote_is_escaped():
    found = Findings("<script>alert(1)</script>", 1)
    page = build_report(found, summarize(found), draw_pictures(found), [])
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_strip_places_the_truth_where_it_belongs():
    inside = strip(1.0, 0.0, 2.0, truth=1.5)
    assert inside["low"] < inside["truth"] < inside["low"] + inside["width"]
    outside = strip(1.0, 0.0, 2.0, truth=9.0)
    assert outside["truth"] > outside["low"] + outside["width"]
    assert strip(None, None, None) is None
