"""A public suite of laws, half for design and half kept out of it by a fixed rule.

The rule: the SHA-256 digest of a law's name, read as a whole number, is even for the design half
and odd for the kept-out half. It was fixed before anything was tuned; laws may be added, none is
renamed or moved. What is designed on (searched by hand, looked at, tuned) is the design half only;
the kept-out half is run when the design no longer changes. A third list, the fresh laws, was
written after that run and kept out whole until it was run; a fourth, the unseen laws, was written
after that, and is kept out whole. Counts: ``python -m benchmarks.laws.suite``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.formula import evaluate, free_exponents, functions_of, program_of

__all__ = [
    "DYNAMICS", "Law", "LawData", "design_laws", "fresh_laws", "is_design", "kept_out_laws",
    "sample", "unseen_laws",
]  # fmt: skip

Floats = NDArray[np.float64]
Token = str | int | float
Range = tuple[float, float]

BASIC = ("exp", "log", "sqrt", "inv", "square", "cube")
POINTS = {1: 100, 2: 200}
POINTS_OF_MORE = 400
# Fields stand in field_worlds.py, motions in motion_worlds.py, under these names
DYNAMICS = (
    "allen_cahn", "cahn_hilliard", "burgers", "kuramoto_sivashinsky", "fisher_kpp", "gray_scott",
    "fitzhugh_nagumo", "lambda_omega", "diffusion", "advection_diffusion", "swift_hohenberg",
    "driven_allen_cahn", "phase_field_crystal", "lorenz", "van_der_pol", "duffing",
    "lotka_volterra", "damped_pendulum", "double_well_langevin",
)  # fmt: skip


@dataclass(frozen=True)
class Law:
    """A law with the ranges of its variables and constants (all without dimension, or SI).

    Attributes
    ----------
    name
        Decides the half.
    formula
        In Python's notation; whole numbers are exact, names are variables or constants.
    variables, constants
        Name -> range; points are uniform in it, constants are drawn uniformly.
    units
        Unit of every variable and of the target ``"y"``; empty where there is none.
    """

    name: str
    formula: str
    variables: Mapping[str, Range]
    constants: Mapping[str, Range] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def functions(self) -> tuple[str, ...]:
        """Functions that every method may use: a basic set, and sines or tanh where they occur."""
        called = functions_of(self.formula)
        more = ("sin", "cos") if called & {"sin", "cos"} else ()
        return (*BASIC, *more, *(("tanh",) if "tanh" in called else ()))

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw the constants."""
        return {name: float(rng.uniform(*limits)) for name, limits in self.constants.items()}

    def program(self, constants: Mapping[str, float]) -> tuple[Token, ...]:
        """Return the truth as a program of the grammar."""
        return program_of(self.formula, constants)

    def forms(self, constants: Mapping[str, float]) -> list[tuple[Token, ...]]:
        """Return the programs that count as this law: the truth, and it with fitted exponents."""
        fitted = program_of(free_exponents(self.formula), constants)
        truth = self.program(constants)
        return [truth] if repr(truth) == repr(fitted) else [truth, fitted]


@dataclass(frozen=True, eq=False)
class LawData:
    """Points (n, n_variables) of a law, its values with noise, and the truth."""

    law: Law
    x: Floats
    y: Floats
    clean: Floats
    noise_sd: float
    constants: dict[str, float]


def sample(law: Law, n: int | None, noise_fraction: float, seed: int) -> LawData:
    """Draw constants and ``n`` points; the noise's sd is a fraction of the sd of the clean values.

    ``n`` None takes 100, 200 or 400 points for 1, 2 or more variables. Laws with units get the
    same noise. Equal seeds give equal constants and points at every noise.
    """
    word = int.from_bytes(hashlib.sha256(law.name.encode()).digest()[:4], "big")
    rng = np.random.default_rng((word, seed))
    constants = law.draw(rng)
    count = n or POINTS.get(len(law.variables), POINTS_OF_MORE)
    x = np.stack([rng.uniform(*limits, count) for limits in law.variables.values()], axis=1)
    columns = dict(zip(law.variables, x.T, strict=True))
    clean = evaluate(law.formula, {**columns, **constants}) * np.ones(count)
    noise_sd = noise_fraction * float(clean.std())
    y = clean + noise_sd * rng.standard_normal(count)
    return LawData(law, x, y, clean, noise_sd, constants)


def is_design(name: str) -> bool:
    """Say in which half a name stands."""
    return hashlib.sha256(name.encode()).digest()[-1] % 2 == 0


def all_laws() -> dict[str, tuple[Law, ...]]:
    """Return the laws of one or two variables, and those of several with units."""
    from benchmarks.laws.laws_of_materials import MATERIALS
    from benchmarks.laws.laws_with_units import WITH_UNITS

    return {"scalar": MATERIALS, "units": WITH_UNITS}


def design_laws(kind: str = "scalar") -> list[Law]:
    """Return the half that may be designed on."""
    return [law for law in all_laws()[kind] if is_design(law.name)]


def kept_out_laws(kind: str = "scalar") -> list[Law]:
    """Return the half that is run once, when the design no longer changes."""
    return [law for law in all_laws()[kind] if not is_design(law.name)]


def fresh_laws() -> list[Law]:
    """Return the laws written after the first kept-out run; they are not split."""
    from benchmarks.laws.fresh_laws import FRESH

    return list(FRESH)


def unseen_laws() -> list[Law]:
    """Return the laws written after the fresh laws were run; they are not split."""
    from benchmarks.laws.unseen_laws import UNSEEN

    return list(UNSEEN)


def counts() -> list[str]:
    """Return one line a list: its size and the sizes of both halves."""
    names = {kind: [law.name for law in laws] for kind, laws in all_laws().items()}
    names["dynamics"] = list(DYNAMICS)
    return [
        *(
            f"{kind}: {len(which)} = {sum(map(is_design, which))} design + "
            f"{len(which) - sum(map(is_design, which))} kept out"
            for kind, which in names.items()
        ),
        f"fresh: {len(fresh_laws())}, all kept out until they were run",
        f"unseen: {len(unseen_laws())}, all kept out",
    ]


if __name__ == "__main__":
    from rich.console import Console

    Console().print("\n".join(counts()))
