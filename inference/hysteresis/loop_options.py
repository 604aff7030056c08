"""Options of fit_landau_loop: calibrations, and what must be declared for coefficients."""

from __future__ import annotations

import numpy as np

from physlearn.checks import InputError, NotIdentified

__all__ = ["NUCLEATION", "check_declared", "field_per_unit", "read_calibration"]

NUCLEATION = (
    "no Landau coefficients: under a tip, and in most films, a domain nucleates before the uniform "
    "state loses its stability, so that the coercive field is no property of the free energy; "
    "homogeneous_switching=True declares otherwise"
)
VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "kV": 1e3}


def read_calibration(name: str, given: tuple[float, float] | None) -> tuple[float, float] | None:
    """Check (value, sd)."""
    if given is None:
        return None
    try:
        pair = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        pair = np.empty(0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] <= 0 or pair[1] < 0:
        raise InputError(f"{name} must be (value, sd), value > 0, sd at least 0; got {given!r}.")
    return float(pair[0]), float(pair[1])


def field_per_unit(given: tuple[float, float] | None, unit: str) -> tuple[float, float] | None:
    """Return the field per unit of the voltage axis, from the field per volt."""
    if given is None:
        return None
    if unit not in VOLTS:
        raise InputError(
            f"coefficients need a voltage axis in V, mV, uV or kV; its units are {unit!r}: set "
            "loops[...].attrs['units'] of the voltage."
        )
    return given[0] * VOLTS[unit], given[1] * VOLTS[unit]


def check_declared(declared: bool, calibrated: list[tuple[float, float] | None]) -> None:
    """Refuse coefficients that rest on nothing."""
    if declared and None in calibrated:
        raise NotIdentified(
            "homogeneous_switching gives Landau coefficients only with polarisation=(value, sd) "
            "and field=(value, sd): the loop itself has neither C/m^2 nor V/m."
        )
    if not declared and any(pair is not None for pair in calibrated):
        raise NotIdentified(f"polarisation and field were given, but {NUCLEATION}.")
