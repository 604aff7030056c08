"""Where an act lands: the play of a stage, the drift of a sample, and what the encoder says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physlearn.causal.twins.instrument import Instrument

__all__ = ["Landing", "Stage", "actual_position"]


def actual_position(
    reported: tuple[float, float], instrument: Instrument, elapsed_s: float = 0.0
) -> tuple[tuple[float, float], float]:
    """Return where an act landed in the sample, by what was read back, and its standard deviation.

    The place is the one read back, less the encoder's offset and the even drift since the picture
    in which it was chosen; its variance is that of landing and reading, and of the drift's random
    walk. The play of the stage is in the read-back, so that it does not matter here; a command
    without read-back is off by up to half of it. Normal errors, and no miss.

    Parameters
    ----------
    reported
        Position read back (`Outcome.reported`), in the sample's unit.
    instrument
        What is known of the instrument.
    elapsed_s
        Time since the picture.

    Returns
    -------
    tuple
        ((x, y), standard deviation of each).

    Examples
    --------
    >>> known = Instrument(position_sd=0.3, report_sd=0.4, drift_x_per_s=0.1)
    >>> actual_position((5.0, 2.0), known, elapsed_s=10.0)
    ((4.0, 2.0), 0.5)
    """
    x = reported[0] - instrument.report_offset - instrument.drift_x_per_s * elapsed_s
    y = reported[1] - instrument.report_offset - instrument.drift_y_per_s * elapsed_s
    walk = instrument.drift_walk**2 * elapsed_s
    return (x, y), math.sqrt(instrument.position_sd**2 + instrument.report_sd**2 + walk)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where an act was sent, where it landed in the sample, and what was read back."""

    commanded: tuple[float, float]
    actual: tuple[float, float]
    reported: tuple[float, float]
    travel: float


class Stage:
    """A stage with play, over a sample that drifts.

    With the play b the stage stands anywhere within b / 2 of the command and moves only when the
    command would leave it farther behind: coming from below it stands b / 2 too low, from above
    b / 2 too high. The sample's own coordinates are those of the stage minus the drift.

    Examples
    --------
    >>> stage = Stage(Instrument(backlash=1.0), (0.0, 0.0), np.random.default_rng(1))
    >>> stage.go((4.0, 0.0)).actual, stage.go((3.5, 0.0)).actual, stage.go((2.0, 0.0)).actual
    ((3.5, 0.0), (3.5, 0.0), (2.5, 0.0))
    """

    def __init__(
        self, instrument: Instrument, start: tuple[float, float], rng: np.random.Generator
    ) -> None:
        self._instrument, self._rng = instrument, rng
        self._stands = list(start)
        self.drift = [0.0, 0.0]

    def go(self, commanded: tuple[float, float]) -> Landing:
        """Move to a place and return where an act there would land."""
        made = self._instrument
        travel = self.distance_to(commanded)
        self._stands = self._would_stand(commanded)
        actual = [stand - drift for stand, drift in zip(self._stands, self.drift, strict=True)]
        if made.position_sd > 0:
            actual = [place + made.position_sd * self._rng.standard_normal() for place in actual]
        if made.miss_probability > 0 and self._rng.random() < made.miss_probability:
            turn = 2 * math.pi * self._rng.random()
            actual[0] += made.miss_distance * math.cos(turn)
            actual[1] += made.miss_distance * math.sin(turn)
        read = [stand + made.report_offset for stand in self._stands]
        if made.report_sd > 0:
            read = [place + made.report_sd * self._rng.standard_normal() for place in read]
        return Landing(
            (float(commanded[0]), float(commanded[1])),
            (float(actual[0]), float(actual[1])),
            (float(read[0]), float(read[1])),
            travel,
        )

    def distance_to(self, commanded: tuple[float, float]) -> float:
        """Return how far the stage would travel."""
        return math.dist(self._stands, self._would_stand(commanded))

    def _would_stand(self, commanded: tuple[float, float]) -> list[float]:
        play = 0.5 * self._instrument.backlash
        return [
            min(max(stands, wanted - play), wanted + play)
            for stands, wanted in zip(self._stands, commanded, strict=True)
        ]

    def wait(self, duration_s: float) -> None:
        """Let the sample drift."""
        made = self._instrument
        self.drift[0] += made.drift_x_per_s * duration_s
        self.drift[1] += made.drift_y_per_s * duration_s
        if made.drift_walk > 0 and duration_s > 0:
            step = made.drift_walk * math.sqrt(duration_s)
            self.drift[0] += step * self._rng.standard_normal()
            self.drift[1] += step * self._rng.standard_normal()
