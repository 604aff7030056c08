"""Random programs of the grammar of laws, finite on fixed columns."""

import numpy as np

from physlearn.inference.laws.expression import BINARY, UNARY, evaluate

COLUMNS = {"x": np.linspace(0.6, 1.9, 7), "y": np.linspace(1.4, 0.4, 7)}


def random_program(generator, size):
    """Return a random program of about ``size`` tokens: exact numbers, constants, two variables."""
    if size <= 1:
        leaves = ("x", "y", int(generator.integers(1, 4)), float(generator.uniform(0.3, 2.0)))
        return (leaves[generator.integers(len(leaves))],)
    if size == 2 or generator.uniform() < 0.4:
        return (*random_program(generator, size - 1), str(generator.choice(UNARY)))
    left = int(generator.integers(1, size - 1))
    return (
        *random_program(generator, left), *random_program(generator, size - 1 - left),
        str(generator.choice(BINARY)),
    )  # fmt: skip


def random_programs(seed, count=60):
    generator = np.random.default_rng(seed)
    programs = []
    while len(programs) < count:
        program = random_program(generator, int(generator.integers(2, 9)))
        values = evaluate(program, COLUMNS)
        if np.isfinite(values).all() and np.abs(values).max() < 1e6:
            programs.append(program)
    return programs
