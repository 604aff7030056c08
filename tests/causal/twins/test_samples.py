"""What the samples answer, against closed forms and exact sums."""

import numpy as np
import pytest

from physlearn.causal.actions import Action
from physlearn.causal.twins.atom_sample import AtomSample
from physlearn.causal.twins.digital_twin import DigitalTwin
from physlearn.causal.twins.ising_sample import IsingSample
from physlearn.causal.twins.response_sample import ResponseSample
from physlearn.causal.twins.sample_state import Conditions
from physlearn.causal.twins.structural_sample import StructuralSample
from physlearn.causal.twins.wall_sample import WallSample
from physlearn.checks import InputError
from physlearn.lattice_models import Ising, exact_enumeration, square_lattice


def bias(volt, duration=1.0):
    return Action("change_bias", {"bias_V": volt}, 0.0, duration, 1.0)


def whole(twin, verb="image", dose=0.0, duration=1.0):
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))
    return Action(verb, area, dose, duration, 1.0, irreversible=verb == "expose_patch")


def test_film_in_a_field_has_the_magnetisation_of_the_exact_sum():
    coupling, field = 0.3, 0.25
    exact = exact_enumeration(Ising([coupling], field), square_lattice((3, 3), periodic=False))
    expected = float(exact.probabilities @ exact.states.mean(axis=1))
    film = IsingSample((3, 3), (coupling,), field_per_volt=0.5, sweeps_per_s=20.0)
    twin = DigitalTwin(film, rng=1)
    found = [twin.do(bias(0.5, 2.0)).readout for _ in range(1500)]
    spread = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(expected, abs=4 * spread)


def test_free_spins_follow_heat_and_field():
    film = IsingSample((20, 20), (0.0,), field_per_tesla=0.4, sweeps_per_s=5.0)
    twin = DigitalTwin(film, rng=1)
    twin.do(Action("change_field", {"field_T": 2.0}, 0.0, 5.0, 1.0))
    heat = Action("change_temperature", {"temperature_K": 600.0}, 0.0, 2.0, 1.0)
    found = [twin.do(heat).readout for _ in range(40)]
    # tanh of the field in kT, which halves at twice the temperature
    assert np.mean(found) == pytest.approx(np.tanh(0.4), abs=4 * np.sqrt((1 - 0.144) / 16000))


def test_pulse_writes_where_it_lands_and_a_defect_holds_out():
    film = IsingSample(
        (17, 17), (0.45,), defects=((12.0, 12.0, 1.5, -6.0),), pulse_field_per_volt=1.5,
        start="down", sweeps_per_s=4.0,
    )  # fmt: skip

    def pulsed(seed, place):
        twin = DigitalTwin(film, rng=seed)
        args = {"x": place, "y": place, "bias_V": 3.0, "pulse_s": 2.0}
        return twin.do(Action("tip_pulse", args, 0.0, 2.0, 1.0, irreversible=True)).readout

    free = np.mean([pulsed(seed, 4.0) for seed in range(40)])
    held = np.mean([pulsed(seed, 12.0) for seed in range(40)])
    assert free > 0.8
    assert held < -0.5


def test_imprint_outlives_the_pulse():
    def after(family):
        film = IsingSample(
            (9, 9), (0.0,), family=family, disorder_kt=2.0, pulse_radius=3.0, read_radius=1.0
        )
        twin = DigitalTwin(film, rng=1)
        args = {"x": 4.0, "y": 4.0, "bias_V": 2.0, "pulse_s": 1.0}
        twin.do(Action("tip_pulse", args, 0.0, 60.0, 1.0, irreversible=True))
        found = []
        area = {"x_min": 3.0, "y_min": 3.0, "x_max": 5.0, "y_max": 5.0}
        for _ in range(60):
            found.append(twin.do(Action("image", area, 0.0, 2.0, 1.0)).readout)
        return np.mean(found)

    assert after("imprint") > 0.8
    assert abs(after("pairs")) < 4 * np.sqrt(1 / (9 * 60))


