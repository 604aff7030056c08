"""The same what-if question asked of a fitted physical model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.columns import require_table
from physlearn.causal.counterfactual_models.answer_records import Counterfactuals, gaussian_bounds
from physlearn.causal.counterfactual_models.structural_answers import check_do, check_patches
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import InputError, as_generator, check_array, check_count
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable
    from physlearn.results import Fit

N_DRAWS = 200


@dataclass(frozen=True, slots=True, eq=False)
class PhysicalQuestion:
    """What a physical model is asked: some patches, as they were seen and as they are changed.

    Attributes
    ----------
    patches
        Rows of the table, (n,).
    seen
        Column of the table -> values (n,).
    do
        Column -> values (n,) it is set to.
    n_draws
        Draws of the parameters.
    seed
        Of the draws.
    """

    patches: Integers
    seen: Mapping[str, Floats]
    do: Mapping[str, Floats]
    n_draws: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class PhysicalModel:
    """A fitted physical model that says how one column follows others.

    Attributes
    ----------
    name
        In a few words.
    causes, outcome
        Columns of a patch table that it reads, and the one that it predicts.
    change
        Question -> draws (n_draws, n) of how far the outcome moves, in its unit.
    supported
        Question -> whether the model was fitted to such values, (n,).
    assumption
        What it rests on.
    exact
        Whether it knows the causes without measurement noise (labelled sites).
    warnings
        Of the fit.

    Examples
    --------
    Made by `wall_model`, `lattice_model`, `field_model` or `model_of_function`.

    >>> model = wall_model({"drive_mobility": [0.4, 0.5]}, drive="bias", velocity="speed",
    ...     drives=[1.0])
    >>> model.assumption
    'the wall follows the linear law at every patch, and only the drive changes it'
    """

    name: str
    causes: tuple[str, ...]
    outcome: str
    change: Callable[[PhysicalQuestion], Floats]
    supported: Callable[[PhysicalQuestion], NDArray[np.bool_]]
    assumption: str
    exact: bool = False
    warnings: tuple[str, ...] = field(default=())

    __repr__ = short_repr
    _repr_html_ = html_table


def physical_counterfactual(
    model: PhysicalModel,
    table: PatchTable,
    *,
    do: Mapping[str, ArrayLike],
    patches: ArrayLike | None = None,
    n_draws: int = N_DRAWS,
    rng: int | np.random.Generator | None = None,
) -> Counterfactuals:
    """Return what a fitted physical model says of patches had columns been set to other values.

    The patch keeps the part of its own that the model does not explain, as in `counterfactuals`:
    answer = measured + model(changed) - model(seen).

    Parameters
    ----------
    model
        From `wall_model`, `lattice_model`, `field_model` or `model_of_function`.
    table
        Patches, with the model's causes and outcome among the columns.
    do
        Column -> a value in the column's unit, or one for each patch asked for or of the table.
    patches
        Rows of the table, or a mask; all when None.
    n_draws
        Posterior draws used.
    rng
        Seed or generator.

    Returns
    -------
    Counterfactuals
        `sd_parameters` from the posterior's draws, `sd_noise` from the table's measurement noise.

    Raises
    ------
    InputError
        For columns that the table or the model lacks, or values that are not finite.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> frame = pd.DataFrame({"bias": [1.0, 2.0], "speed": [0.6, 0.9]})
    >>> table = PatchTable.from_frame(frame, [[0, 0], [8, 0]], 8.0, units={"speed": "nm/s"})
    >>> fit = {"drive_mobility": np.random.default_rng(0).normal(0.5, 0.01, 1000)}
    >>> model = wall_model(fit, drive="bias", velocity="speed", drives=[0.5, 1.0, 2.0])
    >>> answer = physical_counterfactual(model, table, do={"bias": frame["bias"] - 0.5}, rng=0)
    >>> np.round(answer.change, 2).tolist()
    [-0.25, -0.25]
    """
    require_table(table)
    if not isinstance(model, PhysicalModel):
        raise InputError(
            f"model must be a PhysicalModel, got {type(model).__name__}; make one of a fit with "
            "wall_model, lattice_model, field_model or model_of_function."
        )
    check_count("n_draws", n_draws, 2)
    rows = check_patches(patches, table.n_patches)
    values = check_do(do, rows, table.n_patches)
    for name in (*values, *model.causes, model.outcome):
        if name not in table.columns:
            raise InputError(f"{name!r} is no column of the table ({', '.join(table.columns)}).")
    strange = [name for name in values if name not in model.causes]
    if strange:
        raise InputError(
            f"do must set causes of the {model.name} ({', '.join(model.causes)}); got "
            f"{strange[0]!r}."
        )
    _, seed = as_generator(rng)
    seen = {name: table.frame[name].to_numpy(dtype=np.float64)[rows] for name in model.causes}
    question = PhysicalQuestion(rows, seen, values, n_draws, seed)
    moved = check_array("the model's change", model.change(question), shape=(None, len(rows)))
    factual = table.frame[model.outcome].to_numpy(dtype=np.float64)[rows]
    sd_noise, sd_change = _noise(model, table, question)
    sd_parameters = moved.std(axis=0, ddof=1)
    mean = factual + moved.mean(axis=0)
    sd = np.hypot(sd_parameters, sd_noise)
    low, high = gaussian_bounds(mean, sd)
    unlike = ~model.supported(question)
    notes = list(model.warnings)
    if unlike.any():
        notes.append(
            f"for {int(unlike.sum())} of {len(rows)} patches the {model.name} was not fitted to "
            "such values: the answer is an extrapolation."
        )
    return Counterfactuals(
        source="physical", model=model.name, patches=rows, do=values, outcome=model.outcome,
        unit=table.units.get(model.outcome, "1"), mean=mean, low=low, high=high, factual=factual,
        sd=sd, sd_graph=np.zeros(len(rows)), sd_parameters=sd_parameters, sd_noise=sd_noise,
        sd_change_noise=sd_change, identified=np.ones(len(rows), dtype=bool), reason="",
        out_of_support=unlike, graph_means=mean[None], parameter_draws=(factual + moved,),
        graphs=(model.assumption,), seed=seed, warnings=tuple(notes),
    )  # fmt: skip


def _noise(
    model: PhysicalModel, table: PatchTable, question: PhysicalQuestion
) -> tuple[Floats, Floats]:
    """Return the spread (n,) that measurement noise gives the answer, and its change alone."""
    n = len(question.patches)
    covariance = table.measurement_covariance
    if covariance is None:
        return np.zeros(n), np.zeros(n)
    names = [*model.causes, model.outcome]
    index = [table.columns.index(name) for name in names]
    own = covariance[:, index][:, :, index]
    own = np.broadcast_to(own if len(own) == 1 else own[question.patches], (n, *own.shape[1:]))
    slopes = np.zeros((n, len(names)))
    for k, name in enumerate([] if model.exact else model.causes):
        step = np.sqrt(own[:, k, k])
        if not step.any():
            continue
        ends = [
            model.change(
                replace(question, seen={**question.seen, name: question.seen[name] + sign * step})
            ).mean(axis=0)
            for sign in (-1.0, 1.0)
        ]
        slopes[:, k] = (ends[1] - ends[0]) / np.maximum(2.0 * step, 1e-300)
    sd_change = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", slopes, own, slopes), 0.0))
    slopes[:, -1] += 1.0
    return np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", slopes, own, slopes), 0.0)), sd_change


def model_of_function(
    function: Callable[[Mapping[str, Floats], Mapping[str, Floats]], Floats],
    draws: Mapping[str, ArrayLike],
    *,
    name: str,
    causes: Sequence[str],
    outcome: str,
    fitted_range: Mapping[str, tuple[float, float]],
    assumption: str,
    warnings: Sequence[str] = (),
) -> PhysicalModel:
    """Return the physical model of a law whose parameters have posterior draws.

    Parameters
    ----------
    function
        (causes, parameters) -> outcome in the column's unit; causes of shape (n,), parameters of
        shape (n_draws, 1, ...), result of shape (n_draws, n).
    draws
        Parameter -> draws, shape (n_draws, ...); those of one `Fit`, drawn together.
    name, causes, outcome, assumption, warnings
        As in `PhysicalModel`.
    fitted_range
        Cause -> smallest and largest value that it was fitted to.

    Raises
    ------
    InputError
        For draws of different lengths, or a range that is none of a cause.

    Examples
    --------
    >>> law = lambda x, p: p["slope"] * x["bias"]
    >>> model = model_of_function(law, {"slope": [1.9, 2.1]}, name="line", causes=["bias"],
    ...     outcome="speed", fitted_range={"bias": (0, 3)}, assumption="speed follows the bias")
    >>> model.causes
    ('bias',)
    """
    parameters = {key: check_array(f"draws[{key!r}]", value) for key, value in draws.items()}
    lengths = {len(value) if value.ndim else 0 for value in parameters.values()}
    if len(lengths) != 1 or min(lengths) < 2:
        raise InputError(
            f"draws must hold at least 2 draws of each parameter, as many of each; got lengths "
            f"{sorted(lengths)}."
        )
    for key, limits in fitted_range.items():
        if key not in causes or len(limits) != 2 or not limits[0] <= limits[1]:
            raise InputError(
                f"fitted_range must give (low, high) of causes ({', '.join(causes)}); got "
                f"{key!r}: {limits!r}."
            )
    count = lengths.pop()

    def change(question: PhysicalQuestion) -> Floats:
        chosen = np.random.default_rng(question.seed).integers(count, size=question.n_draws)
        own = {key: value[chosen][:, None] for key, value in parameters.items()}
        before = np.asarray(function(question.seen, own), dtype=np.float64)
        after = np.asarray(function({**question.seen, **question.do}, own), dtype=np.float64)
        return np.broadcast_to(after - before, (question.n_draws, len(question.patches)))

    def supported(question: PhysicalQuestion) -> NDArray[np.bool_]:
        inside = np.ones(len(question.patches), dtype=bool)
        for key, (low, high) in fitted_range.items():
            for values in (question.seen[key], question.do.get(key, question.seen[key])):
                inside &= (values >= low) & (values <= high)
        return inside

    return PhysicalModel(
        name, tuple(causes), outcome, change, supported, assumption, warnings=tuple(warnings)
    )


def wall_model(
    fit: Fit | Mapping[str, ArrayLike], *, drive: str, velocity: str, drives: ArrayLike
) -> PhysicalModel:
    """Return the model of a driven wall: its velocity at another drive.

    Parameters
    ----------
    fit
        From `fit_wall_dynamics` or `fit_drive_law`: with ``drive_mobility`` (v = m E), the creep
        law's ``creep_exponent``, ``log_creep_velocity`` and ``log_creep_field``, or
        ``depinning_field``, ``depinning_exponent`` and ``depinning_velocity``.
    drive, velocity
        Columns of the patch table.
    drives
        Drives that were measured; beyond them the law is extrapolated.

    Raises
    ------
    InputError
        For a fit of something else.

    Examples
    --------
    >>> fit = {"drive_mobility": [0.4, 0.5, 0.6]}
    >>> wall_model(fit, drive="bias", velocity="speed", drives=[1.0, 2.0]).name
    'linear wall law'
    """
    levels = np.abs(check_array("drives", drives, ndim=1))
    held = set(fit.variables if hasattr(fit, "variables") else fit)
    laws = {"linear": _linear_wall, "creep": _creeping_wall, "depinning": _depinning_wall}
    found = [name for name, needs in _WALL_VARIABLES.items() if set(needs) <= held]
    if not found:
        raise InputError(
            "fit must hold a wall law: drive_mobility, or the variables of a creep or depinning "
            f"law; it holds {', '.join(sorted(held))}."
        )
    law = found[0]
    top = float(levels.max())
    # below the smallest drive a line through zero is measured from both sides
    low = -top if law == "linear" else float(levels[levels > 0].min(initial=top))
    return model_of_function(
        lambda x, p: laws[law](x[drive], p),
        {
            name: np.asarray(fit[name], dtype=np.float64).reshape(-1)
            for name in _WALL_VARIABLES[law]
        },
        name=f"{law} wall law",
        causes=[drive],
        outcome=velocity,
        fitted_range={drive: (low, top)},
        assumption=f"the wall follows the {law} law at every patch, and only the drive changes it",
        warnings=getattr(fit, "warnings", ()),
    )


_WALL_VARIABLES = {
    "creep": ("creep_exponent", "log_creep_velocity", "log_creep_field"),
    "depinning": ("depinning_field", "depinning_exponent", "depinning_velocity"),
    "linear": ("drive_mobility",),
}


def _linear_wall(drive: Floats, p: Mapping[str, Floats]) -> Floats:
    return np.asarray(p["drive_mobility"] * drive)


def _creeping_wall(drive: Floats, p: Mapping[str, Floats]) -> Floats:
    strength = np.log(np.maximum(np.abs(drive), 1e-300))
    barrier = np.exp(p["creep_exponent"] * (p["log_creep_field"] - strength))
    return np.asarray(np.sign(drive) * np.exp(p["log_creep_velocity"] - barrier))


def _depinning_wall(drive: Floats, p: Mapping[str, Floats]) -> Floats:
    beyond = np.maximum(np.abs(drive) / p["depinning_field"] - 1.0, 0.0)
    return np.asarray(np.sign(drive) * p["depinning_velocity"] * beyond ** p["depinning_exponent"])
