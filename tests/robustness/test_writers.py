"""Nothing but the one atomic writer puts a file in its place: the source is read, call by call."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITERS = {
    "write_text", "write_bytes", "to_csv", "to_netcdf", "to_parquet", "to_zarr", "to_hdf",
    "to_excel", "to_pickle", "savez", "savez_compressed", "savetxt", "savefig", "imwrite",
    "imsave", "write_image", "tofile", "copyfile", "copy2", "copytree",
}  # fmt: skip
MODULES = {("np", "save"), ("json", "dump"), ("os", "replace"), ("os", "rename"), ("os", "link")}
GUARDS = {"atomic_write", "TemporaryDirectory"}
ALLOWED = {
    "physlearn/whole_files.py": "the atomic writer, and its temporary files",
    "physlearn/file_lock.py": "words in a lock that is held, for whoever is refused",
    "physlearn/study_folder.py": "a folder that is whole before it gets its name",
    "physlearn/series.py": "inside such a folder",
    "physlearn/report/downloads.py": "inside such a folder",
    "physlearn/live/command.py": "a private file for the browser, gone with the command",
    "datasets/walls/wall_movie.py": "the encoder; its caller hands it a temporary name",
    "causal/instruments/act_record.py": "lines that are added, each brought to the disk at once",
    "datasets/frames/stored_frames.py": "scratch, gone when it is closed",
    "datasets/columns/tile_join.py": "a file that grows under its temporary name",
}
"""File -> why it may write by itself."""


def calls_that_write(tree):
    """Yield every call that writes to a path, outside the block of a guard and not to memory."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and writes(node) and not guarded(node, parents):
            yield node


def writes(call):
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(getattr(function, "value", None), "id", "")
    if name == "open" or (owner, name) == ("h5py", "File"):
        words = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
        modes = [word.value for word in words if isinstance(word, ast.Constant)]
        return any(
            isinstance(mode, str) and len(mode) <= 3 and set(mode) & set("wax+") for mode in modes
        )
    if name in ("to_csv", "to_json") and not call.args:
        return False  # without a path it is a text
    return name in WRITERS or (owner, name) in MODULES


def guarded(call, parents):
    node, in_memory = call, set()
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.With):
            for item in node.items:
                called = getattr(item.context_expr, "func", None)
                if getattr(called, "id", getattr(called, "attr", "")) in GUARDS:
                    return True
        if isinstance(node, ast.FunctionDef):
            in_memory |= {
                name.id
                for made in ast.walk(node)
                if isinstance(made, ast.Assign) and "io.BytesIO(" in ast.unparse(made.value)
                for target in made.targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            }
    targets = [word for word in call.args if isinstance(word, ast.Name)]
    return any(target.id in in_memory for target in targets)


def sources():
    for folder in ("physlearn", "lattice_models", "datasets", "inference", "causal"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_files_are_written_by_the_atomic_writer_alone():
    found = {
        f"{path.relative_to(ROOT)}:{call.lineno} {ast.unparse(call)[:70]}"
        for path in sources()
        if path.relative_to(ROOT).as_posix() not in ALLOWED
        for call in calls_that_write(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found, "write with physlearn.whole_files.atomic_write or write_whole"


def test_every_exception_is_still_needed():
    for name in ALLOWED:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        held = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and writes(node)]
        assert held or name == "physlearn/whole_files.py", name


@pytest.mark.parametrize(
    ("code", "n"),
    [
        ("Path(p).write_text('a')", 1),
        ("open(p, 'w')", 1),
        ("p.open(mode='ab')", 1),
        ("p.open('rb')", 0),
        ("open(p)", 0),
        ("table.to_csv()", 0),
        ("np.save(path, a)", 1),
        ("h5py.File(path, 'r+')", 1),
        ("with atomic_write(p) as t:\n    t.write_text('a')", 0),
        ("def f():\n    s = io.BytesIO()\n    np.save(s, a)", 0),
        ("def f(s):\n    np.save(s, a)", 1),
    ],
)
def test_the_rule_sees_what_writes(code, n):
    assert len(list(calls_that_write(ast.parse(code)))) == n
