"""Random numbers of kernels: their distribution, and one source for every copy."""

import ast
from pathlib import Path

import numpy as np
from scipy import stats

from physlearn.lattice_models import random_numbers
from physlearn.lattice_models.random_numbers import (
    next_word,
    normal,
    seed_words,
    uniform,
    ziggurat_tables,
)

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("next_word", "uniform", "normal")
CONSTANTS = (
    "UNIT_STEP", "ROTATE_A", "ROTATE_B", "SHIFT", "BACK_A", "BACK_B", "LOW_BITS", "LAYER_BITS",
    "LAYER_SHIFT",
)  # fmt: skip
COUNT = 200_000


def definitions(path):
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
                    if isinstance(name, ast.Name) and name.id in CONSTANTS:
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
