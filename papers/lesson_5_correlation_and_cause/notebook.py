# %% [markdown]
# # Lesson 5: When is a correlation a cause?
#
# In a map of a ferroelectric film the places with much strain are the places with little polarization. Does strain suppress polarization? Does polarization make strain? Or do vacancies, which nobody imaged, do both? All three draw *the same scatter plot*. Still, one wants to know what happens if one *changes* the strain, and that is a question about another experiment than the one that was done.
#
# We write the difference between **seeing** and **doing** in numpy, find out when seeing is enough, and meet the second trap of every image: neighbouring patches are alike, so that a thousand of them may be worth ten.
#
# *You need:* numpy, straight-line fits, Lesson 4. *Time:* about 45 minutes. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from scipy import stats
from scipy.ndimage import gaussian_filter

from physlearn.causal import (
    Action,
    DigitalTwin,
    Instrument,
    StructuralSample,
    discover_graph,
    estimate_effect,
    spatial_independence,
)
from physlearn.records import PatchTable

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer repetitions, same code
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"

# %% [markdown]
# ## 1. Seeing and doing
#
# A *world* is a list of mechanisms, carried out in order. Here are three. In each, $x$ and $y$ have mean 0, variance 1 and correlation 0.8.
#
# | world | first | then |
# |---|---|---|
# | x makes y | $x = n_1$ | $y = 0.8\,x + 0.6\,n_2$ |
# | y makes x | $y = n_1$ | $x = 0.8\,y + 0.6\,n_2$ |
# | u makes both | $u = n_0$ | $x = \sqrt{.8}\,u + \sqrt{.2}\,n_1$, $\;y = \sqrt{.8}\,u + \sqrt{.2}\,n_2$ |
#
# **Seeing** runs the list. **Doing**, written $do(x = 2)$, runs the list with the line of $x$ *struck out* and replaced by $x = 2$: an experimenter's hand doesn't ask what used to set $x$. That is the whole definition (Pearl), and it fits into one `if`.


# %%
def run_world(name, n, rng, do_x=None):
    noise0, noise1, noise2 = rng.normal(size=(3, n))
    hand = None if do_x is None else np.full(n, float(do_x))
    if name == "x makes y":
        x = noise1 if hand is None else hand
        y = 0.8 * x + 0.6 * noise2
    elif name == "y makes x":
        y = noise1
        x = 0.8 * y + 0.6 * noise2 if hand is None else hand
    else:
        x = np.sqrt(0.8) * noise0 + np.sqrt(0.2) * noise1 if hand is None else hand
        y = np.sqrt(0.8) * noise0 + np.sqrt(0.2) * noise2
    return x, y


WORLDS = ("x makes y", "y makes x", "u makes both")
rng = np.random.default_rng(1)
_, axes = plt.subplots(2, 3, figsize=(11, 5.6), sharey=True, layout="constrained")
for name, (top, bottom) in zip(WORLDS, axes.T):
    x, y = run_world(name, 2000, rng)
    near = y[np.abs(x - 2) < 0.2].mean()
    top.plot(x, y, ".", color=GREY, ms=2)
    top.set(title=name, xlabel="x (seen)", xlim=(-4, 4))
    x_set, y_after = run_world(name, 2000, rng, do_x=2.0)
    bottom.plot(x_set + 0.1 * rng.normal(size=2000), y_after, ".", color=ORANGE, ms=2)
    bottom.plot(2, y_after.mean(), "k_", ms=40, mew=2)
    bottom.set(xlabel="x (set to 2; spread out to be seen)", xlim=(-4, 4))
    error = y_after.std() / np.sqrt(2000)
    print(f"{name:>13}: correlation {np.corrcoef(x, y)[0, 1]:.2f}; mean y where x is seen near 2: "
          f"{near:+.2f}; after do(x = 2): {y_after.mean():+.2f} +- {error:.2f}")  # fmt: skip
    planted = 1.6 if name == "x makes y" else 0.0
    assert abs(y_after.mean() - planted) < 4 * error
    assert abs(np.corrcoef(x, y)[0, 1] - 0.8) < 4 * 0.36 / np.sqrt(2000)
