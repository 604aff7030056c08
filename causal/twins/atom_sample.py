"""Atoms under a beam: what the beam breaks stays broken, by kinetics that nobody sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    TrueAct,
    chosen_area,
    in_strip,
    with_upper_edge,
)
from physlearn.checks import InputError, check_choice, check_count, check_positive
from physlearn.lattice_models.graphs.regular_lattices import honeycomb_lattice, square_lattice
from physlearn.lattice_models.kinetics.event_rates import (
    BOLTZMANN_EV_PER_KELVIN,
    BeamSchedule,
    Transformation,
)
from physlearn.lattice_models.kinetics.transformations import simulate_transformations
from physlearn.option_fields import check_fields
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["AtomSample"]

FAMILIES = ("one hit", "two hits", "neighbours")
VERBS = ("change_temperature", "expose_site", "expose_patch")
EMPTY, HOST, DOPANT, LOOSE = 0, 1, 2, 3
"""A loosened atom looks like a host: pictures cannot tell them apart."""
SHORTEST_S = 1e-9


@dataclass(frozen=True, slots=True)
class AtomSample:
    """Atoms on a crystal that a beam removes, one site at a time, never to come back.

    Readouts: after `expose_site` the brightness of the site aimed at (1 for a host, 0 where
    nothing is left); after `expose_patch` and pictures, the share of the area's sites that are
    filled. The dose of an exposure falls off from where it lands as exp(-r^2 / 2 probe_width^2).

    Attributes
    ----------
    crystal
        "honeycomb" or "square".
    shape
        Cells: rows and columns.
    bond_length
        Distance of neighbours, in `unit`.
    cross_section
        Of the loss of a host, per dose.
    dopant_share, dopant_cross_section, dopant_brightness
        Share of dopants, drawn at random, their cross section of loss and their brightness.
    probe_width
        Width of the beam.
    family
        "one hit": loss at the cross section; "two hits": a hit loosens the atom, a loosened atom
        is lost ten times as fast and heals at `healing_rate_hz` (so the dose rate matters);
        "neighbours": each lost neighbour multiplies the cross section by `neighbour_factor`.
    healing_rate_hz, healing_barrier_ev
        At 300 K, and how it grows with temperature.
    neighbour_factor
        As above.
    atom_radius
        Width of an atom in pictures.

    Raises
    ------
    InputError
        For numbers or names that cannot be.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> from physlearn.causal.twins.digital_twin import DigitalTwin
    >>> twin = DigitalTwin(AtomSample(cross_section=1e-3), rng=2)
    >>> area = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))
    >>> left = twin.do(Action("expose_patch", area, 500.0, 10.0, 1.0, irreversible=True))
    >>> abs(left.readout - math.exp(-0.5)) < 0.15
    True
    """

    crystal: str = "honeycomb"
    shape: tuple[int, int] = (8, 8)
    bond_length: float = 1.42
    cross_section: float = 2e-4
    dopant_share: float = 0.0
    dopant_cross_section: float = 1e-4
    dopant_brightness: float = 3.0
    probe_width: float = 0.5
    family: str = "one hit"
    healing_rate_hz: float = 0.5
    healing_barrier_ev: float = 0.5
    neighbour_factor: float = 3.0
    atom_radius: float = 0.4
    unit: str = "angstrom"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("crystal", self.crystal, ("honeycomb", "square"))
        for name, count in zip(("rows of shape", "columns of shape"), self.shape, strict=True):
            check_count(name, count, 3)
        object.__setattr__(self, "shape", tuple(int(count) for count in self.shape))
        for name in ("bond_length", "probe_width", "atom_radius"):
            check_positive(name, getattr(self, name))
        for name in (
            "cross_section", "dopant_cross_section", "dopant_brightness", "healing_rate_hz",
            "healing_barrier_ev", "neighbour_factor", "dopant_share",
        ):  # fmt: skip
            check_positive(name, getattr(self, name), allow_zero=True)
        if self.dopant_share > 1:
            raise InputError(f"dopant_share must lie in 0 to 1; got {self.dopant_share!r}.")
        check_choice("family", self.family, FAMILIES)
        check_fields(self)

    @property
    def field_of_view(self) -> Area:
        """The crystal with half a bond around it."""
        places, _ = _crystal(self)
        low, high = places.min(axis=0), places.max(axis=0)
        edge = 0.5 * self.bond_length
        return (
            float(low[0] - edge), float(low[1] - edge), float(high[0] + edge), float(high[1] + edge)
        )  # fmt: skip

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""
        return VERBS

    def sites(self) -> Floats:
        """Return where the crystal's sites are, shape (n, 2); what stands on them is hidden."""
        return _crystal(self)[0].copy()

    def prepare(self, rng: np.random.Generator) -> _AtomState:
        """Draw a crystal."""
        return _AtomState(self, rng)


