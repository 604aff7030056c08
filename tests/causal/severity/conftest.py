import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test
from physlearn.causal.severity.options import SeverityOptions

NOISE = 0.15
BIAS, DOSE = (
    a.ravel()
    for a in np.meshgrid(np.linspace(0.5, 6, 12), [0.1, 0.3, 1, 3, 10, 30.0], indexing="ij")
)
LOW = np.array([0.6, 2, 0.2, np.log(3), 0.3])
HIGH = np.array([1.2, 5, 0.8, np.log(60), 1.2])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def law(number, parameters):
    height, middle, width, scale, slope = (parameters[..., i, None] for i in range(5))
    if number == 0:
        return height * sigmoid((BIAS - middle) / width)
    if number == 1:
        return height * (1 - np.exp(-DOSE * BIAS / np.exp(scale)))
    if number == 2:
        return height * sigmoid((BIAS + slope * np.log(DOSE) - middle) / width)
    return height * BIAS / 6 * np.exp(-DOSE / np.exp(scale))


def parameters(n, rng):
    return LOW + (HIGH - LOW) * rng.random((n, 5))


def toy_table(laws=(0, 1, 2), n=1500, seed=3, noise=NOISE):
    rng = np.random.default_rng(seed)
    places = np.c_[(BIAS - 0.5) / 5.5, np.log(DOSE / 0.1) / np.log(300)]
    return DesignTable(
        tuple(f"law {k}{'' if laws.count(k) < 2 else chr(97 + i)}" for i, k in enumerate(laws)),
        tuple(law(k, parameters(n, rng)) for k in laws),
        np.broadcast_to(noise, (72,)),
        places,
    )


@pytest.fixture(scope="session")
def toy_test():
    return declare_test(toy_table(), SeverityOptions(), rng=1)
