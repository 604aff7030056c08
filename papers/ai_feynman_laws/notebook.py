# %% [markdown]
# # How many of Feynman's laws are found from noisy tables?
#
# Udrescu and Tegmark (2020, [doi:10.1126/sciadv.aay2631](https://doi.org/10.1126/sciadv.aay2631)) made a benchmark of a hundred formulas of Feynman's lectures: a table of the variables, the value of the formula, no noise but where they study it. Their AI Feynman found all hundred, the best public program of the time 71. Tables from an instrument are noisy, hold a few hundred rows, and carry units.
#
# We take eight laws of that kind from the project's own benchmark, on which the search was designed or has already been judged, and six that were written for this notebook when the search was finished, run once and reported as they came. We give each 400 rows with 1 % noise and the units, and ask for the law: the formula itself, not a curve that fits. Then some are done again with ten times the noise. What is not found stands in a list.
#
# *Words.* *Found* means that the law first in the list has the planted structure: judged by numbers: its predictions at fresh points are within 0.3 of the noise of the planted law. *In the set* means that one of the laws that hold 90 % of the weight does. *Extrapolates* asks the same on ranges 1.6 times as wide.

# %%
import os
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import beta

from physlearn.inference import SymbolicRegressor

FAST = os.environ.get("PHYSLEARN_FAST") == "1"
ROWS, NOISE = 400, 0.01

# %% [markdown]
# ## The laws
#
# Numbers such as $\tfrac{1}{2}$ or $1/4\pi$ are not told, they are constants to be fitted. Ranges are 1 to 4 unless stated, as in the benchmark ranges of order one.


# %%
def law(name, target, function, **columns):
    """columns: unit, or (unit, low, high)."""
    read = {
        key: value if isinstance(value, tuple) else (value, 1.0, 4.0)
        for key, value in columns.items()
    }
    return {"name": name, "target": target, "function": function, "columns": read}


DESIGNED = [
    law("Coulomb", "kg*m/s^2", lambda q, Q, eps, r: q * Q / (4 * np.pi * eps * r**2),
        q="A*s", Q="A*s", eps="A^2*s^4/(kg*m^3)", r="m"),
    law("Lorentz force", "kg*m/s^2", lambda q, E, B, v: q * (E + B * v),
        q="A*s", E="kg*m/(A*s^3)", B="kg/(A*s^2)", v="m/s"),
    law("relativistic mass", "kg", lambda m, v, c: m / np.sqrt(1 - v**2 / c**2),
        m="kg", v=("m/s", 1, 2.5), c=("m/s", 3, 6)),
    law("ideal gas", "kg/(m*s^2)", lambda n, k, T, V: n * k * T / V,
        n="1", k="kg*m^2/(s^2*K)", T="K", V="m^3"),
    law("thin lens", "m", lambda a, n, b: 1 / (1 / a + n / b), a="m", n="1", b="m"),
    law("velocity addition", "m/s", lambda u, v, c: (u + v) / (1 + u * v / c**2),
        u="m/s", v="m/s", c=("m/s", 3, 6)),
    law("cyclotron radius", "m", lambda m, v, q, B: m * v / (q * B),
        m="kg", v="m/s", q="A*s", B="kg/(A*s^2)"),
    law("torque on a magnet", "kg*m^2/s^2", lambda mu, B, theta: mu * B * np.sin(theta),
        mu="A*m^2", B="kg/(A*s^2)", theta=("1", 0.1, 3)),
]  # fmt: skip
NEW = [
    law("Einstein's diffusion", "m^2/s", lambda mu, k, T: mu * k * T,
        mu="s/kg", k="kg*m^2/(s^2*K)", T="K"),
    law("Poynting in a plane wave", "kg/s^3", lambda eps, c, E: eps * c * E**2,
        eps="A^2*s^4/(kg*m^3)", c="m/s", E="kg*m/(A*s^3)"),
    law("reduced mass", "kg", lambda m, M: m * M / (m + M), m="kg", M="kg"),
    law("cosine law", "m", lambda a, b, phi: np.sqrt(a**2 + b**2 - 2 * a * b * np.cos(phi)),
        a="m", b="m", phi=("1", 0.1, 3)),
    law("relativistic momentum", "kg*m/s", lambda m, v, c: m * v / np.sqrt(1 - v**2 / c**2),
        m="kg", v=("m/s", 1, 2.5), c=("m/s", 3, 6)),
    law("two-level energy", "kg*m^2/s^2", lambda E, k, T: E / (np.exp(E / (k * T)) + 1),
        E="kg*m^2/s^2", k="kg*m^2/(s^2*K)", T="K"),
]  # fmt: skip
print(len(DESIGNED), "laws that the search knows,", len(NEW), "that it does not")


# %%
def rows_of(one, n, rng, stretch=1.0):
    """Columns (n, variables), truth (n,), each range stretched about its middle."""
    columns = []
    for _, low, high in one["columns"].values():
        middle, half = (low + high) / 2, stretch * (high - low) / 2
        columns.append(rng.uniform(max(middle - half, 0.05 * low), middle + half, n))
    with np.errstate(invalid="ignore"):
        truth = one["function"](*columns)
    whole = np.isfinite(truth)
    return np.column_stack(columns)[whole], truth[whole]


