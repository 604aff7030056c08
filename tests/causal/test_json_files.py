import json
import math

import pytest

from physlearn.causal import CausalGraph
from physlearn.causal.json_files import read_json, write_json
from physlearn.checks import InputError


def test_text_and_file_are_read_alike(tmp_path):
    content = {"a": [1, 2.5, None], "b": "µ"}
    text = write_json(content, tmp_path / "content.json")
    assert read_json(text, "a test") == content
    assert read_json(tmp_path / "content.json", "a test") == content
    assert read_json(str(tmp_path / "content.json"), "a test") == content


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_are_written_and_read(number, tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": number}, tmp_path / "content.json")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="a test may hold finite numbers only"):
        read_json(json.dumps({"a": number}), "a test")


def test_what_is_no_json_is_named():
    with pytest.raises(InputError, match="JSON of a test"):
        read_json("{", "a test")


def test_a_graph_with_an_endless_number_is_refused():
    text = CausalGraph.from_edges([("a", "b")]).to_json()
    with pytest.raises(InputError, match="a causal graph may hold finite numbers only"):
        CausalGraph.from_json(text.replace('"alpha": null', '"alpha": Infinity'))


@pytest.mark.parametrize("source", [None, 7, b"{}"])
def test_what_is_neither_text_nor_path_is_refused(source):
    with pytest.raises(InputError, match="source must be JSON text of a test or the path"):
        read_json(source, "a test")


def test_folders_and_pictures_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"source must be a file of a test; .* is a folder"):
        read_json(tmp_path, "a test")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="must hold a test; it is no file of text"):
        read_json(tmp_path / "picture.json", "a test")
