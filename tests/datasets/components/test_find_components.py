"""Components: their number against planted ones, their errors against planted noise."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import find_components
from physlearn.datasets.components.prepared_table import prepare_table
from physlearn.records import PatchTable


def planted(rank, seed, n=300, c=12, strength=1.0):
    random = np.random.default_rng(seed)
    patterns = np.linalg.qr(random.normal(size=(c, c)))[0][:rank]
    return strength * np.sqrt(c) * random.normal(size=(n, rank)) @ patterns, random


@pytest.mark.parametrize(("rank", "n", "c"), [(1, 200, 8), (3, 300, 12), (5, 400, 60)])
@pytest.mark.parametrize("errors", [0.7, None])
def test_planted_number_is_found(rank, n, c, errors):
    found = []
    for seed in range(6):
        signal, random = planted(rank, seed, n, c)
        rows = signal + 0.7 * random.normal(size=signal.shape)
        found.append(find_components(rows, errors=errors, rng=seed).n_components)
    assert found.count(rank) >= 5, found


@pytest.mark.parametrize(("n", "c"), [(100, 6), (200, 12)])
@pytest.mark.parametrize("errors", [1.0, None])
def test_columns_without_anything_in_common_are_not_answered(n, c, errors):
    claimed = 0
    for seed in range(20):
        rows = np.random.default_rng(1000 + seed).normal(size=(n, c))
        try:
            find_components(rows, errors=errors, rng=seed % 2)
            claimed += 1
        except NotIdentified as sentence:
            assert "nothing beyond their noise" in str(sentence)
    # 5 % may be wrong: more than 4 of 20 would be in 3 of 1000 runs; it was 11 of 30 and more
    assert claimed <= 4


def test_error_of_entries_that_were_used_would_choose_more():
    # what block folds and thinning are for: in-sample error always falls
    signal, random = planted(3, 0)
    rows = signal + random.normal(size=signal.shape)
    explained = find_components(rows, n_components=8, errors=1.0, rng=0).explained
    assert np.all(np.diff(explained) > 0)
    held_out = find_components(rows, n_components=8, errors=1.0, rng=0).held_out["error"]
    assert held_out.idxmin() in (3, 4)
    assert held_out[8] > held_out[3]


def test_correlated_noise_is_no_component_when_its_covariance_is_known():
    random = np.random.default_rng(0)
    noise = 0.4 * np.ones((8, 8)) + 0.6 * np.eye(8)
    pattern = np.array([1.0, -1, 1, -1, 0, 0, 0, 0])
    rows = random.normal(size=(400, 1)) * pattern
    rows = rows + random.multivariate_normal(np.zeros(8), noise, 400)
    y, x = np.mgrid[:20, :20].reshape(2, -1) * 1.0
    frame = pd.DataFrame(rows, columns=list("abcdefgh"))
    centers = np.stack([x, y], axis=1)
    known = PatchTable.from_frame(frame, centers, 1.0, measurement_covariance=noise[None])
    found = find_components(known, rng=0)
    assert found.n_components == 1
    shape = found.loadings[0] / np.linalg.norm(found.loadings[0])
    assert abs(shape @ pattern / 2) > 0.97
    assert find_components(PatchTable.from_frame(frame, centers, 1.0), rng=0).n_components > 1


def test_score_errors_are_right(oracle):
    random = np.random.default_rng(1)
    signal, _ = planted(2, 1, 4000, 10, 3.0)
    root = random.normal(size=(10, 10)) * 0.2 + np.eye(10)
    noise = root @ root.T
    drawn = random.normal(size=signal.shape) @ root.T
    y, x = np.mgrid[:50, :80].reshape(2, -1) * 1.0
    table = PatchTable.from_frame(
        pd.DataFrame(signal + drawn), np.stack([x, y], axis=1), 1.0,
        measurement_covariance=noise[None],
    )  # fmt: skip
    found = find_components(table, n_components=2, rng=0)
    data = prepare_table(table)
    patterns = found.loadings @ data.metric
    z = drawn @ data.metric @ patterns.T / np.sqrt(np.einsum("nii->ni", found.score_covariance))
    for k in range(2):
        oracle(f"score {k} z sd", z=(z[:, k].std() - 1) / (1 / np.sqrt(2 * 4000)))


def spectra(k, dose, seed, n=400):
    random = np.random.default_rng(seed)
    energy = np.linspace(0, 1, 48)
    peaks = np.array([np.exp(-0.5 * ((energy - at) / 0.06) ** 2) + 0.1
                      for at in np.linspace(0.2, 0.8, k)])  # fmt: skip
    peaks /= peaks.sum(axis=1, keepdims=True)
    shares = random.dirichlet(np.full(k, 0.6), n)
    return random.poisson(dose * shares @ peaks).astype(float), peaks, dose * shares


@pytest.mark.parametrize("dose", [100.0, 1000.0])
def test_spectra_of_counts_are_taken_apart(dose):
    rows, peaks, shares = spectra(3, dose, 0)
    found = find_components(rows, "nmf", errors="poisson", rng=0)
    assert found.n_components == 3
    assert np.all(found.scores >= 0)
    assert np.all(found.loadings >= 0)
    order = [int(np.argmax([np.corrcoef(each, peak)[0, 1] for each in found.loadings]))
             for peak in peaks]  # fmt: skip
    assert sorted(order) == [0, 1, 2]
    for k, number in enumerate(order):
        assert np.corrcoef(found.loadings[number], peaks[k])[0, 1] > 0.95
        assert np.corrcoef(found.scores[:, number], shares[:, k])[0, 1] > 0.9
    assert found.score_covariance is not None


def test_one_spectrum_everywhere_is_one_pattern():
    rows, _, _ = spectra(1, 300.0, 0)
    assert find_components(rows, "nmf", errors="poisson", rng=0).n_components == 1


def test_dictionary_finds_the_patterns_of_sparse_rows():
    random = np.random.default_rng(0)
    patterns = np.linalg.qr(random.normal(size=(20, 20)))[0][:4]
    weights = np.zeros((500, 4))
    for row in weights:
        row[random.choice(4, 2, replace=False)] = random.choice([-1, 1], 2) * 4.0
    rows = weights @ patterns + 0.3 * random.normal(size=(500, 20))
    found = find_components(rows, "dictionary", errors=0.3, rng=0)
    assert 4 <= found.n_components <= 6
    assert (np.count_nonzero(found.scores, axis=1) <= 2).all()
    assert found.held_out["error"].min() < 0.5


def test_a_stack_of_spectra_with_gaps_and_a_voltage_passed_twice():
    random = np.random.default_rng(0)
    voltage = np.concatenate([np.linspace(-1, 1, 8), np.linspace(1, -1, 8)])
    cube = random.normal(size=(12, 12, 1)) * np.tanh(3 * voltage)
    cube = cube + 0.1 * random.normal(size=(12, 12, 16))
    cube[0, 0, 0] = np.nan
    stack = xr.DataArray(cube, dims=("y", "x", "voltage"), coords={"voltage": voltage})
    found = find_components(stack, errors=0.1, rng=0)
    assert found.n_components == 1
    assert len(found.scores) == 143
    assert any("1 pixels with NaN" in each for each in found.warnings)


def test_constant_repeated_few_and_flagged_are_said():
    random = np.random.default_rng(0)
    base = random.normal(size=(9, 1))
    frame = pd.DataFrame(base + 0.1 * random.normal(size=(9, 12)))
    frame.columns = [f"c{k}" for k in range(12)]
    frame["flat"] = 2.0
    frame["idle"] = random.normal(size=9)
    frame["slope"] = random.normal(size=9)
    frame.iloc[8] = frame.iloc[0]
    y, x = np.mgrid[:3, :3].reshape(2, -1) * 1.0
    table = PatchTable.from_frame(
        frame, np.stack([x, y], axis=1), 1.0,
        flags={"idle": "no signal above its noise"}, derived={"slope": ("c0",)},
    )  # fmt: skip
    found = find_components(table, n_components=1, rng=0)
    text = " ".join(found.warnings)
    for words in ("constant: flat", "1 of 9 patches repeat", "fewer patches (9) than columns (12)",
                  "noise: idle", "other columns: slope"):  # fmt: skip
        assert words in text
    assert set(found.columns) == {f"c{k}" for k in range(12)}


def test_a_column_whose_error_is_given_as_0_does_not_decide_alone():
    signal, random = planted(2, 0, 300, 6)
    rows = signal + 0.1 * random.normal(size=signal.shape)
    rows[:, 5] = random.normal(size=300)
    y, x = np.mgrid[:15, :20].reshape(2, -1) * 1.0
    table = PatchTable.from_frame(
        pd.DataFrame(rows, columns=list("abcdef")), np.stack([x, y], axis=1), 1.0,
        measurement_covariance=np.diag([0.01] * 5 + [0.0])[None],
    )  # fmt: skip
    found = find_components(table, n_components=1, rng=0)
    assert any("errors of f are given as 0" in each for each in found.warnings)
    share = found.loadings[0] / rows.std(axis=0)
    assert abs(share[5]) < 0.2 * np.abs(share).max()


def test_columns_that_repeat_one_another_are_named():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 300))
    rows = np.stack([one, one, -2 * one, other], axis=1) + 1e-6 * random.normal(size=(300, 4))
    found = find_components(rows, n_components=1, rng=0)
    assert any("columns 0, 1, 2 repeat one another" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (np.ones((20, 3)), {}, "every column of the table is constant"),
        (np.random.default_rng(0).normal(size=(20, 3)), {"n_components": 4}, "must not exceed"),
        (np.random.default_rng(0).normal(size=(20, 3)), {"method": "nmf"}, "values of at least 0"),
        (np.random.default_rng(0).normal(size=(20, 3)), {"method": "tsne"}, "method must be one"),
        (np.random.default_rng(0).normal(size=(20, 3)), {"errors": "poisson"}, "needs counts"),
        (np.random.default_rng(0).normal(size=(2, 3)), {}, "at least 3 patches"),
        (np.full((20, 3), np.nan), {}, "NaN"),
    ],
)
def test_bad_tables_get_a_sentence(rows, options, message):
    with pytest.raises(InputError, match=message):
        find_components(rows, rng=0, **options)
