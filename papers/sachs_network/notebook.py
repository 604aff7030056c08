# %% [markdown]
# # How much of a cell's wiring can be read from watching?
#
# Sachs and colleagues (2005) measured eleven phosphorylated proteins and lipids in thousands of single immune cells, under several drugs, and drew the network that links them. Ever since, their cells have been the yardstick of causal discovery, scored against a published graph of 20 arrows.
#
# The yardstick has two flaws that anybody who leans on it should see once. First, 20 of the 55 possible links are present, so whoever claims **every** link scores well; beside each method we therefore put the score of claiming everything and the score of guessing. Second, the cells of all drugs are pooled in one file, and *which drug a cell got* is a hidden common cause of most columns. That can be seen in the file, it can be undone, and it can be planted: we do all three.

# %%
import os
import warnings

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore", message="IProgress not found")  # of a progress bar

from causallearn.search.ConstraintBased.PC import pc
from causallearn.search.ScoreBased.GES import ges

from physlearn import PatchTable
from physlearn.causal import discover_graph
from physlearn.datasets import registry

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: every third cell, fewer worlds
THINNED, WORLDS, DRAWN, SIZES = (3, 1, 900, (1700,)) if FAST else (1, 10, 1800, (850, 1700, 3400))
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"

# the published network, as it is distributed with the data
ARROWS = """
erk>akt mek>erk pip2>pkc pip3>akt pip3>pip2 pip3>plc pka>akt pka>erk pka>jnk pka>mek
pka>p38 pka>raf pkc>jnk pkc>mek pkc>p38 pkc>pka pkc>raf plc>pip2 plc>pkc raf>mek
"""
PUBLISHED = nx.DiGraph([tuple(arrow.split(">")) for arrow in ARROWS.split()])
NAMES = list(nx.topological_sort(PUBLISHED))
TRUE_LINKS = {frozenset(arrow) for arrow in PUBLISHED.edges}
POSSIBLE = len(NAMES) * (len(NAMES) - 1) // 2
print(f"{len(NAMES)} columns; {len(TRUE_LINKS)} of {POSSIBLE} possible links are in the graph")
assert (len(NAMES), len(TRUE_LINKS), POSSIBLE) == (11, 20, 55)


# %%
def draw_cells(n, drugs, rng):
    # cells drawn from the published graph, drug after drug; a drug moves every protein a bit
    given = np.arange(n) * max(drugs, 1) // n
    shift = rng.normal(0.0, 0.8, (max(drugs, 1), len(NAMES))) * (drugs > 0)
    columns = {}
    for k, name in enumerate(NAMES):
        parents = list(PUBLISHED.predecessors(name))
        strengths = rng.choice([-1.0, 1.0], len(parents)) * rng.uniform(0.4, 0.8, len(parents))
        told = sum(s * columns[p] for s, p in zip(strengths, parents))
        columns[name] = told + shift[given, k] + rng.normal(size=n)
    return pd.DataFrame(columns)


try:
    path = registry.fetch("causal_sachs/sachs.2005.continuous.txt")
    cells, source = np.log1p(pd.read_csv(path, sep="\t")), "the cells of Sachs et al., logarithms"
except FileNotFoundError:
    cells = draw_cells(7466, 9, np.random.default_rng(7))
    source = "PLANTED cells, since the public file is not on this machine"
cells = cells[::THINNED].reset_index(drop=True)
print(f"{len(cells):,} rows: {source}")

# %% [markdown]
# ## 1. More cells, worse answers
#
# A cell has no neighbours: `PatchTable.from_rows` says so, and every cell counts as one. Measurement errors are taken as none, because nobody published them, and because the other methods take them so. We score **links**, and leave directions apart: precision is the share of claimed links that are in the graph, recall the share of the graph's links that are claimed, F1 their harmonic mean.


# %%
def by_physlearn(frame):
    table = PatchTable.from_rows(frame, measurement_covariance=np.zeros((1, 11, 11)))
    graph = discover_graph(table, n_resamples=0, rng=0)
    firm = [edge for edge in graph.edges if edge.presence == "present"]
    return {frozenset((edge.source, edge.target)) for edge in firm}


def links_of(adjacency, columns):
    one, other = np.nonzero((adjacency != 0) | (adjacency.T != 0))
    return {frozenset((columns[i], columns[j])) for i, j in zip(one, other) if i < j}


def by_pc(frame):
    found = pc(frame.to_numpy(), alpha=0.05, show_progress=False)
    return links_of(found.G.graph, list(frame.columns))


