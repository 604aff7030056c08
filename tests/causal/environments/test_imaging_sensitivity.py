import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.environments.imaging_sensitivity import imaging_sensitivity
from physlearn.causal.environments.spatial_means import mean_of_field, wave_basis
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable


def table_of(values, centers, noise=None, **options):
    covariance = None if noise is None else np.diag(np.broadcast_to(noise, values.shape[1]) ** 2)
    return PatchTable.from_frame(
        pd.DataFrame(values, columns=[f"d{k}" for k in range(values.shape[1])]), centers, 1.0,
        unit="nm", measurement_covariance=None if noise is None else covariance[None], **options,
    )  # fmt: skip


def at_most(count, n, share):
    """Whether the count fits the share at most, few runs to .02 (1e-3 would let a third pass)."""
    least = 0.02 if n < 100 else 1e-3
    return stats.binomtest(int(count), n, share, alternative="greater").pvalue > least


@pytest.mark.parametrize("edge", [16, 24, 32])
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_errors_of_means_hold_their_level(fields, grid, edge, length):
    n = 400
    basis = wave_basis(grid(edge))
    count = 0
    for field in fields(edge, length, n, np.random.default_rng(7)):
        error = mean_of_field(field - field.mean(), basis)
        count += 2 * stats.t.sf(abs(field.mean()) / np.sqrt(error.variance), error.freedom) < 0.05
    assert at_most(count, n, 0.07)


def test_counting_patches_as_independent_lies_about_means(fields):
    found = fields(24, 2, 200, np.random.default_rng(7))
    assert np.mean(stats.ttest_1samp(found, 0.0, axis=1).pvalue < 0.05) > 0.5


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_descriptors_of_matter_are_seldom_said_to_move(fields, grid, length):
    n, smooth, white = 60, 0, 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        matter, one, two = fields(24, length, 3, rng)
        first, second = (table_of((matter + 0.3 * e)[:, None], grid(24)) for e in (one, two))
        smooth += bool(imaging_sensitivity(first, second).moving)
        # another dose: other noise, known
        first, second = (
            table_of((matter + s * rng.standard_normal(576))[:, None], grid(24), s)
            for s in (0.3, 0.6)
        )
        white += bool(imaging_sensitivity(first, second).moving)
    assert at_most(smooth, n, 0.07)
    assert at_most(white, n, 0.07)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_level_over_many_fields_and_false_discoveries_among_many_columns(fields, grid, length):
    n, single, false, named = 500, 0, 0, 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        matter = fields(24, length, 6, rng)
        noise = 0.3 * fields(24, length, 12, rng)
        offset = np.array([1.0, 1.0, 0, 0, 0, 0])[:, None]
        first = table_of((matter + noise[:6]).T, grid(24))
        found = imaging_sensitivity(first, table_of((matter + noise[6:]).T, grid(24)), shift=(0, 0))
        single += float(found.table.p_value[0]) <= 0.05
        moved = imaging_sensitivity(
            first, table_of((matter + noise[6:] + offset).T, grid(24)), shift=(0, 0)
        ).moving
        false += len(set(moved) - {"d0", "d1"}) / max(len(moved), 1)
        named += {"d0", "d1"} <= set(moved)
    assert at_most(single, n, 0.07)
    assert false / n <= 0.07
    assert named > 0.8 * n


def test_offset_gain_and_matter_are_told_apart(fields, grid):
    rng = np.random.default_rng(3)
    matter = fields(32, 1, 3, rng)
    noise = 0.3 * rng.standard_normal((2, 3, 1024))
    first = table_of((matter + noise[0]).T, grid(32), 0.3)
    second = table_of((np.array([[1.0], [1.5], [1.0]]) * matter + noise[1]
                       + np.array([[0.6], [0], [0]])).T, grid(32), 0.3)  # fmt: skip
    found = imaging_sensitivity(first, second)
    assert found.moving == ("d0", "d1")
    rows = found.table.set_index("column")
    assert abs(rows["shift"]["d0"] - 0.6) < 0.1
    assert abs(rows.spread_ratio["d1"] - 1.5) < 0.15
    assert rows.verdict["d2"] == "stands"
    assert rows.largest_shift_sds["d2"] < 0.25
    assert "not matter alone" in str(found)


def test_more_noise_is_no_change_of_matter_and_unknown_noise_is_said(fields, grid):
    rng = np.random.default_rng(4)
    matter = fields(24, 1, 1, rng).T
    first, second = (matter + s * rng.standard_normal((576, 1)) for s in (0.2, 1.0))
    known = imaging_sensitivity(table_of(first, grid(24), 0.2), table_of(second, grid(24), 1.0))
    assert known.moving == ()
    unknown = imaging_sensitivity(table_of(first, grid(24)), table_of(second, grid(24)))
    assert np.isnan(unknown.table.spread_ratio[0])
    assert any("only the means" in note for note in unknown.warnings)


def test_what_moves_in_the_repeat_too_is_undecided(fields, grid):
    rng = np.random.default_rng(5)
    matter = fields(24, 1, 1, rng).T
    first, second, repeat = (
        table_of(matter + shift + 0.2 * rng.standard_normal((576, 1)), grid(24))
        for shift in (0.0, 0.8, 0.5)
    )
    found = imaging_sensitivity(first, second, repeat=repeat).table
    assert found.verdict[0] == "undecided"
    assert "same settings" in found.words[0]


def test_patches_are_paired_where_the_second_scan_was_taken(fields, grid):
    rng = np.random.default_rng(6)
    matter = fields(32, 1, 2, rng).reshape(2, 32, 32)
    seen = [
        table_of((part.reshape(2, -1) + 0.2 * rng.standard_normal((2, part[0].size))).T, grid(28))
        for part in (matter[:, :28, :28], matter[:, 2:30, 3:31])
    ]
    found = imaging_sensitivity(*seen)
    # what lay at x = 3, y = 2 lies at the origin of the second scan
    assert found.shift == (-3.0, -2.0)
    assert found.n_pairs == 25 * 26
    assert found.moving == ()
    assert imaging_sensitivity(seen[0], seen[1], shift=(0, 0)).shift == (0.0, 0.0)


def test_bad_pairs_are_refused(fields, grid):
    values = fields(8, 0, 2, np.random.default_rng(1)).T
    one = table_of(values, grid(8))
    with pytest.raises(InputError, match="another scan"):
        imaging_sensitivity(one, one)
    with pytest.raises(NotIdentified, match="patches of the two tables"):
        imaging_sensitivity(one, table_of(values[::-1], grid(8) + 100.0), shift=(0, 0))
    with pytest.raises(InputError, match="they share none"):
        renamed = PatchTable.from_frame(pd.DataFrame(values, columns=["u", "v"]), grid(8), 1.0,
                                        unit="nm")  # fmt: skip
        imaging_sensitivity(one, renamed)
    with pytest.raises(InputError, match="one unit"):
        pixels = PatchTable.from_frame(one.frame, one.centers, 1.0)
        imaging_sensitivity(one, pixels)
    with pytest.raises(InputError, match="level"):
        imaging_sensitivity(one, one, level=2.0)
