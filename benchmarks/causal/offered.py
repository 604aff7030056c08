"""Public functions of physlearn.causal that may not be there in the version that is measured."""

from __future__ import annotations

import importlib
from typing import Any

from physlearn import causal

__all__ = ["offered"]

HOMES = {
    "EffectOptions": "physlearn.causal.effect_estimates.effect_records",
    "counterfactuals": "physlearn.causal.counterfactual_models.structural_answers",
}


def offered(name: str) -> Any:
    """Return a function or class by name, None where this version has none."""
    found = getattr(causal, name, None)
    if callable(found):
        return found
    try:
        return getattr(importlib.import_module(HOMES[name]), name, None)
    except ImportError:
        return None
