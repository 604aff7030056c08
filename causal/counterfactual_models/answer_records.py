"""Answers to one question for many patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import CREDIBLE_MASS
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("structural", "physical")


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactuals:
    """The outcome of many patches under a change that was not made.

    Attributes
    ----------
    source
        "structural" (a causal graph fitted to the table) or "physical" (a fitted physical model).
    model
        Which one, in a line.
    patches
        Rows of the table, (n,).
    do
        Column -> the values (n,) it was set to.
    outcome, unit
        What was asked for. For a column of levels the answer is the chance of one level.
    mean
        (n,); NaN where the graphs still possible give different answers.
    low, high
        90 % interval, over all possible graphs, (n,).
    factual
        What was measured, (n,).
    sd
        Of the answer, all parts together, (n,).
    sd_graph
        Spread of the answers of the graphs still possible, counted alike.
    sd_parameters
        From the fitted coefficients (resampled spatial blocks, or posterior draws).
    sd_noise
        From what the patch's own measurement, and the part of its own, leave open.
    sd_change_noise
        The share of `sd_noise` in the change, answer minus factual.
    identified
        Whether graph and data fix one number, (n,).
    reason
        Why not, or an empty string.
    out_of_support
        Whether the changed patch is unlike all that were seen, (n,).
    graph_means
        The answer of each possible graph (n_graphs, n).
    parameter_draws
        For each graph draws of the answer over the parameters alone, (n_draws, n).
    graphs
        What each graph says, its mechanisms in words.
    level
        The level whose chance is answered, or None.
    seed
        Of the draws.
    warnings
        What the reader must know.

    Examples
    --------
    >>> draws = np.array([[0.9, 2.1], [1.1, 1.9]])
    >>> answer = Counterfactuals("structural", "b = f(a)", np.arange(2), {"a": np.zeros(2)}, "b",
    ...     "V", mean=draws.mean(0), low=draws[0], high=draws[1], factual=np.array([2.0, 2.5]),
    ...     sd=np.full(2, 0.2), sd_graph=np.zeros(2), sd_parameters=np.full(2, 0.1),
    ...     sd_noise=np.full(2, 0.1), sd_change_noise=np.zeros(2),
    ...     identified=np.ones(2, bool), reason="", out_of_support=np.zeros(2, bool),
    ...     graph_means=draws.mean(0)[None], parameter_draws=(draws,), graphs=("a -> b",))
    >>> print(answer.sentence())
    Had a been 0, b of 2 patches would have been 1.5 V on average, not 2.25 V.
    """

    source: str
    model: str
    patches: Integers
    do: Mapping[str, Floats]
    outcome: str
    unit: str
    mean: Floats
    low: Floats
    high: Floats
    factual: Floats
    sd: Floats
    sd_graph: Floats
    sd_parameters: Floats
    sd_noise: Floats
    sd_change_noise: Floats
    identified: NDArray[np.bool_]
    reason: str
    out_of_support: NDArray[np.bool_]
    graph_means: Floats
    parameter_draws: tuple[NDArray[np.floating], ...]
    graphs: tuple[str, ...]
    level: float | None = None
    seed: int | None = None
    warnings: tuple[str, ...] = field(default=())

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def change(self) -> Floats:
        """The answer less what was measured, (n,)."""
        return self.mean - self.factual

    def summary(self) -> pd.DataFrame:
        """Return one row a patch."""
        import pandas as pd

        return pd.DataFrame(
            {
                "patch": self.patches,
                **{f"do_{name}": values for name, values in self.do.items()},
                "factual": self.factual, "mean": self.mean, "q05": self.low, "q95": self.high,
                "sd": self.sd, "sd_graph": self.sd_graph, "sd_parameters": self.sd_parameters,
                "sd_noise": self.sd_noise, "identified": self.identified,
                "out_of_support": self.out_of_support,
            }
        )  # fmt: skip

    def sentence(self) -> str:
        """Return the answer in one sentence."""
        if not len(self.patches):
            return "No patch was asked for."
        cause = " and ".join(f"{name} been {_told(values)}" for name, values in self.do.items())
        n = len(self.patches)
        whose = f"patch {int(self.patches[0])}" if n == 1 else f"{n} patches"
        unit = "" if self.unit in ("1", "") else f" {self.unit}"
        what = self.outcome if self.level is None else f"{self.outcome} = {self.level:g}"
        if not self.identified.any():
            return f"Had {cause}, {what} of {whose} is not identified: {self.reason}"
        known = self.identified
        mean, factual = float(self.mean[known].mean()), float(self.factual[known].mean())
        average = "" if n == 1 else " on average"
        words = f"{mean:.3g}{unit}{average}, not {factual:.3g}{unit}"
        verb = "would have been" if self.level is None else "would have had a chance of"
        return f"Had {cause}, {what} of {whose} {verb} {words}{self._limits()}."

    def _limits(self) -> str:
        n = len(self.patches)
        notes = []
        if not self.identified.all():
            notes.append(f"{int((~self.identified).sum())} of {n} are not identified")
        if self.out_of_support.any():
            unlike = int(self.out_of_support.sum())
            notes.append(f"for {unlike} of {n} no patch like the changed one was seen")
        return f" ({'; '.join(notes)})" if notes else ""


def _told(values: Floats) -> str:
    if np.ptp(values) == 0:
        return f"{float(values[0]):.4g}"
    return f"set patch by patch ({float(values.min()):.3g} to {float(values.max()):.3g})"


def gaussian_bounds(mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Return the equal-tailed interval of Gaussian answers."""
    from scipy import stats

    width = float(stats.norm.ppf((1 + CREDIBLE_MASS) / 2))
    return mean - width * sd, mean + width * sd
