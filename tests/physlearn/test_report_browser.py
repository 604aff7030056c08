"""The report in a real browser: it asks for nothing, stops nobody, and all can be reached."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from physlearn.demo import demo_findings
from physlearn.steps_video import VIDEO_STEPS
from physlearn.study import Study, run_study, save_study

VIEWS = [(1200, "light"), (1200, "dark"), (390, "light")]
STUDIES = ("demo", "video", "tracks", "failed")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the pages of small studies: planted, of a video, of tracks, and one that failed."""
    folder, rng = tmp_path_factory.mktemp("browser"), np.random.default_rng(3)
    findings, steps = demo_findings(3, small=True)
    pages = {"demo": save_study(findings, steps, out=folder / "demo").report}
    film, _ = demo_findings(4, small=True)
    film.image = film.channels = film.truth = None
    pages["video"] = save_study(film, VIDEO_STEPS, out=folder / "video").report
    places = 60 * rng.random((20, 2)) + rng.normal(0, 0.5, (30, 20, 2)).cumsum(axis=0)
    pd.DataFrame(
        {
            "frame": np.repeat(np.arange(30), 20), "particle": np.tile(np.arange(20), 30),
            "x": places[..., 0].ravel(), "y": places[..., 1].ravel(),
        }
    ).to_csv(folder / "tracks.csv", index=False)  # fmt: skip
    pages["tracks"] = run_study(folder / "tracks.csv", out=folder / "tracks", seed=1).report
    np.save(folder / "noise.npy", rng.normal(size=(64, 64)))
    failed = Study(folder / "noise.npy", campaign=True)
    pages["failed"] = run_study(failed, out=folder / "failed", seed=1).report
    return pages


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


def open_page(browser, report, width=1200, scheme="light", **options):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, **options
    )
    page = context.new_page()
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(report.as_uri())
    return page


def lightness(color):
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def is_light(page):
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    return lightness(paper) > lightness(ink)


@pytest.mark.browser
@pytest.mark.parametrize("name", STUDIES)
def test_it_opens_without_errors_requests_or_overflow(browser, reports, name):
    page = open_page(browser, reports[name])
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert is_light(page) is (scheme == "light")
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in page.asked) == 1
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", STUDIES)
def test_axe_finds_no_barrier(browser, reports, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(browser, reports[name], bypass_csp=True)
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        said = [(f["id"], f["impact"], [n["html"][:120] for n in f["nodes"]]) for f in found]
        assert said == [], (width, scheme)
    page.context.close()


@pytest.mark.browser
def test_the_switch_of_colours_overrules_the_system(browser, reports):
    page = open_page(browser, reports["demo"], scheme="light", java_script_enabled=True)
    page.check("#scheme-dark")
    assert not is_light(page)
    page.emulate_media(media="print")
    assert is_light(page)
    page.emulate_media(media="screen", color_scheme="dark")
    page.check("#scheme-light")
    assert is_light(page)
    page.check("#scheme-auto")
    assert not is_light(page)
    page.context.close()


@pytest.mark.browser
def test_the_picture_zooms_moves_and_answers_by_keyboard(browser, reports):
    page = open_page(browser, reports["demo"])

    def scale():
        found = page.evaluate("document.querySelector('.canvas').style.transform")
        return float(re.search(r"scale\(([\d.]+)\)", found).group(1))

    view = page.locator("#explorer .view")
    view.focus()
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_timeout(400)
    near = scale()
    assert near > 2
    said = page.locator("#explorer output")
    assert re.match(r"Atom \d+: .* ± ", said.inner_text())
    before = said.inner_text()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    assert said.inner_text() != before
    page.keyboard.press("-")
    page.wait_for_timeout(300)
    assert scale() < near
    page.keyboard.press("0")
    page.wait_for_timeout(300)
    assert scale() == 1
    page.check("#marks-patches")
    view.hover(position={"x": 200, "y": 200})
    assert re.match(r"Patch \d+ at x .*composition", said.inner_text())
    page.keyboard.press("+")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert scale() == 1
    assert page.complaints == []
    page.context.close()


@pytest.mark.browser
def test_every_control_is_reached_by_tab_and_shows_that_it_is(browser, reports):
    page = open_page(browser, reports["demo"])
    wanted = page.evaluate(
        """[...document.querySelectorAll('a[href], button, select, summary, [tabindex="0"]')]
        .filter(e => e.checkVisibility()).length"""
    )
    reached, faint = set(), []
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
        place, seen = page.evaluate(
            """(() => {const e = document.activeElement, s = getComputedStyle(e);
            return [[...document.querySelectorAll('*')].indexOf(e),
                    s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
                    || e.matches('input, body')];})()"""
        )
        reached.add(place)
        if not seen:
            faint.append(place)
    assert faint == []
    assert len(reached) >= wanted
    page.context.close()


@pytest.mark.browser
def test_without_a_script_everything_is_there_but_what_needs_one(browser, reports):
    page = open_page(browser, reports["demo"], java_script_enabled=False)
    assert page.locator("#explorer image").count() == 1
    assert page.locator("#explorer .atoms path").first.is_visible()
    page.check("#marks-none")
    assert not page.locator("#explorer .atoms path").first.is_visible()
    assert not page.locator("button:visible").count()
    page.locator("#couplings .spot").first.hover()
    assert page.locator("#couplings .tip").first.is_visible()
    page.context.close()