def search(one, noise, seed):
    """Table of one law, searched with its units; how the first law and the set fare."""
    rng = np.random.default_rng(seed)
    x, truth = rows_of(one, ROWS, rng)
    y = truth + noise * truth.std() * rng.standard_normal(len(truth))
    names = list(one["columns"])
    units = {key: value[0] for key, value in one["columns"].items()}
    begun = time.process_time()
    model = SymbolicRegressor(variables=names, units=units, target_unit=one["target"])
    laws = model.fit(x, y).equations_
    spent = time.process_time() - begun
    fresh, fresh_truth = rows_of(one, 1000, np.random.default_rng(99))
    far, far_truth = rows_of(one, 1000, np.random.default_rng(98), stretch=1.6)
    scale = truth.std()

    def off(number, where, wanted):
        with np.errstate(all="ignore"):
            columns = dict(zip(names, where.T, strict=True))
            error = laws.law(number).predict(columns) - wanted
        return float(np.sqrt(np.mean(error**2)) / scale)

    in_set = any(off(k, fresh, fresh_truth) < 0.3 * noise for k in range(len(laws.credible_set())))
    first = off(0, fresh, fresh_truth)
    return {
        "law": one["name"], "first in the list": laws.table["equation"].iloc[0],
        "weight": laws.table["weight"].iloc[0], "error": first, "far": off(0, far, far_truth),
        "found": first < 0.3 * noise, "in the set": in_set, "CPU s": spent,
    }  # fmt: skip


# %% [markdown]
# A law of three constants whose structure is right has an error of $\sqrt{3/400} = 0.09$ times the noise. One that only *fits* has an error of its own on top. Below 0.3 times the noise at fresh points the law counts as found: a numerical equality, whatever the formula looks like (a law may be written in many ways).
#
# ## 1 Laws that the search knows, laws that it does not

# %%
designed = DESIGNED[:2] if FAST else DESIGNED
new = NEW[:2] if FAST else NEW
known = pd.DataFrame([search(one, NOISE, seed) for seed, one in enumerate(designed)])

# %%
fresh = pd.DataFrame([search(one, NOISE, 100 + seed) for seed, one in enumerate(new)])
shown = ["law", "found", "in the set", "error", "far", "CPU s"]
for title, table in (("known to the design", known), ("not known", fresh)):
    print(title)
    print(table[shown].round(4).to_string(index=False))
    print()


def share(hits):
    """Share with its 90 % interval (Jeffreys)."""
    n, k = len(hits), int(np.sum(hits))
    low, high = beta.ppf([0.05, 0.95], k + 0.5, n - k + 0.5)
    return f"{k} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


print("found, known:", share(known["found"]), " in the set:", share(known["in the set"]))
print("found, new:  ", share(fresh["found"]), " in the set:", share(fresh["in the set"]))
print(f"CPU s a law: median {pd.concat([known, fresh])['CPU s'].median():.2f}")
assert known["found"].mean() >= 0.7
assert fresh["found"].mean() >= 0.4

# %% [markdown]
# ## 2 What was not found
#
# The honest list, with what came in place of the law:

# %%
both = pd.concat([known, fresh])
for _, row in both[~both["found"]].iterrows():
    print(f"{row['law']}: {row['first in the list'][:90]}")
    print(f"    error {row['error'] / NOISE:.1f} x noise inside, {row['far'] / NOISE:.0f} x on "
          f"wider ranges, weight {row['weight']:.2f}")  # fmt: skip
print("missed:", int((~both["found"]).sum()), "of", len(both))

_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for table, marker, text in ((known, "o", "known to the design"), (fresh, "s", "not known")):
    ax.loglog(table["error"] / NOISE, table["far"] / NOISE, marker, mfc="none", label=text)
ax.axvline(0.3, color="0.7", lw=0.8)
ax.set(xlabel="error within the ranges / noise", ylabel="error on wider ranges / noise")
ax.legend()
plt.show()
found = both[both["found"]]
# A law that is right stays right outside; constants' errors grow, by the range's 1.6 and powers.
assert (found["far"] < 30 * NOISE).mean() > 0.9

# %% [markdown]
# Laws without a fitted number are exact wherever they are asked (lower left). Those to the right of them, left of the grey line, count as found by the rule: Coulomb's and the torque have a number that was fitted, but the relativistic mass has none, and its formula leaves the law near $v = c$ on wider ranges (column `far`): there the rule is generous by one. What tells a law from a formula that only fits is the vertical axis.
#
# ## 3 Ten times the noise
#
# At 10 % noise fewer formulas are told apart by 400 rows. The first law of the list is then a shorter one; what may be asked is that the set of laws holds the truth.

# %%
some = designed[:1] if FAST else DESIGNED[:2]
loud = pd.DataFrame([search(one, 0.1, 200 + seed) for seed, one in enumerate(some)])
print(loud[["law", "found", "in the set", "weight"]].round(3).to_string(index=False))
print("10 % noise, found:", share(loud["found"]), " in the set:", share(loud["in the set"]))

# %% [markdown]
# ## Theirs, ours, why different
#
# | what | theirs | ours | why different |
# |---|---|---|---|
# | 100 formulas of the lectures, without noise, Udrescu and Tegmark 2020, [doi:10.1126/sciadv.aay2631](https://doi.org/10.1126/sciadv.aay2631) | 100 of 100; the best public program of the time 71 | shares printed in 1., of 8 and 6 laws at 1 % noise | other, fewer laws; ours has noise and 400 rows; they may search for hours and have a table of any length |
# | a harder set | 90 % against 15 % | not run | longer formulas than the default search is meant for |
# | what is returned | one formula (a front in their second paper) | a list with weights, and where to measure next | a noisy table does not fix one formula |
# | more laws, two back ends, held-out halves | not given here | [measured laws](../../docs/measured_laws.md), `python -m benchmarks.laws` | |
#
# No table of theirs was used; the laws are of the same kind and ranges. Their shares and ours are not the same experiment, and nothing here ranks the two.
#
# ## What this does not show
#
# - The six new laws were written for this notebook by people who know what such a search can write. They are no sample of physics.
# - Units do much of the work: without them laws of five variables are out of reach of an exhaustive search.
# - A numerical equality within 0.3 of the noise is not a proof that the formulas are the same.
