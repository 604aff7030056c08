# %% [markdown]
# # Lesson 6: Which experiment should come next?
#
# Beam time is short, and each exposure harms the sample. Two explanations are on the table. Which measurement tells them apart, how many will it take, what does it cost in dose, and when should one stop and say *I don't know*? All of this can be answered **before** the first shot, on paper, with what the first five lessons taught: a likelihood, a prior, a count.
#
# We plan by hand an experiment that decides between two laws of saturation, carry it out a few hundred times on the computer, and see what planning saves. Then nature does something that nobody listed, and we see what a good procedure says. At the end the library's planner does the same on a digital twin.
#
# *You need:* numpy, Lessons 2 and 4. *Time:* about 50 minutes. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import least_squares

from physlearn.causal import (
    Action,
    Asked,
    DesignTable,
    DigitalTwin,
    Instrument,
    Planner,
    ResponseSample,
    SafetyEnvelope,
    SeverityOptions,
    declare_test,
    follow,
    hypothesis_from_draws,
    run_campaign,
)
from physlearn.causal.severity.next_shots import mixture_information

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer campaigns, same code
N_CAMPAIGNS = 20 if FAST else 80
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
NOISE = 0.025  # standard deviation of one reading
LEVELS = np.linspace(0.25, 5.0, 20)  # pulses that the instrument can give

# %% [markdown]
# ## 1. What is one reading worth?
#
# A film is switched by a pulse of strength $x$; the answer $y$ saturates. Explanation A says $y = a\,x/(b+x)$, explanation B says $y = a\,(1 - e^{-x/b})$. Suppose for a moment that the constants are known. Where should we read?
#
# Where the predictions lie far apart, *measured in units of the noise*. We can do better and say how much a reading is worth. Before it, our belief is half and half; an ignorance of $\ln 2 = 0.69$ nats. A reading $y$ turns it into posterior weights. The **expected information** is how much ignorance it removes on average:
#
# $$I(x) = \underbrace{H\big[\tfrac12 p_A(y) + \tfrac12 p_B(y)\big]}_{\text{how unpredictable the reading is}} - \underbrace{\tfrac12 H[p_A(y)] - \tfrac12 H[p_B(y)]}_{\text{how unpredictable given the law}}, \qquad H[p] = -\int p\ln p\,dy.$$
#
# A reading that surprises because it is *noisy* teaches nothing; one that surprises because we don't know which *law* holds does.


# %%
def law_a(x, a, b):
    return a * x / (b + x)


def law_b(x, a, b):
    return a * (1 - np.exp(-x / b))


LAWS = {"A: x / (b + x)": law_a, "B: 1 - exp(-x / b)": law_b}
GRID = np.arange(-0.3, 2.2, NOISE / 2)  # readings


def density(expected):
    # p(y | a law whose reading is expected there), on the grid of readings
    return np.exp(-((GRID - expected) ** 2) / (2 * NOISE**2)) / (NOISE * np.sqrt(2 * np.pi))


def entropy(p):
    return -np.sum(p * np.log(p + 1e-30), axis=-1) * (GRID[1] - GRID[0])


def information(p_a, p_b, weight_a=0.5):
    mixture = weight_a * p_a + (1 - weight_a) * p_b
    return entropy(mixture) - weight_a * entropy(p_a) - (1 - weight_a) * entropy(p_b)


known_a, known_b = law_a(LEVELS, 1.0, 1.0), law_b(LEVELS, 0.82, 1.09)
worth = information(density(known_a[:, None]), density(known_b[:, None]))
_, (top, bottom) = plt.subplots(2, 1, figsize=(6, 5), sharex=True, layout="constrained")
top.plot(LEVELS, known_a, color=BLUE, label="A")
top.plot(LEVELS, known_b, color=ORANGE, label="B")
top.fill_between(LEVELS, known_a - NOISE, known_a + NOISE, color=BLUE, alpha=0.15)
top.set(ylabel="expected reading y")
top.legend(frameon=False)
bottom.plot(LEVELS, worth, "o-", color="k", ms=4)
bottom.axhline(np.log(2), color=GREY, ls="--", lw=1)
bottom.set(xlabel="pulse x", ylabel="worth of one reading (nats)", ylim=(0, 0.75))
plt.show()
best = LEVELS[worth.argmax()]
print(f"best pulse {best:.2f}: {worth.max():.3f} of {np.log(2):.3f} nats; worst: {worth.min():.4f}")
assert worth.argmax() == np.abs(known_a - known_b).argmax()  # equal noise: the largest distance
assert worth.min() > -1e-9 and worth.max() < np.log(2)

