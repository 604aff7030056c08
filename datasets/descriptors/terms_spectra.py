"""Controlled names of the descriptors that spectra of pixels give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["SPECTRUM_TERMS"]

MAP = ("rotation", "mirror image")
"""A patch value of pixels' own spectra does not ask where in the patch they lie."""
UNSCALED = (*MAP, "intensity scale", "intensity offset")
LOOP_SOURCE = "Jesse, Lee, Kalinin (2006), doi:10.1063/1.2214699"
TWO_STEPS = "of R = c + s V + a tanh((V - V+-) / w+-), the patch's robust value"

SPECTRUM_TERMS: tuple[DescriptorTerm, ...] = (
    DescriptorTerm(
        "coercive_voltage_rising", "V", 2,
        f"V+, where the rising branch steps, {TWO_STEPS}", UNSCALED, LOOP_SOURCE,
    ),
    DescriptorTerm(
        "coercive_voltage_falling", "V", 2,
        f"V-, where the falling branch steps, {TWO_STEPS}", UNSCALED, LOOP_SOURCE,
    ),
    DescriptorTerm("imprint", "V", 2, "(V+ + V-) / 2", UNSCALED, LOOP_SOURCE),
    DescriptorTerm(
        "remanent_response", "{channel}", 2,
        "a (tanh(-V- / w-) - tanh(-V+ / w+)) / 2: half the opening at 0 V",
        (*MAP, "intensity offset"), LOOP_SOURCE,
    ),
    DescriptorTerm(
        "switchable_response", "{channel}", 2, f"2 a, {TWO_STEPS}", (*MAP, "intensity offset"),
        LOOP_SOURCE,
    ),
    DescriptorTerm(
        "loop_area", "{channel} V", 2, "integral of the opening over the swept voltages",
        (*MAP, "intensity offset"), LOOP_SOURCE,
    ),
    DescriptorTerm("vertical_offset", "{channel}", 2, f"c, {TWO_STEPS}", MAP),
    DescriptorTerm(
        "response_slope", "{channel}/V", 2, f"s, {TWO_STEPS}", (*MAP, "intensity offset")
    ),
    DescriptorTerm(
        "amplitude", "{channel}", 2,
        "A of y(f) = A exp(i phase) f0^2 / (f0^2 - f^2 + i f f0 / Q), the patch's robust value",
        MAP,
    ),
    DescriptorTerm(
        "resonance_frequency", "Hz", 2, "f0 of the same oscillator", (*MAP, "intensity scale")
    ),
    DescriptorTerm("quality_factor", "1", 2, "Q of the same oscillator", (*MAP, "intensity scale")),
    DescriptorTerm("phase", "rad", 2, "phase of the same oscillator", (*MAP, "intensity scale")),
    DescriptorTerm(
        "edge_counts", "counts", 0,
        "counts of a window less the power law A E^-r of the window before the edge", MAP,
        of_channel=True,
    ),
    DescriptorTerm(
        "spectral_score", "{channel}", 2,
        "weighted least-squares coordinate of the spectrum on the field's principal shapes",
        (*MAP, "intensity offset"), numbered=True,
    ),
)  # fmt: skip
