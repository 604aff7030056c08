"""The instrument of a twin: what it does to positions, times, doses and numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields

from physlearn.causal.actions import strict_number
from physlearn.checks import InputError, check_choice, check_count
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["Instrument"]

SIGNED = ("drift_x_per_s", "drift_y_per_s", "readout_drift_per_s")
POSITIVE = ("declared_noise_sd", "speed_per_s")
SHARES = ("miss_probability", "tip_change_probability")


@dataclass(frozen=True, slots=True)
class Instrument:
    """Errors and habits of an instrument; the default one is perfect.

    Lengths are in the sample's unit, doses in the envelope's.

    Attributes
    ----------
    readout_noise_sd
        Standard deviation of the noise of one readout.
    shot_noise
        Adds the variance shot_noise^2 / dose to readouts of acts that give a dose.
    tail_freedom
        Degrees of freedom of Student's t where the noise has heavy tails, at least 3 (the
        standard deviation stays); 0: normal noise.
    declared_noise_sd
        What the instrument says that the noise of a readout is (it may be wrong), or None when it
        says nothing.
    readout_drift_per_s, readout_walk
        Even drift of the readout's zero, and its random walk by the square root of seconds.
    drift_x_per_s, drift_y_per_s, drift_walk
        Even drift of the sample under the instrument, and the random walk of each coordinate.
    backlash
        Play of the stage: it follows only after the command has moved by this.
    position_sd
        Scatter of where an act lands about where the stage stands.
    report_sd, report_offset
        Scatter and offset of the position that is read back; the encoder does not see the drift.
    settle_s, speed_per_s
        Time that every act takes beside its own, and speed of the stage (None: travel takes no
        time).
    miss_probability, miss_distance
        How often an act lands this far off, and how far.
    capture_radius
        An act that lands farther from where it was aimed is a miss.
    misses_seen
        Whether a miss is noticed; if not it is reported as a success.
    probe_radius
        Radius of the spot, for the map of doses.
    dose_error
        Standard deviation of log(dose given / dose asked for).
    scan_dose
        Dose that every picture costs at least: looking is not free.
    pictures
        Whether `image` acts make pictures; without them a twin is faster.
    picture_rows, picture_columns
        Pixels of a picture; rows are scanned one after the other while time runs.
    pixel_noise_sd, blur
        Noise of a pixel, and width (standard deviation) of the blur.
    blur_per_focus_nm
        Blur that is added for each nanometre out of focus (`change_focus`).
    row_jitter
        Standard deviation of each row's shift along x.
    tip_change_probability, largest_gain_change
        How often the tip changes at an act, and the largest factor on its gain; `tune` mends it.
    tip
        "approached" or "withdrawn": how the tip is found (what needs it is refused while it is
        withdrawn); "none": an instrument without one.

    Raises
    ------
    InputError
        For numbers that are NaN, bool, text or out of range.

    Examples
    --------
    >>> Instrument(readout_noise_sd=0.1, backlash=0.5).settle_s
    0.0
    """

    readout_noise_sd: float = 0.0
    shot_noise: float = 0.0
    tail_freedom: int = 0
    declared_noise_sd: float | None = None
    readout_drift_per_s: float = 0.0
    readout_walk: float = 0.0
    drift_x_per_s: float = 0.0
    drift_y_per_s: float = 0.0
    drift_walk: float = 0.0
    backlash: float = 0.0
    position_sd: float = 0.0
    report_sd: float = 0.0
    report_offset: float = 0.0
    settle_s: float = 0.0
    speed_per_s: float | None = None
    miss_probability: float = 0.0
    miss_distance: float = 0.0
    capture_radius: float = 1e9
    misses_seen: bool = True
    probe_radius: float = 0.5
    dose_error: float = 0.0
    scan_dose: float = 0.0
    pictures: bool = True
    picture_rows: int = 64
    picture_columns: int = 64
    pixel_noise_sd: float = 0.0
    blur: float = 0.0
    blur_per_focus_nm: float = 0.0
    row_jitter: float = 0.0
    tip_change_probability: float = 0.0
    largest_gain_change: float = 1.0
    tip: str = "approached"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name in ("misses_seen", "pictures"):
                if not isinstance(value, bool):
                    raise InputError(f"{part.name} must be True or False; got {value!r}.")
            elif part.name == "tip":
                check_choice("tip", value, ("approached", "withdrawn", "none"))
            elif part.name in ("picture_rows", "picture_columns"):
                check_count(part.name, value, 2)
            elif part.name == "tail_freedom":
                if value != 0:
                    check_count(part.name, value, 3)
            elif part.name in POSITIVE:
                if value is not None:
                    strict_number(part.name, value, above=0)
            elif part.name in SIGNED or part.name == "report_offset":
                strict_number(part.name, value)
            else:
                strict_number(part.name, value, minimum=0)
        for name in SHARES:
            if getattr(self, name) > 1:
                raise InputError(f"{name} must lie in 0 to 1; got {getattr(self, name)!r}.")
        if self.largest_gain_change < 1:
            raise InputError(
                f"largest_gain_change must be at least 1; got {self.largest_gain_change!r}."
            )
        check_fields(self)
