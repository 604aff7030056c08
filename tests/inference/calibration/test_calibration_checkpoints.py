"""Calibration studies that are interrupted, taken up again, and refuse another study's file."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pytest
from normal_means import PRIOR, fit, moody, same, simulate

from physlearn.checks import InputError
from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.calibration.calibration_report import CalibrationReport


class InterruptedOnce:
    """Raises KeyboardInterrupt inside one replicate, once."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, data, rng):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return fit(data, rng)


@pytest.mark.parametrize("at", [1, 2, 9, 30])
def test_an_interruption_inside_a_fit_loses_nothing(at, tmp_path):
    path, moody_fit = tmp_path / "c.npz", InterruptedOnce(at)
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        check_calibration(simulate, moody_fit, PRIOR, 30, rng=2, checkpoint=path)
    calls = moody_fit.calls
    report = check_calibration(simulate, moody_fit, PRIOR, 30, rng=2, checkpoint=path)
    assert moody_fit.calls - calls == 30 - (at - 1)  # what was complete is not done again
    assert same(report, check_calibration(simulate, fit, PRIOR, 30, rng=2))
    assert not path.exists()


def test_refusals_survive_a_checkpoint(tmp_path):
    path, calls = tmp_path / "c.npz", []

    def refusing(data, rng):
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return moody(data, rng)

    with pytest.raises(KeyboardInterrupt):
        check_calibration(simulate, refusing, PRIOR, 40, rng=6, checkpoint=path)
    report = check_calibration(simulate, refusing, PRIOR, 40, rng=6, checkpoint=path)
    assert same(report, check_calibration(simulate, moody, PRIOR, 40, rng=6))
    assert report.n_refused > 0


SCRIPT = """
    import sys, time
    import numpy as np
    from physlearn.inference.calibration.calibration import check_calibration

    def simulate(theta, rng):
        return rng.normal(theta["mean"], 1.0, 10)

    def fit(data, rng):
        time.sleep(0.02)
        return {"mean": rng.normal(data.sum() / 11, 11**-0.5, 400)}

    print("begun", flush=True)
    report = check_calibration(simulate, fit, {"mean": 1.0}, 100, rng=2, checkpoint=sys.argv[1])
    report.save(sys.argv[2])
"""


def test_ctrl_c_from_outside_and_on_again(tmp_path):
    script, path, out = tmp_path / "s.py", tmp_path / "c.npz", tmp_path / "r.npz"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(path), str(out)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "begun\n"
    time.sleep(0.8)
    os.kill(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert "goes on from there" in said
    assert path.exists()
    assert not out.exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert same(CalibrationReport.load(out), check_calibration(simulate, fit, PRIOR, 100, rng=2))


def scaled(data, rng, scale=1.0, **more):
    return {name: scale * draws for name, draws in fit(data, rng).items()}


def closed_over(scale):
    def inner(data, rng):
        return scaled(data, rng, scale)

    return inner


OTHERS = {
    "partial's keyword": (partial(scaled, scale=0.3), partial(scaled, scale=1.0)),
    "partial's list": (partial(scaled, some=[1, {"a": 2}]), partial(scaled, some=[1, {"a": 3}])),
    "array": (partial(scaled, some=np.zeros(2000)), partial(scaled, some=np.arange(2000) == 9)),
    "lambda": (lambda d, r: scaled(d, r, 0.3), lambda d, r: scaled(d, r, 1.0)),
    "closure": (closed_over(0.3), closed_over(1.0)),
    "default": (lambda d, r, s=0.3: scaled(d, r, s), lambda d, r, s=1.0: scaled(d, r, s)),
}


def stopped_early(call, path):
    asked = []

    def stop(done, every):
        if done >= 9 and not asked:
            asked.append(done)
            signal.raise_signal(signal.SIGINT)

    def slowly(theta, rng):
        time.sleep(0.02)
        return simulate(theta, rng)

    with pytest.raises(KeyboardInterrupt):
        call(slowly, progress=stop, checkpoint=path)
    return slowly


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_another_estimator_is_refused(what, tmp_path):
    path, (one, other) = tmp_path / "c.npz", OTHERS[what]

    def call(simulation, estimator=one, **options):
        return check_calibration(simulation, estimator, PRIOR, 40, rng=2, **options)

    slowly = stopped_early(call, path)
    with pytest.raises(InputError, match="other arguments"):
        call(slowly, other, checkpoint=path)
    assert call(slowly, checkpoint=path).n_finished == 40


def test_a_checkpoint_of_another_prior_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    wide, narrow = (lambda rng, sd=sd: {"mean": rng.normal(0, sd)} for sd in (2.0, 1.0))

    def call(simulation, prior=wide, **options):
        return check_calibration(simulation, fit, prior, 40, rng=2, **options)

    slowly = stopped_early(call, path)
    with pytest.raises(InputError, match="other arguments"):
        call(slowly, narrow, checkpoint=path)


def test_a_checkpoint_of_another_study_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    with pytest.raises(KeyboardInterrupt):
        check_calibration(simulate, InterruptedOnce(5), PRIOR, 30, rng=2, checkpoint=path)
    with pytest.raises(InputError, match="other arguments"):
        check_calibration(simulate, InterruptedOnce(99), PRIOR, 30, rng=3, checkpoint=path)
    with pytest.raises(InputError, match="other arguments"):
        check_calibration(simulate, InterruptedOnce(99), {"mean": 2.0}, 30, rng=2, checkpoint=path)
