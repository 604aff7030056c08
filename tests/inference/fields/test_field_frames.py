"""What a camera sees: shifts, blur, missing pixels, and the exact transpose."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from physlearn.inference.fields import frame_kernels as kernels
from physlearn.inference.fields.field_frames import FieldFrames, shift_taps

NAMES = ("drift_x", "drift_y")


def _camera(margin=0, mirror=False, names=NAMES, psf_width=0.0, shape=(6, 16, 18)):
    rng = np.random.default_rng(1)
    weights = (rng.random(shape) > 0.2).astype(float)
    weights[2] = 0.0
    values = rng.normal(size=shape) * weights
    return FieldFrames(
        values,
        weights,
        np.array([0, 1, 2, 4, 5, 7.0]),
        (1.0, 1.5),
        margin,
        mirror,
        names,
        psf_width,
    )


@pytest.mark.parametrize(("margin", "mirror"), [(0, False), (3, True)])
@pytest.mark.parametrize("names", [NAMES, ()])
@pytest.mark.parametrize("psf_width", [0.0, 0.9])
def test_spreading_is_the_transpose_of_observing(margin, mirror, names, psf_width):
    camera, rng = _camera(margin, mirror, names, psf_width), np.random.default_rng(2)
    camera.place(np.array([0.3, -0.2])[: len(names)])
    frames = rng.normal(size=(2, 6, *camera.shape))
    forces = rng.normal(size=(2, 6, 16, 18))
    seen = camera.observe(frames)
    assert not seen[:, 2].any()
    np.testing.assert_allclose((seen * forces).sum(), (frames * camera.spread(forces)).sum())


def test_columns_are_derivatives():
    camera, rng = _camera(psf_width=0.7), np.random.default_rng(3)
    frames = gaussian_filter(rng.normal(size=(6, 16, 18)), (0, 1, 1), mode="wrap")
    place = np.array([0.061, -0.043])
    camera.place(place)
    columns = camera.columns(frames)
    for index in range(2):
        step = np.zeros(2)
        step[index] = 1e-4
        camera.place(place + step)
        ahead = camera.observe(frames[None])[0]
        camera.place(place - step)
        change = (ahead - camera.observe(frames[None])[0]) / 2e-4
        np.testing.assert_allclose(columns[index], change, atol=1e-5)


def test_a_wall_is_moved_and_blurred_where_it_belongs(oracle):
    x = np.arange(-30, 30.0)
    for shift in (0.2, 0.5, -0.37):
        taps = shift_taps(np.array([shift]), 0.0, 4)[0]
        moved = np.convolve(np.tanh(x / 2.0), taps[::-1], mode="same")[10:-10]
        oracle("field_shift", error=np.abs(moved - np.tanh((x - shift)[10:-10] / 2)).max(),
               bound=1e-3)  # fmt: skip
    blurred = np.convolve(np.tanh(x / 2.0), shift_taps(np.zeros(1), 1.3, 9)[0], mode="same")
    exact = gaussian_filter(np.tanh(np.arange(-30, 30, 0.05) / 2), 26.0)[::20]
    oracle("field_blur", error=np.abs(blurred - exact)[12:-12].max(), bound=1e-3)


def test_a_drift_over_many_pixels_wraps_around():
    camera = _camera(names=NAMES)
    camera.weights[:] = 1.0
    camera.place(np.array([3.0, -3.0]))  # whole pixels: x 3 a time, y -2 a time
    frames = np.random.default_rng(4).normal(size=(6, 16, 18))
    seen = camera.observe(frames[None])[0]
    np.testing.assert_allclose(seen[3], np.roll(frames[3], (-8, 12), (0, 1)), atol=1e-9)


def test_compiled_filters_are_those_of_plain_python():
    camera = _camera(1, True)
    camera.place(np.array([0.3, -0.2]))
    frames = np.random.default_rng(5).normal(size=(6, *camera.shape))
    common = (camera.cells["y"], camera.cells["x"], camera.taps["y"], camera.taps["x"],
              camera.seen)  # fmt: skip
    for run, source, target in (
        (kernels.filter_frames, frames, camera.values),
        (kernels.spread_frames, camera.values, frames),
    ):
        compiled, plain = np.empty_like(target), np.empty_like(target)
        run(source, *common, compiled)
        run.py_func(source, *common, plain)
        np.testing.assert_allclose(plain, compiled, atol=1e-12)
