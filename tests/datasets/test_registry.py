import pytest

from physlearn.checks import InputError
from physlearn.datasets import registry


def test_every_public_file_present_matches_its_checksum(public_file):
    table = registry.list()
    for name, size in zip(table["name"], table["size_bytes"], strict=True):
        assert public_file(name).stat().st_size == size  # skips where one is absent


def test_table_is_complete():
    table = registry.list()
    assert len(table) == len(set(table["name"])) >= 40
    assert table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert table["licence"].isin(["MIT", "CC0-1.0", "CC-BY-3.0", "BSD-3-Clause"]).all()
    derived = table[table["path"] == ""]["name"].tolist()
    assert derived == ["colloid_bulk_water/tracks_300frames.csv"]


def test_changed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(tmp_path))
    (tmp_path / "lj_freud").mkdir()
    (tmp_path / "lj_freud" / "LJsampletraj.gsd").write_bytes(b"not the published file")
    with pytest.raises(InputError, match="differs from the published file"):
        registry.fetch("lj_freud/LJsampletraj.gsd")


def test_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="PHYSLEARN_DATA_DIR"):
        registry.fetch("colloid_bulk_water/tracks_300frames.csv")


def test_unreachable_address_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setattr(registry, "ADDRESS", "http://127.0.0.1:9/{path}")
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        registry.fetch("lj_freud/LJsampletraj.gsd")
    assert not list((tmp_path / "lj_freud").glob("*"))
