# %% [markdown]
# # Lesson 1: What is a likelihood?
#
# A micrograph of an alloy shows 16, or 16 million, atoms of two kinds. Someone asks: *how strongly do unlike neighbours attract each other?* The picture does not carry a label with the answer. What it does carry is a preference: among all attractions that one could imagine, some would make pictures like this one often, others hardly ever. The **likelihood** is that preference, written as a function.
#
# We build it three times, each time by hand: for a coin, for a chain of atoms (which turns out to be a coin), and for a small crystal (which is not). At the end one line of the library does the same for the crystal, and must agree.
#
# *You need:* numpy, and $e^x$. *You get:* a function that you will meet in every other lesson. *Time:* about 45 minutes, a quarter of them for the exercises. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

from physlearn import LatticeSnapshots
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import square_lattice

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer repetitions, same code
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
rng = np.random.default_rng(1)

# %% [markdown]
# ## 1. A coin
#
# A bent coin shows heads with an unknown chance $p$. We throw it 10 times and see 7 heads. *If* $p$ were 0.5, how probable would exactly these ten throws have been? Each head has probability $p$, each tail $1 - p$, and the throws do not know of each other, so
#
# $$L(p) = p^{7}\,(1-p)^{3}.$$
#
# The same formula answers the question for every other $p$. Read as a function of the *data*, with $p$ fixed, it is a probability. Read as a function of $p$, with the data fixed, it is the likelihood. That turn of the head is all there is to it.


# %%
def coin_likelihood(p, heads, throws):
    return p**heads * (1 - p) ** (throws - heads)


p = np.linspace(0.001, 0.999, 999)
_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.plot(p, coin_likelihood(p, 7, 10), color=BLUE)
for here, color in ((0.5, GREY), (0.7, ORANGE)):
    height = coin_likelihood(here, 7, 10)
    ax.plot([here, here], [0, height], color=color)
    print(f"if p were {here}: these ten throws have probability {height:.5f}")
ax.set(xlabel="chance of heads p", ylabel="likelihood L(p)", ylim=(0, None))
plt.show()

# %% [markdown]
# Three remarks before we use it.
#
# * **The height means nothing, ratios do.** These ten throws in this order are improbable whatever $p$ is (about 2 in 1,000 at best), simply because ten throws can fall in 1,024 ways. But $p = 0.7$ makes them 2.3 times as probable as $p = 0.5$. That ratio is what the data say.
# * **It is not a probability of $p$.** The area under the curve is not 1, and nobody has said how plausible a $p$ was before the throws. (That is Lesson 2.)
# * **Products become sums.** We take logarithms from now on: $\ln L = 7\ln p + 3\ln(1-p)$. The numbers stay readable, and independent data simply *add*.
#
# **Where is the maximum?** The slope of $\ln L = k \ln p + (n-k)\ln(1-p)$ is $k/p - (n-k)/(1-p)$. It vanishes at $p = k/n$. The most likely chance is the share that was seen; no surprise, but now it is a result.
#
# ## 2. Why a curve and not a number
#
# Ten throws with 7 heads and a thousand throws with 700 have the same maximum. They do not say the same.

# %%
_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for throws, color in ((10, GREY), (100, BLUE), (1000, ORANGE)):
    log_l = 0.7 * throws * np.log(p) + 0.3 * throws * np.log(1 - p)
    ax.plot(p, np.exp(log_l - log_l.max()), color=color, label=f"{throws} throws")
    inside = p[log_l > log_l.max() - 0.5]
    print(f"{throws:5d} throws: ln L is within 1/2 of its top from p = {inside[0]:.3f} to "
          f"{inside[-1]:.3f}; sqrt(p (1 - p) / n) = {np.sqrt(0.21 / throws):.3f}")  # fmt: skip
    # for many throws the curve is a Gaussian, and this half width its standard deviation
    assert abs((inside[-1] - inside[0]) / 2 / np.sqrt(0.21 / throws) - 1) < 0.05