def by_ges(frame):
    return links_of(ges(frame.to_numpy())["G"].graph, list(frame.columns))


def score(links):
    right = len(links & TRUE_LINKS)
    return {
        "links": len(links), "right": right, "precision": right / max(len(links), 1),
        "recall": right / len(TRUE_LINKS), "F1": 2 * right / (len(links) + len(TRUE_LINKS)),
    }  # fmt: skip


EVERYTHING = {frozenset((a, b)) for a in NAMES for b in NAMES if a < b}
METHODS = {"physlearn": by_physlearn, "causal-learn PC": by_pc, "causal-learn GES": by_ges}
rows = [
    {"rows": f"first {n:,}", "method": name, **score(method(cells.head(n)))}
    for n in (size // THINNED for size in SIZES)
    for name, method in METHODS.items()
]
all_cells = {name: score(method(cells)) for name, method in METHODS.items()}
rows += [{"rows": f"all {len(cells):,}", "method": name, **all_cells[name]} for name in METHODS]
rows.append({"rows": "none needed", "method": "claim every link", **score(EVERYTHING)})
pooled = pd.DataFrame(rows)
print(pooled.round(2).to_string(index=False))
assert len(EVERYTHING) == POSSIBLE

# %% [markdown]
# With more cells a test should err less. Here it is the other way round: of the first cells' links nearly all are in the graph, of all cells' links hardly more than of links that are claimed blindly. What changes along the file?
#
# ## 2. The drug stands in the order of the rows
#
# The mean of some rows after a row (200; in the tests 66), less the mean of as many before, in standard deviations of the column; the largest of the eleven. Cells are independent, so beside a few per cent of noise this should be flat.

# %%
WINDOW = 200 // THINNED
sums = np.vstack([np.zeros(11), np.cumsum(cells.to_numpy(), axis=0)])
before = (sums[WINDOW:-WINDOW] - sums[: -2 * WINDOW]) / WINDOW
after = (sums[2 * WINDOW :] - sums[WINDOW:-WINDOW]) / WINDOW
jump = (np.abs(after - before) / cells.std().to_numpy()).max(axis=1)

# six standard errors of the difference: 11 columns at 7,000 places stay below
THRESHOLD = 6 * np.sqrt(2 / WINDOW)
cuts, left = [], jump.copy()
while left.max() > THRESHOLD:
    place = int(left.argmax())
    cuts.append(place + WINDOW)
    left[max(0, place - 2 * WINDOW) : place + 2 * WINDOW] = 0.0
cuts = sorted(cuts)
part = np.searchsorted(cuts, np.arange(len(cells)), side="right")
print(
    f"{len(cuts)} jumps, at rows {cuts}: at least {len(cuts) + 1} conditions, one after the other"
)

_, axes = plt.subplots(2, 1, figsize=(9, 4.6), sharex=True, layout="constrained")
axes[0].plot(np.arange(len(jump)) + WINDOW, jump, color=BLUE, lw=1)
axes[0].axhline(THRESHOLD, color=GREY, ls="--", lw=1)
axes[0].set(ylabel="largest jump (sd)")
for name, color in (("pip2", BLUE), ("pka", ORANGE), ("akt", GREEN)):
    axes[1].plot(cells[name].rolling(100).mean(), color=color, lw=1, label=name)
axes[1].set(xlabel="row of the file", ylabel="running mean of 100\n(log units)")
axes[1].legend(frameon=False, ncols=3)
for cut in cuts:
    for ax in axes:
        ax.axvline(cut, color=GREY, lw=0.6)
plt.show()
assert len(cuts) >= 5

# %% [markdown]
# ## 3. Hold the drug fixed
#
# Nobody told us the drugs, but the order of the rows did. Take each column's mean **within its condition** away: what the drug does to the means is gone, and what is left is how proteins move together among cells that were treated alike.

# %%
alike = cells - cells.groupby(part).transform("mean")
rows = [{"cells": "pooled", "method": name, **all_cells[name]} for name in METHODS]
rows += [
    {"cells": "drug held fixed", "method": name, **score(method(alike))}
    for name, method in METHODS.items()
]
held = pd.DataFrame(rows)
print(held.round(2).to_string(index=False))

guesses, pairs = np.random.default_rng(0), sorted(EVERYTHING, key=sorted)


def guessed(n_links):
    # F1 below which 95 % of those stay who name that many links at random
    drawn = [{pairs[k] for k in guesses.permutation(POSSIBLE)[:n_links]} for _ in range(1000)]
    return np.quantile([score(links)["F1"] for links in drawn], 0.95)


held["F1 of 95 % of guessers"] = [guessed(n) for n in held["links"]]

_, axes = plt.subplots(1, 2, figsize=(9.5, 3), layout="constrained", sharey=True)
for ax, what in zip(axes, ("precision", "F1")):
    for k, (text, color) in enumerate((("pooled", ORANGE), ("drug held fixed", BLUE))):
        chosen = held[held["cells"] == text]
        places = np.arange(3) + 0.36 * k - 0.18
        ax.bar(places, chosen[what], 0.34, color=color, label=text)
        if what == "F1":
            ax.plot(places, chosen["F1 of 95 % of guessers"], "k_", ms=18, label="95 % of guessers"
                    if k else None)  # fmt: skip
    ax.axhline(score(EVERYTHING)[what], color=GREY, ls="--", label="claim every link")
    ax.set(xticks=range(3), xticklabels=METHODS, ylim=(0, 1.25), title=f"{what} of the links")
axes[1].legend(frameon=False, ncols=2, fontsize=8, loc="upper right")
plt.show()

# %%
ours = held.set_index(["cells", "method"]).xs("physlearn", level="method")
gained = ours["precision"]["drug held fixed"] - ours["precision"]["pooled"]
# two shares of that many links: the difference in units of its binomial error
error = sum(
    ours["precision"][k] * (1 - ours["precision"][k]) / ours["links"][k] for k in ours.index
)
print(f"precision of physlearn's links: {gained:+.2f} +- {np.sqrt(error):.2f} by holding the drug")
assert gained > np.sqrt(error)

# %% [markdown]
# The claims become few and mostly right. F1 hardly moves, because what is not claimed any more costs recall: a link that only a drug made visible is not seen when the drug is held fixed. Which of the two is better depends on what you do next. Whoever plans an experiment on a claimed link wants the right column to be high, not the F1.
#
# ## 4. The same, planted
#
# Is that the reason, or a story? Cells drawn from the published graph, linear, arrows of strength 0.4 to 0.8 and noise of 1: nothing hidden; pooled over nine drugs, each of which moves every protein by a random amount (sd 0.8); and with the drug held fixed.

# %%
rows = []
for seed in range(WORLDS):
    none = draw_cells(DRAWN, 0, np.random.default_rng((seed, 0)))
    nine = draw_cells(DRAWN, 9, np.random.default_rng((seed, 9)))
    drug = np.arange(DRAWN) * 9 // DRAWN
    fixed = nine - nine.groupby(drug).transform("mean")
    for text, frame in (("no drugs", none), ("nine, pooled", nine), ("nine, held fixed", fixed)):
        rows.append({"world": text, **score(by_physlearn(frame))})
planted = pd.DataFrame(rows).groupby("world", sort=False).mean()
print(planted.round(2).to_string())
false = planted["links"] - planted["right"]
# 35 absent links, each tested at 5 % at least once: 1.75 false ones on average at most
assert false["no drugs"] <= 1.75 and false["nine, held fixed"] <= 1.75
assert false["nine, pooled"] > false["nine, held fixed"]

# %% [markdown]
# With nothing hidden, or with the drug held fixed, nearly every claim is right; pooling and telling nobody makes false links. So a hidden drug is a sufficient reason for what the pooled cells show. It need not be the only one: the published graph is a consensus and may lack links, and feedback, which no method here allows, is common in cells.
#
# ## Theirs, ours, why different
#
# | | theirs | ours | why different |
# |---|---|---|---|
# | arrows of the graph | 20, from interventions and earlier work | not searched for again | we score against theirs |
# | links found | not given here | part 3: 10 of 12 claimed are in the graph; pooled 16 of 35 | their search knew each drug's target, ours only that the rows come in groups |
# | links, cells drawn from the graph | not done | part 4: nearly all right, unless drugs are pooled | method re-run on planted data: their graph, our cells |

# %% [markdown]
# ## What this does not show
#
# - That a method is good or bad for cells: one graph, one data set, and a yardstick near the score of claiming everything.
# - Directions. Watching cells that were treated alike gives next to none, and claims none. Had we the name of each drug, each would be an intervention on a known protein: that is how the published arrows got their heads.
# - That the jumps are drugs. They stand where the published experiments were joined; a change of staining would look alike, and must be held fixed all the same.
#
# **Source.** K. Sachs, O. Perez, D. Pe'er, D. A. Lauffenburger, G. P. Nolan, *Science* **308**, 523 (2005), [doi:10.1126/science.1105809](https://doi.org/10.1126/science.1105809). Beside the networks of bnlearn: [measured causes](../../docs/measured_causes.md).