axes[0, 0].set_ylabel("y, seeing")
axes[1, 0].set_ylabel("y, doing")
plt.show()

# %% [markdown]
# The upper row is the same three times, and not only by eye: three Gaussians with the same covariance have *the same likelihood for every data set*. It is the ridge of Lesson 4. No statistic, no network and no amount of such data tells the rows apart. The lower row tells at once.
#
# So what does one do without an experiment? One brings *knowledge* about the mechanisms, or measures $u$.
#
# ## 2. When seeing is enough
#
# Now $u$ is measured as well, and $x$ has a true effect of 0.5:
#
# $$x = u + n_1, \qquad y = 0.5\,x + u + n_2.$$
#
# The plain slope of $y$ over $x$ mixes both ways from $x$ to $y$: the direct one, and the detour over $u$ (the *back door*). Among samples with **the same** $u$ the detour is closed. Either cut $u$ into slices and fit in each, or do all slices at once: fit $y$ on $x$ *and* $u$.


# %%
def slope_of_first(y, *columns):
    # least squares with a constant; the coefficient of the first column
    design = np.column_stack([*columns, np.ones_like(y)])
    return np.linalg.lstsq(design, y)[0][0]


def confounded(n, rng, do_x=None):
    u = rng.normal(size=n)
    x = u + rng.normal(size=n) if do_x is None else np.full(n, float(do_x))
    return u, x, 0.5 * x + u + rng.normal(size=n)


u, x, y = confounded(4000, rng)
done = np.mean(confounded(4000, rng, 1.0)[2]) - np.mean(confounded(4000, rng, 0.0)[2])
slices = np.array_split(np.argsort(u), 12)
by_slice = np.mean([slope_of_first(y[part], x[part]) for part in slices])
print(f"plain slope              {slope_of_first(y, x):.2f}")
print(f"mean slope of 12 slices  {by_slice:.2f}")
print(f"y on x and u             {slope_of_first(y, x, u):.2f}")
print(f"do(x = 1) less do(x = 0) {done:.2f}")
assert abs(slope_of_first(y, x) - 1.0) < 0.06
# the error of the adjusted slope is 1 / sqrt(4000)
assert abs(slope_of_first(y, x, u) - 0.5) < 4 / np.sqrt(4000)
assert abs(done - 0.5) < 4 * np.sqrt(2 * 2 / 4000)

_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(x, y, ".", color="0.85", ms=2)
ends = np.array([-4.0, 4.0])
ax.plot(ends, slope_of_first(y, x) * ends, color=ORANGE, lw=2, label="all: slope 1")
for part in slices[1:-1:3]:
    middle = np.array([x[part].min(), x[part].max()])
    line = np.polyfit(x[part], y[part], 1)
    ax.plot(x[part], y[part], ".", ms=2)
    ax.plot(middle, np.polyval(line, middle), color=BLUE, lw=2)
ax.plot([], [], color=BLUE, lw=2, label="at equal u: slope 0.5")
ax.set(xlabel="x", ylabel="y")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# So hold fixed all that you have measured? **No.** Let $x$ and $y$ have nothing to do with each other, and let both make a third column, $c = x + y + n$ (a *collider*: the brightness of an image to which two things contribute, or "the sample was good enough to be published"). And let $m$ lie *between* cause and effect, $x \to m \to y$.

# %%
N = 4000
x, y, noise, other = rng.normal(size=(4, N))
collider = x + y + 0.5 * noise
print("x and y unrelated, c made by both:")
print(
    f"  slope of y over x {slope_of_first(y, x):+.2f}; c held fixed {slope_of_first(y, x, collider):+.2f}"
)
assert abs(slope_of_first(y, x)) < 4 / np.sqrt(N)
assert slope_of_first(y, x, collider) < -0.7

