"""The optional GPU backend, in numba's simulator: states to the bit, fields to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.lattice_models import LandauPotential, simulate_ginzburg_landau
from physlearn.lattice_models.cuda_device import require_cuda
from physlearn.lattice_models.fields.settings import FieldSettings
from physlearn.lattice_models.replicas.cuda_squares import CudaSquares
from physlearn.lattice_models.samplers.checkerboard import up_thresholds

GOLDEN, MASK = 0x9E3779B97F4A7C15, 2**64 - 1
SIMULATED = """
import sys
import numpy as np
from physlearn.lattice_models import LandauPotential, simulate_ginzburg_landau
from physlearn.lattice_models.fields.settings import FieldSettings
from physlearn.lattice_models.replicas.cuda_squares import CudaSquares

out = {}
picture = np.where(np.random.default_rng(1).random((6, 5)) < 0.6, 1, -1)
copies = CudaSquares(picture, 2, np.random.default_rng(2))
out["seeds"] = copies._seeds.copy_to_host()
copies.sweep([[0.1, 0.3], [-0.2, 0.1]], 3)
out["rim"], out["rim_sums"] = copies.pictures(), copies.statistics()
copies.restart(copies.codes()[:, 0])
out["again"] = copies.pictures()
whole = CudaSquares(picture[:, :4], 1, np.random.default_rng(3), boundary="periodic")
out["whole_seeds"] = whole._seeds.copy_to_host()
whole.sweep([0.0, 0.3], 2)
out["whole"] = whole.pictures()
start = 0.1 * np.random.default_rng(4).normal(size=(6, 7))
for dynamics in ("nonconserved", "conserved"):
    for boundary in ("periodic", "no_flux"):
        film = simulate_ginzburg_landau(
            LandauPotential(a=-1.0, c=1.0), start, frame_times=[0.0, 0.05, 0.1],
            dynamics=dynamics, method="explicit", time_step=0.01,
            drive=0.2 if dynamics == "nonconserved" else None,
            settings=FieldSettings(boundary=boundary, backend="cuda"))
        out[dynamics + boundary] = film.to_numpy()
np.savez(sys.argv[1], start=start, picture=picture, **out)
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """What the GPU code gives in numba's simulator, in a process of its own."""
    path = tmp_path_factory.mktemp("cuda") / "out.npz"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    subprocess.run(
        [sys.executable, "-W", "ignore:overflow", "-c", SIMULATED, str(path)],
        check=True,
        env=environment,
    )
    with np.load(path) as found:
        return dict(found)


def twin(picture, seeds, natural, n_sweeps, first):
    """The same algorithm on arrays: heat bath by a hash of seed and counter."""
    states = np.repeat(picture[None], len(seeds), axis=0)
    rows, columns = picture.shape
    table = np.array([up_thresholds(j, h, "heat_bath", 2.0**32)[0] for h, j in natural])
    row, column = np.indices(picture.shape)
    inside = (row >= first) & (row < rows - first) & (column >= first) & (column < columns - first)
    for half in range(2 * n_sweeps):
        up = states > 0
        ups = sum(np.roll(up, step, axis) for axis in (1, 2) for step in (1, -1))
        with np.errstate(over="ignore"):
            counter = np.uint64(half * rows * columns) + (row * columns + column + 1).astype("u8")
            word = seeds[:, None, None] + counter * np.uint64(GOLDEN)
            word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word = (word ^ (word >> np.uint64(31))) >> np.uint64(32)
        limit = np.take_along_axis(table, ups.reshape(len(seeds), -1), axis=1).reshape(ups.shape)
        drawn = inside & ((row + column) % 2 == half % 2)
        states = np.where(drawn, np.where(word < limit, 1, -1), states)
    return states


def bonds(states):
    return int((states * np.roll(states, 1, 0)).sum() + (states * np.roll(states, 1, 1)).sum())


def test_states_of_the_gpu_equal_their_twin(simulated):
    picture = simulated["picture"]
    expected = twin(picture, simulated["seeds"], [[0.1, 0.3], [-0.2, 0.1]], 3, 1)
    np.testing.assert_array_equal(simulated["rim"], expected)
    sums = [(one.sum(), bonds(one) - bonds(picture)) for one in expected]
    np.testing.assert_array_equal(simulated["rim_sums"], sums)
    np.testing.assert_array_equal(simulated["again"], expected[[0, 0]])
    whole = twin(picture[:, :4], simulated["whole_seeds"], [[0.0, 0.3]], 2, 0)
    np.testing.assert_array_equal(simulated["whole"], whole)


def test_the_twin_draws_the_exact_distribution():
    picture = np.where(np.random.default_rng(6).random((5, 5)) < 0.6, 1, -1)
    field, coupling = 0.15, 0.4
    moments, weights = [], []
    for inner in product((-1, 1), repeat=9):
        states = picture.copy()
        states[1:-1, 1:-1] = np.reshape(inner, (3, 3))
        moments.append((states.sum(), bonds(states)))
        weights.append(np.exp(field * moments[-1][0] + coupling * moments[-1][1]))
    exact = np.average(np.array(moments, float), axis=0, weights=weights)
    seeds = np.random.default_rng(7).integers(1, 2**64, 1500, dtype=np.uint64)
    found = twin(picture, seeds, [[field, coupling]] * 1500, 30, 1)
    sums = np.array([(one.sum(), bonds(one)) for one in found])
    assert np.all(np.abs(sums.mean(axis=0) - exact) < 4 * sums.std(axis=0) / np.sqrt(1500))


@pytest.mark.parametrize("boundary", ["periodic", "no_flux"])
@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_fields_of_the_gpu_equal_those_of_the_cpu(simulated, dynamics, boundary):
    film = simulate_ginzburg_landau(
        LandauPotential(a=-1.0, c=1.0), simulated["start"], frame_times=[0.0, 0.05, 0.1],
        dynamics=dynamics, method="explicit", time_step=0.01,
        drive=0.2 if dynamics == "nonconserved" else None,
        settings=FieldSettings(boundary=boundary),
    )  # fmt: skip
    np.testing.assert_allclose(simulated[dynamics + boundary], film.to_numpy(), rtol=1e-12)


@pytest.mark.skipif("NUMBA_ENABLE_CUDASIM" in os.environ, reason="numba's simulator is on")
def test_without_a_gpu_it_is_said_in_one_sentence():
    try:
        require_cuda()
    except BackendUnavailable:
        pass
    else:
        pytest.skip("there is a GPU here")
    with pytest.raises(BackendUnavailable, match="use backend='cpu'"):
        CudaSquares(np.ones((6, 6)), 2, np.random.default_rng(1))
    with pytest.raises(BackendUnavailable, match="use backend='cpu'"):
        simulate_ginzburg_landau(
            LandauPotential(a=-1.0, c=1.0), np.ones((6, 6)), frame_times=[0.0, 0.1],
            method="explicit", settings=FieldSettings(backend="cuda"),
        )  # fmt: skip
    with pytest.raises(InputError, match="backend"):
        FieldSettings(backend="gpu")
