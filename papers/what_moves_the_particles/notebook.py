# %% [markdown]
# # What moves the particles
#
# A film of particles is in hand: their places, frame after frame. What pulls them, how fast would they spread alone, how high is the barrier they hop over, and was it the beam that moved them? Each question has a tempting answer that is wrong, and it is wrong with a small error bar.
#
# 1. The force from displacements: the tempting way, and its bias.
# 2. Diffusion and the error of each position.
# 3. A picture that averages over time.
# 4. Barriers need temperatures, beams need dose rates.
#
# *To open it:* `make lessons` in the folder of the clone. All of it takes about a minute on an idle laptop.
#
# *Words.* *Overdamped* motion: friction takes all inertia away, $\mathrm dx = D\,F\,\mathrm dt + \sqrt{2D}\,\mathrm dW$, with the force $F$ in units of $kT$ per length. The *posterior* is how plausible each value is, given the data and a broad prior; its 90 % interval is a promise to hold the truth nine times in ten.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from physlearn import AtomicConfiguration, NotIdentified, Trajectory
from physlearn.inference import (
    fit_beam_rates,
    fit_hop_rates,
    fit_langevin,
    fit_pair_potential,
    measure_diffusion,
    potential_curve,
)
from physlearn.lattice_models import (
    LennardJones,
    particle_forces,
    sample_positions,
    simulate_langevin,
)
from physlearn.plots import plot_diffusion, plot_pair_potential


def refusal(call):
    try:
        call()
    except NotIdentified as why:
        return str(why)
    return ""


# %% [markdown]
# ## 1 The force from displacements
#
# A liquid of 144 Lennard-Jones particles in two dimensions, well depth 1.25 kT, $D = 1$. Between two frames a particle moves by $D F\,\Delta t$ on average, so: regress the displacements on the force. We are generous and give the regression the *true* force at each frame; it has to find only the factor in front, $D = 1$. All films last as long; only the frame interval differs.

# %%
side, spacing = 12, np.sqrt(2 / np.sqrt(3) / 0.7)  # density 0.7
row, column = np.divmod(np.arange(side**2), side)
grid = spacing * np.column_stack([column + 0.5 * (row % 2), 0.5 * np.sqrt(3) * row])
box = np.diag([side * spacing, 0.5 * np.sqrt(3) * side * spacing])
law = LennardJones(1.25, 1.0, cutoff=2.5)
start = sample_positions(law, AtomicConfiguration(grid, unit="reduced", cell=box), 2, 3000, rng=1)[
    -1
]


def film_of(interval, n_frames=40, rng=2):
    n_steps = round(interval / 1e-5)
    return simulate_langevin(law, start, n_frames, n_steps, time_step=1e-5, rng=rng)


def regression(film):
    """The factor in front of the true force: D, if displacements were D F dt."""
    frames = film.positions.reshape(film.n_frames, -1, 2)
    forces = np.stack(
        [
            particle_forces(law, AtomicConfiguration(x % np.diag(box), unit="reduced", cell=box))
            for x in frames[:-1]
        ]
    )
    moved = np.diff(frames, axis=0)
    return (forces * moved).sum() / (forces**2).sum() / (film.times[1] - film.times[0])


intervals = [5e-5, 2e-4, 5e-4, 1e-3, 2e-3]
slopes = [regression(film_of(interval, n_frames=round(0.1 / interval))) for interval in intervals]
print(pd.DataFrame({"frame interval": intervals, "force / true force": np.round(slopes, 2)}))
assert slopes[0] > 0.9, "a short interval was expected to be nearly unbiased"
assert slopes[-1] < 0.7, "a long interval was expected to lose a third of the force"

# %% [markdown]
# At a frame interval of 0.002 nearly half of the force is gone, and more frames would only make the wrong number more certain. Within one interval a particle that is pushed away leaves the steep wall of its neighbour: the force that acted at the first instant did not act all the time.
#
# `fit_langevin` simulates what happens *between* the frames, from the observed places, and asks for which potential the motion that it sees is what is expected. It must find depth, diameter and $D$ by itself:

# %%
film = film_of(2e-3)
fit = fit_langevin(film, "lennard_jones", localization_sd=0.0, cutoff=2.5, rng=1)
print(fit.summary()[["name", "mean", "q05", "q95"]].round(3))
truth = {"depth": 1.25, "diameter": 1.0, "diffusion": 1.0}
off = [abs(fit[name].mean() - value) / fit[name].std() for name, value in truth.items()]
assert max(off) < 3.5, "a parameter lies more than 3.5 sd from the planted one"

_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.semilogx(intervals, slopes, "o-", color="#d55e00", label="regression, true force given")
left.axhline(1.0, color="0.6", ls="--")
left.plot(2e-3, fit["diffusion"].mean(), "D", color="#0072b2", label="D by fit_langevin")
left.set(xlabel="frame interval", ylabel="found / true", ylim=(0, 1.2))
left.legend()
r = np.linspace(0.95, 2.4, 120)
known = pd.DataFrame({"distance": r, "mean": law.value(r)})
plot_pair_potential(potential_curve(fit, r), truth=known, ax=right)
plt.show()

# %% [markdown]
# ## 2 Diffusion and the error of each position
#
# Now particles without forces, $D = 1$, each position off by chance with a standard deviation of 0.05. The textbook formula is $\langle \Delta x^2\rangle / 2\Delta t$:

