# %% [markdown]
# # What a wall can tell
#
# A domain wall is a thin seam between two states that are equally good. Its picture seems to hold the physics of both: the wall is wide where gradients are cheap, it is taut, it moves when pushed. How much of that is really *in the data*?
#
# Four questions, from the still picture to the film, each with a number and with what cannot be had:
#
# 1. How wide is the wall, behind the microscope's blur?
# 2. What does a still wall say about the free energy?
# 3. What moves the wall, and can mobility and tension be told apart?
# 4. What does the whole field say that the wall alone does not?
#
# *To open it:* `make lessons` in the folder of the clone. All of it takes about a minute on an idle laptop; question 3 prints each film as it is done.
#
# *Words.* The *posterior* is how plausible each value is, given the data and a broad prior; its 90 % interval is a promise to hold the truth nine times in ten. The *point spread* is what the microscope makes of a point.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import binom

from physlearn import NotIdentified
from physlearn.datasets import WallVideoOptions, make_wall_video, track_walls
from physlearn.inference import (
    fit_drive_law,
    fit_ginzburg_landau,
    fit_wall_dynamics,
    fit_wall_profile,
    hold_out_frames,
    predict_walls,
)
from physlearn.inference.fields.synthetic_film import planted_film
from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture
from physlearn.lattice_models import LandauPotential
from physlearn.lattice_models.fields import wall_tension, wall_width
from physlearn.plots import plot_image, plot_wall_parameters, plot_walls

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer replicates, same code
N_PICTURES, N_FILMS, EDGE = (2, 2, 32) if FAST else (10, 12, 48)


def refusal(call):
    try:
        call()
    except NotIdentified as why:
        return str(why)
    return ""


# %% [markdown]
# ## 1 How wide?
#
# Ten pictures of a wall of width 2 px, seen through a Gaussian blur of 1.5 px. Once we pretend there is no blur, once we know it to 5 %, and once we know nothing of it.

# %%
rows, last = [], {}
for seed in range(N_PICTURES):
    picture = make_wall_picture(2.0, 1.5, noise_sd=0.05, rng=seed)
    blurs = {"ignored": 0.0, "known to 5 %": (1.5, 0.075), "free": "free"}
    for name, blur in blurs.items():
        fit = fit_wall_profile(picture, psf_width=blur, rng=seed)
        low, high = fit.interval("wall_width")
        last[name] = fit
        rows.append((name, fit["wall_width"].mean(), high - low, low < 2.0 < high))
widths = pd.DataFrame(rows, columns=["blur", "mean width", "interval", "holds the truth"])
widths = widths.groupby("blur").mean()
print(widths.round(2))

_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.imshow(picture, cmap="gray")
left.set(xlabel="x (px)", ylabel="y (px)")
for name in blurs:
    right.hist(
        last[name]["wall_width"],
        bins=60,
        range=(0.5, 3.5),
        density=True,
        histtype="step",
        label=name,
        lw=1.6,
    )
right.axvline(2.0, color="black", lw=0.8, ls="--")
right.set(
    xlabel="width of the wall (px); dashed: planted", ylabel="posterior density", ylim=(0, 14)
)
right.legend(title="blur")
ignored, known, free = (widths.loc[name] for name in ("ignored", "known to 5 %", "free"))
assert ignored["holds the truth"] == 0, "an ignored blur was expected to hide the truth"
assert ignored["mean width"] > 2.5, "an ignored blur was expected to pass for width"
assert known["holds the truth"] >= 0.5, "fewer than half of the intervals hold the truth"
assert free["interval"] > 3 * known["interval"], "an unknown blur was expected to cost more"

# %% [markdown]
# A blur that is ignored *passes for width*, with a narrow and confident interval: the worst kind of error. Knowing it to 5 % is enough; knowing nothing leaves a bound. So `psf_width` has no default.
#
# ## 2 What does a still wall say about the free energy?
#
# $f = \tfrac a2 P^2 + \tfrac c4 P^4 + \tfrac \kappa2 |\nabla P|^2$ gives $P = P_0 \tanh(d/w)$ with $P_0^2 = -a/c$ and $w^2 = -2\kappa/a$. Multiply all three coefficients by ten: the picture stays *exactly* the same, while the wall's energy grows tenfold.

