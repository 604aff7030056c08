"""The server hands its page to this machine's own browser and to nobody else."""

import http.client
import json
import re

import pytest

from physlearn.checks import InputError
from physlearn.live.command import Shown
from physlearn.live.records import Estimate, FrameFile, FrameResult, LiveState, WatchOptions
from physlearn.live.server import LiveServer


@pytest.fixture(scope="module")
def server():
    running = LiveServer(0)
    shown = Shown("frames <1>", running)
    shown.show(LiveState(WatchOptions(), 1))
    yield running
    running.close()


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
    for key, value in given.items():
        connection.putheader(key, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.fixture
def cookie(server):
    answer, _ = ask(server, f"/enter?token={server.token}")
    assert answer.status == 200
    held = answer.headers["Set-Cookie"]
    assert "HttpOnly" in held and "SameSite=Strict" in held
    return held.split(";")[0]


def test_it_listens_on_this_machine_only(server):
    assert server._server.server_address[0] == "127.0.0.1"


def test_the_secret_opens_the_page(server, cookie):
    answer, body = ask(server, "/", Cookie=cookie)
    assert answer.status == 200 and b"frames &lt;1&gt;" in body
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert server.token.encode() not in body


@pytest.mark.parametrize("path", ["/", "/state", "/live.js", "/picture/last"])
def test_nothing_is_shown_without_it(server, path):
    assert ask(server, path)[0].status == 403
    wrong = f"{server.cookie_name}=guess"
    assert ask(server, path, Cookie=wrong)[0].status == 403
    assert ask(server, path, Cookie="=;;\x7f=broken")[0].status == 403


def test_a_wrong_token_sets_no_cookie(server):
    for query in ("", "?token=", "?token=guess", "?token=%00%ff"):
        answer, _ = ask(server, f"/enter{query}")
        assert answer.status == 403 and answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "[::1]"]
)
def test_another_name_for_this_machine_is_refused(server, cookie, host):
    assert ask(server, "/", Host=host, Cookie=cookie)[0].status == 403
    assert ask(server, f"/enter?token={server.token}", Host=host)[0].status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_site_is_refused(server, cookie, origin):
    assert ask(server, "/state", Origin=origin, Cookie=cookie)[0].status == 403


def test_what_the_browser_says_of_the_asking_site_counts(server, cookie):
    foreign = {"Sec_Fetch_Site": "cross-site", "Cookie": cookie}
    assert ask(server, "/state", **foreign)[0].status == 403
    assert ask(server, "/state", Sec_Fetch_Site="same-origin", Cookie=cookie)[0].status == 200
    # the address that was printed may be opened from a file or a mail, but not asked by a script
    enter = f"/enter?token={server.token}"
    for mode, status in (("navigate", 200), ("no-cors", 403)):
        answer, _ = ask(server, enter, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode=mode)
        assert answer.status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"])
def test_it_can_only_be_read(server, cookie, method):
    answer, _ = ask(server, "/", method=method, Cookie=cookie)
    assert answer.status == 405 and answer.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/picture/../../../etc/passwd", "/picture/%2e%2e%2fetc%2fpasswd",
        "/picture/", "//etc/passwd", "/state/", "/index.html", "/picture/last%00.png",
    ],
)  # fmt: skip
def test_no_path_leads_out(server, cookie, path):
    answer, body = ask(server, path, Cookie=cookie)
    assert answer.status == 404 and b"root:" not in body


def test_news_are_the_parts_that_changed(server, cookie):
    _, body = ask(server, "/state?since=-1", Cookie=cookie)
    whole = json.loads(body)
    assert set(whole["parts"]) >= {"status", "estimates", "frames"}
    answer, body = ask(server, f"/state?since={whole['version']}", Cookie=cookie)
    assert answer.status == 204 and body == b""
    for strange in ("x", "9" * 40, "-5", "1e3", "%00"):
        assert ask(server, f"/state?since={strange}", Cookie=cookie)[0].status == 200


def test_file_names_cannot_become_elements(server, cookie):
    shown = Shown("frames", server)
    name = "<img src=x onerror=alert(1)>.tif"
    frame = FrameResult(FrameFile(name, "0"), estimates=(), warnings=((name, name),))
    shown.show(
        LiveState(
            WatchOptions(), 1, "picture", (frame,), (Estimate("a", name, 1.0, 0.0, 2.0),),
            warnings=((name, name),), left_out=((name, name),), advice=(name,),
        )
    )  # fmt: skip
    _, page = ask(server, "/", Cookie=cookie)
    assert b"<img src=x" not in page and b"&lt;img src=x" in page
    _, body = ask(server, "/state?since=-1", Cookie=cookie)
    for html in json.loads(body)["parts"].values():
        assert "<img src=x" not in html


def test_the_policy_allows_the_pages_own_style_and_no_other(server, cookie):
    answer, body = ask(server, "/", Cookie=cookie)
    policy = answer.headers["Content-Security-Policy"]
    style = re.search(r"style-src ([^;]*)", policy)[1].split()
    assert len(style) == body.count(b"<style>") and all(one.startswith("'sha256-") for one in style)
    assert b" style=" not in body and b"onclick" not in body


def test_a_port_that_is_taken_is_said(server):
    with pytest.raises(InputError, match="port must be free"):
        LiveServer(server.port)
