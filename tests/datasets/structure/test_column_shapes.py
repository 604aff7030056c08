"""Column shapes: planted ellipticity, error bars, kernels, what is common and what alternates."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    ImagingSettings,
    column_shapes,
    find_atoms,
    image_columns,
    summarize_column_shapes,
)
from physlearn.datasets.structure import shape_kernels as kernels
from physlearn.records import AtomicConfiguration

Y, X = np.mgrid[:20, :20].reshape(2, -1) * 13.0 + 16.0


def picture(ellipticity, angle, seed, peak=100.0):
    places = np.stack([X, Y], axis=1) + np.random.default_rng(seed).normal(0, 0.3, (400, 2))
    settings = ImagingSettings(width_px=2.4, ellipticity=ellipticity, ellipse_angle=angle)
    scene = image_columns(places, peak, (280, 280), settings, rng=seed)
    # given atoms: the shape fit alone is tested
    atoms = scene.truth.with_changes(metadata={"noise_offset": 0.0, "noise_gain": 1.0})
    return scene.image, atoms


@pytest.mark.parametrize(("ellipticity", "angle"), [(0.0, 0.0), (0.15, 0.6), (0.3, 2.0)])
def test_error_bars_hold_planted_ellipticity(ellipticity, angle, oracle):
    truth = ellipticity * np.array([np.cos(2 * angle), np.sin(2 * angle)])
    z = []
    for seed in range(3):
        image, atoms = picture(ellipticity, angle, seed)
        shapes = column_shapes(image, atoms)
        e = shapes[["e_plus", "e_cross"]].to_numpy()
        z.append((e - truth) / shapes[["e_plus_sd", "e_cross_sd"]].to_numpy())
    z = np.concatenate(z)
    oracle(f"shape z sd at {ellipticity}", z=(z.std() - 1) * np.sqrt(2 * z.size))
    oracle(f"shape bias at {ellipticity}", z=z.mean() * np.sqrt(z.size))


def test_long_axis_and_widths(oracle):
    image, atoms = picture(0.3, 0.7, 5, peak=2000.0)
    shapes = column_shapes(image, atoms)
    assert np.allclose(shapes["angle"], 0.7, atol=0.1)
    assert np.allclose(shapes["long"], 2.4 * 1.15, atol=0.06)
    assert np.allclose(shapes["short"], 2.4 * 0.85, atol=0.06)
    assert (shapes["p_round"] < 1e-6).all()


def test_dark_columns_and_pictures_in_nanometres_are_fitted_alike():
    image, atoms = picture(0.2, 0.3, 1, peak=400.0)
    bright = column_shapes(image, atoms)
    dark = column_shapes(
        -image, atoms.with_changes(metadata={"polarity": "dark", "noise_offset": 0.0,
                                             "noise_gain": -1.0})
    )  # fmt: skip
    assert np.allclose(dark["e_plus"], bright["e_plus"], atol=0.02)
    scaled = image.assign_coords(x=image["x"] * 0.1, y=image["y"] * 0.1)
    for axis in "xy":
        scaled[axis].attrs["units"] = "nm"
    same = column_shapes(
        scaled, atoms.with_changes(
            positions=atoms.positions * 0.1, width=atoms.width * 0.1, unit="nm"
        )
    )  # fmt: skip
    assert np.allclose(same["e_plus"], bright["e_plus"], atol=1e-6)
    assert np.allclose(same["long"], 0.1 * bright["long"], rtol=1e-6)


def test_kernel_slopes_are_those_of_the_picture():
    column = np.array([12.3, 11.6, np.log(50.0), np.log(2.3), 0.2, -0.15, 0.0])
    reach, shape = 12.0, (24, 25)
    image = np.zeros(shape)
    kernels.add_shape(image, column, reach, 1.0)
    score, information = np.empty(7), np.empty((7, 7))
    step = 1e-5
    for k in range(6):
        moved = [column.copy(), column.copy()]
        pictures = []
        for sign, one in zip((1, -1), moved, strict=True):
            one[k] += sign * step
            model = np.zeros(shape)
            kernels.add_shape(model, one, reach, 1.0)
            pictures.append(model)
        slope = (pictures[0] - pictures[1]) / (2 * step)
        weight = np.ones(shape)
        kernels.shape_information(image + slope, image, weight, column, reach, score, information)
        assert score[k] == pytest.approx((slope**2).sum(), rel=1e-6)
        assert information[k, k] == pytest.approx((slope**2).sum(), rel=1e-6)


def test_compiled_and_plain_forms_agree():
    rng = np.random.default_rng(0)
    image = rng.poisson(10.0, (24, 24)).astype(float)
    columns = np.array([[8.0, 9.0, 3.0, 0.7, 0.0, 0.0, 0.0], [15.0, 12.0, 3.2, 0.8, 0.1, 0.1, 0.0]])
    results = []
    for add, sweep in (
        (kernels.add_shape, kernels.shape_sweep),
        (kernels.add_shape.py_func, kernels.shape_sweep.py_func),
    ):
        model, mine = np.full((24, 24), 5.0), columns.copy()
        for column in mine:
            add(model, column, 4.0, 1.0)
        good = np.ones(2)
        for _ in range(2):
            sweep(image, model, np.full((24, 24), 0.1), mine, 3.0, 4.0, good)
        results.append((model, mine))
    assert np.allclose(results[0][0], results[1][0])
    assert np.allclose(results[0][1], results[1][1])


def test_summary_tells_common_from_alternating_from_kinds(oracle):
    rng = np.random.default_rng(0)
    n = 400
    signs, kinds = rng.choice([-1, 1], n), rng.integers(0, 2, n)
    sd = 0.02
    plus = 0.05 + 0.03 * signs * (kinds == 1) + rng.normal(0, sd, n)
    shapes = pd.DataFrame(
        {"e_plus": plus, "e_cross": rng.normal(0, sd, n), "e_plus_sd": sd, "e_cross_sd": sd,
         "e_covariance": 0.0}
    )  # fmt: skip
    table = summarize_column_shapes(shapes, kinds, signs=signs).set_index("part")
    for part, truth in (("all", 0.05), ("group 1 alternating", 0.03), ("group 0 less all", 0.0)):
        row = table.loc[part]
        oracle(f"shape summary {part}", z=(row["e_plus"] - truth) / row["e_plus_sd"])
    assert table.loc["group 1 alternating", "p"] < 1e-6
    assert table.loc["group 1", "spread_excess"] > 1.5
    assert table.loc["group 0", "spread_excess"] == pytest.approx(1.0, abs=0.3)


def test_from_the_picture_on():
    image, _ = picture(0.2, 0.4, 8)
    atoms = find_atoms(image)
    table = summarize_column_shapes(column_shapes(image, atoms))
    row = table.iloc[0]
    assert row["ellipticity"] == pytest.approx(0.2, abs=0.02)
    assert row["angle"] == pytest.approx(0.4, abs=0.05)


def test_what_cannot_be_used_is_refused():
    image, atoms = picture(0.0, 0.0, 0)
    with pytest.raises(InputError, match="width"):
        column_shapes(image, atoms.with_changes(width=None))
    shapes = pd.DataFrame(
        {name: [np.nan] for name in ("e_plus", "e_cross", "e_plus_sd", "e_cross_sd",
                                     "e_covariance")}
    )  # fmt: skip
    with pytest.raises(NotIdentified):
        summarize_column_shapes(shapes)
    with pytest.raises(InputError, match="groups"):
        summarize_column_shapes(shapes, [1, 2])
    with pytest.raises(InputError, match="signs"):
        summarize_column_shapes(shapes, signs=[0.5])


@pytest.mark.parametrize("pixel", [(0.2, 0.3), (0.3, 0.2), (0.2, 0.2)])
def test_round_columns_are_round_in_length_on_pixels_that_are_not_square(pixel, oracle):
    rng = np.random.default_rng(3)
    sites = 3.0 * np.argwhere(np.ones((12, 12))).astype(float) + 3.0
    shape = (round(39 / pixel[1]), round(39 / pixel[0]))
    y, x = (np.arange(n) * p for n, p in zip(shape, pixel[::-1], strict=True))
    mean = np.full(shape, 10.0)
    for a, b in sites:
        mean += 400 * np.outer(np.exp(-((y - b) ** 2) / 0.5), np.exp(-((x - a) ** 2) / 0.5))
    image = rng.poisson(mean).astype(float)
    picture = xr.DataArray(
        image, dims=("y", "x"),
        coords={"y": ("y", y, {"units": "angstrom"}), "x": ("x", x, {"units": "angstrom"})},
    )  # fmt: skip
    root = np.sqrt(pixel[0] * pixel[1])
    width = np.full(len(sites), 0.5)
    atoms = AtomicConfiguration(
        sites, unit="angstrom", width=width, pixel_size=pixel, field_of_view=(0, 0, x[-1], y[-1]),
        intensity=2 * np.pi * 400 * (width / root) ** 2,
        position_covariance=np.tile(1e-4 * np.eye(2), (len(sites), 1, 1)),
        metadata={"noise_offset": 0.0, "noise_gain": 1.0},
    )  # fmt: skip
    shapes = column_shapes(picture, atoms)
    oracle("long and short (angstrom)", error=np.median(shapes["long"] / shapes["short"]) - 1,
           bound=0.06)  # fmt: skip
    oracle("mean width (angstrom)", error=np.sqrt(shapes["long"] * shapes["short"]).mean() - 0.5,
           bound=0.005)  # fmt: skip
    for name in ("e_plus", "e_cross"):
        z = shapes[name] / shapes[f"{name}_sd"]
        oracle(f"mean {name}", z=z.mean() * np.sqrt(len(z)))
        if pixel[0] == pixel[1]:
            oracle(f"spread of {name}", z=(z.std() - 1) * np.sqrt(2 * len(z)))
