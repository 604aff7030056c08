# %% [markdown]
# # Lesson 3: How does one draw from a Hamiltonian?
#
# A Hamiltonian says how probable *every* picture of a crystal is, up to one number: $P(s) = e^{-E(s)}/Z$. For 16 sites we wrote all pictures down ([Lesson 1](../lesson_1_what_is_a_likelihood/notebook.ipynb)). For 256 sites there are $10^{77}$ of them, and $Z$ is out of reach. In 1953 five people in Los Alamos noticed that one can *draw* pictures with the right probabilities without knowing $Z$: change a picture a little, again and again, by a rule that compares only two pictures at a time.
#
# We write that rule in a few lines of numpy. The rest of the lesson is about trust: does it draw rightly, how many pictures is it *really*, and how large is the error of a mean? The square Ising model is the best place to learn this, for Onsager (1944) and Kaufman (1949) solved it exactly: **the true answer stands beside every number.**
#
# *You need:* numpy, and Lesson 1. *Time:* about 45 minutes. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

from physlearn.lattice_models import (
    Ising,
    autocorrelation_time,
    critical_coupling,
    ising_energy_levels,
    kaufman_torus,
    onsager_energy,
    sample_statistics,
    square_lattice,
)

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer sweeps, same code
N_SWEEPS = 1500 if FAST else 6000
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
CRITICAL = float(critical_coupling())
print(f"the square lattice orders at J = {CRITICAL:.4f} kT")

# %% [markdown]
# ## 1. The rule
#
# Take one site. Its energy with its four neighbours is $-J s_i h_i$, where $h_i$ is the sum of the four. Suppose we flip it: the energy changes by $\Delta = 2 J s_i h_i$. The rule of Metropolis: **if the energy falls, flip; if it rises, flip with chance $e^{-\Delta}$.**
#
# Why does this lead to $e^{-E}$? Consider two pictures $A$ and $B$ that differ by the flip, $B$ higher by $\Delta$. If $A$ is visited $e^{\Delta}$ times as often as $B$, then the flips from $A$ to $B$, damped by $e^{-\Delta}$, are just as many as those from $B$ to $A$, which always happen. Nothing changes any more: the Boltzmann weights are at rest under this rule (*detailed balance*). $Z$ never appears, because only ratios of probabilities do.
#
# Numpy likes to do many sites at once. Sites of one colour of a checkerboard have neighbours of the other colour only, so a whole colour may be updated together without anybody noticing.


# %%
def sweep(states, coupling, rng):
    # one Metropolis sweep of many crystals at once: states of shape (n_crystals, rows, columns)
    rows, columns = np.indices(states.shape[1:])
    for colour in (0, 1):
        around = sum(np.roll(states, step, axis) for axis in (1, 2) for step in (1, -1))
        rise = 2 * coupling * states * around
        flip = rng.random(states.shape) < np.exp(-rise)  # above 1 where the energy falls
        flip &= (rows + columns) % 2 == colour
        states[flip] *= -1


def energy(states):
    # like minus unlike pairs, times -1: the energy in units of J, of each crystal
    right, below = np.roll(states, -1, axis=2), np.roll(states, -1, axis=1)
    return -(states * (right + below)).sum(axis=(1, 2))


_, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
rng = np.random.default_rng(1)
for ax, coupling in zip(axes, (0.0, 0.3, CRITICAL, 0.6)):
    picture = rng.choice([-1, 1], (1, 64, 64))
    for _ in range(200 if FAST else 600):
        sweep(picture, coupling, rng)
    ax.imshow(picture[0], cmap="cividis")
    ax.set(xticks=[], yticks=[], title=f"J = {coupling:.2f} kT")
plt.show()

# %% [markdown]
# It looks like physics: noise, clusters, domains. Looks are cheap, though. (The last picture, at $J = 0.6$, should be nearly all of one colour; stripes or large domains are what a *quench* leaves behind, and a first warning that a chain may take long.)
#
# ## 2. Does it draw rightly?
#
# On a crystal of 4 by 4 sites we know how many pictures have each energy, so the histogram of energies is known exactly. Two thousand small crystals, each with its own random start, sixty sweeps, one picture each:

