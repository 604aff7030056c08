"""A kernel lives in one file with its helpers, so that helpers are copied: copies stay equal.

Two compiled functions of one name in two files are the same code, with the same constants, or
the name stands below with its number of versions. Names with an underscore are a file's own.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("causal", "datasets", "inference", "lattice_models")
VERSIONS = {
    # what they work on differs: planes or counts of replicas, one or several rows, other fields
    "add_background": 2, "add_count": 2, "add_counts": 3, "add_group": 5, "add_pairs": 2,
    "add_scaled": 2, "add_value": 4, "draw_columns": 2, "draw_row": 2, "fill_normal": 2,
    "fill_rim": 2,
    # the same word for other things
    "advance": 4, "bin_of": 2, "cell_of": 2, "cholesky": 2, "count_pairs": 2, "forward": 2,
    "root_of": 2,
}  # fmt: skip
SAME_THOUGH_PRIVATE = ("_solve",)


def is_kernel(node):
    for decorator in node.decorator_list:
        made = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(made).split(".")[-1] in ("kernel", "njit", "jit"):
            return True
    return False


def kernels_of(text):
    """Return what each kernel of a file does: its arguments, its lines, the constants it reads."""
    tree = ast.parse(text)
    constants = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=True) if several else [(target, value)]
            constants |= {ast.unparse(name): ast.dump(number) for name, number in pairs}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and is_kernel(node):
            lines = node.body[1:] if ast.get_docstring(node) is not None else node.body
            names = {n.id for line in lines for n in ast.walk(line) if isinstance(n, ast.Name)}
            found[node.name] = (
                tuple(argument.arg for argument in node.args.args),
                tuple(ast.dump(line) for line in lines),
                tuple(sorted((n, constants[n]) for n in names & set(constants))),
            )
    return found


def versions():
    """Return the files of every version of every kernel that stands in several files."""
    found = defaultdict(lambda: defaultdict(list))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            for name, content in kernels_of(text).items() if "@kernel" in text else ():
                found[name][content].append(str(path.relative_to(ROOT)))
    return {n: v for n, v in found.items() if sum(len(files) for files in v.values()) > 1}


def test_copies_of_a_kernel_are_equal():
    found = versions()
    public = {n: v for n, v in found.items() if n[0] != "_" or n in SAME_THOUGH_PRIVATE}
    wrong = {
        name: sorted(files for files in kinds.values())
        for name, kinds in public.items() if len(kinds) != VERSIONS.get(name, 1)
    }  # fmt: skip
    assert not wrong, f"make the copies equal, or give one another name: {wrong}"
    assert {"next_word", "normal", "put_four", "apply_stencil", "_solve"} <= set(public)
    assert not set(VERSIONS) - set(found), "these stand in one file only: take them off the list"


@pytest.mark.parametrize(
    "other",
    [
        "A = 1\n@kernel\ndef f(x):\n    return x - A\n",
        "A = 2\n@kernel\ndef f(x):\n    return x + A\n",
        "A = 1\n@kernel\ndef f(x, y):\n    return x + A\n",
    ],
)
def test_rule_sees_another_line_argument_or_constant(other):
    text = 'A = 1\n@kernel\ndef f(x: int) -> int:\n    """Add."""\n    return x + A\n'
    same = "A, B = 1, 3\n@kernel\ndef f(x):\n    # the same\n    return (x + A)\n"
    assert kernels_of(text) == kernels_of(same)
    assert kernels_of(text) != kernels_of(other)
