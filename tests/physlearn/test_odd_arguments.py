"""Which argument was odd, in one sentence; errors that are not the caller's stay as they are."""

import functools
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from numpy.exceptions import ComplexWarning
from numpy.typing import ArrayLike, NDArray

from physlearn import InputError, SiteGraph
from physlearn.declared_types import declared_types, fits, in_words
from physlearn.lattice_models import Yukawa, choose_ladder, spin_glass, square_lattice
from physlearn.lazy import guarded

Pair = tuple[float, float]


def guarded_here(function):
    return guarded(function, __name__)


@guarded_here
def mean_of(
    values: ArrayLike,
    power: float = 1.0,
    names: Sequence[str] | None = None,
    weigh: Callable[[float], float] | None = None,
) -> float:
    if weigh is not None:
        return weigh(1.0)
    if names is not None:
        return len(names[0].upper())
    numbers = np.asarray(values) ** power
    return 1 / int(numbers.mean())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"values": None}, "values must be an array of numbers; got None."),
        ({"values": "text"}, "values must be an array of numbers; got 'text'."),
        ({"values": np.ma.array([1.0, 1.0])}, None),
        ({"values": np.ma.array([1, 2], mask=[True, False])}, "values holds 1 NaN"),
        ({"values": [1.0], "power": "2"}, "power must be a number; got '2'."),
        ({"values": [1.0], "names": [1, 2]}, r"names must be a sequence of a text or None; got"),
        ({"values": [1.0], "weigh": 3}, "weigh must be a function or None; got 3."),
        ({"values": [np.nan, 1.0]}, r"values holds 1 NaN or infinite value\(s\), first at \(0,\)"),
        ({"values": np.array([])}, r"values is empty"),
        ({"values": [1.0], "power": np.inf}, None),
        ({"values": [2.0], "power": 2**2000}, r"power must be a number; got about 2\^2001"),
        ({"values": 2**2000}, r"values is about 2\^2001|values must be an array of numbers"),
    ],
)
def test_the_odd_argument_is_named(given, told):
    if told is None:
        assert mean_of(**given) == 1
        return
    with pytest.raises(InputError, match=told):
        mean_of(**given)


def test_classes_imported_for_type_checkers_alone_are_found():
    def degree(graph: "SiteGraph", frame: "pd.DataFrame | ArrayLike") -> int:
        return graph.n_sites

    types = declared_types(degree)
    assert not fits(7, types["graph"])
    assert not fits([1, [2, 3]], types["frame"])
    assert fits([1, 2], types["frame"])


def test_an_infinite_number_in_a_mapping_is_named():
    def reach(blur: Mapping[str, float]) -> int:
        return int(max(blur.values()) ** 2)

    with pytest.raises(InputError, match=r"blur holds 1 NaN or infinite value.*at 'height'"):
        guarded_here(reach)({"height": np.inf})


def test_types_known_to_type_checkers_alone_spare_the_other_arguments():
    def layer(image: "absent.Layer", other: "float | absent.Film", width: float) -> float:  # noqa: F821
        return width.real

    types = declared_types(layer)
    assert fits("anything", types["image"])
    assert fits("anything", types["other"])
    assert not fits("wide", types["width"])


def test_what_is_not_the_callers_fault_stays_as_it_was():
    with pytest.raises(ZeroDivisionError):
        mean_of([0.0, 0.0])
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        mean_of()
    with pytest.raises(TypeError, match="unexpected keyword"):
        mean_of([1.0], width=2)

    def own(_):
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        mean_of([np.nan], weigh=own)


def test_too_much_memory_names_the_argument_and_the_amount():
    zeros = guarded_here(lambda n: np.zeros((n, n)))
    with pytest.raises(InputError, match=r"n asks for more memory than there is \(7.28 PiB"):
        zeros(32_000_000)


def test_public_functions_and_constructors_say_it():
    with pytest.raises(InputError, match=r"graph must be a SiteGraph; got 7\."):
        spin_glass(7)
    with pytest.raises(InputError, match=r"strength must be a finite number; got '3'\."):
        Yukawa(strength="3", screening_length=1.0, cutoff=3.0)


def copied_by_name(value):
    return ForkingPickler.loads(ForkingPickler.dumps(value))  # as executors do


def test_what_lacks_the_members_of_a_protocol_is_named():
    with pytest.raises(InputError, match=r"hamiltonian must be a.*Hamiltonian; got None"):
        choose_ladder(None, square_lattice((4, 4)), rng=1)


