"""One more frame: the filter against the fit of the whole film, and the fan of futures."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import FieldTerm, fit_ginzburg_landau, predict_frames
from physlearn.inference.fields import live_update
from physlearn.inference.fields.live_state import FieldState
from physlearn.inference.fields.live_update import Spread, update_fit
from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
from physlearn.results import Fit

FIRST, LAST = 14, 20
TRUTH = np.array([-0.4, 0.4, 0.6])


def noisy_film(seed, edge=40, n_frames=24):
    """A coarsening film and what a camera sees of it."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    start = gaussian_filter(rng.normal(size=(edge, edge)), 3.0, mode="wrap")
    clean = simulate_ginzburg_landau(
        LandauPotential(a=-0.4, c=0.4, kappa_x=0.6, kappa_y=0.6), start / start.std(),
        frame_times=np.append(0.0, 2.0 + np.arange(n_frames)), time_step=0.01, method="explicit",
    )[1:]  # fmt: skip
    return clean, clean + 0.05 * rng.normal(size=clean.shape)


@pytest.fixture(scope="module")
def story():
    """A film, its fit to frame 14, the live fit to frame 20 and the fit of all 20 frames."""
    clean, film = noisy_film(1)
    begun = fit_ginzburg_landau(film[:FIRST], drift=False, edges="periodic", rng=1)
    live = begun
    for index in range(FIRST, LAST):
        live = update_fit(live, film[index], rng=index)
    whole = fit_ginzburg_landau(film[:LAST], drift=False, edges="periodic", rng=1)
    return clean, film, begun, live, whole


def test_live_fit_follows_the_fit_of_the_whole_film(story, oracle):
    _, _, begun, live, whole = story
    spread = whole["landau"].std(0)
    gap = (live["landau"].mean(0) - whole["landau"].mean(0)) / spread
    oracle("live mean against the whole film's, in its sd", error=np.abs(gap).max(), bound=0.5)
    ratio = live["landau"].std(0) / spread
    oracle("live sd over the whole film's", error=np.abs(ratio - 1).max(), bound=0.2)
    assert (live["landau"].std(0) < begun["landau"].std(0)).all()
    last = live.idata["constant_data"]["last_field"].to_numpy()
    other = whole.idata["constant_data"]["last_field"].to_numpy()
    oracle("live last field against the whole film's", error=np.std(last - other), bound=0.01)
    oracle("truth under the live fit", z=np.abs((live["landau"].mean(0) - TRUTH) / spread).max())
    assert "filter" in live.attrs["approximation"]
    assert live.diagnostics["live_frames"] == LAST - FIRST


def test_futures_of_a_doubtful_fit_say_so(story):
    live = story[3]
    doubt = "the fit did not converge: do not trust the numbers"
    doubtful = replace(live, warnings=("edges: open", doubt))
    assert predict_frames(doubtful, 1, n_futures=2, rng=1).attrs["warnings"] == [doubt]
    sound = replace(live, warnings=("edges: open",))
    assert "warnings" not in predict_frames(sound, 1, n_futures=2, rng=1).attrs


def test_futures_cover_the_frames_and_are_those_of_the_whole_film(story, oracle):
    clean, film, _, live, whole = story
    seen = predict_frames(live, 3, n_futures=200, measured=True, rng=2)
    assert seen.time.values.tolist() == film.time.values[LAST : LAST + 3].tolist()
    low, high = np.quantile(seen.to_numpy(), [0.05, 0.95], axis=0)
    later = film.to_numpy()[LAST : LAST + 3]
    inside = ((low <= later) & (later <= high)).mean()
    # quantiles of 200 draws hold 0.891 of the next; the frames' noise is independent
    share = np.sqrt(0.1 * 0.9 / later.size)
    oracle("cover of measured futures", z=max(abs(inside - 0.891) - 0.004, 0.0) / share)
    # the field itself: errors alike over whole domains, so the whole film's fit is the measure
    ours, theirs = (predict_frames(fit, 3, n_futures=200, rng=2).to_numpy()
                    for fit in (live, whole))  # fmt: skip
    spread = theirs.std(0)
    gap = np.sqrt(np.mean(((ours.mean(0) - theirs.mean(0)) / spread) ** 2))
    oracle("live futures against the whole film's, in their sd", error=gap, bound=0.5)
    ratio = np.sqrt(ours.var(0).mean() / theirs.var(0).mean())
    oracle("spread of live futures over the whole film's", error=ratio - 1, bound=0.25)
    miss = np.abs(theirs.mean(0) - clean.to_numpy()[LAST : LAST + 3]).max()
    oracle("futures against the field", error=miss, bound=0.15)


