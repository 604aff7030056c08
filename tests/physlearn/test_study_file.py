"""A study file: what it says is done, what is wrong is one sentence, what is hostile is refused."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.study_file import read_study_file, study_of
from physlearn.study_init import find_inputs, write_study_file
from physlearn.study_options import StudyOptions
from physlearn.study_steps import run_step, study_steps

HEAD = "inputs:\n  - file: a.npy\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [" + ",".join([f"*{chr(97 + k)}"] * 9) + "]\n"
    for k in range(8)
)  # fmt: skip
REFUSED = {
    "nothing": ("", "inputs"),
    "a list": ("- a\n", "inputs"),
    "no inputs": ("inputs: []\n", "inputs must have at least 1 item"),
    "unknown key": (HEAD + "options:\n  n_shels: 3\n", "line 4.*did you mean 'n_shells'"),
    "unknown step": (HEAD + "steps:\n  leave_out: [copulings]\n", "did you mean 'couplings'"),
    "a word for a number": (HEAD + "options:\n  n_shells: many\n", "line 4.*n_shells.*'many'"),
    "out of range": (HEAD + "options:\n  n_shells: 9\n", "n_shells.*6.*'9'"),
    "below zero": (HEAD + "    temperature_K: -3\n", "line 3.*temperature_K.*'-3'"),
    "infinite": (HEAD + "    dose: .inf\n", "dose"),
    "not a number": (HEAD + "    dose: nan\n", "dose"),
    "a choice": (HEAD + "options:\n  lattice: cubic\n", "'square', 'triangular' or 'any'"),
    "a unit": (HEAD + "units:\n  pixel_size: 5 furlongs\n", "pixel_size.*furlongs"),
    "a region": (HEAD + "    region: everything\n", "region.*everything"),
    "twice": (HEAD + "seed: 1\nseed: 2\n", "line 4.*'seed' stands there twice"),
    "a tag": ("inputs: !!python/object/apply:os.system ['ls']\n", "tags"),
    "a bomb": (BOMB, "aliases"),
    "deep": ("a: " + "[" * 100_000, "nested deeper"),
    "huge": ("# " + "x" * 300_000 + "\n" + HEAD, "at most 256 kB"),
    "tabs": ("inputs:\n\t- file: a\n", "line 2, column 1"),
    "zeros": (HEAD + "title: \x00\n", "must be YAML"),
    "escape": (HEAD + "out: ../../elsewhere\n", "out must be a folder below"),
    "absolute": (HEAD + "out: /elsewhere\n", "out must be a folder below"),
    "here": (HEAD + "out: .\n", "out must be a folder below"),
    "labels": (HEAD + "    label: b\n  - {file: b.npy, label: b}\n", "'b' stands twice"),
    "pair of one": (HEAD + "compare: before_after\n", "two inputs"),
    "no covariate": (HEAD + "compare: dose\n", "inputs.0.*has none"),
    "another format": (HEAD + "physlearn: 2\n", "physlearn.*'2'"),
    "a mapping for a file": ("inputs:\n  - file: {a: b}\n", "inputs.0.file"),
    "a key that is a list": ("? [a]\n: b\n", "a key must be a plain word"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_one_sentence(what, tmp_path):
    text, said = REFUSED[what]
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as refusal:
        read_study_file(path)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert "study.yaml" in sentence


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xff\xfe\x00i")
    with pytest.raises(InputError, match="UTF-8"):
        read_study_file(path)
    with pytest.raises(FileNotFoundError):
        read_study_file(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder"):
        read_study_file(tmp_path)


def test_every_key_reaches_the_study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "title: no\nout: sub/results\nseed: 7\ninputs:\n"
        "  - file: a.npy\n    channels: b.npy\n    repeat: [c.npy]\n    region: 1:40,2:50\n"
        "    picture: Height\n    atoms: atoms.csv\n"
        "units: {pixel_size: 0.4 Å}\nsteps: {leave_out: [plan], campaign: yes}\n"
        "options: {lattice: square, n_shells: 3, n_species: 2, patch_size: 1.5}\n"
    )
    spec = read_study_file(path)
    study = study_of(spec, 0)
    assert (spec.title, spec.out, spec.content.seed) == ("no", tmp_path / "sub/results", 7)
    assert study.channels == (tmp_path / "b.npy",)
    assert study.repeat == (tmp_path / "c.npy",)
    assert (study.region, study.picture) == ((1, 40, 2, 50), "Height")
    assert (study.pixel_size, study.pixel_unit, study.lattice) == (0.4, "angstrom", "square")
    assert study.campaign
    assert study.options == StudyOptions(("plan",), 3, 2, 1.5)


def test_a_file_of_init_is_read_and_says_what_the_data_are(tmp_path):
    for name in ("b 300K.npy", "a: #1.npy"):
        np.save(tmp_path / name, np.random.default_rng(1).normal(size=(40, 50)))
    with pytest.raises(InputError, match=r"physlearn init image\.tiff"):
        find_inputs(tmp_path / "none")
    told = write_study_file(find_inputs(tmp_path), tmp_path / "study.yaml")
    assert [sentence.split(":")[-1].split(";")[0] for sentence in told] == [
        " a picture of 50 x 40 pixels"
    ] * 2
    spec = read_study_file(tmp_path / "study.yaml")
    assert [entry.file for entry in spec.content.inputs] == ["a: #1.npy", "b 300K.npy"]
    assert [entry.temperature_K for entry in spec.content.inputs] == [None, 300.0]
    assert spec.content.seed is not None
    with pytest.raises(InputError, match="--force"):
        write_study_file(find_inputs(tmp_path), tmp_path / "study.yaml")
    write_study_file(find_inputs(tmp_path), tmp_path / "study.yaml", replace=True)


def test_options_of_the_file_are_those_of_the_steps():
    from dataclasses import fields

    from physlearn.study_file import Options

    own = {part.name: part.default for part in fields(StudyOptions) if part.name != "leave_out"}
    given = {name: part.default for name, part in Options.model_fields.items()}
    assert given.pop("lattice") is None
    assert given == own


def test_each_step_runs_alone_and_says_what_it_needs():
    from physlearn.checks import NotIdentified
    from physlearn.findings import Findings

    assert {"atoms", "walls", "diffusion", "plan", "campaign"} <= set(study_steps())
    with pytest.raises(InputError, match="did you mean 'couplings'"):
        run_step("coupling", Findings("a", 1))
    with pytest.raises(NotIdentified, match="Run the step 'sites' first"):
        run_step("couplings", Findings("a", 1))