ax.set(xlabel="chance of heads p", ylabel="likelihood / its maximum", ylim=(0, 1.05))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The *width* is the message. Near its top every smooth curve is a parabola, $\ln L \approx \text{top} - (p - \hat p)^2 / 2\sigma^2$, and $\sigma$ is how far one can move before $\ln L$ has dropped by one half. For the coin $\sigma = \sqrt{p(1-p)/n}$: a hundred times the throws, a tenth of the width.
#
# Where to cut? Take all $p$ for which $\ln L$ lies less than 1.35 below its top. (For a parabola that is $\pm 1.645\,\sigma$.) If the curve is honest, that stretch should hold the true $p$ in about nine of ten experiments. *Should* is not enough; we can count.

# %%
N_COINS = 2000
true_p = 0.3
heads = rng.binomial(200, true_p, N_COINS)
log_l = heads[:, None] * np.log(p) + (200 - heads[:, None]) * np.log(1 - p)
at_truth = heads * np.log(true_p) + (200 - heads) * np.log(1 - true_p)
held = np.mean(at_truth > log_l.max(axis=1) - 1.353)
error = np.sqrt(0.9 * 0.1 / N_COINS)
print(f"{held:.1%} of {N_COINS} stretches hold the true p; 90 % +- {error:.1%} was hoped for")
# the number of heads is whole, so the share cannot be 90 % exactly: it moves in steps of about 2 %
assert abs(held - 0.9) < 0.02 + 4 * error

# %% [markdown]
# ## 3. A chain of atoms is a coin
#
# Now physics. A row of atoms of two kinds, $s_i = +1$ or $-1$. Like neighbours lower the energy by $J$ and unlike ones raise it by $J$ (in units of $k_BT$; a negative $J$ prefers unlike neighbours). Boltzmann says how often each row occurs:
#
# $$P(s) = \frac{1}{Z(J)}\exp\Big(J\sum_i s_i s_{i+1}\Big).$$
#
# The sum only counts: (number of like pairs) minus (number of unlike pairs). In an open chain the first atom is free, and each further one is like its neighbour with chance
#
# $$p = \frac{e^{J}}{e^{J}+e^{-J}},$$
#
# whatever the others are. **Each bond is the throw of a coin.** So we can *make* such a row with a coin, and read its $J$ with the likelihood of a coin.

# %%
J_TRUE, N_BONDS = 0.4, 60
like = rng.random(N_BONDS) < np.exp(J_TRUE) / (2 * np.cosh(J_TRUE))
row = np.cumprod(np.concatenate([[1], np.where(like, 1, -1)]))
surplus = int(np.sum(row[1:] * row[:-1]))  # like pairs minus unlike pairs
print(f"{N_BONDS} bonds, {like.sum()} like: the sum over s s' is {surplus}")

J = np.linspace(-1, 1.6, 521)
log_chain = J * surplus - N_BONDS * np.log(2 * np.cosh(J))
best = np.arctanh(surplus / N_BONDS)  # where the slope, surplus - n tanh J, vanishes
stretch = J[log_chain > log_chain.max() - 1.353]
print(f"most likely J = {best:.2f}, stretch {stretch[0]:.2f} to {stretch[-1]:.2f}; "
      f"planted {J_TRUE}")  # fmt: skip
assert abs(J[log_chain.argmax()] - best) < 0.005
assert stretch[0] < J_TRUE < stretch[-1]

_, (top, bottom) = plt.subplots(2, 1, figsize=(7, 3.8), height_ratios=(1, 5), layout="constrained")
top.imshow(row[None], cmap="cividis", aspect="auto")
top.set(yticks=[], xticks=[], title="the row of atoms")
bottom.plot(J, np.exp(log_chain - log_chain.max()), color=BLUE)
bottom.axvspan(stretch[0], stretch[-1], color=BLUE, alpha=0.15)
bottom.axvline(J_TRUE, color="k", ls="--", lw=1, label="planted")
bottom.set(xlabel="coupling J (kT)", ylabel="likelihood / maximum")
bottom.legend(frameon=False)
plt.show()

