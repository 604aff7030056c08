"""The report: self-contained, readable by machine and by ear, opened in a real browser."""

import base64
import re
import shutil
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
    images = page.all("img")
    assert len(images) >= 8
    for image in images:
        assert len(image["alt"]) > 20
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    assert len(list((study.folder / "figures").glob("*.png"))) == len(images)


def test_the_page_asks_for_nothing_outside_itself(page, study):
    assert not page.all("script")
    outside = [
        value
        for _, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "data", "poster") and not re.match(r"data:|#", value)
    ]
    assert not outside
    css = re.search(r"<style>(.*?)</style>", study.report.read_text(), re.S).group(1)
    assert "@import" not in css
    assert "url(" not in css


def test_headings_go_down_one_level_at_a_time_and_anchors_exist(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    places = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [attrs["href"][1:] for attrs in page.all("a")]
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
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_strip_places_the_truth_where_it_belongs():
    inside = strip(1.0, 0.0, 2.0, truth=1.5)
    assert inside["low"] < inside["truth"] < inside["low"] + inside["width"]
    outside = strip(1.0, 0.0, 2.0, truth=9.0)
    assert outside["truth"] > outside["low"] + outside["width"]
    assert strip(None, None, None) is None


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine (Debian: apt install chromium)")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "light"), (390, "dark")])
def test_a_browser_shows_it_without_errors_requests_or_overflow(browser, study, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=False
    )
    opened = context.new_page()
    complaints, requests = [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(study.report.as_uri())
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert opened.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert opened.evaluate("[...document.images].every(i => i.alt.length > 20)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = opened.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light = sum(map(int, re.findall(r"\d+", paper)[:3])) > sum(
        map(int, re.findall(r"\d+", ink)[:3])
    )
    assert light is (scheme == "light")
    context.close()
