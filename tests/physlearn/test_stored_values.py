"""What is kept comes back as it was, bit for bit; what is not ours never comes back at all."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse

from physlearn.findings import Findings
from physlearn.records import AtomicConfiguration
from physlearn.results import Fit, fit_from_draws
from physlearn.stored_values import (
    RECORDS,
    DamagedValueError,
    NotStorableError,
    digest_of,
    from_bytes,
    to_bytes,
)

RNG = np.random.default_rng(3)
PLAIN = [
    None, True, 3, -1.5, "text", float("inf"), (1, (2.0, "a")), [1, [2]], {"a": 1, (1, 2): None},
    {1, 2}, frozenset({"a"}), MappingProxyType({"x": 1.0}), Path("a/b"), 1 + 2j, b"bytes",
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back(value):
    again = from_bytes(to_bytes(value))
    assert type(again) is type(value)
    assert again == value
    assert to_bytes(again) == to_bytes(value)


def test_nan_and_signed_zero_keep_their_bits():
    again = from_bytes(to_bytes([float("nan"), -0.0, np.float32(0.1)]))
    assert np.isnan(again[0])
    assert np.signbit(again[1])
    assert again[2].dtype == np.float32


@pytest.mark.parametrize(
    "array",
    [RNG.normal(size=(3, 4)), np.asfortranarray(RNG.normal(size=(3, 4))), np.zeros((0, 2)),
     np.array(["a", "bcd"]), np.arange(3, dtype=">i4"), np.array([1, None, "x"], dtype=object),
     np.array([np.datetime64("2024-01-01")]), np.array(2.5), np.arange(6.0)[::2]],
    ids=lambda array: f"{array.dtype}{array.shape}",
)  # fmt: skip
def test_arrays_come_back(array):
    again = from_bytes(to_bytes(array))
    assert again.dtype == array.dtype
    assert np.isfortran(again) == np.isfortran(array)
    np.testing.assert_array_equal(again, array)
    frozen = array.copy()
    frozen.flags.writeable = False
    assert not from_bytes(to_bytes(frozen)).flags.writeable or frozen.dtype == object


def test_tables_and_labelled_arrays_come_back():
    frame = pd.DataFrame(
        {"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None], "d": pd.Categorical(["u", "v"])},
        index=pd.Index([3, 5], name="row"),
    )
    pd.testing.assert_frame_equal(from_bytes(to_bytes(frame)), frame)
    picture = xr.DataArray(
        RNG.normal(size=(2, 3)), dims=("y", "x"), name="z", attrs={"units": "nm"},
        coords={"x": ("x", [0.0, 1.0, 2.0], {"units": "nm"}), "kind": "a"},
    )  # fmt: skip
    xr.testing.assert_identical(from_bytes(to_bytes(picture)), picture)
    both = xr.Dataset({"p": picture, "q": 2 * picture}, attrs={"a": 1})
    xr.testing.assert_identical(from_bytes(to_bytes(both)), both)
    matrix = sparse.csr_array(np.eye(3))
    again = from_bytes(to_bytes(matrix))
    assert type(again) is type(matrix)
    assert (again != matrix).nnz == 0


def test_records_and_posteriors_come_back():
    atoms = AtomicConfiguration(RNG.normal(size=(4, 2)), unit="nm", metadata={"a": 1})
    again = from_bytes(to_bytes(atoms))
    assert digest_of(again) == digest_of(atoms)
    np.testing.assert_array_equal(again.positions, atoms.positions)
    fit = fit_from_draws({"field": RNG.normal(size=50)}, model="m", likelihood="l",
                         approximation="a", seed=1, data=b"x")  # fmt: skip
    back = from_bytes(to_bytes(fit))
    assert isinstance(back, Fit)
    pd.testing.assert_frame_equal(back.summary(), fit.summary())
    # when a posterior was written is no part of what it says
    fit.idata["posterior"].attrs["created_at"] = "another day"
    assert digest_of(fit) == digest_of(back)


def test_what_lives_only_in_this_process_is_refused():
    for value in (lambda: 0, object(), Findings("a", 1), iter([])):
        with pytest.raises(NotStorableError):
            to_bytes(value)


def test_every_record_on_the_list_is_a_dataclass_of_ours():
    import importlib

    for name, module in RECORDS.items():
        assert module.startswith("physlearn.")
        assert dataclasses.is_dataclass(getattr(importlib.import_module(module), name)), name


def _zip(tree, arrays=()):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tree.json", json.dumps(tree))
        for number, content in enumerate(arrays):
            archive.writestr(f"{number}.npy", content)
    return stream.getvalue()


def _pickled_array():
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _long_header():
    """An array whose header numpy refuses in four lines."""
    return b"\x93NUMPY\x02\x00" + (60_000).to_bytes(4, "little") + b"{" + b" " * 60_000


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", _zip({}), _zip({"format": "physlearn-value-1", "value": {"~": "no"}}),
     _zip({"format": "physlearn-value-1",
           "value": {"~": "record", "name": "Popen", "v": {"args": "ls"}}}),
     _zip({"format": "physlearn-value-1", "value": {"~": "record", "name": "Fit", "v": {}}}),
     _zip({"format": "physlearn-value-1", "value": {"~": "array", "v": 0}}, [_pickled_array()]),
     _zip({"format": "physlearn-value-1", "value": {"~": "array", "v": 0}}, [_long_header()]),
     _zip({"format": "physlearn-value-1", "value": {"~": "array", "v": 7}})],
)  # fmt: skip
def test_foreign_bytes_are_damaged_values(content):
    with pytest.raises(DamagedValueError, match="no stored value") as caught:
        from_bytes(content)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
