"""A real cluster of two processes: same answers, also when its workers are killed."""

from pathlib import Path

import numpy as np
import pytest

from physlearn.executors import open_workers
from physlearn.inference import check_calibration, fit_batch

distributed = pytest.importorskip("distributed")
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def tasks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        import executor_tasks

        yield executor_tasks


@pytest.fixture(scope="module")
def client(tasks):
    import dask

    # every death costs a start: a task is given up, with all beside it, at the first
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_one_and_two_workers_answer_as_none(tasks, client):
    def run(executor):
        return check_calibration(
            tasks.simulate, tasks.fit, {"mean": 1.0}, 24, rng=5, executor=executor
        )  # fmt: skip

    alone = run(None)
    only = client.get_executor(workers=[min(client.nthreads())])
    for found in (run(client), run(only)):
        for name in ("truths", "means", "sds", "ranks", "pits"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


def test_killed_workers_change_nothing_and_one_that_kills_is_given_up_alone(
    tasks, client, tmp_path
):
    data = [[np.full(4, float(k))] for k in range(8)]
    alone = fit_batch(tasks.mean_of, data, rng=3)
    data[2].append(str(tmp_path / "once"))
    data[5].append("never")
    found = fit_batch(tasks.mean_of, data, executor=client, rng=3)
    assert list(found.refusals) == [5]
    assert "given up" in found.refusals[5]
    for place in {*range(8)} - {5}:
        np.testing.assert_array_equal(found.fits[place], alone.fits[place])


def test_a_cluster_is_reached_by_its_address_and_left_running(tasks, client):
    with open_workers(f"dask:{client.scheduler.address}") as workers:
        assert workers.n_workers >= 1
        assert not workers.shares_memory
        assert [n for _, n in workers.run(tasks.square, ((k,) for k in range(50)))] == [
            k * k for k in range(50)
        ]
    assert client.submit(tasks.square, 3).result() == 9
