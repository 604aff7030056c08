# %% [markdown]
# # Lesson 2: What do 90 percent mean?
#
# "The coupling is 0.24, 90 % interval 0.10 to 0.38." Nobody can check that sentence on one sample: the true coupling lies between the two numbers, or it doesn't. And yet the sentence is a promise that can be kept or broken, and we can catch whoever breaks it. How?
#
# We turn the likelihood of [Lesson 1](../lesson_1_what_is_a_likelihood/notebook.ipynb) into a **posterior**, read an interval off it, and then do what no laboratory can: repeat the experiment two thousand times with the truth in hand, and count. At the end we break the promise on purpose, in the two ways in which it is usually broken, and see which of them more data cures.
#
# *You need:* numpy, and Lesson 1. *Time:* about 45 minutes. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom

from physlearn.inference import check_calibration

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer repetitions, same code
N_WORLDS = 1000 if FAST else 4000
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"

# %% [markdown]
# ## 1. From a preference to a plausibility
#
# In a chain of atoms each bond joins like neighbours with chance $q(J) = e^J/(e^J + e^{-J})$. After $n$ bonds, $k$ of them like, the likelihood is $q^k(1-q)^{n-k}$. It compares values of $J$, but it doesn't say how plausible each is: for that one must say what was plausible *before*. This is the **prior** $\pi(J)$. Bayes' rule multiplies the two and makes the area one:
#
# $$\pi(J \mid \text{data}) = \frac{\pi(J)\,L(J)}{\int \pi(J')\,L(J')\,dJ'}.$$
#
# On a grid that is three lines.

# %%
J = np.linspace(-2.5, 2.5, 1001)
STEP = J[1] - J[0]


def chance_of_like(J):
    return 1 / (1 + np.exp(-2 * J))


def gauss(mean, sd):
    return np.exp(-((J - mean) ** 2) / (2 * sd**2)) / (sd * np.sqrt(2 * np.pi))


def posterior(k, n, prior):
    log_l = k * np.log(chance_of_like(J)) + (n - k) * np.log(chance_of_like(-J))
    product = prior * np.exp(log_l - log_l.max())
    return product / (product.sum() * STEP)


PRIORS = {
    "broad: 0 +- 0.5": (gauss(0.0, 0.5), BLUE),
    "prefers like: 0.6 +- 0.3": (gauss(0.6, 0.3), GREEN),
    "prefers unlike: -0.6 +- 0.3": (gauss(-0.6, 0.3), ORANGE),
}
_, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for ax, (k, n) in zip(axes, ((0, 0), (7, 10), (210, 300))):
    for name, (prior, color) in PRIORS.items():
        now = posterior(k, n, prior)
        ax.plot(J, now, color=color, label=name)
        print(f"{n:4d} bonds, prior {name:>28}: mean {np.sum(J * now) * STEP:+.2f}")
    ax.set(xlabel="coupling J (kT)", xlim=(-1.6, 1.6), title=f"{k} of {n} bonds are like")
axes[0].set(ylabel="density", ylim=(-0.05, 2.1))
axes[0].legend(frameon=False, fontsize=8, loc="upper left")
plt.show()

# %% [markdown]
# Left, without data, a posterior is the prior. In the middle ten bonds speak, and three people still disagree, for they started at different places. On the right 300 bonds have nearly settled the quarrel. **The prior is what you must defend when data are few**; saying it aloud is honest, and leaving it out isn't possible (a "flat" prior is a prior, too: flat in $J$ is not flat in $q$).
#
# ## 2. An interval
#
# The posterior is a curve; people ask for two numbers. The central 90 % interval leaves 5 % of the area on each side.


# %%
def interval(density, mass=0.9):
    below = np.cumsum(density, axis=-1) * STEP
    tail = (1 - mass) / 2
    low = J[np.argmax(below > tail, axis=-1)]
    high = J[np.argmax(below > 1 - tail, axis=-1)]
    return low, high


