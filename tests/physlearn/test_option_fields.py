"""Options and settings refuse fields of another type, NaN, infinities and negative counts."""

import dataclasses
import importlib
from dataclasses import dataclass

import numpy as np
import pytest

from physlearn import InputError
from physlearn.option_fields import check_fields

PACKAGES = ("physlearn", "physlearn.lattice_models", "physlearn.datasets", "physlearn.inference",
            "physlearn.causal")  # fmt: skip
KINDS = ("Options", "Settings", "Sample", "Instrument")


@dataclass(frozen=True)
class Options:
    n_draws: int = 10
    step: int = -1
    width: float | None = 2.0
    limit: float = np.inf
    noisy: bool = True
    drift_px: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        check_fields(self, signed=("step",))


@pytest.mark.parametrize(
    ("name", "bad", "told"),
    [
        ("n_draws", 2.5, "a whole number; got 2.5"),
        ("n_draws", True, "a whole number; got True"),
        ("n_draws", -1, "of at least 0; got -1"),
        ("n_draws", 10**12, r"at most 1e\+11; got 1000000000000"),
        ("width", "3", "a number or None; got '3'"),
        ("width", np.nan, "a finite number; got nan"),
        ("width", np.inf, "a finite number; got inf"),
        ("width", 2**2000, r"a number or None; got about 2\^2001"),
        ("limit", np.nan, "a finite number; got nan"),
        ("noisy", 1, "True or False; got 1"),
        ("noisy", None, "True or False; got None"),
        ("drift_px", (0.0, np.nan), "a finite number; got"),
        ("drift_px", (0.0,), "a pair of numbers; got"),
    ],
)
def test_the_field_is_named(name, bad, told):
    with pytest.raises(InputError, match=f"^{name} must be {told}"):
        Options(**{name: bad})


@pytest.mark.parametrize(
    "good",
    [{"n_draws": np.int32(3)}, {"step": -7}, {"width": None}, {"width": np.float32(1)},
        {"width": 3},

     {"limit": -np.inf}, {"noisy": np.bool_(False)}, {"drift_px": (1, 2)}],
)  # fmt: skip
def test_what_means_the_same_passes(good):
    made = Options(**good)
    assert all(getattr(made, name) == value for name, value in good.items())


def option_records():
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and dataclasses.is_dataclass(value) and name.endswith(KINDS):
                yield pytest.param(value, id=f"{package}.{name}")


@pytest.mark.parametrize("kind", list(option_records()))
def test_every_public_record_of_options_refuses_odd_numbers(kind):
    needed = [field for field in dataclasses.fields(kind) if _is_needed(field)]
    if needed:
        pytest.skip(f"{kind.__name__} has no default for {needed[0].name}")
    bad = {"int": 2.5, "int | None": -1, "float": np.nan, "float | None": np.nan, "bool": "yes"}
    tried = 0
    for field in dataclasses.fields(kind):
        if field.init and field.type in bad:
            tried += 1
            with pytest.raises(InputError):
                kind(**{field.name: bad[field.type]})
    assert tried or not any(field.type in bad for field in dataclasses.fields(kind))


def _is_needed(field):
    return (
        field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    )
