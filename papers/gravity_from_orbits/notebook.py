# %% [markdown]
# # Gravity from orbits
#
# Kepler had positions of planets on a list of nights: uneven times, nights without a clear sky, an error on every number. What law of force do such positions hold, and what do they not? We play nature, forget what we chose, and let the tracks speak.
#
# 1. The tempting way: accelerations from differences.
# 2. The law from the tracks, and its exponent.
# 3. How heavy are the planets?
# 4. What the tracks cannot tell.
#
# *To open it:* `make lessons` in the folder of the clone. All of it takes less than half a minute.
#
# *Words.* The *force* here is the acceleration by a source of strength 1, positive where it pushes apart. The *strength* of a body is its mass as a source, as a share of the sum. The *weight* of a law is its probability among the laws tried, given the tracks.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

from physlearn import Trajectory
from physlearn.inference import PairLawOptions, discover_pair_law

# %%
TRUE = np.array([1.0, 2e-3, 2e-4, 1e-3])  # a star and three planets
NOISE = 0.01  # 1 % of the innermost orbit


def follow(x, v, strengths, times):
    shape = (2, *x.shape)

    def rates(_, flat):
        place, speed = flat.reshape(shape)
        line = place[:, None] - place[None]
        r = np.sqrt((line**2).sum(axis=2)) + np.eye(len(x))
        pull = -strengths[None] / r**3 * (1 - np.eye(len(x)))
        return np.stack([speed, (pull[:, :, None] * line).sum(axis=1)]).ravel()

    start = np.stack([x, v]).ravel()
    path = solve_ivp(rates, (0, times[-1]), start, "DOP853", times, rtol=1e-9, atol=1e-10)
    return path.y.T.reshape(-1, *shape)[:, 0]


