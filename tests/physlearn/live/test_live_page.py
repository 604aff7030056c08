"""The live page in a real browser: a frame arrives while it is open."""

import shutil
import threading
import time

import numpy as np
import pytest

from physlearn.live import WatchOptions, watch
from physlearn.live.page import inline_hashes, live_file, pace_text, said_seconds
from physlearn.live.records import FrameFile, FrameResult, LiveState

PATIENCE_S = 90


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


@pytest.fixture
def watched(tmp_path):
    """Watch an empty folder; give (folder, address)."""
    folder = tmp_path / "session"
    folder.mkdir()
    said, stop = [], threading.Event()
    options = WatchOptions(kind="picture", settle_s=0.1)
    worker = threading.Thread(
        target=watch, args=(folder, options), daemon=True,
        kwargs={"seed": 1, "browser": False, "say": said.append, "stop": stop},
    )  # fmt: skip
    worker.start()
    until(lambda: said)
    yield folder, said[0].removeprefix("Open "), stop
    stop.set()
    worker.join(timeout=PATIENCE_S)
    assert not worker.is_alive()


def until(true, page=None):
    """Wait until something is true; the page's own policy forbids to evaluate strings in it."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(100)


@pytest.mark.browser
def test_a_frame_appears_while_the_page_is_open(browser, watched):
    folder, address, stop = watched
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: requests.append((answer.status, answer.url)))
    page.goto(address)
    page.wait_for_selector("#connection")
    assert page.inner_text("#status").startswith("No frame yet.")
    np.save(folder / "scan 1.npy", np.random.default_rng(1).normal(size=(48, 48)))
    until(lambda: page.inner_text("#status").startswith("1 frame taken in"), page)
    assert "scan 1.npy" in page.inner_text("#frames")
    assert page.title().startswith("(1) session")
    until(lambda: page.locator("#last img").count() == 1, page)
    assert len(page.locator("#last img").get_attribute("alt")) > 20
    until(lambda: "1 frame taken in" in page.locator("#announce").text_content(), page)
    # paused, it keeps what it shows
    page.locator("#pause").focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#connection") == "Paused"
    np.save(folder / "scan 2.npy", np.random.default_rng(2).normal(size=(48, 48)))
    page.wait_for_timeout(2500)
    assert page.inner_text("#status").startswith("1 frame taken in")
    page.keyboard.press("Enter")
    until(lambda: page.inner_text("#status").startswith("2 frames taken in"), page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints == [], requests
    home = address.split("/enter")[0]
    assert all(url.startswith((home, "data:")) for _, url in requests)
    stop.set()
    until(lambda: "Not connected" in page.inner_text("#connection"), page)
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(browser, watched, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    folder, address, _ = watched
    np.save(folder / "a.npy", np.random.default_rng(1).normal(size=(48, 48)))
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#connection")
    until(lambda: page.inner_text("#status").startswith("1 frame"), page)
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"]) for one in found] == []
    context.close()


def test_pace_says_whether_the_analysis_keeps_up():
    def frame(k, work):
        file = FrameFile(f"f{k}", str(k), noticed=100.0 + 2 * k, read_s=0.1)
        return FrameResult(file, analysed_s=work, lag_s=3.0, order=k)

    from physlearn.live.follow import Pulse

    slow = LiveState(WatchOptions(), 1, "picture", tuple(frame(k, 4.0) for k in range(4)))
    text = pace_text(slow, Pulse("waits", 3, 12.0), 0.5)
    assert "3.5 s for the last frame" in text
    assert "3 files wait, the oldest for 12.0 s" in text and "none is dropped" in text
    assert "every 2.0 s; each takes 4.1 s of work: they come faster than that." in text
    quick = LiveState(WatchOptions(), 1, "picture", tuple(frame(k, 1.0) for k in range(4)))
    assert "it keeps up." in pace_text(quick, Pulse("waits"), 0.5)


def test_seconds_are_said_with_the_digits_they_deserve():
    assert [said_seconds(value) for value in (0.004, 0.5, 12.34, 100.0)] == [
        "0.00 s", "0.50 s", "12.3 s", "100 s",
    ]  # fmt: skip


def test_the_script_needs_no_exception_from_the_policy():
    script = live_file("live.js")
    assert "eval(" not in script and "http" not in script and "style=" not in script
    assert inline_hashes("<p>no style</p>", "style") == []
