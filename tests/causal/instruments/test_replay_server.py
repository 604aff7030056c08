"""A recording shows what was recorded, and refuses what it cannot know."""

import http.client

import numpy as np
import pytest
import xarray as xr

from physlearn.causal import Action, ReplayServer, replayed_instrument
from physlearn.checks import InputError

EDGES = ("x_min", "y_min", "x_max", "y_max")


def picture(level, n=5):
    values = level + np.arange(n * n, dtype=float).reshape(n, n)
    return xr.DataArray(
        values, dims=("y", "x"), coords={"y": np.arange(n) * 2.0, "x": np.arange(n) * 2.0}
    )


def image(*edges):
    return Action("image", dict(zip(EDGES, edges, strict=True)), 0.0, 1.0, 1.0)


@pytest.fixture
def server():
    with ReplayServer([picture(0.0), picture(100.0), picture(200.0)]) as made:
        yield made


def test_pictures_come_in_the_order_of_time_and_cut_to_the_field(server):
    instrument = replayed_instrument(server.address, np.mean)
    assert instrument.do(image(0, 0, 8, 8)).readout == 12.0
    second = instrument.do(image(0, 0, 2, 2))
    assert second.readout == 100.0 + np.mean([0, 1, 5, 6])
    assert dict(second.reported) == dict(zip(EDGES, (0.0, 0.0, 2.0, 2.0), strict=True))
    again = instrument.do(Action("scan_again", {"n_repeats": 1}, 0.0, 1.0, 1.0))
    assert again.readout == 200.0 + np.mean([0, 1, 5, 6])
    with pytest.raises(InputError, match="a replay cannot answer: 3 pictures were recorded"):
        instrument.do(image(0, 0, 8, 8))


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("expose_site", {"x": 1.0, "y": 1.0}),
        ("expose_patch", dict(zip(EDGES, (0.0, 0.0, 1.0, 1.0), strict=True))),
        ("analyse", {"quantity": "roughness"}),
    ],
)
def test_interventions_are_refused(verb, args, server):
    instrument = replayed_instrument(server.address, np.mean)
    with pytest.raises(InputError, match=f"{verb} was refused: a replay cannot answer"):
        instrument.do(Action(verb, args, 0.0, 1.0, 1.0))
    assert instrument.events[-1]["status"] == "failed"
    assert instrument.do(image(0, 0, 8, 8)).readout == 12.0


def test_what_was_not_recorded_is_refused(server):
    from physlearn.causal import SafetyEnvelope

    wide = SafetyEnvelope(1.0, (-100, -100, 100, 100))
    instrument = replayed_instrument(server.address, np.mean, envelope=wide)
    with pytest.raises(InputError, match="was not recorded, only"):
        instrument.do(image(0, 0, 20, 8))
    with pytest.raises(InputError, match="outside the field of view"):
        replayed_instrument(server.address, np.mean).do(image(0, 0, 20, 8))


def test_pictures_and_addresses_are_checked():
    with pytest.raises(InputError, match="at least one picture"):
        ReplayServer([])
    with pytest.raises(InputError, match=r"pictures\[0\] must be an xarray.DataArray"):
        ReplayServer([np.zeros((3, 3))])
    with pytest.raises(InputError, match=r"pictures\[0\] must have coordinates x and y"):
        ReplayServer([xr.DataArray(np.zeros((3, 3)), dims=("y", "x"))])
    with ReplayServer([picture(0.0)]) as made:
        address = made.address
    with pytest.raises(InputError, match="a replay server, secret included; none is at"):
        replayed_instrument(address, np.mean)


def test_a_measure_that_gives_no_number_is_refused(server):
    instrument = replayed_instrument(server.address, lambda seen: float("nan"))
    with pytest.raises(InputError, match=r"measure\(picture\) must be a finite number"):
        instrument.do(image(0, 0, 8, 8))


def test_a_measure_that_is_no_function_is_refused(server):
    with pytest.raises(InputError, match="measure must be a function of a picture; got 3"):
        replayed_instrument(server.address, 3)


@pytest.mark.parametrize(
    ("place", "headers", "status"),
    [
        ("secret", {}, 200), ("", {}, 404), ("RPC2", {}, 404), ("secret", {"Host": "a.org"}, 403),
        ("secret", {"Origin": "http://a.org"}, 403), ("secret", {"Origin": "null"}, 403),
        ("secret", {"Content-Type": "text/plain"}, 403),
        ("secret", {"Content-Length": "9999999999"}, 403),
    ],
)  # fmt: skip
def test_only_programs_of_this_machine_that_know_the_secret_are_answered(
    server, capfd, place, headers, status
):
    port, secret = server.address.removeprefix("http://127.0.0.1:").split("/")
    assert len(secret) >= 32
    asked = "<methodCall><methodName>place</methodName><params/></methodCall>"
    wire = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    path = f"/{secret if place == 'secret' else place}"
    wire.request("POST", path, asked, {"Content-Type": "text/xml", **headers})
    assert wire.getresponse().status == status
    wire.close()
    assert capfd.readouterr().err == ""  # nothing is logged, and no secret with it


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:80@a.org", "http://127.0.0.1:80/../x@a.org", "http://127.0.0.1"]
)
def test_addresses_that_only_look_like_this_machine_are_refused(address):
    with pytest.raises(InputError, match=r"address must be http://127\.0\.0\.1:port/secret"):
        replayed_instrument(address, np.mean)
