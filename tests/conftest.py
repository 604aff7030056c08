"""What many tests need: public files, where this machine has them."""

import os
from pathlib import Path

import pytest

from physlearn.datasets import registry

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def public_file(monkeypatch):
    """Return a function that gives a public file's path, or skips where it is absent.

    Tests never download: they read PHYSLEARN_DATA_DIR, or a copy beside the checkout.
    """
    folder = Path(os.environ.get(registry.DATA_DIR_VARIABLE) or SHARED)
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(folder))

    def find(name):
        if not (folder / name).is_file():
            pytest.skip(f"public file {name} is not on this machine; set PHYSLEARN_DATA_DIR")
        return registry.fetch(name)

    return find
