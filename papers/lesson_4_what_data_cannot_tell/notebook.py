# %% [markdown]
# # Lesson 4: What can data not tell?
#
# Some questions have no answer in the data, however many there are. A picture of an alloy holds the ratio of its bond energy to its temperature, and not the energy. A decay that is the sum of two similar exponentials hardly holds the two rates. Three points hold no exponent and no curve its law, if nobody looked where the laws differ. A program that answers all the same answers with its own taste.
#
# This lesson teaches to *see* such a gap: as a ridge of the likelihood, as a zero of an information matrix, as a flat profile, as two laws on one curve. And to close it, which is never done by more of the same.
#
# *You need:* numpy, Lessons 1 and 2. *Time:* about 45 minutes. `make lessons` opens it in a browser.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import curve_fit

from physlearn import NotIdentified
from physlearn.inference import compare_templates, fit_drive_law

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer repetitions, same code
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"
BOLTZMANN = 0.0861733  # meV / K

# %% [markdown]
# ## 1. A ridge
#
# In a chain of atoms a bond joins like neighbours with chance $q = 1/(1 + e^{-2J/k_BT})$. We count $k$ like pairs of $n$ and ask for *two* things: the bond energy $J$ in meV, and the temperature $T$ in kelvin at which the chain froze.


# %%
def log_likelihood(energy, temperature, k, n):
    q = 1 / (1 + np.exp(-2 * energy / (BOLTZMANN * temperature)))
    return k * np.log(q) + (n - k) * np.log(1 - q)


energies, temperatures = np.linspace(1, 40, 200)[:, None], np.linspace(150, 900, 200)
_, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True, layout="constrained")
for ax, n in zip(axes, (60, 600, 6000)):
    surface = log_likelihood(energies, temperatures, round(0.69 * n), n)
    drop = surface - surface.max()
    ax.contourf(temperatures, energies[:, 0], drop, levels=[-4.5, -2, -0.5, 0.1], cmap="Blues")
    ax.plot([290, 580], [10, 20], "o", color=ORANGE)
    ax.set(xlabel="temperature T (K)", title=f"{n} bonds")
axes[0].set_ylabel("bond energy J (meV)")
plt.show()
one, other = log_likelihood(10.0, 290.0, 414, 600), log_likelihood(20.0, 580.0, 414, 600)
print(f"10 meV at 290 K: {one:.10f}\n20 meV at 580 K: {other:.10f}")
assert np.isclose(one, other, rtol=1e-14)

# %% [markdown]
# The likelihood has no summit but a ridge. The two orange points are equal *to the last digit*, for only $J/T$ enters the formula. A hundred times the data make the ridge sharper and not a bit shorter.
#
# So the right answer is a number *in units of $k_BT$*, and that is what `fit_lattice_hamiltonian` returns. Whoever needs meV brings a **thermometer**, that is, a prior on $T$ from elsewhere:

# %%
k, n = 414, 600
area = np.exp(log_likelihood(energies, temperatures, k, n) - one)
_, axes = plt.subplots(1, 3, figsize=(12, 3.4), sharey=True, layout="constrained")
spreads = []
for ax, sd in zip(axes, (np.inf, 40.0, 5.0)):
    thermometer = np.exp(-((temperatures - 290) ** 2) / (2 * sd**2))
    density = area * thermometer
    density /= density.sum()
    mean = np.sum(density * energies)
    spreads.append(np.sqrt(np.sum(density * (energies - mean) ** 2)))
    ax.contourf(temperatures, energies[:, 0], density / density.max(),
                levels=[0.011, 0.135, 0.61, 1.01], cmap="Blues")  # fmt: skip
    name = "no thermometer" if sd == np.inf else f"thermometer: 290 +- {sd:.0f} K"
    ax.set(xlabel="temperature T (K)", title=f"{name}\nJ = {mean:.1f} +- {spreads[-1]:.1f} meV")
    print(f"{name}: J = {mean:.1f} +- {spreads[-1]:.2f} meV")
axes[0].set_ylabel("bond energy J (meV)")
plt.show()
# with a good thermometer only the count is left: sd of J / kT is 1 / sqrt(4 n q (1 - q))
limit = BOLTZMANN * 290 / np.sqrt(4 * n * 0.69 * 0.31)
print(f"the count alone allows +- {limit:.2f} meV")
assert spreads[0] > 5 and abs(spreads[2] / limit - 1) < 0.15