class _AtomState:
    """What stands on the sites of a crystal."""

    def __init__(self, sample: AtomSample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        self._places, self._graph = _crystal(sample)
        self._states = np.full(len(self._places), HOST, np.int8)
        self._states[rng.random(len(self._places)) < sample.dopant_share] = DOPANT
        self._levels = np.array([0.0, 1.0, sample.dopant_brightness, 1.0])

    def act(self, act: TrueAct) -> Response:
        if act.verb in ("image", "scan_again"):
            return Response(self._filled(chosen_area(act, self._sample.field_of_view)))
        if act.verb == "change_temperature":
            self.rest(act.duration_s, act.conditions)
            return Response(self._filled(self._sample.field_of_view))
        before = self._levels[self._states]
        if act.verb == "expose_patch":
            area = chosen_area(act, self._sample.field_of_view)
            self.rest(act.duration_s, act.conditions, with_upper_edge(area), act.dose)
            return Response(self._filled(area))
        squared = ((self._places - (act.x, act.y)) ** 2).sum(axis=1)
        beam = act.dose * np.exp(-0.5 * squared / self._sample.probe_width**2)
        self._live(act.duration_s, act.conditions, beam)
        aimed = ((self._places - (act.aimed_x, act.aimed_y)) ** 2).sum(axis=1)
        site = int(np.argmin(aimed))
        changed = self._levels[self._states] != before
        changed[site] = False
        return Response(float(self._levels[self._states[site]]), int(changed.sum()))

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        beam = np.zeros(len(self._places))
        if area is not None and dose > 0:
            beam[in_strip(area, *self._places.T)] = dose
        self._live(duration_s, conditions, beam)

    def brightness(self, x: Floats, y: Floats) -> Floats:
        squared = (x[:, None] - self._places[:, 0]) ** 2 + (y[:, None] - self._places[:, 1]) ** 2
        spread = np.exp(-0.5 * squared / self._sample.atom_radius**2)
        return np.asarray(spread @ self._levels[self._states])

    def truth(self) -> dict[str, Any]:
        return {
            "sample": self._sample, "sites": self._places.copy(), "states": self._states.copy()
        }  # fmt: skip

    def _inside(self, area: Area) -> NDArray[np.bool_]:
        x, y = self._places.T
        return np.asarray((x >= area[0]) & (y >= area[1]) & (x <= area[2]) & (y <= area[3]))

    def _filled(self, area: Area) -> float | None:
        inside = self._inside(area)
        return float((self._states[inside] != EMPTY).mean()) if inside.any() else None

    def _live(self, duration_s: float, conditions: Conditions, beam: Floats) -> None:
        """Let the sites change for a while under a dose each."""
        if not beam.any() and not (duration_s > 0 and (self._states == LOOSE).any()):
            return
        lasts = max(duration_s, SHORTEST_S)
        states = simulate_transformations(
            _changes(self._sample, conditions, self._graph), self._graph, self._states,
            [0.0, lasts], beam=BeamSchedule(beam[None] / lasts), rng=self._rng,
        ).states  # fmt: skip
        self._states = np.array(states[-1], np.int8)


def _crystal(sample: AtomSample) -> tuple[Floats, SiteGraph]:
    return _laid_out(sample.crystal, sample.shape, sample.bond_length)


@lru_cache(maxsize=16)
def _laid_out(crystal: str, shape: tuple[int, int], bond_length: float) -> tuple[Floats, SiteGraph]:
    """Return places (read-only, so that all may share them) and graph of a crystal."""
    make = honeycomb_lattice if crystal == "honeycomb" else square_lattice
    graph = make(shape, 1, periodic=False)
    positions = np.asarray(graph.positions, dtype=np.float64)
    bonds = positions[graph.edges[:, 0]] - positions[graph.edges[:, 1]]
    places = positions * (bond_length / math.sqrt(float((bonds**2).sum(axis=1).min())))
    places.flags.writeable = False
    return places, graph


def _changes(
    sample: AtomSample, conditions: Conditions, graph: SiteGraph
) -> Sequence[Transformation]:
    """Return what may happen to a site in this family."""
    loss, dopant = sample.cross_section, sample.dopant_cross_section
    dopants = Transformation(DOPANT, EMPTY, cross_section_angstrom2=dopant, name="dopant lost")
    if sample.family == "two hits":
        colder = 1.0 / 300.0 - 1.0 / conditions.temperature_kelvin
        speed = math.exp(sample.healing_barrier_ev / BOLTZMANN_EV_PER_KELVIN * colder)
        return (
            Transformation(HOST, LOOSE, cross_section_angstrom2=loss, name="loosened"),
            Transformation(LOOSE, EMPTY, cross_section_angstrom2=10.0 * loss, name="host lost"),
            Transformation(LOOSE, HOST, sample.healing_rate_hz * speed, name="healed"),
            dopants,
        )
    if sample.family == "neighbours":
        most = int(np.bincount(graph.edges.ravel()).max())
        factors = tuple(sample.neighbour_factor**n for n in range(most + 1))
        return (
            Transformation(
                HOST, EMPTY, cross_section_angstrom2=loss, neighbour_state=EMPTY,
                neighbour_factors=factors, name="host lost",
            ),
            dopants,
        )  # fmt: skip
    return Transformation(HOST, EMPTY, cross_section_angstrom2=loss, name="host lost"), dopants
