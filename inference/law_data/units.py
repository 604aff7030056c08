"""Units as text: read, multiplied, brought to SI, and asked whether they can make another unit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from physlearn.checks import InputError

__all__ = ["BASE_NAMES", "BASE_UNITS", "DIMENSIONLESS", "Unit", "parse_unit", "unit_text"]

Exponents = tuple[Fraction, ...]

BASE_UNITS = ("m", "kg", "s", "A", "K", "mol", "cd")
BASE_NAMES = {
    "m": "length", "kg": "mass", "s": "time", "A": "electric current", "K": "temperature",
    "mol": "amount", "cd": "luminous intensity",
}  # fmt: skip
LONGEST_TEXT = 200
LARGEST_EXPONENT = 20
_ELEMENTARY_CHARGE = Fraction(1602176634, 10**28)
# Symbol -> (exponents of BASE_UNITS, exact factor to SI); radians and degrees are numbers
_TABLE: dict[str, tuple[tuple[int, ...], Fraction]] = {
    "m": ((1,), Fraction(1)),
    "g": ((0, 1), Fraction(1, 1000)),
    "s": ((0, 0, 1), Fraction(1)),
    "A": ((0, 0, 0, 1), Fraction(1)),
    "K": ((0, 0, 0, 0, 1), Fraction(1)),
    "mol": ((0, 0, 0, 0, 0, 1), Fraction(1)),
    "cd": ((0, 0, 0, 0, 0, 0, 1), Fraction(1)),
    "Hz": ((0, 0, -1), Fraction(1)),
    "N": ((1, 1, -2), Fraction(1)),
    "Pa": ((-1, 1, -2), Fraction(1)),
    "J": ((2, 1, -2), Fraction(1)),
    "W": ((2, 1, -3), Fraction(1)),
    "C": ((0, 0, 1, 1), Fraction(1)),
    "V": ((2, 1, -3, -1), Fraction(1)),
    "F": ((-2, -1, 4, 2), Fraction(1)),
    "ohm": ((2, 1, -3, -2), Fraction(1)),
    "S": ((-2, -1, 3, 2), Fraction(1)),
    "Wb": ((2, 1, -2, -1), Fraction(1)),
    "T": ((0, 1, -2, -1), Fraction(1)),
    "H": ((2, 1, -2, -2), Fraction(1)),
    "eV": ((2, 1, -2), _ELEMENTARY_CHARGE),
    "e": ((0, 0, 1, 1), _ELEMENTARY_CHARGE),
    "u": ((0, 1), Fraction(166053906892, 10**38)),  # CODATA 2022
    "L": ((3,), Fraction(1, 1000)),
    "bar": ((-1, 1, -2), Fraction(10**5)),
    "rad": ((), Fraction(1)),
    "sr": ((), Fraction(1)),
    "px": ((), Fraction(1)),
}
_WHOLE: dict[str, tuple[tuple[int, ...], Fraction]] = {  # take no prefix
    "angstrom": ((1,), Fraction(1, 10**10)),
    "Å": ((1,), Fraction(1, 10**10)),
    "min": ((0, 0, 1), Fraction(60)),
    "h": ((0, 0, 1), Fraction(3600)),
    "d": ((0, 0, 1), Fraction(86400)),
    "t": ((0, 1), Fraction(1000)),
    "atm": ((-1, 1, -2), Fraction(101325)),
    "Ω": ((2, 1, -3, -2), Fraction(1)),
    "%": ((), Fraction(1, 100)),
}
_PREFIXES = {
    "Q": 30, "R": 27, "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3,
    "h": 2, "da": 1, "d": -1, "c": -2, "m": -3, "u": -6, "μ": -6, "n": -9, "p": -12,
    "f": -15, "a": -18, "z": -21, "y": -24, "r": -27, "q": -30,
}  # fmt: skip
OFFSET = re.compile(r"(?<![^\W\d_])(degC|degF|degrees?|deg|celsius|Celsius)(?![^\W\d_])")
_WORD = re.compile(
    r"\s*(?:(?P<symbol>[^\W\d_]+|%)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>\*\*|[*·/^()-]))"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: powers of `BASE_UNITS` and the exact factor that brings a number to SI.

    Attributes
    ----------
    exponents
        One per base unit, in the order of `BASE_UNITS`.
    factor
        A number in this unit times ``factor`` is the number in SI base units.
    """

    exponents: Exponents
    factor: Fraction = Fraction(1)

    @property
    def is_number(self) -> bool:
        """Whether the dimension is 1 (angles and pixels count as numbers)."""
        return not any(self.exponents)


