"""A live view of a folder that frames arrive in: estimates, their history, what to do next."""

from physlearn.live.command import watch
from physlearn.live.estimates import add_frames, start_state
from physlearn.live.follow import follow_folder
from physlearn.live.records import Estimate, FrameFile, FrameResult, LiveState, WatchOptions

__all__ = [
    "Estimate", "FrameFile", "FrameResult", "LiveState", "WatchOptions", "add_frames",
    "follow_folder", "start_state", "watch",
]  # fmt: skip
