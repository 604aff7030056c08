"""The JSON schema of a plan, made from its records; ``python -m`` this module to publish it."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import is_dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from physlearn.causal.experiment_plans import experiment_plan, plan_records
from physlearn.whole_files import write_whole

__all__ = ["build_plan_schema", "plan_schema"]

PUBLISHED = "schemas/experiment_plan.schema.json"


@cache
def plan_schema() -> dict[str, Any]:
    """Return the published JSON schema of a plan.

    Examples
    --------
    >>> plan_schema()["title"]
    'physlearn experiment plan'
    """
    place = resources.files("physlearn.causal.experiment_plans").joinpath(PUBLISHED)
    schema: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return schema


def build_plan_schema() -> dict[str, Any]:
    """Return the schema as the records of a plan have it now (JSON Schema 2020-12)."""
    made = experiment_plan.plan_adapter().json_schema()
    records = {
        name: record
        for module in (plan_records, experiment_plan)
        for name, record in vars(module).items()
        if inspect.isclass(record) and is_dataclass(record)
    }
    for name, part in {**made.get("$defs", {}), "ExperimentPlan": made}.items():
        _describe(part, inspect.getdoc(records[name]) or "")
    properties = {
        "format": {"const": experiment_plan.FORMAT},
        **made["properties"],
        "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:physlearn:{experiment_plan.FORMAT.removeprefix('physlearn-')}",
        "title": "physlearn experiment plan",
        "description": (
            f"{made['description']} The checksum is the SHA-256 of the plan without its checksum, "
            "as JSON with sorted keys, no spaces and no NaN."
        ),
        "type": "object",
        "additionalProperties": False,
        "required": ["format", *made["required"], "checksum"],
        "properties": properties,
        "$defs": made["$defs"],
    }


def _describe(part: dict[str, Any], text: str) -> None:
    """Replace what pydantic made of a docstring by its first sentence and those of the fields."""
    lines = text.splitlines()
    part["description"] = lines[0] if lines else ""
    part.pop("title", None)
    said = _attributes(lines)
    for name, field in part.get("properties", {}).items():
        field.pop("title", None)
        if name in said:
            field["description"] = said[name]


def _attributes(lines: list[str]) -> dict[str, str]:
    """Return name -> words of the section "Attributes" of a numpy docstring."""
    if "Attributes" not in lines:
        return {}
    said: dict[str, str] = {}
    names: list[str] = []
    for line in lines[lines.index("Attributes") + 2 :]:
        if line.startswith("----"):
            break
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
        elif line:
            for name in names:
                said[name] = f"{said.get(name, '')} {line.strip()}".strip()
    return said


if __name__ == "__main__":
    target = Path(__file__).parent / PUBLISHED
    target.parent.mkdir(exist_ok=True)
    write_whole(target, json.dumps(build_plan_schema(), indent=1) + "\n")
    sys.stdout.write(f"{target}\n")
