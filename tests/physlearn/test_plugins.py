"""Other packages add Hamiltonians, tests, descriptors, acts, readers; broken ones stop nothing."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physlearn import list_plugins, load_plugin
from physlearn.causal import discover_graph
from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets import PatchOptions, describe_patches, list_channels, make_patch_scene
from physlearn.doctor import diagnosis
from physlearn.lattice_models import simulate_lattice, square_lattice
from physlearn.records import PatchTable

SOURCE = """
import numpy as np
from physlearn.causal import Action, ActionLibrary
from physlearn.causal.spatial_test import SpatialIndependenceTest
from physlearn.datasets import Axis, Channel
from physlearn.lattice_models import energy_of_codes, make_terms, state_codes

class Charges:
    state_values = (-1, 0, 1)

    def terms(self, graph):
        charge = np.array(self.state_values)
        return make_terms(graph, self.state_values, 3.0 * charge**2, [np.zeros((3, 3))])

    def energy(self, states, graph):
        codes = state_codes(states, self.state_values, graph.n_sites)
        return energy_of_codes(self.terms(graph), codes)

def contrast(pixels):
    return np.ptp(pixels, axis=(1, 2))

def plain_test(table, columns, alpha):
    return SpatialIndependenceTest(columns, alpha=alpha, why="a lab's own")

def pulses():
    return ActionLibrary([Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0)])

def list_levels(path):
    values = np.loadtxt(path)
    axes = tuple(Axis(n, 0.5 * np.arange(k), "nm") for n, k in zip("yx", values.shape))
    return [Channel("level", axes, lambda: values, unit="pm")]
"""
ENTRY_POINTS = """
[physlearn.hamiltonians]
charges = my_lab_physics:Charges
gone = my_lab_physics:NoSuchThing
[physlearn.descriptors]
contrast = my_lab_physics:contrast
[physlearn.independence_tests]
plain = my_lab_physics:plain_test
torn = my_lab_torn:test
[physlearn.actions]
pulses = my_lab_physics:pulses
[physlearn.readers]
levels = my_lab_physics:list_levels
"""


def install(folder: Path, name: str, entry_points: str) -> None:
    """Lay out what a package manager would: a module's metadata in a folder on the path."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    (tmp_path / "my_lab_physics.py").write_text(SOURCE)
    (tmp_path / "my_lab_torn.py").write_text("raise RuntimeError('no licence')\n")
    install(tmp_path, "my_lab", ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for module in ("my_lab_physics", "my_lab_torn"):
        sys.modules.pop(module, None)


def test_plugins_are_listed_without_being_imported(lab):
    assert {(p.kind, p.name, p.package) for p in list_plugins()} >= {
        ("hamiltonians", "charges", "my_lab 1.2"), ("readers", "levels", "my_lab 1.2"),
    }  # fmt: skip
    assert [p.name for p in list_plugins("hamiltonians")] == ["charges", "gone"]
    assert "my_lab_physics" not in sys.modules


def test_a_hamiltonian_of_another_package_is_simulated(lab):
    charges = load_plugin("hamiltonians", "charges")()
    seen = simulate_lattice(charges, square_lattice((12, 12)), n_snapshots=30, rng=1).states
    # free sites: P(+-1) = 2 exp(-3) / (1 + 2 exp(-3))
    expected = 2 * np.exp(-3.0) / (1 + 2 * np.exp(-3.0))
    error = np.sqrt(expected * (1 - expected) / seen.size)
    assert abs((seen != 0).mean() - expected) < 4 * error


def test_a_descriptor_of_another_package_is_a_column(lab):
    picture = make_patch_scene("crystal", n_patches=36, rng=1).image
    options = PatchOptions(descriptors=("mean",), extra={"range": "contrast"})
    table = describe_patches(picture, patch_size=24.0, options=options)
    assert (table.frame["range"] > 0).all()


def test_a_test_of_another_package_answers_the_search(lab):
    rng = np.random.default_rng(0)
    cause = rng.normal(size=400)
    frame = pd.DataFrame({"a": cause, "b": cause + 0.5 * rng.normal(size=400)})
    y, x = np.mgrid[:20, :20].reshape(2, -1)
    table = PatchTable.from_frame(
        frame, np.stack([x, y], 1), 1.0, measurement_covariance=np.zeros((1, 2, 2))
    )
    graph = discover_graph(table, test="plain", method="pc", n_resamples=0, rng=0)
    assert len(graph.edges) == 1
    with pytest.raises(InputError, match="auto, linear, channel, mixed, plain, torn"):
        discover_graph(table, test="plane", n_resamples=0, rng=0)


def test_acts_and_files_of_another_package(lab):
    assert load_plugin("actions", "pulses")().actions[0].verb == "change_bias"
    np.savetxt(lab / "scan.levels", np.ones((16, 20)))
    assert list_channels(lab / "scan.levels")["shape"].tolist() == [(16, 20)]


def test_a_broken_plugin_is_named_in_one_sentence_and_the_rest_works(lab):
    with pytest.raises(BackendUnavailable, match=r"'torn' .*of my_lab 1\.2 .*no licence.*works"):
        load_plugin("independence_tests", "torn")
    with pytest.raises(BackendUnavailable, match="NoSuchThing"):
        load_plugin("hamiltonians", "gone")
    table = diagnosis()
    cells = dict(zip(*[list(column.cells) for column in table.columns], strict=True))
    assert cells["plug-in hamiltonians: charges"] == "my_lab 1.2 (my_lab_physics:Charges)"
    assert cells["plug-in independence_tests: torn"].startswith("BROKEN: ")
    assert cells["extra lessons"].split(":")[0]


def test_names_that_nobody_or_two_packages_bring_are_refused(lab):
    with pytest.raises(InputError, match=r"'charge' .*\(there: charges, gone\)"):
        load_plugin("hamiltonians", "charge")
    with pytest.raises(InputError, match="kind must be one of readers"):
        list_plugins("verbs")
    install(lab, "other_lab", "[physlearn.hamiltonians]\ncharges = other:Thing\n")
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=r"my_lab 1\.2 and other_lab 1\.2"):
        load_plugin("hamiltonians", "charges")