broad = PRIORS["broad: 0 +- 0.5"][0]
now = posterior(37, 60, broad)
low, high = interval(now)
print(
    f"37 of 60 bonds like: J = {np.sum(J * now) * STEP:.2f}, 90 % interval {low:.2f} to {high:.2f}"
)

_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
ax.plot(J, now, color=BLUE)
inside = (low <= J) & (high >= J)
ax.fill_between(J[inside], now[inside], color=BLUE, alpha=0.25, label="90 % of the area")
ax.plot(J, broad, color=GREY, label="prior")
ax.set(xlabel="coupling J (kT)", ylabel="density", xlim=(-1, 1.5), ylim=(0, None))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## 3. The promise
#
# What does it promise? Imagine many worlds. In each, nature draws its coupling from the prior, makes a chain, and we compute an interval without knowing the coupling. *Of all these intervals, 90 % hold their truth.* That is what "90 %" means, and it can be counted.

# %%
rng = np.random.default_rng(1)
N_BONDS = 60


def worlds(n_worlds, rng, n_bonds=N_BONDS, misread=0.0):
    truth = rng.normal(0.0, 0.5, n_worlds)
    chance = chance_of_like(truth)
    chance = chance * (1 - misread) + (1 - chance) * misread  # see part 4
    return truth, rng.binomial(n_bonds, chance)


def tell(held, said=0.9):
    error = np.sqrt(said * (1 - said) / len(held))
    return f"{np.mean(held):.1%} hold the truth; {said:.0%} +- {error:.1%} is promised"


truth, likes = worlds(N_WORLDS, rng)
table = np.array([interval(posterior(k, N_BONDS, broad)) for k in range(N_BONDS + 1)])
low, high = table[likes].T
held = (low < truth) & (truth < high)
print(tell(held))
assert abs(held.mean() - 0.9) < 4 * np.sqrt(0.09 / N_WORLDS) + STEP

_, ax = plt.subplots(figsize=(10, 3.4), layout="constrained")
for place in range(100):
    color = BLUE if held[place] else ORANGE
    ax.plot([place, place], [low[place], high[place]], color=color, lw=2, alpha=0.7)
ax.plot(truth[:100], "k.", ms=4, label="truth of each world")
ax.set(xlabel="world", ylabel="coupling J (kT)")
ax.set_title(f"{(~held[:100]).sum()} of the first 100 intervals miss (orange)", fontsize=10)
ax.set_ylim(-2.1, None)
ax.legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# About ten of a hundred miss, and they *should*: an interval that never misses is too wide to be called 90 %. Nobody knows beforehand which ones miss.
#
# Two subtleties. The promise is about the **average over the prior**, not about each truth. Let us look at worlds of one and the same coupling:

# %%
couplings = np.linspace(-1.6, 1.6, 65)
chance = chance_of_like(couplings)[:, None]
k = np.arange(N_BONDS + 1)
hit = (table[:, 0] < couplings[:, None]) & (couplings[:, None] < table[:, 1])
coverage = np.sum(binom.pmf(k, N_BONDS, chance) * hit, axis=1)
_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
ax.plot(couplings, coverage, color=BLUE, label="intervals that hold this truth")
ax.axhline(0.9, color="k", ls="--", lw=1)
weight = gauss(0.0, 0.5)
ax.fill_between(J, weight / weight.max() * 0.3, color=GREY, alpha=0.3, label="prior (not to scale)")
ax.set(xlabel="true coupling J (kT)", ylabel="share", xlim=(-1.6, 1.6), ylim=(0, 1))
ax.legend(frameon=False, fontsize=8)
plt.show()
average = np.sum(coverage * np.exp(-(couplings**2) / 0.5)) / np.sum(np.exp(-(couplings**2) / 0.5))
print(f"averaged over the prior: {average:.1%}; for a truth of 1.4: {coverage[-5]:.0%}")
assert abs(average - 0.9) < 0.02