# %% [markdown]
# Without a thermometer the "answer" in the left panel is the *window of the plot*: we cut the ridge at 150 and 900 K and 40 meV. A result that changes when the axes of the prior change was not in the data.
#
# ## 2. The matrix that knows
#
# A ridge can be found without drawing. Suppose we measure a curve $y(t;\theta)$ with noise $\sigma$ at times $t_1 \dots t_m$. Small changes of the parameters are seen only as far as they move the curve. Collect the slopes in a matrix $D_{ia} = \partial y(t_i)/\partial\theta_a$; then
#
# $$F = D^\top D / \sigma^2, \qquad \mathrm{cov}(\hat\theta) \approx F^{-1}$$
#
# is the **Fisher information** and the best that any unbiased estimate can do (Cramér and Rao). An eigenvalue of zero: a direction in which nothing is seen. A very small one: a direction that needs very many data. Take the sum of two decays, $y = \tfrac12(e^{-r_1t} + e^{-r_2t})$, measured at 40 times with 1 % noise.

# %%
times, NOISE = np.linspace(0.05, 3, 40), 0.01


def decay(t, r1, r2):
    return 0.5 * (np.exp(-r1 * t) + np.exp(-r2 * t))


def information(t, r1, r2):
    slopes = np.column_stack([-0.5 * t * np.exp(-r1 * t), -0.5 * t * np.exp(-r2 * t)])
    return slopes.T @ slopes / NOISE**2


rates = np.linspace(0.3, 4, 300)
_, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, pair in zip(axes, ((0.7, 3.0), (1.3, 1.5))):
    values, directions = np.linalg.eigh(information(times, *pair))
    print(f"rates {pair}: one standard deviation along {directions[:, 1].round(2)} is "
          f"{values[1] ** -0.5:.3f}, along {directions[:, 0].round(2)} {values[0] ** -0.5:.3f}")  # fmt: skip
    data = decay(times, *pair) + NOISE * np.random.default_rng(2).normal(size=len(times))
    misfit = (decay(times, rates[:, None, None], rates[:, None]) - data) ** 2
    log_l = -misfit.sum(axis=2) / (2 * NOISE**2)
    ax.contourf(rates, rates, (log_l - log_l.max()).T, levels=[-4.5, -2, -0.5, 0.1], cmap="Blues")
    ax.plot(*pair, "+", color=ORANGE, ms=12, mew=2)
    ax.plot([0.3, 4], [0.3, 4], color=GREY, lw=0.8, ls=":")
    ax.set(xlabel="rate r1", ylabel="rate r2", title=f"planted {pair[0]} and {pair[1]}")
    around = (0.3, 4.0) if pair[1] > 2 else (0.9, 2.1)
    ax.set(aspect="equal", xlim=around, ylim=around)
plt.show()
sloppy = np.linalg.eigvalsh(information(times, 1.3, 1.5))
assert sloppy[1] / sloppy[0] > 50
inverse = np.linalg.inv(information(times, 0.7, 3.0))
print("well apart: r1 +- {:.3f}, r2 +- {:.3f}".format(*np.sqrt(np.diag(inverse))))

# %% [markdown]
# Left: two small islands. (Two, because nobody said which rate is which: a harmless gap, closed by calling the smaller one $r_1$.) Right: one long banana across the diagonal. The *sum* of the rates is known to a per cent or two, their *difference* is not; even "both are equal" is allowed. Yet every point of the banana draws **the same curve** within the noise. Such models are called sloppy, and most models with many rates are. Predict curves with them as you like. Don't print the rates.
#
# Does the matrix tell the truth? We fit many noisy curves with well separated rates and compare the scatter with $F^{-1}$:

# %%
fits = []
rng = np.random.default_rng(3)
N_FITS = 200
for _ in range(N_FITS):
    data = decay(times, 0.7, 3.0) + NOISE * rng.normal(size=len(times))
    fits.append(curve_fit(decay, times, data, p0=(0.7, 3.0))[0])
scatter, foreseen = np.std(fits, axis=0), np.sqrt(np.diag(inverse))
print("scatter of 200 fits", scatter.round(4), "foreseen", foreseen.round(4))
# a standard deviation of 200 numbers is known to 1 / sqrt(400) = 5 %
assert np.all(np.abs(scatter / foreseen - 1) < 4 * 0.05 + 0.05)

