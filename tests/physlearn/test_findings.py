"""Steps that cannot do their job are noted; errors are not swallowed."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import NotIdentified
from physlearn.datasets.channels.measure_noise import NO_SIGNAL
from physlearn.findings import Findings, Step, run_steps
from physlearn.records import PatchTable


def found_atoms(findings):
    findings.atoms = object()


def refuses(findings):
    raise NotIdentified("the picture holds no columns.")


def breaks(findings):
    raise ZeroDivisionError


def test_refusal_is_noted_and_the_rest_goes_on():
    steps = [
        Step("atoms", "Find atoms", refuses),
        Step("sites", "Sites", found_atoms, needs=("atoms",)),
        Step("patches", "Patches", found_atoms),
    ]
    notes = run_steps(steps, Findings("a", 1)).notes
    assert [note.status for note in notes] == ["could not", "skipped", "done"]
    assert notes[0].reason == "the picture holds no columns."
    assert notes[1].reason == "it needs atom columns, and there is none."


def test_unexpected_errors_are_raised():
    with pytest.raises(ZeroDivisionError):
        run_steps([Step("atoms", "Find atoms", breaks)], Findings("a", 1))


def test_a_step_draws_the_same_numbers_whatever_else_runs():
    first, second = Findings("a", 5), Findings("a", 5)
    first.rng("graph").normal(size=100)
    assert first.rng("couplings").normal() == second.rng("couplings").normal()
    assert first.rng("couplings").normal() != Findings("a", 6).rng("couplings").normal()


def test_warnings_of_every_input_are_said_once():
    picture = xr.DataArray(np.zeros((4, 4)), dims=("y", "x"), attrs={"warnings": ("no scale.",)})
    film = xr.DataArray(
        np.zeros((2, 4, 4)), dims=("time", "y", "x"),
        attrs={"warnings": ("film.gif is coloured.", "no scale.")},
    )  # fmt: skip
    table = PatchTable.from_frame(
        pd.DataFrame({"idle": [0.0, 1.0], "idle_skewness": [0.0, 2.0], "idler": [1.0, 3.0]}),
        [[0, 0], [8, 0]], 8.0,
        flags={"idle": NO_SIGNAL, "idle_skewness": NO_SIGNAL, "idler": "a direction"},
        warnings=(f"channel idle holds {NO_SIGNAL}; it is kept and marked.",),
    )  # fmt: skip
    told = Findings("a", 1, image=picture, video=film, patches=table).warnings()
    assert told == [
        ("patches", f"channel idle holds {NO_SIGNAL}; it is kept and marked."),
        ("patches", "idler: a direction."),
        ("picture", "no scale."),
        ("video", "film.gif is coloured."),
    ]


def test_what_a_step_needs_is_said_in_words():
    from physlearn.findings import NEEDED
    from physlearn.steps_image import IMAGE_STEPS
    from physlearn.steps_plan import PLAN_STEPS
    from physlearn.steps_video import VIDEO_STEPS

    needed = {name for step in (*IMAGE_STEPS, *VIDEO_STEPS, *PLAN_STEPS) for name in step.needs}
    assert needed <= set(NEEDED)