def test_guarded_names_are_pickled_by_name_and_keep_their_signature():
    assert copied_by_name(spin_glass) is spin_glass
    assert copied_by_name(spin_glass.__wrapped__) is spin_glass.__wrapped__
    graph = square_lattice((2, 2))
    assert copied_by_name(graph).n_sites == 4


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        (3, float, True), (np.float32(3), float, True), (True, float, False), ("3", float, False),
        (3, int, True), (3.0, int, False), (np.int8(3), int, True), (None, int | None, True),
        (np.zeros(3), ArrayLike | None, True), (None, ArrayLike, False), ({}, ArrayLike, False),
        ([[1], [2, 3]], ArrayLike, False), ("a", Literal["a", "b"], True),
        ("c", Literal["a"], False),
        ((1, 2.0), Pair, True), ((1,), Pair, False), ([1, 2], Sequence[int], True),
        (["a"], Sequence[int], False), ({"a": 1.0}, Mapping[str, float], True),
        ({1: 1.0}, Mapping[str, float], False), (len, Callable[..., int], True),
        ("free", float | str | None, True), (2.5, float | str | None, True),
        (2.5, float | None, True), ([], float | str | None, False),
        (7, Callable[..., int], False), (np.zeros(2, complex), NDArray[np.float64], True),
        (pd.DataFrame(), pd.DataFrame, True), ([], pd.DataFrame, False), (7, SiteGraph, False),
    ],
)  # fmt: skip
def test_values_are_held_against_annotations(value, hint, right):
    assert fits(value, hint) is right


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (float, "a number"), (int | None, "a whole number or None"),
        (ArrayLike, "an array of numbers"),
        (ArrayLike | None, "an array of numbers or None"), (Pair, "a pair of numbers"),
        (SiteGraph, "a SiteGraph"), (Sequence[str], "a sequence of a text"),
        (Literal["a", "b"], "one of 'a', 'b'"), (np.random.Generator, "a numpy.random.Generator"),
    ],
)  # fmt: skip
def test_annotations_are_told_in_words(hint, words):
    assert in_words(hint) == words


@guarded_here
def applied(step: Callable[[float], float], data: ArrayLike, rng: int = 0) -> float:
    return step(1.0)


class OwnModel:
    def __call__(self, _):
        return [][1]

    def method(self, _):
        raise ValueError("the user's own")


def own_step(_, scale):
    raise ValueError(f"the user's own {scale}")


def own_memory(_):
    raise MemoryError


def wrapped_again(_):
    try:
        own_step(1.0, 2)
    except ValueError as error:
        raise ArithmeticError("from the user's own") from error


HARMLESS_NAN = np.array([1.0, np.nan])


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (OwnModel(), IndexError), (OwnModel().method, ValueError), (own_memory, MemoryError),
        (functools.partial(own_step, scale=3), ValueError), (wrapped_again, ArithmeticError),
        (lambda _: next(iter(())), StopIteration),
    ],
)  # fmt: skip
def test_what_a_callback_raises_is_not_laid_at_an_argument(step, kind):
    with pytest.raises(kind) as told:
        applied(step, HARMLESS_NAN, rng=2**70)
    assert not isinstance(told.value, InputError)


@pytest.mark.parametrize(("step", "kind"), [("bug", KeyError), ("attribute", AttributeError)])
def test_a_slip_in_the_package_is_not_laid_at_missing_values(step, kind):
    def slips(data: ArrayLike, rng: int = 0) -> float:
        raise kind("a slip")

    with pytest.raises(kind) as told:
        guarded_here(slips)(HARMLESS_NAN, rng=2**60)
    assert not isinstance(told.value, InputError)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError, ComplexWarning])
def test_what_ends_a_run_passes(kind):
    def stops(data: ArrayLike) -> float:
        raise kind

    with pytest.raises(kind) as told:
        guarded_here(stops)(HARMLESS_NAN)
    assert type(told.value) is kind


def test_the_first_error_is_the_cause_and_memory_stays_memory():
    with pytest.raises(InputError) as told:
        mean_of([np.nan])
    assert isinstance(told.value.__cause__, ValueError)
    zeros = guarded_here(lambda n: np.zeros((n, n)))
    with pytest.raises(MemoryError, match="n asks for more") as told:
        zeros(32_000_000)
    assert isinstance(told.value, InputError)
    assert isinstance(told.value.__cause__, MemoryError)


def test_an_argument_that_cannot_be_looked_at_leaves_the_first_error():
    class Hostile:
        def __getattribute__(self, name):
            raise RuntimeError("looked at")

        def __repr__(self):
            raise RuntimeError("shown")

    with pytest.raises((TypeError, RuntimeError)) as told:
        mean_of(Hostile())
    assert not isinstance(told.value, InputError)


def test_arrays_elsewhere_are_not_brought_here_to_be_looked_at():
    class OnDisk:
        dtype = np.dtype(float)
        shape = (10**9, 10**9)

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("brought")

    assert fits(OnDisk(), ArrayLike)


def test_looking_for_masks_asks_no_attribute_of_an_argument():
    class Asked:
        def __getattr__(self, name):
            raise AssertionError(name)

    assert guarded_here(lambda value: value.__class__)(Asked()) is Asked
