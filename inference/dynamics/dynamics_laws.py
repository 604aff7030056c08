"""Laws of motion: one weighted set of laws for every rate."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType

from physlearn.checks import InputError, NotFound
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.whole_files import atomic_write

__all__ = ["DynamicsLaws"]

FORMAT = "physlearn dynamics laws 1"
LARGEST_TEXT = 50_000_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DynamicsLaws:
    """Laws of motion found in data, by what they say: ``laws["du/dt"]``.

    Attributes
    ----------
    equations
        Target, such as ``du/dt`` or ``velocity``, to its `EquationSet`.
    kind
        What the data were: ``field``, ``wall``, ....
    warnings
        Sentences that belong to all targets.
    said
        What the laws say in words, before the verdicts of the targets.

    Raises
    ------
    InputError
        If there is no law, or a value is no `EquationSet`.

    Examples
    --------
    >>> import numpy as np
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> law = Equation((Term(-2.0, ("u",)),), loss=0.0, description_length=1.0, n_constants=1)
    >>> found = EquationSet((law,), ("u",), "du/dt", np.array([[0.0, 1.0]]), 0.1)
    >>> laws = DynamicsLaws({"du/dt": found}, "field")
    >>> laws["du/dt"].table["equation"].tolist(), list(laws)
    (['-2*u'], ['du/dt'])
    """

    equations: Mapping[str, EquationSet]
    kind: str
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.equations, Mapping) or not self.equations:
            raise InputError("equations must map at least one target to its EquationSet.")
        for target, laws in self.equations.items():
            if not isinstance(target, str) or not isinstance(laws, EquationSet):
                raise InputError(
                    f"equations must map targets to EquationSets; {str(target)[:40]!r} has a "
                    f"{type(laws).__name__}."
                )
        object.__setattr__(self, "equations", MappingProxyType(dict(self.equations)))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        object.__setattr__(self, "said", tuple(self.said))

    def __getitem__(self, target: str) -> EquationSet:
        if target not in self.equations:
            known = ", ".join(self.equations)
            raise InputError(f"target must be one of {known}; got {str(target)[:40]!r}.")
        return self.equations[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self.equations)

    def __len__(self) -> int:
        return len(self.equations)

    def __repr__(self) -> str:
        sets = map(repr, self.equations.values())
        return "\n".join([*self.said, *sets, *(f"! {w}" for w in self.warnings)])

    def _repr_html_(self) -> str:
        said = [f"<p>{escape(text)}</p>" for text in self.said]
        return "\n".join([*said, *(laws._repr_html_() for laws in self.equations.values())])

    @property
    def verdict(self) -> str:
        """What is said in words; one line a target: the law, what would decide, or none."""
        lines = [f"{name}: {laws.verdict}" for name, laws in self.equations.items()]
        return "\n".join([*self.said, *lines])

    def to_json(self) -> str:
        """Return all sets as JSON; nothing in it is executed when it is read."""
        sets = {name: json.loads(laws.to_json()) for name, laws in self.equations.items()}
        return json.dumps(
            {
                "format": FORMAT,
                "kind": self.kind,
                "warnings": self.warnings,
                "said": self.said,
                "equations": sets,
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> DynamicsLaws:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            If the text is not such laws.
        """
        if not isinstance(text, str) or len(text) > LARGEST_TEXT:
            raise InputError(f"text must be JSON of at most {LARGEST_TEXT} characters.")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError("text must be JSON that DynamicsLaws.to_json wrote.") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError(f"text must be JSON that DynamicsLaws.to_json wrote ({FORMAT}).")
        sets, warnings = data.get("equations"), data.get("warnings", [])
        said = data.get("said", [])
        if not all(isinstance(texts, list) for texts in (warnings, said)) or not isinstance(
            sets, dict
        ):
            raise InputError("text must hold equations by target and a list of warnings.")
        read = {name: EquationSet.from_json(json.dumps(item)) for name, item in sets.items()}
        kind = str(data.get("kind", ""))
        return cls(read, kind, tuple(map(str, warnings)), tuple(map(str, said)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the laws as JSON, whole or not at all."""
        text = self.to_json()
        with atomic_write(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DynamicsLaws:
        """Read what `save` wrote.

        Raises
        ------
        NotFound
            When there is no such file.
        InputError
            When the file does not hold laws of motion.
        """
        if not Path(path).is_file():
            raise NotFound(f"no such file: {path}")
        return cls.from_json(Path(path).read_text(encoding="utf-8", errors="replace"))
