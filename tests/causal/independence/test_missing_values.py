from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from physlearn.causal.independence.missing_values import (
    complete_table,
    imputed_tables,
    pooled_independence,
)
from physlearn.checks import InputError, NotIdentified


def frame_with_gaps(n, seed, effect=0.0, share=0.3):
    """Return z -> x, z -> y; y is missing more often where z is large (missing at random)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = z + rng.normal(size=n)
    y = z + effect * (x - z) + rng.normal(size=n)
    y[rng.random(n) < 2 * share * (z > 0)] = np.nan
    level = rng.integers(0, 3, n).astype(float)
    level[rng.random(n) < 0.1] = np.nan
    return pd.DataFrame({"x": x, "y": y, "z": z, "level": level})


def test_rows_with_gaps_are_left_out_and_counted():
    frame = frame_with_gaps(200, 0)
    centers = np.stack(np.divmod(np.arange(200), 20), axis=1)
    covariance = np.eye(4) * np.arange(1.0, 201.0)[:, None, None]
    told = {"measurement_covariance": covariance, "unit": "nm"}
    table = complete_table(frame, centers, attributes=told)
    kept = frame.notna().all(axis=1).to_numpy()
    np.testing.assert_array_equal(table.frame["x"], frame["x"][kept])
    np.testing.assert_array_equal(table.centers, centers[kept])
    np.testing.assert_array_equal(table.measurement_covariance[:, 0, 0], np.arange(1, 201)[kept])
    assert f"{200 - kept.sum()} of 200 rows with gaps" in table.warnings[0]
    assert table.selection == f"{kept.sum()} of 200 rows, those without gaps"
    assert complete_table(frame.dropna(), None).warnings == ()


def test_draws_keep_values_levels_and_relations():
    frame = frame_with_gaps(1500, 1)
    tables = imputed_tables(frame, None, n_imputations=3, rng=2)
    seen = frame.notna().to_numpy()
    for table in tables:
        np.testing.assert_array_equal(table.frame.to_numpy()[seen], frame.to_numpy()[seen])
        assert set(table.frame["level"]) == {0.0, 1.0, 2.0}
        # cov(y, z) = 1 of all rows, though large z are seen half as often: error of 1500 rows .045
        assert np.cov(table.frame["y"], table.frame["z"])[0, 1] == pytest.approx(1.0, abs=0.18)
        assert abs(table.frame["y"].mean()) < 0.2 < abs(frame["y"].mean())
    assert "table 2 of 3, seed 2" in tables[1].warnings[0]
    assert not np.array_equal(tables[0].frame["y"], tables[1].frame["y"])
    again = imputed_tables(frame, None, n_imputations=3, rng=2)
    np.testing.assert_array_equal(tables[2].frame["y"], again[2].frame["y"])


def test_neighbours_tell_what_a_gap_held():
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:24, :24].reshape(2, -1)
    smooth = np.sin(row / 4.0) + np.cos(column / 4.0) + 0.05 * rng.normal(size=576)
    gap = rng.random(576) < 0.2
    frame = pd.DataFrame({"a": np.where(gap, np.nan, smooth), "b": rng.normal(size=576)})
    table = complete_table(frame, np.stack([column, row], axis=1), 1.0, how="impute", rng=0)
    assert np.corrcoef(table.frame["a"][gap], smooth[gap])[0, 1] > 0.9
    assert "and the neighbours" in table.warnings[0]
    assert "surer than it is" in table.warnings[0]


def test_the_pooled_answer_keeps_the_level_and_finds_an_effect():
    verdicts = {0.0: [], 0.4: []}
    for effect, found in verdicts.items():
        for seed in range(10):
            frame = frame_with_gaps(300, seed, effect)
            tables = [
                replace(table, measurement_covariance=np.zeros((1, 4, 4)))
                for table in imputed_tables(frame, None, n_imputations=3, rng=seed)
            ]
            found.append(pooled_independence(tables, "x", "y", ["z"], test="mixed"))
    # 4 of 10 at a level of .07 happen in one of 300 runs
    assert [r.verdict for r in verdicts[0.0]].count("dependent") <= 3
    assert [r.verdict for r in verdicts[0.4]].count("dependent") >= 7
    assert all(r.n_effective < 300 for r in verdicts[0.4])


def test_what_cannot_be_completed_is_said_in_one_sentence():
    frame = frame_with_gaps(100, 0).assign(empty=np.nan, void=np.nan)
    with pytest.raises(InputError, match="'empty', 'void' of frame hold no value at all"):
        complete_table(frame, None)
    with pytest.raises(InputError, match="'word' holds"):
        complete_table(pd.DataFrame({"word": ["a"] * 40}), None)
    few = pd.DataFrame({"a": np.arange(50.0), "b": [1.0] * 20 + [np.nan] * 30})
    with pytest.raises(NotIdentified, match=r"only 20 of 50 rows .* column 'b' \(60% gaps\)"):
        complete_table(few, None)
    with pytest.raises(NotIdentified, match="column 'b' holds 20 values"):
        imputed_tables(few, None)
    with pytest.raises(InputError, match="at least 2 imputed tables"):
        pooled_independence([], "a", "b")


def test_an_array_is_no_frame():
    with pytest.raises(InputError, match="frame must be a pandas DataFrame; got ndarray"):
        complete_table(np.zeros((40, 2)), None)
