"""The house stays as architecture lays it out: floors, packaging, and cheap imports."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FLOORS = {"lattice_models": 1, "datasets": 2, "inference": 3, "causal": 4}
GROUND = {
    "records", "results", "arviz_import", "checks", "file_lock", "lazy", "long_run",
    "odd_arguments", "one_thread",
    "option_fields", "failures", "plain_arguments", "covariance_checks",
    "plugins", "executors", "many_tasks", "steady_processes",
    "declared_types", "deprecation", "warning_codes", "whole_files", "calibration_marks",
}  # fmt: skip
SUBPACKAGES = sorted(SETUP["packages"])
HEAVY = ("pymc", "arviz", "dowhy", "causallearn", "torch", "matplotlib", "pysr", "numba", "sklearn")


def source_files():
    for folder in ("physlearn", *FLOORS):
        yield from sorted((ROOT / folder).rglob("*.py"))


def floor_of(module):
    """Floor of a dotted name under physlearn; None for other people's modules."""
    parts = module.split(".")
    if parts[0] != "physlearn":
        return None
    part = parts[1] if len(parts) > 1 else ""
    return 0 if part in GROUND else FLOORS.get(part, 5)


def imported_modules(path, root=ROOT):
    relative = path.relative_to(root).with_suffix("")
    parts = relative.parts if relative.parts[0] == "physlearn" else ("physlearn", *relative.parts)
    package = parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from physlearn import checks` names a module of its own
            if module == "physlearn":
                yield from (f"physlearn.{alias.name}" for alias in node.names)
            else:
                yield module


def breaches(files, root=ROOT):
    """Return every import of a higher floor from a lower one."""
    found = []
    for path in files:
        relative = path.relative_to(root)
        name = relative.parts[1].removesuffix(".py") if relative.parts[0] == "physlearn" else ""
        own = FLOORS.get(relative.parts[0], 0 if name in GROUND else 5)
        for module in imported_modules(path, root):
            other = floor_of(module)
            if other is not None and other > own:
                found.append(f"{relative} (floor {own}) imports {module} (floor {other})")
    return found


def test_lower_floors_never_import_higher_ones():
    assert not breaches(source_files())


@pytest.mark.parametrize(
    "statement",
    ["from ..causal import graphs", "from physlearn.causal.effects import Effect",
     "import physlearn.study", "from physlearn import run_study"],
)  # fmt: skip
def test_layer_rule_sees_a_breach(statement, tmp_path):
    (tmp_path / "datasets").mkdir()
    path = tmp_path / "datasets" / "reader.py"
    path.write_text(f"def late():\n    {statement}\n")
    assert len(breaches([path], tmp_path)) == 1
    path.write_text("from physlearn.records import SiteGraph\nfrom ..lattice_models import exact\n")
    assert not breaches([path], tmp_path)


def test_no_floor_imports_a_folder_by_its_bare_name():
    bare = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in source_files()
        for module in imported_modules(path)
        if module.split(".")[0] in FLOORS
    }
    assert not bare


def test_packages_list_names_every_init_file():
    homes = SETUP["package-dir"]
    found = set()
    for name, folder in homes.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([name, *inside]))
    assert found == set(SETUP["packages"])


def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet",
         "--disable-pip-version-check", "--wheel-dir", tmp_path, _clean_copy(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"physlearn"}
    modules = {name for name in names if name.endswith(".py")}
    expected = {str(path.relative_to(ROOT)) for path in source_files()}
    expected = {name if name.startswith("physlearn/") else f"physlearn/{name}" for name in expected}
    assert modules == expected
    for data in (
        "py.typed", "warning_codes.txt", "datasets/registry.csv",
        "causal/experiment_plans/schemas/experiment_plan.schema.json",
        "datasets/layouts/schemas/data_layout.schema.json",
    ):  # fmt: skip
        assert f"physlearn/{data}" in names
    assert any(name.startswith("physlearn/report/") and name.endswith(".j2") for name in names)


def _clean_copy(folder):
    """Copy what a wheel is built from, so that no build/ folder is left in the checkout."""
    import shutil

    copy = folder / "source"
    copy.mkdir()
    for name in ("physlearn", *FLOORS):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tools").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "tools/build_backend.py"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_a_folder_called_physlearn_beside_a_script_does_not_hide_the_package(tmp_path):
    import shutil

    clone = shutil.move(_clean_copy(tmp_path), tmp_path / "physlearn")
    site = tmp_path / "site"
    build = f"import build_backend; print(build_backend.build_editable({str(tmp_path)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", build], cwd=clone, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(clone / "tools")},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    script = tmp_path / "script.py"
    script.write_text(
        f"import site; site.addsitedir({str(site)!r})\n"
        "import physlearn, physlearn.datasets, physlearn.causal\n"
        "print(physlearn.__version__, physlearn.__file__, physlearn.datasets.__file__)\n"
    )
    # -S: without the packages, and the physlearn, that are installed beside this Python
    done = subprocess.run([sys.executable, "-S", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(clone)) == 2


def test_import_physlearn_loads_no_heavy_library():
    code = f"import sys, physlearn; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("module", SUBPACKAGES)
def test_subpackage_imports_alone(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["physlearn", *(f"physlearn.{name}" for name in FLOORS)])
def test_lazy_names_exist(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