# %% [markdown]
# ## 2. When the constants are not known
#
# That was too easy. Nobody knows $a$ and $b$: each law is a *crowd* of curves. We draw 1,296 **members** of each, with $a$ and $b$ from broad priors, dense enough that some member comes within the noise of any truth. (The ranges are chosen so that both crowds cover the same ground: it is the *shape* that is asked about.) A law's prediction is the mixture over its members. With the same formula:


# %%
def crowd_of(a, b):
    # expected readings of all members of both laws, each (n_members, n_levels)
    a, b = a[:, None], b[:, None]
    return [law_a(LEVELS, 1.22 * a, 0.92 * b), law_b(LEVELS, a, b)]


rng = np.random.default_rng(1)
cells = np.indices((36, 36)).reshape(2, -1) + rng.random((2, 36 * 36))  # one in each cell
CROWDS = crowd_of(0.6 + 0.8 * cells[0] / 36, 0.4 + 1.0 * cells[1] / 36)
# p(y | member) for each law, pulse, reading and member: the rest is sums over members
SHAPES = [
    np.transpose(density(crowd[:, :, None]), (1, 2, 0)).astype(np.float32).copy()
    for crowd in CROWDS
]


def worth_now(log_weights):
    # of one reading at each pulse, given the log weight of every member of both laws
    top = max(part.max() for part in log_weights)
    parts = [np.exp(part - top) for part in log_weights]
    total = sum(part.sum() for part in parts)
    predicted = [shape @ np.float32(part / part.sum()) for shape, part in zip(SHAPES, parts)]
    return information(*predicted, parts[0].sum() / total)


start = [np.zeros(len(crowd)) for crowd in CROWDS]
first = worth_now(start)
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for crowd, color in zip(CROWDS, (BLUE, ORANGE)):
    left.plot(LEVELS, crowd[::33].T, color=color, alpha=0.25, lw=0.8)
left.set(xlabel="pulse x", ylabel="expected reading y", title="40 members of each law")
right.plot(LEVELS, worth, "o-", ms=4, color=GREY, label="constants known")
right.plot(LEVELS, first, "o-", ms=4, color=BLUE, label="constants not known")
right.set(xlabel="pulse x", ylabel="worth of the first reading (nats)")
right.legend(frameon=False)
plt.show()
print(f"constants known: up to {worth.max():.3f} nats; not known: up to {first.max():.3f}")
assert first.max() < worth.max() / 3

# %% [markdown]
# A first reading says almost nothing about *which law*; it is spent on the constants. (Lesson 4: with two free constants, two points fit both laws exactly.) So a plan has to think in several readings. The simplest way that works is to choose one at a time, **with what is known so far**: after each reading the members that expected something else lose weight,
#
# $$\ln w \leftarrow \ln w - (y - y_\text{expected})^2/2\sigma^2,$$
#
# and the worth of each next reading is computed anew with those weights. Let us watch one campaign. Nature follows A.


# %%
def learn(log_weights, level, reading):
    return [
        part - (reading - crowd[:, level]) ** 2 / (2 * NOISE**2)
        for part, crowd in zip(log_weights, CROWDS)
    ]


def belief_in_a(log_weights):
    top = max(part.max() for part in log_weights)
    sums = [np.exp(part - top).sum() for part in log_weights]
    return sums[0] / sum(sums)


rng = np.random.default_rng(2)
weights, rows, curves = start, [], []
for _ in range(6):
    value = worth_now(weights)
    curves.append(value)
    level = int(value.argmax())
    reading = law_a(LEVELS[level], 0.9, 0.8) + NOISE * rng.normal()
    weights = learn(weights, level, reading)
    rows.append({"pulse": LEVELS[level], "worth (nats)": value[level], "reading": reading,
                 "belief in A": belief_in_a(weights)})  # fmt: skip
