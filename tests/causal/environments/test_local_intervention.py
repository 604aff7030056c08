import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from physlearn.causal.environments.local_intervention import local_intervention_effect
from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import read_video
from physlearn.records import PatchTable

EDGE = 24


def table_of(values, centers):
    values = np.asarray(values).reshape(len(centers), -1)
    names = [f"d{k}" for k in range(values.shape[1])]
    return PatchTable.from_frame(pd.DataFrame(values, columns=names), centers, 1.0, unit="nm")


@pytest.fixture(scope="module")
def centers(grid):
    return grid(EDGE)


@pytest.fixture(scope="module")
def mask(centers):
    return np.abs(centers - [6.0, 7.0]).max(axis=1) < 2


def at_most(count, n, share):
    """Whether the count fits the share at most, few runs to .02 (1e-3 would let a third pass)."""
    least = 0.02 if n < 100 else 1e-3
    return stats.binomtest(int(count), n, share, alternative="greater").pvalue > least


def scans(fields, length, seed, count=3, tilt=0.0):
    """Scans of one field, correlated noise of .3 on each, a tilt between them."""
    rng = np.random.default_rng(seed)
    found = fields(EDGE, length, count + 1, rng)
    row = np.repeat(np.linspace(-1, 1, EDGE), EDGE)
    return [found[0] + 0.3 * e + tilt * k * row for k, e in enumerate(found[1:])]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_nothing_is_claimed_where_nothing_was_done(fields, centers, mask, length):
    n, rejected, outside, claimed = 40, 0, 0, 0
    for seed in range(n):
        before, after, repeat = (
            table_of(v, centers) for v in scans(fields, length, seed, tilt=0.5)
        )
        row = local_intervention_effect(before, after, mask, shift=(0, 0)).table.iloc[0]
        rejected += row.p_value <= 0.05
        outside += not row.low < 0 < row.high
        if row.p_value <= 0.05:
            found = local_intervention_effect(before, after, mask, repeat=repeat)
            claimed += bool(found.claimed)
    assert at_most(rejected, n, 0.07)
    assert at_most(outside, n, 0.10)
    assert claimed <= rejected


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_level_coverage_and_power_over_many_worlds(fields, centers, mask, length):
    n, rejected, covered, found = 400, 0, 0, 0
    for seed in range(n):
        before, after = scans(fields, length, seed, count=2, tilt=0.5)
        row = local_intervention_effect(
            table_of(before, centers), table_of(after, centers), mask, shift=(0, 0)
        ).table.iloc[0]
        rejected += row.p_value <= 0.05
        acted = local_intervention_effect(
            table_of(before, centers), table_of(after + 1.5 * mask, centers), mask, shift=(0, 0)
        ).table.iloc[0]
        covered += acted.low < 1.5 < acted.high
        found += acted.verdict == "effect"
    assert at_most(rejected, n, 0.07)
    assert stats.binomtest(covered, n, 0.90, alternative="less").pvalue > 1e-3
    assert found > 0.8 * n


@pytest.mark.parametrize("length", [0, 2])
def test_an_effect_is_found_and_its_spill_over_falls_with_distance(fields, centers, mask, length):
    distance = np.maximum(np.abs(centers - [6.0, 7.0]).max(axis=1) - 1, 0)
    before, after, repeat = scans(fields, length, 3, tilt=0.5)
    found = local_intervention_effect(
        table_of(before, centers), table_of(after + 1.5 * np.exp(-distance), centers), mask,
        repeat=table_of(repeat, centers),
    )  # fmt: skip
    row = found.table.iloc[0]
    assert found.claimed == ("d0",)
    assert abs(row.effect - 1.5) < 4 * (row.high - row.low) / (2 * 1.645)
    assert "the repeat without it shows none" in str(found)
    effects = found.spill_over.sort_values("nearest").effect.to_numpy()
    assert row.effect > effects[0] > effects[-1]
    assert found.spill_over.p_value.iloc[0] < 0.05 or length > 0
    assert (found.n_mask, found.n_control > 300) == (9, True)


def test_a_mask_chosen_by_what_the_scan_showed_is_not_claimed(centers):
    """The noise that chose the patches is gone in every other scan: no intervention is needed."""
    chosen = []
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((3, EDGE * EDGE))
        means = ndimage.uniform_filter(noise[0].reshape(EDGE, EDGE), 3)[4:-4, 4:-4]
        row, column = np.unravel_index(np.argmax(means), means.shape)
        mask = np.abs(centers - [column + 4.0, row + 4.0]).max(axis=1) < 2
        chosen.append((*(table_of(e, centers) for e in noise), mask))
    found = [
        (alone.claimed, checked.claimed)
        for alone, checked in (
            (
                local_intervention_effect(before, after, mask, shift=(0, 0)),
                local_intervention_effect(before, after, mask, repeat=repeat, shift=(0, 0)),
            )
            for before, after, repeat, mask in chosen
        )
    ]
    assert sum(bool(alone) for alone, _ in found) > 8
    assert sum(bool(checked) for _, checked in found) <= 3


