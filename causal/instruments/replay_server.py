"""A server that plays recorded pictures, as an instrument that can look and not touch."""

from __future__ import annotations

import io
import re
import secrets
import threading
import xmlrpc.client as rpc
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import numpy as np
import xarray as xr

from physlearn.causal.actions import Action
from physlearn.causal.instruments.instrument_adapter import InstrumentAdapter
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.verbs import AREA, strict_number
from physlearn.checks import InputError, check_count
from physlearn.records.shown import object_repr

__all__ = ["ReplayServer", "replayed_instrument"]

LOOKS = ("image", "scan_again", "move", "wait", "tune")
CANNOT = "a replay cannot answer"
HERE = "127.0.0.1"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d{1,5}(/[\w-]*)?")
LARGEST_PORT = 65_535
REQUEST_SECONDS = 10.0
LONGEST_REQUEST = 100_000
"""Bytes; a question is a verb and a few numbers."""


class _Handler(SimpleXMLRPCRequestHandler):
    """Answers programs of this computer: no pages of other sites, no names made to point here."""

    timeout = REQUEST_SECONDS

    def do_POST(self) -> None:  # noqa: N802 -- the library's name
        here = f"{HERE}:{self.server.server_address[1]}"  # type: ignore[index]
        length = self.headers.get("Content-Length", "")
        if (
            self.headers.get_all("Host") != [here]
            or self.headers.get("Origin") is not None  # browsers send it, programs do not
            or self.headers.get_content_type() != "text/xml"
            or not (length.isdecimal() and int(length) <= LONGEST_REQUEST)
        ):
            self.send_error(403)
            return
        super().do_POST()

    def log_message(self, *_: Any) -> None:
        """Log nothing: requests hold the secret."""