between = x + 0.5 * noise
effect = between + other
print("x makes m, m makes y; a change of x by 1 changes y by 1:")
print(f"  slope of y over x {slope_of_first(effect, x):+.2f}; m held fixed "
      f"{slope_of_first(effect, x, between):+.2f}")  # fmt: skip
assert abs(slope_of_first(effect, x) - 1) < 4 * 1.12 / np.sqrt(N)
assert abs(slope_of_first(effect, x, between)) < 4 * 2 / np.sqrt(N)

good = collider > 1.5
_, ax = plt.subplots(figsize=(4.6, 4), layout="constrained")
ax.plot(x[~good], y[~good], ".", color="0.85", ms=2, label="not published")
ax.plot(x[good], y[good], ".", color=ORANGE, ms=3, label="c above 1.5")
ax.set(xlabel="x", ylabel="y", aspect="equal")
ax.legend(frameon=False, loc="lower left")
plt.show()
print(f"correlation among the selected: {np.corrcoef(x[good], y[good])[0, 1]:.2f}")

# %% [markdown]
# Holding $c$ fixed *makes* a relation, holding $m$ fixed *removes* a true one. Which columns to hold fixed is not in the numbers; it is in the arrows. A **graph** of arrows is how one writes such knowledge down, and from it a program can tell which sets of columns close every back door.
#
# ## 3. Neighbours are alike
#
# So far each sample was drawn by itself. Patches of an image are not. Two fields that share *nothing*, smooth over $\ell$ patches:

# %%
SIDE, RIM = 40, 14


def field(length, rng):
    # its correlation over a distance d is exp(-d^2 / 2 length^2)
    white = rng.normal(size=(SIDE + 2 * RIM, SIDE + 2 * RIM))
    smooth = gaussian_filter(white, length / np.sqrt(2), mode="wrap") if length else white
    return (smooth / smooth.std())[RIM:-RIM, RIM:-RIM]


