"""The live page on this machine only: 127.0.0.1, a secret in the address, nothing but reading."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from physlearn.checks import InputError

__all__ = ["LiveServer", "Published"]

ADDRESS = "127.0.0.1"
MOST_REQUESTS = 32
"""Requests served at one time; further ones are turned away."""
REQUEST_SECONDS = 10.0
SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src {style}; "
    "script-src 'self'{script}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ENTER = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    '<link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url=/"><title>physlearn watch</title></head>'
    '<body><p><a href="/">Open the live page</a></p></body></html>'
)


@dataclass(slots=True)
class Published:
    """What the server hands out; replaced as a whole, read by its threads.

    Attributes
    ----------
    page
        The whole page for who comes now.
    parts
        HTML of each part; ``changed`` holds the version in which each last changed.
    pictures
        Name -> PNG.
    script
        The page's script.
    version
        Counts up with every change.
    title, said
        Of the browser's tab; what a screen reader is told.
    style_hashes, script_hashes
        For the policy: the inline elements of our own page, made without any data.
    """

    page: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    script: str = ""
    version: int = 0
    title: str = "physlearn watch"
    said: str = ""
    style_hashes: tuple[str, ...] = ()
    script_hashes: tuple[str, ...] = ()

    def with_parts(
        self, page: str, parts: Mapping[str, str], pictures: Mapping[str, bytes], title: str,
        said: str = "",
    ) -> Published:  # fmt: skip
        """Return the next version."""
        version = self.version + 1
        changed = {
            name: version if self.parts.get(name) != text else self.changed.get(name, 0)
            for name, text in parts.items()
        }
        return Published(
            page, dict(parts), changed, dict(pictures), self.script, version, title,
            said or self.said, self.style_hashes, self.script_hashes,
        )  # fmt: skip

    def news(self, since: int) -> dict[str, Any] | None:
        """Return the parts that changed after a version; None where nothing did."""
        if since == self.version:
            return None
        # a page of an earlier run may count further than we do: it gets all
        old = since if 0 <= since < self.version else -1
        parts = {name: self.parts[name] for name, at in self.changed.items() if at > old}
        return {
            "version": self.version, "parts": parts, "title": self.title, "said": self.said,
        }  # fmt: skip


class LiveServer:
    """Serves what was published last, to who knows the secret, on this machine only.

    Parameters
    ----------
    port
        0 takes any that is free.

    Raises
    ------
    InputError
        When the port is taken.

    Examples
    --------
    >>> server = LiveServer(0)
    >>> server.url.startswith("http://127.0.0.1:")
    True
    >>> server.close()
    """

    def __init__(self, port: int = 0) -> None:
        self.token, self._cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.published = Published()
        handler = type("Handler", (_Handler,), {"live": self})
        try:
            self._server = _Server((ADDRESS, port), handler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port must be free; {port} is not ({error}): leave it out to take any."
            ) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True,
            name="physlearn-live-page",
        )  # fmt: skip
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to open, secret included."""
        return f"http://{ADDRESS}:{self.port}/enter?token={self.token}"

    @property
    def cookie_name(self) -> str:
        """Of this port alone: cookies do not know ports, and two watches may run."""
        return f"physlearn_watch_{self.port}"

    def knows_token(self, given: str) -> bool:
        """Whether the secret of the address was given."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def knows_cookie(self, given: str) -> bool:
        """Whether the secret of the cookie was given."""
        return hmac.compare_digest(given.encode(), self._cookie.encode())

    @property
    def cookie(self) -> str:
        """The header that sets the cookie."""
        return f"{self.cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16
    # a second watch on the same port must fail, not share it
    allow_reuse_address = False

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self.slots = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that hangs up is no error."""


class _Handler(BaseHTTPRequestHandler):
    live: ClassVar[LiveServer]
    timeout = REQUEST_SECONDS
    server_version, sys_version = "physlearn", ""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if not self._from_here():
            return self._refuse(403, "this page is served to this machine's own browser only")
        if parts.path == "/enter":
            return self._enter(parse_qs(parts.query))
        if not self._known():
            return self._refuse(403, "open the address that physlearn watch printed")
        published = self.live.published
        if parts.path == "/":
            return self._answer(200, "text/html; charset=utf-8", published.page.encode())
        if parts.path == "/live.js":
            return self._answer(200, "text/javascript; charset=utf-8", published.script.encode())
        if parts.path == "/state":
            return self._news(parse_qs(parts.query))
        # names are looked up, never joined to a path: there is no way out of this table
        name = parts.path.removeprefix("/picture/")
        if parts.path.startswith("/picture/") and name in published.pictures:
            return self._answer(200, "image/png", published.pictures[name])
        return self._refuse(404, "there is nothing here")

    def __getattr__(self, name: str) -> Any:
        """Answer every other method alike: this page can only be read."""
        if name.startswith("do_"):
            return lambda: self._refuse(405, "this page can only be read", {"Allow": "GET"})
        raise AttributeError(name)

    def _from_here(self) -> bool:
        """Refuse names that were made to point here (DNS rebinding), and other sites' scripts."""
        hosts = {f"{ADDRESS}:{self.live.port}", f"localhost:{self.live.port}"}
        given = self.headers.get_all("Host") or []
        if len(given) != 1 or given[0].lower() not in hosts:
            return False
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            return False
        site = self.headers.get("Sec-Fetch-Site")
        entering = urlsplit(self.path).path == "/enter"
        return site in (None, "same-origin", "none") or (
            entering and self.headers.get("Sec-Fetch-Mode") == "navigate"
        )

    def _enter(self, query: Mapping[str, list[str]]) -> None:
        if not self.live.knows_token((query.get("token") or [""])[0]):
            return self._refuse(403, "open the address that physlearn watch printed")
        # A page that moves on by itself, not a redirect: a strict cookie is not sent along a chain
        # of redirects that another place (a mail, a file) began
        self._answer(
            200, "text/html; charset=utf-8", ENTER.encode(), {"Set-Cookie": self.live.cookie}
        )
        return None

    def _known(self) -> bool:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self.headers.get("Cookie", ""))
        except CookieError:
            return False
        held = jar.get(self.live.cookie_name)
        return held is not None and self.live.knows_cookie(held.value)

    def _news(self, query: Mapping[str, list[str]]) -> None:
        text = (query.get("since") or ["-1"])[0]
        since = int(text) if text.isdecimal() and len(text) < 12 else -1
        found = self.live.published.news(since)
        if found is None:
            return self._answer(204, None, b"")
        return self._answer(200, "application/json", json.dumps(found).encode())

    def _refuse(self, code: int, reason: str, more: Mapping[str, str] | None = None) -> None:
        self._answer(code, "text/plain; charset=utf-8", f"{reason}.\n".encode(), more)

    def _answer(
        self, code: int, kind: str | None, body: bytes, more: Mapping[str, str] | None = None
    ) -> None:
        published = self.live.published
        policy = POLICY.format(
            style=" ".join(published.style_hashes) or "'none'",
            script="".join(f" {one}" for one in published.script_hashes),
        )
        self.send_response(code)
        headers = {"Content-Security-Policy": policy, **SAFE_HEADERS, **(more or {})}
        if kind is not None:
            headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: requests hold the secret."""