# %% [markdown]
# Of the whole row only **one number** entered: how many neighbours are alike. Such a number is called *sufficient*. Two rows that look different but have the same count say the same about $J$.
#
# And look at the condition for the top: $\tanh J = (\text{like} - \text{unlike})/n$. The left side is what the model *expects* for the mean of $s_i s_{i+1}$, the right side is what was *seen*. The most likely $J$ is the one whose own pictures have, on average, as many like pairs as ours. That sentence stays true for every Hamiltonian of this form.
#
# ## 4. A crystal is not a coin
#
# Bend the row into a square, 4 by 4 sites, the right edge joined to the left and the bottom to the top. There are 32 bonds now, but they are no longer 32 throws: walk around any little square and the fourth bond is settled by the other three. So $Z(J)$ isn't a product any more. With 16 sites there are only $2^{16} = 65{,}536$ pictures, however, so we *write them all down* and count.

# %%
N = 4
codes = np.arange(2 ** (N * N))
states = (2 * ((codes[:, None] >> np.arange(N * N)) & 1) - 1).astype(np.int8).reshape(-1, N, N)


def bond_sum(pictures):
    # sum of s s' over all bonds: every site with its right and its lower neighbour
    right = pictures * np.roll(pictures, -1, axis=-1)
    below = pictures * np.roll(pictures, -1, axis=-2)
    return (right.astype(int) + below).sum(axis=(-1, -2))


sums = bond_sum(states)
levels, how_many = np.unique(sums, return_counts=True)
print("sum over bonds:", levels.tolist())
print("how many pictures:", how_many.tolist())
assert how_many.sum() == 65536

_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
for coupling, color in ((0.0, GREY), (0.2, BLUE), (0.4, ORANGE)):
    weight = how_many * np.exp(coupling * levels)
    ax.plot(levels, weight / weight.sum(), "o-", ms=4, color=color, label=f"J = {coupling}")
ax.set(xlabel="sum over bonds (like minus unlike pairs)", ylabel="probability")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# That figure *is* the model: for each $J$, how often each count occurs. The likelihood is the same figure, read the other way: one count, all $J$. We plant $J = 0.25$, draw 30 pictures (we can: all probabilities are known) and compare two readings. The **right** one uses $Z(J) = \sum_S g(S)\,e^{JS}$ from the table. The **coin's** pretends that the 32 bonds are independent throws.

# %%
J_TRUE, N_PICTURES = 0.25, 30
J = np.linspace(-0.05, 0.6, 651)
log_z = np.log(np.exp(J[:, None] * levels) @ how_many)  # of one picture
coin_log_z = 2 * N * N * np.log(2 * np.cosh(J))
chances = np.exp(J_TRUE * sums)
chances /= chances.sum()


def draw(n, rng):
    return states[rng.choice(len(states), n, p=chances)]


pictures = draw(N_PICTURES, rng)
seen = bond_sum(pictures).sum()
right = J * seen - N_PICTURES * log_z
coin = J * seen - N_PICTURES * coin_log_z
print(f"all {N_PICTURES} pictures together: sum over bonds {seen}")
print(f"most likely J: {J[right.argmax()]:.3f} (right), {J[coin.argmax()]:.3f} (coin)")

_, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
strip = np.pad(pictures[:6], ((0, 0), (1, 1), (1, 1)), constant_values=0)
axes[0].imshow(np.hstack(strip), cmap="cividis")
axes[0].set(xticks=[], yticks=[], title="six of the thirty pictures")
for log_l, color, name in ((right, BLUE, "all pictures counted"), (coin, ORANGE, "as if coins")):
    axes[1].plot(J, np.exp(log_l - log_l.max()), color=color, label=name)