# %% [markdown]
# Where the prior finds a coupling plausible the share is 90 % or a little more; a truth far out in its tails is missed more often, for the prior pulls it back. Whoever expects such truths should say so in the prior.
#
# ## 4. How the promise is broken
#
# **A wrong prior.** Nature draws couplings from $0 \pm 0.5$, but the analyst believes "$-0.6 \pm 0.3$", the orange prior of part 1. **A wrong likelihood.** The pairs are judged by eye, the eye errs in 8 % of the pairs, and the analyst doesn't know. Both with more and more data:

# %%
MISREAD = 0.08
sizes = (10, 30, 100, 300, 1000, 3000)
shares = {"all right": [], "wrong prior": [], "wrong likelihood": []}
for n in sizes:
    for name in shares:
        prior = PRIORS["prefers unlike: -0.6 +- 0.3"][0] if name == "wrong prior" else broad
        error = MISREAD if name == "wrong likelihood" else 0.0
        truth, likes = worlds(400, np.random.default_rng(n), n, error)
        found = {k: interval(posterior(k, n, prior)) for k in np.unique(likes)}
        hits = [found[k][0] <= one <= found[k][1] for k, one in zip(likes, truth)]
        shares[name].append(np.mean(hits))
_, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for (name, share), color in zip(shares.items(), (BLUE, GREEN, ORANGE)):
    ax.errorbar(sizes, share, np.sqrt(0.09 / 400), marker="o", color=color, capsize=3, label=name)
    print(f"{name:>17}:", " ".join(f"{one:.0%}" for one in share))
ax.axhline(0.9, color="k", ls="--", lw=1)
ax.set(xscale="log", xlabel="bonds in the chain", ylabel="intervals that hold the truth")
ax.set(ylim=(0, 1))
ax.legend(frameon=False)
plt.show()
assert all(abs(share - 0.9) < 4 * np.sqrt(0.09 / 400) + 0.01 for share in shares["all right"])
assert shares["wrong prior"][-1] > shares["wrong prior"][0] + 0.2
assert shares["wrong likelihood"][-1] < shares["wrong likelihood"][0] - 0.3

# %% [markdown]
# That figure is worth remembering. **Data cure a wrong prior, and make a wrong likelihood worse.** The interval shrinks onto the wrong place, and the larger the data set, the surer the error. It happens to everyone who takes the noise of a detector, a blur or a label for granted. The cure is to put the error *into* the likelihood: a like pair is *seen* like with chance $q(1-\epsilon) + (1-q)\epsilon$.


# %%
def posterior_with_errors(k, n, prior, misread):
    q = chance_of_like(J)
    q = q * (1 - misread) + (1 - q) * misread
    log_l = k * np.log(q) + (n - k) * np.log(1 - q)
    product = prior * np.exp(log_l - log_l.max())
    return product / (product.sum() * STEP)


truth, likes = worlds(N_WORLDS, np.random.default_rng(7), 300, MISREAD)
for name, misread in (("not known", 0.0), ("in the likelihood", MISREAD)):
    found = {k: interval(posterior_with_errors(k, 300, broad, misread)) for k in np.unique(likes)}
    held = np.array([found[k][0] <= one <= found[k][1] for k, one in zip(likes, truth)])
    print(f"errors of the eye {name}: {tell(held)}")
assert abs(held.mean() - 0.9) < 4 * np.sqrt(0.09 / N_WORLDS) + STEP

# %% [markdown]
# ## 5. A sharper check, and the library's line
#
# Counting one interval uses little of the posterior. Better: draw from it, and ask how many of the draws lie below the truth. If all is right the truth is *just one more draw*, and so its **rank** is any number with equal chance. The histogram of ranks over many worlds is flat. If intervals are too narrow, truths fall outside and pile up at both ends; if the posterior is pulled to one side, the histogram leans.


# %%
def simulate(theta, rng):
    return rng.binomial(300, chance_of_like(theta["J"]))


