"""Nothing leaves without two releases of warning, and nothing stays beyond its day."""

import ast
import importlib
import warnings
from pathlib import Path

import pytest

import physlearn
from physlearn.checks import InputError
from physlearn.deprecation import (
    SHELVED,
    DeprecatedName,
    Shelved,
    deprecated,
    release,
    renamed_argument,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shelf(monkeypatch):
    kept = dict(SHELVED)
    yield SHELVED
    SHELVED.clear()
    SHELVED.update(kept)


def test_a_deprecated_function_warns_where_it_is_called_and_works(shelf):
    @deprecated(since="0.3", removed="0.5", instead="fit_new")
    def fit_old(x, *, y=1):
        """Add."""
        return x + y

    with pytest.warns(DeprecatedName, match=r"fit_old goes away in physlearn 0\.5; use fit_new\."):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert fit_old(2, y=3) == 5
        assert said[0].filename == __file__
        warnings.warn(said[0].message, stacklevel=1)
    assert fit_old.__doc__ == "Add."
    assert any(one.name == "fit_old" for one in shelf.values())


def test_an_old_argument_is_translated_and_both_are_refused(shelf):
    @renamed_argument("n_iter", "n_sweeps", since="0.3", removed="1.0")
    def sample(seed, *, n_sweeps=1):
        return seed, n_sweeps

    with pytest.warns(DeprecatedName, match="n_iter"):
        assert sample(7, n_iter=3) == (7, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sample(7, n_sweeps=4) == (7, 4)
    with pytest.raises(TypeError, match="n_sweeps= alone"):
        sample(7, n_iter=3, n_sweeps=4)


@pytest.mark.parametrize(("since", "removed"), [("0.3", "0.4"), ("0.3", "0.3"), ("1.2", "0.9")])
def test_too_short_a_notice_is_refused(since, removed):
    with pytest.raises(InputError, match="removed"):
        Shelved("x", since, removed)


@pytest.mark.parametrize(("since", "removed"), [("0.3", "0.5"), ("0.9", "1.0"), ("1.0", "1.2")])
def test_two_minor_releases_or_a_major_one_are_enough(since, removed):
    assert Shelved("x", since, removed).removed == removed


@pytest.mark.parametrize("version", ["1", "a.b", ""])
def test_a_version_is_two_numbers(version):
    with pytest.raises(InputError, match="version"):
        release(version)


def _marked_modules():
    for folder in ("physlearn", "inference", "causal", "lattice_models", "datasets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            if "physlearn.deprecation import" in text and path.name != "deprecation.py":
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts if folder == "physlearn" else ("physlearn", *parts))


def test_what_was_announced_to_go_is_gone():
    for module in _marked_modules():
        importlib.import_module(module)
    now = release(physlearn.__version__)
    late = [name for name, one in SHELVED.items() if release(one.removed) <= now]
    assert not late, "these were announced to be gone by this release"


def test_nothing_warns_of_its_end_in_another_way():
    loose = []
    for folder in ("physlearn", "inference", "causal", "lattice_models", "datasets"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "DeprecationWarning" not in text or path.name == "deprecation.py":
                continue
            loose += [
                f"{path}:{node.lineno}"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "warn"
                and "DeprecationWarning" in ast.dump(node)
            ]
    assert not loose, "use physlearn.deprecation"
