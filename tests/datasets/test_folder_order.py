"""Folders of datasets stand on one another in one order, so that each can be read by itself."""

import ast
import graphlib
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
KNOWN = {("columns", "synthetic")}
"""The envelope of the atom finder is measured on planted pictures."""


def test_no_two_folders_need_one_another():
    needs = defaultdict(set)
    for path in FOLDER.rglob("*.py"):
        own = path.relative_to(FOLDER).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
            parts = module.split(".")
            if parts[:2] == ["physlearn", "datasets"] and len(parts) > 2:
                other = parts[2]
                if (FOLDER / other).is_dir() and other != own and (own, other) not in KNOWN:
                    needs[own].add(other)
    order = list(graphlib.TopologicalSorter(needs).static_order())  # raises CycleError
    for lower, upper in (
        ("channels", "descriptors"), ("descriptors", "spectra"), ("spectra", "patches"),
    ):  # fmt: skip
        assert order.index(lower) < order.index(upper)