axes[1].axvline(J_TRUE, color="k", ls="--", lw=1, label="planted")
axes[1].set(xlabel="coupling J (kT)", ylabel="likelihood / maximum")
axes[1].legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# Both curves are narrow and confident. One batch of pictures does not show which is right, so we repeat the whole experiment, and ask both for their top and their stretch.

# %%
N_REPEATS = 200
totals = bond_sum(states)[rng.choice(len(states), (N_REPEATS, N_PICTURES), p=chances)].sum(axis=1)
for name, one_picture in (("right", log_z), ("coin", coin_log_z)):
    log_l = J * totals[:, None] - N_PICTURES * one_picture
    tops = J[log_l.argmax(axis=1)]
    at_truth = log_l[:, np.abs(J - J_TRUE).argmin()]
    held = np.mean(at_truth > log_l.max(axis=1) - 1.353)
    print(f"{name:>5}: mean top {tops.mean():.3f} +- {tops.std() / np.sqrt(N_REPEATS):.3f}, "
          f"scatter {tops.std():.3f}, stretch holds the truth in {held:.0%}")  # fmt: skip
    if name == "right":
        # four binomial errors of 200 repetitions
        assert abs(held - 0.9) < 4 * np.sqrt(0.09 / N_REPEATS)
        assert abs(tops.mean() - J_TRUE) < 4 * tops.std() / np.sqrt(N_REPEATS) + 0.002
    else:
        assert tops.mean() > J_TRUE + 0.03 and held < 0.5

# %% [markdown]
# The coin overrates the coupling: loops of the lattice bring neighbours into line *by a second way*, and whoever does not know about loops ascribes it to the bond. It is sure of it, too. **A likelihood is only as good as the model behind it**; it cannot tell you that the model is wrong, because it only compares values of $J$ with each other.
#
# The condition at the top, once more: the expected sum over bonds at $J$ equals the one that was seen.

# %%
weights = how_many * np.exp(J[:, None] * levels)
expected = (weights @ levels) / weights.sum(axis=1)
_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
ax.plot(J, expected, color=BLUE, label="expected by the crystal at J")
ax.plot(J, 2 * N * N * np.tanh(J), color=ORANGE, label="expected by 32 coins")
ax.axhline(seen / N_PICTURES, color=GREY, label="seen, mean of 30 pictures")
ax.axvline(J[right.argmax()], color=BLUE, ls=":")
ax.axvline(J[coin.argmax()], color=ORANGE, ls=":")
ax.set(xlabel="coupling J (kT)", ylabel="sum over bonds of a picture")
ax.legend(frameon=False, fontsize=8)
plt.show()
assert abs(np.interp(J[right.argmax()], J, expected) - seen / N_PICTURES) < 0.1

# %% [markdown]
# ## 5. The same in one line
#
# A picture of 30 by 30 sites has $2^{900}$ states; nobody writes them down. `fit_lattice_hamiltonian` gets $Z(J)$ from simulated pictures instead, for lattices of any shape, with fields, several shells of neighbours, and more than two kinds of atoms. On our 4 by 4 pictures it must give *the curve that we have just built*. (It multiplies the likelihood with a broad prior, a Gaussian of width 0.5; so do we, below. The field is told to be zero.)

# %%
graph = square_lattice((N, N))
fit = fit_lattice_hamiltonian(
    LatticeSnapshots(pictures.reshape(N_PICTURES, -1), graph),
    n_shells=1,
    prior={"field": 1e-3, "couplings": 0.5},
    rng=2,
)
draws = fit["couplings"][:, 0]
by_hand = np.exp(right - right.max() - J**2 / (2 * 0.5**2))
by_hand /= by_hand.sum() * (J[1] - J[0])
mean = np.sum(J * by_hand) * (J[1] - J[0])
sd = np.sqrt(np.sum((J - mean) ** 2 * by_hand) * (J[1] - J[0]))
print(f"by hand    : {mean:.4f} +- {sd:.4f}")
print(f"the library: {draws.mean():.4f} +- {draws.std():.4f}")
# 4,000 draws know the mean to sd / 60; the simulated Z adds about as much
assert abs(draws.mean() - mean) < 0.15 * sd
assert abs(draws.std() / sd - 1) < 0.15

