# %% [markdown]
# # A law or a black box
#
# A measurement gives numbers: so much polarisation switched by a pulse of this length and that field. What follows for a pulse that was not tried? A *black box* (a random forest, a neural network, a Gaussian process) learns the table of numbers. A *law* is a formula with a handful of constants. Both predict. Which needs fewer measurements, which may be trusted outside of them, and who tells the law in the first place?
#
# 1. Points needed: a law of five constants beside three black boxes.
# 2. Beyond the measurements.
# 3. Who tells the law? Laws found from data, as a list with weights.
# 4. Data without a law.
#
# *To open it:* `make lessons` in the folder of the clone. All of it takes ten seconds, and half a minute more the first time, when the search is compiled.
#
# *Words.* The *test error* is the root mean square difference from the true curve at fresh points, over the curve's own standard deviation: 1 is as bad as always saying the mean. The *weight* of a law is its probability among the laws that were tried, given the data. The *90 % set* holds the fewest laws whose weights add up to 0.9.

# %%
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from physlearn.inference import SymbolicRegressor, fit_template

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer replicates, same code
warnings.filterwarnings("ignore", module="sklearn")  # a short series: not every fit converges

# %% [markdown]
# ## 1 Points needed
#
# A ferroelectric film is switched by a pulse of length $t$ in a field $E$. Domains nucleate and grow until they meet (Kolmogorov, Avrami, Ishibashi), and the time that this takes falls with the field as Merz found in 1954:
#
# $$ P(t, E) = c + a\left(1 - e^{-(t/\tau)^n}\right), \qquad \tau = s\,e^{b/E}. $$
#
# Five constants: $a, b, c, n, s$. We play nature, add noise of 5 % of the spread, and let four students predict: one knows the *form* of the law and fits its constants, three know nothing and take a black box each.

# %%
true = {"a": 1.5, "b": 1.2, "c": 0.1, "n": 1.7, "s": 0.3}
FORM = "c + a * (1 - exp(-(t / (s * exp(b / E)))**n))"


def law(t, E, a, b, c, n, s):
    return c + a * (1 - np.exp(-((t / (s * np.exp(b / E))) ** n)))


def measure(n_points, rng, short=0.05, long=5.0, weak=0.5, strong=2.0):
    t, E = rng.uniform(short, long, n_points), rng.uniform(weak, strong, n_points)
    return np.column_stack([t, E]), law(t, E, **true)


test_x, test_y = measure(1000, np.random.default_rng(0))
noise = 0.05 * test_y.std()


def black_boxes():
    kernel = ConstantKernel() * RBF([1.0, 1.0]) + WhiteKernel(0.01)
    return {
        "Gaussian process": make_pipeline(
            StandardScaler(), GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
        ),
        "neural network": make_pipeline(
            StandardScaler(),
            MLPRegressor(hidden_layer_sizes=(32, 32), solver="lbfgs", alpha=0.1, random_state=0),
        ),
        "random forest": RandomForestRegressor(60, random_state=0),
    }


def error(predicted, wanted):
    return float(np.sqrt(np.mean((predicted - wanted) ** 2)) / test_y.std())


rows = []
for n_points in (10, 30, 100, 300):
    rng = np.random.default_rng(n_points)
    x, clean = measure(n_points, rng)
    y = clean + noise * rng.standard_normal(n_points)
    fitted = fit_template(FORM, {"t": x[:, 0], "E": x[:, 1]}, y).laws
    row = {"points": n_points, "law of five constants": error(fitted.predict(test_x), test_y)}
    boxes = {name: box.fit(x, y) for name, box in black_boxes().items()}
    row |= {name: error(box.predict(test_x), test_y) for name, box in boxes.items()}
    rows.append(row)
errors = pd.DataFrame(rows).set_index("points")
print(errors.round(3))
ax = errors.plot(marker="o", loglog=True, figsize=(6, 3.6), ylabel="test error")
ax.axhline(0.05, color="0.7", ls=":")
plt.show()

# %%
by_law = errors["law of five constants"]
of_boxes = errors.drop(columns="law of five constants").min(axis=1)
assert (of_boxes[[30, 100]] > 2 * by_law[[30, 100]]).all()
assert by_law[30] < 0.05 < errors.loc[30].drop("law of five constants").min()

# %% [markdown]
# With 30 points the law is as good as the best black box with ten times as many. That is no magic: its error falls as $\sqrt{5/N}$ times the noise, for it has five numbers to learn. The boxes learn a surface, a patch at a time. (With 10 points the law fails too, and worse than the boxes: five constants from ten noisy numbers can run away. Its error bars say so.)
#
# ## 2 Beyond the measurements
#
# All four have seen fields from 0.5 to 2. Now a weaker field, 0.35 to 0.5, with the models of 300 points:

# %%
far_x, far_y = measure(1000, np.random.default_rng(1), weak=0.35, strong=0.5)
beyond = {"law of five constants": error(fitted.predict(far_x), far_y)}
beyond |= {name: error(box.predict(far_x), far_y) for name, box in boxes.items()}
print(pd.Series(beyond).round(3).to_string())

field = np.linspace(0.25, 1.0, 120)
line = np.column_stack([np.full_like(field, 2.5), field])
_, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.plot(field, law(2.5, field, **true), color="k", lw=3, alpha=0.3, label="truth")
ax.plot(field, fitted.predict(line), color="#0072b2", label="law of five constants")
for (name, box), color in zip(boxes.items(), ("#009e73", "#d55e00", "#cc79a7"), strict=True):
    ax.plot(field, box.predict(line), color=color, ls="--", label=name)
