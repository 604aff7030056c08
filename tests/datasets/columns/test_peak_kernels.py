import numpy as np

from physlearn.datasets.columns.peak_kernels import local_maxima


def test_a_plateau_is_one_maximum():
    values = np.zeros((8, 8))
    values[3:5, 3:5] = 1.0
    assert len(local_maxima(values, 0.5)) == 1
    assert len(local_maxima(values, 2.0)) == 0


def test_compiled_and_plain_forms_find_the_same_and_all_up_to_the_border():
    values = np.random.default_rng(0).normal(size=(40, 50))
    found = local_maxima(values, 0.5)
    assert np.array_equal(found, local_maxima.py_func(values, 0.5))
    expected = [
        (j, i)
        for j in range(40)
        for i in range(50)
        if values[j, i] > 0.5
        and values[j, i] == values[max(0, j - 1) : j + 2, max(0, i - 1) : i + 2].max()
    ]
    assert [tuple(point) for point in found.tolist()] == expected
