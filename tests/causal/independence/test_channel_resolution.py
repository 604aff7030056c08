import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from physlearn.causal import spatial_independence
from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.channel_resolution import common_resolution
from physlearn.checks import InputError
from physlearn.records import PatchTable


def table_of(fields, variance=None):
    rows, columns = fields[0].shape
    y, x = np.mgrid[:rows, :columns].reshape(2, -1)
    frame = pd.DataFrame({name: f.ravel() for name, f in zip("abc", fields, strict=False)})
    covariance = None if variance is None else variance * np.eye(len(fields))[None]
    return PatchTable.from_frame(
        frame, 4.0 * np.stack([x, y], 1), 4.0, unit="nm", measurement_covariance=covariance
    )


def test_equal_channels_are_equal_at_one_resolution():
    truth = np.random.default_rng(0).standard_normal((40, 40))
    seen = table_of([truth, gaussian_filter(truth, 1.5, mode="nearest")])
    same = common_resolution(seen, {"b": 6.0})  # 1.5 patches of 4 nm
    assert same.frame.a.to_numpy() == pytest.approx(same.frame.b.to_numpy(), abs=1e-9)
    assert same.measurement_covariance is None
    assert "common blur of 6 nm" in same.warnings[-1]


def test_errors_are_told_as_smoothed():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((2, 96, 96))
    same = common_resolution(table_of(noise, 1.0), {"b": 4.0})
    columns = prepare_columns(same)
    told = same.measurement_covariance[0]
    smooth = same.frame.a.to_numpy()
    assert told[0, 0] == pytest.approx(smooth.var(), rel=0.15)
    assert told[1, 1] == 1.0
    image = smooth.reshape(96, 96)
    lags = [tuple(int(k) for k in lag) for lag in columns.error_lags]
    at = columns.error_correlation[lags.index((1, 0)), 0]
    measured = np.mean(image[1:] * image[:-1]) / image.var()
    assert at == pytest.approx(measured, abs=0.05)
    assert columns.error_correlation[lags.index((1, 0)), 1] == pytest.approx(0.0, abs=1e-9)


def test_independence_of_channels_of_known_unequal_blur():
    false = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z, u, v = gaussian_filter(rng.standard_normal((3, 52, 52)), (0, 1, 1)) * 3.5
        x, y, z = 0.8 * z + u, 0.8 * z + v, gaussian_filter(z, 1.2)
        fields = [f[6:46, 6:46] + 0.3 * rng.standard_normal((40, 40)) for f in (x, y, z)]
        seen = common_resolution(table_of(fields, 0.09), {"c": 4.8})
        false += spatial_independence(seen, "a", "b", ["c"]).verdict == "dependent"
    # binomial(20, .07): above 4 with probability .01
    assert false <= 4


def test_bad_blurs():
    rng = np.random.default_rng(0)
    seen = table_of(rng.standard_normal((2, 16, 16)), 0.1)
    with pytest.raises(InputError, match="'q' is none"):
        common_resolution(seen, {"q": 1.0})
    with pytest.raises(InputError, match="at least 0"):
        common_resolution(seen, {"a": -1.0})
    with pytest.raises(InputError, match="agree between neighbours"):
        common_resolution(common_resolution(seen, {"a": 4.0}), {"a": 4.0})
    free = PatchTable.from_frame(seen.frame, rng.random((256, 2)) * 50, 0.1)
    with pytest.raises(InputError, match="rectangular grid"):
        common_resolution(free, {"a": 1.0})
