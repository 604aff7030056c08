"""Random numbers of kernels: their distribution, and one source for every copy."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from physlearn.lattice_models import random_numbers, square_lattice
from physlearn.lattice_models.random_numbers import (
    next_word,
    normal,
    seed_words,
    uniform,
    ziggurat_tables,
)
from physlearn.lattice_models.replicas.pair_replicas import Replicas
from physlearn.lattice_models.replicas.state_replicas import StateReplicas
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("next_word", "uniform", "normal")
CONSTANTS = (
    "UNIT_STEP", "ROTATE_A", "ROTATE_B", "SHIFT", "BACK_A", "BACK_B", "LOW_BITS", "LAYER_BITS",
    "LAYER_SHIFT",
)  # fmt: skip
LANES = ("LANE_ROTATE_A", "LANE_BACK_A", "LANE_SHIFT", "LANE_ROTATE_B", "LANE_BACK_B", "FACTOR")
LANE_FILES = (
    "checkerboard_kernels.py", "pair_replica_kernels.py", "state_replica_kernels.py",
    "term_replica_kernels.py", "fixed_composition_kernels.py", "exact_draw_kernels.py",
)  # fmt: skip
LANE_STEPS = ("word", "b", "turned", "first", "second")
COUNT = 200_000


def definitions(path, constants=CONSTANTS):
    """Return name -> source tree of the shared kernels and constants that a file defines."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name in KERNELS:
            found[node.name] = ast.dump(node)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                names = target.elts if several else [target]
                values = node.value.elts if several else [node.value]
                for name, value in zip(names, values, strict=True):
                    if isinstance(name, ast.Name) and name.id in constants:
                        found[name.id] = ast.dump(value)
    return found


def test_every_copy_is_identical():
    canonical = definitions(Path(random_numbers.__file__))
    assert set(canonical) == {*KERNELS, *CONSTANTS}
    copies = [
        (path, name, tree)
        for folder in ("lattice_models", "datasets", "inference", "causal")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "random_numbers.py"
        for name, tree in definitions(path).items()
    ]
    assert copies
    assert [f"{path.name}: {name}" for path, name, tree in copies if tree != canonical[name]] == []


def lane_steps(path):
    """Return the statements that draw a word of a 32-bit lane and move it on, and its index."""
    found, indices = [], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        target = node.targets[0]
        base = target.value if isinstance(target, ast.Subscript) else target
        names = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
        if isinstance(base, ast.Name) and base.id in LANE_STEPS and names & {"a", "b"}:
            found.append((node.lineno, f"{base.id} = {ast.unparse(node.value)}"))
            if isinstance(target, ast.Subscript):
                indices.add(ast.unparse(target.slice))
    return [text for _, text in sorted(found)], indices


def test_every_copy_of_the_lanes_is_identical():
    folder = ROOT / "lattice_models"
    owners = {path.name: path for path in folder.rglob("*.py") if "0x9E3779BB" in path.read_text()}
    assert set(owners) == set(LANE_FILES)
    found = [definitions(owners[name], LANES) for name in LANE_FILES]
    constants = [{name: trees[name] for name in LANES} for trees in found]
    assert all(other == constants[0] for other in constants)
    steps = [lane_steps(owners[name]) for name in LANE_FILES]
    assert [text.split(" = ")[0] for text in steps[0][0]] == list(LANE_STEPS)
    assert all(other[0] == steps[0][0] and len(other[1]) == 1 for other in steps)


def published_lane(first, second):
    """Return the word of xoroshiro64* and its next state, in whole-number arithmetic.

    Blackman & Vigna 2021, doi:10.1145/3460772: factor 0x9E3779BB, rotations by 26 and 13, shift 9.
    """
    mask = 2**32 - 1
    word = (first * 0x9E3779BB) & mask
    second ^= first
    first = (((first << 26) | (first >> 6)) & mask) ^ second ^ ((second << 9) & mask)
    return word, first, ((second << 13) | (second >> 19)) & mask


