# %% [markdown]
# # At which temperature does an alloy order, if DFT energies are all we have?
#
# Density functional theory gives energies of small cells at rest. Whether an alloy orders on cooling, in which pattern, and at what temperature is a question of statistical mechanics. The bridge is a lattice Hamiltonian: per site
#
# $$E/N = \sum_p c_p\, m^p + \frac1N \sum_k V_k \sum_{\langle ij\rangle_k} s_i s_j + \varepsilon,$$
#
# a smooth function of composition plus a bond energy $V_k$ for each shell of neighbours, $s = \pm 1$ for the two species, $V > 0$ preferring unlike neighbours. Bond energies are inferred with errors, and the errors are carried to the ordering temperature. The data are the 16-atom bcc cells (relaxed, VASP-PBE) of Nb-Mo and Nb-Ta that Li and others (2020) published to train a potential for the four-component alloy NbMoTaW; that Mo-Ta-like pairs drive a transition from random bcc (A2) to B2 in that alloy was predicted by Huhn and Widom (2013).

# %%
import os
import warnings

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar nobody needs

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from physlearn import AtomicConfiguration
from physlearn.checks import InputError
from physlearn.datasets import read_structures, registry
from physlearn.inference import (
    EnergyOptions,
    fit_hamiltonian_to_energies,
    hamiltonian_from_energies,
    predict_ordering,
)
from physlearn.lattice_models import Ising, cubic_lattice, simulate_lattice

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer replicates, same code
N_DRAWS = 3 if FAST else 10
N_PICTURES = 150 if FAST else 500
KB = 0.0861733  # meV / K

# %% [markdown]
# ## 1. Bond energies from energies of structures


# %%
def planted_cells(seed=1):
    """Return 16-atom cells of a planted alloy that orders like Nb-Mo, with energies in eV."""
    rng = np.random.default_rng(seed)
    graph = cubic_lattice((2, 2, 2), "bcc", 2)
    cells = []
    for k in range(200):
        states = np.where(rng.random(16) < rng.uniform(0.1, 0.9), 1, -1)
        ends = states[graph.edges]
        bonds = np.bincount(graph.shell, graph.multiplicity * ends[:, 0] * ends[:, 1], minlength=2)
        energy = -160.0 + (7.6 * bonds[0] - 2.1 * bonds[1] + 16 * rng.normal(0, 2.7)) / 1000
        cells.append(
            AtomicConfiguration(
                3.3 * graph.positions, "angstrom", species=(states + 1) // 2,
                species_names=("Mo", "Nb"), cell=3.3 * 2 * np.eye(3),
                metadata={"energy_ev": energy, "entry": k},
            )
        )  # fmt: skip
    return cells


try:
    alloys = {
        "Nb-Mo": read_structures(registry.fetch("dft_alloys_bcc/NbMo_SS.json"), "relax"),
        "Nb-Ta": read_structures(registry.fetch("dft_alloys_bcc/NbTa_SS.json"), "relax"),
    }
    unrelaxed = read_structures(registry.fetch("dft_alloys_bcc/NbMo_SS.json"), "unrelax")
except (InputError, OSError) as why:
    print(f"No public energies here ({why}): planted cells of the same size take their place.")
    alloys, unrelaxed = {"planted": planted_cells()}, None

fits = {}
for name, cells in alloys.items():
    fits[name] = fit = fit_hamiltonian_to_energies(cells, n_shells=2, rng=1)
    rms = fit.diagnostics["rms_in_sample"], fit.diagnostics["rms_left_out"]
    print(
        f"\n{name}: {len(cells)} cells; rms {rms[0]:.2f} meV/atom in sample, {rms[1]:.2f} left out"
    )
    table = fit.summary().set_index("name").loc[["bond_energies[1]", "bond_energies[2]"]]
    print(table[["mean", "sd", "q05", "q95"]].round(2).to_string())
    print(*fit.warnings, sep="\n")
    # leaving one of n structures out costs about (number of terms) / n of the variance
    assert 1.0 <= rms[1] / rms[0] < 1.1

# %%
_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for color, (name, fit) in zip(("#0072b2", "#d55e00"), fits.items(), strict=False):
    for shell, style in ((0, "-"), (1, "--")):
        ax.hist(
            fit["bond_energies"][:, shell], bins=60, density=True, histtype="step", color=color,
            ls=style, label=f"{name}, shell {shell + 1}",
        )  # fmt: skip