def simulate_with_errors(theta, rng):
    q = chance_of_like(theta["J"])
    return rng.binomial(300, q * (1 - MISREAD) + (1 - q) * MISREAD)


def fit(likes, rng):
    density = posterior(likes, 300, broad)
    draws = np.interp(rng.random(200), np.cumsum(density) * STEP, J)
    return {"J": draws}


_, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for ax, make, name in zip(axes, (simulate, simulate_with_errors), ("as assumed", "8 % misread")):
    rng, ranks = np.random.default_rng(3), []
    for one in rng.normal(0.0, 0.5, N_WORLDS):
        ranks.append(np.sum(fit(make({"J": one}, rng), rng)["J"] < one))
    count, _, _ = ax.hist(ranks, bins=20, range=(0, 201), color=GREY)
    due = N_WORLDS / 20
    ax.axhspan(due - 2 * np.sqrt(due), due + 2 * np.sqrt(due), color=BLUE, alpha=0.2)
    ax.set(xlabel="draws below the truth, of 200", title=f"the data are {name}")
    chi2 = np.sum((count - due) ** 2) / due
    print(f"{name}: chi square {chi2:.0f}, 19 +- 6 expected of a flat histogram")
    if name == "as assumed":
        assert chi2 < 19 + 5 * np.sqrt(38)  # far in the tail of chi square with 19 degrees
    else:
        assert chi2 > 100
axes[0].set_ylabel("worlds")
plt.show()

# %% [markdown]
# `check_calibration` does this loop for *any* simulator and *any* estimator, with exact binomial tests and a verdict. Each estimator of this library has been through it.

# %%
for make, name in ((simulate, "as assumed"), (simulate_with_errors, "8 % misread")):
    report = check_calibration(make, fit, {"J": 0.5}, 400, rng=4)
    print(f"{name}: {report.verdict}\n")
    assert report.calibrated == (name == "as assumed")
print(report.table.round(3).to_string(index=False))

