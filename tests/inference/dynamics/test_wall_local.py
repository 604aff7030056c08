"""Laws of walls with pins and with bends that are not linear, against planted ones."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import discover_wall_law
from physlearn.inference.dynamics.wall_local_terms import written_out
from physlearn.inference.dynamics.wall_options import WallLawOptions
from physlearn.inference.dynamics.wall_proposals import (
    moves_of,
    propose_bends,
    propose_pins,
    regression_of,
)
from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.fronts.pin_map import make_pin_map
from physlearn.inference.fronts.wall_runs import usable_runs
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.walls.planted_domains import planted_domains

NEAR = ("pin_distance", "c", "div", "neg", "exp")
SLOWED = ("c", "drive", "mul", "c", "curvature", "mul", "add", "1", *NEAR, "c", "mul", "add", "mul")
PLAIN = {("drive",), ("curvature",)}


def plain(drive, bend, distance, facing):
    return 0.5 * drive - 0.4 * bend


def slowed(drive, bend, distance, facing):
    return plain(drive, bend, distance, facing) * (1 - 0.8 * np.exp(-distance / 4))


def saturating(drive, bend, distance, facing):
    return 0.5 * drive - 2.0 * bend / (1 + 20 * np.abs(bend))


def found_in(law, options, rng, n_frames=8):
    planted = planted_domains(law, n_frames=n_frames, rng=rng)
    asked = WallLawOptions(pins=planted.pins if "pins" in options else None,
                           curvature="free" if "bends" in options else "linear")  # fmt: skip
    return discover_wall_law(planted.track, options=asked, rng=1)


def test_walls_that_pins_slow():
    laws = found_in(slowed, "pins", 3, n_frames=12)
    assert laws.variables == ("drive", "curvature", "pin_distance", "pin_facing")
    assert laws.variable_units == ("", "1/pixel", "pixel", "1")
    assert laws.best.structure == {SLOWED}
    truth = np.array([0.5, -0.4, 4.0, -0.8])
    error = laws.best.constants - truth
    # chi2 of 4 constants beyond 23.5 has a chance of 1e-4
    assert error @ np.linalg.solve(laws.best.covariance, error) < 23.5
    # No word of the plain law's misfit is left
    assert not any("does not fit" in text for text in laws.warnings)
    assert laws.predict([[1.0, 0.0, 30.0, 0.0]]) == pytest.approx([0.5], abs=0.03)


def test_pins_and_bends_that_do_nothing_are_not_claimed():
    laws = found_in(plain, "pins bends", 4)
    assert laws.best.structure == PLAIN
    without = sum(
        weight for law, weight in zip(laws.equations, laws.weights, strict=True)
        if "pin_distance" not in law.variables
    )  # fmt: skip
    assert without > 0.9


def test_a_tension_that_saturates():
    laws = found_in(saturating, "bends", 5, n_frames=12)
    bent = ("curvature", "1", "curvature", "abs", "c", "mul", "add", "div")
    assert laws.best.structure == {("drive",), bent}
    error = laws.best.constants - np.array([0.5, -2.0, 20.0])
    assert error @ np.linalg.solve(laws.best.covariance, error) < 21.1  # 1e-4 of 3


def test_other_frames_as_instruments_keep_the_bend_from_being_lost():
    found = []
    for seed in range(6):
        planted = planted_domains(plain, n_frames=8, noise=0.5, rng=seed)
        drive, levels = planted.drive, np.unique(planted.drive)
        runs = usable_runs(planted.track)[0]
        moves = moves_of(planted.track, runs, (drive[:, None] == levels).astype(float), drive)
        own, *_ = np.linalg.lstsq(
            np.column_stack([moves.design, moves.bend]), moves.velocity, rcond=None
        )
        found.append((regression_of(moves)[0][-1], own[-1]))
    instrumented, naive = np.transpose(found)
    assert abs(instrumented.mean() + 0.4) < 4 * instrumented.std(ddof=1) / np.sqrt(6)
    assert (np.abs(naive) < 0.95 * np.abs(instrumented)).all()


def test_proposals_name_the_strongest_first():
    planted = planted_domains(slowed, n_frames=12, rng=1)
    track, drive = planted.track, planted.drive
    levels = np.unique(drive)
    moves = moves_of(track, usable_runs(track)[0], (drive[:, None] == levels).astype(float), drive)
    scales = LocalLaw(speed=0.3, curvature=0.06)
    first, *others = propose_pins(moves, make_pin_map(planted.pins, track, 1.0), scales)
    assert (first.law.pinning, first.law.reach) == ("factor", "exp")
    assert 2 < first.law.length < 8
    assert -1.2 < first.start[0] < -0.4
    assert all(one.strength <= first.strength for one in others)
    assert {one.law.bending for one in propose_bends(moves, scales, driven=True)} == {
        "saturating", "power", "driven",
    }  # fmt: skip


@pytest.mark.parametrize("pinning", ["none", "added", "drawn", "factor"])
@pytest.mark.parametrize("bending", ["linear", "saturating", "power", "driven"])
def test_equations_say_what_fronts_do(pinning, bending):
    rng = np.random.default_rng(1)
    for reach in ("exp", "inverse", "linear"):
        local = LocalLaw(None, pinning, reach, 7.0, bending, 0.3, 0.05, 1.4)
        unknown = rng.uniform(0.2, 0.9, len(local.names))
        law = Equation(
            (
                Term(0.6, ("drive",)), Term(-0.4, ("curvature",)),
                *(Term(value, (f"unknown_{k}",)) for k, value in enumerate(unknown)),
            ),
            0.0, 0.0, 0, np.eye(2 + unknown.size),
        )  # fmt: skip
        said = written_out(law, local, 1, both_signs=True)
        assert said.covariance.shape == (2 + unknown.size,) * 2
        drive, bend, away = -0.8, rng.uniform(0.02, 0.2, 9), rng.uniform(1.0, 30.0, 9)
        facing = rng.uniform(-1, 1, 9)
        columns = {
            "drive": np.full(9, drive), "curvature": bend, "pin_distance": away,
            "pin_facing": facing,
        }  # fmt: skip
        b = local.bend_of(bend, unknown[-1:], drive)
        truth = 0.6 * drive - 0.4 * b
        h = local.reach_of(away, unknown[1] if pinning != "none" and reach == "exp" else 0.0)
        if pinning in ("added", "drawn"):
            truth = truth + 0.3 * unknown[0] * h * (facing if pinning == "drawn" else 1)
        elif pinning == "factor":
            truth = truth * (1 + unknown[0] * h)
        # A power is told from its smooth beginning at no bend by less than this
        assert said.predict(columns) == pytest.approx(truth, rel=5e-3)


def test_errors_of_constants_follow_the_unknowns():
    local = LocalLaw(None, "added", "exp", 7.0, speed=0.3)
    covariance = np.diag([0.01, 0.02, 0.05, 0.03]) ** 2
    law = Equation(
        (
            Term(0.6, ("drive",)), Term(-0.4, ("curvature",)), Term(-0.5, ("unknown_0",)),
            Term(0.2, ("unknown_1",)),
        ),
        0.0, 0.0, 0, covariance,
    )  # fmt: skip
    said = written_out(law, local, 1, both_signs=False)
    assert said.constants == pytest.approx([0.6, -0.15, 7.0 * np.exp(0.2), -0.4])
    expected = [0.01, 0.3 * 0.05, 7.0 * np.exp(0.2) * 0.03, 0.02]
    assert np.sqrt(np.diag(said.covariance)) == pytest.approx(expected, rel=1e-4)


def test_options_that_cannot_be_meant():
    with pytest.raises(InputError, match="curvature"):
        WallLawOptions(curvature="quadratic")
    planted = planted_domains(plain, n_frames=4, rng=1)
    with pytest.raises(InputError, match="pin 0 is at"):
        discover_wall_law(planted.track, options=WallLawOptions(pins=[(1e3, 2.0)]))


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_local_laws_do_not_depend_on_the_unit_of_length(size):
    planted = planted_domains(slowed, n_frames=6, rng=3)
    track = planted.track
    lengths = ("x", "y", "arc_length", "normal_error", "error_correlation_length")
    table = track.table.assign(
        **{name: size * track.table[name] for name in lengths},
        curvature=track.table["curvature"] / size,
    )
    metadata = {
        name: size * np.asarray(value)
        for name, value in track.metadata.items()
        if name in ("point_spacing", "wall_width", "frame_shift_error", "field_of_view")
    }
    scaled = replace(track, table=table, metadata={**track.metadata, **metadata})
    plain, moved = (
        discover_wall_law(one, options=WallLawOptions(pins=unit * planted.pins), rng=1)
        for one, unit in ((track, 1.0), (scaled, size))
    )
    assert moved.best.structure == plain.best.structure == {SLOWED}
    assert moved.weights[:3] == pytest.approx(plain.weights[:3], rel=1e-2, abs=1e-6)
    units = np.array([size, size**2, size, 1.0])
    assert moved.best.constants / units == pytest.approx(plain.best.constants, rel=1e-3)
    sd = np.sqrt(np.diag(plain.best.covariance))
    assert np.sqrt(np.diag(moved.best.covariance)) / units == pytest.approx(sd, rel=1e-2)