def test_clean_wall_moves_at_mobility_times_force():
    twin = DigitalTwin(WallSample(family="clean", mobility=0.7, force_per_volt=0.3), rng=1)
    assert twin.do(bias(2.0, 5.0)).readout == pytest.approx(0.42, rel=1e-9)
    assert twin.do(bias(-1.0, 5.0)).readout == pytest.approx(-0.21, rel=1e-9)


def test_washboard_wall_depins_as_the_overdamped_pendulum():
    # force F - f0 sin(phase): mean velocity mobility sqrt(F^2 - f0^2) above f0, none below
    sample = WallSample(family="washboard", pinning_strength=0.2, force_per_volt=1.0)
    held = np.sqrt(2.0) * 0.2
    slow = DigitalTwin(sample, rng=1)
    slow.do(bias(0.9 * held, 400.0))
    assert abs(slow.do(bias(0.9 * held, 400.0)).readout) < 1e-6
    fast = DigitalTwin(sample, rng=1)
    velocity = fast.do(bias(2.0 * held, 4000.0)).readout
    assert velocity == pytest.approx(held * np.sqrt(3.0), rel=0.01)


def test_random_medium_holds_the_wall_below_its_threshold():
    sample = WallSample(pinning_strength=0.5, force_per_volt=1.0)
    twin = DigitalTwin(sample, rng=3)
    twin.do(bias(0.05, 300.0))
    assert abs(twin.do(bias(0.05, 100.0)).readout) < 1e-3
    assert twin.do(bias(2.0, 20.0)).readout == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("temperature", [300.0, 600.0])
def test_heat_roughens_a_clean_wall_by_equipartition(temperature):
    # <(u - <u>)^2> = kT (n^2 - 1) / (12 n tension) on a ring of n points
    sample = WallSample(n_points=16, family="clean", thermal_energy=0.1)
    state = sample.prepare(np.random.default_rng(1))
    widths = []
    for _ in range(400):  # six times the longest relaxation time, (n / 2 pi)^2, apart
        state.rest(40.0, Conditions(temperature_kelvin=temperature))
        widths.append(state.truth()["heights"].var())
    expected = 0.1 * temperature / 300.0 * 255.0 / 192.0
    assert np.mean(widths) == pytest.approx(expected, abs=4 * np.std(widths) / 20.0)


def test_dopants_shine_and_break_by_their_own_cross_section():
    sample = AtomSample(
        crystal="square", shape=(40, 40), dopant_share=1.0, dopant_cross_section=2e-3,
        dopant_brightness=3.0, cross_section=0.0,
    )  # fmt: skip
    twin = DigitalTwin(sample, rng=1)
    site = sample.sites()[800]
    look = Action("expose_site", {"x": site[0], "y": site[1]}, 0.0, 1.0, 1.0)
    assert twin.do(look).readout == 3.0
    left = twin.do(whole(twin, "expose_patch", 400.0)).readout
    chance = np.exp(-0.8)
    assert left == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1600))


def test_an_exposure_pins_the_wall_for_good():
    # the well holds with 7.6 = 5 / 2 exp(-1/2) sqrt(2 pi) 2 at most, the drive pulls with 6.4
    def moved(dose):
        sample = WallSample(
            family="clean", force_per_volt=0.1, tension=20.0, pin_per_dose=0.05,
            saturating_dose=100.0,
        )  # fmt: skip
        twin = DigitalTwin(sample, rng=1)
        twin.do(Action("expose_site", {"x": 30.0, "y": 1.0}, dose, 5.0, 1.0, irreversible=True))
        twin.do(bias(1.0, 400.0))
        return twin.do(bias(1.0, 100.0)).readout

    assert moved(0.0) == pytest.approx(0.1, rel=1e-9)
    assert abs(moved(1000.0)) < 1e-4