DIMENSIONLESS = Unit((Fraction(0),) * len(BASE_UNITS))


def parse_unit(text: str, name: str = "unit") -> Unit:
    """Read a unit such as ``"nm"``, ``"eV/angstrom"``, ``"kg*m^2/(s^2*K)"`` or ``"1"``.

    Symbols of SI with their prefixes, eV, e, u, angstrom, L, bar, atm, min, h, d, t, rad and px,
    joined by ``*`` (or a blank), ``/``, powers ``^`` or ``**`` with whole numbers, halves as
    ``^0.5`` and one level of brackets. A prefix binds before a product: ``"mT"`` is millitesla,
    ``"m*T"`` metre tesla. Refused are degrees, which have an offset (give K), and a blank after a
    ``/`` as in ``"J/kg K"``, which people read in two ways.

    Parameters
    ----------
    text
        The unit; ``"1"`` and ``""`` are a pure number.
    name
        What an error calls it.

    Returns
    -------
    Unit
        Exponents of the base units and the factor to SI.

    Raises
    ------
    InputError
        For a symbol that is not in the table, or a text that is no unit.

    Examples
    --------
    >>> parse_unit("kg*m^2/(s^2*K)").exponents == parse_unit("J/K").exponents
    True
    >>> float(parse_unit("nm").factor)
    1e-09
    """
    if not isinstance(text, str):
        raise InputError(f"{name} must be text such as 'nm' or 'kg*m/s^2', got {text!r}.")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{name} must have at most {LONGEST_TEXT} characters, got {len(text)}.")
    plain = unicodedata.normalize("NFKC", text)  # one sign for micro, angstrom, ohm
    if "°" in plain or OFFSET.search(plain):
        raise InputError(
            f"{name} must not be in degrees, got {text!r}: give absolute temperatures in K "
            "(degrees Celsius + 273.15) with the unit 'K', and angles in 'rad'."
        )
    words = _words(plain, name)
    if not words:
        return DIMENSIONLESS
    unit, place = _product(words, 0, text, name, inside=False)
    if place != len(words):
        raise _broken(text, name)
    return unit


def _words(text: str, name: str) -> list[tuple[str, str]]:
    words: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _WORD.match(text, place)
        if match is None:
            raise _broken(text, name)
        kind = str(match.lastgroup)
        words.append((kind, match.group(kind)))
        place = match.end()
    return words


def _broken(text: str, name: str) -> InputError:
    return InputError(
        f"{name} must be a product of symbols such as 'kg*m^2/(s^2*K)' or 'eV/angstrom', got "
        f"{text!r}."
    )


def _two_readings(text: str, name: str) -> InputError:
    over, _, under = text.partition("/")
    both = "'J/(kg*K)' or 'J*K/kg'"
    if "/" not in under and "(" not in text:
        first, *rest = under.split()
        both = f"'{over}/({'*'.join([first, *rest])})' or '{'*'.join([over, *rest])}/{first}'"
    return InputError(
        f"{name} has a blank after a '/', so {text!r} can be read in two ways: write {both}."
    )


