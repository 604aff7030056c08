"""Names handed on lazily, so that importing a package loads none of its modules (PEP 562)."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FrameType, ModuleType
from typing import Any

__all__ = ["attach"]

GUARD = "odd_argument_guard"


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
        value = guarded(getattr(importlib.import_module(names[name], package), name), package)
        setattr(sys.modules[package], name, value)
        return value

    def names_known() -> list[str]:
        own = {name for name in vars(sys.modules[package]) if name.startswith("__")}
        return sorted({*own, *names, *packages})

    sys.modules[package].__class__ = _LazyPackage
    return load, names_known, sorted(names)


def guarded(value: Any, package: str) -> Any:
    """Return a public function, or a class with its methods, that says which argument is odd.

    A call that works is not touched, but for masked arrays: what is masked becomes NaN. One from
    outside the package that fails because an argument is not what its annotation says, or holds
    NaN, ends in an `InputError` that names the argument; see ``odd_arguments.py``. So does one
    that took a plain value of another type without a word; see ``plain_arguments.py``.

    Parameters
    ----------
    value
        Whatever a package hands on; constants come back as they are.
    package
        Name of the package, where the guarded function is found again when it is pickled.

    Examples
    --------
    >>> def area(width: float) -> float:
    ...     return 2 * width.real
    >>> guarded(area, __name__)(3.0)
    6.0
    """
    if inspect.isfunction(value):
        return getattr(value, GUARD, None) or _guarded_function(value, package)
    if isinstance(value, type) and not issubclass(value, Exception):
        for name, member in list(vars(value).items()):
            if name == "__init__" or not name.startswith("_"):
                _guard_member(value, name, member)
    return value


def _guard_member(owner: type, name: str, member: Any) -> None:
    plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    if getattr(owner, "_is_protocol", False) or not inspect.isfunction(plain):
        return
    if getattr(plain, GUARD, None) is not None:
        return
    frozen = getattr(getattr(owner, "__dataclass_params__", None), "frozen", False)
    # a method that changes its object has changed it by the time its types are looked at
    typed = name == "__init__" or plain is not member or frozen
    # an estimator of scikit-learn takes any setting, and refuses it when it is fitted
    typed = typed and not hasattr(owner, "get_params")
    wrapped: Any = _guarded_function(plain, plain.__module__, typed)
    setattr(owner, name, wrapped if plain is member else type(member)(wrapped))


def _guarded_function(
    function: Callable[..., Any], module: str, typed: bool = True
) -> Callable[..., Any]:
    judge: Callable[..., None] | None = None

    @functools.wraps(function)
    def odd_argument_guard(*given: Any, **named: Any) -> Any:
        if _any_masked(given) or _any_masked(named.values()):
            from physlearn.odd_arguments import unmasked

            given, named = unmasked(given, named)
        try:
            answer = function(*given, **named)
        except Exception as error:
            if _from_within(sys._getframe(1)):
                raise  # the guard of what the user called will look at what the user gave
            told = _told(function, given, named, error)
            if told is None:
                raise
            raise told from error
        if typed and not _from_within(sys._getframe(1)):
            nonlocal judge
            if judge is None:
                from physlearn.plain_arguments import judge_of

                judge = judge_of(function)
            judge(given, named)
        return answer

    odd_argument_guard.__module__ = module
    for one in (function, odd_argument_guard):
        setattr(one, GUARD, odd_argument_guard)
    return odd_argument_guard


def _from_within(frame: FrameType) -> bool:
    caller: str = frame.f_globals.get("__name__", "")
    return caller.startswith("physlearn.") or caller == "physlearn"


def _any_masked(values: Iterable[Any]) -> bool:
    # not by an attribute: tables and records of data look long for one that they lack
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    for value in values:  # noqa: SIM110 -- a loop is quicker than any()
        if isinstance(value, masked):
            return True
    return False


def _told(
    function: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any], error: Exception
) -> Exception | None:
    """Return what to raise in place of an error; None where it stays, as when nobody can tell."""
    from physlearn.odd_arguments import odd_argument

    try:
        return odd_argument(function, given, named, error)
    except Exception:  # an argument that cannot even be looked at: the first error says more
        return None