ax.axvline(0, color="#999999", lw=1)
ax.set(xlabel="bond energy V (meV); right of 0: unlike preferred", ylabel="posterior density")
ax.set_yscale("log")
ax.legend(fontsize=8, frameon=False)
plt.show()

# %% [markdown]
# Nb-Mo prefers unlike nearest neighbours, Nb-Ta like ones. The fit warns that a single bond energy leans on the choice of terms: in a 2 x 2 x 2 box several shells add up to $m^2$. What the terms predict *together* is safer, and that is tested below with a third shell.
#
# **A trap.** The unrelaxed Nb-Mo cells sit at one of two parent volumes. Their energies hold strain, which no bond energy describes; the fit of those must not pass without a word:

# %%
if unrelaxed is not None:
    strained = fit_hamiltonian_to_energies(unrelaxed, n_shells=2, rng=1)
    print(strained["bond_energies"].mean(axis=0).round(1), "meV")
    print(strained.warnings[0])
    assert any("strain" in text for text in strained.warnings), "strain was expected to be flagged"

# %% [markdown]
# ## 2. Which order, and how much of it above the transition?
#
# Exchange Monte Carlo at one to one, one run a posterior draw. Warren-Cowley's parameter is below 0 where unlike neighbours are more frequent than at random.

# %%
temperatures = np.array([500.0, 1000.0, 2000.0]) if FAST else np.linspace(400.0, 2000.0, 9)
order, ordering = {}, {}
for name, fit in fits.items():
    rows = []
    for T in temperatures:
        found = predict_ordering(
            fit, T, n_cells=8, n_posterior=4 if FAST else 12, n_pictures=10, rng=1
        )
        rows.append(found.table.iloc[0][["warren_cowley", "q05", "q95"]].to_numpy(float))
        ordering.setdefault(name, found)  # the coldest
    order[name], found = np.array(rows), ordering[name]
    print(f"{name} at {temperatures[0]:.0f} K: {found.summary()}")
    print(f"   {next(iter(found.patterns))}; mean-field instability (mean, sd in K):", end=" ")
    print(np.round(found.transition_temperature, 0))

# %%
_, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
for color, (name, rows) in zip(("#0072b2", "#d55e00"), order.items(), strict=False):
    ax.plot(temperatures, rows[:, 0], "o-", color=color, ms=4, label=name)
    ax.fill_between(temperatures, rows[:, 1], rows[:, 2], color=color, alpha=0.3)
ax.axhline(0, color="#999999", lw=1)
ax.set(xlabel="temperature (K)", ylabel="Warren-Cowley parameter of shell 1")
ax.legend(frameon=False)
plt.show()

# %%
for name, rows in order.items():
    sign = 1.0 if name == "Nb-Ta" else -1.0
    assert np.all(sign * rows[0] > 0), "the sign of the order was expected to be decided"
    V, thermal = fits[name]["bond_energies"].mean(axis=0), KB * temperatures[-1]
    # <s s'> in powers of 1 / T: 6 paths over one bond of each shell; one to one at fixed numbers
    # of 8^3 sites takes 1 / 511 off
    series = -V[0] / thermal + 6 * V[0] * V[1] / thermal**2 - 1 / 511
    noise = 1 / np.sqrt(4 * 512 * 10 * (4 if FAST else 12))  # of all bonds of all pictures
    print(f"{name}: {rows[-1, 0]:.4f} at {temperatures[-1]:.0f} K; expansion in 1/T {series:.4f}")
    assert abs(rows[-1, 0] - series) < 4 * noise + 0.004, "third order is below .004"
if "Nb-Mo" in fits:
    assert next(iter(ordering["Nb-Mo"].patterns)) == "B2"
    assert next(iter(ordering["Nb-Ta"].patterns)) == "separation into phases"

