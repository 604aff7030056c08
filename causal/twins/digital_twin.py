"""The digital twin: acts go in, outcomes come out, and the truth stays hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr

from physlearn.causal.actions import Action, SafetyEnvelope
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.readout_chain import ReadoutChain
from physlearn.causal.twins.sample_state import Area, Sample
from physlearn.causal.twins.stage import Stage
from physlearn.causal.twins.twin_world import MAP_PIXELS, World, carry_out, refuse
from physlearn.checks import InputError, as_generator

if TYPE_CHECKING:
    from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
    from physlearn.causal.experiment_plans.plan_records import PlanStep
    from physlearn.causal.twins.plan_run import PlanRun

__all__ = ["DigitalTwin", "HiddenTruth"]

PUBLIC = (
    "actions", "do", "dose", "dose_map", "dose_unit", "events", "field_of_view", "outcomes",
    "pictures", "reveal", "run", "tables", "time_s", "unit",
)  # fmt: skip


class HiddenTruth(InputError, AttributeError):  # noqa: N818 -- it names the finding
    """Somebody asked a twin for what it hides."""


# the twin holds no reference to its world: neither vars, nor pickle, nor an inspector finds it
_WORLDS: WeakKeyDictionary[DigitalTwin, World] = WeakKeyDictionary()


class DigitalTwin:
    """An instrument with a sample in it that nobody has seen: for planners to prove themselves.

    What a planner gets is what a laboratory gives: the outcome of an act, pictures, the time and
    the dose. The sample's truth, the true position, drift and gain cannot be asked for. This
    guards against accidents and against a planner that was handed the twin; it is no lock against
    code that searches the interpreter's memory.

    Parameters
    ----------
    sample
        What lies in it: `IsingSample`, `WallSample`, `AtomSample`, `StructuralSample`,
        `TableSample` (the twin of measured patches), `ResponseSample`, or your own (see
        `physlearn.causal.twins.sample_state.Sample`).
    instrument
        Its errors; a perfect one by default.
    envelope
        Hard limits: what breaks them is refused and nothing moves. None: those of the sample only.
    rng
        Seed of everything hidden. The same seed and the same acts give the same outcomes.

    Raises
    ------
    InputError
        For arguments of other types.

    Examples
    --------
    >>> from physlearn.causal.twins.response_sample import ResponseSample
    >>> hidden = ResponseSample(lambda action: 2.0 * action.number("bias_V"))
    >>> twin = DigitalTwin(hidden, Instrument(readout_noise_sd=0.1), rng=1)
    >>> outcome = twin.do(Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0))
    >>> abs(outcome.readout - 2.0) < 0.5, twin.time_s
    (True, 5.0)
    >>> twin.spins
    Traceback (most recent call last):
        ...
    physlearn.causal.twins.digital_twin.HiddenTruth: the twin keeps its truth: it has no 'spins'...
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self,
        sample: Sample,
        instrument: Instrument | None = None,
        *,
        envelope: SafetyEnvelope | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        made = Instrument() if instrument is None else instrument
        if not isinstance(made, Instrument):
            raise InputError(
                f"instrument must be an Instrument or None; got {type(made).__name__}."
            )
        if not all(hasattr(sample, name) for name in ("prepare", "field_of_view", "unit", "verbs")):
            raise InputError(
                "sample must be an IsingSample, WallSample, AtomSample, StructuralSample or one "
                f"with their interface; got {type(sample).__name__}."
            )
        if envelope is not None and not isinstance(envelope, SafetyEnvelope):
            raise InputError(
                f"envelope must be a SafetyEnvelope or None; got {type(envelope).__name__}."
            )
        generator, seed = as_generator(rng)
        # streams apart: what the instrument does never changes which sample is drawn
        of_sample, of_stage, of_chain, of_rest = generator.spawn(4)
        view = sample.field_of_view
        middle = (0.5 * (view[0] + view[2]), 0.5 * (view[1] + view[3]))
        _WORLDS[self] = World(
            sample.prepare(of_sample), sample, made, envelope, Stage(made, middle, of_stage),
            ReadoutChain(made, of_chain), of_rest, seed, np.zeros((MAP_PIXELS, MAP_PIXELS)),
            tip=made.tip,
        )  # fmt: skip

    def do(self, action: Action) -> Outcome:
        """Do one act and return what came of it.

        Raises
        ------
        InputError
            For what is no `Action`, breaks the envelope, leaves the sample, needs a tip that is
            withdrawn, or is unknown to the sample; nothing has moved then.
        """
        world = _WORLDS[self]
        refuse(world, action)
        return carry_out(world, action)

    def run(
        self, plan: ExperimentPlan, *, approve: Callable[[PlanStep], bool] | None = None
    ) -> PlanRun:
        """Carry out a plan: its steps in order, its branches and its abort rules.

        Parameters
        ----------
        plan
            It is checked before anything moves.
        approve
            Called before every step that is irreversible or has a human gate; False ends the run
            there. None: all are approved, as no real sample is at stake.

        Returns
        -------
        PlanRun
            What was done, what came of it, and why it ended.

        Raises
        ------
        InputError
            For a plan with problems, or one that expects the tip elsewhere than it is.
        """
        from physlearn.causal.twins.plan_run import run_plan

        return run_plan(self.do, plan, _WORLDS[self].tip, approve)

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What was done, as `check_ledger` reads it."""
        return tuple(_WORLDS[self].events)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What came of the acts so far, in order."""
        return tuple(_WORLDS[self].outcomes)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The acts so far, in order, with the doses truly given."""
        return tuple(_WORLDS[self].done)

    @property
    def dose_unit(self) -> str:
        """Unit of doses: the envelope's."""
        envelope = _WORLDS[self].envelope
        return "e/A^2" if envelope is None else envelope.dose_unit

    @property
    def time_s(self) -> float:
        """Seconds since the twin was made."""
        return _WORLDS[self].time_s

    @property
    def dose(self) -> float:
        """Sum of the doses given."""
        return _WORLDS[self].dose

    @property
    def field_of_view(self) -> Area:
        """x_min, y_min, x_max, y_max of what can be reached."""
        return _WORLDS[self].sample.field_of_view

    @property
    def unit(self) -> str:
        """Unit of lengths."""
        return _WORLDS[self].sample.unit

    @property
    def pictures(self) -> tuple[xr.DataArray, ...]:
        """Pictures so far, dims (y, x), with the places that the instrument believes in."""
        return tuple(picture.copy() for picture in _WORLDS[self].pictures)

    @property
    def tables(self) -> tuple[Any, ...]:
        """Patch tables so far, where the sample gives one with each picture."""
        return tuple(_WORLDS[self].tables)

    def dose_map(self) -> xr.DataArray:
        """Return the dose by place, as the instrument believes that it was given, dims (y, x)."""
        world = _WORLDS[self]
        x_min, y_min, x_max, y_max = world.sample.field_of_view
        cell = (np.arange(MAP_PIXELS) + 0.5) / MAP_PIXELS
        return xr.DataArray(
            world.dose_map.copy(),
            dims=("y", "x"),
            coords={"y": y_min + cell * (y_max - y_min), "x": x_min + cell * (x_max - x_min)},
            attrs={"units": self.dose_unit},
            name="dose",
        )

    def reveal(self) -> dict[str, Any]:
        """End the twin's life and return its truth, to score what was claimed; no act follows."""
        world = _WORLDS[self]
        world.is_open = True
        return {
            **world.state.truth(), "stage_drift": tuple(world.stage.drift),
            "readout_zero": world.chain.zero, "tip_gain": world.chain.gain, "seed": world.seed,
        }  # fmt: skip

    def __getattr__(self, name: str) -> NoReturn:
        raise HiddenTruth(
            f"the twin keeps its truth: it has no {name!r}; it offers {', '.join(PUBLIC)}."
        )

    def __dir__(self) -> list[str]:
        return list(PUBLIC)

    def __repr__(self) -> str:
        world = _WORLDS[self]
        return (
            f"DigitalTwin({len(world.done)} acts done, {world.time_s:g} s, dose {world.dose:g}, "
            f"{'opened' if world.is_open else 'truth hidden'})"
        )

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise HiddenTruth(
            "the twin keeps its truth: it cannot be copied or pickled; make it anew from its seed "
            "and repeat its acts."
        )

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(None)