ax.axvspan(0.25, 0.5, color="0.93")
ax.set(xlabel="field E (grey: never measured)", ylabel="P at t = 2.5")
ax.legend(fontsize=8)
print("flagged as beyond the data:", fitted.extrapolates(far_x).mean())
assert beyond["law of five constants"] < 0.1 * min(list(beyond.values())[1:])

# %% [markdown]
# A black box has no reason to know what happens where it has seen nothing. The law has, *if it is the law*: `extrapolates` marks the points at which that is all one leans on.
#
# ## 3 Who tells the law?
#
# In part 1 a student knew the form. Often nobody does. `SymbolicRegressor` tries every short formula (here: terms of at most five symbols), fits its constants, and keeps a *list*: the shorter the formula and the better it says the data, the larger its weight. Here is the speed of a domain wall against the field; nature uses $v = 2\,e^{-1.3/E}$.

# %%
rng = np.random.default_rng(7)
field = rng.uniform(0.3, 2.0, 60)
speed = 2.0 * np.exp(-1.3 / field)


def laws_at(share):
    noisy = speed + share * speed.std() * np.random.default_rng(8).standard_normal(60)
    model = SymbolicRegressor(variables=("E",), target="v", largest_size=5)
    return model.fit(field[:, None], noisy).equations_


quiet, loud = laws_at(0.01), laws_at(0.20)
for share, laws in (("1 %", quiet), ("20 %", loud)):
    print(f"noise {share}: {len(laws.credible_set())} law(s) in the 90 % set")
    print(laws.table[["equation", "complexity", "weight"]].head(4).round(3).to_string(index=False))
    print(laws.verdict, "\n")

# %%
far = {"E": np.array([0.2, 4.0])}
assert np.allclose(quiet.best.predict(far), 2.0 * np.exp(-1.3 / far["E"]), rtol=0.1)
assert len(loud.credible_set()) > len(quiet.credible_set())
print(loud.discriminating_ranges.head(3).round(2).to_string(index=False))

# %% [markdown]
# At 1 % noise one law remains. At 20 % many short formulas pass through the same cloud, and a tool that prints *one* of them has told you its taste. The list says instead where the candidates differ most: measure there.
#
# ## 4 Data without a law
#
# The same search on numbers that do not depend on the field at all. A formula search that must answer always finds something:

# %%
claims = 0
N_SETS = 2 if FAST else 4
for seed in range(N_SETS):
    rng = np.random.default_rng(100 + seed)
    nothing = (
        SymbolicRegressor(variables=("E",), target="v", largest_size=5)
        .fit(rng.uniform(0.3, 2.0, (60, 1)), 1.0 + 0.1 * rng.standard_normal(60))
        .equations_
    )
    claims += int(nothing.claims_law)
print(nothing.verdict)
print(f"a law was claimed in {claims} of {N_SETS} sets")
assert claims == 0

# %% [markdown]
# ## What is claimed, theirs and ours
#
# | claim | theirs | ours |
# |---|---|---|
# | points for a test error of 0.05, five constants, 5 % noise | Gaussian process and neural network: some 300; random forest: more | 30, the form given (asserted above) |
# | fields below all that were measured | error 0.4 to 0.9 of the spread | below 0.05, and the points are flagged (asserted above) |
# | 60 laws of one or two variables that nothing was designed on, found from data with 1 % noise ([measured](../../docs/measured_laws.md)) | Operon: 13 % selected, 16 % in its front with $10^5$ evaluations (0.59 CPU s a law); 15 % and 17 % with $10^6$ (8.28 CPU s) | 43 % selected, 49 % listed, 1.36 CPU s a law |
# | the partial differential equation of five films of Allen and Cahn with 30 % noise, the same terms ([measured](../../docs/measured_laws.md)) | PySINDy: 0/5 by default; in our windows, the best of four thresholds, 3/5 in 1.5 CPU s a threshold | 5/5 in 0.36 CPU s, with error bars |
# | numbers without a law | always a formula | no law claimed, in words |
#
# Rows three and four are filled by `python -m benchmarks.laws`.
#
# ## For the class
#
# (a) In part 1 set the noise to 20 %. How many points does the law need now for a test error of 0.05?
#
# <details><summary>Solution</summary>
#
# The error of the law is about $0.20\sqrt{5/N}$, times a factor of order one because the constants are correlated: $N \approx 5\,(0.20/0.05)^2 = 80$. Try 80, 160 and 320. The boxes need the same factor 16 on top of what they needed.
#
# </details>
#
# (b) Give the law's student a *wrong* form: $c + a\,(1 - e^{-t/\tau})$, that is $n = 1$ fixed. Compare the test error at 30 and at 300 points with the Gaussian process.
#
# <details><summary>Solution</summary>
#
# `"c + a * (1 - exp(-(t / (s * exp(b / E)))))"` in `fit_template`. With few points the wrong law still wins, for four constants average the noise well; with many its error stops falling at the misfit of the form, and the black box passes it. A law is worth its name only while its residuals look like noise: plot them against $t$.
#
# </details>
#
# (c) In part 3, double the range of the field by adding twenty points between 2 and 4 at 20 % noise. How does the number of laws in the 90 % set change? Compare with twenty points *inside* the old range.
#
# <details><summary>Solution</summary>
#
# Points inside only average noise: the set shrinks slowly, as the candidates agree there. Points where `discriminating_ranges` says that they differ remove whole families at once.
#
# </details>
#
# (d) A colleague says that her network found the law because it predicts the test set to 1 %. What would you ask her to predict?
#
# <details><summary>Solution</summary>
#
# Points outside the range of the training data, with an error bar, before they are measured (part 2). A test set drawn from the same range asks only for interpolation.
#
# </details>
