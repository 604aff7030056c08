"""Where compiled kernels are kept, and what is done where nothing can be written."""

import shutil
import tempfile

import numba
import pytest
from numba.core import caching

from physlearn.lattice_models import compiled


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Neither the sources nor the home can be written to; the temporary directory can."""
    monkeypatch.delenv(compiled.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found_by = caching.FunctionCache._impl_class
    named = [place for place in found_by._locator_classes if "UserProvided" in place.__name__]
    monkeypatch.setattr(found_by, "_locator_classes", named)
    compiled._take_temporary_folder.cache_clear()
    # the first change is undone at the end, and so is what is set in between
    monkeypatch.setenv(compiled.FOLDER_VARIABLE, "")
    yield tmp_path
    compiled._take_temporary_folder.cache_clear()


def test_kernels_go_to_a_temporary_folder_of_this_user_alone(nowhere):
    place = compiled.cache_folder()
    (own,) = nowhere.iterdir()
    assert own in place.parents
    assert own.stat().st_mode & 0o777 == 0o700
    assert compiled.kernel(lambda x: x + 1)(1) == 2


@pytest.mark.parametrize("kind", ["open to others", "a file"])
def test_a_folder_that_is_not_safe_is_not_used(nowhere, kind):
    assert compiled.cache_folder() is not None
    (own,) = nowhere.iterdir()
    if kind == "a file":
        shutil.rmtree(own)
        own.touch()
    else:
        own.chmod(0o777)
    compiled._take_temporary_folder.cache_clear()
    numba.config.CACHE_DIR = ""
    with pytest.warns(UserWarning, match="compiles them anew. Set NUMBA_CACHE_DIR to"):
        assert compiled.cache_folder() is None
    assert compiled.kernel(lambda x: x + 1)(1) == 2  # and says it once