# %% [markdown]
# ## 3. The temperature at which it orders
#
# The mean-field instability, $k_BT = 8V_1 - 6V_2$ for B2, is an upper guess: it forgets fluctuations. The true transition is where the Binder cumulant $U = 1 - \langle m^4\rangle / 3\langle m^2\rangle^2$ of two crystal sizes crosses. For B2 the order parameter $m$ is the staggered one; turning over all spins of one of the two sublattices maps the alloy onto a ferromagnet, where cluster updates are fast. At one to one this is exact for two shells, since the first shell joins the sublattices and the second stays within one.
#
# First the method itself, on a case that is known: nearest neighbours only, where $J/k_BT_c = 0.15737$ (Lundow, Markström and Rosengren 2009).

# %%
SIZES = (4, 8) if FAST else (6, 12)
GRAPHS = {L: cubic_lattice((L, L, L), "bcc", 2) for L in SIZES}
NEAR = np.array([0.975, 0.99, 1.005, 1.02])  # temperatures about a guess


def binder(K, L, seed):
    """Return Binder's cumulant of a ferromagnet of couplings K (two shells)."""
    run = simulate_lattice(
        Ising(K), GRAPHS[L], N_PICTURES, 4, method="swendsen_wang", burn_in=100, rng=seed
    )
    m = run.states.mean(axis=1)
    return 1 - (m**4).mean() / (3 * (m**2).mean() ** 2)


def crossing(K, scales, seed):
    """Return the scale t at which K / t is critical, and both curves: their difference's root."""
    curves = np.array(
        [[binder(np.asarray(K) / t, L, seed + k) for k, t in enumerate(scales)] for L in SIZES]
    )
    slope, level = np.polyfit(scales, curves[1] - curves[0], 1)
    return -level / slope, curves


known = 0.1573725
checked, curves = crossing((known, 0.0), NEAR, 1)
print(f"nearest neighbours only: crossing at {checked:.4f} of the known temperature")
# corrections to scaling of some tenths of a per cent (one per cent for 4 cells), and Monte Carlo
assert abs(checked - 1) < (0.02 if FAST else 0.008)

# %%
_, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
for L, curve, color in zip(SIZES, curves, ("#0072b2", "#d55e00"), strict=True):
    ax.plot(NEAR, curve, "o-", ms=4, color=color, label=f"{L}$^3$ cells")
ax.axvline(1, color="black", ls="--", lw=1)
ax.set(xlabel="temperature / known transition", ylabel="Binder cumulant")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Now every posterior draw of every alloy gets its own crossing.

