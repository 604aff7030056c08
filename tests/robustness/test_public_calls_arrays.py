"""Arrays of every kind, drawn by hypothesis, into the doors that all data pass."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from physlearn import AtomicConfiguration, InputError, LatticeSnapshots, NotIdentified, SiteGraph
from physlearn.checks import check_array, check_count, check_image, check_positive
from physlearn.datasets import find_atoms
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.lattice_models import (
    Ising,
    exact_enumeration,
    site_graph_from_positions,
    square_lattice,
)

OURS = (InputError, NotIdentified)
quick = settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip

KINDS = st.one_of(
    arrays_of.floating_dtypes(endianness="?"),
    arrays_of.integer_dtypes(endianness="?"),
    arrays_of.unsigned_integer_dtypes(endianness="?"),
    arrays_of.boolean_dtypes(),
    arrays_of.complex_number_dtypes(endianness="?"),
    arrays_of.unicode_string_dtypes(max_len=3),
    st.just(np.dtype(object)),
)
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def any_arrays(draw):
    kind = draw(KINDS)
    elements = st.sampled_from([None, 1, "a", 2.5]) if kind.hasobject else None
    array = draw(arrays_of.arrays(kind, draw(SHAPES), elements=elements))
    memory = draw(st.sampled_from(["plain", "reversed", "Fortran", "strided", "locked", "masked"]))
    if memory == "reversed" and array.ndim:
        return array[::-1]
    if memory == "Fortran":
        return np.array(array, order="F")
    if memory == "strided":
        return np.repeat(array[..., None], 2, axis=-1)[..., 0]
    if memory == "locked":
        array.setflags(write=False)
    if memory == "masked" and array.size:
        mask = np.zeros(array.shape, bool)
        mask.flat[0] = True
        return np.ma.array(array, mask=mask)
    return array


@quick
@given(any_arrays(), st.sampled_from([np.float64, np.float32, np.int64, np.int8]))
def test_check_array_returns_the_same_numbers_or_refuses(array, kind):
    try:
        got = check_array("x", array, dtype=kind, allow_empty=True)
    except InputError as error:
        assert str(error).startswith("x must")
        return
    assert got.dtype == kind and got.flags.c_contiguous and got.shape == array.shape
    assert not np.ma.isMaskedArray(array)
    assert np.isfinite(got).all()
    step = np.finfo(kind).eps if np.dtype(kind).kind == "f" else 0
    wide = np.asarray(array, np.longdouble)
    assert np.all(np.abs(got - wide) <= step * np.abs(wide) + np.finfo(np.float32).tiny)


@quick
@given(any_arrays())
def test_pictures_are_seen_or_refused(array):
    for door in (check_image, find_atoms):
        with pytest.raises(InputError):  # none is as large as 16 x 16
            door(array)


@quick
@given(any_arrays())
def test_positions_make_a_record_or_are_refused(array):
    before = array.copy()
    for door in (
        lambda positions: AtomicConfiguration(positions=positions, species=["A"] * 3),
        lambda positions: site_graph_from_positions(positions, [1.5]),
    ):
        with suppress(*OURS):
            door(array)
        assert array.dtype == before.dtype and array.tobytes() == before.tobytes()


@quick
@given(any_arrays(), st.sampled_from(["states", "edges", "coupling"]))
def test_lattices_are_built_or_refused(array, place):
    graph = square_lattice((2, 2))
    try:
        if place == "states":
            made = LatticeSnapshots(states=array, graph=graph, state_values=(-1, 1))
            assert np.isin(np.asarray(made.states), (-1, 0, 1)).all() or made.states.size
        elif place == "edges":
            SiteGraph(4, array, [0], [1])
        else:
            ensemble = exact_enumeration(Ising(array), graph)
            assert np.isfinite(ensemble.log_partition)
    except OURS:
        return


@quick
@given(
    st.one_of(
        st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=5),
        st.complex_numbers(), st.lists(st.integers(), max_size=2), any_arrays(),
    ),
)  # fmt: skip
def test_numbers_are_numbers_or_refused(value):
    for check in (check_positive, lambda name, given: check_count(name, given, 0)):
        try:
            got = check("x", value)
        except InputError as error:
            assert len(str(error)) < 500
        else:
            assert got == value and 0 <= got < np.inf and not isinstance(value, bool)


@pytest.mark.parametrize("bad", [None, 7, "states", [], {}, np.zeros(3), float("nan")])
def test_no_data_at_all_is_told_in_one_sentence(bad):
    with pytest.raises(InputError, match="must be"):
        fit_lattice_hamiltonian(bad)
