"""Results of a step as bytes and back: a tree of plain JSON and the arrays beside it, no pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.stored_tables import STORED_TABLES

__all__ = ["DamagedValueError", "NotStorableError", "digest_of", "from_bytes", "to_bytes"]

TREE, FORMAT = "tree.json", "physlearn-value-1"
TAG = "~"
"""Key of every JSON object that stands for something other than a JSON value."""
FIXED_DATE = (1980, 1, 1, 0, 0, 0)
RECORDS = {
    name: module
    for module, names in {
        "physlearn.campaign_records": "Rehearsal Twinned",
        "physlearn.causal.actions": "Action",
        "physlearn.causal.effect_estimates.effect_records": "Effect EffectMember EffectOptions",
        "physlearn.causal.experiment_plans.experiment_plan": "ExperimentPlan",
        "physlearn.causal.experiment_plans.plan_records":
            "Abort Declared Expectation PlanHypothesis PlanStep StartState",
        "physlearn.causal.graphs": "CausalGraph GraphEdge",
        "physlearn.causal.outcomes.outcome": "Outcome",
        "physlearn.causal.patch_counterfactual": "Counterfactual",
        "physlearn.causal.safety_envelope": "SafetyEnvelope",
        "physlearn.causal.severity.options": "SeverityOptions",
        "physlearn.causal.severity.order_checks": "OrderCheck",
        "physlearn.causal.severity.verdicts": "Verdict",
        "physlearn.causal.twins.campaigns": "Campaign CampaignStep",
        "physlearn.datasets.columns.self_consistency": "ConsistencyCheck",
        "physlearn.datasets.motion.find_hops": "HopEvents",
        "physlearn.datasets.scan.correct_scan": "ScanCorrection",
        "physlearn.datasets.sites.site_states": "SiteStates",
        "physlearn.datasets.structure.joint_positions": "PositionErrors",
        "physlearn.datasets.structure.strain": "StrainField",
        "physlearn.datasets.wall_motion.wall_advance": "WallAdvance",
        "physlearn.datasets.wall_motion.wall_roughness": "WallRoughness",
        "physlearn.findings": "PlantedTruth",
        "physlearn.inference.dynamics.dynamics_laws": "DynamicsLaws",
        "physlearn.inference.langevin.diffusion": "Diffusion",
        "physlearn.inference.law_data.search_data": "SearchData",
        "physlearn.inference.laws.equation": "Equation Term",
        "physlearn.inference.laws.equation_set": "EquationSet",
        "physlearn.records.atoms": "AtomicConfiguration",
        "physlearn.records.lattice": "LatticeSnapshots SiteGraph",
        "physlearn.records.patches": "PatchTable",
        "physlearn.records.trajectory": "Trajectory",
        "physlearn.records.walls": "WallTrack",
        "physlearn.results": "Fit",
        "physlearn.study_options": "StudyOptions",
    }.items()
    for name in names.split()
}  # fmt: skip
"""Records that may be written and read, and where they are defined: nothing else is ever made."""


class NotStorableError(TypeError):
    """A value holds something that only lives in this process, such as a function."""


class DamagedValueError(ValueError):
    """Bytes are not what `to_bytes` wrote."""


Arrays = list[NDArray[Any]]


def to_bytes(value: object, *, leave_out: tuple[str, ...] = ()) -> bytes:
    """Return a value as a zip of `tree.json` and one .npy file an array: equal values, equal bytes.

    Parameters
    ----------
    value
        Numbers, texts, tuples, lists, sets, dicts, paths, arrays, sparse matrices, tables, xarray
        data, posteriors, and physlearn's own records of these.
    leave_out
        Fields of the outermost record to be written as None.

    Raises
    ------
    NotStorableError
        For anything else: functions, objects of other libraries.

    Examples
    --------
    >>> from_bytes(to_bytes({"a": (1, 2.5), "b": np.arange(3)}))
    {'a': (1, 2.5), 'b': array([0, 1, 2])}
    """
    tree, arrays = _taken_apart(value, leave_out)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(TREE, FIXED_DATE), _as_text(tree))
        for number, array in enumerate(arrays):
            held = io.BytesIO()
            np.lib.format.write_array(held, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{number}.npy", FIXED_DATE), held.getbuffer())
    return stream.getvalue()


def digest_of(value: object, *, leave_out: tuple[str, ...] = ()) -> str:
    """Return the SHA-256 of a value's content; when it was made does not count.

    Raises
    ------
    NotStorableError
        As for `to_bytes`.

    Examples
    --------
    >>> digest_of((1, 2)) == digest_of((1, 2)), digest_of((1, 2)) == digest_of([1, 2])
    (True, False)
    """
    tree, arrays = _taken_apart(value, leave_out)
    digest = hashlib.sha256(_as_text(tree, ("created_at",)).encode())
    for array in arrays:
        order = "F" if np.isfortran(array) else "C"
        digest.update(f"{array.dtype.str}{array.shape}{order}".encode())
        digest.update(array.tobytes(order="A"))
    return digest.hexdigest()


def from_bytes(content: bytes) -> Any:
    """Return what `to_bytes` wrote.

    Raises
    ------
    DamagedValueError
        When the bytes are anything else.

    Examples
    --------
    >>> from_bytes(b"something else")
    Traceback (most recent call last):
        ...
    physlearn.stored_values.DamagedValueError: no stored value: File is not a zip file
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise DamagedValueError("no stored value: its parts are packed, which ours are not")
            tree = json.loads(archive.read(TREE))
            arrays = [
                np.lib.format.read_array(
                    io.BytesIO(archive.read(f"{number}.npy")), allow_pickle=False
                )
                for number in range(len(parts) - 1)
            ]
        if tree["format"] != FORMAT:
            raise DamagedValueError(f"no stored value: its format is {tree['format']!r}")
        return _Rebuilt(arrays).value(tree["value"])
    except DamagedValueError:
        raise
    except Exception as error:  # damaged, in any of the ways of zip, json and numpy
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DamagedValueError(f"no stored value: {said}") from None


