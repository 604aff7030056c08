"""Vacancies at the limit of the likelihood ratio, false ones at the rate asked for."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    DefectSettings,
    ImagingSettings,
    find_atoms,
    find_vacancies,
    make_defect_scene,
    read_image,
)
from physlearn.datasets.sites import vacancies
from physlearn.datasets.sites.site_decisions import name_states, select_discoveries
from physlearn.records import AtomicConfiguration

WIDTH, MARGIN = 2.5, 8.0


def sites_of(made, **options):
    return find_vacancies(find_atoms(made.scene.image), made.scene.image, **options)


def paired(made, found):
    """Return numbers of true and found sites that belong together, away from the edges."""
    distance, near = cKDTree(found.positions).query(made.sites)
    size = np.array(made.scene.image.shape[::-1])
    deep = np.all((made.sites > MARGIN) & (made.sites < size - 1 - MARGIN), axis=1)
    assert (distance[deep] < 4).all()
    return np.flatnonzero(deep), near[deep]


def known_profile_ratio(made, peak, displacement):
    """Return log p(vacant) - log p(present): all known but this column, its place integrated."""
    image, mean = made.scene.image.values, made.scene.mean
    ideal = made.indices @ made.vectors
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    ratios = np.empty(len(ideal))
    for k, (x0, y0) in enumerate(ideal):
        low_y, low_x = max(0, int(y0) - 12), max(0, int(x0) - 12)
        part = (slice(low_y, int(y0) + 13), slice(low_x, int(x0) + 13))
        y, x = np.mgrid[: image.shape[0], : image.shape[1]][(slice(None), *part)]

        def column(cx, cy, x=x, y=y):
            return peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * WIDTH**2))

        base = mean[part] - (column(*made.sites[k]) if made.states[k] == 0 else 0.0)
        logs = []
        for a, wa in zip(nodes, weights, strict=True):
            for b, wb in zip(nodes, weights, strict=True):
                g = column(x0 + a * displacement, y0 + b * displacement)
                logs.append(
                    (image[part] * np.log1p(g / base) - g).sum() + np.log(wa * wb / (2 * np.pi))
                )
        ratios[k] = -np.logaddexp.reduce(logs)
    return ratios


def area_under(score, truth):
    ranks, n = rankdata(score), truth.sum()
    return (ranks[truth].sum() - n * (n + 1) / 2) / (n * (~truth).sum())


@pytest.mark.parametrize("peak", [5.0, 8.0])
def test_the_curve_of_vacancies_reaches_the_likelihood_ratio(peak, oracle):
    settings = DefectSettings(peak_counts=(peak,), vacancy_share=(0.08,), displacement_px=0.4)
    truth, score, best = [], [], []
    for seed in range(2):
        made = make_defect_scene((256, 256), settings, rng=100 + seed)
        true, seen = paired(made, found := sites_of(made))
        truth.append(made.states[true] == 2)
        score.append(found.log_likelihood[seen, 1] - found.log_likelihood[seen, 0])
        best.append(known_profile_ratio(made, peak, 0.4)[true])
    truth, score, best = (np.concatenate(parts) for parts in (truth, score, best))
    lost = area_under(best, truth) - area_under(score, truth)
    oracle(f"vacancy ROC area below the likelihood ratio, peak {peak}", error=lost, bound=0.005)
    for false in (0.01, 0.05):
        power = [(s[truth] > np.quantile(s[~truth], 1 - false)).mean() for s in (best, score)]
        assert power[0] - power[1] <= 0.02


def test_vacant_half_and_present_are_told_and_false_ones_are_rare(oracle):
    settings = DefectSettings(
        lattice="honeycomb", spacing_px=16.0, peak_counts=(100.0, 40.0), vacancy_share=(0.02, 0.05),
        half_share=(0.0, 0.05),
    )  # fmt: skip
    named = false = 0
    truth_of = np.array([0, 2, 1])
    for seed in range(4):
        made = make_defect_scene((200, 200), settings, rng=seed)
        true, seen = paired(made, found := sites_of(made, atoms_per_column=(1, 2)))
        truth = truth_of[made.states[true]]
        assert (found.state[seen] == truth).mean() > 0.99
        picked = found.flags("defect")[seen]
        named, false = named + picked.sum(), false + (picked & (truth == 0)).sum()
    oracle("false vacancies, share of those named", error=false / named, bound=0.05)


def test_shares_hold_the_truth_where_single_sites_cannot_be_told():
    # a full site of the second sublattice stands out by about 2.5 standard deviations
    settings = DefectSettings(
        lattice="honeycomb", spacing_px=16.0, peak_counts=(60.0, 2.5), vacancy_share=(0.0, 0.15),
        half_share=(0.0, 0.0),
    )  # fmt: skip
    inside = []
    for seed in range(2):
        made = make_defect_scene((288, 288), settings, rng=seed)
        found = sites_of(made)
        row = found.shares.query("sublattice == 1 and state == 'vacant'").iloc[0]
        truth = (made.states[made.sublattice == 1] == 2).mean()
        inside.append(row["low"] <= truth <= row["high"])
    assert sum(inside) >= 1


def test_a_very_dim_sublattice_does_not_shrink_the_cell():
    settings = DefectSettings(
        lattice="honeycomb", spacing_px=16.0, peak_counts=(60.0, 6.0), vacancy_share=(0.0, 0.05),
        half_share=(0.0, 0.0),
    )  # fmt: skip
    made = make_defect_scene((200, 200), settings, ImagingSettings(background_counts=6.0), rng=0)
    found = sites_of(made)
    assert np.hypot(*found.vectors.T) == pytest.approx([16.0, 16.0], rel=0.01)
    assert len(found.phases) == 2
    assert found.flags("vacant", 0).sum() == 0


def test_interstitials_are_named_and_no_others():
    settings = DefectSettings(lattice="square", vacancy_share=(0.03,), interstitial_share=0.03)
    named = false = 0
    for seed in range(3):
        made = make_defect_scene((256, 256), settings, rng=seed)
        atoms = find_atoms(made.scene.image)
        found = find_vacancies(atoms, made.scene.image)
        places = atoms.positions[found.interstitials]
        distance = cKDTree(made.interstitials).query(places)[0]
        named, false = named + len(places), false + int((distance > 1.5).sum())
        deep = np.all((made.interstitials > 8) & (made.interstitials < 247), axis=1)
        assert (cKDTree(places).query(made.interstitials[deep])[0] < 1.5).mean() > 0.8
    assert false <= 0.1 * named


@pytest.mark.parametrize("ellipticity", [0.1, 0.4])
def test_columns_that_are_not_round_make_no_sublattice(ellipticity):
    settings = DefectSettings(vacancy_share=(0.0,), lattice="square")
    imaging = ImagingSettings(width_px=2.5, ellipticity=ellipticity, ellipse_angle=0.5)
    found = sites_of(make_defect_scene((200, 200), settings, imaging, rng=0))
    assert len(found.phases) == 1
    assert any("lobes" in text for text in found.warnings)


@pytest.mark.parametrize(
    "imaging",
    [ImagingSettings(width_px=2.5, tail_share=0.3, tail_widths=2.5),
     ImagingSettings(width_px=2.5, jitter_px=0.8, jitter_correlation=0.7)],
)  # fmt: skip
def test_tails_and_torn_columns_are_no_interstitials(imaging):
    settings = DefectSettings(vacancy_share=(0.0,), lattice="square", peak_counts=(300.0,))
    for seed in range(2):
        found = sites_of(make_defect_scene((200, 200), settings, imaging, rng=seed))
        assert len(found.phases) == 1
        assert len(found.interstitials) == 0


def test_another_picture_is_refused():
    made = make_defect_scene((160, 200), rng=1)
    atoms = find_atoms(made.scene.image)
    other = make_defect_scene((160, 200), DefectSettings(lattice="square", spacing_px=13.0), rng=2)
    for image in (other.scene.image, made.scene.image[:, ::-1].values):
        with pytest.raises(InputError, match="picture that the atoms were found in"):
            find_vacancies(atoms, image)


def test_a_dopant_is_no_vacancy():
    settings = DefectSettings(vacancy_share=(0.04,), dopant_share=0.05, dopant_ratio=0.36)
    made = make_defect_scene((256, 256), settings, rng=3)
    true, seen = paired(made, found := sites_of(made))
    dopant = made.is_dopant[true]
    assert (found.state[seen][dopant] == 3).mean() > 0.9
    assert (found.state[seen][made.states[true] == 2] == 1).all()


def test_gain_and_correlated_pixels_leave_the_rate_alone():
    imaging = ImagingSettings(gain=0.01, read_noise=0.005, resampling_px=0.7)
    named = false = 0
    for seed in range(2):
        made = make_defect_scene((256, 256), DefectSettings(peak_counts=(25.0,)), imaging, rng=seed)
        true, seen = paired(made, found := sites_of(made))
        picked = found.flags("vacant")[seen]
        named += picked.sum()
        false += (picked & (made.states[true] == 0)).sum()
        assert picked[made.states[true] == 2].mean() > 0.9
    assert false <= 0.1 * named


def test_columns_of_unequal_brightness_are_not_too_dim(monkeypatch):
    # bright enough that only the spread of present columns can explain the dimmer ones
    seen = []

    def spy(probability, too_dim, rate):
        seen.append(too_dim)
        return name_states(probability, too_dim, rate)

    monkeypatch.setattr(vacancies, "name_states", spy)
    settings = DefectSettings(
        lattice="square", peak_counts=(400.0,), vacancy_share=(0.0,), brightness_spread=0.15
    )
    sites_of(make_defect_scene((256, 256), settings, rng=1))
    (p,) = seen
    few = (p < 0.01).sum()
    assert few <= stats.binom.ppf(1 - 6e-5, len(p), 0.01)
    assert 0.3 < np.median(p) < 0.7


def test_the_table_says_brighter_and_leaves_out_states_not_asked():
    settings = DefectSettings(lattice="square", dopant_share=0.06, dopant_ratio=1.8)
    found = sites_of(make_defect_scene((200, 200), settings, rng=3))
    row = found.shares.query("state == 'other'").iloc[0]
    bright = found.flags("other") & (found.amplitude > 1)
    assert row["brighter"] == bright.sum() > 3
    table = found.to_pandas()
    assert "log_likelihood_half" not in table
    assert np.isfinite(table["log_likelihood_other"]).all()
    assert table.attrs["unit"] == found.unit
    assert (table["measured"] == (found.amplitude_sd < 1)).all()


def test_selection_is_that_of_benjamini_and_hochberg():
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])
    # the example of Benjamini and Hochberg's way at 5 %: the first two pass
    assert select_discoveries(p, 0.05).tolist() == [True, True] + [False] * 8
    assert not select_discoveries(np.array([0.5, 0.9]), 0.05).any()
    assert len(select_discoveries(np.empty(0), 0.05)) == 0


def test_bad_input_is_refused_in_a_sentence():
    made = make_defect_scene((128, 128), rng=1)
    atoms = find_atoms(made.scene.image)
    for arguments, options, words in (
        ((atoms, made.scene.image), {"false_discovery_rate": 2.0}, "false_discovery_rate"),
        ((atoms, made.scene.image), {"atoms_per_column": (1, 2, 1)}, "atoms_per_column"),
        ((AtomicConfiguration(atoms.positions), made.scene.image), {}, "intensities"),
        ((atoms, made.scene.image[:40, :40]), {}, "outside"),
        ((atoms.with_changes(unit="nm"), made.scene.image), {}, "unit"),
    ):
        with pytest.raises(InputError, match=words):
            find_vacancies(*arguments, **options)
    gas = np.random.default_rng(0).uniform(10, 118, (60, 2))
    strewn = atoms.with_changes(
        positions=gas, intensity=np.ones(60), intensity_sd=np.ones(60) * 0.1, width=np.ones(60) * 2,
        position_covariance=None, detection_probability=None, covariance=None,
    )  # fmt: skip
    with pytest.raises(NotIdentified, match="lattice"):
        find_vacancies(strewn, made.scene.image)


def test_real_sulphide_shows_missing_sulphur(public_file):
    image = read_image(public_file("stem_mo_re_s2/re05.tiff"))
    found = find_vacancies(find_atoms(image), image, atoms_per_column=(1, 2))
    metal = found.sublattice == 0
    assert abs(int(metal.sum()) - 726) <= 4
    bright = found.flags("other", 0) & (found.amplitude > 1.4)
    assert abs(int(bright.sum()) - 14) <= 2
    assert found.flags("vacant", 0).sum() == 0
    assert found.flags("defect", 1).sum() >= 3