@pytest.mark.parametrize("repeated", [False, True])
def test_another_gain_is_no_local_effect(fields, centers, mask, repeated):
    """The mask lies on a bright region; the second scan is 1.3 times as bright everywhere."""
    n, with_gain, acted = 8, 0, 0
    for seed in range(n):
        matter, *noise = fields(EDGE, 0, 4, np.random.default_rng(seed))
        first, again, later = (3.0 * mask + matter + 0.1 * e for e in noise)
        repeat = table_of(again, centers) if repeated else None
        options = {"repeat": repeat, "shift": (0, 0)}
        found = local_intervention_effect(
            table_of(first, centers), table_of(1.3 * later, centers), mask, **options
        )
        with_gain += bool(found.claimed)
        found = local_intervention_effect(
            table_of(first, centers), table_of(later + 1.5 * mask, centers), mask, **options
        )
        acted += bool(found.claimed)
    assert with_gain == 0
    assert acted >= 0.7 * n


def test_a_shifted_scan_is_registered_first(fields, grid):
    rng = np.random.default_rng(6)
    matter = fields(40, 1, 2, rng).reshape(2, 40, 40)
    centers = grid(32)
    mask = np.abs(centers - [12.0, 12.0]).max(axis=1) < 2
    acted = matter.copy()
    acted[0, 11:14, 11:14] += 2.0  # x, y = 11 .. 13 of the first scan
    before = matter[:, :32, :32].reshape(2, -1) + 0.2 * rng.standard_normal((2, 1024))
    after = acted[:, 3:35, 2:34].reshape(2, -1) + 0.2 * rng.standard_normal((2, 1024))
    found = local_intervention_effect(table_of(before.T, centers), table_of(after.T, centers), mask)
    assert found.shift == (-2.0, -3.0)
    assert found.claimed == ("d0",)
    assert found.table.low[0] < 2.0 < found.table.high[0]


def test_a_field_too_small_for_its_mask_is_undecided(fields, centers):
    before, after, _ = scans(fields, 0, 3)
    wide = np.abs(centers - [6.0, 6.0]).max(axis=1) < 6
    found = local_intervention_effect(table_of(before, centers), table_of(after, centers), wide)
    assert found.table.verdict[0] == "undecided"
    assert "places" in found.table.words[0]


def test_bad_input_is_refused(fields, centers, mask):
    before, after, _ = (table_of(v, centers) for v in scans(fields, 0, 3))
    with pytest.raises(InputError, match="true nowhere"):
        local_intervention_effect(before, after, np.zeros(576, dtype=bool))
    with pytest.raises(InputError, match="576 answers"):
        local_intervention_effect(before, after, np.zeros((24, 24), dtype=bool))
    with pytest.raises(NotIdentified, match="as a control"):
        local_intervention_effect(before, after, ~mask)
    with pytest.raises(InputError, match="control_distance"):
        local_intervention_effect(before, after, mask, control_distance=-1.0)
    with pytest.raises(InputError, match="alpha"):
        local_intervention_effect(before, after, mask, alpha=1.0)


def patch_means(image, size=8):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    means = image[: rows * size, : columns * size].reshape(rows, size, columns, size).mean((1, 3))
    row, column = np.mgrid[:rows, :columns].reshape(2, -1)
    return means.ravel(), np.stack([column, row], axis=1) * float(size)


def test_no_effect_is_claimed_on_real_frames_without_intervention(public_file):
    """Walls fluctuate between the frames of a film; nobody touched the sample in between."""
    frames = (
        read_video(public_file("xpeem_domain_wall_fluctuations/i161204_084_Original.gif"))
        .to_numpy()
        .astype(float)
    )
    rng = np.random.default_rng(0)
    claimed = unchecked = n = 0
    for first in range(0, 14, 2):
        means = [patch_means(frame, 16) for frame in frames[first : first + 3]]
        centers = means[0][1]
        before, repeat, after = (table_of(values, centers) for values, _ in means)
        for place in rng.uniform(64, 448, (3, 2)):
            mask = np.abs(centers - place).max(axis=1) < 24
            n += 1
            unchecked += bool(local_intervention_effect(before, repeat, mask, shift=(0, 0)).claimed)
            claimed += bool(
                local_intervention_effect(before, after, mask, repeat=repeat, shift=(0, 0)).claimed
            )
    assert n == 21
    assert at_most(claimed, n, 0.05)
    assert at_most(unchecked, n, 0.07)
