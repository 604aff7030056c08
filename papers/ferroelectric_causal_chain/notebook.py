# %% [markdown]
# # Does composition set the polarization, or only keep it company?
#
# In pictures of samarium-substituted bismuth ferrite every unit cell has a composition (intensity of its A site), a volume and a tetragonality (distances of its columns), and a polarization (displacement of the B site). Ziatdinov and colleagues (2020) ordered such columns pair by pair, Nelson and colleagues (2021) by a linear non-Gaussian acyclic model, LiNGAM: under the assumptions that nothing hidden drives two columns and that what is left unexplained is **not Gaussian**, the shape of the distributions tells causes from effects.
#
# Both treat each unit cell as an independent sample. Neighbouring cells are not: they share strain, composition waves, and the microscope's drift. This notebook plants a chain *composition → volume → polarization → tetragonality*, gives it what pictures have (neighbours that are alike, errors of the columns, a thickness that nobody measured), and counts what each route claims.

# %%
import os

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from causallearn.search.FCMBased import lingam
from scipy import stats
from scipy.ndimage import gaussian_filter

from physlearn import PatchTable
from physlearn.causal import discover_graph, estimate_effect

FAST = os.environ.get("PHYSLEARN_FAST") == "1"  # the tests: fewer worlds
WORLDS = 3 if FAST else 12
SIDE, RIM = 48, 12  # unit cells along an edge of the field, and beyond it
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#999999"

NAMES = ["composition", "volume", "polarization", "tetragonality"]
CHAIN = {("composition", "volume"): 0.7, ("volume", "polarization"): -0.6,
         ("polarization", "tetragonality"): 0.5}  # fmt: skip
TIERS = {"composition": 0, "volume": 1, "polarization": 2, "tetragonality": 2}
Y, X = np.mgrid[:SIDE, :SIDE].reshape(2, -1)


def field(length, rng, gaussian=False):
    # a field of one unit cell a pixel; skewed, as compositions and strains are, unless Gaussian
    white = rng.normal(size=(SIDE + 2 * RIM, SIDE + 2 * RIM))
    smooth = gaussian_filter(white, length) if length else white
    z = (smooth / smooth.std())[RIM:-RIM, RIM:-RIM].ravel()
    return z if gaussian else np.exp(0.7 * z) - np.exp(0.245)


def sample(length, rng, noise=0.0, thickness=0.0, gaussian=False):
    # the four columns; a hidden thickness moves what is read as composition and as tetragonality
    columns = {"composition": field(length, rng, gaussian)}
    for (cause, effect), strength in CHAIN.items():
        columns[effect] = strength * columns[cause] + field(length, rng, gaussian)
    hidden = field(2, rng, gaussian)
    for name in ("composition", "tetragonality"):
        columns[name] = columns[name] + thickness * hidden
    frame = pd.DataFrame(columns)
    return frame + noise * rng.normal(size=frame.shape)


def patch_table(frame, noise):
    covariance = noise**2 * np.eye(len(NAMES))[None]
    return PatchTable.from_frame(
        frame, np.stack([X, Y], 1), 1.0, tiers=TIERS, measurement_covariance=covariance
    )


frame = sample(2, np.random.default_rng(3))
_, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
for ax, name in zip(axes, NAMES):
    shown = ax.imshow(frame[name].to_numpy().reshape(SIDE, SIDE), cmap="cividis")
    ax.set(xticks=[], yticks=[], xlabel="48 unit cells", title=name)
    plt.colorbar(shown, ax=ax, shrink=0.7, label="sd" if name == NAMES[-1] else None)
plt.show()

# %% [markdown]
# ## 1. Their route on independent cells
#
# First a world that keeps every assumption: skewed noise, nothing hidden, no errors, and cells that know nothing of their neighbours. DirectLiNGAM as causal-learn has it; a coefficient above 0.1 (in standard deviations) counts as a claimed arrow.


