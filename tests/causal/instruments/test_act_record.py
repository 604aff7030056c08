"""The record of acts outlives crashes and belongs to one plan."""

import pytest

from physlearn.causal import Outcome, settle_act
from physlearn.causal.instruments.act_record import open_record
from physlearn.checks import InputError


def test_a_line_cut_short_by_a_crash_is_taken_off(pulse_plan, tmp_path):
    path = tmp_path / "acts.jsonl"
    book = open_record(pulse_plan, path)
    book.end(0, "s1", "approach", Outcome(None))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"act": 1, "step": "s2", "verb": "ima')
    again = open_record(pulse_plan, path)
    assert again.ended == book.ended
    assert path.read_bytes() == whole


def test_an_act_is_begun_once(pulse_plan, tmp_path):
    book = open_record(pulse_plan, tmp_path / "acts.jsonl")
    book.begin(0, "pulse", "tip_pulse")
    with pytest.raises(InputError, match=r"pulse \(tip_pulse\) was begun before; it is not done"):
        book.begin(0, "pulse", "tip_pulse")
    book.end(0, "pulse", "tip_pulse", Outcome(None))
    with pytest.raises(InputError, match="begun before"):
        book.begin(0, "pulse", "tip_pulse")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": "physlearn-act-record-1", "plan": "another"}\n', "is of another plan"),
        ('{"a": 1}\n', "is no record of acts"),
        ("no json\n", "must hold JSON lines"),
        ("bias,readout\n1.0,0.3", "must hold JSON lines"),
        ('{"a": 1}\n{"b": 2}', "is no record of acts"),
        ("[" * 20_000 + "]" * 20_000 + "\n", "must hold JSON lines"),
        ("one line without an end", "is no record of acts"),
        (b"\x89PNG\r\n\xff\xfe", "is no record of acts"),
    ],
)
def test_other_files_are_refused_and_stay_as_they_are(content, said, pulse_plan, tmp_path):
    path = tmp_path / "acts.jsonl"
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        open_record(pulse_plan, path)
    assert path.read_bytes() == content
    with pytest.raises(InputError, match="is a folder"):
        open_record(pulse_plan, tmp_path)


def test_a_first_line_cut_short_by_a_crash_is_written_anew(pulse_plan, tmp_path):
    path = tmp_path / "acts.jsonl"
    open_record(pulse_plan, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    assert open_record(pulse_plan, path).ended == []
    assert path.read_bytes() == whole


def test_nothing_to_settle_is_said(pulse_plan, tmp_path):
    path = tmp_path / "acts.jsonl"
    open_record(pulse_plan, path)
    with pytest.raises(InputError, match="no act without an end"):
        settle_act(pulse_plan, path, Outcome(None))
    with pytest.raises(InputError, match="must be an Outcome"):
        settle_act(pulse_plan, path, 3.0)
    with pytest.raises(InputError, match="folder that exists"):
        open_record(pulse_plan, tmp_path / "nowhere" / "acts.jsonl")
