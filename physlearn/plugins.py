"""What installed packages add: found by their entry points, imported only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from physlearn.checks import BackendUnavailable, InputError, check_choice

__all__ = ["GROUPS", "Plugin", "list_plugins", "load_plugin", "plugin_names"]

GROUPS = {
    "readers": "a function of a path that lists the file's channels; the name is the suffix",
    "hamiltonians": "a class with state_values, terms and energy",
    "independence_tests": "a function of (table, columns, alpha) that returns the test",
    "descriptors": "a function of pixels, or a physlearn.datasets.Descriptor",
    "actions": "a function without arguments that returns an ActionLibrary",
}
"""Kinds of plug-ins -> what the entry point of the group ``physlearn.<kind>`` must be."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of an installed package.

    Attributes
    ----------
    kind
        One of `GROUPS`.
    name
        By which it is asked for.
    value
        "package.module:object".
    package
        Name and version of the package that brings it.
    """

    kind: str
    name: str
    value: str
    package: str


def list_plugins(kind: str | None = None) -> tuple[Plugin, ...]:
    """Return what installed packages add, without importing any of it.

    Parameters
    ----------
    kind
        "readers", "hamiltonians", "independence_tests", "descriptors" or "actions"; None for all.

    Raises
    ------
    InputError
        For another kind.

    Examples
    --------
    >>> all(plugin.kind == "hamiltonians" for plugin in list_plugins("hamiltonians"))
    True
    """
    kinds = GROUPS if kind is None else (check_choice("kind", kind, tuple(GROUPS)),)
    return tuple(
        Plugin(each, point.name, point.value, _package(point))
        for each in kinds
        for point in sorted(entry_points(group=f"physlearn.{each}"), key=lambda p: p.name)
    )


def plugin_names(kind: str) -> tuple[str, ...]:
    """Return the names of the plug-ins of one kind.

    Examples
    --------
    >>> isinstance(plugin_names("independence_tests"), tuple)
    True
    """
    return tuple(dict.fromkeys(plugin.name for plugin in list_plugins(kind)))


def load_plugin(kind: str, name: str) -> Any:
    """Import one plug-in and return what its entry point names.

    Parameters
    ----------
    kind
        "readers", "hamiltonians", "independence_tests", "descriptors" or "actions".
    name
        That of the entry point.

    Raises
    ------
    InputError
        Where no package brings it, or two do.
    BackendUnavailable
        Where it cannot be imported; all else works without it.

    Examples
    --------
    >>> load_plugin("hamiltonians", "none-such")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: no installed package brings ...
    """
    check_choice("kind", kind, tuple(GROUPS))
    found = list(entry_points(group=f"physlearn.{kind}", name=name))
    if not found:
        known = ", ".join(plugin_names(kind)) or "none is installed"
        raise InputError(
            f"no installed package brings {name!r} as one of physlearn.{kind} (there: {known}); "
            "install the package, or pass the object itself."
        )
    if len({point.value for point in found}) > 1:
        packages = " and ".join(sorted(_package(point) for point in found))
        raise InputError(
            f"{name!r} of physlearn.{kind} comes from {packages}; uninstall one of them."
        )
    try:
        return found[0].load()
    # a stranger's module may raise anything when it is imported
    except Exception as error:
        raise BackendUnavailable(
            f"the plug-in {name!r} (physlearn.{kind}) of {_package(found[0])} cannot be loaded: "
            f"{type(error).__name__}: {error}; update or uninstall that package, all else works "
            "without it."
        ) from error


def _package(point: EntryPoint) -> str:
    return "an unnamed package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
