"""physlearn: from microscope images to Hamiltonians, laws, causes and the next experiment.

Names are loaded on first use: ``import physlearn`` costs little and loads no heavy library.
"""

from physlearn.lazy import attach


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("physlearn")
    except PackageNotFoundError:  # a folder on the path that nobody installed
        return "0+unknown"


__version__ = _version()

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AtomicConfiguration": ".records",
        "BackendUnavailable": ".checks",
        "CREDIBLE_MASS": ".checks",
        "Fit": ".results",
        "InputError": ".checks",
        "LatticeSnapshots": ".records",
        "NotIdentified": ".checks",
        "PatchTable": ".records",
        "SiteGraph": ".records",
        "Study": ".study",
        "StudyOptions": ".study_options",
        "StudyResult": ".study",
        "Trajectory": ".records",
        "WallTrack": ".records",
        "check_video": ".records",
        "list_plugins": ".plugins",
        "load_plugin": ".plugins",
        "read_study": ".study",
        "run_step": ".study_steps",
        "run_study": ".study",
        "run_study_file": ".study_run",
        "study_steps": ".study_steps",
        "warning_code": ".warning_codes",
        "warning_page": ".warning_codes",
    },
    ("causal", "datasets", "inference", "lattice_models", "plots"),
)
