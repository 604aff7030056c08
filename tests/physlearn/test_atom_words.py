"""What a study says of atoms: its numbers and directions are those of the records."""

import re

import numpy as np
import pandas as pd
import pytest

from physlearn.atom_words import atom_answers, strain_beyond_errors
from physlearn.datasets import ConsistencyCheck, make_strained_crystal, measure_strain
from physlearn.datasets.sites.site_states import SiteStates
from physlearn.findings import Findings
from physlearn.phrases import said_probability, said_share, unit_text
from physlearn.records import AtomicConfiguration
from physlearn.report.draw_defects import common_species, defect_places

ATOMS = AtomicConfiguration([[0.0, 0.0], [5.0, 0.0]])


def answers_of(**found):
    return {a.question: a for a in atom_answers(Findings("a", 1, atoms=ATOMS, **found))}


def check(z_sd, *, expected=1.0, passed=False):
    return ConsistencyCheck(
        "rows", np.zeros((400, 2)), z_sd, (0.01, 0.02), expected, 400, 3, 4, (0.0, 0.0), 1.0, True,
        passed, "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("z_sd", "expected", "said"),
    [((1.2, 0.8), 0.8, "differ by 1.5 times as much along x, as row shifts of the scan do."),
     ((1.0, 1.5), 1.0, "differ by 1.5 times as much along y."),
     ((1.5, 1.4), 1.0, "differ by 1.5 times as much along x and y."),
     ((0.8, 0.9), 1.0, "even and odd rows agree better than they say.")],
)  # fmt: skip
def test_error_bars_that_fail_name_their_axis_and_factor(z_sd, expected, said):
    answer = answers_of(consistency=check(z_sd, expected=expected))[
        "Do the error bars hold on this picture?"
    ]
    assert answer.sentence.endswith(said)
    x, y = (f"{value:.3g}" for value in z_sd)
    assert f"scatter by {x} ± 0.01 (x) and {y} ± 0.02 (y), {expected:.3g} expected" in answer.detail
    assert "400 atoms in both halves, 7 in one only" in answer.detail


def site_states(rows, n_parts=1, warnings=(), **flags):
    """Return a record of 400 sites a sublattice; ``flags`` = state -> (numbers, amplitudes)."""
    n = 400 * n_parts
    state, amplitude = np.zeros(n, dtype=np.int64), np.ones(n)
    for code, name in enumerate(("present", "vacant", "half", "other")):
        numbers, heights = flags.get(name, ([], []))
        state[numbers], amplitude[numbers] = code, heights
    table = pd.DataFrame(
        rows,
        columns=["sublattice", "state", "n_sites", "count", "brighter", "share", "low", "high"],
    )
    return SiteStates(
        np.stack([np.arange(n), np.zeros(n)], axis=1), "pixel", np.zeros((n, 2), dtype=np.int64),
        np.repeat(np.arange(n_parts), 400), np.eye(2), np.zeros((n_parts, 2)), np.arange(n),
        amplitude, np.full(n, 0.1), np.zeros((n, 4)), np.zeros((n, 4)), state,
        np.empty(0, dtype=np.int64), np.empty(0), table, {"false_discovery_rate": 0.05}, warnings,
    )  # fmt: skip


def test_vacancies_are_counted_of_the_sites_with_share_and_interval():
    sites = site_states([(0, "vacant", 400, 3, 0, 0.0075, 0.002, 0.021)])
    (answer,) = (a for q, a in answers_of(vacancies=sites).items() if "vacant" in q)
    assert answer.sentence == "3 of 400 sites are vacant."
    assert answer.detail.startswith("share 0.8% [0.2% to 2.1%] (95 %); at most 5% of those")
    assert answer.state == "settled"


def test_no_vacancy_names_the_share_that_would_show():
    sites = site_states([(0, "vacant", 400, 0, 0, 1e-298, 0.0, 0.00037)])
    (answer,) = (a for q, a in answers_of(vacancies=sites).items() if "vacant" in q)
    assert (
        answer.sentence
        == "No site stands out as vacant; a share above 0.037% would have been seen."
    )
    assert answer.state == "open"


def test_a_sublattice_whose_single_sites_are_not_told_settles_nothing():
    sites = site_states(
        [(0, "vacant", 400, 1, 0, 0.0025, 0.001, 0.01),
         (1, "vacant", 400, 10, 0, 0.02, 0.01, 0.04)],
        2, ("a full site of sublattice 1 stands out by 3.3 standard deviations only: ...",),
    )  # fmt: skip
    said = answers_of(vacancies=sites)
    assert said["Are sites of sublattice 0 (the brightest) vacant?"].state == "settled"
    dim = said["Are sites of sublattice 1 vacant?"]
    assert (dim.state, dim.sentence) == ("open", "10 of 400 sites of sublattice 1 are vacant.")
    assert "trust the share" in dim.detail


def test_another_species_is_brighter_or_dimmer_and_no_defect_where_it_is_common():
    rare = site_states(
        [(0, "other", 400, 5, 2, 0.0125, 0.005, 0.03)], other=(range(5), [1.4, 1.5, 0.6, 0.7, 0.5])
    )
    answer = answers_of(vacancies=rare)["Do sites hold another species?"]
    assert answer.sentence == (
        "5 of 400 sites look like another species: 2 brighter and 3 dimmer than usual."
    )
    assert [len(points) for points in defect_places(rare).values()] == [0, 0, 2, 3]
    common = site_states(
        [(0, "other", 400, 180, 0, 0.45, 0.4, 0.5)], other=(range(180), np.full(180, 0.6))
    )
    assert not any("another species" in question for question in answers_of(vacancies=common))
    assert sum(map(len, defect_places(common).values())) == 0
    assert common_species(common) == 180


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_of_strain_is_the_excess_and_its_error(seed):
    made = make_strained_crystal((20, 20), displacement=lambda p: 0.0 * p, rng=seed)
    truth, sd = made.scene.truth, 0.05
    kick = np.random.default_rng(seed).normal(0, sd, (truth.n, 2))
    field = measure_strain(
        truth.with_changes(
            positions=truth.positions + kick,
            position_covariance=np.tile(sd**2 * np.eye(2), (truth.n, 1, 1)),
        )
    )
    answer = answers_of(strain=field)["Is the lattice strained?"]
    said = float(re.search(r"variations above ([\d.]+)% \(rms\) would", answer.sentence).group(1))
    # a one-sided 95 % limit: excess and 1.645 errors, of the worst component
    limits = [max(e, 0) + 1.645 * error for e, error in strain_beyond_errors(field).values()]
    assert said == pytest.approx(100 * np.sqrt(max(limits)), abs=0.006)
    complete = field.complete
    scatter = (field.strain[complete, 0] - field.strain[complete, 0].mean()) ** 2
    error = (scatter - field.covariance[complete, 0, 0]).std(ddof=1) / np.sqrt(complete.sum() / 7)
    assert 100 * np.sqrt(1.645 * error) <= said + 0.006


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.952, "0.95"), (0.993, "0.99"), (0.9962, "0.996"), (0.9983, "0.998"), (0.9995, "> 0.999")],
)
def test_a_probability_is_said_with_its_digits(value, said):
    text = said_probability(value).replace("\u00a0", " ")
    assert text == (f"P = {said}" if said[0] != ">" else f"P {said}")


def test_shares_and_units_are_written_as_people_do():
    assert [said_share(value) for value in (0.5, 0.0031, 0.00042, 0.0)] == [
        "50.0%", "0.3%", "0.042%", "0%"
    ]  # fmt: skip
    assert unit_text("pixel/frame/[drive]") == "px/frame per unit of drive"