class ReplayServer:
    """Recorded pictures behind a socket: pictures can be asked for, interventions are refused.

    A digital twin can say what a pulse would do; a recording cannot, and says so. It speaks XML-RPC
    of the standard library on this computer only (127.0.0.1), to who knows the secret in its
    `address`: ``act(verb, args)`` returns "" or why
    it was refused, ``picture()`` the last picture as the bytes of a ``.npy`` file, ``place()`` its
    x_min, y_min, x_max, y_max.

    Parameters
    ----------
    pictures
        Pictures, dims (y, x), with the coordinates x and y, in the order of time: every picture
        asked for after the first is of the next one.
    port
        Of the socket; 0 takes a free one.

    Raises
    ------
    InputError
        For pictures without these dims or coordinates, or that hold no finite number.

    Examples
    --------
    >>> picture = xr.DataArray(
    ...     np.arange(9.0).reshape(3, 3), dims=("y", "x"), coords={"y": [0, 1, 2], "x": [0, 1, 2]})
    >>> with ReplayServer([picture]) as server:
    ...     instrument = replayed_instrument(server.address, lambda seen: float(seen.max()))
    ...     area = {"x_min": 0.0, "y_min": 0.0, "x_max": 1.0, "y_max": 1.0}
    ...     instrument.do(Action("image", area, 0.0, 1.0, 1.0)).readout
    4.0
    """

    def __init__(self, pictures: Sequence[xr.DataArray], *, port: int = 0) -> None:
        self._pictures = [_checked(k, picture) for k, picture in enumerate(pictures)]
        if not self._pictures:
            raise InputError("pictures must hold at least one picture; got none.")
        if check_count("port", port, 0) > LARGEST_PORT:
            raise InputError(f"port must be at most {LARGEST_PORT}; got {port}.")
        self._token = secrets.token_urlsafe(24)
        handler = type("Handler", (_Handler,), {"rpc_paths": (f"/{self._token}",)})
        self._server = SimpleXMLRPCServer(
            (HERE, port), handler, logRequests=False, allow_none=False, use_builtin_types=True
        )
        register: Any = self._server.register_function
        for function in (self.act, self.picture, self.place):
            register(function)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._next, self._seen = 0, self._pictures[0]

    def __repr__(self) -> str:
        return object_repr(self, address=self.address, pictures=self._pictures)

    @property
    def address(self) -> str:
        """Where it listens, with the secret that its callers must know."""
        return f"http://{HERE}:{self._server.server_address[1]}/{self._token}"

    def act(self, verb: str, args: dict[str, Any]) -> str:
        """Do what a recording can do; return "" or why it cannot."""
        if verb not in LOOKS:
            return f"{CANNOT}: it holds what was recorded, and {verb} would have changed something"
        if verb not in ("image", "scan_again"):
            return ""
        count = int(args.get("n_repeats", 1))
        if self._next + count > len(self._pictures):
            return f"{CANNOT}: {len(self._pictures)} pictures were recorded, all were shown"
        shown = self._pictures[self._next : self._next + count]
        area = [float(args[k]) for k in AREA] if verb == "image" else self.place()
        whole = _edges(shown[-1])
        outside = any(area[k] < whole[k] for k in (0, 1)) or any(area[k] > whole[k] for k in (2, 3))
        cut = [p.sel(x=slice(area[0], area[2]), y=slice(area[1], area[3])) for p in shown]
        if outside or not cut[-1].size:
            return f"{CANNOT}: {area} was not recorded, only {whole}"
        self._next += count
        self._seen = cut[0].copy(data=np.mean([c.values for c in cut], axis=0))
        return ""

    def picture(self) -> bytes:
        """Return the last picture as the bytes of a ``.npy`` file."""
        file = io.BytesIO()
        np.save(file, self._seen.values, allow_pickle=False)
        return file.getvalue()

    def place(self) -> list[float]:
        """Return x_min, y_min, x_max, y_max of the last picture."""
        return _edges(self._seen)

    def __enter__(self) -> ReplayServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def replayed_instrument(
    address: str,
    measure: Callable[[np.ndarray[Any, np.dtype[np.float64]]], float],
    *,
    envelope: SafetyEnvelope | None = None,
) -> InstrumentAdapter:
    """Return a `ReplayServer` as an instrument of two functions.

    Parameters
    ----------
    address
        Of the server, ``http://127.0.0.1:port/secret``.
    measure
        The readout of a picture, shape (n_rows, n_columns).
    envelope
        Hard limits; None: the first picture's field, and any dose, as none is given.

    Raises
    ------
    InputError
        For an address of another computer or without a server. By ``do``: "a replay cannot answer",
        for what would have changed the sample or was not recorded.

    Examples
    --------
    >>> replayed_instrument("http://example.org", np.mean)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: address must be http://127.0.0.1:port/secret; got 'http://example.org'.
    """
    # the whole of it: http://127.0.0.1:80@example.org is an address of example.org
    if not isinstance(address, str) or not ADDRESS.fullmatch(address):
        raise InputError(f"address must be http://127.0.0.1:port/secret; got {address!r}.")
    if not callable(measure):
        raise InputError(f"measure must be a function of a picture; got {measure!r}.")
    server: Any = rpc.ServerProxy(address, use_builtin_types=True)

    def do_act(action: Action) -> None:
        refused = server.act(action.verb, dict(action.args))
        if refused:
            raise InputError(f"{action.verb} was refused: {refused}.")

    def read_out(action: Action) -> Outcome:
        if action.verb == "tune":
            return Outcome(None, dose=0.0)
        seen = np.load(io.BytesIO(server.picture()), allow_pickle=False)
        value = strict_number("measure(picture)", measure(seen))
        return Outcome(value, reported=dict(zip(AREA, server.place(), strict=True)), dose=0.0)

    if envelope is None:
        try:
            x_min, y_min, x_max, y_max = server.place()
        except (OSError, rpc.Error):
            raise InputError(
                f"address must be that of a replay server, secret included; none is at {address}."
            ) from None
        envelope = SafetyEnvelope(1e300, (x_min, y_min, x_max, y_max))
    return InstrumentAdapter(do_act, read_out, envelope=envelope)


def _edges(picture: xr.DataArray) -> list[float]:
    x, y = picture["x"].values, picture["y"].values
    return [float(x.min()), float(y.min()), float(x.max()), float(y.max())]


def _checked(number: int, picture: xr.DataArray) -> xr.DataArray:
    if not isinstance(picture, xr.DataArray) or picture.dims != ("y", "x"):
        raise InputError(f"pictures[{number}] must be an xarray.DataArray with dims ('y', 'x').")
    if not {"x", "y"} <= set(picture.coords) or not np.isfinite(picture.values).any():
        raise InputError(f"pictures[{number}] must have coordinates x and y and finite numbers.")
    return picture.sortby(["y", "x"]).astype(np.float64)
