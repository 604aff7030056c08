"""From what a sample shows to the number on the screen: gain, drifting zero and noise."""

from __future__ import annotations

import math

import numpy as np

from physlearn.causal.twins.instrument import Instrument

__all__ = ["ReadoutChain"]


class ReadoutChain:
    """readout = gain x expected + zero(t) + noise; tip changes move the gain, `mend` restores it.

    Examples
    --------
    >>> chain = ReadoutChain(Instrument(readout_drift_per_s=0.1), np.random.default_rng(1))
    >>> chain.wait(10.0)
    >>> chain.read(2.0, dose=0.0)
    3.0
    """

    def __init__(self, instrument: Instrument, rng: np.random.Generator) -> None:
        self.instrument, self._rng = instrument, rng
        self.gain, self.zero = 1.0, 0.0

    def read(self, expected: float, dose: float, n_repeats: int = 1) -> float:
        """Return one readout, the mean of so many, of an act that gave a dose."""
        sd = self.noise_sd(dose) / math.sqrt(n_repeats)
        value = self.gain * expected + self.zero
        return float(value + sd * self._standard()) if sd > 0 else float(value)

    def noise_sd(self, dose: float) -> float:
        """Return the standard deviation of the noise of an act that gave a dose."""
        made = self.instrument
        shot = made.shot_noise**2 / dose if dose > 0 else 0.0
        return math.sqrt(made.readout_noise_sd**2 + shot)

    def wait(self, duration_s: float) -> None:
        """Let the zero drift."""
        made = self.instrument
        self.zero += made.readout_drift_per_s * duration_s
        if made.readout_walk > 0 and duration_s > 0:
            step = made.readout_walk * math.sqrt(duration_s)
            self.zero += float(step * self._rng.standard_normal())

    def maybe_change_tip(self) -> bool:
        """Let the tip change by chance; return whether it did."""
        made = self.instrument
        if made.tip_change_probability == 0 or self._rng.random() >= made.tip_change_probability:
            return False
        reach = math.log(made.largest_gain_change)
        self.gain = math.exp(reach * (2.0 * self._rng.random() - 1.0))
        return True

    def mend(self) -> None:
        """Give the tip its first shape back."""
        self.gain = 1.0

    def _standard(self) -> float:
        """Return a number of mean 0 and variance 1."""
        freedom = self.instrument.tail_freedom
        if freedom == 0:
            return float(self._rng.standard_normal())
        return float(self._rng.standard_t(freedom) * math.sqrt((freedom - 2) / freedom))
