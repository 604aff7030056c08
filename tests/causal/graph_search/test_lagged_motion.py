import numpy as np
import pandas as pd
import pytest

from physlearn.causal.graph_search.lagged_motion import pattern_motion
from physlearn.causal.graph_search.lagged_tables import lagged_tables, pooled_columns
from physlearn.records import PatchTable


def _motion(fields, grid, seed, *, step=(0.0, 0.0), memory=0.6, n_frames=8, edge=16):
    """Return what is seen of fields that move by `step` patches, in patches."""
    rng = np.random.default_rng(seed)
    wide = 2 * edge
    wave = np.fft.fftfreq(wide)
    turn = np.exp(-2j * np.pi * (wave[:, None] * step[1] + wave[None, :] * step[0]))
    state = np.zeros((3, wide, wide))
    tables = []
    for k in range(6 + n_frames):
        state = memory * np.fft.ifft2(np.fft.fft2(state) * turn).real
        state += fields(wide, 1.5, 3, rng).reshape(state.shape)
        if k >= 6:
            seen = pd.DataFrame(state[:, :edge, :edge].reshape(3, -1).T, columns=list("abc"))
            tables.append(PatchTable.from_frame(seen, 2.0 * grid(edge), 2.0))
    columns = pooled_columns(lagged_tables(tables))
    return pattern_motion(columns, columns.layout, [(k, k + 3) for k in range(3)])


@pytest.mark.parametrize("step", [(1.0, 0.0), (0.0, -2.0), (0.5, 0.3)])
def test_motion_is_seen_and_about_right(fields, grid, step):
    for seed in range(8):
        seen = _motion(fields, grid, seed, step=step)
        assert seen is not None
        np.testing.assert_allclose(seen, 2.0 * np.array(step), atol=0.7)


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.9])
def test_no_motion_is_seen_where_nothing_moves(fields, grid, memory):
    seen = [_motion(fields, grid, seed, memory=memory) for seed in range(15)]
    assert seen.count(None) >= 14


def test_two_frames_are_not_enough_for_less_than_a_patch(fields, grid):
    assert _motion(fields, grid, 0, step=(0.3, 0.0), n_frames=2) is None