# %%
def by_lingam(frame):
    model = lingam.DirectLiNGAM(random_state=0)
    model.fit(((frame - frame.mean()) / frame.std()).to_numpy())
    effects, causes = np.nonzero(np.abs(model.adjacency_matrix_) > 0.1)
    return {(frame.columns[c], frame.columns[e]) for c, e in zip(causes, effects)}


def by_physlearn(frame, noise, method):
    graph = discover_graph(patch_table(frame, noise), method=method, n_resamples=0, rng=0)
    arrows, links, left_open = set(), set(), 0
    for edge in graph.edges:
        if edge.presence == "undecided":
            left_open += 1
        if edge.presence != "present":
            continue
        links.add(frozenset((edge.source, edge.target)))
        if (edge.mark_source, edge.mark_target) == ("tail", "arrow"):
            arrows.add((edge.source, edge.target))
        elif (edge.mark_source, edge.mark_target) == ("arrow", "tail"):
            arrows.add((edge.target, edge.source))
    return arrows, links, left_open


def score(arrows, links=None, left_open=0):
    true_links = {frozenset(arrow) for arrow in CHAIN}
    links = {frozenset(arrow) for arrow in arrows} if links is None else links
    return {
        "true links": len(links & true_links), "false links": len(links - true_links),
        "left open": left_open, "right arrows": len(arrows & set(CHAIN)),
        "false arrows": len(arrows - set(CHAIN)),
    }  # fmt: skip


WORLD_KINDS = {
    "independent cells": {"length": 0},
    "Gaussian": {"length": 0, "gaussian": True},
    "neighbours alike": {"length": 2},
    "errors of .3": {"length": 2, "noise": 0.3},
    "hidden thickness": {"length": 2, "thickness": 1.0},
}
LINGAM, ASSUMED, OPEN = "LiNGAM, cells as samples", "physlearn, nothing hidden", "physlearn, fci"
rows = []
for kind, what in WORLD_KINDS.items():
    for seed in range(WORLDS):
        frame = sample(rng=np.random.default_rng((11, seed)), **what)
        noise = what.get("noise", 0.0)
        rows.append({"world": kind, "route": LINGAM, **score(by_lingam(frame))})
        for method, name in (("pc", ASSUMED), ("fci", OPEN)):
            rows.append(
                {"world": kind, "route": name, **score(*by_physlearn(frame, noise, method))}
            )
counts = pd.DataFrame(rows).groupby(["world", "route"], sort=False).mean()
print(f"means over {WORLDS} worlds; 3 links are planted, 3 are not\n")
print(counts.round(2).to_string())

assert counts["right arrows"]["independent cells", LINGAM] == 3.0
lingam_false = [counts["false arrows"][kind, LINGAM] for kind in WORLD_KINDS]
ours_false = [counts["false arrows"][kind, OPEN] for kind in WORLD_KINDS]
# 3 absent links tested at 5 %: 0.15 false ones a world on average, Poisson over all worlds
n_worlds = WORLDS * (len(WORLD_KINDS) - 1)
false_links = WORLDS * sum(
    counts["false links"][kind, OPEN] for kind in WORLD_KINDS if kind != "hidden thickness"
)
assert false_links <= stats.poisson.ppf(0.999, 0.15 * n_worlds)
assert sum(ours_false) < sum(lingam_false)

# %%
_, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", sharey=True)
for ax, what in zip(axes, ("right arrows", "false arrows")):
    for k, (route, color) in enumerate(((LINGAM, ORANGE), (ASSUMED, GREEN), (OPEN, BLUE))):
        values = [counts[what][kind, route] for kind in WORLD_KINDS]
        ax.barh(np.arange(5) + 0.27 * (k - 1), values, 0.25, color=color, label=route)
    ax.set(yticks=range(5), yticklabels=WORLD_KINDS, xlim=(0, 3.1), xlabel=f"{what} a world")