def test_one_hit_losses_are_exponential_in_the_dose():
    sample = AtomSample(crystal="square", shape=(40, 40), cross_section=1e-3)
    twin = DigitalTwin(sample, rng=1)
    left = twin.do(whole(twin, "expose_patch", 700.0)).readout
    chance = np.exp(-0.7)
    assert left == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1600))
    again = twin.do(whole(twin, "expose_patch", 700.0)).readout
    chance = np.exp(-1.4)
    assert again == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1600))


def test_looking_breaks_what_is_looked_at_once_a_site():
    # rows of atoms lie on the edges of rows of the scan, here: none may be given the dose twice
    sample = AtomSample(crystal="square", shape=(40, 40), cross_section=1e-3)
    twin = DigitalTwin(sample, rng=1)
    shown = twin.do(whole(twin, dose=700.0)).readout
    chance = np.exp(-0.7)
    assert shown == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1600))
    film = IsingSample((17, 9), (0.0,), beam_field_per_dose=0.5)
    twin = DigitalTwin(film, rng=1)
    twin.do(whole(twin, dose=3.0))
    assert twin.reveal()["fields_kt"] == pytest.approx(np.full((17, 9), 1.5))


def test_two_hits_need_more_dose_and_heal_at_a_low_rate():
    dose, sigma = 500.0, 1e-3
    # host -> loose at sigma, loose -> lost at 10 sigma: two steps, and none is healed
    kept = (10 * np.exp(-sigma * dose) - np.exp(-10 * sigma * dose)) / 9
    quick = AtomSample(
        crystal="square", shape=(40, 40), cross_section=sigma, family="two hits",
        healing_rate_hz=0.1,
    )  # fmt: skip
    fast, slow = (DigitalTwin(quick, rng=2) for _ in range(2))
    left = fast.do(whole(fast, "expose_patch", dose, duration=0.01)).readout
    assert left == pytest.approx(kept, abs=4 * np.sqrt(kept * (1 - kept) / 1600))
    slowly = slow.do(whole(slow, "expose_patch", dose, duration=200.0)).readout
    assert slowly > left + 0.1


def test_a_loosened_atom_looks_like_any_other():
    sample = AtomSample(crystal="square", shape=(12, 12), cross_section=1e-3, family="two hits")
    twin = DigitalTwin(sample, rng=1)
    twin.do(whole(twin, dose=300.0, duration=0.01))
    shown = twin.do(whole(twin)).readout
    states = twin.reveal()["states"]
    assert np.count_nonzero(states == 3) > 0
    assert shown == np.mean(states != 0)


def test_an_exposure_hits_neighbours_by_its_profile_and_spares_far_sites():
    sample = AtomSample(crystal="square", shape=(9, 9), cross_section=1.0, probe_width=0.5)
    site = sample.sites()[40]
    twin = DigitalTwin(sample, rng=1)
    act = Action("expose_site", {"x": site[0], "y": site[1]}, 1000.0, 1.0, 1.0, irreversible=True)
    outcome = twin.do(act)
    assert outcome.readout == 0.0
    states = twin.reveal()["states"].reshape(9, 9)
    assert outcome.neighbours_hit == np.count_nonzero(states == 0) - 1
    assert 4 <= outcome.neighbours_hit <= 12
    assert np.all(states[:, :2] == 1)


def test_lost_neighbours_speed_up_losses():
    def left(factor):
        sample = AtomSample(
            crystal="square", shape=(30, 30), cross_section=1e-3, family="neighbours",
            neighbour_factor=factor,
        )  # fmt: skip
        twin = DigitalTwin(sample, rng=1)
        return twin.do(whole(twin, "expose_patch", 500.0)).readout

    chance = np.exp(-0.5)
    assert left(1.0) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 900))
    assert left(4.0) < left(1.0) - 0.15


def column_act(column, to, x=5.0, y=6.0):
    args = {"x": x, "y": y, "column": column, "to": to}
    return Action("expose_site", args, 1.0, 1.0, 1.0, irreversible=True)


