"""Names of the package for editors and type checkers; written by tools/stubs."""

from physlearn import causal as causal
from physlearn import datasets as datasets
from physlearn import inference as inference
from physlearn import lattice_models as lattice_models
from physlearn import plots as plots
from physlearn.checks import CREDIBLE_MASS as CREDIBLE_MASS
from physlearn.checks import BackendUnavailable as BackendUnavailable
from physlearn.checks import InputError as InputError
from physlearn.checks import NotIdentified as NotIdentified
from physlearn.plugins import list_plugins as list_plugins
from physlearn.plugins import load_plugin as load_plugin
from physlearn.records import AtomicConfiguration as AtomicConfiguration
from physlearn.records import LatticeSnapshots as LatticeSnapshots
from physlearn.records import PatchTable as PatchTable
from physlearn.records import SiteGraph as SiteGraph
from physlearn.records import Trajectory as Trajectory
from physlearn.records import WallTrack as WallTrack
from physlearn.records import check_video as check_video
from physlearn.results import Fit as Fit
from physlearn.study import Study as Study
from physlearn.study import StudyResult as StudyResult
from physlearn.study import read_study as read_study
from physlearn.study import run_study as run_study
from physlearn.study_options import StudyOptions as StudyOptions
from physlearn.study_run import run_study_file as run_study_file
from physlearn.study_steps import run_step as run_step
from physlearn.study_steps import study_steps as study_steps
from physlearn.warning_codes import warning_code as warning_code
from physlearn.warning_codes import warning_page as warning_page

__version__: str
__all__ = [
    "CREDIBLE_MASS",
    "AtomicConfiguration",
    "BackendUnavailable",
    "Fit",
    "InputError",
    "LatticeSnapshots",
    "NotIdentified",
    "PatchTable",
    "SiteGraph",
    "Study",
    "StudyOptions",
    "StudyResult",
    "Trajectory",
    "WallTrack",
    "check_video",
    "list_plugins",
    "load_plugin",
    "read_study",
    "run_step",
    "run_study",
    "run_study_file",
    "study_steps",
    "warning_code",
    "warning_page",
]