def planets(radius, angle, speed):
    x, v = np.zeros((len(radius) + 1, 2)), np.zeros((len(radius) + 1, 2))
    x[1:] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    v[1:] = (speed / np.sqrt(radius))[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    return x, v


def as_film(places, times, rng, clouds=0.1):
    seen = rng.uniform(size=places.shape[:2]) > clouds
    frame, body = np.nonzero(seen)
    noisy = places + NOISE * rng.standard_normal(places.shape)
    return Trajectory(frame, body, noisy[frame, body], times, unit="reduced", time_unit="reduced")


rng = np.random.default_rng(4)
nights = np.sort(rng.uniform(0, 24, 100))
x, v = planets(np.array([1.0, 1.8, 3.0]), np.array([0.3, 2.1, 4.5]), np.array([1.03, 0.95, 1.0]))
film = as_film(follow(x, v, TRUE, nights), nights, rng)
print(film)

_, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
ax.scatter(*film.positions.T, c=film.particle, s=6, cmap="tab10", vmax=9)
ax.set(aspect="equal", xlabel="x", ylabel="y", title="a star and three planets, 100 nights")
plt.show()

# %% [markdown]
# ## 1 The tempting way
#
# Acceleration is the second derivative of the position. Take three neighbouring nights, difference twice, and plot the pull toward the star over the distance:

# %%
distance, pull = [], []
star = {f: p for f, b, p in zip(film.frame, film.particle, film.positions, strict=True) if b == 0}
for body in (1, 2, 3):
    track = [
        (nights[f], p - star[f])
        for f, b, p in zip(film.frame, film.particle, film.positions, strict=True)
        if b == body and f in star
    ]
    for (t0, a), (t1, b), (t2, c) in zip(track, track[1:], track[2:], strict=False):
        second = 2 * ((c - b) / (t2 - t1) - (b - a) / (t1 - t0)) / (t2 - t0)
        r = np.linalg.norm(b)
        distance.append(r)
        pull.append(second @ b / r)
distance, pull = np.array(distance), np.array(pull)

grid = np.linspace(0.9, 3.2, 100)
_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.plot(distance, pull, ".", ms=4, color="0.6", label="differences")
ax.plot(grid, -1 / grid**2, color="k", label="truth")
ax.set(xlabel="distance r", ylabel="acceleration away from the star", ylim=(-6, 6))
ax.legend()
plt.show()
scatter = np.median(np.abs(pull + 1 / distance**2))
print(f"typical error {scatter:.2f}, typical acceleration {np.median(1 / distance**2):.2f}")
assert scatter > np.median(1 / distance**2)

# %% [markdown]
# An error of 0.01 in a position becomes one of $0.01/\Delta t^2$ in an acceleration, and two nights that follow closely are the worst. Smoothing helps, and bends the orbits: where a student stops to smooth decides which law she finds.
#
# ## 2 The law from the tracks
#
# The other way round: *assume* a law, let the bodies move by it, and compare with the positions as they were measured. `discover_pair_law` does so for some twenty laws of the books and for what a search among short expressions proposes. Starting places and speeds, the strengths of all bodies and the constants of the law are fitted together; a missing night is no special case.

# %%
laws = discover_pair_law(film, options=PairLawOptions(search=False))
print(laws.table[["equation", "complexity", "weight"]].head(5).to_string(index=False))
print()
print(laws.verdict)

# %%
power = laws.law(laws.index_of([("r", "c", "pow")]))
exponent, error = power.constants[1], np.sqrt(power.covariance[1, 1])
print(f"exponent as a free constant: {exponent:.4f} +- {error:.4f}")
assert laws.best.structure == {("r", "square", "inv")}
assert abs(exponent + 2) < 4 * error < 0.04

rival = laws.law(laws.index_of([("r", "inv")])) if laws.index_of([("r", "inv")]) else None
_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.plot(distance, pull, ".", ms=3, color="0.8")
band = laws.predict_interval(grid[:, None], rng=1)
ax.fill_between(grid, *band.T, color="#0072b2", alpha=0.4, label="found, 90 %")
ax.plot(grid, -1 / grid**2, "k--", lw=1, label="truth")
if rival is not None:
    ax.plot(grid, rival.predict({"r": grid}), color="#d55e00", label="best 1/r")
ax.set(xlabel="distance r", ylabel="force", ylim=(-1.6, 0.4))
ax.legend()
plt.show()
print("width of the band at r = 2:", np.ptp(laws.predict_interval([[2.0]], rng=1)).round(5))

# %% [markdown]
# The same positions that showed nothing in part 1 hold the exponent to a few parts in a thousand. Why so sharp? A wrong exponent makes a planet *late*, a little more with every turn. After four turns a period that is wrong by 1 % is off by a quarter of a radian, twenty-five times the error of a position. Orbits are clocks.
#
# ## 3 How heavy are the planets?

# %%
said = next(text for text in laws.warnings if text.startswith("strengths"))
print(said)
print("true shares:", (TRUE / TRUE.sum()).round(5).tolist())

# %% [markdown]
# The planets pull on each other and on the star, a thousandth of the star's pull or less; over some turns that moves them by more than the noise. A strength that is smaller than its error has not been seen: the tracks give an upper bound only. Whose pull is seen depends on who passes whom, not on who is heaviest.
#
# Note what is *not* in the list: the strength of the star in kilograms. Positions and times hold lengths and times only; a mass needs Newton's constant from a balance in a laboratory.
#
# ## 4 What the tracks cannot tell
#
# One light planet on a round orbit. It is always at the same distance:

# %%
x, v = planets(np.array([1.0]), np.array([0.0]), np.array([1.0]))
one = as_film(follow(x, v, np.array([1.0, 0.0]), nights), nights, np.random.default_rng(5))
single = discover_pair_law(one, masses=[1.0, 0.0], options=PairLawOptions(search=False))
print(single.table[["equation", "weight"]].head(6).to_string(index=False))
print()
print(single.verdict)
assert not single.fixes_law

# %% [markdown]
# Every law with the right value at $r = 1$ makes the same circle. The list says so, and where to look: at another distance. That is why Newton compared the Moon with an apple.
#
# Nor can tracks of what is seen rule out what is not: a companion too faint to be tracked would bend these orbits, and a fit to the bodies that are seen would complain (a warning that the force free at eight distances does better, or that the motion had to be cut into pieces) without naming it. Neptune was found from such a complaint.
#
# ## For the class
#
# (a) How long is the year of a planet at $r = 5$? Take the law that was found, not the truth. Fill in `year` and run the check.
#
# <details><summary>Solution</summary>
#
# On a circle $v^2/r = |f(r)|$, so the year is $2\pi\sqrt{r/|f(r)|}$: `year = 2 * np.pi * np.sqrt(5 / abs(laws.predict([[5.0]])[0]))`. For $1/r^2$ this is Kepler's third law, $2\pi\,r^{3/2}$.
#
# </details>

# %%
year = None  # yours


def check(year):
    if year is None:
        return "fill in year"
    wanted = 2 * np.pi * 5**1.5 / np.sqrt(TRUE.sum())
    return "right" if abs(year - wanted) < 0.01 * wanted else "not yet: what holds on a circle?"


print(check(year))
assert check(2 * np.pi * np.sqrt(5 / abs(laws.predict([[5.0]])[0]))) == "right"
print("5 lies beyond the distances seen:", laws.extrapolates([[5.0]])[0])

# %% [markdown]
# (b) Leave out every second night, then three of four. How do the error of the exponent and the time span enter? Compare with half of the *time* at the same number of nights.
#
# <details><summary>Solution</summary>
#
# Half of the nights over the same time: the error grows by $\sqrt 2$ only. Half of the time: it at least doubles, for a wrong period is off by the number of turns.
#
# </details>
