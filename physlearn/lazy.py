"""Names handed on lazily, so that importing a package loads none of its modules (PEP 562)."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

__all__ = ["attach"]


class _LazyPackage(ModuleType):
    """A package in which a public name is never hidden by the module of the same name.

    Python binds an imported submodule to its name in the package, where people expect the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name in self.__all__:
            return
        super().__setattr__(name, value)


def attach(
    package: str, names: Mapping[str, str], packages: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the ``__getattr__``, ``__dir__`` and ``__all__`` of a package of lazy names.

    Parameters
    ----------
    package
        The package's ``__name__``.
    names
        Public name -> module that defines it, relative to the package (``".find_atoms"``).
    packages
        Modules and sub-packages below it that people reach by a dot, without importing them.

    Raises
    ------
    AttributeError
        By the returned ``__getattr__``, for a name that is not in ``names``.

    Examples
    --------
    In a package's ``__init__.py``::

        __getattr__, __dir__, __all__ = attach(__name__, {"find_atoms": ".find_atoms"})

    >>> import physlearn.lattice_models
    >>> physlearn.lattice_models.square_lattice((2, 2)).n_sites
    4
    """

    def load(name: str) -> Any:
        if name in packages:
            return importlib.import_module(f"{package}.{name}")
        if name not in names:
            alike = difflib.get_close_matches(name, [*names, *packages], n=1)
            hint = f"; did you mean {alike[0]!r}?" if alike else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
        value = getattr(importlib.import_module(names[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    def names_known() -> list[str]:
        own = {name for name in vars(sys.modules[package]) if name.startswith("__")}
        return sorted({*own, *names, *packages})

    sys.modules[package].__class__ = _LazyPackage
    return load, names_known, sorted(names)
