"""What a study of a picture refuses before it looks for atoms."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets.sites.clumped_states import clump_warning
from physlearn.findings import Findings, run_steps
from physlearn.lattice_models import triangular_lattice
from physlearn.records import AtomicConfiguration, LatticeSnapshots
from physlearn.steps_atoms import ATOM_STEPS
from physlearn.steps_image import IMAGE_STEPS

FIND = ATOM_STEPS[:1]


CASES = [
    (3.9, "nm", True),
    (0.0039, "um", True),
    (0.6, "nm", True),
    (0.02, "nm", False),
    (0.2, "angstrom", False),
    (9.0, "pixel", False),
]


@pytest.mark.parametrize(("pixel", "unit", "refused"), CASES)
def test_no_atoms_are_seen_in_pixels_wider_than_one(pixel, unit, refused):
    places = pixel * np.arange(48.0)
    image = xr.DataArray(np.random.default_rng(1).normal(5, 1, (48, 48)),
                         {"y": places, "x": places}, ("y", "x"))  # fmt: skip
    for axis in "xy":
        image[axis].attrs["units"] = unit
    (note,) = run_steps(FIND, Findings("a", 1, image=image)).notes
    assert ("wide" in note.reason) == refused
    if refused:
        assert note.status == "could not"
        assert "find_walls" in note.reason


def test_couplings_of_a_clump_are_fitted_and_the_clump_is_said(monkeypatch):
    graph = triangular_lattice((30, 30))
    states = np.ones(900, dtype=np.int8)
    middle = graph.positions.mean(axis=0)
    states[np.argsort(np.hypot(*(graph.positions - middle).T))[:8]] = -1
    states[2 * np.arange(11)] = -1
    said = clump_warning(states, ("dim", "bright"), graph)
    found = Findings("a", 1, snapshots=LatticeSnapshots(states[None], graph, warnings=(said,)))
    steps = [step for step in IMAGE_STEPS if step.name == "couplings"]
    fitted = SimpleNamespace(diagnostics={})
    monkeypatch.setattr("physlearn.inference.fit_lattice_hamiltonian", lambda *_, **__: fitted)
    (note,) = run_steps(steps, found).notes
    assert note.status != "could not"
    assert found.couplings is fitted
    assert any("8 of the 19 dim sites" in text for _, text in found.warnings())


@pytest.mark.parametrize(
    ("n", "step"), [(1, "species"), (2, "species"), (2, "sites"), (15, "sites")]
)
def test_few_columns_are_said_and_stop_no_study(n, step):
    atoms = AtomicConfiguration(np.arange(2.0 * n).reshape(n, 2), intensity=np.ones(n))
    chosen = [one for one in ATOM_STEPS if one.name == step]
    (note,) = run_steps(chosen, Findings("a", 1, atoms=atoms)).notes
    assert note.status == "could not"
    assert f"{n} column(s)" in note.reason