# %%
soft = LandauPotential(a=-1.0, c=1.0, kappa_x=2.0, kappa_y=2.0)
stiff = LandauPotential(a=-10.0, c=10.0, kappa_x=20.0, kappa_y=20.0)
print("widths ", wall_width(soft), wall_width(stiff))
print("tension", round(wall_tension(soft), 3), round(wall_tension(stiff), 3))
assert np.isclose(wall_width(soft), wall_width(stiff)), "the same width was expected"
assert np.isclose(10 * wall_tension(soft), wall_tension(stiff)), "ten times was expected"

ratios = last["known to 5 %"]
print(ratios.summary()[["name", "mean", "q05", "q95"]].tail(2).round(2))
assert not {"a", "kappa", "tension"} & set(ratios.variables), "a still wall holds ratios only"

# %% [markdown]
# No cleverness gets more than two ratios out of a still wall; the fit returns these and nothing else.
#
# ## 3 What moves the wall?
#
# A film: four domains under $v_n = m E(t) - m \sigma K$, with mobility $m$, tension $\sigma$, the curvature $K$ of the wall, and a drive $E(t)$ that is one and a half periods of a sine. They are tracked to a tenth of a pixel:

# %%
scene = make_wall_video(n_frames=20, options=WallVideoOptions(noise_sd=0.2), rng=0)
track = track_walls(scene.video)
_, axes = plt.subplots(1, 4, figsize=(14, 3.6), layout="constrained")
for ax, frame in zip(axes, (0, 6, 12)):
    plot_walls(scene.video, track, frame, ax=ax)
axes[3].plot(scene.drive, "o-")
axes[3].set(xlabel="frame", ylabel="drive E")
plt.show()

# %% [markdown]
# The tempting way is to regress the measured velocities on the measured curvatures. But both come from *the same noisy contour*: a point that is off by chance makes a bump of curvature and a kick of velocity at once. The other way propagates each wall inside the likelihood of its contour points. Twelve films:

# %%
mobility, curvature = [], []
for seed in range(N_FILMS):
    scene = make_wall_video(n_frames=20, options=WallVideoOptions(noise_sd=0.2), rng=seed)
    track = track_walls(scene.video)
    law = fit_wall_dynamics(track, rng=seed)
    points = track.table.dropna(subset=["normal_velocity"])
    columns = np.column_stack([track.drive[points["frame"]], -points["curvature"]])
    regression = np.linalg.lstsq(columns, points["normal_velocity"], rcond=None)[0]
    held = [
        low < law_truth < high
        for (low, high), law_truth in zip(
            (law.interval("drive_mobility"), law.interval("curvature_mobility")),
            scene.truth.values(),
            strict=True,
        )
    ]
    mobility.append((regression[0] / 0.5, law["drive_mobility"].mean() / 0.5, held[0]))
    curvature.append((regression[1] / 0.4, law["curvature_mobility"].mean() / 0.4, held[1]))
    print(f"film {seed}: mobility x tension by regression {regression[1]:.2f}, "
          f"by the front {law['curvature_mobility'].mean():.3f}; planted 0.4")  # fmt: skip
names = ["regression / truth", "front in the likelihood / truth", "interval holds the truth"]
moved = pd.DataFrame(
    {"drive mobility": np.mean(mobility, axis=0), "mobility x tension": np.mean(curvature, axis=0)},
    index=names,
)
print(moved.round(3))
n_held = int(sum(film[2] for film in mobility + curvature))
fewest = binom.ppf(0.005, 2 * N_FILMS, 0.9)  # less: once in 200 lessons, were they honest
print(f"{n_held} of {2 * N_FILMS} intervals hold the truth; {1.8 * N_FILMS:.0f} are expected")
assert moved.loc[names[0], "mobility x tension"] < 0.85, "regression was expected to miss a lot"
assert abs(moved.loc[names[1]] - 1).max() < 0.03 * np.sqrt(12 / N_FILMS), "front: 3 % in 12 films"
assert n_held >= fewest, f"fewer than {fewest:.0f} intervals hold the truth"
plot_wall_parameters(law, truth=scene.truth)
plt.show()

# %% [markdown]
# The regression misses the curvature's part badly, and more data would not help: it is a bias. The front is right, and says how sure. Count the intervals, never judge by a single film: one 90 % interval in ten misses, and two that miss in the same film are not rare.
#
# Mobility and tension themselves are not in the film: twice the mobility and half of both the tension and the drive's pressure move every wall alike. One of them must come from elsewhere, and its uncertainty comes along:

# %%
assert not {"mobility", "tension"} & set(law.variables), "only their product is in the film"
scaled = fit_wall_dynamics(track, tension=(2.0, 0.2), rng=1)
print(scaled.summary()[["name", "mean", "q05", "q95"]].round(3))
spread = scaled["mobility"].std() / scaled["mobility"].mean()
# the 10 % of the tension that was told, and hardly more
assert 0.08 < spread < 0.13, f"about 0.1 was expected, got {spread:.2f}"

