"""physlearn: from microscope images to Hamiltonians, laws, causes and the next experiment.

Names are loaded on first use: ``import physlearn`` costs little and loads no heavy library.
"""

from physlearn.lazy import attach

__version__ = "0.1.0.dev0"

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
        "StudyResult": ".study",
        "Trajectory": ".records",
        "WallTrack": ".records",
        "check_video": ".records",
        "run_study": ".study",
    },
    ("causal", "datasets", "inference", "lattice_models", "plots"),
)
