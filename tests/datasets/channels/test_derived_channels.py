"""Channels made by others, and amplitude and phase as one response."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    complex_response,
    find_derived_channels,
    make_channel_scene,
    read_channels,
)


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def smooth(seed, width=3.0, shape=(128, 128)):
    values = gaussian_filter(np.random.default_rng(seed).normal(size=shape), width)
    return values / values.std()


def test_error_signal_copy_and_independent_channels():
    rng = np.random.default_rng(0)
    height, other = smooth(1), smooth(2)
    noise = rng.normal(0, 0.05, (6, 128, 128))
    channels = {
        "height": channel(height + noise[0], units="nm"),
        "other": channel(other + noise[1]),
        "error": channel(3.0 * np.gradient(height, axis=1) + noise[2]),
        "sideways": channel(np.gradient(height, axis=0) + 0.1 * noise[3]),
        "copy": channel(-2.0 * height + 7.0 + noise[4]),
        "squashed": channel(np.exp(2.0 * other)),
        "mixed": channel(0.7 * height + 0.7 * other + noise[5]),
    }
    found = find_derived_channels(channels)
    assert {name: (each.of, each.relation) for name, each in found.items()} == {
        "error": (("height",), "slope along x"),
        "sideways": (("height",), "slope along y"),
        "copy": (("height",), "copy"),
        "squashed": (("other",), "monotone copy"),
    }
    assert abs(found["error"].coefficient - 3.0) < 0.15
    assert abs(found["copy"].coefficient + 2.0) < 0.05
    assert "slope along x of height" in found["error"].sentence
    # the answer does not depend on units or gaps
    holes = channels["error"].to_numpy() * 1e-12
    holes[30:50, 30:50] = np.nan
    again = find_derived_channels({"height": channels["height"] * 1e-9, "error": channel(holes)})
    assert again["error"].of == ("height",)


def test_declared_parts_and_scene():
    amplitude = np.abs(smooth(3)) + 0.5
    phase = np.where(smooth(4) > 0, 40.0, -140.0)
    given = xr.Dataset({"amplitude": channel(amplitude), "phase": channel(phase, units="deg")})
    response = complex_response(given.amplitude, given.phase)
    given["response"] = response.in_phase
    given["sum"] = channel(smooth(5), derived_from="other file")
    given["lone"] = channel(smooth(6))
    found = find_derived_channels(given)
    assert set(found) == {"response", "sum"}
    assert found["response"].of == ("amplitude", "phase")
    assert found["sum"].relation == "declared"
    made = find_derived_channels(make_channel_scene(rng=1).scans[0])
    assert {name: each.of for name, each in made.items()} == {"deflection": ("height",)}
    with pytest.raises(InputError, match="least_share"):
        find_derived_channels(given, least_share=2.0)


def test_no_false_relation_between_smooth_channels():
    # few independent places: a relation must not be found by chance
    for seed in range(12):
        for width, shape, noise in ((6.0, (64, 64), 0.0), (16.0, (64, 64), 0.02),
                                    (30.0, (64, 64), 0.0), (32.0, (128, 128), 1.0)):  # fmt: skip
            rng = np.random.default_rng(seed)
            parts = {
                str(k): channel(
                    smooth(100 * seed + k, width, shape) + noise * rng.normal(size=shape)
                )
                for k in range(3)
            }
            assert not find_derived_channels(parts)


def test_a_channel_with_structure_of_its_own_is_no_copy():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        height, fine = smooth(seed, 6.0), smooth(50 + seed, 1.0)
        slope = np.gradient(height, axis=1)
        noise = rng.normal(0, 0.01, (4, 128, 128))
        near = 0.96 * height + np.sqrt(1 - 0.96**2) * smooth(90 + seed, 6.0)
        found = find_derived_channels({
            "height": channel(height + noise[0]),
            "little": channel(height + 0.2 * fine + noise[1]),
            "current": channel(height + 0.6 * fine + noise[2]),
            "near": channel(near + noise[3]),
            "slope": channel(slope / slope.std() + smooth(70 + seed, 0.8)),
        })  # fmt: skip
        assert not found


def test_noise_hides_no_copy_and_the_slope_has_the_sign_of_the_axis():
    height = smooth(1)
    noise = np.random.default_rng(0).normal(0, 0.7, (2, 128, 128))
    found = find_derived_channels({
        "height": channel(height + noise[0]), "copy": channel(3.0 * (height + noise[1])),
    })  # fmt: skip
    assert found["copy"].relation == "copy"
    assert abs(found["copy"].coefficient - 3.0) < 0.1
    down = np.arange(128)[::-1] * 2.0
    pair = {
        "height": channel(height).assign_coords(x=down),
        "error": channel(np.gradient(height, down, axis=1)).assign_coords(x=down),
    }
    assert abs(find_derived_channels(pair)["error"].coefficient - 1.0) < 1e-4


@pytest.mark.parametrize("name", [
    "pfm_ibw_stripes/IgorIBWReader_P0089OP0027.ibw", "pfm_pto_pmnpt/PMN28Pt0000.h5",
    "pfm_pto_pmnpt/PMN28Pt0001.h5", "pfm_pto_pmnpt/PTO_Funakubo0001.h5",
    "pfm_pto_pmnpt/PTO_Funakubo0002.h5", "pfm_pto_pmnpt/PTO_Funakubo0004.h5",
    "pfm_pto_pmnpt/PTO_Funakubo0007.h5",
])  # fmt: skip
def test_real_deflection_is_the_error_signal(name, public_file):
    found = find_derived_channels(read_channels(public_file(name)))
    assert {key: (each.of, each.relation) for key, each in found.items()} == {
        "DeflectionRetrace": (("HeightRetrace",), "slope along x")
    }
    assert found["DeflectionRetrace"].share > 0.99


def test_response_of_domains_whatever_the_offset_and_wrap(oracle):
    rng = np.random.default_rng(6)
    z = []
    for _ in range(60):
        offset = rng.uniform(-90, 90)
        polar = np.where(smooth(int(rng.integers(1e6)), 5.0, (64, 64)) > 0, 1.0, -1.0)
        signal = polar * np.exp(1j * np.radians(offset))
        noise = rng.normal(0, 0.3, (2, 64, 64))
        seen = signal + noise[0] + 1j * noise[1]
        phase = np.degrees(np.angle(seen * np.exp(1j * np.radians(170))))
        phase = np.mod(phase - 170 + 180, 360) - 180
        found = complex_response(channel(np.abs(seen)), channel(phase, units="deg"))
        gap = np.mod(found.attrs["phase_offset"] - offset + 90, 180) - 90
        z.append(gap / found.attrs["phase_offset_sd"])
        sign = np.sign((found.in_phase.to_numpy() * polar).sum())
        assert (np.sign(found.in_phase.to_numpy()) * sign == polar).mean() > 0.99
    # 64 blocks tell the spread of each: t-like tails
    oracle("phase offset", error=abs(np.std(z) - 1), bound=4 * 1.1 / np.sqrt(2 * len(z)))
    radians = channel(np.radians(phase), units="rad")
    same = complex_response(channel(np.abs(seen)), radians)
    assert np.allclose(same.in_phase, found.in_phase)
    fixed = complex_response(channel(np.abs(seen)), radians, phase_offset=0.0)
    assert np.allclose(fixed.in_phase, np.abs(seen) * np.cos(np.radians(phase)))


def test_response_refusals():
    ones = channel(np.ones((32, 32)))
    angle = channel(np.zeros((32, 32)), units="deg")
    with pytest.raises(InputError, match="must be an angle"):
        complex_response(ones, ones)
    with pytest.raises(InputError, match="negative"):
        complex_response(-ones, angle)
    with pytest.raises(InputError, match="shape"):
        complex_response(channel(np.ones((16, 16))), angle)
    turning = channel(np.random.default_rng(0).uniform(0, 360, (32, 32)), units="deg")
    with pytest.raises(NotIdentified, match="common axis"):
        complex_response(ones, turning)
