"""Nothing that is read can become code: shown on the syntax tree of every file of the product."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("physlearn", "lattice_models", "datasets", "inference", "causal")
MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal",
    "jsonpickle", "code", "codeop", "pty", "telnetlib", "ftplib", "lxml",
}  # fmt: skip
"""Not to be imported: they make objects or code from bytes, or fetch over plain connections."""
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execve",
    "os.execvp", "os.spawnl", "os.spawnv", "os.posix_spawn", "yaml.load", "yaml.load_all",
    "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "yaml.full_load_all",
    "pandas.read_pickle", "pd.read_pickle", "pd.eval", "torch.load", "joblib.load",
    "sympy.sympify", "sympify", "parse_expr", "sympy.parse_expr", "numexpr.evaluate",
    "runpy.run_path", "runpy.run_module", "shutil.unpack_archive", "tarfile.open",
    "ET.parse", "ElementTree.parse", "ET.fromstring", "ElementTree.fromstring", "minidom.parse",
}  # fmt: skip
"""Not to be called: each takes text or bytes that may hold code, entities or paths."""
METHODS = {"extractall", "to_pickle", "read_pickle", "unpickle"}
ATTRIBUTES = {"UnsafeLoader", "FullLoader", "Loader", "CLoader", "unsafe_load"}
PROCESSES = {"run", "Popen", "call", "check_call", "check_output", "create_subprocess_shell"}
NAMED_MODULES = {
    "physlearn/lazy.py": "public names of our own tables",
    "physlearn/stored_values.py": "records of our own table",
    "lattice_models/samplers/engines.py": "engines of our own table",
    "datasets/reading/file_checks.py": "optional libraries, named by readers",
    "datasets/reading/readers.py": "readers that installed packages or the caller registered",
    "physlearn/plugins.py": "plug-ins of installed packages",
    "causal/instruments/plan_devices.py": "optional libraries, named in the file",
}
"""Files that import by a name which is no constant, and where that name comes from."""


def product_files():
    for folder in PRODUCT:
        yield from sorted((ROOT / folder).rglob("*.py"))


def dotted(node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *parts[::-1]]) if isinstance(node, ast.Name) else ""


def is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def offences_of(tree):
    """Yield (line, what) for everything that may turn bytes into code or lead astray."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level:
                continue
            for name in names:
                if name.split(".")[0] in MODULES:
                    yield node.lineno, f"import {name}"
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                for one in node.names:
                    if f"os.{one.name}" in CALLS:
                        yield node.lineno, f"os.{one.name}"
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            if dotted(node).startswith("yaml."):
                yield node.lineno, dotted(node)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in CALLS or name.removeprefix("builtins.") in ("eval", "exec"):
                yield node.lineno, name
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield node.lineno, node.func.attr
            for keyword in node.keywords:
                runs = keyword.arg == "shell" and name.rpartition(".")[2] in PROCESSES
                if (runs or keyword.arg == "allow_pickle") and not is_false(keyword.value):
                    yield node.lineno, f"{keyword.arg}="
            loads = name in ("np.load", "numpy.load", "np.lib.format.read_array")
            if loads and not any(one.arg == "allow_pickle" for one in node.keywords):
                yield node.lineno, f"{name} without allow_pickle=False"
            opens = name.rpartition(".")[2] == "TiffFile"
            if opens and not any(
                one.arg == "_multifile" and is_false(one.value) for one in node.keywords
            ):
                yield node.lineno, "TiffFile without _multifile=False"
            if name == "Image.open" and not any(one.arg == "formats" for one in node.keywords):
                yield node.lineno, "Image.open without formats="


def test_nothing_in_the_product_makes_code_of_what_it_reads():
    found = []
    for path in product_files():
        place = path.relative_to(ROOT).as_posix()
        for line, what in offences_of(ast.parse(path.read_text(encoding="utf-8"))):
            found.append(f"{place}:{line} {what}")
    assert found == []


def test_a_plain_search_finds_no_more_than_the_tree():
    """What a walk over the tree could overlook: names in texts that are handed on."""
    words = re.compile(
        r"allow_pickle\s*=\s*True|shell\s*=\s*True|yaml\.(unsafe_|full_)?load\(|Loader=yaml\.Loader"
        r"|(?<![\w.])(eval|exec)\(|getattr\(builtins|__builtins__|os\.system|pickle\.loads?\("
    )
    found = [
        f"{path.relative_to(ROOT).as_posix()}:{number}"
        for path in product_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')", "import builtins\nbuiltins.exec('1')", "import pickle",
        "from os import system", "import os\nos.system('x')", "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=flag)", "subprocess.run(x, shell=True)", "yaml.load(t)",
        "pd.read_pickle(p)", "f(Loader=yaml.Loader)", "archive.extractall()", "sympy.sympify(t)",
        "Image.open(p)",
        "tifffile.TiffFile(p)", "from dill import loads", "__import__(name)",
    ],
)  # fmt: skip
def test_the_walk_sees_what_it_must_see(text):
    assert list(offences_of(ast.parse(text)))


def test_the_walk_lets_plain_calls_pass():
    text = (
        "import re, yaml, subprocess\nre.compile('a')\nnp.load(p, allow_pickle=False)\n"
        "yaml.parse(t, Loader=yaml.SafeLoader)\nsubprocess.run(['a'], shell=False)\n"
        "model.eval\nImage.open(p, formats=('PNG',))\nTiffFile(p, _multifile=False)\n"
    )
    assert list(offences_of(ast.parse(text))) == []


def test_modules_are_imported_by_fixed_names_alone():
    """``import_module`` of what a file says would run whatever lies on the path."""
    found = set()
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and dotted(node.func).rpartition(".")[2] == "import_module"
                and not (node.args and isinstance(node.args[0], ast.Constant))
            ):
                found.add(path.relative_to(ROOT).as_posix())
    assert found <= set(NAMED_MODULES)