def _as_text(tree: Any, without: tuple[str, ...] = ()) -> str:
    if without:
        tree = _stripped(tree, without)
    return json.dumps({"format": FORMAT, "value": tree}, separators=(",", ":"), allow_nan=False)


def _stripped(tree: Any, without: tuple[str, ...]) -> Any:
    if isinstance(tree, list):
        return [
            _stripped(part, without)
            for part in tree
            if not (isinstance(part, list) and len(part) == 2 and part[0] in without)
        ]
    if isinstance(tree, dict):
        return {key: _stripped(part, without) for key, part in tree.items()}
    return tree


def _taken_apart(value: object, leave_out: tuple[str, ...]) -> tuple[Any, Arrays]:
    arrays: Arrays = []
    return _Taken(arrays).value(value, leave_out), arrays


@dataclasses.dataclass(frozen=True, slots=True)
class _Taken:
    """Takes values apart; arrays go to a list and are named by their place in it."""

    arrays: Arrays

    def value(self, value: Any, leave_out: tuple[str, ...] = ()) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {TAG: "float", "v": repr(value)}
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return {TAG: "scalar", "v": self.array(np.asarray(value))}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.record(value, leave_out)
        kind = _kind_of(value)
        if kind in ("map", "frozen map"):
            return {TAG: kind, "v": [[self.value(k), self.value(v)] for k, v in value.items()]}
        if kind in ("set", "frozen set"):
            return {TAG: kind, "v": [self.value(part) for part in sorted(value)]}
        if kind == "tuple":
            return {TAG: kind, "v": [self.value(part) for part in value]}
        if kind == "list":
            return [self.value(part) for part in value]
        if isinstance(value, PurePath):
            return {TAG: "path", "v": str(value)}
        if isinstance(value, complex):
            return {TAG: "complex", "v": [self.value(value.real), self.value(value.imag)]}
        if isinstance(value, bytes):
            return {TAG: "bytes", "v": self.array(np.frombuffer(value, dtype=np.uint8))}
        for name, table in STORED_TABLES.items():
            if table.is_one(value):
                return {TAG: name, "v": self.value(table.take_apart(value))}
        raise NotStorableError(f"{type(value).__module__}.{type(value).__qualname__} is not kept")

    def array(self, array: NDArray[Any]) -> Any:
        if type(array) is not np.ndarray or array.dtype.kind == "T":
            raise NotStorableError(f"an array of {type(array).__name__}, {array.dtype} is not kept")
        if array.dtype.hasobject:
            held = [self.value(part) for part in array.ravel().tolist()]
            return {TAG: "objects", "shape": list(array.shape), "v": held}
        self.arrays.append(array)
        frozen = {} if array.flags.writeable else {"frozen": True}
        return {TAG: "array", "v": len(self.arrays) - 1, **frozen}

    def record(self, value: Any, leave_out: tuple[str, ...]) -> Any:
        name = type(value).__name__
        if RECORDS.get(name) != type(value).__module__:
            raise NotStorableError(f"{type(value).__module__}.{name} is not kept")
        fields = [part.name for part in dataclasses.fields(value)]
        held = {
            part: None if part in leave_out else self.value(getattr(value, part))
            for part in fields
        }  # fmt: skip
        return {TAG: "record", "name": name, "v": held}