# %% [markdown]
# ## 3. A flat profile
#
# Domain walls *creep*: they are held by defects and helped by heat, and their speed is said to follow $v = v_0\,e^{-(E_0/E)^\mu}$, with an exponent $\mu$ that theory predicts (1/4 for a line in weak disorder). Which $\mu$ do the data want? For a **profile** one fixes $\mu$, fits everything else as well as possible, and notes the misfit. Here that is easy: with $\mu$ fixed, $\ln v = \ln v_0 - E_0^\mu\,E^{-\mu}$ is a straight line in $E^{-\mu}$.


# %%
def profile(fields, log_speeds, error, exponents):
    best = []
    for exponent in exponents:
        line = np.column_stack([np.ones_like(fields), fields**-exponent])
        left = log_speeds - line @ np.linalg.lstsq(line, log_speeds)[0]
        best.append(np.sum((left / error) ** 2))
    return np.array(best)


MU, ERROR = 0.25, 0.05
exponents = np.linspace(0.03, 1.5, 148)
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
designs = {
    "two fields": np.array([1.0, 2.0]),
    "seven fields, factor of 2": np.geomspace(1.0, 2.0, 7),
    "seven fields, factor of 30": np.geomspace(0.2, 6.0, 7),
}
widths = {}
for (name, fields), color in zip(designs.items(), (GREY, ORANGE, BLUE)):
    clean = 12.0 - 10.0 * fields**-MU
    speeds = clean + ERROR * np.random.default_rng(4).normal(size=len(fields))
    curve = profile(fields, speeds, ERROR, exponents)
    inside = exponents[curve < curve.min() + 2.706]
    widths[name] = inside[-1] - inside[0]
    print(f"{name}: 90 % of mu from {inside[0]:.2f} to {inside[-1]:.2f}")
    left.errorbar(fields, speeds, ERROR, fmt="o", ms=4, color=color)
    right.plot(exponents, curve - curve.min(), color=color, label=name)
left.set(xscale="log", xlabel="field E", ylabel="ln speed")
left.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
left.minorticks_off()
right.axhline(2.706, color="k", lw=0.8, ls="--")
right.axvline(MU, color="k", lw=0.8)
right.set(xlabel=r"exponent $\mu$", ylabel="misfit above the best", ylim=(-0.3, 12))
right.legend(frameon=False, fontsize=8)
plt.show()
assert widths["two fields"] > 1.4 > 0.3 > widths["seven fields, factor of 30"]

# %% [markdown]
# Two fields: every exponent passes exactly through both points, and the profile is *flat*. Seven fields close together: a profile, but so wide that it hardly excludes anything. Only a wide **range** makes a valley. (A straight line on a log-log plot over a factor of two proves very little, and many are published.)
#
# The library says the same in two ways: a refusal, and an interval.

# %%
try:
    fit_drive_law([1.0, 2.0], [7.4, 35.5], [0.4, 1.8], law="creep")
    refused = ""
except NotIdentified as why:
    refused = str(why)
print("two fields:", refused)
assert refused

fields = designs["seven fields, factor of 30"]
clean = 12.0 - 10.0 * fields**-MU
speeds = np.exp(clean + ERROR * np.random.default_rng(4).normal(size=7))
fit = fit_drive_law(fields, speeds, ERROR * speeds, law="creep", rng=1)
low, high = fit.interval("creep_exponent")
print(f"seven fields, factor of 30: 90 % of mu from {low:.2f} to {high:.2f}; planted {MU}")
assert low < MU < high

# %% [markdown]
# ## 4. Two laws, one curve
#
# A response saturates. Two textbooks offer $y = a\,x/(b + x)$ and $y = a\,(1 - e^{-x/b})$, each with two constants. We plant the first, add noise of 0.01, and fit both.


# %%
def hyperbola(x, a, b):
    return a * x / (b + x)


def exponential(x, a, b):
    return a * (1 - np.exp(-x / b))


SD = 0.01


def measure(farthest, seed):
    x = np.linspace(0.05, farthest, 30)
    return x, hyperbola(x, 1.0, 1.0) + SD * np.random.default_rng(seed).normal(size=30)


def misfits(x, y):
    found = []
    for law, start in ((hyperbola, (1.0, 1.0)), (exponential, (0.8, 0.8))):
        best = curve_fit(law, x, y, p0=start)[0]
        found.append((np.sum((y - law(x, *best)) ** 2) / SD**2, best))
    return found


_, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
wide = np.linspace(0, 5, 200)
for ax, farthest in zip(axes, (0.6, 3.0)):
    x, y = measure(farthest, 5)
    (first, best1), (second, best2) = misfits(x, y)
    weight = 1 / (1 + np.exp((first - second) / 2))
    ax.plot(wide, hyperbola(wide, *best1), color=BLUE, label=f"a x / (b + x): misfit {first:.0f}")
    ax.plot(wide, exponential(wide, *best2), color=ORANGE, ls="--",
            label=f"a (1 - exp(-x / b)): misfit {second:.0f}")  # fmt: skip
    ax.plot(x, y, "k.", ms=4)
    ax.axvspan(farthest, 5, color="0.94")
    ax.set(xlabel="x (grey: not measured)", title=f"weight of the true law {weight:.0%}")
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    print(f"measured up to {farthest}: misfits {first:.1f} and {second:.1f} for 28 degrees of "
          f"freedom, weight of the true law {weight:.3%}")  # fmt: skip
axes[0].set_ylabel("response y")
plt.show()

# %% [markdown]
# On the left both laws fit, *both misfits are as they should be*, and both plots would pass a referee. The weights (the ratio of the likelihoods at their tops; both have two constants) stay near one half. They part beyond the data. A good fit is no evidence for a law; it is evidence only against laws that do not fit.
#
# How far must one measure? We ask many data sets.

# %%
N_SETS = 40 if FAST else 150
farthests = (0.4, 0.6, 0.8, 1.2, 2.0, 3.0)
decided = []
for farthest in farthests:
    pairs = [misfits(*measure(farthest, 100 + seed)) for seed in range(N_SETS)]
    weights = [1 / (1 + np.exp((one[0] - two[0]) / 2)) for one, two in pairs]
    decided.append(np.mean(np.array(weights) > 0.95))
    print(f"up to {farthest}: the true law has more than 95 % in {decided[-1]:.0%} of the sets")
_, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
ax.plot(farthests, decided, "o-", color=BLUE)
ax.set(
    xlabel="farthest x that is measured", ylabel="sets that decide for the truth", ylim=(0, 1.05)
)
plt.show()
assert decided[0] < 0.3 and decided[-1] > 0.95

# %% [markdown]
# And the library's line: it weighs the laws by their evidence, says in words whether the data fix one, and *where they differ*, which is where to measure next.

# %%
for farthest in (0.6, 3.0):
    x, y = measure(farthest, 5)
    laws = compare_templates(["a*x/(b + x)", "a*(1 - exp(-x/b))"], {"x": x}, y)
    print(f"up to {farthest}: {laws.verdict}\n")
    assert laws.fixes_law == (farthest == 3.0)

# %% [markdown]
# ## What to keep
#
# * A ridge, a zero eigenvalue, a flat profile, two laws on one curve: four faces of *the data cannot tell*.
# * More of the same data sharpen a ridge and do not shorten it. What helps is *another kind* of data: a thermometer, a wider range, a second temperature, an act.
# * Ask before measuring: $F$ needs the design, not the data.
# * If the result moves when the prior's edges move, the result is the prior.
#
# ## Exercises
#
# **1. A good enough thermometer.** In part 1, how precisely must $T$ be known so that it adds less than a tenth to the error of $J$? Guess first: relative errors add in squares.
#
# <details><summary>Solution</summary>
#
# $J = (J/k_BT)\,k_BT$: the relative variance of $J$ is that of the count plus that of $T$. The count gives $0.0441/0.40 = 11\,\%$. A tenth more error is 21 % more variance, so $T$ may be off by $11\,\% \times \sqrt{0.21} = 5\,\%$, about 15 K. A better thermometer is wasted on 600 bonds.
#
# ```python
# def error_of_energy(sd):
#     density = area * np.exp(-((temperatures - 290) ** 2) / (2 * sd**2))
#     density = density / density.sum()
#     mean = np.sum(density * energies)
#     return np.sqrt(np.sum(density * (energies - mean) ** 2))
#
#
# for sd in (3, 15, 40):
#     print(f"thermometer +- {sd} K: J +- {error_of_energy(sd):.2f} meV")
# assert 1.05 < error_of_energy(15) / error_of_energy(3) < 1.15
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **2. Is a second temperature enough?** A second chain froze at *twice* the temperature of the first (the ratio is known, neither temperature is). Add its log-likelihood. Does the ridge get an end?
#
# <details><summary>Solution</summary>
#
# No. $J/T$ and $J/2T$ are both unchanged when $J$ and $T$ double. The second chain tests the *model* (does one $J$ explain both?), but a scale in kelvin must come from an instrument that shows kelvin.
#
# ```python
# both = log_likelihood(energies, temperatures, 414, 600)
# both = both + log_likelihood(energies, 2 * temperatures, 360, 600)
# along = both[np.arange(200), np.abs(temperatures - energies * 29).argmin(axis=1)]
# middle = along[(energies[:, 0] > 8) & (energies[:, 0] < 28)]
# print(f"along the ridge ln L varies by {np.ptp(middle):.2f}")
# assert np.ptp(middle) < 0.2  # the grid's steps only
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **3. Design for two rates.** With 40 measurements, which last time $t_{max}$ tells $1.2$ and $1.6$ apart best? Use $F$ only; no data are needed. How many repetitions would make the error of $r_2 - r_1$ smaller than a quarter of their difference?
#
# <details><summary>Solution</summary>
#
# The error of the difference has a minimum at a few decay times: earlier the curves have not parted, later there is only noise. Errors fall with the square root of the number of repetitions.
#
# ```python
# def error_of_difference(last):
#     cov = np.linalg.inv(information(np.linspace(0.05, last, 40), 1.2, 1.6))
#     return np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
#
#
# lasts = np.linspace(0.5, 8, 76)
# found = np.array([error_of_difference(last) for last in lasts])
# print(f"best last time {lasts[found.argmin()]:.1f}, error {found.min():.2f}")
# print(f"repetitions needed: {np.ceil((found.min() / 0.1) ** 2):.0f}")
# assert 1 < lasts[found.argmin()] < 6
# ```
#
# </details>

