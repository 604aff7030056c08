"""Do the causal graph and the physical model give the same answer, and if not, which to doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from physlearn.causal.counterfactual_models.answer_records import Counterfactuals
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

SMALL_P = 0.05
MISFIT = ("model is wrong", "does not explain", "does not hold", "does not fit")
"""Words by which a fit's warnings say that it fails on its own data."""
PROPORTIONAL = 0.9
"""Share of the differences that follow the change in proportion: a slope differs, not a form."""


@dataclass(frozen=True, slots=True, eq=False)
class CounterfactualComparison:
    """Structural and physical answers to one question, and whether they agree.

    Attributes
    ----------
    patches
        Rows of the table, (n,).
    difference, sd
        Structural less physical answer by the graph that agrees best, and its uncertainty, (n,).
    p_values
        Of each patch, two-sided, (n,).
    p_value
        Of all patches together.
    n_effective
        Independent differences that carry as much: patches share the fitted coefficients.
    mean_difference, mean_sd
        Over the patches.
    graph
        The graph that agrees best, in words.
    graph_p_values
        One a graph still possible.
    agree
        Whether `p_value` is at least .05.
    doubts
        Which assumptions to doubt, the likeliest first; empty where they agree.
    unit
        Of the difference.

    Examples
    --------
    >>> found = CounterfactualComparison(
    ...     np.arange(2), difference=np.full(2, 0.1), sd=np.full(2, 0.2), p_values=np.full(2, 0.62),
    ...     p_value=0.62, n_effective=1.0, mean_difference=0.1, mean_sd=0.2, graph="b of a: linear",
    ...     graph_p_values=(0.62,), agree=True, doubts=(), unit="V")
    >>> print(found.sentence())  # doctest: +NORMALIZE_WHITESPACE
    The causal graph and the physical model agree (mean difference 0.1 +- 0.2 V, p = 0.62 over
    2 patches worth 1.0).
    """

    patches: Integers
    difference: Floats
    sd: Floats
    p_values: Floats
    p_value: float
    n_effective: float
    mean_difference: float
    mean_sd: float
    graph: str
    graph_p_values: tuple[float, ...]
    agree: bool
    doubts: tuple[str, ...]
    unit: str

    __repr__ = short_repr
    _repr_html_ = html_table

    def sentence(self) -> str:
        """Return the finding in one sentence."""
        unit = "" if self.unit in ("1", "") else f" {self.unit}"
        numbers = (
            f"mean difference {self.mean_difference:.2g} +- {self.mean_sd:.2g}{unit}, p = "
            f"{self.p_value:.2g} over {len(self.patches)} patches worth {self.n_effective:.1f}"
        )
        if self.agree:
            return f"The causal graph and the physical model agree ({numbers})."
        return (
            f"The causal graph and the physical model disagree ({numbers}): doubt first that "
            f"{self.doubts[0]}."
        )


def compare_counterfactuals(
    structural: Counterfactuals, physical: Counterfactuals
) -> CounterfactualComparison:
    """Test whether a causal graph and a physical model answer one question alike.

    Both answers start from the same measured patch, so that only the change differs. Differences
    of patches share the fitted coefficients: their sum of squares is compared with a chi-square
    of as many degrees of freedom as the covariance of the draws is worth (Satterthwaite).

    Parameters
    ----------
    structural
        From `counterfactuals` (continuous outcome).
    physical
        From `physical_counterfactual`, of the same patches and the same change.

    Returns
    -------
    CounterfactualComparison
        With open graphs the one that agrees best is compared; agreement then tells for it.

    Raises
    ------
    InputError
        For answers to different questions, or one without an answer.

    Notes
    -----
    Satterthwaite, Biometrics Bulletin 2, 110 (1946), doi:10.2307/3002019.

    Examples
    --------
    >>> import networkx as nx, pandas as pd
    >>> from physlearn.causal.counterfactual_models.physical_models import (
    ...     physical_counterfactual, wall_model)
    >>> from physlearn.causal.counterfactual_models.structural_answers import counterfactuals
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> bias = rng.normal(size=256)
    >>> frame = pd.DataFrame({"bias": bias, "speed": 0.5 * bias + 0.1 * rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> by_graph = counterfactuals(
    ...     table, nx.DiGraph([("bias", "speed")]), do={"bias": bias - 0.5}, outcome="speed", rng=0)
    >>> fit = {"drive_mobility": rng.normal(0.5, 0.01, 1000)}
    >>> wall = wall_model(fit, drive="bias", velocity="speed", drives=[-4.0, 4.0])
    >>> by_wall = physical_counterfactual(wall, table, do={"bias": bias - 0.5}, rng=0)
    >>> compare_counterfactuals(by_graph, by_wall).agree
    True
    """
    _check_same_question(structural, physical)
    found = [_against_graph(structural, physical, k) for k in range(len(structural.graphs))]
    best = int(np.argmax([one[3] for one in found]))
    difference, sd, p_values, p_value, n_effective, mean_sd = found[best]
    agree = bool(p_value >= SMALL_P)
    doubts = () if agree else _doubts(structural, physical, difference, sd)
    return CounterfactualComparison(
        patches=structural.patches,
        difference=difference,
        sd=sd,
        p_values=p_values,
        p_value=p_value,
        n_effective=n_effective,
        mean_difference=float(difference.mean()),
        mean_sd=mean_sd,
        graph=structural.graphs[best],
        graph_p_values=tuple(one[3] for one in found),
        agree=agree,
        doubts=doubts,
        unit=structural.unit,
    )


