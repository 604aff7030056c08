"""What a calibration study found: coverages and ranks with their tests, scores, a verdict."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotFound
from physlearn.inference.calibration.uniformity import ecdf_p_value
from physlearn.records.storage import html_table
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["FAMILY_ERROR", "MASSES", "CalibrationReport", "holm"]

Float = NDArray[np.float64]
MASSES = (0.5, 0.8, 0.9)
FAMILY_ERROR = 0.01
"""Chance that a calibrated estimator is called anything else, over the whole table."""
POWER = 0.9
HEADLINE = 0.9
CLEAR = 1e-3
"""p below which the reason of a departure is named."""
COLUMNS = ("variable", "interval", "expected", "coverage", "held", "n", "low", "high", "p")
FINISHED_ARRAYS = ("truth", "mean", "sd", "rank", "pit", "n_draws")
ARRAYS = ("labels", *FINISHED_ARRAYS, "status", "flagged", "seconds", "message")


@dataclass(frozen=True, eq=False, repr=False)
class CalibrationReport:
    """Truths, their ranks among the draws, and what became of every replicate.

    Rows of finished replicates only, in ``truths``, ``ranks``, ``pits``, ``means``, ``sds``.

    Attributes
    ----------
    names
        What was compared, number by number.
    truths, means, sds
        float64, shape (n_finished, d): truths, posterior means and standard deviations.
    ranks
        float64, shape (n_finished, d): how many draws lie below the truth; ties by lot.
    pits
        float64, shape (n_finished, d): (rank + uniform) / (n_draws + 1), exactly uniform where
        the truth is one more draw.
    n_draws
        int64, shape (n_finished,).
    status
        int8, shape (n_replicates,): 0 finished, 1 refused (``NotIdentified``), 2 failed.
    flagged
        bool, shape (n_replicates,): the fit carried a warning.
    seconds
        float64, shape (n_replicates,): wall time of each fit.
    messages
        What refusals and failures said, by replicate.
    seed
        Repeats the study.
    warnings
        Such as an interruption.

    Examples
    --------
    >>> from physlearn.inference import check_calibration
    >>> def simulate(theta, rng):
    ...     return rng.normal(theta["level"], 1.0, 4)
    >>> def fit(data, rng):
    ...     return {"level": rng.normal(data.sum() / 5, 5**-0.5, 200)}
    >>> report = check_calibration(simulate, fit, {"level": 1.0}, 40, rng=1)
    >>> report.names, len(report.truths)
    (('level',), 40)
    """

    names: tuple[str, ...]
    truths: Float
    means: Float
    sds: Float
    ranks: Float
    pits: Float
    n_draws: NDArray[np.int64]
    status: NDArray[np.int8]
    flagged: NDArray[np.bool_]
    seconds: Float
    messages: tuple[str, ...]
    seed: int
    warnings: tuple[str, ...] = ()

    _repr_html_ = html_table

    def __repr__(self) -> str:
        columns = ["variable", "interval", "coverage", "n", "low", "high", "p_holm", "passes"]
        tables = (self.table[columns], self.scores)
        shown = [table.to_string(index=False, float_format="{:.3g}".format) for table in tables]
        return "\n\n".join((self.verdict, *shown))

    @classmethod
    def from_arrays(
        cls, held: Mapping[str, NDArray[Any]], seed: int, warnings: tuple[str, ...] = ()
    ) -> CalibrationReport:
        """Return the report of arrays of all replicates, NaN where one is not finished."""
        kept = held["status"] == 0
        arrays = {name: np.array(held[name][kept]) for name in FINISHED_ARRAYS}
        arrays |= {name: np.array(held[name]) for name in ("status", "flagged", "seconds")}
        for array in arrays.values():
            array.flags.writeable = False
        return cls(
            names=tuple(str(label) for label in held["labels"]),
            truths=arrays["truth"],
            means=arrays["mean"],
            sds=arrays["sd"],
            ranks=arrays["rank"],
            pits=arrays["pit"],
            n_draws=arrays["n_draws"],
            status=arrays["status"],
            flagged=arrays["flagged"],
            seconds=arrays["seconds"],
            messages=tuple(str(message) for message in held["message"]),
            seed=int(seed),
            warnings=tuple(warnings),
        )

    @classmethod
    def joined(cls, reports: Sequence[CalibrationReport]) -> CalibrationReport:
        """Return one report of several studies of the same thing, with seeds of their own.

        Raises
        ------
        InputError
            For none, different variables, or two of the same seed.
        """
        answered = [report for report in reports if report.names]
        if not reports or len({report.names for report in answered}) > 1:
            raise InputError("reports must be at least one, all of the same variables.")
        if len({report.seed for report in reports}) < len(reports):
            raise InputError("reports must have different seeds; two of them are the same study.")
        names = answered[0].names if answered else ()
        parts = [report._arrays(names) for report in reports]
        held = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        held["labels"] = np.array(names, np.str_)
        warnings = tuple(dict.fromkeys(w for report in reports for w in report.warnings))
        return cls.from_arrays(held, reports[0].seed, warnings)

    @property
    def n_finished(self) -> int:
        """Number of replicates with a posterior."""
        return len(self.truths)

    @property
    def n_refused(self) -> int:
        """Number of replicates that the estimator declined."""
        return int((self.status == 1).sum())

    @property
    def n_failed(self) -> int:
        """Number of replicates that ended in an error."""
        return int((self.status == 2).sum())

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a variable and interval, and one for its ranks.

        Columns: variable, interval, expected, coverage, held, n, low, high (exact 95 % limits of
        the coverage), p (exact binomial test; for ranks the simultaneous test of their whole
        distribution), p_holm (over all rows), passes, refused, failed, flagged.
        """
        import pandas as pd
        from scipy.stats import binomtest

        n, rows = self.n_finished, []
        for name, pits in zip(self.names, self.pits.T, strict=True):
            for mass in MASSES:
                held = int((np.abs(pits - 0.5) < mass / 2).sum())
                test = binomtest(held, n, mass) if n else None
                limits = test.proportion_ci(0.95) if test else None
                rows.append(
                    {
                        "variable": name, "interval": _percent(mass),
                        "expected": mass, "coverage": held / n if n else np.nan, "held": held,
                        "n": n, "low": limits.low if limits else np.nan,
                        "high": limits.high if limits else np.nan,
                        "p": float(test.pvalue) if test else 1.0,
                    }
                )  # fmt: skip
            rows.append(
                {
                    "variable": name, "interval": "ranks", "expected": np.nan, "coverage": np.nan,
                    "held": 0, "n": n, "low": np.nan, "high": np.nan,
                    "p": ecdf_p_value(pits) if n else 1.0,
                }
            )  # fmt: skip
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["p_holm"] = holm(frame["p"].to_numpy())
        frame["passes"] = frame["p_holm"] >= FAMILY_ERROR
        frame["refused"], frame["failed"] = self.n_refused, self.n_failed
        frame["flagged"] = int(self.flagged.sum())
        return frame

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row a variable: how far, how wide, how much was learnt.

        Columns: variable, z_mean and z_sd of (mean - truth) / sd (0 and about 1), rmse of the
        posterior mean, posterior_sd (root mean square), prior_sd (of the truths), contraction
        1 - posterior variance / prior variance.
        """
        import pandas as pd

        z = (self.means - self.truths) / np.maximum(self.sds, np.finfo(float).tiny)
        prior = self.truths.std(axis=0)
        posterior = np.sqrt(np.mean(self.sds**2, axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            contraction = 1.0 - (posterior / prior) ** 2
        return pd.DataFrame(
            {
                "variable": list(self.names), "z_mean": z.mean(axis=0), "z_sd": z.std(axis=0),
                "rmse": np.sqrt(np.mean((self.means - self.truths) ** 2, axis=0)),
                "posterior_sd": posterior, "prior_sd": prior, "contraction": contraction,
            }
        )  # fmt: skip

    @property
    def calibrated(self) -> bool:
        """Whether no row of the table fails, at one per cent over the whole table.

        False where half of the replicates or more have no posterior: the rest is a selection.
        """
        return self._most_finished and bool(self.table["passes"].all())

    @property
    def _most_finished(self) -> bool:
        return 2 * self.n_finished > len(self.status)

    @property
    def verdict(self) -> str:
        """What was found, in sentences."""
        n, every = self.n_finished, len(self.status)
        if n == 0:
            return f"None of {every} replicates has a posterior: {self._first_message()}."
        sentences = []
        if self.calibrated:
            sentences.append(
                f"Calibrated as far as {n} replicates can tell: {self._power_sentence()}."
            )
        elif self.table["passes"].all():
            sentences.append(
                f"Not known to be calibrated: nothing is wrong with {n} replicates, but most have "
                "no posterior, and truths that are refused may be those that would fail."
            )
        for name in self.names:
            wrong = self.table[(self.table["variable"] == name) & ~self.table["passes"]]
            if len(wrong):
                sentences.append(self._departure(name, float(wrong["p_holm"].min())))
        if n < every:
            sentences.append(
                f"{self.n_refused} of {every} replicates were refused and {self.n_failed} failed: "
                "the coverages speak of the others only"
                + (f" (first: {self._first_message()})." if self._first_message() else ".")
            )
        return " ".join((*sentences, *self.warnings))

    def _departure(self, name: str, p: float) -> str:
        """Say what is wrong with one variable."""
        from scipy.stats import chi2, norm

        pits = np.clip(self.pits[:, self.names.index(name)], 1e-12, 1 - 1e-12)
        normal, n = norm.ppf(pits), self.n_finished
        held = float(np.mean(np.abs(pits - 0.5) < HEADLINE / 2))
        reasons = []
        if 2 * norm.sf(abs(normal.mean()) * np.sqrt(n)) < CLEAR:
            side = "low" if normal.mean() > 0 else "high"
            reasons.append(f"estimates are too {side}")
        spread = float(np.sum((normal - normal.mean()) ** 2))
        if chi2.sf(spread, n - 1) < CLEAR:
            reasons.append("intervals are too narrow")
        elif chi2.cdf(spread, n - 1) < CLEAR:
            reasons.append("intervals are too wide")
        what = " and ".join(reasons) or "the ranks are not uniform"
        return (
            f"{name}: {what}; the {_percent(HEADLINE)} intervals hold {_percent(held, 1)} of the "
            f"truths (adjusted p = {p:.2g})."
        )

    def _power_sentence(self) -> str:
        """Say which departure this number of replicates would have found."""
        from scipy.stats import binom

        n, level = self.n_finished, FAMILY_ERROR / max(len(self.table), 1)
        # two-sided at the strictest level of Holm's: the lower rejection limit
        limit = int(binom.ppf(level / 2, n, HEADLINE)) - 1
        grid = np.linspace(0.0, HEADLINE, 901)
        found = grid[binom.cdf(limit, n, grid) >= POWER]
        if limit < 0 or not len(found):
            return "they are too few to find any but the grossest departure"
        return (
            f"{_percent(HEADLINE)} intervals that hold {_percent(found.max())} or less would have "
            f"been found with {_percent(POWER)} chance"
        )

    def _first_message(self) -> str:
        return next((message for message in self.messages if message), "")

    def plot(self) -> Figure:
        """Draw, for every variable, the histogram of ranks and the ECDF's difference in bands."""
        from physlearn.inference.calibration.calibration_plots import draw_calibration

        return draw_calibration(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a compressed file of arrays (.npz)."""
        out = self._arrays(self.names)
        out["labels"] = np.array(self.names, np.str_)
        about = {"record": "CalibrationReport", "seed": self.seed, "warnings": list(self.warnings)}
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, about=np.array(json.dumps(about)), **out)

    def _arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return all replicates as arrays, NaN where one is not finished."""
        finished, n = self.status == 0, len(self.status)
        out: dict[str, NDArray[Any]] = {}
        for name, table in (
            ("truth", self.truths), ("rank", self.ranks), ("pit", self.pits), ("mean", self.means),
            ("sd", self.sds),
        ):  # fmt: skip
            out[name] = np.full((n, len(names)), np.nan)
            out[name][finished] = table
        out["n_draws"] = np.zeros(n, np.int64)
        out["n_draws"][finished] = self.n_draws
        out |= {"status": self.status, "flagged": self.flagged, "seconds": self.seconds}
        out["message"] = np.array(self.messages, np.str_)
        return out

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CalibrationReport:
        """Read what ``save`` wrote.

        Raises
        ------
        NotFound
            When there is no such file.
        InputError
            When the file does not hold a report.
        """
        if not Path(path).is_file():
            raise NotFound(f"no such file: {path}")
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                held = {name: file[name] for name in ARRAYS}
            if about["record"] != "CalibrationReport":
                raise KeyError("record")
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} must be a calibration report that physlearn wrote; it holds something "
                f"else ({type(error).__name__})."
            ) from None
        return cls.from_arrays(held, about["seed"], tuple(about["warnings"]))


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def holm(p_values: Float) -> Float:
    """Return p values adjusted for all being tested together (Holm 1979).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    out = np.empty(len(p_values))
    out[order] = adjusted
    return out