# %%
# yours

# %% [markdown]
# **4. Two readers.** Pairs are judged by an eye that errs in a share $\epsilon$ of them (Lesson 2). One reader sees 640 like pairs of 1,000: show that $J$ and $\epsilon$ lie on a ridge. Then a second reader, with the same $\epsilon$, judges the *same* pairs, and they agree in 850. What is closed now?
#
# <details><summary>Solution</summary>
#
# One reader holds only $q' = q(1-\epsilon) + (1-q)\epsilon$. Two readers agree with chance $(1-\epsilon)^2 + \epsilon^2$, whatever $q$ is: their *disagreement* measures the error. 0.85 gives $\epsilon = 0.082$, and then $q$ follows from $q'$. Repeats do what more data never can. (Only if the readers' errors are independent: where the picture itself is bad, both err.)
#
# ```python
# couplings, errors = np.linspace(0.0, 0.8, 161)[:, None], np.linspace(0.0, 0.3, 151)
# q = 1 / (1 + np.exp(-2 * couplings))
# seen = q * (1 - errors) + (1 - q) * errors
# one_reader = 640 * np.log(seen) + 360 * np.log(1 - seen)
# agree = np.broadcast_to((1 - errors) ** 2 + errors**2, seen.shape)
# with np.errstate(divide="ignore"):
#     two_readers = one_reader + 850 * np.log(agree) + 150 * np.log(1 - agree)
# for name, surface in (("one reader", one_reader), ("two readers", two_readers)):
#     allowed = np.broadcast_to(couplings, surface.shape)[surface > surface.max() - 2]
#     print(f"{name}: J from {allowed.min():.2f} to {allowed.max():.2f}")
# a, b = np.unravel_index(two_readers.argmax(), two_readers.shape)
# print(f"J = {couplings[a, 0]:.2f}, misread {errors[b]:.3f}")
# assert abs(errors[b] - 0.082) < 0.003
# ```
#
# (The joint counts of both readers hold a little more; write their four chances if you like.)
#
# </details>

# %%
# yours

# %% [markdown]
# **Next:** [Lesson 5](../lesson_5_correlation_and_cause/notebook.ipynb): the largest gap of all is between seeing and doing. Gaps of real measurements: [what a wall can tell](../what_a_wall_can_tell/notebook.ipynb), [gravity from orbits](../gravity_from_orbits/notebook.ipynb).
#
# **Sources.** C. R. Rao, *Bull. Calcutta Math. Soc.* 37, 81 (1945): the bound. R. N. Gutenkunst and others, *PLoS Comput. Biol.* 3, e189 (2007), doi:10.1371/journal.pcbi.0030189: sloppy models. A. Raue and others, *Bioinformatics* 25, 1923 (2009), doi:10.1093/bioinformatics/btp358: profiles. S. Lemerle and others, *Phys. Rev. Lett.* 80, 849 (1998), doi:10.1103/PhysRevLett.80.849: creep with exponent 1/4.
