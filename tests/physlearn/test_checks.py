"""The shared argument checks."""

import numpy as np
import pytest

from physlearn.checks import (
    InputError,
    NotFound,
    as_generator,
    check_array,
    check_choice,
    check_count,
    check_image,
    check_positive,
    check_temperature,
)
from physlearn.whole_files import atomic_write


def test_seed_is_handed_back_and_repeats():
    drawn, seed = as_generator(None)
    again, _ = as_generator(seed)
    assert drawn.integers(2**60) == again.integers(2**60)
    first, _ = as_generator(np.random.default_rng(1))
    second, _ = as_generator(np.random.default_rng(1))
    assert first.random() == second.random()


@pytest.mark.parametrize("bad", [-1, 1.5, "7", True])
def test_bad_seed_is_named(bad):
    with pytest.raises(InputError, match="rng must be"):
        as_generator(bad)


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ([[1, 2], [3]], {}, "rectangular array"),
        (["a"], {}, "real numbers"),
        ([1j], {}, "real numbers"),
        (np.ma.masked_array([1.0], [True]), {}, "masked"),
        ([], {}, "must not be empty"),
        ([1.0, np.inf], {}, r"index \(1,\)"),
        ([300], {"dtype": np.int8}, "fit int8; got 300"),
        ([[1.0]], {"shape": (None,)}, r"shape \(n,\), got \(1, 1\)"),
        ([0.0], {"minimum": 1.0}, "at least 1.0"),
        ([1.0, 1e300], {"dtype": np.float32}, r"fit float32; got 1e\+300 at index \(1,\)"),
    ],
)
def test_check_array_names_the_fault(value, options, message):
    with pytest.raises(InputError, match=message):
        check_array("x", value, **options)


def test_one_number_keeps_its_shape():
    whole = check_array("x", np.asarray(3.0), dtype=np.int64)
    assert whole.shape == () and whole == 3
    with pytest.raises(InputError, match=r"fit int64; got 3.5 at index \(\)"):
        check_array("x", np.asarray(3.5), dtype=np.int64)


def test_check_array_takes_strange_memory():
    plain = np.arange(12.0).reshape(3, 4)
    for strange in (np.asfortranarray(plain), plain.astype(">f8"), plain[:, ::-1][:, ::-1]):
        result = check_array("x", strange)
        np.testing.assert_array_equal(result, plain)
        assert result.flags.c_contiguous
        assert result.dtype.isnative


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((20, 20, 3)), "colour picture"),
        (np.zeros((5, 20, 20)), "read_video"),
        (np.zeros((20, 20)), "constant"),
        (np.eye(8), "at least 16 x 16"),
        (np.full((20, 20), np.nan), "NaN"),
    ],
)
def test_check_image_names_the_fault(image, message):
    with pytest.raises(InputError, match=message):
        check_image(image)


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf, "1", True, None])
def test_check_positive_refuses(bad):
    with pytest.raises(InputError, match="x must be"):
        check_positive("x", bad)


def test_check_choice_lists_the_choices():
    with pytest.raises(InputError, match="one of a, b; got 'c'"):
        check_choice("x", "c", ("a", "b"))


def test_atomic_write_leaves_no_half_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="folder that exists"), atomic_write(tmp_path / "b" / "c"):
        pass


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (300.0, r"must be a pair \(mean, standard deviation\)"),
        ((1.0, 2.0, 3.0), "standard deviation"),
        ((0.0, 1.0), "temperature mean"), ((300.0, -1.0), "temperature sd"),
        ((300.0, np.nan), "temperature sd"), ((300.0, 101.0), "better than to a third"),
    ],
)  # fmt: skip
def test_temperature_is_a_mean_and_a_deviation(bad, sentence):
    assert check_temperature([300, 100]) == (300.0, 100.0)
    with pytest.raises(InputError, match=sentence):
        check_temperature(bad)


@pytest.mark.parametrize("bad", [2**70, 10**12, -1, 2.0, True, None, np.array([1, 2]), "3"])
def test_counts_that_nothing_reaches_are_refused(bad):
    with pytest.raises(InputError, match="n_sweeps must be"):
        check_count("n_sweeps", bad, 0)


@pytest.mark.parametrize("bad", [2**2000, -(2**2000), np.array([1.0, 2.0]), None, "x" * 10**6])
def test_refusals_of_huge_values_are_short(bad):
    for check in (check_positive, lambda name, value: check_choice(name, value, ("a", "b"))):
        with pytest.raises(InputError, match=r"^x must be") as refusal:
            check("x", bad)
        assert len(str(refusal.value)) < 400


def test_a_masked_picture_is_refused():
    picture = np.arange(400.0).reshape(20, 20)
    with pytest.raises(InputError, match="masked array"):
        check_image(np.ma.array(picture, mask=picture > 200))


@pytest.mark.parametrize("bad", [np.asarray(300.0), "ab", b"ab", None])
def test_a_temperature_that_is_no_pair_is_refused(bad):
    with pytest.raises(InputError, match="temperature must be a pair"):
        check_temperature(bad)


def test_a_refusal_shows_the_ends_of_a_text_of_any_length():
    """A damaged file's text may stand in it."""
    said = str(InputError(f"name must be short; got {'x' * 10_000}, row 7."))
    assert said.startswith("name must be short; got xxx")
    assert said.endswith("xxx, row 7.")
    assert len(said) < 700
    assert str(NotFound("path is gone.")) == "path is gone."
