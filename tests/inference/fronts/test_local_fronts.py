"""Fronts under local laws, against ordinary differential equations and the plain fronts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp

from physlearn.inference.fronts.local_fronts import make_local_front
from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.fronts.pin_map import make_pin_map
from physlearn.inference.fronts.wall_fronts import make_front
from physlearn.inference.fronts.wall_runs import usable_runs
from physlearn.inference.walls.planted_lines import open_wall
from physlearn.records import WallTrack

DRIVE = np.array([1.0, 0.5, -0.6, -0.6])
UNKNOWN = {"amplitude": -0.4, "log_length": 0.2, "saturating": 0.7, "power": 0.8, "driven": 0.5}
LAWS = [
    {"pinning": "added"}, {"pinning": "drawn"}, {"pinning": "factor"},
    {"pinning": "factor", "reach": "inverse"},
    {"pinning": "added", "reach": "linear"}, {"bending": "saturating"}, {"bending": "power"},
    {"bending": "driven"}, {"pinning": "factor", "bending": "saturating"},
]  # fmt: skip


def circles():
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    out = np.stack([np.cos(angle), np.sin(angle)])
    tables = [
        pd.DataFrame({
            "frame": k, "wall": 0, "time": float(k), "x": 40 + 18 * out[0], "y": 30 + 18 * out[1],
            "normal_x": out[0], "normal_y": out[1], "normal_error": 0.1,
            "error_correlation_length": 1.0, "arc_length": 18 * angle, "curvature": 1 / 18,
            "normal_velocity": np.nan,
        })
        for k in range(4)
    ]  # fmt: skip
    return WallTrack(pd.concat(tables, ignore_index=True), np.arange(4.0), closed={0: True})


def planted(asked, pins=None):
    return LocalLaw(pins, length=9.0, speed=0.3, curvature=0.05, drive=0.9, **asked)


@pytest.mark.parametrize("asked", LAWS)
def test_a_circle_about_its_pin_follows_the_ordinary_equation(asked):
    track = circles()
    law = planted(asked, make_pin_map([(40.0, 30.0)], track, 1.0))
    run = usable_runs(track)[0][0]
    model = make_local_front(run, DRIVE[:, None], track.frame_times, law, DRIVE)
    unknown = np.array([UNKNOWN[name] for name in law.names])
    point = np.concatenate([[0.9], unknown, [0.7]])
    model.settle_substeps(point)
    radii = model.fronts(point[None], model.first_shape()[None])[:, 0]
    assert np.ptp(radii, axis=1).max() < 0.02

    a, length = unknown[0], 9.0 * np.exp(0.2)

    def rate(t, r):
        force = DRIVE[min(int(t), 3)]
        bend = {
            "linear": 1 / r, "saturating": 1 / r / (1 + 0.7 / r / 0.05),
            "power": 1 / r * np.hypot(1 / r / 0.05, 0.05) ** 0.8,
            "driven": 1 / r * (1 + 0.5 * abs(force) / 0.9),
        }[law.bending]  # fmt: skip
        reach = {"exp": np.exp(-r / length), "inverse": 9.0 / r, "linear": r / 9.0}[law.reach]
        plain = 0.9 * force - 0.7 * bend
        if law.pinning == "none":
            return plain
        if law.pinning == "factor":
            return plain * (1 + a * reach)
        # The pin lies inside, the wall grows away from it
        return plain + 0.3 * a * reach * (1 if law.pinning == "added" else -1)

    r = radii[0].mean()
    for k in range(3):
        r = solve_ivp(rate, (k, k + 1 - 1e-12), [r], rtol=1e-9, max_step=0.1).y[0, -1]
        assert radii[k + 1].mean() == pytest.approx(r, abs=2e-3)


def test_unknowns_at_zero_leave_the_plain_front():
    closed, line = circles(), open_wall(np.random.default_rng(1), n_frames=5)
    for track in (closed, line):
        run = usable_runs(track)[0][0]
        drive = np.linspace(1.0, -0.5, track.n_frames)
        plain = make_front(run, drive[:, None], track.frame_times)
        law = planted({"pinning": "factor", "bending": "saturating"})
        law = replace(law, pins=make_pin_map([(30.0, 20.0)], track, 1.0))
        local = make_local_front(run, drive[:, None], track.frame_times, law, drive)
        shape = plain.first_shape()
        plain.settle_substeps(np.array([0.5, 0.4]))
        local.settle_substeps(np.array([0.5, 0.0, 0.0, 0.0, 0.4]))
        truth = plain.fronts(np.array([[0.5, 0.4]]), shape[None])
        found = local.fronts(np.array([[0.5, 0.0, 0.0, 0.0, 0.4]]), shape[None])
        assert found == pytest.approx(truth, abs=2e-4)
        residual, slopes = local.linearize(np.array([0.5, 0.0, 0.0, 0.0, 0.4]), shape)
        assert np.isfinite(residual).all()
        assert slopes.shape == (local.n_rows, 5 + local.n_shape)


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_local_fronts_do_not_depend_on_the_unit_of_length(size):
    track = circles()
    lengths = ("x", "y", "arc_length", "normal_error", "error_correlation_length")
    table = track.table.assign(
        **{name: size * track.table[name] for name in lengths},
        curvature=track.table["curvature"] / size,
    )
    fronts = []
    for unit, seen in ((1.0, track), (size, replace(track, table=table))):
        pins = make_pin_map([(40.0 * unit, 30.0 * unit)], seen, unit)
        law = LocalLaw(pins, "factor", length=9.0 * unit, bending="power", speed=0.3 * unit,
                       curvature=0.05 / unit, drive=0.9)  # fmt: skip
        run = usable_runs(seen)[0][0]
        model = make_local_front(run, DRIVE[:, None], seen.frame_times, law, DRIVE)
        # the drive closes the second on its pin
        points = np.array([[0.9, -0.4, 0.2, 0.8, 0.7], [-30.0, 0.0, 0.0, 0.0, 0.0]])
        points[:, [0, -1]] *= [unit, unit**2]
        model.settle_substeps(points[0])
        shape = model.first_shape()
        fronts.append(model.fronts(points, np.array([shape, shape])) / unit)
    np.testing.assert_allclose(fronts[1], fronts[0], rtol=1e-7)
    assert np.isfinite(fronts[0][:, 0]).all()
    assert np.isnan(fronts[0][-1, 1]).all()


def test_steps_of_the_derivatives_follow_the_unit_of_the_drive():
    run = usable_runs(circles())[0][0]
    drive = np.stack([DRIVE, np.zeros(4)], axis=1)  # the second never acts
    steps = [
        make_front(run, unit * drive, np.arange(4.0)).global_steps(3) for unit in (1.0, 1e-9, 0.0)
    ]
    np.testing.assert_allclose(steps[1][:2], 1e9 * steps[0][:2])
    assert steps[1][2] == steps[0][2]
    assert np.isfinite(steps[2]).all()