print(pd.DataFrame(rows).round(3).to_string(index=False))

_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for shot, value in enumerate(curves[:4]):
    ax.plot(LEVELS, value, color=plt.cm.viridis(shot / 4), label=f"before reading {shot + 1}")
    ax.plot(LEVELS[value.argmax()], value.max(), "o", color=plt.cm.viridis(shot / 4))
ax.set(xlabel="pulse x", ylabel="worth of the next reading (nats)")
ax.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# The plan jumps: it reads at one end to pin the constants, and then where the two laws, *refitted to what was seen*, part most. Nobody told it so.
#
# ## 3. What planning saves, and what it costs
#
# Now the count. Each campaign draws a law and constants, reads until the belief in one law is above 95 % (or 30 readings are spent), and is scored. Three policies: a **random** pulse; the most information **per reading**; the most **per dose**, where a pulse of strength $x$ does harm in proportion to $x$.


# %%
def campaign(policy, truth, rng, most=30, sure=0.95, stop=True):
    # truth: a function of the pulse; returns belief in A, pulses and readings
    weights, pulses, readings = start, [], []
    while len(pulses) < most:
        if policy == "random":
            level = int(rng.integers(len(LEVELS)))
        else:
            value = worth_now(weights)
            level = int((value / LEVELS if policy == "per dose" else value).argmax())
        reading = truth(LEVELS[level]) + NOISE * rng.normal()
        weights = learn(weights, level, reading)
        pulses.append(level)
        readings.append(reading)
        belief = belief_in_a(weights)
        if stop and max(belief, 1 - belief) > sure:
            break
    return belief_in_a(weights), np.array(pulses), np.array(readings), weights


def a_truth(law, rng):
    a, b = rng.uniform(0.65, 1.35), rng.uniform(0.45, 1.35)
    return (lambda x: law(x, 1.22 * a, 0.92 * b)) if law is law_a else (lambda x: law(x, a, b))


rows = []
for policy in ("random", "per reading", "per dose"):
    for number in range(N_CAMPAIGNS):
        rng = np.random.default_rng((number, 3))  # the same truths for each policy
        which = number % 2
        belief, pulses, _, _ = campaign(policy, a_truth(list(LAWS.values())[which], rng), rng)
        right = belief if which == 0 else 1 - belief
        rows.append({"policy": policy, "readings": len(pulses), "dose": LEVELS[pulses].sum(),
                     "right": right > 0.95, "wrong": right < 0.05})  # fmt: skip
campaigns = pd.DataFrame(rows)
mean = campaigns.groupby("policy", sort=False).mean()
error = campaigns.groupby("policy", sort=False)[["readings", "dose"]].sem()
print(mean.round(2).to_string())
print("standard errors of readings and dose:", error.round(1).to_numpy().tolist())
# with a belief of 95 % one claim in twenty may be wrong, by construction
claims = campaigns["right"].sum() + campaigns["wrong"].sum()
allowed = stats.binom.ppf(0.999, claims, 0.05)
print(f"{campaigns['wrong'].sum()} of {claims} claims are wrong; at most 5 % are promised")
assert campaigns["wrong"].sum() <= allowed
gap = mean["readings"]["random"] - mean["readings"]["per reading"]
assert gap > 2 * np.hypot(*error["readings"][["random", "per reading"]])
assert mean["dose"]["per dose"] < mean["dose"]["random"]

_, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True, layout="constrained")
for policy, color in zip(mean.index, (GREY, BLUE, GREEN)):
    mine = campaigns[campaigns["policy"] == policy]
    for ax, column in zip(axes, ("readings", "dose")):
        spent = np.sort(mine[column].where(mine["right"], np.inf))
        ax.step(spent, np.arange(1, len(spent) + 1) / len(spent), color=color, label=policy)
axes[0].set(xlabel="readings", ylabel="campaigns that ended rightly", ylim=(0, 1), xlim=(0, 31))
axes[1].set(xlabel="dose (sum of pulses)", xlim=(0, 90))
axes[1].legend(frameon=False)
plt.show()

