"""What stands on each site of a lattice, with log-likelihoods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SITE_STATES", "SiteStates"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SITE_STATES = ("present", "vacant", "half", "other")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SiteStates:
    """The sites of a lattice and what the picture says of each.

    Attributes
    ----------
    positions
        float64, shape (n_sites, 2): where the column stands, or where its neighbours say that it
        would; in ``unit``.
    unit
        Unit of every length.
    indices, sublattice
        int64, shapes (n_sites, 2) and (n_sites,): steps along the lattice vectors; 0 is the
        brightest sublattice.
    vectors, phases
        float64: lattice vectors as rows (2, 2), and each sublattice's place in the cell
        (n_sublattices, 2) in units of the vectors.
    column
        int64, shape (n_sites,): number of the atom on the site, or -1.
    amplitude, amplitude_sd
        float64, shape (n_sites,): height of the column over the local background in units of the
        sublattice's typical one, and its standard deviation.
    log_likelihood
        float64, shape (n_sites, 4): log p(picture | state) over that of an empty site, for present,
        vacant, half (one of the column's two atoms is missing) and other (another species); minus
        infinity where a state is not possible there. WITHOUT the shares of the states.
    probability
        float64, shape (n_sites, 4): with the shares that the picture's own sites show.
    state
        int64, shape (n_sites,): 0 present, 1 vacant, 2 half, 3 other; vacant and half only where
        they pass the false-discovery control.
    interstitials
        int64: numbers of the atoms that stand on no site.
    interstitial_p
        float64: probability that a site's own column stands as far off.
    shares
        Table: sublattice (0 is the brightest), state, n_sites, count, brighter (of these, those
        above the sublattice's typical height: tells dopants from dimmer ones), share, low and high
        (95 % interval).
    metadata, warnings
        As in ``AtomicConfiguration``.

    Examples
    --------
    >>> SITE_STATES[1]
    'vacant'
    """

    positions: Floats
    unit: str
    indices: Integers
    sublattice: Integers
    vectors: Floats
    phases: Floats
    column: Integers
    amplitude: Floats
    amplitude_sd: Floats
    log_likelihood: Floats
    probability: Floats
    state: Integers
    interstitials: Integers
    interstitial_p: Floats
    shares: pd.DataFrame
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.positions)

    def flags(self, kind: str, sublattice: int | None = None) -> NDArray[np.bool_]:
        """Return which sites are of a kind: a state's name or ``defect`` (vacant or half).

        Raises
        ------
        InputError
            For another kind.
        """
        if kind == "defect":
            chosen = (self.state == 1) | (self.state == 2)
        elif kind in SITE_STATES:
            chosen = self.state == SITE_STATES.index(kind)
        else:
            raise InputError(f"kind must be one of {', '.join(SITE_STATES)}, defect; got {kind!r}.")
        if sublattice is not None:
            chosen = chosen & (self.sublattice == sublattice)
        return np.asarray(chosen)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a site; interstitials are on none (``interstitials`` numbers their atoms).

        Columns: x, y, kind, probability (of that kind), sublattice, index_1, index_2, atom (-1
        where none), amplitude, amplitude_sd, measured (whether the error is below a full height; at
        the picture's edge it may not be), log_likelihood_* and probability_* for each state that
        was possible somewhere. ``attrs["unit"]`` is the unit of x and y.
        """
        import pandas as pd

        table: dict[str, Any] = {
            "x": self.positions[:, 0], "y": self.positions[:, 1],
            "kind": [SITE_STATES[code] for code in self.state],
            "probability": self.probability[np.arange(self.n_sites), self.state],
            "sublattice": self.sublattice, "index_1": self.indices[:, 0],
            "index_2": self.indices[:, 1], "atom": self.column,
            "amplitude": self.amplitude, "amplitude_sd": self.amplitude_sd,
            "measured": self.amplitude_sd < 1.0,
        }  # fmt: skip
        for k, name in enumerate(SITE_STATES):
            if np.isfinite(self.log_likelihood[:, k]).any() or not self.n_sites:
                table[f"log_likelihood_{name}"] = self.log_likelihood[:, k]
                table[f"probability_{name}"] = self.probability[:, k]
        frame = pd.DataFrame(table)
        frame.attrs["unit"] = self.unit
        return frame