# %%
COUPLING, N_CRYSTALS = 0.35, 2000
levels, how_many = ising_energy_levels((4, 4))  # counted exactly; Lesson 1 did it by hand
exact = np.array(how_many, float) * np.exp(-COUPLING * levels)
exact /= exact.sum()


def histogram(update, seed):
    rng = np.random.default_rng(seed)
    small = rng.choice([-1, 1], (N_CRYSTALS, 4, 4))
    for _ in range(60):
        update(small, COUPLING, rng)
    return (energy(small)[:, None] == levels).sum(axis=0)


def chi_square(seen):
    # rare energies are joined, so that at least 10 are expected in each class
    due = N_CRYSTALS * exact
    common = due > 10
    pairs = np.append(seen[common], seen[~common].sum()), np.append(due[common], due[~common].sum())
    return np.sum((pairs[0] - pairs[1]) ** 2 / pairs[1]), common.sum()


seen = histogram(sweep, 2)
chi2, freedom = chi_square(seen)
print(f"chi square {chi2:.1f}; {freedom} +- {np.sqrt(2 * freedom):.1f} expected if all is right")
assert chi2 < freedom + 4 * np.sqrt(2 * freedom)

_, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.bar(levels, seen, width=3, color=GREY, label="2,000 crystals")
ax.errorbar(levels, N_CRYSTALS * exact, np.sqrt(N_CRYSTALS * exact), fmt="o", color=ORANGE, ms=4,
            capsize=3, label="exact")  # fmt: skip
ax.set(xlabel="energy (J)", ylabel="crystals")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Such a test belongs beside every sampler. It finds rules that are nearly right: try Exercise 1.
#
# ## 3. How many pictures is it really?
#
# Now one crystal of 16 by 16 sites, near its critical point, and a long chain. Its energy, sweep by sweep:

# %%
EDGE, N_CHAINS, NEAR = 16, 40, 0.42


def chains(coupling, n_chains, n_sweeps, seed, warm_up=300):
    # energies a site, shape (n_chains, n_sweeps)
    rng = np.random.default_rng(seed)
    states = rng.choice(np.array([-1, 1], np.int8), (n_chains, EDGE, EDGE))
    found = np.empty((n_chains, n_sweeps))
    for step in range(-warm_up, n_sweeps):
        sweep(states, coupling, rng)
        if step >= 0:
            found[:, step] = coupling * energy(states) / EDGE**2
    return found


