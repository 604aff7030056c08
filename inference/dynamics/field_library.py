"""Candidate terms of a field's law: functions of the fields under derivatives in space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.inference.laws.expression import OPERATIONS, Program, evaluate, variables_of
from physlearn.inference.laws.expression_text import parse_expression

__all__ = ["Feature", "Source", "build_library", "catalogue"]

Floats = NDArray[np.float64]
# (factor, order along y, order along x)
Operator = tuple[tuple[float, int, int], ...]

IDENTITY: Operator = ((1.0, 0, 0),)
LAPLACIAN: Operator = ((1.0, 2, 0), (1.0, 0, 2))
BILAPLACIAN: Operator = ((1.0, 4, 0), (2.0, 2, 2), (1.0, 0, 4))
TRILAPLACIAN: Operator = ((1.0, 6, 0), (3.0, 4, 2), (3.0, 2, 4), (1.0, 0, 6))
ALONG_X: Operator = ((1.0, 0, 1),)
ALONG_Y: Operator = ((1.0, 1, 0),)
OPERATORS = {
    "identity": IDENTITY, "laplacian": LAPLACIAN, "gradient_x": ALONG_X, "gradient_y": ALONG_Y,
}  # fmt: skip
HIGHEST_POWER = 5
RESERVED = ("x", "y", "t", "time", "drive")
STENCIL = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
SECOND = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0
FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])


@dataclass(frozen=True)
class Source:
    """A pointwise function of the fields: powers, the drive, a user's own, or |grad u|^2.

    ``powers`` holds an exponent for each field; ``of_drive`` multiplies by the drive. A user's own
    is a ``function`` of (``field``, drive) or a ``program`` of ``columns``: the fields, ``drive``.
    """

    powers: tuple[int, ...]
    of_drive: bool = False
    squared_gradient: int | None = None
    function: Callable[[Floats, Floats], Floats] | None = None
    field: int = 0
    program: Program | None = None
    columns: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        """Whether a user wrote it."""
        return self.function is not None or self.program is not None


@dataclass(frozen=True)
class Feature:
    """A named term: an operator in space on a source. The constant is named ``1``."""

    name: str
    source: Source
    operator: Operator = IDENTITY

    @property
    def conserves(self) -> bool:
        """Whether the term is a divergence."""
        return all(y + x > 0 for _, y, x in self.operator)

    @property
    def constant(self) -> bool:
        """Whether the term is the number one."""
        return self.source == Source((0,) * len(self.source.powers)) and not self.conserves


def _power_name(fields: Sequence[str], powers: tuple[int, ...]) -> str:
    parts = [
        f"{name}{power if power > 1 else ''}"
        for name, power in zip(fields, powers, strict=True)
        if power
    ]
    return "_".join(parts) or "1"


def _meaning(fields: Sequence[str], feature: Feature) -> str:
    """Say what a feature is, where its name does not tell."""
    powers = zip(fields, feature.source.powers, strict=True)
    parts = [name if power == 1 else f"{name}^{power}" for name, power in powers if power]
    text = "*".join((["drive"] if feature.source.of_drive else []) + parts) or "1"
    if feature.source.squared_gradient is not None:
        return f"the squared gradient of {fields[feature.source.squared_gradient]}"
    return f"a derivative of {text}" if feature.conserves else text


def catalogue(fields: Sequence[str], flat: bool, driven: bool) -> dict[str, Feature]:
    """All built-in terms by name, for one or two fields; ``flat``: a film of one line.

    Raises
    ------
    InputError
        Where two terms of fields of these names would be called the same.

    Examples
    --------
    >>> list(catalogue(("u",), True, False))[:6]
    ['1', 'u', 'u2', 'u3', 'u4', 'u5']
    """
    n = len(fields)
    highest = HIGHEST_POWER if n == 1 else 3
    found: list[Feature] = []
    powers: list[tuple[int, ...]] = [(k,) for k in range(highest + 1)]
    if n == 2:
        powers = [(total - k, k) for total in range(highest + 1) for k in range(total + 1)]
    found += [Feature(_power_name(fields, p), Source(p)) for p in powers]
    if driven:
        for p in powers[: n + 1]:
            name = "drive" if not any(p) else f"drive_{_power_name(fields, p)}"
            found.append(Feature(name, Source(p, of_drive=True)))
    second_x: Operator = ((1.0, 0, 2),)
    second_y: Operator = ((1.0, 2, 0),)
    lap = second_x if flat else LAPLACIAN
    bilap: Operator = ((1.0, 0, 4),) if flat else BILAPLACIAN
    trilap: Operator = ((1.0, 0, 6),) if flat else TRILAPLACIAN
    for p in powers[1:]:
        name = _power_name(fields, p)
        found.append(Feature(f"lap_{name}", Source(p), lap))
        found.append(Feature(f"{name}_x", Source(p), ALONG_X))
        if not flat:
            found.append(Feature(f"{name}_y", Source(p), ALONG_Y))
            found.append(Feature(f"{name}_xx", Source(p), second_x))
            found.append(Feature(f"{name}_yy", Source(p), second_y))
    for index, name in enumerate(fields):
        alone = Source(tuple(int(k == index) for k in range(n)))
        found.append(Feature(f"bilap_{name}", alone, bilap))
        found.append(Feature(f"trilap_{name}", alone, trilap))
        found.append(
            Feature(f"grad_{name}_squared", Source((0,) * n, squared_gradient=index, field=index))
        )
    known: dict[str, Feature] = {}
    for feature in found:
        if feature.name in known:
            first, second = (_meaning(fields, f) for f in (known[feature.name], feature))
            raise InputError(
                f"fields named {' and '.join(fields)} make {feature.name!r} the name of two terms, "
                f"{first} and {second}: rename a field."
            )
        known[feature.name] = feature
    return known


def default_names(fields: Sequence[str], flat: bool, driven: bool, isotropic: bool) -> list[str]:
    """Names of the terms that are tried when none are given."""
    second = ("lap_{}",) if isotropic or flat else ("{}_xx", "{}_yy")
    first = ("{}_x",) if flat else ("{}_x", "{}_y")
    known = catalogue(fields, flat, driven)
    names = [name for name, feature in known.items() if feature.operator == IDENTITY
             and feature.source.squared_gradient is None and name.count("drive_") == 0]  # fmt: skip
    alone = list(fields)
    if len(fields) == 1:
        squares, cubes = [f"{fields[0]}2"], [f"{fields[0]}3"]
        names += [form.format(name) for name in alone + squares + cubes for form in second]
        names += [f"bilap_{fields[0]}", f"trilap_{fields[0]}"]
        names += [form.format(name) for name in alone + squares for form in first]
        names += [f"grad_{fields[0]}_squared"]
    else:
        names += [form.format(name) for name in alone for form in second + first]
    return names


def build_library(
    fields: Sequence[str],
    terms: Sequence[str | FieldTerm] | None,
    *,
    flat: bool,
    driven: bool,
    isotropic: bool,
    conservative: bool,
    extra: Sequence[FieldTerm] = (),
    expressions: Mapping[str, str] | None = None,
) -> tuple[Feature, ...]:
    """Return the candidate terms, checked.

    Raises
    ------
    InputError
        For an unknown term, a name given twice, or a library without a term.
    """
    known = catalogue(fields, flat, driven)
    wanted: list[str | FieldTerm] = list(
        default_names(fields, flat, driven, isotropic) if terms is None else terms
    ) + list(extra)
    found: list[Feature] = []
    for term in wanted:
        if isinstance(term, FieldTerm):
            found += _of_function(term, fields, flat, known)
            continue
        if term not in known:
            raise InputError(
                f"terms may hold {', '.join(known)} and FieldTerm records; got {term!r}."
            )
        found.append(known[term])
    for name, text in (expressions or {}).items():
        found.append(_of_text(name, text, fields, driven, known))
    if conservative:
        found = [feature for feature in found if feature.conserves]
    names = [feature.name for feature in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"terms must hold different names; {twice!r} stands twice.")
    if not any(not feature.constant for feature in found):
        raise InputError("terms must hold at least one term besides the constant.")
    return tuple(found)


def _of_function(
    term: FieldTerm, fields: Sequence[str], flat: bool, known: Mapping[str, Feature]
) -> list[Feature]:
    """Return a user's function on every field; of two fields it is named ``name_u``, ``name_v``."""
    operator = OPERATORS[term.operator]
    if flat:
        operator = tuple(part for part in operator if part[1] == 0)
    found = []
    for place, field in enumerate(fields):
        name = term.name if len(fields) == 1 else f"{term.name}_{field}"
        if name in known or not operator:
            raise InputError(
                f"terms: {name!r} is the name of a built-in term, or a derivative along an axis "
                "that the film lacks."
            )
        source = Source((0,) * len(fields), function=term.value, field=place)
        found.append(Feature(name, source, operator))
    return found


