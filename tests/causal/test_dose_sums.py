import numpy as np
import pytest

from physlearn.causal import Action, SafetyEnvelope, check_ledger
from physlearn.causal.dose_sums import area_of, distance_to_area, dose_sums, middle_of


def random_acts(rng, n):
    """Scans, patches and exposures on a coarse grid, so that edges and sites often coincide."""
    acts, scanned = [], None
    for _ in range(n):
        x, y, width, height = rng.integers(0, 4, 4) + np.array([0, 0, 1, 1])
        edges = {"x_min": x, "y_min": y, "x_max": x + width, "y_max": y + height}
        args = [edges, {"n_repeats": 1}, edges, {"x": x, "y": y}][kind := rng.integers(4)]
        verb = ("image", "scan_again", "expose_patch", "expose_site")[kind]
        action = Action(verb, args, float(rng.integers(1, 9)), 1.0, 1.0, bool(rng.integers(2)))
        acts.append((action, scanned if verb == "scan_again" else area_of(action)))
        scanned = area_of(action) if verb == "image" else scanned
    return acts


@pytest.mark.parametrize("seed", range(30))
def test_sums_are_those_of_the_independent_ledger(seed):
    rng = np.random.default_rng(seed)
    acts = random_acts(rng, 12)
    envelope = SafetyEnvelope(1e9, (0, 0, 8, 8), max_irreversible=99, max_site_dose=1e9,
                              max_field_dose=1e9, site_radius=1.0)  # fmt: skip
    sums = dose_sums(acts, envelope)
    total = sums.added.sum(axis=0)
    said = [sums.sentences[k](total[k]) for k in range(len(total))]
    report = check_ledger(
        [{"time_s": 0.0, "verb": a.verb, "args": a.args, "dose": a.dose,
          "irreversible": a.irreversible, "status": "done"} for a, _ in acts], envelope,
    )  # fmt: skip
    assert total[0] == report.total_dose
    assert total[1] == report.n_irreversible
    points = [value for value, text in zip(total, said, strict=True) if "of the field" in text]
    assert max(points, default=0.0) == report.largest_field_dose
    for (x, y), dose in report.site_doses.items():
        text = f"the site ({x:g}, {y:g}) has taken {dose:g} e/A^2, above 1e+09"
        assert text in said


def test_places():
    image = Action("image", {"x_min": 0, "y_min": 0, "x_max": 4, "y_max": 2}, 0.0, 1.0, 1.0)
    assert area_of(image) == (0.0, 0.0, 4.0, 2.0)
    assert middle_of(image) == (2.0, 1.0)
    assert middle_of(Action("move", {"x": 3, "y": 4}, 0.0, 1.0, 1.0)) == (3.0, 4.0)
    assert middle_of(Action("tune", {}, 0.0, 1.0, 1.0)) is None
    assert distance_to_area(2.0, 1.0, area_of(image)) == 0.0
    assert distance_to_area(-3.0, 6.0, area_of(image)) == 5.0
