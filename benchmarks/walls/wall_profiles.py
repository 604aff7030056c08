"""Widths of walls with the point spread taken apart, and rows that share their widths."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import binom

from physlearn.checks import NotIdentified
from physlearn.inference import fit_wall_profile
from physlearn.inference.wall_profiles.profile_pixels import Arc, wall_pixels
from physlearn.inference.wall_profiles.profile_posterior import BlurPrior, ProfileModel, find_mode
from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
SETTINGS = ((1, 0, 0.02), (1, 0, 0.1), (1, 1, 0.02), (1, 1, 0.1), (2, 1, 0.02), (2, 1, 0.1),
            (2, 2, 0.1), (4, 2, 0.02), (4, 2, 0.1))  # fmt: skip
"""Width, point spread in pixels, noise over the half jump; pictures of 20 rows of 25 pixels."""


def _picture(
    width: float, blur: float, noise: float, rng: np.random.Generator, **more: Any
) -> Floats:
    return make_wall_picture(
        width, blur, noise_sd=noise, position=rng.uniform(-1, 1), angle=rng.uniform(-0.3, 0.3),
        curvature=0.01 * rng.standard_normal(), rng=rng, **more,
    )  # fmt: skip


def _bound(width: float, blur: float, noise: float, share: float) -> float:
    """Cramer-Rao bound on ln(width) at the truth; a prior of the blur counts as a measurement."""
    pixels = wall_pixels(make_wall_picture(width, blur, position=0.3, angle=0.1), 1.0)
    model = ProfileModel(
        pixels, BlurPrior(blur, blur * share), (True, True, True), False, False, False,
        noise / pixels.scale, None, 2 / pixels.extent,
    )  # fmt: skip
    mode = find_mode(model, Arc(0.3, 0.1), float(np.log(width)), blur)
    return float(np.sqrt(mode.covariance[0, 0]))


def _unblurred(picture: Floats) -> float:
    """Width from scipy's curve_fit of a tanh to the rows' mean, no point spread: the peer."""
    x = np.arange(picture.shape[1], dtype=float)

    def wall(x: Floats, c: float, a: float, place: float, width: float) -> Floats:
        return np.asarray(c + a * np.tanh((x - place) / width))

    widths = []
    for row in picture:
        try:
            found, _ = curve_fit(wall, x, row, p0=(0.0, 1.0, x.mean(), 2.0))
            widths.append(abs(found[3]))
        except RuntimeError:
            continue
    return float(np.median(widths))


def widths(quick: bool) -> list[Row]:
    """Error over the bound, coverage and time, the point spread known or to 5 %."""
    rows = []
    n = 20 if quick else 200
    fit_wall_profile(make_wall_picture(2, 1, noise_sd=0.05, rng=0), psf_width=(1, 0.05), rng=0)
    for width, blur, noise in SETTINGS:
        for share in (0.0, 0.05) if blur else (0.0,):
            errors, holds, seconds, peer, refused = [], [], [], [], 0
            for index in range(n):
                rng = np.random.default_rng((index, 17))
                true_blur = blur * (1 + share * rng.standard_normal())
                picture = _picture(width, true_blur, noise, rng)
                begun = time.process_time()
                try:
                    fit = fit_wall_profile(picture, psf_width=(blur, blur * share), rng=index)
                except NotIdentified:
                    refused += 1
                    continue
                seconds.append(time.process_time() - begun)
                low, high = fit.interval("wall_width")
                errors.append(np.log(np.median(fit["wall_width"]) / width))
                holds.append(low < width < high)
                if index < 20:
                    peer.append(np.log(_unblurred(picture) / width))
            bound = _bound(width, blur, noise, share)
            ratio, cover = float(np.sqrt(np.mean(np.square(errors)))) / bound, float(np.mean(holds))
            spent = 1e3 * float(np.median(seconds))
            rows.append({
                "what": f"width {width} px, point spread {blur} px"
                f"{' +-5 %' if share else ''}, noise {noise}, {n} pictures, {refused} refused",
                "measured": f"crb {bound:.1%}, rmse {ratio:.2f} crb, bias {np.mean(errors):+.2%}, "
                f"cov90 {cover:.3f}, {spent:.1f} ms; curve_fit of each row without point spread: "
                f"bias {np.mean(peer):+.0%}",
                "goal": "rmse <= 1.15 crb, cov90 .86-.94, <= 10 ms",
                "met": bool(ratio <= 1.15 and 0.86 <= cover <= 0.94 and spent <= 10),
            })  # fmt: skip
    return rows


def refusals(quick: bool) -> list[Row]:
    """Refuse pictures that do not hold the width, and answer those that do."""
    rows = []
    n = 10 if quick else 100
    for width, blur, noise, wanted in ((0.5, 2, 0.1, True), (1, 2, 0.2, True), (2, 1, 0.1, False)):
        bound, count = _bound(width, blur, noise, 0.05), 0
        for index in range(n):
            rng = np.random.default_rng((index, 23))
            picture = _picture(width, blur * (1 + 0.05 * rng.standard_normal()), noise, rng)
            try:
                fit_wall_profile(picture, psf_width=(blur, 0.05 * blur), rng=index)
            except NotIdentified:
                count += 1
        share = count / n
        rows.append({
            "what": f"width {width} px, point spread {blur} px +-5 %, noise {noise}: bound "
            f"{bound:.0%}",
            "measured": f"{share:.0%} of {n} refused",
            "goal": "refused" if wanted else "answered",
            "met": bool(share > 0.5) if wanted else bool(share < 0.05),
        })  # fmt: skip
    return rows


def free_blur(quick: bool) -> list[Row]:
    """Report how often the upper bound holds when the point spread is free."""
    rows = []
    n = 10 if quick else 50
    for width, blur, noise in ((1, 1, 0.02), (2, 1, 0.02), (2, 2, 0.1), (4, 2, 0.02)):
        above, inside = [], []
        for index in range(n):
            picture = _picture(width, blur, noise, np.random.default_rng((index, 29)))
            draws = fit_wall_profile(picture, psf_width="free", rng=index)["wall_width"]
            above.append(np.quantile(draws, 0.95) > width)
            inside.append(np.quantile(draws, 0.05) < width < np.quantile(draws, 0.95))
        rows.append({
            "what": f"point spread free: width {width} px, blur {blur} px, noise {noise}, {n}",
            "measured": f"95 % bound holds in {np.mean(above):.0%}, cov90 {np.mean(inside):.2f}",
            "goal": "", "met": None,
        })  # fmt: skip
    inside = []
    for index in range(2 * n):
        rng = np.random.default_rng((index, 53))
        width, blur = rng.uniform(0, 5, 2)
        picture = _picture(width, blur, 0.05, rng)
        low, high = fit_wall_profile(picture, psf_width="free", rng=index).interval("wall_width")
        inside.append(low < width < high)
    rows.append({
        "what": f"point spread free, width and blur uniform on 0-5 px, noise .05, {2 * n}",
        "measured": f"cov90 {np.mean(inside):.2f}", "goal": "cov90 .9 on average over the prior",
        "met": bool(binom.cdf(sum(inside), len(inside), 0.9) > 0.005),
    })  # fmt: skip
    return rows


def shapes(quick: bool) -> list[Row]:
    """Cover the width and ln Q of 2-4-6 walls, ln Q drawn from its prior; correlated pixels."""
    from scipy.ndimage import gaussian_filter

    n = 10 if quick else 100
    width_in, shape_in, refused = [], [], 0
    for index in range(n):
        rng = np.random.default_rng((index, 31))
        q = float(np.exp(1.5 * rng.standard_normal()))
        picture = _picture(2.0, 1.0, 0.03, rng, sextic=q)
        try:
            fit = fit_wall_profile(picture, psf_width=1.0, shape="sextic", rng=index)
        except NotIdentified:
            refused += 1
            continue
        low, high = fit.interval("wall_width")
        width_in.append(low < 2.0 < high)
        low, high = fit.interval("sextic_shape")
        shape_in.append(low < q < high)
    good = [bool(binom.cdf(sum(x), len(x), 0.9) > 0.005) for x in (width_in, shape_in)]
    rows: list[Row] = [{
        "what": f"2-4-6 wall, ln Q from its prior, {n} pictures, {refused} refused",
        "measured": f"cov90 of the width {np.mean(width_in):.2f}, of Q {np.mean(shape_in):.2f}",
        "goal": "cov90 .86-.94", "met": all(good),
    }]  # fmt: skip
    inside = []
    for index in range(n):
        rng = np.random.default_rng((index, 37))
        noise = gaussian_filter(rng.standard_normal((28, 34)), 0.8)[4:-4, 4:-4][:20, :25]
        picture = _picture(2.0, 1.0, 0.0, rng) + 0.1 * noise / noise.std()
        low, high = fit_wall_profile(picture, psf_width=1.0, rng=index).interval("wall_width")
        inside.append(low < 2.0 < high)
    rows.append({
        "what": f"noise that is correlated over neighbouring pixels (sd .8 px), {n} pictures",
        "measured": f"cov90 {np.mean(inside):.2f}", "goal": "cov90 .80-.95",
        "met": bool(0.8 <= np.mean(inside) <= 0.95),
    })  # fmt: skip
    return rows


def _rows(rng: np.random.Generator, spread: float, blur: float, noise: float) -> tuple[Floats, ...]:
    """Forty rows of 25 pixels with lognormal widths around 2 px, by adding up a fine grid."""
    x = np.arange(25) - 12.0
    sub = (np.arange(9) + 0.5) / 9 - 0.5
    width = 2.0 * np.exp(spread * rng.standard_normal(40))
    place = 0.6 * rng.standard_normal(40)
    rays = np.linspace(-5, 5, 41)
    weight = np.exp(-0.5 * rays**2)
    away = x[None, :, None] + sub - place[:, None, None]
    clean = sum(
        part * np.tanh((away + blur * ray) / width[:, None, None]).mean(axis=2)
        for part, ray in zip(weight / weight.sum(), rays, strict=True)
    )
    return 30 * (clean + noise * rng.standard_normal(clean.shape)) + 2, width, place


def hierarchy(quick: bool) -> list[Row]:
    """Coverage, time and effective samples a second of 40 rows with widths of their own."""
    rows = []
    n = 4 if quick else 24
    for spread, share, noise in ((0.2, 0.0, 0.1), (0.2, 0.05, 0.1), (0.4, 0.05, 0.03)):
        mean_in, spread_in, own_in, seconds, sizes, shapes, walks = [], [], [], [], [], [], 0
        dropped = 0
        for index in range(n):
            rng = np.random.default_rng((index, 41))
            picture, width, _ = _rows(rng, spread, 1 + share * rng.standard_normal(), noise)
            begun = time.process_time()
            fit = fit_wall_profile(picture, psf_width=(1.0, share), rows="own widths", rng=index)
            if index:
                seconds.append(time.process_time() - begun)
            low, high = fit.interval("mean_log_width")
            mean_in.append(low < np.log(2) < high)
            low, high = fit.interval("log_width_spread")
            spread_in.append(low < spread < high)
            each = fit.interval("row_width")
            if len(each) != len(width):  # a row was taken for one without the wall
                dropped += 1
                continue
            own_in.append(np.mean((each[:, 0] < width) & (width < each[:, 1])))
            sizes.append(fit.diagnostics["effective_draws"])
            shapes.append(fit.diagnostics["pareto_k"])
            walks += "walk" in fit.attrs["approximation"]
        spent, size = float(np.median(seconds)), float(np.median(sizes))
        numbers = fit.diagnostics["n_numbers"]
        enough = all(binom.cdf(sum(x), n, 0.9) > 0.005 for x in (mean_in, spread_in))
        rows.append({
            "what": f"40 rows ({numbers} numbers), ln width spread {spread}, point spread 1 px"
            f"{' +-5 %' if share else ''}, noise {noise}, {n} pictures",
            "measured": f"{spent:.2f} s, {size / spent:,.0f} effective samples/s, Pareto k at most "
            f"{max(shapes):.2f} ({walks} random walks), cov90 of the mean {np.mean(mean_in):.2f}, "
            f"of the spread {np.mean(spread_in):.2f}, of the rows' widths {np.mean(own_in):.3f}; "
            f"{dropped} pictures with a row taken for one without the wall",
            "goal": "<= 3 s, >= 100/s, cov90 .9",
            "met": bool(spent <= 3 and size / spent >= 100 and enough),
        })  # fmt: skip
    return rows


CHECKS = {
    "wall widths": widths,
    "wall widths refused": refusals,
    "wall widths, free point spread": free_blur,
    "wall shapes and correlated noise": shapes,
    "40 rows with a hierarchy": hierarchy,
}