def test_a_live_fit_can_be_kept_and_gone_on_with(story, tmp_path):
    _, film, begun, _, _ = story
    begun.save(tmp_path / "fit.nc")
    kept = Fit.load(tmp_path / "fit.nc")
    together = update_fit(kept, film[FIRST : FIRST + 2], rng=5)
    assert together.diagnostics["live_frames"] == 2
    assert together.attrs["data_sha256"] != begun.attrs["data_sha256"]
    repeated = update_fit(begun, film[FIRST : FIRST + 2], rng=5)
    assert np.array_equal(together["landau"], repeated["landau"])
    through_front_door = fit_ginzburg_landau(film[FIRST : FIRST + 2], previous=begun, rng=5)
    assert np.allclose(through_front_door["landau"].mean(0), repeated["landau"].mean(0), rtol=1e-3)


def test_a_missing_frame_and_missing_pixels_are_bridged(story):
    _, film, begun, _, _ = story
    frames = film[FIRST : FIRST + 2].to_numpy().copy()
    frames[0], frames[1, :20] = np.nan, np.nan
    fit = update_fit(begun, frames, rng=1)
    assert np.isfinite(fit["landau"]).all()
    assert (fit["landau"].std(0) < begun["landau"].std(0)).all()


def test_a_frame_that_the_model_cannot_explain_is_said(story):
    _, film, begun, live, _ = story
    assert not any("miss their prediction" in text for text in live.warnings)
    jumped = np.roll(film[FIRST].to_numpy(), 2, axis=1)
    fit = update_fit(begun, jumped, rng=1)
    assert any("miss their prediction" in text for text in fit.warnings)


def test_users_terms_and_drives_must_be_given_again():
    _, film = noisy_film(2, edge=20, n_frames=10)
    cube = FieldTerm("cube", lambda order, field: -(order**3))
    terms = ("alpha", cube, "gradient", "field")
    drive = np.sin(np.arange(film.sizes["time"]))
    fit = fit_ginzburg_landau(
        film[:8], terms=terms, drive=drive[:8], drift=False, edges="periodic", rng=1
    )
    with pytest.raises(InputError, match="terms must be given again"):
        update_fit(fit, film[8], drive=0.1)
    with pytest.raises(InputError, match="drive must be given"):
        update_fit(fit, film[8], terms=terms)
    newer = update_fit(fit, film[8], terms=terms, drive=float(drive[7]), rng=1)
    assert newer["landau"].shape[1] == 4
    futures = predict_frames(newer, 2, terms=terms, drive=np.sin, n_futures=3, rng=1)
    assert futures.shape == (3, 2, 20, 20)


def test_input_that_does_not_follow_is_said(story):
    _, film, begun, _, _ = story
    with pytest.raises(InputError, match="40 x 40 pixels"):
        update_fit(begun, np.zeros((8, 8)))
    with pytest.raises(InputError, match="after the last frame"):
        update_fit(begun, film[FIRST - 1])
    with pytest.raises(InputError, match="lie after the last frame"):
        predict_frames(begun, 1, frame_times=[0.0])
    with pytest.raises(InputError, match="n_frames"):
        predict_frames(begun, 0)
    walls = Fit(begun.idata.copy(), "walls")
    walls.idata["posterior"].attrs["subject"] = "walls"
    with pytest.raises(InputError, match="track must be given"):
        predict_frames(walls, 2)


def test_a_frame_narrows_the_field_as_far_as_its_noise_allows(monkeypatch, oracle):
    # a field with known waves under white noise: wave by wave, power S becomes S s^2 / (S + s^2)
    edge, n_draws, noise = 24, 40, 0.5
    spread = Spread(np.full((edge, edge), 0.7), 1.5, "wrap")
    monkeypatch.setattr(live_update, "_field_spread", lambda state: spread)
    point = np.zeros((edge, edge))
    point[0, 0] = 1.0
    power = np.fft.fft2(spread.times(point)).real.clip(0.0)
    rng = np.random.default_rng(1)
    white = np.fft.fft2(rng.normal(size=(n_draws, edge, edge)))
    settings = {"few": ["alpha"], "margin": 0, "edges": "periodic", "pixel_size": (1.0, 1.0),
                "first_time": 0.0, "psf_width": 0.0}  # fmt: skip
    state = FieldState(
        settings, ("alpha",), np.zeros(1), np.eye(1), point * 0, np.zeros((1, edge, edge)),
        np.fft.ifft2(np.sqrt(power) * white).real, 1.0, noise,
    )  # fmt: skip
    frame = rng.normal(size=(1, edge, edge))
    camera = state.camera(frame, np.ones_like(frame), np.array([1.0]))
    after, _ = live_update._assimilated(state, camera, rng)
    left = power * noise**2 / (power + noise**2)
    error = np.sqrt(2 * (left**2).sum() / n_draws) / edge**2
    oracle("variance of the field after a frame",
           z=((after.deviations**2).mean() - left.mean()) / error)  # fmt: skip
    gain = np.fft.ifft2(power / (power + noise**2) * np.fft.fft2(frame[0])).real
    # the solver leaves this share of the innovation, and a gain is below 1
    oracle("field after a frame, over the innovation",
           error=np.linalg.norm(after.field - gain) / np.linalg.norm(frame),
           bound=live_update.CLOSE)  # fmt: skip