_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.hist(draws, bins=50, density=True, color=GREY, alpha=0.6, label="the library's draws")
ax.plot(J, by_hand, color=BLUE, label="by hand: all 65,536 pictures")
ax.axvline(J_TRUE, color="k", ls="--", lw=1, label="planted")
ax.set(xlabel="coupling J (kT)", ylabel="density", xlim=(0.1, 0.4))
ax.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# ## What to keep
#
# * A likelihood is the probability of *these* data, read as a function of what is unknown.
# * Its top is where the model's own pictures have, on average, what ours has. Its width says how far the data let you move.
# * Log-likelihoods of independent data add. Bonds of a lattice aren't independent data.
# * It compares values *within* a model. Whether the model fits at all is another question.
#
# ## Exercises
#
# Write your code in the empty cells; each solution is folded away below its question.
#
# **1. Nothing seen.** A coin shows 0 heads in 10 throws. Where is the top of the likelihood? Would you bet that the coin never shows heads? Find the stretch in which $\ln L$ is less than 1.353 below its top.
#
# <details><summary>Solution</summary>
#
# The top is at $p = 0$: a number alone would be foolish. $\ln L = 10 \ln(1 - p)$ has dropped by 1.353 at $p = 1 - e^{-0.1353} \approx 0.127$: up to one head in eight throws is compatible with what was seen. The curve has no parabola here, which is why one draws it.
#
# ```python
# inside = p[10 * np.log(1 - p) > -1.353]
# print(f"up to {inside[-1]:.3f}")
# assert abs(inside[-1] - (1 - np.exp(-0.1353))) < 0.002
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. Counts.** A detector counts 4, 7, 3, 6, 5 electrons in five equal intervals. The chance of $k$ counts at a rate $\lambda$ is $e^{-\lambda}\lambda^k/k!$. Write $\ln L(\lambda)$, find its top and the stretch. Which property of the five numbers is sufficient?
#
# <details><summary>Solution</summary>
#
# $\ln L = -5\lambda + 25\ln\lambda + \dots$: only the sum of the counts enters. The top is at their mean, 5; the width is $\sqrt{5/5} = 1$.
#
# ```python
# rate = np.linspace(1, 12, 1101)
# log_l = -5 * rate + (4 + 7 + 3 + 6 + 5) * np.log(rate)
# inside = rate[log_l > log_l.max() - 1.353]
# print(f"top {rate[log_l.argmax()]:.2f}, from {inside[0]:.2f} to {inside[-1]:.2f}")
# assert abs(rate[log_l.argmax()] - 5) < 0.01
# assert abs((inside[-1] - inside[0]) / 2 - 1.645) < 0.05
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. Unlike neighbours.** Plant $J = -0.4$ in a chain of 60 bonds and read it. Then forget the *order* of the atoms and keep only how many of each kind there are: what does the likelihood of $J$ look like now?
#
# <details><summary>Solution</summary>
#
# The sum over bonds is negative and the top moves to about $-0.4$. Without the order the count of like pairs is gone. The share of each kind alone is nearly the same for a weak attraction and a weak repulsion (an alternating row and a random one both have half of each), so the curve is almost flat: the data that would tell were thrown away.
#
# ```python
# def a_chain(coupling, rng):
#     bonds = np.where(rng.random(60) < np.exp(coupling) / (2 * np.cosh(coupling)), 1, -1)
#     return np.cumprod(np.concatenate([[1], bonds])) * rng.choice([-1, 1])
#
#
# unlike = a_chain(-0.4, np.random.default_rng(3))
# surplus = np.sum(unlike[1:] * unlike[:-1])
# print(f"sum over bonds {surplus}, most likely J {np.arctanh(surplus / 60):.2f}")
# assert abs(np.arctanh(surplus / 60) + 0.4) < 4 * np.cosh(0.4) / np.sqrt(60)
#
# # the share alone: simulate chains at each J, and see how often 31 of 61 are +1
# for coupling in (-0.4, 0.0, 0.4):
#     counts = [np.sum(a_chain(coupling, np.random.default_rng(k)) == 1) for k in range(500)]
#     print(f"J = {coupling:+.1f}: 31 of 61 in {np.mean(np.array(counts) == 31):.0%} of the chains")
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. Twice the pictures.** In part 4, compare the stretch from 30 pictures with the one from 120. By which factor is it narrower? Does the *coin's* error become smaller, too?
#
# <details><summary>Solution</summary>
#
# Log-likelihoods add, so the parabola is four times as steep and half as wide. The coin's top, however, stays where it was: more data make a wrong model *surer*, not better.
#
# ```python
# def top_and_width(n, one_picture):
#     total = bond_sum(draw(n, np.random.default_rng(5))).sum()
#     log_l = J * total - n * one_picture
#     inside = J[log_l > log_l.max() - 1.353]
#     return J[log_l.argmax()], inside[-1] - inside[0]
#
#
# for n in (30, 120):
#     for name, one_picture in (("right", log_z), ("coin", coin_log_z)):
#         print(n, name, "top %.3f, width %.3f" % top_and_width(n, one_picture))
# narrower = top_and_width(30, log_z)[1] / top_and_width(120, log_z)[1]
# assert 1.7 < narrower < 2.3
# assert top_and_width(120, coin_log_z)[0] > J_TRUE + 0.03
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **5. A field.** Add a preference for one kind, $P(s) \propto \exp(J\sum ss' + h\sum s)$, to the 4 by 4 crystal. Compute $\ln L(J, h)$ on a grid for the pictures of part 4 and draw its contours. Is the top near $h = 0$? Do $J$ and $h$ get into each other's way?
#
# <details><summary>Solution</summary>
#
# Now two numbers are sufficient: the sum over bonds and the sum of the spins. The contours are ellipses whose axes are nearly those of the figure: with about as many atoms of each kind, $J$ and $h$ are read from different things.
#
# ```python
# pairs, counts = np.unique(
#     np.column_stack([sums, states.sum(axis=(1, 2))]), axis=0, return_counts=True
# )
# couplings, fields = np.linspace(0.1, 0.4, 61), np.linspace(-0.15, 0.15, 61)
# spins = pictures.astype(int).sum()
# surface = np.empty((61, 61))
# for a, one in enumerate(couplings):
#     for b, field in enumerate(fields):
#         z = np.log(counts @ np.exp(one * pairs[:, 0] + field * pairs[:, 1]))
#         surface[a, b] = one * seen + field * spins - N_PICTURES * z
# a, b = np.unravel_index(surface.argmax(), surface.shape)
# print(f"top at J = {couplings[a]:.3f}, h = {fields[b]:.3f}")
# plt.contour(couplings, fields, (surface - surface.max()).T, levels=[-4.5, -2, -0.5])
# plt.xlabel("J")
# plt.ylabel("h")
# plt.show()
# assert surface.max() - surface[:, 30].max() < 8  # h = 0 is within four standard deviations
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **Next:** [Lesson 2](../lesson_2_what_ninety_percent_means/notebook.ipynb) turns the curve into a plausibility, and counts what "90 %" is worth. To see the library's line on a whole micrograph: [what one picture of an alloy can tell](../one_picture/notebook.ipynb).
#
# **Sources.** R. A. Fisher, *Phil. Trans. R. Soc. A* 222, 309 (1922), doi:10.1098/rsta.1922.0009: likelihood and sufficiency. S. S. Wilks, *Ann. Math. Stat.* 9, 60 (1938), doi:10.1214/aoms/1177732360: why 1.353. E. Ising, *Z. Phys.* 31, 253 (1925), doi:10.1007/BF02980577: the chain.
