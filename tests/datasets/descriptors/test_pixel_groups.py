"""The table of groups: every name makes its own class, and each class says what it needs."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import PatchOptions
from physlearn.datasets.channels.axis_frame import AxisFrame
from physlearn.datasets.descriptors.pixel_groups import (
    GROUPS,
    KINDS,
    PARTS,
    make_groups,
    need_squares,
    to_redraw,
)
from physlearn.datasets.descriptors.pixel_noise import PixelNoise

FRAME = AxisFrame((0.0, 0.0), (1.0, 1.0), (64, 64), "nm")
PICTURE = np.random.default_rng(0).normal(size=(64, 64))


def made(names, noise=None):
    return make_groups(names, (16, 16), PICTURE, FRAME, noise)


def test_every_name_makes_its_own_class():
    for name, kind in KINDS.items():
        (group,) = made([name])
        assert type(group) is kind.group
        assert len(group.words) == len(group.units) == len(group.tiers)
    words = [word for group in made(list(KINDS)) for word in group.words]
    assert len(set(words)) == len(words)
    # a group of several names its parts; nothing is computed twice
    assert len(made(GROUPS)) == len(KINDS)
    with pytest.raises(InputError, match="descriptors must be one of mean, variance"):
        made(["momentum"])


def test_what_turns_with_the_pattern_needs_square_pixels():
    stay, left = need_squares(GROUPS)
    assert left == ["symmetry", "threefold", "radial", "polar_fourier"]
    assert sorted(stay + left) == sorted(KINDS)
    assert need_squares(["texture", "roughness"]) == (["roughness"], ["symmetry", "threefold"])


def test_errors_that_are_drawn_again():
    always = {"skewness", "crystallinity", "threefold", "polar_fourier"}
    never = {"mean", "variance", "radial"}
    for name in KINDS:
        groups = made([name])
        n = len(groups[0].words)
        for row_variance, drawn in ((0.0, name in always), (0.5, name not in never)):
            told = to_redraw(groups, PixelNoise(1.0, row_variance=row_variance), n + 3)
            # the user's own columns stand behind: they are drawn anyway
            assert told.tolist() == [drawn] * n + [False] * 3


def test_groups_and_their_columns_stand_in_the_options():
    """Who reads the options need not guess which group gives which column."""
    said = " ".join(PatchOptions.__doc__.split())
    for name, kind in KINDS.items():
        assert name in said
        words = [word for word in made([name])[0].words if word]
        if 0 < len(words) < 3 and words != [name]:
            assert f"{name} ({', '.join(words)})" in said, kind
    for name, parts in PARTS.items():
        assert f"{name} " in said
        assert ", ".join(parts) in said
