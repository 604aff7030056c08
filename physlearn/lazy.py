"""Names handed on lazily, so that importing a package loads none of its modules (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the ``__getattr__``, ``__dir__`` and ``__all__`` of a package of lazy names.

    Parameters
    ----------
    package
        The package's ``__name__``.
    names
        Public name -> module that defines it, relative to the package (``".find_atoms"``).

    Raises
    ------
    AttributeError
        By the returned ``__getattr__``, for a name that is not in ``names``.

    Examples
    --------
    >>> getter, lister, public = attach("collections", {"Mapping": ".abc"})
    >>> getter("Mapping").__name__
    'Mapping'
    >>> public
    ['Mapping']
    """

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(names[name], package), name)
        # A module may carry the name of its one function (`find_atoms`): the function wins.
        setattr(sys.modules[package], name, value)
        return value

    def names_known() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return load, names_known, sorted(names)