def test_setting_a_cause_moves_its_effect_and_never_the_other_way():
    twin = DigitalTwin(StructuralSample(12, effect=0.5), rng=1)
    first = twin.do(column_act("driver", 1.0)).readout
    second = twin.do(column_act("driver", 3.0))
    assert second.readout == pytest.approx(1.0)  # 0.5 x (3 - 1), with the same noise
    assert second.reported["to"] == 3.0
    assert twin.do(column_act("response", 9.0)).readout == 0.0
    assert np.isfinite(first)
    turned = DigitalTwin(StructuralSample(12, effect=0.5, arrow="response to driver"), rng=1)
    turned.do(column_act("response", 1.0))
    assert turned.do(column_act("response", 3.0)).readout == pytest.approx(1.0)
    assert turned.do(column_act("driver", 9.0)).readout == 0.0


@pytest.mark.parametrize(("measured", "expected"), [(False, 0.5), (True, 0.0)])
def test_background_feigns_a_slope_that_is_gone_once_it_is_measured(measured, expected):
    # no arrow: cov(driver, response) = 1, var(driver) = 2, so the slope is 1/2
    sample = StructuralSample(
        60, arrow="none", background_length=1.0, background_measured=measured, measurement_sd=0.0
    )
    twin = DigitalTwin(sample, rng=1)
    twin.do(whole(twin))
    frame = twin.tables[0].frame
    given = frame[["driver", "background"]] if measured else frame[["driver"]]
    design = np.column_stack([np.ones(len(frame)), given.to_numpy()])
    slope = np.linalg.lstsq(design, frame["response"].to_numpy(), rcond=None)[0][1]
    assert slope == pytest.approx(expected, abs=0.1)
    assert twin.do(column_act("driver", 4.0)).readout == 0.0


def test_families_of_mechanisms():
    step = DigitalTwin(StructuralSample(12, effect=0.5, family="threshold"), rng=1)
    step.do(column_act("driver", -1.0))
    assert step.do(column_act("driver", 0.1)).readout == pytest.approx(1.0)
    assert step.do(column_act("driver", 5.0)).readout == pytest.approx(0.0, abs=1e-12)
    flat = DigitalTwin(StructuralSample(12, effect=0.5, family="saturating"), rng=1)
    flat.do(column_act("driver", 0.0))
    assert flat.do(column_act("driver", 9.0)).readout == pytest.approx(0.5, abs=1e-6)
    spill = DigitalTwin(StructuralSample(12, effect=0.5, family="spill-over"), rng=1)
    outcome = spill.do(column_act("driver", 30.0))
    assert outcome.neighbours_hit == 4


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: IsingSample((2, 8)), "rows of shape"),
        (lambda: IsingSample(family="glass"), "family"),
        (lambda: IsingSample(defects=((1.0, 2.0),)), "defects"),
        (lambda: WallSample(mobility=0.0), "mobility"),
        (lambda: WallSample(family="glue"), "family"),
        (lambda: AtomSample(cross_section=-1.0), "cross_section"),
        (lambda: AtomSample(dopant_share=2.0), "dopant_share"),
        (lambda: StructuralSample(arrow="both"), "arrow"),
    ],
)
def test_samples_refuse_what_cannot_be(make, match):
    with pytest.raises(InputError, match=match):
        make()


@pytest.mark.parametrize("answer", ["x", None, np.ones(3)])
def test_a_hidden_law_that_gives_no_number_is_named(answer):
    # a TypeError, for a campaign takes an InputError for an act that the twin refused
    for hidden in (
        ResponseSample(lambda act: answer),
        ResponseSample(lambda act: 1.0, memory=lambda past, act: answer),
    ):
        twin = DigitalTwin(hidden)
        with pytest.raises(TypeError, match="must return one number, or NaN where nothing"):
            twin.do(bias(1.0))


def test_a_hidden_law_must_be_a_function():
    with pytest.raises(InputError, match="expected must be a function; got 3"):
        ResponseSample(3)
    with pytest.raises(InputError, match="memory must be a function; got 3"):
        ResponseSample(lambda act: 1.0, memory=3)