def _of_text(
    name: str, text: str, fields: Sequence[str], driven: bool, known: Mapping[str, Feature]
) -> Feature:
    """Return a text such as ``u*v/(1 + u)`` as a term."""
    if not name.isidentifier() or name in known or name in OPERATIONS:
        raise InputError(
            f"expressions must be named by words that name no built-in term; got {name!r}."
        )
    columns = (*fields, *(("drive",) if driven else ()))
    program = parse_expression(text, columns)
    if not variables_of(program):
        raise InputError(f"expressions[{name!r}] must hold {' or '.join(columns)}; got {text!r}.")
    return Feature(name, Source((0,) * len(fields), program=program, columns=columns))


def source_values(
    source: Source, fields: Floats, noise_sd: Floats, drive: Floats | None,
    spacing: tuple[float, float],
) -> Floats:  # fmt: skip
    """Unbiased values of a source, (n_frames, n_rows, n_columns).

    ``fields``: (n_fields, n_frames, n_rows, n_columns), with Gaussian noise of ``noise_sd``, which
    powers and functions are cleared of: the mean over the noise is the function of the true field
    (Hermite polynomials; functions up to the fifth degree).
    """
    if source.own:
        moments = np.zeros(1) if drive is None else drive
        push = np.broadcast_to(moments[:, None, None], fields.shape[1:])
        return _cleared(_own_values(source, push), fields, noise_sd, _places_of(source))
    if source.squared_gradient is not None:
        return _squared_gradient(fields[source.field], float(noise_sd[source.field]), spacing)
    result: Floats = np.ones(fields.shape[1:])
    for field, power, sd in zip(fields, source.powers, noise_sd, strict=True):
        if power:
            result = result * _hermite(field, power, float(sd) ** 2)
    if source.of_drive and drive is not None:
        result = result * drive[:, None, None]
    return result


