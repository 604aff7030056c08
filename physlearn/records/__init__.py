"""What was observed: frozen records that check themselves once and convert to what people know."""

from physlearn.records.atoms import AtomicConfiguration
from physlearn.records.lattice import LatticeSnapshots, SiteGraph
from physlearn.records.patches import PatchTable
from physlearn.records.trajectory import Trajectory
from physlearn.records.video import check_video
from physlearn.records.walls import WallTrack

__all__ = [
    "AtomicConfiguration",
    "LatticeSnapshots",
    "PatchTable",
    "SiteGraph",
    "Trajectory",
    "WallTrack",
    "check_video",
]