axes[0].invert_yaxis()
axes[1].legend(frameon=False, fontsize=8, loc="upper right")
plt.show()

# %% [markdown]
# In its own world LiNGAM is right in all three arrows, and better than tests of independence can be: they see the links and let the tiers (composition before volume before the rest) turn two of them; polarization and tetragonality share a tier and stay open. Take an assumption away and the picture turns. Gaussian fields have no shape to tell by, and arrows come out turned. Neighbours that are alike, and errors, make arrows between columns that are not linked at all: 2,304 cells look like 2,304 samples. A hidden thickness gives both routes a link between composition and tetragonality that is no cause; `fci` alone says so, by not making it an arrow.
#
# ## 2. How much, and how sure
#
# The chain is one thing, its strength another. *volume → polarization* is planted at -0.6. We ask for the change of the polarization per unit of volume, by ordinary least squares on cells as samples and by `estimate_effect` with the planted graph, in worlds whose neighbours are alike, and count the 90 % intervals that hold the truth.

# %%
graph = nx.DiGraph(list(CHAIN))
EFFECTS = 8 if FAST else 60
held, widths = {"cells as samples": 0, "spatial": 0}, {"cells as samples": [], "spatial": []}
for seed in range(EFFECTS):
    frame = sample(2, np.random.default_rng((23, seed)))
    line = stats.linregress(frame["volume"], frame["polarization"])
    effect = estimate_effect(
        patch_table(frame, 0.0), graph, "volume", "polarization", contrast=(0, 1), rng=0
    )
    half = 1.645 * line.stderr
    for name, (low, high) in (
        ("cells as samples", (line.slope - half, line.slope + half)),
        ("spatial", effect.interval()),
    ):
        held[name] += low < CHAIN["volume", "polarization"] < high
        widths[name].append(high - low)
for name, count in held.items():
    print(
        f"{name}: {count} of {EFFECTS} intervals hold -0.6; mean width {np.mean(widths[name]):.3f}"
    )
assert held["spatial"] >= stats.binom.ppf(0.001, EFFECTS, 0.9)
assert held["cells as samples"] < held["spatial"]

# %% [markdown]
# ## Theirs, ours, why different
#
# | | theirs | ours | why different |
# |---|---|---|---|
# | order of the columns | chemistry and volume high in the chain, polarization after, tetragonality weakest | planted in that order, not measured | their pictures are not in the registry |
# | arrows where LiNGAM's assumptions hold | not tested on planted data | 3 of 3 right | method re-run on planted data |
# | false arrows where neighbours are alike | not given here | part 1: LiNGAM about one a world, spatial tests none | neighbours count once in ours |
# | intervals of the effect | not given here | part 2: cells as samples hold the truth in about a third of the worlds, spatial ones in about nine of ten | the same |

# %% [markdown]
# ## What this does not show
#
# - That the published chains are wrong. They may well be right; this shows which part of the evidence is the shape of the distributions and which is counting neighbours as samples.
# - Curved laws, which LiNGAM and the linear tests here leave aside; `pairwise_direction` has the additive-noise and the information-geometric route, and answers "open" where both ways fit.
# - The real sample's hidden causes. Which of them matter only an act can tell: [the next experiment](../../docs/planning.md).
#
# **Sources.** M. Ziatdinov, C. T. Nelson, X. Zhang, R. K. Vasudevan, E. Eliseev, A. N. Morozovska, I. Takeuchi, S. V. Kalinin, *npj Comput. Mater.* **6**, 127 (2020), [doi:10.1038/s41524-020-00396-2](https://doi.org/10.1038/s41524-020-00396-2). C. T. Nelson et al., "Mapping causal patterns in crystalline solids", [arXiv:2103.01951](https://arxiv.org/abs/2103.01951). LiNGAM: S. Shimizu, P. O. Hoyer, A. Hyvärinen, A. Kerminen, *JMLR* **7**, 2003 (2006).