# %%
critical = {}
for name, fit in fits.items():
    V = fit["bond_energies"]
    guess = 0.83  # of mean field; refined on the posterior's mean
    middle = np.array([abs(V[:, 0].mean()), -V[:, 1].mean()])
    middle /= 8 * middle[0] + 6 * middle[1]
    for _ in range(2):
        guess, _ = crossing(middle, guess * NEAR, 7)
    V = V[:: len(V) // N_DRAWS][:N_DRAWS]
    found = []
    for k, (v1, v2) in enumerate(V):
        mean_field = (8 * abs(v1) - 6 * v2) / KB  # in kelvin, of B2 and of separation alike
        K = np.array([abs(v1), -v2]) / (KB * mean_field)  # of the ferromagnet at that temperature
        ratio, _ = crossing(K, guess * NEAR, 10 * k)
        found.append((mean_field, ratio * mean_field))
    critical[name] = np.array(found)
    T = critical[name][:, 1]
    print(
        f"{name}: transition at {T.mean():.0f} K, sd {T.std(ddof=1):.0f} K over draws; "
        f"{np.mean(T / critical[name][:, 0]):.3f} of mean field"
    )
    ratio = T / critical[name][:, 0]
    # first shell only: 1 / (8 * .15737) = .794; more neighbours come closer to mean field
    assert np.all((ratio > 0.78) & (ratio < 0.90))

# %% [markdown]
# ## 4. How much hangs on the model?
#
# The error bar above holds *within* two shells. A third shell changes each single bond energy a lot; what does it change in the order?

# %%
rows = []
for name, cells in alloys.items():
    for n_shells in (2, 3):
        fit = fits[name] if n_shells == 2 else fit_hamiltonian_to_energies(cells, n_shells=3, rng=1)
        # cold enough for either: far above its transition an alloy's pattern is noise
        found = predict_ordering(fit, 400.0, n_cells=8, n_posterior=6, n_pictures=8, rng=1)
        mean, sd = found.transition_temperature
        V = fit["bond_energies"].mean(axis=0).round(1).tolist()
        rows.append((name, n_shells, V, next(iter(found.patterns)), mean, sd))
names = ["alloy", "shells", "V (meV)", "order", "mean field (K)", "sd (K)"]
models = pd.DataFrame(rows, columns=names)
print(models.round(0).to_string(index=False))
for name, block in models.groupby("alloy"):
    assert block["order"].nunique() == 1, "the pattern was expected not to hang on the third shell"
    spread = np.ptp(block["mean field (K)"])
    print(f"{name}: the choice of shells moves the instability by {spread:.0f} K")

# %%
_, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
ticks = []
for k, (name, found) in enumerate(critical.items()):
    low, high = np.quantile(found[:, 1], [0.05, 0.95])
    ax.hlines(
        2 * k, low, high, lw=8, color="#0072b2", label="transition, draws" if k == 0 else None
    )
    block = models[models["alloy"] == name]
    ax.errorbar(
        block["mean field (K)"], np.full(2, 2 * k + 0.6), xerr=1.64 * block["sd (K)"], fmt="none",
        ecolor="#d55e00", lw=3, label="mean field, 2 and 3 shells" if k == 0 else None,
    )  # fmt: skip
    ticks.append(2 * k + 0.3)
ax.set_yticks(ticks, list(critical))
ax.set(xlabel="temperature (K)", xlim=(0, None), ylim=(-1, 2 * len(critical)))
ax.legend(fontsize=8, frameon=False, loc="upper right")
plt.show()

# %% [markdown]
# ## 5. Does the interval mean what it says?
#
# Planted cells with known bond energies, fitted the same way: how often does the 90 % interval hold the truth?

# %%
options = EnergyOptions()
n_worlds = 6 if FAST else 40
held = []
for seed in range(n_worlds):
    fit = fit_hamiltonian_to_energies(planted_cells(seed), n_shells=2, rng=seed, options=options)
    low, high = np.transpose(fit.interval("bond_energies"))
    held += [low[0] < 7.6 < high[0], low[1] < -2.1 < high[1]]
print(f"{sum(held)} of {len(held)} intervals hold the planted bond energy")
# a binomial count of 90 %: fewer than this once in 1,000
assert sum(held) >= {12: 7, 80: 62}[len(held)]
model = hamiltonian_from_energies(fit, 1000.0)
print("the last one as a Hamiltonian at 1000 K, J = -V / kT:", model.couplings.round(3))

# %% [markdown]
# ## Theirs, ours, why different
#
# X.-G. Li, C. Chen, H. Zheng, Y. Zuo, S. P. Ong, *npj Comput. Mater.* **6**, 70 (2020), [doi:10.1038/s41524-020-0339-0](https://doi.org/10.1038/s41524-020-0339-0) (the energies); W. P. Huhn, M. Widom, *JOM* **65**, 1772 (2013), [doi:10.1007/s11837-013-0772-3](https://doi.org/10.1007/s11837-013-0772-3) (the question)
#
# | | theirs | ours | why different |
# |---|---|---|---|
# | energies | VASP-PBE, 16-atom bcc cells (Li) | the same 329 relaxed cells a binary | theirs trained a potential (SNAP), ours a pair Hamiltonian |
# | model | binaries by cluster expansion (ATAT), mean-field free energy with nearest neighbours for NbMoTaW (Huhn) | two shells of pairs with a posterior, Monte Carlo | four components there, two here |
# | order | B2 at intermediate temperatures in NbMoTaW | B2 in Nb-Mo; separation in Nb-Ta | Mo-Ta, which drives theirs, is not among our binaries |
# | transition | value not given here, for the four-component alloy | printed above for the two binaries, with intervals | another alloy |
# | check: nearest neighbours only | $J/k_BT_c$ = 0.15737 (Lundow and others, *Philos. Mag.* **89**, 2009) | crossing within 1 % | 6 and 12 cells |
#
# ## What this does not show
#
# - That the alloys order at these temperatures: vibrations, electronic entropy and the error of PBE are not in the energies, and diffusion in these metals is frozen there.
# - The interval holds within two shells of pairs. The spread between two and three shells is printed and is the larger error for the bond energies; cells of 16 atoms cannot tell more shells apart.
# - Off one to one the composition part of the energy matters, and phase separation needs a common tangent.