said = refusal(lambda: fit_drive_law([1.0, 2.0], [0.1, 0.3], [0.01, 0.01], law="creep"))
print(said)
assert said, "a creep exponent from two drives was expected to be refused"

# %% [markdown]
# Two drives cannot test a creep exponent: any exponent passes through two points.
#
# The best test of a law is the future. The last four frames are held out:

# %%
seen, held = hold_out_frames(track, 4)
forecast = predict_walls(fit_wall_dynamics(seen, rng=1), seen, 4, drive=held.drive, rng=1)
score = forecast.score(held)
last = score[score["frame"] == score["frame"].max()]
errors = last[["rmse", "persistence_rmse", "steady_rmse"]].mean()
print(errors.round(2), "\ncovered:", round(score["covered"].mean(), 2))
best = errors[["persistence_rmse", "steady_rmse"]].min()
assert errors["rmse"] < 0.5 * best, "the law was expected to foresee twice as well"
assert 0.8 < score["covered"].mean() < 0.97, "about 0.9 of the points were expected inside"

ax = plot_image(scene.video.isel(time=-1))
for wall in forecast.walls:
    low, _, high = forecast.quantiles(wall, 3)
    was = seen.contour(seen.n_frames - 1, wall)
    ax.plot(was["x"], was["y"], ls=":", color="#56b4e9", lw=1.5)
    for edge in (low, high):
        ax.plot(*np.vstack([edge, edge[:1]]).T, color="#d55e00", lw=1)
ax.set_title("dotted: last frame seen; lines: 90 % forecast", fontsize=9)
plt.show()

# %% [markdown]
# ## 4 What does the field say that the wall does not?
#
# Where the whole order parameter is seen, the film holds the rates at which it relaxes: $\partial_t P = -\alpha P - \beta P^3 + g \nabla^2 P + L E(t)$. A film without thermal noise fixes the products of mobility and energies, nothing else.

# %%
film = planted_film((EDGE, EDGE), 30, noise_sd=0.1, rng=3)
_, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for ax, frame in zip(axes, (0, 8, 16, 29)):
    ax.imshow(film.video[frame], cmap="RdBu_r", vmin=-1.4, vmax=1.4)
    ax.set(title=f"frame {frame}", xticks=[], yticks=[])
fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)
table = fit.summary()[["name", "mean", "q05", "q95"]].assign(truth=film.theta)
print(table.round(4))
assert "mobility" not in fit.variables, "the products only are in the film"
off = (table["mean"] - table["truth"]) / ((table["q95"] - table["q05"]) / 3.29)
assert off.abs().max() < 3.5, "a term lies more than 3.5 sd from the planted one"
print(refusal(lambda: fit_ginzburg_landau(film.video, drive=film.drive, temperature=0.1, rng=1)))

# %%
known = fit_ginzburg_landau(
    film.video, drive=film.drive, drift=False, energy_scale={"alpha": (-0.8, 0.04)}, rng=1
)
low, high = known.interval("mobility")
print(f"mobility {low:.3f} to {high:.3f}")
# alpha = mobility x a = -0.4, and a = -0.8 was told
assert low < 0.5 < high, "0.5 was expected in the interval"

# %% [markdown]
# One coefficient measured elsewhere, and all others follow in its unit.
#
# **For the class.** (a) In question 1, how well must the blur be known for the width to be limited by noise and no longer by the blur? (b) In question 3 double the noise: what happens to the regression, what to the intervals of the front? (c) Drive the walls with a constant, `make_wall_video(n_frames=20, drive=np.full(20, 0.2), options=WallVideoOptions(noise_sd=0.2), rng=0)`: what does `fit_wall_dynamics` still tell, and what happens if only one domain is seen, `WallVideoOptions(noise_sd=0.2, radii_pixel=(13.0,))`? (d) Give `planted_film` the argument `thermal=0.05` and read `fit.warnings`; then 0.02, which is a fifth of the camera's noise: is anything said?
#
# <details><summary>Hints</summary>
#
# (a) Compare with `psf_width=1.5`. (b) Noise biases what is regressed and only widens what is in the likelihood. (c) A drive and a curvature that never change look alike on one circle; domains of different size have different curvature. (d) The guard sees thermal motion that is half the camera's noise; what is below its sight also hardly moves the intervals, but it does move them: count.
#
# </details>