def lanes_and_ups(name):
    """Return lanes before and after some draws of fair coins, their number, and the first ups."""
    if name == "checkerboard":
        lattice = CheckerboardIsing((2, 4), 0.0, method="heat_bath", rng=3)
        before = lattice._lanes[0].copy()
        lattice.sweep(1)
        grid = lattice.states().reshape(2, 4)
        # column 0 of the even colour, rows 0 and 1, then of the odd one
        return before, lattice._lanes[0], 4, grid[[0, 1, 0, 1], [0, 1, 1, 0]] > 0
    graph = square_lattice((2, 2))
    if name == "replicas":
        copies = Replicas(graph, 1, np.ones(4), 64, 3)
        before = copies._lanes.copy()
        copies.sweep([0.0, 0.0], 1)
        return before, copies._lanes, 4, copies.states[:, 0] < 0  # the rarer state is the low word
    copies = StateReplicas(graph, 1, 2, np.ones(4), 64, 3)
    before = copies.lanes.copy()
    copies.sweep([0.0, 0.0], np.zeros((1, 2, 2)), 1)
    return before, copies.lanes, 4, copies.states[:, 0] == 0


@pytest.mark.parametrize("name", ["checkerboard", "replicas", "state_replicas"])
def test_lanes_follow_the_published_recurrence(name):
    before, after, draws, low = lanes_and_ups(name)
    words = np.zeros((draws, before.shape[1]), np.uint64)
    for lane in range(before.shape[1]):
        first, second = (int(word) for word in before[:, lane])
        for draw in range(draws):
            words[draw, lane], first, second = published_lane(first, second)
        assert after[:, lane].tolist() == [first, second]
    assert np.array_equal(words[:, 0] < 2**31, low)


def numbers(kernel, *arguments):
    state = seed_words(np.random.default_rng(5), (2,))
    return np.array([kernel(state, *arguments) for _ in range(COUNT)])


def test_uniform_numbers(oracle):
    sample = numbers(uniform)
    assert sample.min() >= 0.0 and sample.max() < 1.0
    oracle("uniform numbers, Kolmogorov-Smirnov", p=stats.kstest(sample, "uniform").pvalue)
    pairs = np.histogram2d(sample[::2], sample[1::2], bins=16)[0].ravel()
    oracle("uniform numbers, neighbours in a 16 x 16 table", p=stats.chisquare(pairs).pvalue)


def test_normal_numbers(oracle):
    sample = numbers(normal, ziggurat_tables())
    oracle("normal numbers, Kolmogorov-Smirnov", p=stats.kstest(sample, "norm").pvalue)
    cuts = np.array([-3.6541528853610088, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 3.6541528853610088])
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    counts = np.histogram(sample, edges)[0]
    expected = COUNT * np.diff(stats.norm.cdf(edges))
    oracle("normal numbers, tails included", p=stats.chisquare(counts, expected).pvalue)
    oracle("normal numbers, variance", z=(sample.var() - 1.0) / np.sqrt(2.0 / COUNT))


def test_words_equal_the_published_recurrence():
    state, mask = np.array([123456789, 987654321], np.uint64), 2**64 - 1
    first, second = (int(word) for word in state)
    for _ in range(100):
        assert int(next_word(state)) == (first + second) & mask
        second ^= first
        rotated = ((first << 24) | (first >> 40)) & mask
        first = (rotated ^ second ^ (second << 16)) & mask
        second = ((second << 37) | (second >> 27)) & mask


def test_compiled_equals_plain_python():
    tables = ziggurat_tables()
    for kernel, arguments in ((uniform, ()), (normal, (tables,))):
        one, other = (seed_words(np.random.default_rng(3), (2,)) for _ in range(2))
        with np.errstate(over="ignore"):
            plain = [kernel.py_func(one, *arguments) for _ in range(300)]
        assert plain == [kernel(other, *arguments) for _ in range(300)]


def test_layers_of_the_ziggurat_have_equal_area():
    edge = ziggurat_tables()[0]
    density = np.exp(-0.5 * edge**2)
    areas = edge[1:-1] * (density[2:] - density[1:-1])
    np.testing.assert_allclose(areas, edge[0] * density[1], rtol=1e-12)
