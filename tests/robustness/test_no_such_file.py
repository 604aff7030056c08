"""A file that is not there is one of our errors, and still a `FileNotFoundError`."""

import pytest

from physlearn import Fit, InputError
from physlearn.datasets import check_layout, load_channels
from physlearn.datasets.columns.tiles import read_tile_covariance
from physlearn.datasets.reading.read_drive import read_drive
from physlearn.inference import EquationSet
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws
from physlearn.inputs import count_frames
from physlearn.plan_check import read_plan
from physlearn.records.storage import load_dataset
from physlearn.study_yaml import read_yaml

READERS = [
    Fit.load, check_layout, load_channels, read_tile_covariance, lambda path: read_drive(path, 3),
    EquationSet.load, CalibrationReport.load, DynamicsLaws.load, count_frames, read_plan,
    load_dataset, read_yaml,
]  # fmt: skip


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_not_there(read, tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*absent") as told:
        read(tmp_path / "absent")
    assert isinstance(told.value, FileNotFoundError)
