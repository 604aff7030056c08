"""Kernels: compiled equals plain Python to the bit, whatever the tiles and the cuts of a run."""

import numpy as np
import pytest

from physlearn.lattice_models.fields import (
    explicit_kernels,
    explicit_stepper,
    forced_kernels,
    noise_kernels,
    spectral_kernels,
    vector_kernels,
)
from physlearn.lattice_models.random_numbers import ziggurat_tables

COEFFICIENTS = [0.02, 0.015, -1.0, 0.3, 1.0, 0.2, 1.1, 0.7, 0.15]
WORDS = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03], np.uint64)


def plain(monkeypatch, module):
    """Replace every kernel of a module by its uncompiled form; return the module's outer names."""
    for name, value in list(vars(module).items()):
        if hasattr(value, "py_func"):
            monkeypatch.setattr(module, name, value.py_func)
    return module


def field(shape, kind=np.float64, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(kind) * kind(0.5)


def run_tiles(
    conserved, start, n_steps, *, mirror=False, tile=(14, 13), depth=3, coefficients=None
):
    kind = start.dtype
    values, rim = start.copy(), (2 if conserved else 1) * depth
    first = np.zeros((tile[0] + 2 * rim, tile[1] + 2 * rim), kind)
    numbers = np.array(COEFFICIENTS if coefficients is None else coefficients, kind)
    if conserved:
        explicit_kernels.diffuse_tiles(values, start.copy(), first, np.zeros((3, first.shape[1]),
                                       kind), numbers, mirror, n_steps, depth,
                                       first.shape[1])  # fmt: skip
    else:
        drive = np.linspace(0.0, 0.2, n_steps).astype(kind)
        explicit_kernels.relax_tiles(values, start.copy(), first, first.copy(), numbers, drive,
                                     mirror, n_steps, depth, first.shape[1])  # fmt: skip
    return values


def run_forced(start, n_steps, *, conserved=False, mirror=False, local=None, oblique=True,
               push=0.2):  # fmt: skip
    kind, shape = start.dtype, start.shape
    values = start.copy()
    rooms = [np.zeros((shape[0] + 2, shape[1] + 2), kind) for _ in range(2)]
    numbers = np.array(COEFFICIENTS, kind)
    if not oblique:
        numbers[8] = 0
    drive = np.stack([np.linspace(0.0, push, n_steps), np.linspace(1.0, 0.5, n_steps)])
    forced_kernels.forced_steps(
        values, *rooms, np.zeros((3, 0, 0), kind) if local is None else local, drive.astype(kind),
        numbers, conserved, mirror, n_steps,
    )  # fmt: skip
    return values


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("conserved", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_tiled_steps_equal_plain_python(monkeypatch, conserved, mirror, kind):
    start = field((11, 17), kind)
    compiled = run_tiles(conserved, start, 5, mirror=mirror, tile=(6, 9), depth=2)
    plain(monkeypatch, explicit_kernels)
    again = run_tiles(conserved, start, 5, mirror=mirror, tile=(6, 9), depth=2)
    np.testing.assert_array_equal(compiled, again)
    assert compiled.dtype == kind


@pytest.mark.parametrize("conserved", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (2, 3), (29, 31), (64, 40)])
@pytest.mark.parametrize("mirror", [False, True])
def test_tiles_and_depth_do_not_change_a_bit(conserved, shape, mirror):
    start = field(shape)
    whole = run_tiles(conserved, start, 13, mirror=mirror, tile=shape, depth=1)
    for tile, depth in (((14, 13), 3), ((5, 64), 8), ((64, 4), 5)):
        other = run_tiles(conserved, start, 13, mirror=mirror, tile=tile, depth=depth)
        np.testing.assert_array_equal(other, whole)


@pytest.mark.parametrize("conserved", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_forced_steps_without_forces_equal_the_tiled_ones(conserved, mirror):
    start = field((13, 18))
    tiled = run_tiles(conserved, start, 6, mirror=mirror)
    # a uniform field does nothing to a conserved one but change its rounding
    options = {"conserved": conserved, "mirror": mirror, "push": 0.0 if conserved else 0.2}
    forced = run_forced(start, 6, oblique=False, **options)
    np.testing.assert_array_equal(forced, tiled)
    local = run_forced(start, 6, oblique=False, local=np.zeros((3, 13, 18)), **options)
    np.testing.assert_array_equal(local, tiled)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("conserved", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_forced_steps_equal_plain_python(monkeypatch, conserved, mirror, kind):
    start, local = field((5, 6), kind), field((3, 5, 6), kind, 2)
    options = {"conserved": conserved, "mirror": mirror, "local": local}
    compiled = run_forced(start, 4, **options)
    plain(monkeypatch, forced_kernels)
    np.testing.assert_array_equal(compiled, run_forced(start, 4, **options))


def run_vector(kind, n_steps=3):
    values = field((2, 5, 4), kind)
    numbers = np.array([0.02, -0.8, 0.6, 0.5, 0.3, 0.2, 0.1, 1.1, 0.9, 0.8, 0.7, 0.2], kind)
    drive = np.linspace(0, 1, 2 * n_steps).reshape(2, n_steps).astype(kind)
    vector_kernels.vector_steps(
        values, np.zeros((2, 7, 6), kind), np.zeros_like(values), field((5, 5, 4), kind, 3), drive,
        numbers, n_steps,
    )  # fmt: skip
    return values


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_vector_steps_equal_plain_python(monkeypatch, kind):
    compiled = run_vector(kind)
    plain(monkeypatch, vector_kernels)
    np.testing.assert_array_equal(compiled, run_vector(kind))


def run_spectral(kind):
    scalar, force = field((1, 5, 6), kind), np.zeros((1, 5, 6), kind)
    spectral_kernels.local_force(scalar, force, np.array([0.7, -1, 0.2, 1, 0.3], kind),
                                 field((3, 5, 6), kind, 4), kind(0.1), kind(0.4))  # fmt: skip
    vector, forces = field((2, 5, 6), kind), np.zeros((2, 5, 6), kind)
    numbers = np.array([0.7, -0.8, 0.6, 0.5, 0.3, 0.2, 0.1], kind)
    spectral_kernels.local_vector_force(vector, forces, numbers, field((5, 5, 6), kind, 4),
                                        kind(0.4))  # fmt: skip
    return force, forces


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_spectral_kernels_equal_plain_python(monkeypatch, kind):
    compiled = run_spectral(kind)
    plain(monkeypatch, spectral_kernels)
    for one, other in zip(compiled, run_spectral(kind), strict=True):
        np.testing.assert_array_equal(one, other)


def run_noise(kind, mirror):
    faces, words = np.zeros((2, 8, 9), kind), WORDS.copy()
    noise_kernels.fill_normal(faces.reshape(-1), words, ziggurat_tables())
    noise, before = np.zeros((8, 9), kind), field(72, kind)
    noise_kernels.flux_noise(noise, faces, kind(1.3), kind(0.8), mirror)
    values = field(72, kind, 3)
    noise_kernels.add_noise(values, before, noise.reshape(-1), kind(0.1))
    return noise, before, values, words


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("mirror", [False, True])
def test_noise_equals_plain_python(monkeypatch, kind, mirror):
    compiled = run_noise(kind, mirror)
    plain(monkeypatch, noise_kernels)
    for one, other in zip(compiled, run_noise(kind, mirror), strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_flux_is_conserved_and_closed_edges_let_nothing_pass():
    for mirror in (False, True):
        noise = run_noise(np.float64, mirror)[0]
        assert abs(noise.sum()) < 1e-13
        assert noise.std() > 0.5
    line, faces = np.zeros((1, 9)), field((2, 1, 9))
    noise_kernels.flux_noise(line, faces, 0.0, 1.0, True)
    np.testing.assert_array_equal(line, 0.0)  # one closed row: nothing moves along y


def test_rooms_hold_at_least_one_cell_per_tile():
    for conserved in (False, True):
        for shape in ((1, 1), (3, 700), (700, 3)):
            other, tile, second, columns = explicit_stepper.tile_rooms(np.zeros(shape), conserved)
            rim = (2 if conserved else 1) * explicit_stepper.DEPTHS[conserved]
            assert other.shape == shape
            assert tile.shape[0] > 2 * rim
            assert tile.shape[1] >= columns > 2 * rim
            assert (tile[:, 1:].ctypes.data % 64, tile.strides[0] % 64) == (0, 0)
            assert second.shape[1] == tile.shape[1]
