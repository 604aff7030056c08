import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

from physlearn.causal import spatial_independence
from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.repeat_scans import noise_from_repeats
from physlearn.checks import InputError
from physlearn.records import PatchTable


def test_errors_of_the_mean_are_measured(imaged):
    scans = imaged(64, 0, snr=5.0, told=False, scans=3)
    truth = imaged(64, 0, snr=5.0)[0].measurement_covariance[0] / 3
    found = noise_from_repeats(scans)
    # two differences of 4,096 patches: the variance is known to sqrt(2 / 8192), about
    assert np.diag(found.measurement_covariance[0]) == pytest.approx(np.diag(truth), rel=0.07)
    # errors of different columns are independent: 4 standard errors of a covariance
    error = np.sqrt(np.diag(truth)[:, None] * np.diag(truth) / 8192)
    assert np.all(
        np.abs(found.measurement_covariance[0] - truth)[~np.eye(3, dtype=bool)]
        < 4 * error[~np.eye(3, dtype=bool)]
    )
    assert found.frame.x.to_numpy() == pytest.approx(np.mean([s.frame.x for s in scans], axis=0))
    assert found.metadata["error_correlation"]["lags"] == [[0, 0]]
    assert found.error_correlation_length is None


def test_the_colour_of_the_errors_is_measured_and_survives_a_file(imaged, tmp_path):
    scans = imaged(64, 0, snr=4.0, told=False, scans=2, noise_length=1.0)
    found = noise_from_repeats(scans)
    found.save(tmp_path / "table.nc")
    columns = prepare_columns(PatchTable.load(tmp_path / "table.nc"))
    lags = [tuple(int(k) for k in lag) for lag in columns.error_lags]
    # white noise smoothed over one patch: exp(-h**2 / 4)
    for lag, squared in (((0, 1), 1), ((1, 0), 1), ((1, 1), 2)):
        measured = columns.error_correlation[lags.index(lag)]
        assert measured == pytest.approx(np.full(3, np.exp(-squared / 4)), abs=0.09)
    assert not any(columns.errors_unknown)


def test_drift_and_a_small_shift_between_scans_are_no_errors():
    rng = np.random.default_rng(1)
    row, column = np.mgrid[:48, :48]
    truth = gaussian_filter(rng.standard_normal((48, 48)), 2.0)
    truth /= truth.std()
    moved = truth + 0.1 * np.gradient(truth, axis=1) + 0.5 + 0.01 * row
    scans = [field.ravel() + 0.2 * rng.standard_normal(48 * 48) for field in (truth, moved)]
    centers = np.stack([column.ravel(), row.ravel()], axis=1)
    found = noise_from_repeats(
        [PatchTable.from_frame(pd.DataFrame({"a": v}), centers, 1.0) for v in scans]
    )
    assert found.measurement_covariance[0, 0, 0] == pytest.approx(0.02, rel=0.15)


def test_error_bars_of_the_scans_tell_where_errors_are_large(imaged):
    base = imaged(32, 0, told=False)[0]
    rng = np.random.default_rng(0)
    sd = np.linspace(0.2, 0.6, base.n_patches)
    own = sd[:, None, None] ** 2 * np.eye(3)
    scans = [
        PatchTable.from_frame(
            base.frame + sd[:, None] * rng.standard_normal(base.frame.shape), base.centers, 1.0,
            measurement_covariance=own,
        )
        for _ in range(2)
    ]  # fmt: skip
    found = noise_from_repeats(scans).measurement_covariance
    assert found[:, 0, 0] == pytest.approx(sd**2 / 2, rel=0.15)


def test_bad_repeats(imaged):
    first, second = imaged(16, 0, snr=4.0, scans=2)
    with pytest.raises(InputError, match="at least 2 scans"):
        noise_from_repeats([first])
    with pytest.raises(InputError, match="same columns"):
        noise_from_repeats([first, imaged(16, 0, n_given=2)[0]])
    moved = PatchTable.from_frame(second.frame, second.centers + 1.0, 1.0)
    with pytest.raises(InputError, match="other centers"):
        noise_from_repeats([first, moved])
    with pytest.raises(InputError, match="column 'x' is the same in all scans"):
        noise_from_repeats([first, first])
    with pytest.raises(InputError, match="a list of PatchTables"):
        noise_from_repeats(second)
    with pytest.raises(InputError, match="a list of PatchTables"):
        spatial_independence(first, "x", "y", repeats=second)


def test_weak_correlations_of_errors_are_kept():
    """Errors with correlation .17 at 20 x 20 patches feigned dependence in 30 of 150."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:20, :20].reshape(2, -1)
    false = 0
    for _ in range(60):
        truth, scans = rng.normal(size=(2, 400)), []
        for _ in range(2):
            errors = np.sqrt(0.83) * rng.normal(size=(2, 400)) + np.sqrt(0.17) * rng.normal(
                size=400
            )
            frame = pd.DataFrame((truth + errors).T, columns=["x", "y"])
            scans.append(PatchTable.from_frame(frame, np.stack([column, row], 1), 1.0))
        found = spatial_independence(scans[0], "x", "y", repeats=scans[1:])
        false += found.verdict == "dependent"
    assert stats.binomtest(false, 60, 0.07, alternative="greater").pvalue > 1e-3
