"""Counts under a beam: what was watched for how long, with how much dose, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.records import LatticeSnapshots

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BeamCounts", "read_beam_counts", "transformation_table"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
COLUMNS = (
    "events", "n_sites", "duration_s", "dose", "dose_rate", "voltage_kv", "temperature_kelvin",
)  # fmt: skip
DIFFERENT = 0.01
"""Dose rates that differ by less than this share are one dose rate."""


@dataclass(frozen=True, slots=True, eq=False)
class BeamCounts:
    """One row an exposure: events among ``n_sites`` in ``duration`` s under ``dose`` e/A^2.

    ``volt``, ``level``: numbers of the voltage and the temperature in ``voltages`` and
    ``temperatures`` (NaN where not known).
    """

    events: Floats
    n_sites: Floats
    duration: Floats
    dose: Floats
    volt: Integers
    voltages: Floats
    level: Integers
    temperatures: Floats
    once: bool

    @property
    def dose_rate(self) -> Floats:
        """Dose rates (rows,)."""
        return np.asarray(self.dose / self.duration)

    @property
    def rate_group(self) -> tuple[Integers, Floats]:
        """Number of each row's dose rate, and the different dose rates."""
        rate = self.dose_rate
        group = np.zeros(len(rate), np.int64)
        first, number = -1.0, -1
        for row in np.argsort(rate, kind="stable").tolist():
            if first < 0 or rate[row] - first > DIFFERENT * rate[row]:
                first, number = float(rate[row]), number + 1
            group[row] = number
        means = np.bincount(group, self.dose) / np.bincount(group, self.duration)
        return group, np.asarray(means)


def read_beam_counts(
    counts: pd.DataFrame | ArrayLike, given: dict[str, Any], once: bool | None
) -> BeamCounts:
    """Return the rows of a table, or of arrays, checked."""
    columns: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    if hasattr(counts, "columns"):
        table: Any = counts
        unknown = [str(name) for name in table.columns if name not in COLUMNS]
        if unknown:
            raise InputError(
                f"counts may have the columns {', '.join(COLUMNS)}; got {unknown[0]!r}."
            )
        twice = [name for name in columns if name in table.columns]
        if twice:
            raise InputError(f"{twice[0]} is given both as an argument and as a column: give one.")
        if "events" not in table.columns:
            raise InputError("counts must have a column 'events'.")
        columns |= {str(name): table[name].to_numpy() for name in table.columns}
    else:
        columns["events"] = counts
    n = np.size(columns["events"])
    if not n:
        raise InputError("counts must have at least one row; it is empty.")
    read = {name: _column(name, value, n) for name, value in columns.items()}
    events = read["events"]
    if np.any(events != np.round(events)):
        raise InputError("events must hold whole numbers.")
    duration, dose = _exposure(read)
    single = ("n_sites" in read) if once is None else once
    sites = read.get("n_sites", np.ones(n))
    if np.any(sites <= 0):
        raise InputError("n_sites must be above 0 in every row.")
    if single and np.any(events > sites):
        row = int(np.flatnonzero(events > sites)[0])
        raise InputError(
            f"events must not exceed n_sites where each site changes once; row {row} has "
            f"{events[row]:g} of {sites[row]:g}: set once=False for events that repeat."
        )
    volts, volt = np.unique(read.get("voltage_kv", np.full(n, np.nan)), return_inverse=True)
    temps, level = np.unique(
        read.get("temperature_kelvin", np.full(n, np.nan)), return_inverse=True
    )
    for name, values in (("voltage_kv", volts), ("temperature_kelvin", temps)):
        if np.any(values <= 0):
            raise InputError(f"{name} must be above 0; got {values.min():g}.")
    return BeamCounts(
        events, sites, duration, dose, volt.astype(np.int64), volts, level.astype(np.int64), temps,
        single,
    )  # fmt: skip


def _column(name: str, value: Any, n: int) -> Floats:
    array = check_array(name, np.atleast_1d(np.asarray(value)), ndim=1, minimum=0.0)
    if len(array) not in (1, n):
        raise InputError(
            f"{name} must hold one number or one for each of {n} rows; got {len(array)}."
        )
    return np.array(np.broadcast_to(array, n), dtype=np.float64)