N_PAIRS = 150 if FAST else 400
LENGTHS = (0, 1, 2, 4)
rows = []
rng = np.random.default_rng(7)
for length in LENGTHS:
    pairs = [(field(length, rng).ravel(), field(length, rng).ravel()) for _ in range(N_PAIRS)]
    r = np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])
    usual = np.mean([stats.pearsonr(a, b).pvalue < 0.05 for a, b in pairs])
    rows.append({"length": length, "scatter of r": r.std(), "1 / sqrt(n)": 1 / SIDE,
                 "called related": usual})  # fmt: skip
    if length in (0, 4):
        first = pairs[int(np.argsort(np.abs(r))[-N_PAIRS // 10])]
        _, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
        for ax, values in zip(axes, first):
            ax.imshow(values.reshape(SIDE, SIDE), cmap="cividis")
            ax.set(xticks=[], yticks=[], xlabel=f"length {length}")
        axes[2].plot(*first, ".", color=GREY, ms=2)
        axes[2].set(xlabel="one", ylabel="other", title=f"r = {np.corrcoef(*first)[0, 1]:.2f}")
        plt.show()
print(pd.DataFrame(rows).round(3).to_string(index=False))

# %% [markdown]
# The mean correlation is zero, as it should be. But its *scatter* grows, and a test that takes the scatter from the number of patches calls unrelated things related, half of the time and more. Why? The sum $\sum_i a_i b_i$ has the variance $\sum_{ij} \rho_a(i,j)\,\rho_b(i,j)$: products at neighbouring patches are nearly the same product. It is the $\tau$ of Lesson 3, in two dimensions. So
#
# $$\frac{1}{n_\mathrm{eff}} = \mathrm{var}(r) \approx \frac{1}{n^2}\sum_{ij}\rho_a(i-j)\,\rho_b(i-j), \qquad \text{here}\quad n_\mathrm{eff} \approx \frac{n}{\pi \ell^2}$$
#
# (the sum of $e^{-d^2/\ell^2}$ over the plane is $\pi\ell^2$). By hand, and by the library, which measures $\rho$ from the data:


# %%
def patches(columns, tiers=None):
    y, x = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    no_errors = np.zeros((1, len(columns), len(columns)))
    return PatchTable.from_frame(
        pd.DataFrame(columns), np.stack([x, y], 1), 1.0, tiers=tiers or {},
        measurement_covariance=no_errors,
    )  # fmt: skip


def n_effective(length):
    # of two fields with the correlation exp(-d^2 / 2 length^2) on a SIDE x SIDE grid
    if length == 0:
        return float(SIDE**2)
    step = np.arange(-SIDE + 1, SIDE)
    weight = (SIDE - np.abs(step)) * np.exp(-(step**2) / length**2)  # pairs at that distance
    return SIDE**4 / weight.sum() ** 2


rows = []
for length in LENGTHS:
    r, verdicts, measured = [], [], []
    for seed in range(N_PAIRS):
        rng = np.random.default_rng((length, seed))
        a, b = field(length, rng).ravel(), field(length, rng).ravel()
        r.append(np.corrcoef(a, b)[0, 1])
        if seed < 30:
            answer = spatial_independence(patches({"a": a, "b": b}), "a", "b", test="linear")
            verdicts.append(answer.verdict == "dependent")
            measured.append(answer.n_effective)
    worth = n_effective(length)
    related = np.mean(np.abs(r) * np.sqrt(worth) > 1.96)
    rows.append({"length": length, "n_eff by hand": worth, "n / pi l^2": SIDE**2 / max(1, np.pi * length**2),
                 "1 / var(r)": 1 / np.mean(np.square(r)), "library": np.median(measured),
                 "called related": related, "by the library": np.mean(verdicts)})  # fmt: skip
    # a variance from N_PAIRS numbers is known to sqrt(2 / N_PAIRS)
    assert abs(np.mean(np.square(r)) * worth - 1) < 4 * np.sqrt(2 / N_PAIRS) + 0.05
    assert related < 0.05 + 4 * np.sqrt(0.0475 / N_PAIRS) + 0.02
counts = pd.DataFrame(rows)
print(counts.round(2).to_string(index=False))
# 120 tests at 5 %: more than 16 in less than 1 lesson in 1,000
assert counts["by the library"].sum() * 30 <= 16

# %% [markdown]
# At $\ell = 4$ the 1,600 patches are worth some thirty. Cutting them finer gives more patches and not one more sample; a larger field of view does. With $n_\mathrm{eff}$ the false alarms are back at one in twenty.
#
# ## 4. The library's lines, and an act
#
# All of it together: a smooth background makes driver and response, the driver has a true effect of 0.8. Three analysts look at the same picture.


# %%
def picture_of(seed):
    rng = np.random.default_rng(seed)
    background, own_x, own_y = field(3, rng), field(0, rng), field(0, rng)
    driver = 1.5 * background + own_x
    response = 0.8 * driver + 1.5 * background + own_y
    return {
        "background": background.ravel(),
        "driver": driver.ravel(),
        "response": response.ravel(),
    }


columns = picture_of(11)
table = patches(columns)
plain = slope_of_first(columns["response"], columns["driver"])
print(f"1. plain slope: {plain:.2f}")

arrows = nx.DiGraph([("background", "driver"), ("background", "response"), ("driver", "response")])
effect = estimate_effect(table, arrows, "driver", "response", contrast=(0, 1), rng=0)
by_hand = slope_of_first(columns["response"], columns["driver"], columns["background"])
low, high = effect.interval()
print(f"2. background measured, arrows known: {effect.mean:.2f}, 90 % {low:.2f} to {high:.2f} "
      f"(by hand {by_hand:.2f})")  # fmt: skip
assert abs(effect.mean - 0.8) < 4 * effect.sd and abs(effect.mean - by_hand) < 0.1

hidden = patches({name: columns[name] for name in ("driver", "response")})
graph = discover_graph(hidden, method="fci", n_resamples=0, rng=0)
refused = estimate_effect(hidden, graph, "driver", "response", contrast=(0, 1), rng=0)
print(f"3. background not measured: identified: {refused.identified}\n   {refused.reason}")
assert plain > 1.2 and not refused.identified

# %% [markdown]
# The second analyst measured the right column and knew the arrows. The third is told the truth: *these data cannot tell*. The third's way out is an act. On a digital twin of such a sample we set the driver by hand in thirty places and read how far the response moves (`expose_site` strikes out the driver's own mechanism there: it *is* the $do$ of part 1).

# %%
sample = StructuralSample(effect=0.8, background_to_driver=1.5, background_to_response=1.5)
NOISE = 0.3
twin = DigitalTwin(sample, Instrument(readout_noise_sd=NOISE), rng=5)
whole = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view))
twin.do(Action("image", whole, dose=5.0, duration_s=60.0, cost=1.0))
before = twin.tables[-1].frame
seen = np.polyfit(before["driver"], before["response"], 1)[0]

rng = np.random.default_rng(6)
changes, moved = [], []
for place in rng.permutation(24 * 24)[:30]:
    row, column = divmod(int(place), 24)
    level = float(rng.uniform(-3, 3))
    where = {"x": float(column), "y": float(row), "column": "driver", "to": level}
    outcome = twin.do(Action("expose_site", where, 1.0, 1.0, 1.0, irreversible=True))
    changes.append(level - before["driver"].iloc[place])
    moved.append(outcome.readout)
changes, moved = np.array(changes), np.array(moved)
slope = changes @ moved / (changes @ changes)
error = np.hypot(NOISE, 0.2 * slope) / np.sqrt(changes @ changes)  # readout; start known to 0.2
print(f"seen in the picture: slope {seen:.2f}")
print(f"after 30 acts: {slope:.2f} +- {error:.2f}; planted {twin.reveal()['sample'].effect}")
assert abs(slope - 0.8) < 4 * error and seen > 1.2

_, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
ends = np.array([changes.min(), changes.max()])
ax.errorbar(changes, moved, NOISE, fmt="o", ms=4, lw=1, color=BLUE, label="acts")
ax.plot(ends, slope * ends, color=BLUE, label=f"doing: {slope:.2f}")
ax.plot(ends, seen * ends, "--", color=ORANGE, label=f"seeing: {seen:.2f}")
ax.set(xlabel="change of the driver, by hand", ylabel="change of the response")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What to keep
#
# * Doing strikes out the mechanism of what is set. Seeing cannot know what doing will show: three worlds, one scatter plot.
# * Hold fixed the common causes, not the common effects, and not what lies between. Which is which stands in the arrows, not in the numbers.
# * Neighbours are alike: count $n_\mathrm{eff}$ and not patches.
# * *Not identified* is a result. It tells which column or which act would help.
#
# ## Exercises
#
# **1. A noisy confounder.** In part 2 measure $u$ with an error, $u' = u + 0.7\,n$. What is the slope when $u'$ is held fixed? Predict it: what share of $u$'s variance is left at fixed $u'$?
#
# <details><summary>Solution</summary>
#
# At fixed $u'$ the variance of $u$ is $v = 0.49/1.49 = 0.33$. The detour is closed only in part: the slope is $0.5 + v/(v + 1) = 0.75$. More data do not help, and *every* test of "holding $u$ fixed" inherits it. `measurement_covariance` in a `PatchTable` says how large the errors are, and `spatial_independence` and `estimate_effect` take them out.
#
# ```python
# u, x, y = confounded(20000, np.random.default_rng(21))
# noisy = u + 0.7 * np.random.default_rng(22).normal(size=20000)
# v = 0.49 / 1.49
# print(f"slope {slope_of_first(y, x, noisy):.3f}, predicted {0.5 + v / (v + 1):.3f}")
# assert abs(slope_of_first(y, x, noisy) - 0.5 - v / (v + 1)) < 0.04
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. Simpson.** Batch A of a film was grown hot and has much strain and high polarization, batch B cold with little of both. *Within* each batch polarization falls with strain. Make such data, with a positive slope overall. Which slope tells what happens when strain is changed? What if instead strain had *made* people put a sample into batch A?
#
# <details><summary>Solution</summary>
#
# If growth temperature makes both, the batch is a common cause: the slope within batches is the effect. If strain made the batch (and the batch the polarization), the batch lies between, and the overall slope is. The same numbers, two answers: the arrows decide.
#
# ```python
# rng = np.random.default_rng(23)
# batch = np.repeat([0.0, 1.0], 300)
# strain = 2 * batch + 0.5 * rng.normal(size=600)
# polarization = 3 * batch - 0.6 * strain + 0.3 * rng.normal(size=600)
# print(f"overall {slope_of_first(polarization, strain):+.2f}, "
#       f"within {slope_of_first(polarization, strain, batch):+.2f}")
# assert slope_of_first(polarization, strain) > 0.3
# assert abs(slope_of_first(polarization, strain, batch) + 0.6) < 0.1
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. Shift and compare.** A test without formulas: shift one field against the other by a random step (wrapping around), again and again, and ask how often the shifted correlation exceeds the seen one. Does it keep its level of 5 % on smooth fields? Why is shuffling single patches wrong?
#
# <details><summary>Solution</summary>
#
# A shift keeps each field's smoothness and breaks only what links the two; shuffling destroys the smoothness and is the usual test again. (Our fields do not wrap around: the seam costs a little. The library uses shifts as a placebo test.)
#
# ```python
# def share_called(shuffle, n_pairs=60):
#     called = 0
#     for seed in range(n_pairs):
#         rng = np.random.default_rng((24, seed))
#         a, b = field(2, rng), field(2, rng)
#         null = []
#         for _ in range(99):
#             moved = rng.permutation(a.ravel()).reshape(a.shape) if shuffle else np.roll(
#                 a, rng.integers(6, SIDE - 6, 2), (0, 1))
#             null.append(abs(np.corrcoef(moved.ravel(), b.ravel())[0, 1]))
#         called += abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) > np.quantile(null, 0.95)
#     return called / n_pairs
#
#
# shifted, shuffled = share_called(False), share_called(True)
# print(f"called related: {shifted:.0%} by shifts, {shuffled:.0%} by shuffling")
# assert shifted < 0.05 + 4 * np.sqrt(0.0475 / 60) and shuffled > 0.3
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. A coin as an instrument.** Nobody may set $x$ in the confounded world of part 2, but a coin $z$ may push it: $x = u + z + n_1$ with $z = \pm 1$, and $u$ is *not* measured. Show that $\mathrm{cov}(y, z)/\mathrm{cov}(x, z)$ is the effect. What breaks if the coin also touches $y$?
#
# <details><summary>Solution</summary>
#
# The coin knows nothing of $u$, so both covariances see only the way through $x$. If $z$ reaches $y$ by another way, that way is counted as the effect of $x$, and no data show it.
#
# ```python
# rng = np.random.default_rng(25)
# z, u = rng.choice([-1.0, 1.0], 20000), rng.normal(size=20000)
# x = u + z + rng.normal(size=20000)
# y = 0.5 * x + u + rng.normal(size=20000)
# ratio = np.cov(y, z)[0, 1] / np.cov(x, z)[0, 1]
# print(f"plain slope {slope_of_first(y, x):.2f}, with the coin {ratio:.2f}")
# assert abs(ratio - 0.5) < 4 * np.sqrt(2 / 20000)
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **Next:** [Lesson 6](../lesson_6_design_the_experiment/notebook.ipynb) chooses the acts. More on fields, blur and noise: [why correlated patches lie](../why_correlated_patches_lie/notebook.ipynb).
#
# **Sources.** J. Pearl, *Causality* (Cambridge 2009): $do$, back doors, colliders. E. H. Simpson, *J. R. Stat. Soc. B* 13, 238 (1951). P. Clifford, S. Richardson, D. Hemon, *Biometrics* 45, 123 (1989), doi:10.2307/2532039: effective sample size.
