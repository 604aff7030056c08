"""Laws that nothing was designed on, second list: written after the first was run.

By someone who did not look at the search. Of what it missed they had read one sentence, in general
words and with no law's name; so 114 laws were written and 60 of them drawn by lot: 35 of 76 in one
variable, 25 of 38 in two. None is a law of laws_of_materials.py or fresh_laws.py under another
name. At 1 % noise every constant is known to 20 % or better.
"""

from __future__ import annotations

from benchmarks.laws.suite import Law

__all__ = ["UNSEEN"]

A = (0.5, 3.0)  # an amplitude

SOLIDS = (
    Law("resistivity_of_a_clean_metal", "a + b * T**2 + c * T**5", {"T": (0.1, 1.6)},
        {"a": A, "b": (0.4, 1.5), "c": (0.2, 0.6)}),
    Law("heat_conduction_by_electrons", "T / (a + b * T**3)", {"T": (0.1, 3)},
        {"a": (0.3, 1.5), "b": (0.3, 1.5)}),
    Law("saturating_drift_velocity", "a * E / sqrt(1 + (E / b)**2)", {"E": (0.05, 4)},
        {"a": A, "b": (0.6, 2)}),
    Law("acoustic_branch_of_two_masses", "sqrt(a - sqrt(a**2 - b * sin(k / 2)**2))",
        {"k": (0.05, 3.1)}, {"a": (1.2, 2), "b": (0.7, 1.3)}),
    Law("junction_of_high_transmission", "a * sin(p) / sqrt(1 - b * sin(p / 2)**2)",
        {"p": (0, 6.2)}, {"a": A, "b": (0.5, 0.9)}),
    Law("square_lattice_band", "a - b * (cos(p) + cos(q)) - c * cos(p) * cos(q)",
        {"p": (-3.1, 3.1), "q": (-3.1, 3.1)}, {"a": (0.5, 2), "b": A, "c": (0.3, 1)}),
    Law("stoner_wohlfarth_energy", "a * sin(t)**2 - b * H * cos(t - c)",
        {"t": (0, 6.2), "H": (0, 2)}, {"a": A, "b": (0.5, 2), "c": (0.3, 1.2)}),
    Law("landau_energy_near_transition", "a * (T - t) * P**2 + b * P**4",
        {"T": (0.2, 2), "P": (-1.5, 1.5)}, {"a": A, "t": (0.8, 1.2), "b": (0.3, 1.5)}),
    Law("transistor_with_channel_modulation", "a * (G - t)**2 * (1 + b * V)",
        {"G": (1.2, 3), "V": (0.5, 3)}, {"a": A, "t": (0.4, 1), "b": (0.05, 0.3)}),
)  # fmt: skip

MATERIALS = (
    Law("melting_of_a_nanoparticle", "a * (1 - b / d)", {"d": (0.3, 4)},
        {"a": A, "b": (0.08, 0.25)}),
    Law("energy_of_a_nucleus", "a * r**2 - b * r**3", {"r": (0.05, 2)}, {"a": A, "b": (0.5, 2)}),
    Law("strain_and_life", "a * N**(-b) + c * N**(-d)", {"N": (0.1, 50)},
        {"a": (1, 3), "b": (0.1, 0.2), "c": (0.8, 2.5), "d": (0.6, 0.9)}),
    Law("rate_of_cure", "(a + b * x**m) * (1 - x)**n", {"x": (0.01, 0.97)},
        {"a": (0.2, 0.6), "b": (1, 3), "m": (0.6, 1.2), "n": (1.2, 2)}),
    Law("johnson_cook", "(a + b * e**n) * (1 + c * log(r))", {"e": (0.02, 1), "r": (0.05, 10)},
        {"a": (0.5, 2), "b": (0.5, 2), "n": (0.3, 0.7), "c": (0.05, 0.2)}),
    Law("orowan_stress", "c + a * log(r / b) / L", {"r": (0.3, 3), "L": (0.4, 3)},
        {"a": A, "b": (0.05, 0.2), "c": (0.5, 2)}),
    Law("larson_miller_strength", "a - b * T * (c + log(t))", {"T": (0.5, 1.5), "t": (0.1, 20)},
        {"a": (5, 9), "b": (0.2, 0.6), "c": (3, 6)}),
    Law("zerilli_armstrong", "c + a * exp(-b * T) + d * sqrt(e)", {"T": (0.1, 2.5), "e": (0, 1)},
        {"a": (1, 3), "b": (0.8, 2), "c": (0.3, 1), "d": (0.5, 2)}),
    Law("heated_grain_growth", "sqrt(a + b * t * exp(-c / T))", {"t": (0, 4), "T": (0.4, 1.5)},
        {"a": (0.1, 0.6), "b": (1, 4), "c": (0.6, 1.6)}),
    Law("transformed_on_heating", "1 - exp(-(a * t * exp(-b / T))**n)",
        {"t": (0.05, 4), "T": (0.4, 1.5)}, {"a": (1, 3), "b": (0.5, 1.2), "n": (1.3, 3)}),
)  # fmt: skip

