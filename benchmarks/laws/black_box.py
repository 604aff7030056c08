"""How many points a law of five constants needs, beside black boxes, for the same test error."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.suite import Law, LawData, sample

__all__ = ["CHECKS", "SWITCHED"]

Row = dict[str, Any]
Floats = NDArray[np.float64]

# Polarisation switched by a pulse of length t and field E: Merz's time in the law of Kolmogorov,
# Avrami and Ishibashi, on a background
SWITCHED = Law(
    "switched_by_a_pulse", "c + a * (1 - exp(-(t / (s * exp(b / E)))**n))",
    {"t": (0.05, 5), "E": (0.5, 2)},
    {"a": (1, 2), "b": (0.8, 1.6), "c": (-0.5, 0.5), "n": (1.2, 2.2), "s": (0.2, 0.5)},
)  # fmt: skip
BEYOND = {"t": (5, 8), "E": (0.35, 0.5)}
NOISE = 0.05
SIZES = (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
LARGEST_OF_GAUSSIAN_PROCESS = 640
TARGETS = (0.10, 0.05, 0.02)
Predictor = Callable[[Floats], Floats]


def law_of_five(data: LawData) -> Predictor:
    """Fit the five constants."""
    from physlearn.inference.law_data.templates import fit_template

    columns = dict(zip(data.law.variables, data.x.T, strict=True))
    laws = fit_template(SWITCHED.formula, columns, data.y).laws
    return lambda x: np.asarray(laws.predict(x))


def forest(data: LawData) -> Predictor:
    """Fit 300 trees."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(300, random_state=0).fit(data.x, data.y)
    return lambda x: np.asarray(model.predict(x))


def perceptron(data: LawData) -> Predictor:
    """Fit two hidden layers, their width and penalty chosen by cross validation."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPRegressor(solver="lbfgs", max_iter=500, random_state=0)
    grid = {"mlpregressor__hidden_layer_sizes": [(16, 16), (32, 32)],
            "mlpregressor__alpha": [1e-3, 1e-1]}  # fmt: skip
    search = GridSearchCV(make_pipeline(StandardScaler(), network), grid, cv=3)
    search.fit(data.x, data.y)
    return lambda x: np.asarray(search.predict(x))


def gaussian_process(data: LawData) -> Predictor:
    """Fit a length a variable, an amplitude and the noise by the marginal likelihood."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kernel = ConstantKernel() * RBF(np.ones(data.x.shape[1])) + WhiteKernel(0.01)
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1,
                                       random_state=0)  # fmt: skip
    model = make_pipeline(StandardScaler(), process).fit(data.x, data.y)
    return lambda x: np.asarray(model.predict(x))


METHODS: dict[str, Callable[[LawData], Predictor]] = {
    "the law of five constants": law_of_five,
    "Gaussian process": gaussian_process,
    "perceptron": perceptron,
    "random forest": forest,
}


def errors(method: str, n: int, seed: int) -> tuple[float, float, float]:
    """Return the test errors inside and beyond the ranges, over the sd of the law, and seconds."""
    data = sample(SWITCHED, n, NOISE, seed)
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a short series does not let every fit converge
        predict = METHODS[method](data)
        seconds = time.process_time() - begun
        rmse = []
        for ranges in (SWITCHED.variables, BEYOND):
            law = Law(SWITCHED.name, SWITCHED.formula, ranges,
                      {k: (v, v) for k, v in data.constants.items()})  # fmt: skip
            fresh = sample(law, 2000, 0.0, 10_000 + seed)
            rest = predict(fresh.x) - fresh.clean
            rmse.append(float(np.sqrt(np.mean(rest**2))))
    scale = float(sample(SWITCHED, 2000, 0.0, seed).clean.std())
    return rmse[0] / scale, rmse[1] / scale, seconds


def samples_needed(quick: bool) -> list[Row]:
    """Compare by the points that a test error takes (median of three draws of the constants)."""
    rows = []
    seeds = range(1 if quick else 3)
    for method in METHODS:
        inside: dict[int, float] = {}
        beyond: dict[int, float] = {}
        spent: dict[int, float] = {}
        for n in SIZES[:3] if quick else SIZES:
            if method == "Gaussian process" and n > LARGEST_OF_GAUSSIAN_PROCESS:
                break
            found = np.array([errors(method, n, seed) for seed in seeds])
            inside[n], beyond[n], spent[n] = np.median(found, axis=0).tolist()
        needed = []
        for target in TARGETS:
            enough = [n for n, error in inside.items() if error <= target]
            needed.append(f"{target:.0%}: {min(enough) if enough else f'over {max(inside)}'}")
        rows.append({
            "what": f"{method}, noise {NOISE:g} of the sd, {len(seeds)} draws",
            "measured": f"points for a test error of {', '.join(needed)}; error at 80 points "
            f"{inside.get(80, np.nan):.3f}, beyond the ranges {beyond.get(80, np.nan):.3f}; "
            f"{spent.get(80, np.nan):.2f} CPU s",
            "goal": "none stated",
            "met": None,
        })  # fmt: skip
    return rows


CHECKS = {"points for the same test error": samples_needed}
