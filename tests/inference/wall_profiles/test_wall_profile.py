"""Widths of walls: profiles against brute force, coverage, refusals, rows that share widths."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest, chi2

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_wall_profile
from physlearn.inference.wall_profiles import (
    profile_hierarchy,
    profile_kernels,
    profile_row_kernels,
)
from physlearn.inference.wall_profiles.profile_pixels import Arc, wall_pixels
from physlearn.inference.wall_profiles.profile_shapes import profile_tables, sextic_ratios
from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture
from physlearn.inference.wall_profiles.wall_profile import _refuse_outside


def test_fourier_profiles_are_the_sums_over_a_fine_grid():
    width, blur, pixel = np.array([0.8, 2.0]), np.array([1.0, 0.5]), (0.9, 0.4)
    tables = profile_tables(width, blur, reach=10.0, pixel=pixel, bump=True)
    place = tables.origin + tables.step * np.arange(tables.rise.shape[1])
    index = np.flatnonzero(np.abs(place) < 5)[::29]
    rays, weight = np.polynomial.hermite_e.hermegauss(61)
    nodes, share = np.polynomial.legendre.leggauss(8)
    for row in range(2):
        at = (place[index][:, None, None, None] + blur[row] * rays[:, None, None]
              + pixel[0] / 2 * nodes[:, None] + pixel[1] / 2 * nodes)  # fmt: skip
        total = weight[:, None, None] * share[:, None] * share / (weight.sum() * 4)
        height = np.tanh(at / width[row])
        for table, wanted in ((tables.rise, height), (tables.bump, 1 - height**2)):
            assert np.abs((wanted * total).sum(axis=(1, 2, 3)) - table[row, index]).max() < 1e-6


def test_a_sextic_wall_with_a_large_shape_is_a_tanh_and_obeys_its_own_equation():
    width = np.array([2.0])
    plain = profile_tables(width, width / 2, reach=10, pixel=(1.0, 0.0))
    same = profile_tables(width, width / 2, reach=10, pixel=(1.0, 0.0), sextic=np.array([1e7]))
    assert np.abs(plain.rise - same.rise).max() < 1e-6
    q, height = 0.7, 1.3
    found = sextic_ratios(width, np.array([height]), np.array([q]))
    a, c, kappa = (float(found[f"{name}_over_e"][0]) for name in ("a", "c", "kappa"))
    free = profile_tables(width, np.zeros(1), reach=10, pixel=(0.0, 0.0), sextic=np.array([q]))
    p, slope = height * free.rise[0], height * free.slope[0]
    density = a / 2 * p**2 + c / 4 * p**4 + p**6 / 6
    floor = a / 2 * height**2 + c / 4 * height**4 + height**6 / 6
    assert np.abs(kappa / 2 * slope**2 - (density - floor)).max() < 1e-6


def test_arc_distances_and_their_changes():
    pixels = wall_pixels(np.random.default_rng(0).normal(size=(6, 9)), (1.0, 1.3))
    numbers = np.array([0.7, 0.4, 0.05])
    distance, moves = Arc(*numbers).distances(pixels)
    radius = 1 / numbers[2]
    middle = (numbers[0] + radius) * np.array([np.cos(0.4), np.sin(0.4)])
    away = radius - np.hypot(pixels.x - middle[0], pixels.y - middle[1])
    assert np.abs(away - distance).max() < 1e-12
    for k in range(3):
        step = 1e-6 * np.eye(3)[k]
        change = Arc(*(numbers + step)).distances(pixels)[0]
        change = change - Arc(*(numbers - step)).distances(pixels)[0]
        assert np.abs(change / 2e-6 - moves[k]).max() < 1e-7


@pytest.mark.parametrize(
    ("share", "n"),
    [(0.0, 40), (0.05, 40), pytest.param(0.05, 400, marks=pytest.mark.slow)],
)
def test_widths_are_covered_and_near_their_bound(oracle, share, n):
    inside, z = 0, []
    for index in range(n):
        rng = np.random.default_rng((index, 3))
        picture = make_wall_picture(
            2.0, 1 + share * rng.standard_normal(), noise_sd=0.05, rng=rng,
            position=rng.uniform(-1, 1), angle=rng.uniform(-3, 3),
        )  # fmt: skip
        fit = fit_wall_profile(picture, psf_width=(1.0, share), rng=index)
        low, high = fit.interval("wall_width")
        inside += low < 2.0 < high
        log_width = np.log(fit["wall_width"])
        z.append((log_width.mean() - np.log(2)) / fit.diagnostics["log_width_bound"])
    oracle(f"coverage, blur +-{share}", p=binomtest(inside, n, 0.9).pvalue)
    oracle("mean z", z=np.mean(z) * np.sqrt(n))
    square = float(np.sum(np.square(z)))
    oracle("squares of z", p=2 * min(chi2.cdf(square, n), chi2.sf(square, n)))


def test_every_direction_transposition_and_pixel_size_gives_the_same_width():
    picture = make_wall_picture(2.0, 1.0, noise_sd=0.02, shape=(24, 24), rng=2)
    widths = [
        fit_wall_profile(turned, psf_width=1.0, rng=1)["wall_width"].mean()
        for turned in (picture, picture.T, picture[:, ::-1], -picture, 5 + 1e-6 * picture)
    ]
    assert np.ptp(widths) < 0.005
    scaled = fit_wall_profile(picture, psf_width=3.0, pixel_size=3.0, unit="nm", rng=1)
    assert scaled["wall_width"].mean() == pytest.approx(3 * widths[0], abs=0.02)
    assert scaled.summary().set_index("name")["unit"]["wall_width"] == "nm"
    holes = picture.copy()
    holes[3:5, ::4] = np.nan
    low, high = fit_wall_profile(holes, psf_width=1.0, rng=1).interval("wall_width")
    assert low < 2.0 < high


def test_what_a_picture_cannot_tell_is_refused_in_a_sentence():
    narrow = make_wall_picture(0.5, 2.0, noise_sd=0.1, rng=1)
    with pytest.raises(NotIdentified, match="the width is not in the picture"):
        fit_wall_profile(narrow, psf_width=(2.0, 0.1))
    bound = fit_wall_profile(narrow, psf_width="free", rng=1)
    assert bound.summary().set_index("name")["verdict"]["wall_width"].startswith("a bound")
    assert np.quantile(bound["wall_width"], 0.95) > 0.5
    with pytest.raises(NotIdentified, match="no wall"):
        fit_wall_profile(np.random.default_rng(1).normal(size=(20, 25)), psf_width=1.0)
    with pytest.raises(NotIdentified, match="flat"):
        fit_wall_profile(np.ones((20, 25)), psf_width=1.0)
    with pytest.raises(InputError, match="bump needs position"):
        fit_wall_profile(narrow, psf_width=1.0, bump=True)
    for wrong in (-1.0, (1.0, -0.1), "wide", ("a", "b"), (1.0, 2.0, 3.0)):
        with pytest.raises(InputError, match="psf_width"):
            fit_wall_profile(narrow, psf_width=wrong)
    for name, wrong in (("position", (1.0, -2.0)), ("position", 1.0), ("n_draws", 500.0),
                        ("pixel_size", "a"), ("pixel_size", (1.0, 2.0, 3.0))):  # fmt: skip
        with pytest.raises(InputError, match=name):
            fit_wall_profile(narrow, psf_width=1.0, **{name: wrong})
    for wrong in (narrow * 1j, np.where(narrow > 1, np.inf, narrow), "a", None):
        with pytest.raises(InputError, match="image"):
            fit_wall_profile(wrong, psf_width=1.0)


def test_steps_without_width_several_walls_and_spots_are_told_apart():
    place, noise = np.arange(40.0), np.random.default_rng(0).standard_normal((40, 40))
    sharp = np.sign(place - 19.3) * np.ones((20, 1))
    for picture in (sharp, sharp + 0.05 * noise[:20]):
        with pytest.raises(NotIdentified, match="sharper than its pixels"):
            fit_wall_profile(picture, psf_width=0.0)
    for blur, why in ((0.0, "More than one wall"), ("free", "lies outside of it in")):
        with pytest.raises(NotIdentified, match=why):
            fit_wall_profile(np.sin(place / 3) + 0.05 * noise, psf_width=blur)
    away = np.hypot(place - 20, (place - 20)[:, None])
    spot = fit_wall_profile(np.exp(-(away**2) / 50) + 0.05 * noise, psf_width=0.0, rng=1)
    assert any("a spot without a wall" in text for text in spot.warnings)


def test_a_wall_whose_draws_lie_outside_of_the_picture_is_refused():
    rng = np.random.default_rng(1)
    model = SimpleNamespace(free=(True, True, False), pixels=SimpleNamespace(extent=10.0))
    mode = SimpleNamespace(arc=Arc(8.0, 0.0))
    _refuse_outside(model, mode, rng.normal(0.0, 0.5, (2, 1000)))
    with pytest.raises(NotIdentified, match="outside of it in"):
        _refuse_outside(model, mode, rng.normal(2.0, 0.5, (2, 1000)))


def test_coordinates_and_masks_are_read():
    picture = make_wall_picture(2.0, 1.0, noise_sd=0.05, rng=1)
    plain = fit_wall_profile(picture, psf_width=1.0, rng=1).interval("wall_width")
    names = ("y", "x")
    coords = {name: (name, 0.5 * np.arange(n), {"units": "um"})
              for name, n in zip(names, picture.shape, strict=True)}  # fmt: skip
    named = xr.DataArray(picture, coords, names)
    for array in (named, named.T, named[::-1, ::-1]):
        fit = fit_wall_profile(array, psf_width=0.5, rng=1)
        np.testing.assert_allclose(fit.interval("wall_width"), 0.5 * plain, atol=0.01)
        assert fit.summary().set_index("name")["unit"]["wall_width"] == "um"
        assert not any("no length scale" in text for text in fit.warnings)
    with pytest.raises(InputError, match="evenly spaced"):
        fit_wall_profile(named.assign_coords(x=np.arange(25.0) ** 2), psf_width=1.0)
    wide = np.hstack([picture, np.full((20, 5), 1.6)])
    hidden = np.ma.masked_array(wide, mask=np.tile(np.arange(30) >= 25, (20, 1)))
    found = fit_wall_profile(hidden, psf_width=1.0, rng=1).interval("wall_width")
    np.testing.assert_allclose(found, plain, atol=0.01)


def test_a_wrong_noise_is_said():
    picture = make_wall_picture(2.0, 1.0, noise_sd=0.05, rng=1)
    for noise, wrong in ((0.05, False), (0.01, True), (0.5, True)):
        fit = fit_wall_profile(picture, psf_width=1.0, noise_sd=noise, rng=1)
        assert any("noise_sd does not agree" in text for text in fit.warnings) == wrong


def test_a_bump_and_a_shape_are_found_where_the_position_is_known():
    picture = make_wall_picture(2.0, 1.0, noise_sd=0.01, angle=0.0, position=0.3, rng=1)
    place = np.arange(25) - 12 - 0.3
    picture = picture + 0.1 * (1 - np.tanh(place / 2.3) ** 2)
    fit = fit_wall_profile(picture, psf_width=1.0, bump=True, position=(0.3, 0.01), rng=1)
    assert 0.08 < fit["bump"].mean() < 0.125
    shaped = make_wall_picture(3.0, 0.5, noise_sd=0.01, sextic=0.1, rng=2)
    fit = fit_wall_profile(shaped, psf_width=0.5, shape="sextic", rng=1)
    low, high = fit.interval("sextic_shape")
    assert low < 0.1 < high < 0.6
    assert {"a_over_e", "c_over_e", "kappa_over_e"} <= set(fit.variables)


def test_correlated_noise_widens_the_interval():
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(1).standard_normal((20, 25)), 1.0)
    picture = make_wall_picture(2.0, 1.0) + 0.1 * noise / noise.std()
    fit = fit_wall_profile(picture, psf_width=1.0, rng=1)
    assert fit.diagnostics["variance_factor"] > 2
    assert any("neighbouring residuals agree" in text for text in fit.warnings)


def test_offsets_of_the_scan_lines_widen_the_place_of_the_wall():
    inside = []
    for seed in range(8):
        rng = np.random.default_rng((seed, 9))
        noise = 0.1 * rng.standard_normal((20, 1)) + 0.05 * rng.standard_normal((20, 25))
        fit = fit_wall_profile(make_wall_picture(2.0, 1.0) + noise, psf_width=1.0, rng=seed)
        assert any("neighbouring residuals agree" in text for text in fit.warnings)
        for name, truth in (("wall_width", 2.0), ("offset", 0.0), ("curvature", 0.0)):
            low, high = fit.interval(name)
            inside.append(low < truth < high)
    # half of them were inside while only the width was widened
    assert np.mean(inside) > 0.75


def _rows(rng, spread, blur=1.0, n=40):
    """Rows with widths of their own around 2 px."""
    sub = (np.arange(5) + 0.5) / 5 - 0.5
    width, place = 2 * np.exp(spread * rng.standard_normal(n)), 0.6 * rng.standard_normal(n)
    rays, weight = np.polynomial.hermite_e.hermegauss(31)
    away = (np.arange(25) - 12.0)[None, :, None] + sub - place[:, None, None]
    clean = sum(part * np.tanh((away + blur * ray) / width[:, None, None]).mean(axis=2)
                for part, ray in zip(weight / weight.sum(), rays, strict=True))  # fmt: skip
    return clean + 0.1 * rng.standard_normal(clean.shape), width


@pytest.mark.parametrize("n", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_forty_rows_share_their_widths(oracle, n):
    inside = {"mean": 0, "spread": 0, "rows": []}
    for index in range(n):
        rows, width = _rows(np.random.default_rng((index, 5)), 0.25)
        fit = fit_wall_profile(rows, psf_width=(1.0, 0.05), rows="own widths", rng=index,
                               n_draws=1000)  # fmt: skip
        low, high = fit.interval("mean_log_width")
        inside["mean"] += low < np.log(2) < high
        low, high = fit.interval("log_width_spread")
        inside["spread"] += low < 0.25 < high
        each = fit.interval("row_width")
        inside["rows"].append(np.mean((each[:, 0] < width) & (width < each[:, 1])))
        assert fit.diagnostics["pareto_k"] < 0.7
        assert fit.diagnostics["effective_draws"] >= 400
    assert fit.diagnostics["n_numbers"] == 86
    oracle("mean of ln width", p=binomtest(inside["mean"], n, 0.9).pvalue)
    oracle("spread of ln width", p=binomtest(inside["spread"], n, 0.9).pvalue)
    # rows of a picture share its errors: a quarter of them counted as independent
    covered, each = float(np.mean(inside["rows"])), np.sqrt(0.09 / (n * 10))
    oracle("rows", z=(covered - 0.9) / each)


def test_rows_of_different_lengths_with_one_width():
    rows, _ = _rows(np.random.default_rng(1), 0.0, n=20)
    ragged = [row[: 25 - index % 4] for index, row in enumerate(rows)]
    fit = fit_wall_profile(ragged, psf_width=1.0, rows="own positions", rng=1)
    low, high = fit.interval("wall_width")
    assert low < 2.0 < high
    assert fit["row_position"].shape[1] == 20
    with pytest.raises(InputError, match="free"):
        fit_wall_profile(ragged, psf_width="free", rows="own widths")


@pytest.mark.parametrize("kind", ["own positions", "own widths"])
def test_rows_that_show_another_thing_stay_out(kind):
    rng = np.random.default_rng(1)
    rows, _ = _rows(rng, 0.0, n=12)
    rows = np.vstack([rows, 0.1 * rng.standard_normal(25), -rows[3]])
    fit = fit_wall_profile(rows, psf_width=1.0, rows=kind, rng=1, n_draws=500)
    assert abs(fit["amplitude"].mean() - 1) < 4 * fit["amplitude"].std()
    assert any(text.startswith("rows 12, 13 do not show") for text in fit.warnings)
    assert fit["row_position"].shape[1] == 12


@pytest.mark.filterwarnings("error")
def test_the_walk_agrees_with_importance_draws(monkeypatch):
    rows, _ = _rows(np.random.default_rng((1, 5)), 0.25, n=10)
    fits = []
    for largest in (profile_hierarchy.LARGEST_K, -9.0):
        monkeypatch.setattr(profile_hierarchy, "LARGEST_K", largest)
        monkeypatch.setattr(profile_hierarchy, "WALK_STEPS", 200)
        fits.append(fit_wall_profile(rows, psf_width=(1.0, 0.05), rows="own widths", rng=1))
    assert fits[1].attrs["approximation"].startswith("random walk")
    for name in ("amplitude", "mean_log_width", "log_width_spread", "noise_sd", "psf_width"):
        both = [fit[name] for fit in fits]
        # at least 100 independent draws on either side
        assert abs(both[0].mean() - both[1].mean()) < 4 * both[0].std() * np.sqrt(0.02)
        assert 0.7 < both[0].std() / both[1].std() < 1.4


def test_compiled_kernels_equal_their_python():
    rng = np.random.default_rng(2)
    curves, slopes = rng.normal(size=(2, 3, 40))
    distance = rng.uniform(-1, 1, 11)
    found = [np.empty((3, 11)) for _ in range(2)]
    reading = profile_kernels.read_tables
    for function, out in zip((reading, reading.py_func), found, strict=True):
        function(curves, slopes, -1.2, 0.07, distance, out)
    np.testing.assert_allclose(*found, rtol=1e-12)
    fixed, moves = rng.normal(size=(1, 11)), rng.normal(size=(2, 11))
    fits = []
    for function in (profile_kernels.fit_nodes, profile_kernels.fit_nodes.py_func):
        squares, halves, answers = np.empty(3), np.empty(3), np.empty((3, 5))
        function(found[0], found[0] ** 2, np.zeros((1, 1)), fixed, moves, distance,
                 np.full(5, 0.1), squares, halves, answers)  # fmt: skip
        fits.append(np.column_stack([squares, halves, answers]))
    np.testing.assert_allclose(*fits, rtol=1e-9)
    y, seen = rng.normal(size=(2, 11)), rng.random((2, 11)) < 0.8
    places = np.array([[-0.1, 0.0, 0.1], [0.0, 0.1, 0.2]])
    many = [np.empty((2, 3, 6, 3)) for _ in range(2)]
    tables = rng.normal(size=(2, 6, 40))
    adding = profile_row_kernels.row_sums
    for function, out in zip((adding, adding.py_func), many, strict=True):
        function(tables[0], tables[1], -1.2, 0.07, np.sort(distance), y, seen, places, out)
    np.testing.assert_allclose(*many, rtol=1e-10)
    totals = np.stack([seen.sum(axis=1), y.sum(axis=1), (y**2).sum(axis=1)], axis=1).astype(float)
    ranges, thetas = np.array([[0, 6], [1, 5]]), np.array([[1.0, 0.1, 0.2, 0.0, 0.3, 0.4]])
    arguments = (many[0], totals, np.zeros(1), 0.0, 0.1, ranges)
    ends = [np.empty(1) for _ in range(2)]
    density = profile_row_kernels.row_densities
    for function, out in zip((density, density.py_func), ends, strict=True):
        function(thetas, *arguments, out)
    np.testing.assert_allclose(*ends, rtol=1e-10)
    drawn = [np.empty((2, 1, 2)) for _ in range(2)]
    drawing, chance = profile_row_kernels.draw_rows, rng.random((1, 2, 4))
    for function, out in zip((drawing, drawing.py_func), drawn, strict=True):
        function(thetas, *arguments, places, chance, out[0], out[1])
    np.testing.assert_allclose(*drawn, rtol=1e-10)