def _exposure(read: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return duration and dose from two of duration_s, dose and dose_rate."""
    have = [name for name in ("duration_s", "dose", "dose_rate") if name in read]
    if len(have) < 2:
        raise InputError(
            "two of duration_s, dose and dose_rate must be given (the third follows); got "
            f"{', '.join(have) or 'none'}."
        )
    if "duration_s" in read:
        duration = read["duration_s"]
        dose = read["dose"] if "dose" in read else read["dose_rate"] * duration
        if len(have) == 3 and not np.allclose(dose, read["dose_rate"] * duration, rtol=0.01):
            raise InputError("dose must be dose_rate x duration_s within 1 %; give two of them.")
    else:
        dose, rate = read["dose"], read["dose_rate"]
        if np.any(rate == 0):
            raise InputError(
                "rows with the beam off (dose_rate 0) need duration_s: their dose does not tell "
                "how long was watched."
            )
        duration = dose / rate
    if not np.all(duration > 0):
        raise InputError("duration_s must be above 0 in every row.")
    return duration, dose


def transformation_table(
    snapshots: LatticeSnapshots,
    *,
    from_state: int,
    to_state: int,
    dose_rate: float | ArrayLike,
) -> pd.DataFrame:
    """Return the exposures of sites in one state, from sighting to sighting, for `fit_beam_rates`.

    Parameters
    ----------
    snapshots
        States of the sites with ``times`` in seconds; sites that were not observed in a frame make
        a longer interval.
    from_state, to_state
        The change that is counted. A site that turned into a third state ends without a count,
        watched for half of its interval: frames must be close against other changes (as many of
        them as of the counted one: rate right to 1 % at .1 changes an interval, -20 % at 1).
    dose_rate
        Electrons per square angstrom and second: one number, or one for each interval between
        frames, shape (n_frames - 1,).

    Returns
    -------
    pandas.DataFrame
        Columns events, n_sites, duration_s, dose: equal exposures added up.

    Raises
    ------
    InputError
        For snapshots without times or states that do not occur.

    Examples
    --------
    >>> from physlearn.lattice_models import (BeamSchedule, Transformation,
    ...     simulate_transformations, square_lattice)
    >>> film = simulate_transformations([Transformation(1, 0, 0.0, 1e-3)], square_lattice((8, 8)),
    ...     np.ones(64), [0.0, 1.0, 2.0], beam=BeamSchedule([200.0]), rng=1)
    >>> transformation_table(film, from_state=1, to_state=0, dose_rate=200.0)["dose"].tolist()
    [200.0]
    """
    import pandas as pd

    times = snapshots.times
    if times is None:
        raise InputError("snapshots must have times in seconds.")
    check_choice("from_state", str(from_state), [str(s) for s in snapshots.state_values])
    check_choice("to_state", str(to_state), [str(s) for s in snapshots.state_values])
    steps = np.diff(times)
    rate = check_array("dose_rate", np.atleast_1d(np.asarray(dose_rate, np.float64)), minimum=0.0)
    if rate.size not in (1, len(steps)):
        raise InputError(f"dose_rate must hold one number or {len(steps)}; got {rate.size}.")
    dose_at = np.concatenate([[0.0], np.cumsum(rate * steps)])
    seen = np.ones(snapshots.states.shape, np.bool_)
    if snapshots.observed is not None:
        seen = snapshots.observed
    rows: dict[tuple[float, float], list[float]] = {}
    for site in range(snapshots.states.shape[1]):
        frames = np.flatnonzero(seen[:, site])
        state = snapshots.states[frames, site]
        for k in np.flatnonzero(state[:-1] == from_state):
            a, b = frames[k], frames[k + 1]
            share = 1.0 if state[k + 1] in (from_state, to_state) else 0.5
            key = (
                round(share * (times[b] - times[a]), 9),
                round(share * (dose_at[b] - dose_at[a]), 9),
            )
            entry = rows.setdefault(key, [0.0, 0.0])
            entry[0] += state[k + 1] == to_state
            entry[1] += 1
    if not rows:
        raise InputError(f"no site was seen in state {from_state} and then seen again.")
    return pd.DataFrame(
        [(int(e), int(n), t, d) for (t, d), (e, n) in sorted(rows.items())],
        columns=["events", "n_sites", "duration_s", "dose"],
    )