def _kind_of(value: object) -> str:
    kinds: dict[type, str] = {
        dict: "map", MappingProxyType: "frozen map", set: "set", frozenset: "frozen set",
        tuple: "tuple", list: "list",
    }  # fmt: skip
    return kinds.get(type(value), "")


@dataclasses.dataclass(frozen=True, slots=True)
class _Rebuilt:
    """Puts values together again."""

    arrays: Arrays

    def value(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        makers: Mapping[str, Callable[[Any], Any]] = {
            "array": lambda _: self.array(tree),
            "objects": lambda _: self.objects(tree),
            "scalar": lambda held: self.value(held)[()],
            "float": float,
            "complex": lambda held: complex(*map(self.value, held)),
            "bytes": lambda held: self.value(held).tobytes(),
            "path": Path,
            "tuple": lambda held: tuple(self.value(part) for part in held),
            "set": lambda held: {self.value(part) for part in held},
            "frozen set": lambda held: frozenset(self.value(part) for part in held),
            "map": self.pairs,
            "frozen map": lambda held: MappingProxyType(self.pairs(held)),
            "record": lambda held: self.record(tree["name"], held),
        }
        kind = tree[TAG]
        if kind in STORED_TABLES:
            return STORED_TABLES[kind].put_together(self.value(tree["v"]))
        return makers[kind](tree["v"])

    def pairs(self, held: list[list[Any]]) -> dict[Any, Any]:
        return {self.value(key): self.value(part) for key, part in held}

    def array(self, tree: Mapping[str, Any]) -> NDArray[Any]:
        array: NDArray[Any] = self.arrays[tree["v"]]
        if tree.get("frozen"):
            array.flags.writeable = False
        return array

    def objects(self, tree: Mapping[str, Any]) -> NDArray[Any]:
        array = np.empty(len(tree["v"]), dtype=object)
        for place, part in enumerate(tree["v"]):
            array[place] = self.value(part)
        shaped: NDArray[Any] = array.reshape(tree["shape"])
        return shaped

    def record(self, name: str, held: Mapping[str, Any]) -> Any:
        kind = getattr(importlib.import_module(RECORDS[name]), name)
        if {part.name for part in dataclasses.fields(kind)} != set(held):
            raise DamagedValueError(f"no stored value: {name} has other fields")
        # As it was, bit for bit: what a constructor would round or check has been through it
        made = object.__new__(kind)
        for part, tree in held.items():
            object.__setattr__(made, part, self.value(tree))
        return made