# %% [markdown]
# The mean hides much, so look at the curves: they tell, before any sample is spent, how many readings and how much dose give which chance of an answer. That is an **operating curve**, and it is what to bring to a proposal. A campaign that has spent its thirty readings without an answer (a few of the random ones have) ends with **abstention**: "not told apart with this dose". That is its honest end, and its chance was known beforehand.
#
# ## 4. None of these
#
# So far nature was so kind as to follow A or B. Let her follow C, a step that nobody listed: nothing moves below a threshold, and then it saturates. Our belief can only go to A or B, for we gave nothing else a chance. And with the law fixed in advance, *belief only compares*.
#
# The guard is old: after the claim, ask whether the winner *fits at all*. Take the best member of the winning law (refine it: fit $a$ and $b$), and sum the squares of the residuals over the noise. If the law is right the sum follows $\chi^2$ with $n - 2$ degrees of freedom. To see a misfit one needs readings *spread over the range*, more than were needed to choose between A and B. So the guarded campaign adds twelve readings, evenly spread, before it opens its mouth.


# %%
SPREAD = np.linspace(0, len(LEVELS) - 1, 12).round().astype(int)


def law_c(x):
    return np.where(x > 1.0, 0.9 * (x - 1.0) / (0.5 + np.abs(x - 1.0)), 0.0)


def guarded(truth, rng):
    belief, pulses, readings, _ = campaign("per reading", truth, rng)
    if max(belief, 1 - belief) < 0.95:
        return "abstains", "abstains"
    name = "A" if belief > 0.5 else "B"
    law = law_a if name == "A" else law_b
    levels = np.append(LEVELS[pulses], LEVELS[SPREAD])
    more = truth(LEVELS[SPREAD]) + NOISE * rng.normal(size=12)
    y = np.append(readings, more)
    best = least_squares(lambda p: (y - law(levels, *p)) / NOISE, (1.0, 1.0), bounds=(0.01, 20))
    fits = stats.chi2.sf(2 * best.cost, len(y) - 2) > 0.01
    return name, name if fits else "none of these"


