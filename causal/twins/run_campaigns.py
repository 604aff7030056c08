"""Many campaigns at once: how often a planner is right, how much dose it takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physlearn.causal.twins.campaigns import Campaign
from physlearn.causal.twins.digital_twin import DigitalTwin
from physlearn.causal.twins.run_campaign import AskTell, run_campaign
from physlearn.checks import InputError, as_generator, check_count
from physlearn.executors import ExecutorLike
from physlearn.many_tasks import answers_and_refusals
from physlearn.records.storage import html_table, short_repr

__all__ = ["CampaignBatch", "run_campaigns"]


@dataclass(frozen=True, slots=True, eq=False)
class CampaignBatch:
    """Campaigns of one kind, each with random numbers of its own.

    Attributes
    ----------
    campaigns
        In order; None for one that was refused.
    refusals
        Place of a campaign -> the sentence that refused it.
    seed
        Reproduces all of them.

    Examples
    --------
    >>> CampaignBatch((Campaign(()),), {}, seed=1).table["verdict"].tolist()
    ['continue']
    """

    campaigns: tuple[Campaign | None, ...]
    refusals: dict[int, str]
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def table(self) -> pd.DataFrame:
        """One row a campaign: its place, verdict, what is claimed, steps, dose and time."""
        rows = []
        for place, one in enumerate(self.campaigns):
            if one is not None:
                last = one.steps[-1] if one.steps else None
                rows.append({
                    "campaign": place, "verdict": one.verdict, "hypothesis": one.hypothesis,
                    "steps": len(one.steps), "dose": last.dose if last else 0.0,
                    "time_s": last.time_s if last else 0.0,
                })  # fmt: skip
        columns = ["campaign", "verdict", "hypothesis", "steps", "dose", "time_s"]
        return pd.DataFrame(rows, columns=columns)


def run_campaigns(
    make: Callable[[np.random.Generator], tuple[AskTell, DigitalTwin]],
    n: int,
    *,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
    max_steps: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> CampaignBatch:
    """Run many campaigns against twins, each with a planner and a twin of its own.

    Every campaign has its own random stream, so that no answer depends on the workers.

    Parameters
    ----------
    make
        ``make(rng)`` returns a fresh planner and a fresh twin, all of whose randomness comes from
        ``rng``. For processes it must be importable.
    n
        Number of campaigns.
    executor
        Runs campaigns side by side: ``"processes:4"``, an executor or a dask client, see
        `physlearn.executors`.
    rng
        Seed or generator.
    max_steps
        Most acts of one campaign.
    folder
        Keeps each campaign in a file after every act; what is there is gone on with. Give the same
        seed. Workers of a cluster must reach it.
    progress
        Called with (campaigns done, campaigns).

    Raises
    ------
    InputError
        For no campaign, or a folder that does not exist. What refuses one campaign (``InputError``,
        ``NotIdentified``, a worker that died three times) is noted in ``refusals``.

    Examples
    --------
    >>> from physlearn.causal import (
    ...     Action, Hypothesis, Planner, ResponseSample, SafetyEnvelope, DigitalTwin)
    >>> def make(rng):
    ...     laws = [Hypothesis(name, 1, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.2))
    ...             for name, s in (("flat", 0.0), ("steep", 1.0))]
    ...     acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (0.1, 2.0)]
    ...     envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    ...     twin = DigitalTwin(ResponseSample(lambda act: act.number("bias_V")), rng=rng)
    ...     return Planner(laws, acts, envelope, 10.0, rng=rng), twin
    >>> run_campaigns(make, 2, rng=1).table["hypothesis"].tolist()
    ['steep', 'steep']
    """
    n = check_count("n", n, 1)
    if not callable(make):
        raise InputError(f"make must be a function; got {type(make).__name__}.")
    place = None if folder is None else Path(folder)
    if place is not None and not place.is_dir():
        raise InputError(f"folder must be a folder that exists; {place} is none.")
    generator, seed = as_generator(rng)
    # the stream is that of the campaign's place: more campaigns leave the first ones as they are
    seeds = generator.integers(0, 2**62, n).tolist()
    tasks = (
        (own, None if place is None else place / f"campaign-{number:05d}.json")
        for number, own in enumerate(seeds)
    )
    campaigns, refusals = answers_and_refusals(
        partial(_one, make, max_steps), tasks, n, executor=executor, progress=progress
    )
    return CampaignBatch(campaigns, refusals, seed)


def _one(
    make: Callable[[np.random.Generator], tuple[AskTell, DigitalTwin]],
    max_steps: int | None,
    seed: int,
    path: Path | None,
) -> Campaign:
    made = make(np.random.default_rng(seed))
    if not isinstance(made, tuple) or len(made) != 2:
        raise InputError(f"make must return a planner and a twin; got {type(made).__name__}.")
    planner, twin = made
    return run_campaign(planner, twin, max_steps=max_steps, path=path)
