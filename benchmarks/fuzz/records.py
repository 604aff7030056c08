"""Files of physlearn itself: studies, plans, laws, fits, records, what a watch or a run kept."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.formats import Format

__all__ = ["RECORDS"]

STUDY = """\
physlearn: "1"
title: Two pictures
inputs:
  - file: a.tiff
    label: first
    temperature_K: 300
    channels: [b.tiff, c.tiff]
  - file: ../b.tiff
    temperature_K: 320.5
    region: 0:100,0:100
compare: temperature_K
out: results
seed: 7
units:
  pixel_size: 0.1 nm
  frame_interval_s: 0.5
steps:
  leave_out: [laws]
  campaign: no
options:
  lattice: square
  n_shells: 2
"""


def _study(folder: Path) -> list[Path]:
    (folder / "study.yaml").write_text(STUDY)
    (folder / "short.yaml").write_text("inputs: [{file: a.npy}]\n")
    return [folder / "study.yaml", folder / "short.yaml"]


def read_study(path: Path) -> object:
    from physlearn.study_file import read_study_file, study_of

    spec = read_study_file(path)
    inside = path.parent.resolve()
    if inside not in spec.out.resolve().parents:
        raise AssertionError(f"the folder to write lies outside: {spec.out}")
    return [study_of(spec, number) for number in range(min(3, len(spec.content.inputs)))]


def _signed_plan(tree: Any) -> Any:
    """Return a changed plan with its checksum made anew, as far as it is still a plan."""
    from physlearn.causal.experiment_plans.experiment_plan import FORMAT, plan_adapter

    if not isinstance(tree, dict):
        return tree
    content = {k: v for k, v in tree.items() if k not in ("checksum", "format")}
    try:
        plan = plan_adapter().validate_json(json.dumps(content))
        return {"format": tree.get("format", FORMAT), **content, "checksum": plan.checksum}
    except Exception:
        return tree


def _plan(folder: Path) -> list[Path]:
    from physlearn.causal import Action, ExperimentPlan, SafetyEnvelope
    from physlearn.causal.experiment_plans.plan_records import PlanStep, StartState

    area = {"x_min": 0.0, "y_min": 0.0, "x_max": 1.0, "y_max": 1.0}
    steps = (
        PlanStep(Action("image", area, 1.0, 1.0, 1.0)),
        PlanStep(Action("scan_again", {"n_repeats": 1}, 1.0, 1.0, 1.0)),
        PlanStep(Action("tip_pulse", {"x": 0.5, "y": 0.5, "bias_V": 5.0, "pulse_s": 0.1}, 0.0, 1.0,
                        1.0, True), human_gate=True),
    )  # fmt: skip
    plan = ExperimentPlan(
        steps, (), SafetyEnvelope(9.0, (0, 0, 1, 1)), budget=99.0, starts=StartState("approached")
    )
    plan.to_json(folder / "plan.json")
    return [folder / "plan.json"]


def read_plan(path: Path) -> object:
    from physlearn.causal import ExperimentPlan
    from physlearn.checks import InputError
    from physlearn.plan_check import plan_in_words, read_plan

    plan, _ = read_plan(path)
    try:
        ExperimentPlan.from_json(path)
    except InputError:
        return None  # read as one that must not be run, and said
    return plan_in_words(plan)


def _signed_log(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    content = {k: v for k, v in tree.items() if k != "checksum"}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return tree
    return {**content, "checksum": hashlib.sha256(text.encode()).hexdigest()}


def _planner(folder: Path) -> list[Path]:
    from physlearn.causal.outcomes.outcome import Outcome
    from physlearn.causal.planners.campaign_log import CampaignLog, Entry, write_log

    entries = (
        Entry(1, 0, "policy", "why", 0.5, "told", 1, Outcome(1.5, dose=0.1), (0.5, 0.5)),
        Entry(2, 1, "reference", "drift", 0.25),
    )  # fmt: skip
    log = CampaignLog("campaign", 3, "abc", entries, 2)
    write_log(log, folder / "state.json")
    return [folder / "state.json"]


def read_planner(path: Path) -> object:
    from physlearn.causal.planners.campaign_log import read_log

    return read_log(path)


def _acts(folder: Path) -> list[Path]:
    from physlearn.causal import ExperimentPlan, SafetyEnvelope
    from physlearn.causal.instruments.act_record import open_record
    from physlearn.causal.outcomes.outcome import Outcome

    plan = ExperimentPlan((), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0)
    record = open_record(plan, folder / "run.jsonl")
    record.begin(0, "s1", "tip_pulse")
    record.end(0, "s1", "tip_pulse", Outcome(1.5, dose=0.1, note="seen"))
    record.begin(1, "s2", "image")
    record.end(1, "s2", "image", Outcome(None, note="nothing"))
    return [folder / "run.jsonl"]


def read_acts(path: Path) -> object:
    from physlearn.causal import ExperimentPlan, SafetyEnvelope
    from physlearn.causal.instruments.act_record import open_record

    plan = ExperimentPlan((), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0)
    return open_record(plan, path)


def _laws(folder: Path) -> list[Path]:
    from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws
    from physlearn.inference.law_data.search_data import SearchData
    from physlearn.inference.laws.equation import Equation, Term
    from physlearn.inference.laws.equation_set import EquationSet

    rng = np.random.default_rng(0)
    x, weight = rng.random((1, 8)), np.ones(8)
    data = SearchData(x, 2 * x[0] + 1, weight, True, ("x",))
    law = Equation(
        (Term(2.0, ("x",)), Term(1.0, ("x", "x", "mul"))), 0.1, 12.0, 2,
        covariance=np.eye(2) * 0.01, log_evidence=-3.0, noise_sd=0.1,
    )  # fmt: skip
    laws = EquationSet((law,), ("x",), "y", np.array([[0, 1.0]]), 0.1, data=data)
    laws.save(folder / "laws.json")
    DynamicsLaws({"du/dt": laws}, "field", ("a sentence",)).save(folder / "motion.json")
    return [folder / "laws.json", folder / "motion.json"]


def read_laws(path: Path) -> object:
    from physlearn.checks import InputError
    from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws
    from physlearn.inference.laws.equation_set import EquationSet

    try:
        laws = EquationSet.load(path)
        repr(laws)
        return laws.table
    except InputError:
        motion = DynamicsLaws.load(path)
        return repr(motion)


def _graph(folder: Path) -> list[Path]:
    from physlearn.causal.graphs import CausalGraph, GraphEdge

    graph = CausalGraph(("a", "b", "c"), (), {"a": 0, "b": 1, "c": 1}, alpha=0.05)
    graph.to_json(folder / "graph.json")
    assert GraphEdge
    return [folder / "graph.json"]


def read_graph(path: Path) -> object:
    from physlearn.causal.graphs import CausalGraph

    return repr(CausalGraph.from_json(path))


def _campaign(folder: Path) -> list[Path]:
    from physlearn.causal.twins.campaigns import Campaign

    (folder / "campaign.json").write_text(Campaign((), "e/A2").to_json())
    return [folder / "campaign.json"]


def read_campaign(path: Path) -> object:
    from physlearn.causal.twins.campaigns import Campaign

    return repr(Campaign.from_json(path))


def example_fit() -> Any:
    from physlearn.results import fit_from_draws

    rng = np.random.default_rng(5)
    draws = {"field": rng.normal(0, 1, 50), "couplings": rng.normal(0.2, 0.01, (50, 2))}
    return fit_from_draws(
        draws, model="Ising", likelihood="pseudolikelihood", approximation="sandwich", seed=5,
        data=[np.arange(4)], prior_sd={"field": 1.0, "couplings": 0.5}, units={"couplings": "kT"},
        dims={"couplings": ["shell"]}, coords={"shell": [1, 2]}, diagnostics={"n": 3},
        warnings=("counts unknown",),
    )  # fmt: skip


def _fit(folder: Path) -> list[Path]:
    example_fit().save(folder / "fit.nc")
    return [folder / "fit.nc"]


def read_fit(path: Path) -> object:
    from physlearn.results import Fit

    fit = Fit.load(path)
    repr(fit)
    return fit.summary()


def example_records() -> dict[str, Any]:
    from physlearn.lattice_models import square_lattice
    from physlearn.records import AtomicConfiguration, LatticeSnapshots, Trajectory

    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0)), axis=-1).reshape(-1, 2)
    graph = square_lattice((3, 3))
    return {
        "atoms": AtomicConfiguration(
            places, unit="nm", species=np.array([0, 1] * 4 + [0]), species_names=("A", "B"),
            metadata={"a": 1, "b": "c"}, warnings=("said",),
        ),
        "graph": graph,
        "snapshots": LatticeSnapshots(
            rng.integers(0, 2, (4, 9)), graph, state_names=("a", "b"), state_values=(0, 1)
        ),
        "trajectory": Trajectory(
            np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3), rng.random((6, 2)),
            np.arange(3.0), unit="nm", time_unit="s",
        ),
    }  # fmt: skip


def _records(folder: Path) -> list[Path]:
    for name, record in example_records().items():
        record.save(folder / f"{name}.nc")
    return [folder / f"{name}.nc" for name in example_records()]


def read_record(path: Path) -> object:
    from physlearn.checks import InputError
    from physlearn.datasets import check_layout
    from physlearn.records import (
        AtomicConfiguration,
        LatticeSnapshots,
        PatchTable,
        SiteGraph,
        Trajectory,
        WallTrack,
    )

    kinds = (AtomicConfiguration, SiteGraph, LatticeSnapshots, Trajectory, PatchTable, WallTrack)
    said, good = None, 0
    for kind in kinds:
        try:
            repr(kind.load(path))  # type: ignore[attr-defined]
            good += 1
        except InputError as error:
            said = error
    with suppress(InputError):
        check_layout(path)
    if not good and said is not None:
        raise said
    return good


def _channels(folder: Path) -> list[Path]:
    import xarray as xr

    from physlearn.datasets.layouts.required_metadata import required_metadata
    from physlearn.datasets.layouts.save_channels import save_channels

    data = xr.DataArray(
        np.random.default_rng(0).normal(size=(16, 18)), dims=("y", "x"), name="height",
        coords={"y": ("y", np.arange(16.0), {"units": "nm"}),
                "x": ("x", np.arange(18.0), {"units": "nm"})}, attrs={"units": "pm"},
    )  # fmt: skip
    save_channels(
        folder / "scan.nc",
        data,
        {name: "not recorded" for name in required_metadata() if "pixel" not in name},
    )
    return [folder / "scan.nc"]


def read_layout(path: Path) -> object:
    from physlearn.datasets import check_layout, load_channels

    check_layout(path)
    return load_channels(path)


def _stored(folder: Path) -> list[Path]:
    import pandas as pd
    import xarray as xr

    from physlearn.stored_values import to_bytes

    value = {
        "numbers": (1, 2.5, np.nan), "table": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        "array": xr.DataArray(np.ones((2, 3)), dims=("y", "x")), "fit": example_fit(),
        **example_records(),
    }  # fmt: skip
    (folder / "value.zip").write_bytes(to_bytes(value))
    return [folder / "value.zip"]


def read_stored(path: Path) -> object:
    from physlearn.stored_values import from_bytes

    return from_bytes(path.read_bytes())


def _step(folder: Path) -> list[Path]:
    from physlearn.step_store import KeptStep, _made_by, _signed

    run = {
        "step": "atoms", "reads": {"picture": "ab"}, "written": {"atoms": "0" * 64},
        "status": "done", "reason": "", "seconds": 1.5,
    }  # fmt: skip
    KeptStep(**run)
    body = {"format": "physlearn-step-1", "made_by": _made_by(), "run": run}
    (folder / "atoms-1.json").write_text(json.dumps(body))
    assert _signed
    return [folder / "atoms-1.json"]


def read_step(path: Path) -> object:
    """Sign the damaged body as the store does, and look for it as a study does."""
    from physlearn.step_store import StepStore, find_kept

    folder = path.parent / f"{path.stem}_store"
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    raw = text.encode("utf-8", "surrogateescape")
    place = folder / "steps" / "atoms-1.json"
    place.write_bytes(hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw + b"\n")
    store = StepStore(folder)
    try:
        return find_kept(store, "atoms", lambda _: "ab")
    finally:
        place.unlink(missing_ok=True)


def _watch(folder: Path) -> list[Path]:
    from physlearn.live.estimates import start_state
    from physlearn.live.records import WatchOptions
    from physlearn.live.state_store import save_state

    state = start_state(WatchOptions(kind="picture"), rng=3)
    (folder / "frames").mkdir(exist_ok=True)
    save_state(state, folder)
    text = json.loads((folder / "state.json").read_text())
    text["warnings"], text["left_out"] = [["a", "b"]], [["c", "d"]]
    text["plan"], text["advice"] = [{"do": "image"}], ["look again"]
    one = {"name": "a", "label": "b", "mean": 1.0, "low": 0.5, "high": 1.5, "unit": "nm"}
    text["estimates"], text["history"] = [one], [[1, [one]]]
    text["frames"] = [{
        "file": {"name": "a.tif", "sha256": "0" * 64}, "part": 0, "facts": {"a": 1.0},
        "counts": {"atoms": 3}, "estimates": [one], "warnings": [["a", "b"]], "notes": [],
        "field": 0, "relation": "new", "shift": [0.5, 0.5], "unit": "nm", "width": 10.0,
        "dose": None, "analysed_s": 1.0, "lag_s": 0.5, "order": 1, "model": "",
        "records": {},
    }]  # fmt: skip
    (folder / "state.json").write_text(json.dumps(text))
    return [folder / "state.json"]


def read_watch(path: Path) -> object:
    from physlearn.live.records import WatchOptions
    from physlearn.live.state_store import load_state

    return load_state(path.parent, WatchOptions(kind="picture"), None)


def _checkpoint(folder: Path) -> list[Path]:
    from physlearn.long_run import LongRun

    run = LongRun(10, checkpoint=folder / "run.npz", arguments={"n": 3})
    run.done = 2
    run._save(lambda: {"samples": np.arange(6.0).reshape(2, 3)})
    return [folder / "run.npz"]


def read_checkpoint(path: Path) -> object:
    from physlearn.long_run import LongRun

    return LongRun(10, checkpoint=path, arguments={"n": 3}).saved


RECORDS = (
    Format("study", _study, read_study, also=("builtins:FileNotFoundError",)),
    Format("plan", _plan, read_plan, "json", _signed_plan),
    Format("planner state", _planner, read_planner, "json", _signed_log),
    Format("act record", _acts, read_acts),
    Format("laws", _laws, read_laws, "json"),
    Format("graph", _graph, read_graph, "json"),
    Format("campaign", _campaign, read_campaign, "json"),
    Format("fit", _fit, read_fit, "hdf5"),
    Format("records", _records, read_record, "hdf5"),
    Format("layout", _channels, read_layout, "hdf5"),
    Format("stored value", _stored, read_stored, "zip",
           also=("physlearn.stored_values:DamagedValueError",)),
    Format("kept step", _step, read_step, "json"),
    Format("watch", _watch, read_watch, "json", fixed_name="state.json"),
    Format("checkpoint", _checkpoint, read_checkpoint, "zip"),
)  # fmt: skip