# %%
rng = np.random.default_rng(3)
n_frames, n_particles, interval = 60, 80, 1e-3
steps = rng.normal(0, np.sqrt(2 * interval), (n_frames, n_particles, 2))
seen = np.cumsum(steps, axis=0) + 0.05 * rng.normal(size=steps.shape) + 10 * rng.random((80, 2))
walk = Trajectory(
    np.repeat(np.arange(n_frames), n_particles),
    np.tile(np.arange(n_particles), n_frames),
    seen.reshape(-1, 2),
    interval * np.arange(n_frames),
    unit="um",
)
textbook = (np.diff(seen, axis=0) ** 2).mean() / 2 / interval
found = measure_diffusion(walk, rng=1)
print(f"textbook {textbook:.2f}, true 1")
print(found)
plot_diffusion(found)
assert textbook > 3, "noise was expected to pass for diffusion"
assert found.low < 1.1 and found.high > 0.9, "the interval was expected near 1"

# %% [markdown]
# An error of a position is not motion, but it passes for it. It has a signature: a position that is off to the left makes one step to the left and *the next one* to the right. The likelihood of the whole sequence of steps knows that, and tells $D$ and the error apart.
#
# ## 3 A picture that averages over time
#
# In a solid an atom vibrates $10^{13}$ times a second; an electron image takes a microsecond a pixel. The scatter of fitted positions is static disorder and fit error, *never* thermal motion. Whoever reads a force constant $kT/\langle u^2 \rangle$ from it gets a number, and it means nothing. So the function does not guess:

# %%
rng = np.random.default_rng(4)
crystal = np.stack(np.meshgrid(*[2.8 * np.arange(16)] * 2), -1).reshape(-1, 2)
image = AtomicConfiguration(crystal + rng.normal(0, 0.05, crystal.shape), unit="angstrom")
try:
    fit_pair_potential(image)
except ValueError as why:
    print(why, "\n")
told = fit_pair_potential(image, sampling="time_averaged_image", position_sd=0.05, rng=1)
print(told.summary()[["name", "mean", "q05", "q95", "unit"]].round(3).to_string(index=False))
assert "depth" not in told.variables, "no potential was expected from an average"

# %% [markdown]
# ## 4 Barriers need temperatures, beams need dose rates
#
# Hops counted at two temperatures draw a straight line through two points in Arrhenius' plot, whatever the truth. The fit wants three, or a prior of the attempt frequency:

# %%
barrier, attempts = 0.8, 1e13
kelvin = np.array([290.0, 310.0, 330.0])
exposure = 400.0  # atoms x seconds watched
expected = exposure * attempts * np.exp(-barrier / 8.617333e-5 / kelvin)
counted = pd.DataFrame(
    {
        "hops": np.random.default_rng(5).poisson(expected),
        "exposure": exposure,
        "temperature_kelvin": kelvin,
    }
)
print(counted)
said = refusal(lambda: fit_hop_rates(counted[:2], barrier=True, rng=1))
print(said)
assert said, "a barrier from two temperatures was expected to be refused"
hops = fit_hop_rates(counted, barrier=True, rng=1)
low, high = hops.interval("barrier_ev").ravel()
print(f"barrier {low:.3f} to {high:.3f} eV; planted {barrier}")
assert abs(hops["barrier_ev"].mean() - barrier) < 3.5 * hops["barrier_ev"].std()

# %% [markdown]
# And is it heat or the beam? At *one* dose rate only their sum can be known, however long one watches. With the beam off for a while, or at a second dose rate, they come apart:

# %%
thermal, cross_section = 2e-4, 8e-6  # 1/s, square angstrom
rng = np.random.default_rng(6)


def watch(dose_rate):
    rate = thermal + cross_section * np.asarray(dose_rate)
    return rng.poisson(2000 * 100.0 * rate)


one = fit_beam_rates(watch([100.0]), n_sites=2000, duration_s=100.0, dose_rate=[100.0],
                     once=False, rng=1)  # fmt: skip
rates = [0.0, 50.0, 100.0]
three = fit_beam_rates(watch(rates), n_sites=2000, duration_s=100.0, dose_rate=rates,
                       once=False, rng=1)  # fmt: skip
print("one dose rate:   ", ", ".join(one.variables))
print("three dose rates:", ", ".join(three.variables))
print(three.summary()[["name", "mean", "q05", "q95", "unit"]].to_string(index=False))
assert "cross_section" not in one.variables, "one dose rate holds the sum only"
assert abs(three["cross_section"].mean() - cross_section) < 3.5 * three["cross_section"].std()

# %% [markdown]
# **For the class.** (a) In question 1, halve the well depth: does the regression get better or worse, and why? (b) In question 2 give `measure_diffusion` the error that was planted, `localization_sd=0.05`: how much narrower is the interval, and what happens if you state 0.04? (c) In question 4, how many hops are needed to know the barrier to 0.01 eV, at the same three temperatures? And at 290, 310 and 400 K?
#
# <details><summary>Hints</summary>
#
# (a) What matters is how much the force changes along the path of one interval, $D\,\Delta t\,F'$, not how strong it is. (b) A known error is worth half of the data; a wrong one is worth nothing. (c) The lever arm is $1/T$: count what the range of temperatures buys.
#
# </details>