rows = []
for true in ("A", "B", "C"):
    for number in range(N_CAMPAIGNS // 2):
        rng = np.random.default_rng((number, 4))
        truth = law_c if true == "C" else a_truth(law_a if true == "A" else law_b, rng)
        without, with_guard = guarded(truth, rng)
        rows.append({"truth": true, "without": without, "with guard": with_guard})
verdicts = pd.DataFrame(rows)
for column in ("without", "with guard"):
    print(f"\n{column}:")
    print(pd.crosstab(verdicts["truth"], verdicts[column], normalize="index").round(2).to_string())
unlisted = verdicts[verdicts["truth"] == "C"]
listed = verdicts[verdicts["truth"] != "C"]
assert unlisted["without"].isin(["A", "B"]).mean() > 0.9  # sure, and wrong
assert (unlisted["with guard"] == "none of these").mean() > 0.9
# a right law is rejected once in a hundred (and it was chosen by looking: a little more)
assert (listed["with guard"] == "none of these").mean() < 0.03 + 4 * np.sqrt(0.01 / len(listed))

x = np.linspace(0, 5, 300)
rng = np.random.default_rng(5)
belief, pulses, readings, _ = campaign("per reading", law_c, rng)
_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(x, law_c(x), color=GREEN, label="C: what nature does")
best = least_squares(lambda p: readings - law_b(LEVELS[pulses], *p), (1.0, 1.0), bounds=(0.01, 20))
ax.plot(x, law_b(x, *best.x), color=ORANGE, label="best B")
ax.plot(LEVELS[pulses], readings, "ko", ms=5, label=f"{len(pulses)} readings")
ax.set(xlabel="pulse x", ylabel="y", title=f"belief in B without a guard: {1 - belief:.1%}")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# A handful of readings, a belief of nearly one, and a law that misses by many standard deviations. Belief *within a list* is no evidence *for* the list. "None of these" is what one wants to hear then, for it is where the new physics is.
#
# ## 5. The library's lines
#
# First: does the library compute the same worth as we do? Same members, same noise:

# %%
table = DesignTable(tuple(LAWS), tuple(CROWDS), np.full(len(LEVELS), NOISE), LEVELS)
evidence = follow(declare_test(table, SeverityOptions(), rng=0))
same = mixture_information(evidence)
print(f"before any reading: largest difference {np.abs(same - first).max():.5f} nats")
assert np.abs(same - first).max() < 2e-3  # both are sums on a grid of a quarter of the noise
weights = learn(start, 3, 0.5)
same = mixture_information(evidence.after(3, 0.5))
print(f"after one reading:  largest difference {np.abs(same - worth_now(weights)).max():.5f} nats")
assert np.abs(same - worth_now(weights)).max() < 5e-3

# %% [markdown]
# Then the whole campaign. `Planner` asks, a **digital twin** (a law that keeps itself hidden, with noise) answers, a `SafetyEnvelope` forbids what would harm, and `SeverityOptions` is the guard: declared *before* the first shot, it looks for smooth and for local deviations and plans the readings that would find them.


# %%
ASKED = Asked("which law of saturation", "switched charge")
PULSES = tuple(Action("change_bias", {"bias_V": float(x)}, float(x), 1.0, 1.0) for x in LEVELS)
ENVELOPE = SafetyEnvelope(120.0, (0, 0, 1, 1), bias_limits_volt=(0.0, 5.0))


def planner(rng):
    draws = np.random.default_rng(6)
    laws = []
    for name, law in LAWS.items():
        a, b = draws.uniform(0.6, 1.4, 2000), draws.uniform(0.4, 1.4, 2000)
        crowd = {"a": 1.22 * a, "b": 0.92 * b} if law is law_a else {"a": a, "b": b}

        def expected(act, p, law=law):
            return law(act.number("bias_V"), p["a"], p["b"])

        laws.append(hypothesis_from_draws(name, crowd, expected, noise_sd=NOISE, asked=ASKED))
    guard = SeverityOptions(max_shots=40)
    return Planner(laws, PULSES, ENVELOPE, budget=100.0, severity=guard, rng=rng)


(question,) = planner(7).ask()
print("first question:", question.reason, "\n")
kinds = {}
for name, truth in (("A", lambda x: law_a(x, 0.9, 0.8)), ("C", lambda x: float(law_c(x)))):
    nature = ResponseSample(lambda act, truth=truth: truth(act.number("bias_V")))
    twin = DigitalTwin(nature, Instrument(readout_noise_sd=NOISE), rng=8)
    done = run_campaign(planner(7), twin)
    kinds[name] = done.verdict, done.hypothesis
    print(f"nature follows {name}: {done.sentence}\n")
assert kinds["A"] != ("claim", "B: 1 - exp(-x / b)")
assert kinds["C"][0] != "claim"

# %% [markdown]
# ## What to keep
#
# * A reading is worth what it is expected to tell about the *question*, and that can be computed before it is made.
# * What you don't know besides (constants) eats information. Plan with it, not as if it were known.
# * Simulate the whole experiment first: how often right, how often wrong, how often silent, at what dose. Then decide whether to begin.
# * Belief compares within a list. Only a test that can *fail* makes a claim. Abstaining and "none of these" are results.
#
# ## Exercises
#
# **1. Twice the noise.** How does the worth of one reading with known constants (part 1) change when the noise doubles, and when it is halved? Where are the two regimes?
#
# <details><summary>Solution</summary>
#
# While laws are close, compared with the noise, $I \approx \Delta^2/8\sigma^2$: twice the noise, a quarter of the worth, so four times the readings. When they are far apart one reading tells all and $I$ saturates at $\ln 2$.
#
# ```python
# def worth_with(noise):
#     grid = np.arange(-1, 3, noise / 8)
#     a = stats.norm.pdf(grid, known_a[-1], noise)
#     b = stats.norm.pdf(grid, known_b[-1], noise)
#     h = [-np.sum(p * np.log(p + 1e-300)) * noise / 8 for p in ((a + b) / 2, a, b)]
#     return h[0] - (h[1] + h[2]) / 2
#
#
# gap = known_a[-1] - known_b[-1]
# for noise in (0.002, 0.05, 0.1, 0.2):
#     print(f"noise {noise}: {worth_with(noise):.4f} nats; gap^2 / 8 noise^2 = {gap**2 / 8 / noise**2:.4f}")
# assert abs(worth_with(0.2) / (gap**2 / 8 / 0.04) - 1) < 0.05
# assert abs(worth_with(0.002) - np.log(2)) < 0.01
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. A head start.** Ten papers say A: the prior weight of A is 0.9. Compute the worth of the first reading in part 1 for prior weights from 0.05 to 0.95. Why does it fall at the ends, and is the *experiment* less worth doing?
#
# <details><summary>Solution</summary>
#
# Someone who is nearly sure expects to learn little: at most $-w\ln w - (1-w)\ln(1-w)$. On average that is right. If B is true after all, though, each reading moves the belief just as far; it only takes more of them.
#
# ```python
# chosen = worth.argmax()
# p_a, p_b = density(known_a[chosen]), density(known_b[chosen])
# shares = np.linspace(0.05, 0.95, 19)
# values = [information(p_a, p_b, share) for share in shares]
# most = -shares * np.log(shares) - (1 - shares) * np.log(1 - shares)
# print(np.round(values, 3))
# assert np.all(np.array(values) < most) and abs(shares[np.argmax(values)] - 0.5) < 0.06
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. A sharper demand.** Ask for a belief of 99.9 % instead of 95 %. How many more readings does the planned campaign take, and what becomes of the share of wrong claims? Simulate 30 campaigns under A.
#
# <details><summary>Solution</summary>
#
# Belief grows exponentially with the number of readings (log odds add), so a fifty times smaller risk costs only a few readings more: the log odds go from 2.9 to 6.9. The promise "wrong in at most 0.1 %" holds within the list of laws, and for the members that were drawn: with 1,296 members the finest differences are not resolved.
#
# ```python
# found = {}
# for sure in (0.95, 0.999):
#     lengths, wrong = [], 0
#     for number in range(30):
#         rng = np.random.default_rng((number, 9))
#         belief, pulses, _, _ = campaign("per reading", a_truth(law_a, rng), rng, sure=sure)
#         lengths.append(len(pulses))
#         wrong += belief < 1 - sure
#     found[sure] = np.mean(lengths)
#     print(f"{sure:.1%}: {np.mean(lengths):.1f} readings, {wrong} of 30 wrong")
# assert found[0.95] < found[0.999]
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. A blind guard.** In part 4 the guard adds twelve readings *spread over the range*. Let it add twelve readings at the largest pulse instead. How often is C found out now? And what does the severity of a test mean, in your own words?
#
# <details><summary>Solution</summary>
#
# At the largest pulse all three laws can be made to agree: only the constants are measured better, and a test that could not have failed there says nothing by passing. A claim is as good as the chance that the test *would have* found it wrong.
#
# ```python
# spread, SPREAD = SPREAD, np.full(12, len(LEVELS) - 1)
# blind = [guarded(law_c, np.random.default_rng((k, 10)))[1] for k in range(20)]
# SPREAD = spread
# open_eyed = [guarded(law_c, np.random.default_rng((k, 10)))[1] for k in range(20)]
# shares = [np.mean(np.array(one) == "none of these") for one in (blind, open_eyed)]
# print(f"C is found out in {shares[0]:.0%} (blind) and {shares[1]:.0%} (spread)")
# assert shares[0] < shares[1]
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **That was the course.** A whole experiment from correlation to claim, with its price beforehand and a plan that runs on real instruments: [prove it](../prove_it/notebook.ipynb).
#
# **Sources.** D. V. Lindley, *Ann. Math. Stat.* 27, 986 (1956), doi:10.1214/aoms/1177728069: expected information. K. Chaloner, I. Verdinelli, *Stat. Sci.* 10, 273 (1995), doi:10.1214/ss/1177009939: design. D. G. Mayo, *Statistical Inference as Severe Testing* (Cambridge 2018), doi:10.1017/9781107286184. C. E. Shannon, *Bell Syst. Tech. J.* 27, 379 (1948), doi:10.1002/j.1538-7305.1948.tb01338.x.