# %% [markdown]
# ## What to keep
#
# * Posterior = prior x likelihood, with area one. An interval is a share of that area.
# * "90 %" is a promise about many worlds, kept on average over the prior. It is *counted*, with simulated data.
# * Data cure a wrong prior and aggravate a wrong likelihood.
# * The count says that the computation and the assumptions fit *each other*. Whether nature shares the assumptions must be asked of the data: see "the fit was not told ..., so it is a test" in [what one picture of an alloy can tell](../one_picture/notebook.ipynb).
#
# ## Exercises
#
# **1. Fifty-fifty.** How many of the 50 % intervals hold the truth? Predict first, then count. What would it mean if it were 70 %?
#
# <details><summary>Solution</summary>
#
# Half of them. If 70 % of the 50 % intervals hold the truth, they are too wide: the analyst knows more than the intervals say. That wastes data, but deceives nobody. (Counts of like bonds are whole numbers, so a little more or less than 50 % is due to the grid.)
#
# ```python
# truth, likes = worlds(2000, np.random.default_rng(11))
# half = np.array([interval(posterior(k, N_BONDS, broad), 0.5) for k in range(N_BONDS + 1)])
# held = (half[likes, 0] < truth) & (truth < half[likes, 1])
# print(tell(held, 0.5))
# assert abs(held.mean() - 0.5) < 4 * np.sqrt(0.25 / 2000) + 0.01
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. Sure of the sign.** A theorist is certain that $J > 0$: the prior is zero for negative couplings. Nature's couplings are $0 \pm 0.5$ as before. Which share of the theorist's intervals hold the truth, and can data cure it?
#
# <details><summary>Solution</summary>
#
# Zero times anything is zero: where the prior vanishes, no data help. Half of the worlds have $J < 0$ and are all missed. Leave a little probability for being wrong (Cromwell's rule).
#
# ```python
# sure = np.where(J > 0, broad, 0.0)
# for n in (60, 1000):
#     truth, likes = worlds(1000, np.random.default_rng(12), n)
#     found = {k: interval(posterior(k, n, sure)) for k in np.unique(likes)}
#     held = np.array([found[k][0] <= one <= found[k][1] for k, one in zip(likes, truth)])
#     print(n, "bonds:", tell(held))
#     assert held.mean() < 0.55
#     assert not held[truth < 0].any()
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. Only the exciting ones are published.** Intervals are reported only where they leave zero out ("the sign of $J$ is known"). Of the *published* intervals, how many hold the truth? Try it once with nature drawing from the prior, and once in a field where nearly nothing is going on: nature draws from $0 \pm 0.05$ and everybody uses the broad prior.
#
# <details><summary>Solution</summary>
#
# A posterior that was right stays right whatever is selected *by its data*: about 90 % of the published ones hold. Where the prior doesn't describe the field it is different: only flukes are published, and many of them miss. "Most published findings" is a statement about priors.
#
# ```python
# for spread in (0.5, 0.05):
#     rng = np.random.default_rng(13)
#     truth = rng.normal(0.0, spread, 5000)
#     likes = rng.binomial(N_BONDS, chance_of_like(truth))
#     low, high = table[likes].T
#     published = (low > 0) | (high < 0)
#     held = (low < truth) & (truth < high)
#     print(f"truths 0 +- {spread}: {published.mean():.0%} published; of these, {tell(held[published])}")
#     share = held[published].mean()
#     assert share > 0.86 if spread == 0.5 else share < 0.6
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. An unknown error.** The eye errs, but nobody knows how often: the misread share has a prior of its own, even between 0 and 0.16. Make the posterior of $(J, \epsilon)$ on a grid, sum over $\epsilon$, and count. What does not knowing cost in width, with 300 bonds and with 3,000?
#
# <details><summary>Solution</summary>
#
# The intervals keep their promise again; they are wider than with the error known. With ten times the bonds those that know the error shrink by $\sqrt{10}$, those that do not by a third: $J$ and $\epsilon$ enter only together, as one chance (that is the theme of Lesson 4).
#
# ```python
# errors = np.linspace(0, 0.16, 33)
#
#
# def marginal(k, n):
#     q = chance_of_like(J)[:, None]
#     q = q * (1 - errors) + (1 - q) * errors
#     log_l = k * np.log(q) + (n - k) * np.log(1 - q)
#     density = (broad[:, None] * np.exp(log_l - log_l.max())).sum(axis=1)
#     return density / (density.sum() * STEP)
#
#
# rng = np.random.default_rng(14)
# for n in (300, 3000):
#     truth, epsilon = rng.normal(0, 0.5, 500), rng.uniform(0, 0.16, 500)
#     q = chance_of_like(truth)
#     likes = rng.binomial(n, q * (1 - epsilon) + (1 - q) * epsilon)
#     found = {k: interval(marginal(k, n)) for k in np.unique(likes)}
#     held = np.array([found[k][0] <= one <= found[k][1] for k, one in zip(likes, truth)])
#     width = np.mean([found[k][1] - found[k][0] for k in likes])
#     knows = {k: interval(posterior_with_errors(k, n, broad, 0.08)) for k in np.unique(likes)}
#     known = np.mean([knows[k][1] - knows[k][0] for k in likes])
#     print(f"{n} bonds: {tell(held)}; width {width:.3f}, {known:.3f} with the error known")
#     assert abs(held.mean() - 0.9) < 4 * np.sqrt(0.09 / 500) + 0.01
#     assert width > 1.2 * known
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **Next:** [Lesson 3](../lesson_3_drawing_from_a_hamiltonian/notebook.ipynb) makes the draws where no grid is fine enough.
#
# **Sources.** A. P. Dawid, *J. Am. Stat. Assoc.* 77, 605 (1982), doi:10.1080/01621459.1982.10477856: the well-calibrated Bayesian. S. Talts and others, arXiv:1804.06788 (2018): ranks. J. P. A. Ioannidis, *PLoS Med.* 2, e124 (2005), doi:10.1371/journal.pmed.0020124: what is published.
