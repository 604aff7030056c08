"""The diffusion constant of a sphere in a fluid, with the uncertainty of its size and the fluid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from physlearn.checks import InputError, as_generator, check_positive
from physlearn.results import Fit, fit_from_draws

__all__ = ["stokes_einstein"]

Float = NDArray[np.float64]
N_DRAWS = 4000
METRES = {"um": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "m": 1.0}

Known = float | tuple[float, float]


def stokes_einstein(
    diameter: Known,
    viscosity: Known,
    temperature: Known,
    *,
    measured: Fit | None = None,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Predict the diffusion constant of a sphere: D = kT / (3 pi viscosity diameter).

    Parameters
    ----------
    diameter
        Micrometres; a number, or (value, sd).
    viscosity
        Millipascal seconds (water at 20 degrees Celsius: 1.00); a number, or (value, sd).
    temperature
        Kelvin; a number, or (value, sd).
    measured
        ``measure_diffusion(...).fit`` in a length and seconds, to compare with.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``diffusion`` in um^2/s; with ``measured`` also ``ratio`` (measured over predicted) and the
        diagnostics ``p_equal`` (two-sided) and ``agrees`` (1 lies in the 90 % interval of ratio).

    Raises
    ------
    InputError
        For numbers that are not above 0, or a fit whose unit is not a length squared per second.

    Notes
    -----
    Einstein 1905 (doi:10.1002/andp.19053220806). A wall near the sphere, or other spheres, slow it.

    Examples
    --------
    >>> prediction = stokes_einstein((1.0, 0.03), (0.95, 0.03), (295.0, 2.0), rng=1)
    >>> [float(end.round(2)) for end in prediction.interval("diffusion")]
    [0.42, 0.49]
    """
    generator, seed = as_generator(rng)
    size = _drawn("diameter", diameter, generator)
    thickness = _drawn("viscosity", viscosity, generator)
    heat = _drawn("temperature", temperature, generator)
    diffusion = 1e12 * constants.k * heat / (3.0 * np.pi * 1e-3 * thickness * 1e-6 * size)
    draws: dict[str, Float] = {"diffusion": diffusion}
    units, diagnostics, said = {"diffusion": "um^2/s", "ratio": "1"}, dict[str, Any](), []
    if measured is not None:
        own = _in_micrometres(measured)
        draws["ratio"] = generator.choice(own, N_DRAWS) / diffusion
        below = float((draws["ratio"] < 1.0).mean())
        low, high = np.quantile(draws["ratio"], [0.05, 0.95])
        diagnostics = {
            "p_equal": 2.0 * min(below, 1.0 - below),
            "agrees": bool(low < 1.0 < high),
            "measured": float(np.median(own)),
        }
        if not diagnostics["agrees"]:
            said.append(
                f"measured and predicted D differ: ratio {low:.2f} to {high:.2f}; a wall nearby, "
                "the size, the temperature or the length scale may be other than stated."
            )
    return fit_from_draws(
        draws, model="Stokes-Einstein diffusion of a sphere", likelihood="none: a prediction",
        approximation="Monte Carlo over the stated uncertainties", seed=seed,
        data=repr((diameter, viscosity, temperature)).encode(), units=units,
        diagnostics=diagnostics, warnings=said,
    )  # fmt: skip


def _drawn(name: str, given: Known, rng: np.random.Generator) -> Float:
    """Draw from a normal distribution that is cut at 0."""
    value, sd = given if isinstance(given, tuple) else (given, 0.0)
    value = check_positive(name, value)
    sd = check_positive(f"{name} sd", sd, allow_zero=True)
    if sd > value / 3.0:
        raise InputError(
            f"{name} must be known to a third of its value at least; got {value:g} +- {sd:g}."
        )
    return np.abs(value + sd * rng.standard_normal(N_DRAWS))


def _in_micrometres(measured: Fit) -> Float:
    """Return the draws of the measured D in um^2/s."""
    import json

    if not isinstance(measured, Fit) or "diffusion" not in measured.variables:
        raise InputError("measured must be the fit of measure_diffusion (its attribute fit).")
    unit = json.loads(measured.attrs["units"])["diffusion"]
    length, _, time = unit.partition("^2/")
    if length not in METRES or time != "s":
        raise InputError(
            f"measured must be in a length squared per second to be compared; got {unit}: give "
            "the trajectory its pixel size and frame interval."
        )
    return np.asarray(measured["diffusion"] * (METRES[length] / 1e-6) ** 2)
