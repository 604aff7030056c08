"""Are defects or dopants where chance would put them? Lines, clusters, pairs, distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.datasets.sites.lattice_finding import shell_bounds
from physlearn.datasets.sites.placement_kernels import count_clusters, count_pairs, count_runs
from physlearn.datasets.sites.site_states import SiteStates
from physlearn.lattice_models import site_graph_from_positions
from physlearn.records import LatticeSnapshots, SiteGraph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["defect_clusters", "dopant_pairs", "vacancy_lines"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rng = int | np.random.Generator | None
LONGEST_RUN = 12
LARGEST_DRAWS = 20_000_000


def vacancy_lines(
    sites: SiteStates,
    *,
    kind: str = "defect",
    sublattice: int | None = None,
    n_permutations: int = 999,
    rng: Rng = None,
) -> pd.DataFrame:
    """Count straight runs of defects along the lattice directions against random placement.

    The same number of defects is put on random sites of the same sublattice ``n_permutations``
    times. p = (b + 1) / (m + 1), where b of m placements show at least as many runs (Davison and
    Hinkley, 1997, section 4.2.5).

    Parameters
    ----------
    sites
        What ``find_vacancies`` returns.
    kind
        ``vacant``, ``half``, ``other`` or ``defect`` (vacant or half).
    sublattice
        Which sublattice; None takes the one with most such sites.
    n_permutations
        Random placements.
    rng
        Seed or generator.

    Returns
    -------
    pandas.DataFrame
        One row a direction and least run length: ``direction`` (steps along the two lattice
        vectors, or ``all``), ``angle_deg`` (from x), ``length`` (sites), ``observed`` runs of at
        least that length, ``expected``, ``low`` and ``high`` (central 95 % of random placements)
        and ``p`` (one-sided: as many or more). ``length`` 0 is the longest run.

    Raises
    ------
    NotIdentified
        With fewer than 2 defects.

    Examples
    --------
    >>> from physlearn.datasets import DefectSettings, find_atoms, make_defect_scene
    >>> from physlearn.datasets import find_vacancies
    >>> made = make_defect_scene((160, 160), DefectSettings(vacancy_share=(0.0,), n_lines=1), rng=1)
    >>> sites = find_vacancies(find_atoms(made.scene.image), made.scene.image)
    >>> lines = vacancy_lines(sites, rng=1)
    >>> bool(lines.query("direction == 'all' and length == 0")["p"].iloc[0] < 0.01)
    True
    """
    import pandas as pd

    members, chosen = _members(sites, kind, sublattice)
    draws = _placements(len(members), [len(chosen)], [chosen], n_permutations, rng)
    directions = _directions(sites.vectors)
    following = _following(sites.indices[members], directions)
    runs = count_runs(draws, following, LONGEST_RUN)
    rows: list[dict[str, Any]] = []
    whole = runs.sum(axis=1)
    names = [f"({step[0]}, {step[1]})" for step in directions]
    angles = [float(np.degrees(np.arctan2(*(step @ sites.vectors)[::-1]))) for step in directions]
    for name, angle, counts in (
        *zip(names, angles, np.moveaxis(runs, 1, 0), strict=True), ("all", np.nan, whole),
    ):  # fmt: skip
        longest = (counts > 0).sum(axis=1)
        rows.append({"direction": name, "angle_deg": angle, "length": 0, **_row(longest)})
        for k in range(1, min(LONGEST_RUN, max(int(longest.max()), 4))):
            rows.append(
                {"direction": name, "angle_deg": angle, "length": k + 1, **_row(counts[:, k])}
            )
    table = pd.DataFrame(rows)
    table.attrs |= {"n_sites": len(members), "n_defects": len(chosen), "kind": kind}
    return table


def defect_clusters(
    sites: SiteStates,
    *,
    kind: str = "defect",
    sublattice: int | None = None,
    n_shells: int = 4,
    n_permutations: int = 999,
    rng: Rng = None,
) -> pd.DataFrame:
    """Compare clusters, distances and pairs of defects with random placement.

    Parameters
    ----------
    sites, kind, sublattice, n_permutations, rng
        As in ``vacancy_lines``.
    n_shells
        Shells of neighbours of the pair correlation; a cluster hangs together by the first.

    Returns
    -------
    pandas.DataFrame
        One row a statistic: ``pairs in shell k`` (``ratio`` = observed over expected is the pair
        correlation), ``clusters of k or more``, ``largest cluster`` (sites) and ``mean nearest
        distance`` (in the sites' unit, over the ideal lattice), each with ``observed``,
        ``expected``, ``low`` and ``high`` (central 95 % of random placements), ``p_more`` and
        ``p_less``.

    Raises
    ------
    NotIdentified
        With fewer than 2 defects.

    Examples
    --------
    >>> from physlearn.datasets import DefectSettings, find_atoms, make_defect_scene
    >>> from physlearn.datasets import find_vacancies
    >>> made = make_defect_scene((160, 160), DefectSettings(vacancy_share=(0.0,), n_lines=1), rng=1)
    >>> sites = find_vacancies(find_atoms(made.scene.image), made.scene.image)
    >>> table = defect_clusters(sites, rng=1).set_index("statistic")
    >>> float(table.loc["largest cluster", "observed"])
    6.0
    """
    import pandas as pd

    members, chosen = _members(sites, kind, sublattice)
    ideal = sites.indices[members] @ sites.vectors
    graph = site_graph_from_positions(ideal, shell_bounds(sites.vectors, n_shells), unit=sites.unit)
    draws = _placements(len(members), [len(chosen)], [chosen], n_permutations, rng)
    rows = _pair_rows(draws, graph)
    first = np.ascontiguousarray(graph.edges[graph.shell == 0])
    clusters, largest = count_clusters(draws, len(members), first, 6)
    for k in range(1, 6):
        rows.append(
            {"statistic": f"clusters of {k + 1} or more", **_row(clusters[:, k], both=True)}
        )
    rows.append({"statistic": "largest cluster", **_row(largest, both=True)})
    nearest = np.array(
        [np.asarray(cKDTree(ideal[draw]).query(ideal[draw], k=2)[0])[:, 1].mean() for draw in draws]
    )
    rows.append({"statistic": "mean nearest distance", **_row(nearest, both=True)})
    table = pd.DataFrame(rows)
    table.attrs |= {"n_sites": len(members), "n_defects": len(chosen), "kind": kind}
    return table


def dopant_pairs(
    snapshots: LatticeSnapshots, *, state: int = 1, n_permutations: int = 9999, rng: Rng = None
) -> pd.DataFrame:
    """Compare pairs of dopants, shell by shell, with random placement on the same sites.

    In every snapshot the dopants are put on random observed sites, their number kept;
    p = (b + 1) / (m + 1).

    Parameters
    ----------
    snapshots
        Sites, bonds and states (``assign_sites``).
    state
        The dopants' state.
    n_permutations
        Random placements.
    rng
        Seed or generator.

    Returns
    -------
    pandas.DataFrame
        One row a shell: ``observed`` pairs, ``expected``, ``low`` and ``high`` (central 95 % of
        random placements), ``ratio``, ``p_more`` and ``p_less``.

    Raises
    ------
    InputError
        For a state that no snapshot can have.
    NotIdentified
        With fewer than 2 dopants.

    Examples
    --------
    >>> from physlearn.lattice_models import triangular_lattice
    >>> states = np.full((1, 144), -1)
    >>> states[0, [20, 21, 22, 90]] = 1
    >>> pairs = dopant_pairs(LatticeSnapshots(states, triangular_lattice((12, 12), 2)), rng=1)
    >>> int(pairs["observed"][0]), bool(pairs["p_more"][0] < 0.02)
    (2, True)
    """
    import pandas as pd

    if state not in snapshots.state_values:
        raise InputError(
            f"state must be one of {', '.join(map(str, snapshots.state_values))}; got {state}."
        )
    states, observed = snapshots.states, snapshots.observed
    n = snapshots.graph.n_sites
    chosen, numbers, allowed = [], [], []
    for k in range(len(states)):
        seen = np.ones(n, dtype=np.bool_) if observed is None else observed[k]
        chosen.append(np.flatnonzero((states[k] == state) & seen) + k * n)
        numbers.append(len(chosen[-1]))
        allowed.append(np.flatnonzero(seen) + k * n)
    if max(numbers) < 2:
        raise NotIdentified(f"{max(numbers)} site(s) of state {state}: there are no pairs.")
    draws = _placements(n * len(states), numbers, chosen, n_permutations, rng, allowed)
    graph = snapshots.graph
    shifts = n * np.arange(len(states))
    edges = np.concatenate([graph.edges + shift for shift in shifts])
    copies = len(states)
    table = pd.DataFrame(
        _pair_rows(
            draws, graph, edges, np.tile(graph.shell, copies), np.tile(graph.multiplicity, copies)
        )
    )
    table.insert(0, "shell", np.arange(len(table)))
    table.attrs |= {"n_sites": n * copies, "n_dopants": int(sum(numbers))}
    return table.drop(columns="statistic")


def _members(sites: SiteStates, kind: str, sublattice: int | None) -> tuple[Integers, Integers]:
    """Return the sites of a sublattice, and which of them are of a kind."""
    flags = sites.flags(kind)
    parts = np.unique(sites.sublattice)
    if sublattice is None:
        sublattice = int(max(parts, key=lambda part: int(flags[sites.sublattice == part].sum())))
    elif sublattice not in parts:
        raise InputError(f"sublattice must be one of {parts.tolist()}; got {sublattice!r}.")
    members = np.flatnonzero(sites.sublattice == sublattice)
    chosen = np.flatnonzero(flags[members])
    if len(chosen) < 2:
        raise NotIdentified(
            f"{len(chosen)} site(s) of sublattice {sublattice} are {kind}: two or more show how "
            "they are placed."
        )
    return members, chosen


def _placements(
    n_sites: int, numbers: list[int], observed: list[Integers], n_permutations: int, rng: Rng,
    allowed: list[Integers] | None = None,
) -> Integers:  # fmt: skip
    """Return site numbers, (1 + n_permutations, n_chosen): the observed ones first."""
    check_count("n_permutations", n_permutations, 19)
    if sum(numbers) * (n_permutations + 1) > LARGEST_DRAWS:
        raise InputError(
            f"{n_permutations} placements of {sum(numbers)} sites are too many to hold; take at "
            f"most {LARGEST_DRAWS // sum(numbers)}."
        )
    generator, _ = as_generator(rng)
    where = [np.arange(n_sites)] if allowed is None else allowed
    rows = [np.concatenate(observed)]
    for _ in range(n_permutations):
        rows.append(
            np.concatenate(
                [
                    generator.choice(sites, number, replace=False, shuffle=False)
                    for sites, number in zip(where, numbers, strict=True)
                ]
            )
        )
    return np.array(rows, dtype=np.int64)


def _pair_rows(
    draws: Integers, graph: SiteGraph, edges: Integers | None = None,
    shell: Integers | None = None, multiplicity: Integers | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return one row a shell."""
    edges = graph.edges if edges is None else edges
    shell = graph.shell if shell is None else shell
    multiplicity = graph.multiplicity if multiplicity is None else multiplicity
    n_sites = int(max(edges.max(initial=0), draws.max())) + 1
    counts = count_pairs(draws, n_sites, edges, shell, multiplicity, graph.n_shells)
    rows = []
    for k in range(graph.n_shells):
        row = _row(counts[:, k], both=True)
        ratio = row["observed"] / row["expected"] if row["expected"] > 0 else np.nan
        rows.append({"statistic": f"pairs in shell {k}", **row, "ratio": ratio})
    return rows


def _row(values: NDArray[Any], *, both: bool = False) -> dict[str, float]:
    """Return observed (first), expected, interval and p of a statistic over placements."""
    observed, random = float(values[0]), values[1:]
    low, high = np.quantile(random, (0.025, 0.975), method="inverted_cdf")
    row = {
        "observed": observed, "expected": float(random.mean()), "low": float(low),
        "high": float(high),
    }  # fmt: skip
    # equal numbers that were summed in another order are equal
    slack = 1e-9 * max(abs(observed), 1.0)
    more = float((1 + (random >= observed - slack).sum()) / len(values))
    if not both:
        return row | {"p": more}
    return row | {
        "p_more": more, "p_less": float((1 + (random <= observed + slack).sum()) / len(values)),
    }  # fmt: skip


def _directions(vectors: Floats) -> list[NDArray[np.int64]]:
    """Return the steps to the nearest lattice sites, one of each opposite pair."""
    steps = [np.array(step) for step in ((1, 0), (0, 1), (1, -1), (1, 1))]
    lengths = np.array([np.hypot(*(step @ vectors)) for step in steps])
    shortest = lengths.min()
    return [step for step, length in zip(steps, lengths, strict=True) if length < 1.25 * shortest]


def _following(indices: Integers, directions: list[NDArray[np.int64]]) -> Integers:
    """Return the number of the next site along each direction, -1 where there is none."""
    known = {(a, b): k for k, (a, b) in enumerate(indices.tolist())}
    return np.array(
        [
            [known.get((a + int(step[0]), b + int(step[1])), -1) for a, b in indices.tolist()]
            for step in directions
        ],
        dtype=np.int64,
    )