def _check_same_question(structural: Counterfactuals, physical: Counterfactuals) -> None:
    for name, answer in (("structural", structural), ("physical", physical)):
        if not isinstance(answer, Counterfactuals) or answer.source != name:
            got = getattr(answer, "source", type(answer).__name__)
            raise InputError(f"{name} must be {name} Counterfactuals; got {got!r}.")
    if structural.level is not None:
        raise InputError("structural must have a continuous outcome; got the chance of a level.")
    if not structural.graphs:
        raise InputError(f"structural holds no answer to compare: {structural.reason}")
    same = np.array_equal(structural.patches, physical.patches) and (
        structural.outcome == physical.outcome and structural.do.keys() == physical.do.keys()
    )
    if not same or any(
        not np.allclose(values, physical.do[name]) for name, values in structural.do.items()
    ):
        raise InputError(
            "both answers must be to one question: the same patches, outcome and values set; got "
            f"{structural.outcome} of {len(structural.patches)} patches with "
            f"{', '.join(structural.do)} set, and {physical.outcome} of {len(physical.patches)} "
            f"with {', '.join(physical.do)} set."
        )


def _against_graph(
    structural: Counterfactuals, physical: Counterfactuals, graph: int
) -> tuple[Floats, Floats, Floats, float, float, float]:
    """Return difference, sd, p of each patch, p of all, effective n and sd of the mean."""
    difference = structural.graph_means[graph] - physical.graph_means[0]
    draws = [
        np.asarray(one, dtype=np.float64) - np.mean(one, axis=0, dtype=np.float64)
        for one in (structural.parameter_draws[graph], physical.parameter_draws[0])
    ]
    draws = [one / np.sqrt(max(len(one) - 1, 1)) for one in draws]
    # the noise of the seen cause moves both answers the same way, by their slopes
    noise = np.abs(structural.sd_change_noise - physical.sd_change_noise)
    variance = sum((one**2).sum(axis=0) for one in draws) + noise**2
    sd = np.sqrt(np.maximum(variance, (1e-9 * np.abs(structural.factual).max()) ** 2 + 1e-300))
    p_values = 2.0 * stats.norm.sf(np.abs(difference) / sd)
    scaled = [one / sd for one in draws]
    left = noise**2 / sd**2
    trace = float(len(difference))
    # sum of the squared correlations of the differences, from the draws' Gram matrices
    cross = np.concatenate(scaled)
    squares = float(((cross @ cross.T) ** 2).sum())
    squares += float((left**2).sum() + 2.0 * ((cross**2).sum(axis=0) * left).sum())
    n_effective = min(max(trace**2 / squares, 1.0), trace)
    statistic = float(((difference / sd) ** 2).mean()) * n_effective
    mean_variance = sum(float((one.mean(axis=1) ** 2).sum()) for one in draws)
    mean_variance += float((noise**2).sum()) / len(difference) ** 2
    return (
        difference,
        sd,
        np.asarray(p_values),
        float(stats.chi2.sf(statistic, n_effective)),
        n_effective,
        float(np.sqrt(mean_variance)),
    )


def _doubts(
    structural: Counterfactuals, physical: Counterfactuals, difference: Floats, sd: Floats
) -> tuple[str, ...]:
    """Return what to doubt, the likeliest first."""
    cause = " and ".join(structural.do)
    hidden = (
        f"no hidden cause drives both {cause} and {structural.outcome} (the graph's strength of "
        "the link differs from the physical one)"
    )
    form = f"the form in which {structural.outcome} follows {cause} is right in both models"
    range_of = "the changed patches are like those that were seen"
    fit = f"the {physical.model} fits its own data"
    beyond = structural.out_of_support | physical.out_of_support
    doubts = []
    if beyond.mean() > 0.5:
        doubts.append(range_of)
    if any(_misfit(text) for text in physical.warnings):
        doubts.append(fit)
    moved = physical.graph_means[0] - physical.factual
    weights = 1.0 / sd**2
    size = float((weights * moved**2).sum())
    slope = float((weights * moved * difference).sum()) / max(size, 1e-300)
    total = float((weights * difference**2).sum())
    explained = slope**2 * size / max(total, 1e-300)
    doubts += [hidden, form] if explained > PROPORTIONAL else [form, hidden]
    if any("errors of the columns are unknown" in text for text in structural.warnings):
        doubts.append(f"{cause} is measured without noise, as was taken for want of its errors")
    doubts.append(physical.graphs[0])
    return tuple(doubts)


def _misfit(text: str) -> bool:
    return any(words in text for words in MISFIT)