CHEMISTRY = (
    Law("davies_activity", "b * I - a * sqrt(I) / (1 + sqrt(I))", {"I": (0.005, 2)},
        {"a": (0.8, 2), "b": (0.1, 0.4)}),
    Law("thermal_denaturation", "a + b / (1 + exp(c * (1 / T - 1 / t)))", {"T": (0.6, 1.5)},
        {"a": (0.3, 1), "b": A, "c": (8, 14), "t": (0.9, 1.1)}),
    Law("van_der_waals", "r * T / (v - b) - a / v**2", {"T": (0.6, 2), "v": (0.8, 4)},
        {"r": (0.5, 2), "b": (0.2, 0.5), "a": A}),
    Law("dubinin_radushkevich", "a * exp(-b * (T * log(p))**2)", {"T": (0.5, 1.5), "p": (0.02, 1)},
        {"a": A, "b": (0.1, 0.5)}),
    Law("ping_pong_rate", "a * p * q / (b * q + c * p + p * q)", {"p": (0.05, 4), "q": (0.05, 4)},
        {"a": A, "b": (0.3, 1.2), "c": (0.3, 1.2)}),
    Law("uncompetitive_inhibition", "a * s / (b + s * (1 + i / c))", {"s": (0.05, 4), "i": (0, 3)},
        {"a": A, "b": (0.3, 1.2), "c": (0.5, 2)}),
)  # fmt: skip

MICROSCOPES = (
    Law("fluorescence_correlation", "a / ((1 + t / b) * sqrt(1 + t / c))", {"t": (0.01, 6)},
        {"a": A, "b": (0.2, 0.5), "c": (3, 8)}),
    Law("debye_chain", "a * (exp(-b * q**2) - 1 + b * q**2) / q**4", {"q": (0.2, 4)},
        {"a": A, "b": (0.6, 2)}),
    Law("scattering_of_a_sphere", "a * ((sin(b * q) - b * q * cos(b * q)) / q**3)**2",
        {"q": (0.3, 2.5)}, {"a": A, "b": (1, 2)}),
    Law("double_slit", "a * cos(b * x)**2 * (sin(c * x) / x)**2", {"x": (0.05, 3)},
        {"a": A, "b": (2, 4), "c": (0.7, 1.4)}),
    Law("williamson_hall", "(a + b * sin(t)) / cos(t)", {"t": (0.1, 1.3)},
        {"a": (0.3, 1), "b": (0.3, 1.5)}),
    Law("cauchy_dispersion", "a + b / l**2 + c / l**4", {"l": (0.4, 2)},
        {"a": (1, 2), "b": (0.1, 0.4), "c": (0.03, 0.1)}),
    Law("secondary_electron_yield", "a * (1 - exp(-b * E**n)) / E**(n - 1)", {"E": (0.05, 5)},
        {"a": A, "b": (0.8, 2), "n": (1.4, 1.8)}),
    Law("bloembergen_purcell_pound", "a * (1 / (1 + b * w**2) + 4 / (1 + 4 * b * w**2))",
        {"w": (0, 4)}, {"a": A, "b": (0.4, 2)}),
    Law("echo_with_diffusion", "a * exp(-b * t - c * t**3)", {"t": (0.02, 2)},
        {"a": A, "b": (0.3, 1), "c": (0.1, 0.6)}),
    Law("signal_under_a_layer", "a * exp(-b * d / cos(t))", {"d": (0.02, 2), "t": (0, 1.2)},
        {"a": A, "b": (0.5, 1.5)}),
    Law("focused_beam", "a * exp(-c * r**2 / (1 + b * z**2)) / (1 + b * z**2)",
        {"r": (0, 2), "z": (-3, 3)}, {"a": A, "b": (0.3, 1.5), "c": (0.6, 2)}),
    Law("power_broadened_line", "a * I / (1 + b * x**2 + c * I)", {"x": (-3, 3), "I": (0.05, 3)},
        {"a": A, "b": (0.5, 2), "c": (0.4, 1.5)}),
    Law("moving_soliton", "a * (1 - tanh(b * (x - c * t))**2)", {"x": (-2, 4), "t": (0, 2)},
        {"a": A, "b": (0.6, 1.5), "c": (0.5, 1.5)}),
)  # fmt: skip

