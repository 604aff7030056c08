"""Abduction, action, prediction: from fitted mechanisms to the answers of many patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.counterfactual_models.additive_mechanisms import AdditiveMechanism
from physlearn.causal.counterfactual_models.answer_records import gaussian_bounds
from physlearn.causal.counterfactual_models.level_mechanisms import (
    LevelMechanism,
    level_chance,
    own_noise,
)
from physlearn.causal.counterfactual_models.model_data import ModelData
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import CREDIBLE_MASS
from physlearn.records.storage import html_table, short_repr

Mechanisms = Sequence[AdditiveMechanism | LevelMechanism]
CHUNK = 512
N_NOISE = 200
N_PARAMETERS = 100
N_LEVEL_PARAMETERS, N_SHARED = 50, 16
"""With levels on the way: draws of the parameters, and of a patch's own noise that each sees."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One question about some patches of a table.

    `do` holds one value a patch asked for; `level` is the place of the level whose chance is
    asked, or None for a continuous outcome.
    """

    data: ModelData
    patches: Integers
    do: Mapping[str, Floats]
    outcome: str
    level: int | None
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class GraphAnswer:
    """The answer by one graph; every array (n,), the draws (n_draws, n)."""

    mean: Floats
    low: Floats
    high: Floats
    sd_parameters: Floats
    sd_noise: Floats
    sd_change_noise: Floats
    parameter_draws: NDArray[np.floating]


def answer_by_graph(question: Question, mechanisms: Mechanisms) -> GraphAnswer:
    """Return the answers through the mechanisms on the way from the change to the outcome."""
    if all(m.form == "linear" for m in mechanisms) and question.level is None:
        return _linear(question, [m for m in mechanisms if isinstance(m, AdditiveMechanism)])
    parts = [
        _simulated(question, mechanisms, start) for start in range(0, len(question.patches), CHUNK)
    ]
    names = GraphAnswer.__dataclass_fields__
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names
    }
    return GraphAnswer(**joined)


def changed_state(question: Question, mechanisms: Mechanisms) -> dict[str, Floats]:
    """Return the columns (n,) that are set or moved, as the fitted mechanisms have it.

    Columns of levels that are moved, not set, are left out: which level they take is open.
    """
    data, rows = question.data, question.patches
    before = {name: values[rows] for name, values in data.raw.items()}
    after: dict[str, Floats] = {**before, **question.do}
    moved = set(question.do)
    for mechanism in mechanisms:
        if isinstance(mechanism, AdditiveMechanism) and moved & set(mechanism.parents):
            change = mechanism.influence(data, after, None)
            change = change - mechanism.influence(data, before, None)
            after[mechanism.node] = before[mechanism.node] + change
            moved.add(mechanism.node)
    return {name: after[name] for name in moved}


def _linear(question: Question, mechanisms: Sequence[AdditiveMechanism]) -> GraphAnswer:
    """Return answers in closed form: the outcome moves by total effect x change."""
    data, rows = question.data, question.patches
    change, features = _features(question)
    n_draws = len(mechanisms[0].draws) if mechanisms else 1
    k = change.shape[1]
    reach: dict[str, tuple[Floats, Floats]] = {
        name: (np.eye(k)[places[0]], np.tile(np.eye(k)[places[0]], (n_draws, 1)))
        for name, places in features.items()
        if name not in data.levels
    }
    for mechanism in mechanisms:
        total, draws = np.zeros(k), np.zeros((n_draws, k))
        place = 0
        for parent in mechanism.parents:
            width = len(data.levels[parent]) - 1 if parent in data.levels else 1
            used = slice(place, place + width)
            place += width
            if parent in data.levels and parent in features:
                total[features[parent]] += mechanism.coefficients[used]
                draws[:, features[parent]] += mechanism.draws[:, used]
            elif parent in reach:
                scale = data.columns.scale[data.columns.index(parent)]
                total += mechanism.coefficients[used] / scale * reach[parent][0]
                draws += mechanism.draws[:, used] / scale * reach[parent][1]
        reach[mechanism.node] = total, draws
    total, draws = reach.get(question.outcome, (np.zeros(k), np.zeros((n_draws, k))))
    factual = data.raw[question.outcome][rows]
    mean = factual + change @ total
    covariance = np.atleast_2d(np.cov(draws.T)) if n_draws > 1 else np.zeros((k, k))
    sd_parameters = np.sqrt(np.einsum("ni,ij,nj->n", change, covariance, change))
    weights = np.zeros(len(data.names))
    for name, places in features.items():
        if name not in data.levels:
            weights[data.columns.index(name)] -= total[places[0]]
    sd_change = _noise_sd(data, rows, weights)
    weights[data.columns.index(question.outcome)] += 1.0
    sd_noise = _noise_sd(data, rows, weights)
    low, high = gaussian_bounds(mean, np.hypot(sd_parameters, sd_noise))
    # half precision of what is only averaged: 400 draws of 10,000 patches in 16 MB
    moved = draws.astype(np.float32) @ change.T.astype(np.float32)
    moved += factual.astype(np.float32)
    return GraphAnswer(mean, low, high, sd_parameters, sd_noise, sd_change, moved)


def _features(question: Question) -> tuple[Floats, dict[str, list[int]]]:
    """Return how far each set column is moved (n, k), one line a level, and whose line is whose."""
    data, rows = question.data, question.patches
    lines: list[Floats] = []
    features: dict[str, list[int]] = {}
    for name, values in question.do.items():
        seen = data.raw[name][rows]
        if name in data.levels:
            new = [(values == v) * 1.0 - (seen == v) * 1.0 for v in data.levels[name][1:]]
        else:
            new = [values - seen]
        features[name] = list(range(len(lines), len(lines) + len(new)))
        lines += new
    return np.stack(lines, axis=1), features


def _noise_sd(data: ModelData, rows: Integers, weights: Floats) -> Floats:
    """Return the standard deviation (n,) of a weighted sum of measurement errors."""
    covariance = data.covariance if len(data.covariance) == 1 else data.covariance[rows]
    variance = np.einsum("i,nij,j->n", weights, covariance, weights)
    return np.broadcast_to(np.sqrt(np.maximum(variance, 0.0)), (len(rows),)).copy()


def _simulated(question: Question, mechanisms: Mechanisms, start: int) -> GraphAnswer:
    """Return answers of one chunk of patches by draws of noise and parameters."""
    rows = question.patches[start : start + CHUNK]
    generator = np.random.default_rng([question.seed, start])
    errors, spread = _true_states(question, mechanisms, rows, generator)
    leveled = any(isinstance(m, LevelMechanism) for m in mechanisms)
    uniform = {
        m.node: generator.uniform(1e-12, 1.0, (N_NOISE, len(rows), len(m.levels)))
        for m in mechanisms
        if isinstance(m, LevelMechanism)
    }
    run = _Run(question, mechanisms, start, rows)
    n_noise = N_NOISE if leveled or spread else 1
    drawn, changes = run.answers(errors(n_noise), _first(uniform, n_noise), None)
    mean = drawn.mean(axis=0)
    shared = min(N_SHARED if leveled else 1, n_noise)
    common = errors(shared) if leveled else errors(1)
    center = run.answers(common, _first(uniform, shared), None)[0].mean(axis=0)
    if leveled:
        by_parameters = np.stack(
            [
                run.answers(common, _first(uniform, shared), slice(k, k + 1))[0].mean(axis=0)
                for k in range(N_LEVEL_PARAMETERS)
            ]
        )
    else:
        by_parameters = run.answers(common, {}, slice(0, N_PARAMETERS))[0].copy()
    by_parameters += mean - center
    sd_parameters = by_parameters.std(axis=0, ddof=1)
    if question.level is None:
        sd_noise, sd_change = drawn.std(axis=0), changes.std(axis=0)
        total = by_parameters[np.arange(N_NOISE) % len(by_parameters)]
        total = total + (drawn - mean if n_noise > 1 else 0.0)
    else:
        by_parameters = np.clip(by_parameters, 0.0, 1.0)
        sd_noise = np.sqrt(np.maximum(mean * (1.0 - mean), 0.0))
        sd_change, total = sd_noise, by_parameters
    tails = [(1 - CREDIBLE_MASS) / 2, (1 + CREDIBLE_MASS) / 2]
    low, high = np.quantile(total, tails, axis=0)
    return GraphAnswer(mean, low, high, sd_parameters, sd_noise, sd_change, by_parameters)


def _first(uniform: dict[str, Floats], n: int) -> dict[str, Floats]:
    return {name: values[:n] for name, values in uniform.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    question: Question
    mechanisms: Mechanisms
    start: int
    rows: Integers

    def answers(
        self, errors: Mapping[str, Floats], uniform: Mapping[str, Floats], draw: slice | None
    ) -> tuple[Floats, Floats]:
        """Return the outcome and its change (n_noise, n) for true states seen less `errors`."""
        question, rows = self.question, self.rows
        data = question.data
        true = {
            name: (values[rows] - errors[name]) if name in errors else values[rows][None]
            for name, values in data.raw.items()
        }
        changed = dict(true)
        for name, values in question.do.items():
            changed[name] = values[self.start : self.start + len(rows)][None]
        answer, change = changed[question.outcome], np.zeros(1)
        for mechanism in self.mechanisms:
            own = None if draw is None else mechanism.draws[draw]
            if isinstance(mechanism, AdditiveMechanism):
                after = mechanism.influence(data, changed, own)
                change = after - mechanism.influence(data, true, own)
                changed[mechanism.node] = true[mechanism.node] + change
                answer = changed[mechanism.node]
                continue
            codes = np.searchsorted(mechanism.levels, data.raw[mechanism.node][rows])
            before = mechanism.utilities(data, true, own, rows)
            after = mechanism.utilities(data, changed, own, rows)
            level = question.level if mechanism.node == question.outcome else None
            if level is not None and len(mechanism.levels) == 2:
                answer = change = level_chance(before, after, codes, level)
                continue
            random = uniform[mechanism.node]
            noise = own_noise(np.broadcast_to(before, random.shape), codes, random)
            place = (after + noise).argmax(axis=-1)
            changed[mechanism.node] = np.asarray(mechanism.levels)[place]
            answer = changed[mechanism.node] if level is None else (place == level) * 1.0
            change = answer
        shape = (max(len(answer), 1), len(rows))
        return np.broadcast_to(answer, shape), np.broadcast_to(change, shape)


def _no_errors(_: int) -> dict[str, Floats]:
    return {}


def _true_states(
    question: Question, mechanisms: Mechanisms, rows: Integers, generator: np.random.Generator
) -> tuple[Callable[[int], dict[str, Floats]], bool]:
    """Return a function n -> errors (n, n_rows) by column, and whether there are any.

    The errors follow their distribution given the row that was measured, Gaussian with the
    covariance of all columns concerned: a curve through a point that noise moved needs the true
    point, and large values owe part of their size to noise.
    """
    data = question.data
    used = {question.outcome, *question.do, *(p for m in mechanisms for p in m.parents)}
    used |= {m.node for m in mechanisms}
    names = [name for name in data.names if name in used and name not in data.levels]
    index = [data.columns.index(name) for name in names]
    covariance = data.covariance[:, index][:, :, index]
    if not names or not covariance.any():
        return _no_errors, False
    scale = data.columns.scale[index]
    values = data.columns.values[rows][:, index]
    # nothing is known of the table beyond the second moments of what was seen
    total = data.columns.values[:, index].T @ data.columns.values[:, index]
    total /= len(data.blocks) - data.trend.shape[1]
    noise = covariance / np.outer(scale, scale)
    noise = noise if len(noise) == 1 else noise[rows]
    pulled = noise @ np.linalg.inv(total)
    center = np.einsum("nij,nj->ni", np.broadcast_to(pulled, (len(rows), *total.shape)), values)
    left = noise - pulled @ noise
    size, vectors = np.linalg.eigh(0.5 * (left + np.swapaxes(left, 1, 2)))
    root = vectors * np.sqrt(np.maximum(size, 0.0))[:, None, :]
    normal = generator.standard_normal((N_NOISE // 2, len(rows), len(index)))
    # each draw with its mirror image: what is odd in the noise cancels exactly
    drawn = np.einsum(
        "nij,mnj->mni", np.broadcast_to(root, (len(rows), *total.shape)),
        np.stack([normal, -normal], axis=1).reshape(N_NOISE, len(rows), -1),
    )  # fmt: skip

    def errors(n: int) -> dict[str, Floats]:
        some = center[None] + (drawn[:n] if n > 1 else 0.0)
        return {name: some[:, :, k] * scale[k] for k, name in enumerate(names)}

    return errors, True