def _hermite(u: Floats, power: int, variance: float) -> Floats:
    """Return the power of the true value, unbiased: He_n(u) for noise of this variance."""
    before, now = np.ones_like(u), u
    for n in range(1, power):
        before, now = now, u * now - n * variance * before
    return now


def _places_of(source: Source) -> list[int]:
    """Places of the fields that a user's own source holds."""
    if source.program is None:
        return [source.field]
    held = variables_of(source.program)
    return [place for place in range(len(source.powers)) if source.columns[place] in held]


def _own_values(source: Source, push: Floats) -> Callable[[Floats], Floats]:
    """Return a user's own source as a function of all fields, (n_fields, ...)."""
    function, program = source.function, source.program
    if program is None:
        own: Callable[[Floats, Floats], Floats] = function  # type: ignore[assignment]
        return lambda fields: own(np.ascontiguousarray(fields[source.field]), push)

    def of_text(fields: Floats) -> Floats:
        flat = [np.ravel(column) for column in (*fields, push)]
        columns = dict(zip(source.columns, flat, strict=False))
        return evaluate(program, columns).reshape(fields.shape[1:])

    return of_text


def _cleared(
    function: Callable[[Floats], Floats], fields: Floats, noise_sd: Floats, places: Sequence[int]
) -> Floats:
    """Return f - sd^2/2 f'' + sd^4/8 f'''' by five-point differences of one sd.

    In one field after the other, as the noises of two fields are independent.
    """
    if not len(places):
        return np.asarray(function(fields))
    first, sd = places[0], float(noise_sd[places[0]])
    if sd == 0.0:
        return _cleared(function, fields, noise_sd, places[1:])
    weights = -0.5 * SECOND + 0.125 * FOURTH
    weights[2] += 1.0
    total = np.zeros(fields.shape[1:])
    for weight, step in zip(weights, STENCIL, strict=True):
        moved = fields.copy()
        moved[first] += step * sd
        total += weight * _cleared(function, moved, noise_sd, places[1:])
    return total


def _squared_gradient(u: Floats, sd: float, spacing: tuple[float, float]) -> Floats:
    """Squared gradient by differences of fourth order, less what the noise adds."""
    total = np.zeros_like(u)
    for axis, step in ((1, spacing[0]), (2, spacing[1])):
        if u.shape[axis] < 5:
            continue
        near = np.roll(u, -1, axis) - np.roll(u, 1, axis)
        far = np.roll(u, -2, axis) - np.roll(u, 2, axis)
        slope = (8 * near - far) / (12 * step)
        total += slope**2 - (2 * 64 + 2) / 144 * (sd / step) ** 2
    return total