PHYSICS = (
    Law("catenary", "c + a * (exp((x - m) / a) + exp(-(x - m) / a)) / 2", {"x": (-2, 2)},
        {"a": (0.7, 1.6), "m": (-0.4, 0.4), "c": (0.3, 1)}),
    Law("kepler_ellipse", "a / (1 + e * cos(p - w))", {"p": (0, 6.2)},
        {"a": A, "e": (0.2, 0.6), "w": (0.4, 2)}),
    Law("gamow_cross_section", "a * exp(-b / sqrt(E)) / E", {"E": (0.05, 3)},
        {"a": A, "b": (0.8, 2.5)}),
    Law("paschen", "a * x / log(b * x)", {"x": (0.7, 6)}, {"a": A, "b": (2, 5)}),
    Law("waves_on_a_shelf", "sqrt(a * k * tanh(b * k))", {"k": (0.05, 4)}, {"a": A, "b": (0.3, 1)}),
    Law("schiller_naumann", "a * (1 + b * R**n) / R", {"R": (0.1, 20)},
        {"a": A, "b": (0.2, 0.8), "n": (0.5, 0.8)}),
    Law("beta_spectrum", "a * sqrt(E**2 + 2 * m * E) * (E + m) * (q - E)**2", {"E": (0.01, 1.5)},
        {"a": A, "m": (0.3, 0.8), "q": (1.6, 2)}),
    Law("sutherland_viscosity", "a * T**(3/2) / (T + b)", {"T": (0.3, 4)},
        {"a": A, "b": (0.3, 1.2)}),
    Law("planck_in_wavelength", "a / (l**5 * (exp(b / (l * T)) - 1))",
        {"l": (0.4, 1.6), "T": (0.5, 1.5)}, {"a": A, "b": (1, 3)}),
    Law("binding_energy_per_nucleon", "a - b / A**(1/3) - c * z**2 * A**(2/3) - d * (1 - 2 * z)**2",
        {"A": (0.1, 2.5), "z": (0.35, 0.6)},
        {"a": (1.5, 3), "b": (0.3, 0.8), "c": (0.5, 2), "d": (2, 5)}),
    Law("ergun_pressure_drop", "a * v * (1 - e)**2 / e**3 + b * v**2 * (1 - e) / e**3",
        {"v": (0.1, 3), "e": (0.3, 0.7)}, {"a": A, "b": (0.3, 1.5)}),
    Law("friction_in_a_rough_pipe", "a / log(b * r + c / R**(9/10))**2",
        {"r": (0.005, 0.05), "R": (0.5, 20)}, {"a": A, "b": (0.2, 0.5), "c": (0.01, 0.04)}),
    Law("townsend_coefficient", "a * p * exp(-b * p / E)", {"p": (0.2, 3), "E": (0.4, 3)},
        {"a": A, "b": (0.5, 2)}),
)  # fmt: skip

EARTH = (
    Law("chapman_layer", "a * exp(-(z - m) / h - exp(-(z - m) / h))", {"z": (0, 6)},
        {"a": A, "m": (1.5, 2.5), "h": (0.5, 1.2)}),
    Law("ricker_wavelet", "a * (1 - 2 * b * (t - m)**2) * exp(-b * (t - m)**2)", {"t": (-2, 2)},
        {"a": A, "b": (1, 3), "m": (-0.5, 0.5)}),
    Law("philip_infiltration", "a * sqrt(t) + b * t", {"t": (0.02, 4)}, {"a": A, "b": (0.3, 1)}),
    Law("rouse_profile", "a * ((h - z) / z)**n", {"z": (0.08, 1)},
        {"a": A, "h": (1.05, 1.3), "n": (0.4, 1.2)}),
    Law("spreading_of_a_volcano", "a * x / (x**2 + d)**(3/2)", {"x": (0.02, 5)},
        {"a": A, "d": (0.5, 2)}),
    Law("settling_velocity", "a * d**2 / (1 + b * d**(3/2))", {"d": (0.05, 3)},
        {"a": A, "b": (0.4, 2)}),
    Law("hoek_brown", "s + a * sqrt(1 + b * s / a)", {"s": (0, 4)}, {"a": (0.5, 2), "b": (2, 8)}),
    Law("ground_acceleration", "a * exp(b * m) / (r + c * exp(d * m))",
        {"m": (0, 2), "r": (0.1, 4)}, {"a": A, "b": (0.6, 1.2), "c": (0.1, 0.4), "d": (0.4, 0.8)}),
    Law("waves_of_finite_depth", "sqrt((a * k + b * k**3) * tanh(k * h))",
        {"k": (0.1, 3), "h": (0.2, 2)}, {"a": A, "b": (0.1, 0.5)}),
)  # fmt: skip

UNSEEN = (*SOLIDS, *MATERIALS, *CHEMISTRY, *MICROSCOPES, *PHYSICS, *EARTH)
