"""How far apart frames are compared: where a step no longer remembers the ones before."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.drift_checks import Memory, memory_of, standard_steps
from physlearn.inference.dynamics.drift_curve import FreeCurve, free_curves, regressed_curves
from physlearn.inference.dynamics.drift_data import DriftData, first_guesses, motion_of
from physlearn.inference.dynamics.drift_fit import Bench, Motion, MotionLaw, fields_of
from physlearn.inference.laws.equation import Equation, Term

__all__ = ["MOST_ROWS", "PHASES", "REACH", "curve_of", "frames_apart"]

Floats = NDArray[np.float64]

LAGS = (1, 2, 4, 8, 12, 18, 24, 36)
LARGEST_P = 0.005
FEWEST_STEPS = 60
PHASES = 3
FEW_ROUNDS = 6  # for a test
TESTED_ROWS = 20_000
MOST_ROWS = {1: 20_000, 2: 10_000}
REACH = 4.0  # D over the spread of places: a drift that counts
SAMPLE = 400


def curve_of(motion: Motion, data: DriftData) -> FreeCurve | None:
    """Return drift and D as free curves: by the likelihood, or, on two axes, by regression."""
    level, log_noise = first_guesses(data)
    if len(data.names) > 1:
        noise = 0.0 if data.is_exact else math.exp(log_noise) ** 2
        if data.noise is not None:
            noise = float(np.mean(data.noise**2))
        return regressed_curves(motion.points, data.steps, data.earlier_places, noise, log_noise)
    return free_curves(motion, data.series.positions.T, data.step_size, level, log_noise)


def frames_apart(data: DriftData) -> tuple[DriftData, Memory | None]:
    """Return the data at the fewest frames apart at which steps forget, and the memory at one."""
    first: Memory | None = None
    passed: DriftData | None = None
    for lag in LAGS:
        if lag > 1 and data.n_steps // lag < FEWEST_STEPS:
            break
        try:
            thin = data.thinned(lag, PHASES)
        except ValueError:
            break
        memory = memory_of_trap(thin.capped(TESTED_ROWS))
        if lag == 1:
            first = memory
        if memory is None or memory.p > LARGEST_P:
            if lag == 1 or passed is not None:
                return thin, first
            passed = thin  # the first that passes may do so for want of steps: take the next
            continue
        passed = None
        if lag == 1:
            small = thin.capped(MOST_ROWS[len(thin.names)])
            motion = motion_of(small)
            curve = curve_of(motion, small)
            if curve is None:
                return thin, first
            steps = standard_steps(motion, small, (*curve.fields, curve.log_noise))
            bent = None if steps is None else memory_of(steps, small)
            if bent is None or bent.p > LARGEST_P:
                return thin, first
            first = bent
    return data if passed is None else passed, first


def memory_of_trap(data: DriftData) -> Memory | None:
    """Return the memory of steps under a harmonic trap, or none, along each axis."""
    motion = motion_of(data)
    level, log_noise = first_guesses(data)
    places = data.series.positions.T
    drift = tuple(
        Equation((Term(0.0, (1,)), Term(-0.01 * level / place.var(), (name,))), 0.0, 0.0, 2)
        for name, place in zip(data.names, places, strict=True)
    )
    flat = Equation((Term(level, (1,)),), 0.0, 0.0, 1)
    law = MotionLaw(data.names, drift, flat, log_noise, motion.has_noise)
    chosen = np.linspace(0, places.shape[1] - 1, SAMPLE).astype(int)
    columns = dict(zip(data.names, places[:, chosen], strict=True))
    spread = float(np.sqrt(places.var(axis=1).mean()))
    found = Bench(motion, data.names, columns, REACH * level / spread).fit(law, FEW_ROUNDS)
    if found is None:
        return None
    fields = fields_of(found[0], motion.points)(found[0].numbers)
    steps = standard_steps(motion, data, fields)
    return None if steps is None else memory_of(steps, data)
