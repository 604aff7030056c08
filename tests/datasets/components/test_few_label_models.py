"""What few labels foretell, against the Student law of a new row."""

import numpy as np
import pytest
from scipy import stats

from physlearn.datasets.components import few_label_models


@pytest.mark.parametrize("d", [1, 3])
def test_few_labels_foretell_a_student_wider_by_the_error_of_their_mean(d):
    """A class of one label is twice as wide in variance as its spread, one of nine by a ninth."""
    rng = np.random.default_rng(d)
    root = rng.normal(size=(d, d)) + 2 * np.eye(d)
    shared, means = root @ root.T, rng.normal(size=(2, d))
    number, scores = np.array([1, 9]), rng.normal(0, 3, (40, d))
    free = 8  # ten labels, two means
    law = np.stack(
        [stats.multivariate_t(mean, (1 + 1 / n) * shared, df=free).logpdf(scores)
         for mean, n in zip(means, number, strict=True)], axis=1,
    )  # fmt: skip
    law -= np.logaddexp(*law.T)[:, None]
    found = few_label_models._student(scores, means, shared, number)
    np.testing.assert_allclose(found, law, atol=1e-10)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0)