found = chains(NEAR, N_CHAINS, N_SWEEPS // 3, 3)
torus = kaufman_torus((EDGE, EDGE), NEAR)
exact_energy = torus.energy / EDGE**2
_, ax = plt.subplots(figsize=(9, 2.8), layout="constrained")
ax.plot(found[0, :400], color=BLUE, lw=1, label="one chain")
ax.axhline(exact_energy, color=ORANGE, label="exact mean (Kaufman)")
ax.set(xlabel="sweep", ylabel="energy a site (kT)")
ax.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# The curve wanders: a sweep remembers the one before. Let $\rho(t)$ be the correlation of the energy with itself $t$ sweeps later. A mean over $n$ sweeps then has the variance
#
# $$\mathrm{var}(\bar E) \approx \frac{\mathrm{var}(E)}{n}\,\tau, \qquad \tau = 1 + 2\sum_{t\ge1}\rho(t).$$
#
# (Write the square of the sum as a double sum, and collect pairs of equal distance.) So $n$ sweeps are worth $n/\tau$ independent pictures. By hand:


# %%
def autocorrelation(series, most):
    # averaged over chains, about their common mean
    centred = series - series.mean()
    n = series.shape[1]
    products = [np.mean(centred[:, : n - t] * centred[:, t:]) for t in range(most)]
    return np.array(products) / products[0]


rho = autocorrelation(found, 200)
tau = 1.0
for window in range(1, 200):  # the sum is cut where it has seen 5 tau: beyond is noise only
    tau += 2 * rho[window]
    if window >= 5 * tau:
        break
library_tau = autocorrelation_time(found)
print(f"tau = {tau:.1f} sweeps by hand, {library_tau:.1f} by the library; so {found.shape[1]} sweeps "
      f"of one chain are worth {found.shape[1] / tau:.0f} pictures")  # fmt: skip
assert abs(tau / library_tau - 1) < 0.1

_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
ax.plot(rho[:120], color=BLUE)
ax.axvline(window, color=GREY, ls=":", label="the sum stops here")
ax.axhline(0, color="k", lw=0.6)
ax.set(xlabel="distance t (sweeps)", ylabel=r"autocorrelation $\rho(t)$")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# What happens to someone who forgets $\tau$? We have 40 chains, and we know the truth: count in how many the exact energy lies within the 90 % interval of the mean.

# %%
means = found.mean(axis=1)
naive = found.std(axis=1) / np.sqrt(found.shape[1])
honest = naive * np.sqrt(tau)
shares = {}
_, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
for ax, (name, error) in zip(axes, (("forgetting tau", naive), ("with tau", honest))):
    held = np.abs(means - exact_energy) < 1.645 * error
    shares[name] = held.mean()
    colors = np.where(held, BLUE, ORANGE)
    ax.errorbar(range(N_CHAINS), means, 1.645 * error, fmt="none", ecolor=colors)
    ax.axhline(exact_energy, color="k", lw=1)
    ax.set(xlabel="chain", title=f"{name}: {held.sum()} of {N_CHAINS} hold the exact energy")
    print(f"{name}: {held.mean():.0%} of the 90 % intervals hold it")
axes[0].set_ylabel("mean energy a site (kT)")
plt.show()
assert shares["forgetting tau"] < 0.7
assert abs(shares["with tau"] - 0.9) < 4 * np.sqrt(0.09 / N_CHAINS)

# %% [markdown]
# The mean is right in both panels. Only the *error bar* lies, and an error bar that is three times too small makes discoveries of nothing.
#
# ## 4. The exact answer beside
#
# All couplings at once: our chains, with honest errors, on Kaufman's energies of the finite crystal (and Onsager's of the infinite one).

# %%
couplings = np.array([0.1, 0.2, 0.3, 0.38, 0.42, CRITICAL, 0.46, 0.5, 0.6])
measured, errors, taus, finite = [], [], [], []
for place, coupling in enumerate(couplings):
    series = chains(coupling, 12, N_SWEEPS // 5, 10 + place)
    taus.append(autocorrelation_time(series))
    measured.append(series.mean() / coupling)
    errors.append(series.std() / coupling * np.sqrt(taus[-1] / series.size))
    finite.append(kaufman_torus((EDGE, EDGE), coupling).energy / EDGE**2 / coupling)
measured, errors, taus, finite = map(np.array, (measured, errors, taus, finite))
print("  J      measured          exact     off by   tau")
for row in zip(couplings, measured, errors, finite, (measured - finite) / errors, taus):
    print("{:.3f}  {:.4f} +- {:.4f}  {:.4f}  {:+5.1f} sd  {:4.0f}".format(*row))
# nine comparisons: four standard deviations (and a little, for taus are estimates themselves);
# the ordered crystals (J > 0.5) may still hold a stripe from their random start in a short run
ordered = couplings > 0.5
assert np.all(np.abs(measured - finite)[~ordered] < 4.5 * errors[~ordered])

_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
grid = np.linspace(0.05, 0.65, 121)
left.plot(grid, onsager_energy(grid) / grid, color=GREY, label="infinite crystal (Onsager)")
exactly = [kaufman_torus((EDGE, EDGE), one).energy / EDGE**2 / one for one in grid]
left.plot(grid, exactly, color=ORANGE, label="16 x 16 (Kaufman)")
left.errorbar(couplings, measured, errors, fmt="o", ms=4, color=BLUE, label="our chains")
left.set(xlabel="coupling J (kT)", ylabel="energy a site (J)")
left.legend(frameon=False)
right.plot(couplings, taus, "o-", color=BLUE)
right.axvline(CRITICAL, color="k", ls="--", lw=1)
right.set(xlabel="coupling J (kT)", ylabel="autocorrelation time (sweeps)", ylim=(0, None))
plt.show()

# %% [markdown]
# Left: to the last digit that we can see. Right: near the transition a sweep forgets slowest. Clusters of all sizes live there, and single flips nibble at a large cluster from its rim only. On an infinite crystal the time diverges: *critical slowing down*.
#
# ## 5. The library's line, and a better rule
#
# `sample_statistics` does what we did, in compiled code, and reports mean, honest error and $\tau$. (Its $\tau$ for Metropolis is a little longer than ours: it visits the sites in another order.) And it knows other rules. Wolff (1989) grows a whole cluster of like sites and flips it at once, still in detailed balance:

# %%
graph = square_lattice((EDGE, EDGE))
worth = {}
for method in ("metropolis", "wolff"):
    drawn = sample_statistics(Ising([NEAR]), graph, 2 * N_SWEEPS, method=method, n_chains=4, rng=4)
    row = drawn.estimates.loc["energy"]
    mean, error = row["mean"] / EDGE**2, row["standard_error"] / EDGE**2
    worth[method] = row["autocorrelation_sweeps"]
    print(f"{method:>10}: energy {mean:.5f} +- {error:.5f}, tau {worth[method]:.1f} sweeps")
    assert abs(mean - exact_energy) < 4 * error
print(f"     exact: energy {exact_energy:.5f}")
ours = means.mean()
print(f"      ours: energy {ours:.5f} +- {means.std() / np.sqrt(N_CHAINS):.5f}")
assert worth["wolff"] < worth["metropolis"] / 2

_, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for method, color in (("metropolis", ORANGE), ("wolff", BLUE)):
    edges, times = (8, 16, 32), []
    for edge in edges:
        drawn = sample_statistics(
            Ising([CRITICAL]),
            square_lattice((edge, edge)),
            N_SWEEPS,
            method=method,
            n_chains=4,
            rng=5,
        )
        times.append(drawn.estimates["autocorrelation_sweeps"]["energy"])
    ax.plot(edges, times, "o-", color=color, label=method)
    print(f"{method}: tau at the critical point", [round(float(one), 1) for one in times])
ax.set(xscale="log", yscale="log", xlabel="edge of the crystal (sites)")
ax.set(ylabel="autocorrelation time (sweeps)")
ax.set_xticks(edges, edges)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What to keep
#
# * A rule in detailed balance draws from $e^{-E}$ without knowing $Z$.
# * Test it on a case that is known exactly. A test costs minutes; a wrong sampler costs a paper.
# * $n$ sweeps are $n/\tau$ pictures. The error of a mean needs $\tau$, and $\tau$ is largest where the physics is most interesting.
# * A better rule beats a faster computer.
#
# ## Exercises
#
# **1. All at once.** Somebody finds the checkerboard tedious and updates *all* sites together. Put this rule to the test of part 2. Which quantity gives it away, and what does it do at strong coupling?
#
# <details><summary>Solution</summary>
#
# Two neighbours may now flip at the same time, each believing that the other stays. Detailed balance with $e^{-E}$ is lost, and the histogram is far off. At strong coupling the crystal flickers: each colour of the checkerboard follows what the other one was.
#
# ```python
# def all_at_once(states, coupling, rng):
#     around = sum(np.roll(states, step, axis) for axis in (1, 2) for step in (1, -1))
#     flip = rng.random(states.shape) < np.exp(-2 * coupling * states * around)
#     states[flip] *= -1
#
#
# wrong, freedom = chi_square(histogram(all_at_once, 6))
# print(f"chi square {wrong:.0f} with {freedom} degrees of freedom")
# assert wrong > freedom + 10 * np.sqrt(2 * freedom)
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. Another rule.** *Heat bath*: ignore what the site was, and set it to $+1$ with chance $1/(1 + e^{-2Jh_i})$. Show on paper that it is in detailed balance, write it, and pass the test of part 2. Is its $\tau$ shorter?
#
# <details><summary>Solution</summary>
#
# Given its neighbours, the site's own Boltzmann probability is exactly that chance: it is drawn afresh from where it should be. (That is "Gibbs sampling", too.) It refuses more often than Metropolis, and its $\tau$ is a little longer.
#
# ```python
# def heat_bath(states, coupling, rng):
#     rows, columns = np.indices(states.shape[1:])
#     for colour in (0, 1):
#         around = sum(np.roll(states, step, axis) for axis in (1, 2) for step in (1, -1))
#         up = rng.random(states.shape) < 1 / (1 + np.exp(-2 * coupling * around))
#         here = np.broadcast_to((rows + columns) % 2 == colour, states.shape)
#         states[here] = np.where(up, 1, -1)[here]
#
#
# chi2, freedom = chi_square(histogram(heat_bath, 7))
# print(f"chi square {chi2:.1f} with {freedom} degrees of freedom")
# assert chi2 < freedom + 4 * np.sqrt(2 * freedom)
# for method in ("metropolis", "heat_bath"):
#     drawn = sample_statistics(Ising([NEAR]), graph, 4000, method=method, rng=8)
#     print(method, drawn.estimates["autocorrelation_sweeps"]["energy"].round(1))
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. Noise is physics.** The heat capacity a site is $\mathrm{var}(E)/N$ ($E$ of the whole crystal, in kT). Get it from the chains of part 3 with an error bar, and compare with `torus.heat_capacity`.
#
# <details><summary>Solution</summary>
#
# Each chain gives one variance; the scatter of the 40 gives the error. (The variance of a correlated chain about its own mean is a little small, by about $\tau/n$; hence the common mean.)
#
# ```python
# each = ((found - found.mean()) ** 2).mean(axis=1) * EDGE**2
# capacity, error = each.mean(), each.std(ddof=1) / np.sqrt(N_CHAINS)
# print(f"heat capacity a site {capacity:.3f} +- {error:.3f}, exact {torus.heat_capacity:.3f}")
# assert abs(capacity - torus.heat_capacity) < 4 * error
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. Two worlds.** At $J = 0.6$ the crystal is magnetized, up or down. Follow the magnetization of one chain that starts up. What is its mean, what *should* it be, and what does $\tau$ say? Which number would you publish?
#
# <details><summary>Solution</summary>
#
# By symmetry the mean is 0; the chain says 0.97, with a tiny error and a short $\tau$: it has never seen the other world, and a time cannot be estimated from events that didn't happen. Publish the mean of $|m|$, which Onsager's formula knows (0.973 for the infinite crystal), and start chains in both worlds.
#
# ```python
# from physlearn.lattice_models import onsager_magnetization
#
# rng = np.random.default_rng(9)
# up, trace = np.ones((1, EDGE, EDGE), int), []
# for _ in range(600):
#     sweep(up, 0.6, rng)
#     trace.append(up.mean())
# print(f"mean m {np.mean(trace[50:]):.3f}, tau {autocorrelation_time(trace[50:]):.1f} sweeps; "
#       f"Onsager |m| {onsager_magnetization(0.6):.3f}")
# assert abs(np.mean(trace[50:]) - onsager_magnetization(0.6)) < 0.01
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **Next:** [Lesson 4](../lesson_4_what_data_cannot_tell/notebook.ipynb): some things no number of pictures tells. What drawing is good for: [a pattern at another temperature](../pattern_at_another_temperature/notebook.ipynb).
#
# **Sources.** N. Metropolis, A. W. Rosenbluth, M. N. Rosenbluth, A. H. Teller, E. Teller, *J. Chem. Phys.* 21, 1087 (1953), doi:10.1063/1.1699114. L. Onsager, *Phys. Rev.* 65, 117 (1944), doi:10.1103/PhysRev.65.117. B. Kaufman, *Phys. Rev.* 76, 1232 (1949), doi:10.1103/PhysRev.76.1232. U. Wolff, *Phys. Rev. Lett.* 62, 361 (1989), doi:10.1103/PhysRevLett.62.361. A. Sokal, in *Functional Integration* (Springer 1997), doi:10.1007/978-1-4899-0319-8_6: errors and $\tau$.