def _product(
    words: Sequence[tuple[str, str]], place: int, text: str, name: str, *, inside: bool
) -> tuple[Unit, int]:
    """Read factors until the end or the closing bracket."""
    unit, sign = DIMENSIONLESS, 1
    wants, divided = True, False
    while place < len(words):
        kind, word = words[place]
        if word == ")":
            if not inside:
                raise _broken(text, name)
            break
        if word in ("*", "·", "/") and not wants:
            sign, wants, place = (-1 if word == "/" else 1), True, place + 1
            continue
        if word == "(" and not inside:
            factor, place = _product(words, place + 1, text, name, inside=True)
            if place >= len(words):
                raise _broken(text, name)
            place += 1
        elif kind == "symbol":
            factor, place = _symbol(word, text, name), place + 1
        elif kind == "number" and wants and word == "1":
            factor, place = DIMENSIONLESS, place + 1
        else:
            raise _broken(text, name)
        power, place = _power(words, place, text, name)
        if not wants:  # a blank is a product
            if divided:
                raise _two_readings(text, name)
            sign = 1
        divided = divided or sign < 0
        unit = _times(unit, factor, sign * power, name)
        wants = False
    if wants:
        raise _broken(text, name)
    return unit, place


def _power(
    words: Sequence[tuple[str, str]], place: int, text: str, name: str
) -> tuple[Fraction, int]:
    if place >= len(words) or words[place][1] not in ("^", "**"):
        return Fraction(1), place
    place += 1
    sign = 1
    if place < len(words) and words[place][1] == "-":
        sign, place = -1, place + 1
    if place >= len(words) or words[place][0] != "number":
        raise _broken(text, name)
    power = sign * Fraction(words[place][1])
    if abs(power) > LARGEST_EXPONENT:
        raise InputError(f"{name} has an exponent beyond {LARGEST_EXPONENT}: {text!r}.")
    return power, place + 1


def _times(unit: Unit, factor: Unit, power: Fraction, name: str) -> Unit:
    if power.denominator != 1 and factor.factor != 1:
        raise InputError(f"{name}: a broken power needs SI units without a prefix; use whole ones.")
    scale = factor.factor**power.numerator if power.denominator == 1 else Fraction(1)
    exponents = tuple(a + power * b for a, b in zip(unit.exponents, factor.exponents, strict=True))
    return Unit(exponents, unit.factor * scale)


def _symbol(word: str, text: str, name: str) -> Unit:
    if word in _WHOLE:
        return _unit(*_WHOLE[word])
    if word == "kg":
        return _unit((0, 1), Fraction(1))
    if word in _TABLE:
        return _unit(*_TABLE[word])
    for prefix in sorted(_PREFIXES, key=len, reverse=True):
        rest = word[len(prefix) :]
        if word.startswith(prefix) and rest in _TABLE:
            exponents, factor = _TABLE[rest]
            return _unit(exponents, factor * Fraction(10) ** _PREFIXES[prefix])
    raise InputError(
        f"{name} uses {word[:20]!r}, which is no SI symbol known here ({', '.join(_TABLE)}, "
        f"{', '.join(_WHOLE)}, with prefixes from q to Q): {text!r}."
    )


def _unit(exponents: tuple[int, ...], factor: Fraction) -> Unit:
    padded = (*exponents, *(0,) * (len(BASE_UNITS) - len(exponents)))
    return Unit(tuple(Fraction(e) for e in padded), factor)


def unit_text(exponents: Sequence[Fraction]) -> str:
    """Write powers of the base units as `parse_unit` reads them.

    Examples
    --------
    >>> unit_text(parse_unit("N").exponents)
    'm*kg/s^2'
    """
    over = [_power_text(b, e) for b, e in zip(BASE_UNITS, exponents, strict=True) if e > 0]
    under = [_power_text(b, -e) for b, e in zip(BASE_UNITS, exponents, strict=True) if e < 0]
    top = "*".join(over) or "1"
    if not under:
        return top
    return f"{top}/{under[0]}" if len(under) == 1 else f"{top}/({'*'.join(under)})"


def _power_text(base: str, exponent: Fraction) -> str:
    if exponent == 1:
        return base
    return f"{base}^{exponent if exponent.denominator == 1 else float(exponent)}"
