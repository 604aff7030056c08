"""Laws of two to six variables with units, of the kind of the Feynman lectures' benchmark.

Ranges of order one in SI units, as in Udrescu and Tegmark, doi:10.1126/sciadv.aay2631; numbers
such as 1/2 or 1/(4 pi) are constants to be fitted. Units: products of SI symbols, ``y`` the target.
"""

from __future__ import annotations

from math import pi, sqrt

from benchmarks.laws.suite import Law

__all__ = ["WITH_UNITS"]

ONE = (1.0, 4.0)


def _law(name: str, formula: str, units: str, number: float | None = None, **ranges: object) -> Law:
    """Units: "v m/s, m kg, y J" in the order of the columns; a range other than 1 to 4 by name."""
    unit = dict(item.split() for item in units.split(", "))
    names = [key for key in unit if key != "y"]
    limits = {key: ranges.get(key, ONE) for key in names}
    constants = {} if number is None else {"c0": (number, number)}
    return Law(name, formula, limits, constants, unit)  # type: ignore[arg-type]


WITH_UNITS = (
    _law("kinetic_energy", "c0 * m * (u**2 + v**2 + w**2)",
         "m kg, u m/s, v m/s, w m/s, y kg*m^2/s^2", 0.5),
    _law("newtons_gravity", "G * m * M / r**2",
         "G m^3/(kg*s^2), m kg, M kg, r m, y kg*m/s^2"),
    _law("coulomb", "c0 * q * Q / (eps * r**2)",
         "q A*s, Q A*s, eps A^2*s^4/(kg*m^3), r m, y kg*m/s^2", 1 / (4 * pi)),
    _law("lorentz_force", "q * (E + B * v)",
         "q A*s, E kg*m/(A*s^3), B kg/(A*s^2), v m/s, y kg*m/s^2"),
    _law("gaussian_of_width", "c0 * exp(-x**2 / (2 * s**2)) / s", "x m, s m, y 1/m",
         1 / sqrt(2 * pi), x=(0, 4), s=(1, 3)),
    _law("distance", "sqrt((x - u)**2 + (y1 - v)**2)", "x m, u m, y1 m, v m, y m",
         x=(1, 5), u=(1, 5), y1=(1, 5), v=(1, 5)),
    _law("relativistic_mass", "m / sqrt(1 - v**2 / c**2)", "m kg, v m/s, c m/s, y kg",
         v=(1, 2.5), c=(3, 6)),
    _law("relativistic_doppler", "w * (1 + v / c) / sqrt(1 - v**2 / c**2)",
         "w 1/s, v m/s, c m/s, y 1/s", v=(1, 2.5), c=(3, 6)),
    _law("oscillator_energy", "c0 * m * (w**2 + f**2) * x**2",
         "m kg, w 1/s, f 1/s, x m, y kg*m^2/s^2", 0.25),
    _law("driven_oscillator", "q * E / (m * (f**2 - w**2))",
         "q A*s, E kg*m/(A*s^3), m kg, f 1/s, w 1/s, y m", f=(3, 5), w=(1, 2)),
    _law("thin_lens", "1 / (1 / a + n / b)", "a m, n 1, b m, y m"),
    _law("ideal_gas", "n * k * T / V", "n 1, k kg*m^2/(s^2*K), T K, V m^3, y kg/(m*s^2)"),
    _law("barometric_density", "n * exp(-m * g * h / (k * T))",
         "n 1/m^3, m kg, g m/s^2, h m, k kg*m^2/(s^2*K), T K, y 1/m^3",
         m=(0.5, 1.5), g=(0.5, 1.5), h=(0.5, 1.5)),
    _law("force_between_plates", "c0 * q**2 / (eps * A)",
         "q A*s, eps A^2*s^4/(kg*m^3), A m^2, y kg*m/s^2", 0.5),
    _law("larmor_power", "c0 * q**2 * a**2 / (eps * c**3)",
         "q A*s, a m/s^2, eps A^2*s^4/(kg*m^3), c m/s, y kg*m^2/s^3", 1 / (6 * pi)),
    _law("mean_energy_of_a_mode", "h * w / (exp(h * w / (k * T)) - 1)",
         "h kg*m^2/s, w 1/s, k kg*m^2/(s^2*K), T K, y kg*m^2/s^2", h=(1, 2.5), w=(1, 2.5)),
    _law("paramagnet", "n * mu * tanh(mu * B / (k * T))",
         "n 1/m^3, mu A*m^2, B kg/(A*s^2), k kg*m^2/(s^2*K), T K, y A/m", mu=(1, 2), B=(1, 2)),
    _law("debye_length", "sqrt(eps * k * T / (n * q**2))",
         "eps A^2*s^4/(kg*m^3), k kg*m^2/(s^2*K), T K, n 1/m^3, q A*s, y m"),
    _law("stokes_einstein_of_size", "c0 * k * T / (eta * r)",
         "k kg*m^2/(s^2*K), T K, eta kg/(m*s), r m, y m^2/s", 1 / (6 * pi)),
    _law("cyclotron_radius", "m * v / (q * B)", "m kg, v m/s, q A*s, B kg/(A*s^2), y m"),
    _law("thermal_wavelength", "c0 * h / sqrt(m * k * T)",
         "h kg*m^2/s, m kg, k kg*m^2/(s^2*K), T K, y m", 1 / sqrt(2 * pi)),
    _law("reynolds_number", "rho * v * d / eta",
         "rho kg/m^3, v m/s, d m, eta kg/(m*s), y 1"),
    _law("capillary_rise", "2 * s * cos(theta) / (rho * g * r)",
         "s kg/s^2, theta 1, rho kg/m^3, g m/s^2, r m, y m", theta=(0.1, 1.4)),
    _law("capillary_wave", "sqrt(g * k + s * k**3 / rho)",
         "g m/s^2, k 1/m, s kg/s^2, rho kg/m^3, y 1/s"),
    _law("torque_on_a_magnet", "mu * B * sin(theta)",
         "mu A*m^2, B kg/(A*s^2), theta 1, y kg*m^2/s^2", theta=(0.1, 3)),
    _law("dipole_potential", "c0 * p * cos(theta) / (eps * r**2)",
         "p A*s*m, theta 1, eps A^2*s^4/(kg*m^3), r m, y kg*m^2/(A*s^3)", 1 / (4 * pi),
         theta=(0.1, 3)),
    _law("clausius_mossotti", "n * al / (1 - n * al / 3)", "n 1/m^3, al m^3, y 1",
         n=(0.2, 1.4), al=(0.2, 1.4)),
    _law("compton_shift", "l + h * (1 - cos(theta)) / (m * c)",
         "l m, h kg*m^2/s, m kg, c m/s, theta 1, y m", theta=(0.1, 3)),
    _law("interference_of_two_waves", "I1 + I2 + 2 * sqrt(I1 * I2) * cos(phi)",
         "I1 kg/s^3, I2 kg/s^3, phi 1, y kg/s^3", phi=(0.1, 6)),
    _law("transmission_of_a_barrier", "exp(-2 * d * sqrt(2 * m * U) / h)",
         "d m, m kg, U kg*m^2/s^2, h kg*m^2/s, y 1", d=(0.2, 1), h=(1, 3)),
    _law("domain_wall_width", "c0 * sqrt(A / K)", "A kg*m/s^2, K kg/(m*s^2), y m", pi),
    _law("hagen_poiseuille", "c0 * p * r**4 / (eta * l)",
         "p kg/(m*s^2), r m, eta kg/(m*s), l m, y m^3/s", pi / 8, r=(0.5, 2)),
    _law("velocity_addition", "(u + v) / (1 + u * v / c**2)",
         "u m/s, v m/s, c m/s, y m/s", c=(3, 6)),
    _law("pendulum_period", "c0 * sqrt(l / g)", "l m, g m/s^2, y s", 2 * pi),
    _law("stefan_boltzmann", "c0 * k**4 * T**4 / (h**3 * c**2)",
         "k kg*m^2/(s^2*K), T K, h kg*m^2/s, c m/s, y kg/s^3", pi**2 / 60, T=(1, 2), h=(1, 2)),
    _law("skin_depth", "sqrt(2 * rho / (w * mu))",
         "rho kg*m^3/(A^2*s^3), w 1/s, mu kg*m/(A^2*s^2), y m"),
    _law("plasma_frequency", "sqrt(n * q**2 / (eps * m))",
         "n 1/m^3, q A*s, eps A^2*s^4/(kg*m^3), m kg, y 1/s"),
    _law("larmor_frequency", "c0 * g * q * B / m", "g 1, q A*s, B kg/(A*s^2), m kg, y 1/s", 0.5),
    _law("terminal_velocity", "c0 * (rho - sigma) * g * r**2 / eta",
         "rho kg/m^3, sigma kg/m^3, g m/s^2, r m, eta kg/(m*s), y m/s", 2 / 9, rho=(4, 6)),
    _law("bernoulli_pressure", "p + c0 * rho * v**2 + rho * g * h",
         "p kg/(m*s^2), rho kg/m^3, v m/s, g m/s^2, h m, y kg/(m*s^2)", 0.5),
    _law("london_depth", "sqrt(m / (mu * n * q**2))",
         "m kg, mu kg*m/(A^2*s^2), n 1/m^3, q A*s, y m"),
    _law("bohr_radius", "c0 * eps * h**2 / (m * q**2)",
         "eps A^2*s^4/(kg*m^3), h kg*m^2/s, m kg, q A*s, y m", 1 / pi),
)  # fmt: skip
