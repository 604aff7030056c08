"""Settings of a field simulation that most people leave alone."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.checks import check_choice
from physlearn.lattice_models.cuda_device import BACKENDS
from physlearn.option_fields import check_fields
from physlearn.records.atoms import LENGTH_UNITS
from physlearn.records.trajectory import TIME_UNITS

__all__ = ["FieldSettings"]


@dataclass(frozen=True)
class FieldSettings:
    """Edges, precision, units and device of `simulate_ginzburg_landau`.

    Attributes
    ----------
    boundary
        ``periodic``, or ``no_flux``: the normal derivative of P (and, where P is conserved, of the
        chemical potential) is zero at the edge. No flux needs the explicit method.
    precision
        ``float64`` or ``float32`` (half the memory, about twice the speed).
    length_unit
        Of ``pixel_size``: angstrom, nm, um, pixel or reduced.
    time_unit
        Of ``frame_times``: s, frame or reduced.
    order_unit
        Of the order parameter, e.g. ``C/m^2``; ``1`` for a dimensionless one.
    backend
        ``cpu``, or ``cuda``: an NVIDIA GPU, for explicit steps of a scalar without noise and
        pinning.

    Raises
    ------
    InputError
        For an unknown boundary, precision, unit or backend.

    Examples
    --------
    >>> FieldSettings(boundary="no_flux", length_unit="nm").precision
    'float64'
    """

    boundary: str = "periodic"
    precision: str = "float64"
    length_unit: str = "pixel"
    time_unit: str = "reduced"
    order_unit: str = "1"
    backend: str = "cpu"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("periodic", "no_flux"))
        check_choice("precision", self.precision, ("float64", "float32"))
        check_choice("length_unit", self.length_unit, tuple(LENGTH_UNITS))
        check_choice("time_unit", self.time_unit, tuple(TIME_UNITS))
        check_choice("backend", self.backend, BACKENDS)
        check_fields(self)
