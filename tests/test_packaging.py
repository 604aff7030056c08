"""What is built holds what stands in the sources, says one version, and is typed for users."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import physlearn

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUP = PROJECT["tool"]["setuptools"]
RECIPE = yaml.safe_load((ROOT / "conda/recipe/recipe.yaml").read_text())
ON_CONDA_FORGE = {"freud-analysis": "freud", "matplotlib": "matplotlib-base"}

USER_SCRIPT = """
from pathlib import Path

import numpy as np
import physlearn
from physlearn import AtomicConfiguration, Fit, InputError, PatchTable
from physlearn.causal import CausalGraph, Effect, discover_graph, estimate_effect
from physlearn.datasets import find_atoms, read_image
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.plots import plot_fit, save_figure


def couplings(path: Path) -> tuple[float, float]:
    atoms: AtomicConfiguration = find_atoms(read_image(path))
    print(atoms.n, atoms.to_pandas().columns)
    picture = simulate_lattice(Ising([0.3]), square_lattice((16, 16)), rng=1)
    fit: Fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    save_figure(plot_fit(fit), "fit.pdf", width_mm=89)
    low, high = fit.interval("couplings")[0]
    return float(low), float(high)


def effect(table: PatchTable) -> Effect:
    graph: CausalGraph = discover_graph(table, rng=1)
    return estimate_effect(table, graph, "a", "b")


try:
    print(np.round(couplings(Path("scan.tif")), 2), physlearn.__version__)
except InputError as error:
    print(error)
"""


def data_files():
    """Files in the folders of packages that are no Python, as git knows them."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout")
    folders = {folder: name for name, folder in SETUP["package-dir"].items()}
    for path in map(Path, done.stdout.split("\n")):
        if path.parts and path.parts[0] in folders and path.suffix != ".py":
            yield path


def test_every_data_file_is_named_in_the_package_data():
    folders = {name: Path(folder) for name, folder in SETUP["package-dir"].items()}
    named = set()
    for package, patterns in SETUP["package-data"].items():
        root = next((folders[package] for _ in [0] if package in folders), None)
        root = root or Path(*package.split("."))
        named |= {path.relative_to(ROOT) for p in patterns for path in (ROOT / root).glob(p)}
    missing = [str(path) for path in data_files() if path not in named]
    assert missing == []


def test_the_conda_recipe_names_the_same_dependencies():
    said = {re.split(r"[ >=<]", line)[0]: line for line in RECIPE["requirements"]["run"]}
    for dependency in PROJECT["project"]["dependencies"]:
        name, bounds = re.match(r"([\w-]+)(.*)", dependency).groups()
        name = ON_CONDA_FORGE.get(name, name)
        assert said.pop(name, None) == f"{name} {bounds}"
    assert list(said) == ["python"]


def test_one_version_is_said_everywhere():
    version = PROJECT["project"]["version"]
    assert RECIPE["context"]["version"] == version
    assert physlearn.__version__ == version
    done = subprocess.run(
        [sys.executable, ROOT / "tools/tag_check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert version in done.stdout


def test_a_folder_that_nobody_installed_still_says_a_version(tmp_path):
    code = (
        "import importlib.metadata as m\n"
        "def gone(name): raise m.PackageNotFoundError(name)\n"
        "m.version = gone\n"
        "import physlearn; print(physlearn.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "0+unknown", done.stderr


@pytest.mark.slow
def test_a_users_script_is_clean_under_strict_mypy(tmp_path):
    # type checkers can't follow the finder of an editable install: a tree as installed
    subprocess.run([sys.executable, ROOT / "tools/links"], check=True)
    (tmp_path / "script.py").write_text(USER_SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports",
         "silent", "--cache-dir", tmp_path / "cache", "script.py"],
        cwd=tmp_path, capture_output=True, text=True, env={"MYPYPATH": str(ROOT / ".links")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_say_the_names_that_load_lazily():
    stubs = runpy.run_path(str(ROOT / "tools/stubs"))
    for package, folder in stubs["PACKAGES"].items():
        stored = (ROOT / folder / "__init__.pyi").read_text()
        assert said(stored) == said(stubs["stub"](package, folder)), "run: tools/stubs"


def said(stub):
    # ruff puts imports and the names of __all__ in another order
    nodes = list(ast.walk(ast.parse(stub)))
    names = [
        (n.module, one.name) for n in nodes if isinstance(n, ast.ImportFrom) for one in n.names
    ]
    return sorted(names), sorted(n.value for n in nodes if isinstance(n, ast.Constant))
