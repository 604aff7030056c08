"""What can happen on lattice sites, and how often: hops, changes of state, and the beam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "BOLTZMANN_EV_PER_KELVIN",
    "BeamSchedule",
    "HopRates",
    "Transformation",
    "arrhenius_rate_hz",
]

BOLTZMANN_EV_PER_KELVIN = 8.617333262e-5
BARRIER_RULES = ("symmetric", "metropolis")
MAX_STATE = 127

Number = int | float | np.integer | np.floating


def arrhenius_rate_hz(
    barrier_ev: float, temperature_kelvin: float, attempt_frequency_hz: float = 1e13
) -> float:
    """Return attempt frequency x exp(-barrier / kT), in 1/s.

    Raises
    ------
    InputError
        For a negative barrier or frequency, or a temperature that is not above 0.

    Examples
    --------
    >>> round(arrhenius_rate_hz(0.5, 300.0), -2)
    39800.0
    """
    barrier = check_positive("barrier_ev", barrier_ev, allow_zero=True)
    temperature = check_positive("temperature_kelvin", temperature_kelvin)
    frequency = check_positive("attempt_frequency_hz", attempt_frequency_hz, allow_zero=True)
    return float(frequency * np.exp(-barrier / (BOLTZMANN_EV_PER_KELVIN * temperature)))


@dataclass(frozen=True, slots=True, eq=False)
class BeamSchedule:
    """Dose rate of an electron beam, constant within each part of the time.

    Attributes
    ----------
    dose_rate_per_angstrom2_s
        Electrons per square angstrom and second: shape (n_parts,) where all sites get the same,
        or (n_parts, n_sites), as under a scanned probe.
    start_times_s
        Shape (n_parts,): when each part starts; the first is 0. The last part lasts for ever, or
        to the end of the period.
    period_s
        Time after which the schedule repeats (a raster, a blanked beam); None: never.

    Raises
    ------
    InputError
        For a negative dose rate, times that do not ascend from 0, or a period that ends before
        the last part starts.

    Examples
    --------
    >>> blanked = BeamSchedule([2e3, 0.0], start_times_s=[0.0, 0.1], period_s=0.5)
    >>> blanked.mean_dose_rate_per_angstrom2_s().item()
    400.0
    """

    dose_rate_per_angstrom2_s: NDArray[np.float64]
    start_times_s: NDArray[np.float64] = (0.0,)  # type: ignore[assignment]
    period_s: float | None = None

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, dose_rate_per_angstrom2_s: ArrayLike, start_times_s: ArrayLike = (0.0,),
            period_s: float | None = None,
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        dose = check_array(
            "dose_rate_per_angstrom2_s", np.atleast_1d(self.dose_rate_per_angstrom2_s), minimum=0.0
        ).copy()
        if dose.ndim > 2:
            raise InputError(
                "dose_rate_per_angstrom2_s must have shape (n_parts,) or (n_parts, n_sites), "
                f"got {dose.shape}."
            )
        start = check_array("start_times_s", self.start_times_s, shape=(len(dose),)).copy()
        if start[0] != 0.0 or np.any(np.diff(start) <= 0.0):
            raise InputError(f"start_times_s must ascend from 0; got {start.tolist()[:8]}.")
        if self.period_s is not None and check_positive("period_s", self.period_s) <= start[-1]:
            raise InputError(
                f"period_s must be longer than the start of the last part, {start[-1]} s; "
                f"got {self.period_s} s."
            )
        for name, value in (("dose_rate_per_angstrom2_s", dose), ("start_times_s", start)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def mean_dose_rate_per_angstrom2_s(self) -> NDArray[np.float64]:
        """Return the mean over a period, shape () or (n_sites,); without period: the last part."""
        if self.period_s is None:
            return np.asarray(self.dose_rate_per_angstrom2_s[-1])
        lasts = np.diff(self.start_times_s, append=self.period_s)
        return np.asarray(lasts @ self.dose_rate_per_angstrom2_s / self.period_s)


@dataclass(frozen=True, slots=True, eq=False)
class HopRates:
    """How often particles hop along bonds to vacant sites.

    A particle in state a hops from site i along a bond to the vacant site j at the rate
    multiplicity x attempt frequency x exp(-E_a / kT) + multiplicity x cross section x dose rate at
    i. With dE the change of energy (site energies and Hamiltonian) and E_0 the barrier of the bond,
    E_a = max(E_0 + dE / 2, dE, 0) (``symmetric``: Kramers' barrier between two wells) or
    E_a = E_0 + max(dE, 0) (``metropolis``); both obey detailed balance.

    Attributes
    ----------
    barriers_ev
        E_0 by shell of bonds, shape (n_shells,): particles hop along the bonds of these shells. A
        mapping state -> barriers where particles differ; states that it lacks stay where they are.
    attempt_frequency_hz
        One number, or a mapping state -> number that names every state that hops.
    temperature_kelvin
        Of the lattice.
    barrier_rule
        ``symmetric`` or ``metropolis``, as above.
    edge_barriers_ev
        Added to the barrier of each edge of the graph, shape (n_edges,), or None.
    site_energies_ev
        Energy of a particle on each site, shape (n_sites,), or None.
    hamiltonian
        Energies in kT at this temperature, such as ``LatticeGas`` or ``Ising``, with pairs only;
        None for particles that only keep each other off their sites.
    vacant_state
        State of a site without particle; -1 with ``Ising``, as its states are -1 and +1.
    beam_cross_section_angstrom2
        Of a hop along one bond to a vacant site, one number or a mapping state -> number, 0 for
        states that it lacks.

    Raises
    ------
    InputError
        For a negative barrier, frequency or cross section, or a number that is not finite.

    Examples
    --------
    >>> rates = HopRates([0.5], temperature_kelvin=300.0)
    >>> round(rates.thermal_rates_hz()[0].item(), -2)
    39800.0
    """

    barriers_ev: ArrayLike | Mapping[int, ArrayLike]
    attempt_frequency_hz: float | Mapping[int, float] = 1e13
    temperature_kelvin: float = 300.0
    barrier_rule: str = "symmetric"
    edge_barriers_ev: NDArray[np.float64] | None = None
    site_energies_ev: NDArray[np.float64] | None = None
    hamiltonian: Hamiltonian | None = None
    vacant_state: int = 0
    beam_cross_section_angstrom2: float | Mapping[int, float] = 0.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_positive("temperature_kelvin", self.temperature_kelvin)
        check_choice("barrier_rule", self.barrier_rule, BARRIER_RULES)
        check_state("vacant_state", self.vacant_state)
        if isinstance(self.barriers_ev, Mapping):
            barriers: object = {
                check_state("a state of barriers_ev", state): _frozen(
                    f"barriers_ev[{state}]", value, 0.0
                )
                for state, value in self.barriers_ev.items()
            }
            if not barriers:
                raise InputError("barriers_ev must name at least one state; got an empty mapping.")
            if self.vacant_state in self.barriers_ev:
                raise InputError(f"barriers_ev must not name the vacant state {self.vacant_state}.")
        else:
            barriers = _frozen("barriers_ev", self.barriers_ev, 0.0)
        object.__setattr__(self, "barriers_ev", barriers)
        for name in ("attempt_frequency_hz", "beam_cross_section_angstrom2"):
            value = getattr(self, name)
            numbers = value if isinstance(value, Mapping) else {None: value}
            for state, number in numbers.items():
                if state is not None:
                    check_state(f"a state of {name}", state)
                shown = name if state is None else f"{name}[{state}]"
                check_positive(shown, number, allow_zero=True)
        if self.edge_barriers_ev is not None:
            object.__setattr__(
                self, "edge_barriers_ev", _frozen("edge_barriers_ev", self.edge_barriers_ev, None)
            )
        if self.site_energies_ev is not None:
            object.__setattr__(
                self, "site_energies_ev", _frozen("site_energies_ev", self.site_energies_ev, None)
            )

    @property
    def thermal_energy_ev(self) -> float:
        """Return kT in eV."""
        return BOLTZMANN_EV_PER_KELVIN * self.temperature_kelvin

    def of_state(self, name: str, state: int) -> float:
        """Return the attempt frequency or cross section (``name``) of a state; 0 where absent."""
        value = getattr(self, name)
        return float(value.get(state, 0.0) if isinstance(value, Mapping) else value)

    def barriers_of(self, state: int) -> NDArray[np.float64] | None:
        """Return the barriers of a state by shell, or None when it does not hop."""
        if state == self.vacant_state:
            return None
        if isinstance(self.barriers_ev, Mapping):
            found = self.barriers_ev.get(state)
            return None if found is None else np.asarray(found)
        return np.asarray(self.barriers_ev)

    def thermal_rates_hz(self, state: int = 1) -> NDArray[np.float64]:
        """Return the thermal rate along one bond of each shell where the energy does not change."""
        barriers = self.barriers_of(check_state("state", state))
        if barriers is None:
            return np.zeros(0)
        frequency = self.of_state("attempt_frequency_hz", state)
        return np.asarray(frequency * np.exp(-barriers / self.thermal_energy_ev))


@dataclass(frozen=True, slots=True, eq=False)
class Transformation:
    """A change of a site's state, by heat and by the beam.

    rate = f(m) x (thermal rate x exp(-dE / 2 kT) + cross section x dose rate at the site), where m
    is the number of nearest neighbours in ``neighbour_state`` and dE the change of the
    Hamiltonian, where there is one; in ``simulate_hops`` that of all energies of the rates:
    ``site_energies_ev`` counts where a particle is born or lost. A pair of transformations a -> b
    and b -> a with the same thermal rate then obeys detailed balance.

    Attributes
    ----------
    from_state, to_state
        States before and after.
    thermal_rate_hz
        Rate without beam, in 1/s (see ``arrhenius_rate_hz``).
    cross_section_angstrom2
        Rate per dose rate.
    neighbour_state
        State of neighbours that count, or None.
    neighbour_factors
        f(0), f(1), ...: one number for each possible count of such neighbours (bonds of the first
        shell, with their multiplicity).
    name
        Shown in the table of events.

    Raises
    ------
    InputError
        For a negative number, equal states, or factors without the state that they count.

    Examples
    --------
    >>> knock_out = Transformation(1, 0, cross_section_angstrom2=2e-4, name="knock-out")
    >>> knock_out.thermal_rate_hz
    0.0
    """

    from_state: int
    to_state: int
    thermal_rate_hz: float = 0.0
    cross_section_angstrom2: float = 0.0
    neighbour_state: int | None = None
    neighbour_factors: tuple[float, ...] = ()
    name: str = "transformation"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_state("from_state", self.from_state)
        check_state("to_state", self.to_state)
        if self.from_state == self.to_state:
            raise InputError(f"to_state must differ from from_state; both are {self.to_state}.")
        check_positive("thermal_rate_hz", self.thermal_rate_hz, allow_zero=True)
        check_positive("cross_section_angstrom2", self.cross_section_angstrom2, allow_zero=True)
        if np.ndim(self.neighbour_factors) != 1:
            raise InputError(
                "neighbour_factors must be a list, one number for each count; got "
                f"{self.neighbour_factors!r}."
            )
        if (self.neighbour_state is None) != (len(self.neighbour_factors) == 0):
            raise InputError(
                "neighbour_state and neighbour_factors must be given together: the state that is "
                "counted and one factor for each count."
            )
        if self.neighbour_state is not None:
            check_state("neighbour_state", self.neighbour_state)
            factors = check_array("neighbour_factors", self.neighbour_factors, ndim=1, minimum=0.0)
            object.__setattr__(self, "neighbour_factors", tuple(map(float, factors)))


def check_state(name: str, value: int) -> int:
    """Return ``value`` when it is a whole number that a state may be."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or abs(value) > MAX_STATE:
        raise InputError(
            f"{name} must be a whole number from -{MAX_STATE} to {MAX_STATE}; got {value!r}."
        )
    return int(value)


def _frozen(name: str, value: ArrayLike, minimum: float | None) -> NDArray[np.float64]:
    """Return a read-only copy of a list of numbers."""
    array = check_array(name, np.atleast_1d(value), ndim=1, minimum=minimum).copy()
    array.flags.writeable = False
    return array
