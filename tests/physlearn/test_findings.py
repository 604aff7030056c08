"""Steps that cannot do their job are noted; errors are not swallowed."""

import pytest

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step, run_steps


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
    assert "atoms" in notes[1].reason


def test_unexpected_errors_are_raised():
    with pytest.raises(ZeroDivisionError):
        run_steps([Step("atoms", "Find atoms", breaks)], Findings("a", 1))


def test_a_step_draws_the_same_numbers_whatever_else_runs():
    first, second = Findings("a", 5), Findings("a", 5)
    first.rng("graph").normal(size=100)
    assert first.rng("couplings").normal() == second.rng("couplings").normal()
    assert first.rng("couplings").normal() != Findings("a", 6).rng("couplings").normal()
