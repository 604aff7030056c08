"""Whoever does the work, and whatever happens to them, the answer is the same."""

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from physlearn.causal import run_campaigns
from physlearn.checks import InputError
from physlearn.executors import WorkerLost, Workers, open_workers
from physlearn.inference import check_calibration, fit_batch
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.law_bootstrap import bootstrap_laws

HERE = Path(__file__).resolve().parent
PATIENCE_S = 60.0


@pytest.fixture
def tasks(monkeypatch):
    """The functions of `executor_tasks`; workers get this process's path."""
    monkeypatch.syspath_prepend(HERE)
    import executor_tasks

    return executor_tasks


def same(one, other):
    """Whether all numbers of two calibrations are the same, but the clock's."""
    names = ("truths", "means", "sds", "ranks", "pits")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("executor", ["threads:1", "threads:2", "threads:8", "processes:2"])
def test_the_answer_is_that_of_one_after_the_other(tasks, executor):
    def run(who):
        return check_calibration(
            tasks.simulate, tasks.fit, {"mean": 1.0}, 24, rng=5, executor=who
        )  # fmt: skip

    assert same(run(None), run(executor))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes:1", "processes:8", "dask:1", "dask:8"])
def test_the_answer_is_that_of_more_workers(tasks, executor):
    runs = [
        check_calibration(tasks.simulate, tasks.fit, {"mean": 1.0}, 100, rng=5, executor=who)
        for who in (None, executor)
    ]
    assert same(*runs)


def batch(folder, kills):
    """Data sets; those at the places ``kills`` are followed by a mark that kills their worker."""
    data = [[np.full(4, float(k))] for k in range(8)]
    for place, mark in kills.items():
        data[place].append("never" if mark == "never" else str(folder / mark))
    return data


def test_a_killed_worker_is_replaced_and_one_that_kills_is_given_up_alone(tasks, tmp_path):
    alone = fit_batch(tasks.mean_of, batch(tmp_path, {}), rng=3)
    data = batch(tmp_path, {2: "once", 5: "never"})
    found = fit_batch(tasks.mean_of, data, executor="processes:2", rng=3)
    assert list(found.refusals) == [5]
    assert "worker process died 3 time(s)" in found.refusals[5]
    for place in {*range(8)} - {5}:
        np.testing.assert_array_equal(found.fits[place], alone.fits[place])


def test_a_pool_of_the_user_that_breaks_is_replaced(tasks, tmp_path):
    alone = fit_batch(tasks.mean_of, batch(tmp_path, {}), rng=3)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = fit_batch(tasks.mean_of, batch(tmp_path, {1: "once"}), executor=pool, rng=3)
    assert not found.refusals
    np.testing.assert_array_equal(found.fits, alone.fits)


def test_a_script_without_its_guard_gets_a_sentence_and_not_endless_processes(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        textwrap.dedent("""
        from physlearn.executors import open_workers
        def twice(x):
            return 2 * x
        with open_workers("processes:1") as workers:
            print(list(workers.run(twice, [(1,)])))
    """)
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=PATIENCE_S * 4
    )
    assert done.returncode != 0
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import time
        from physlearn.executors import open_workers
        if __name__ == "__main__":
            with open_workers("processes:1") as workers:
                list(workers.run(print, [("begun",)]))
                list(workers.run(time.sleep, [(600,)]))
    """)
    )
    parent = subprocess.Popen([sys.executable, "-u", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "begun\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    begun = monotonic()
    while psutil.wait_procs(children, timeout=1)[1] and monotonic() < begun + PATIENCE_S:
        sleep(0.1)
    assert children
    assert not any(one.is_running() for one in children)


def test_tasks_are_taken_as_workers_become_free(tasks):
    taken = []
    with open_workers("threads:2") as workers:
        answers = workers.run(tasks.square, ((taken.append(k) or k,) for k in range(1000)))
        assert next(answers) == (0, 0)
        assert len(taken) <= 4
        assert [answer for _, answer in answers] == [k * k for k in range(1, 1000)]


def test_what_a_task_raises_is_raised_and_the_rest_is_taken_back():
    begun = []

    def broken(number):
        begun.append(number)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), open_workers("threads:2") as workers:
        list(workers.run(broken, ((k,) for k in range(1000))))
    assert len(begun) <= 6


def blas_threads(_number=0):
    return max(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")


def test_linear_algebra_has_one_thread_in_every_task_and_is_given_back():
    with threadpool_limits(limits=2, user_api="blas"):
        for executor in (None, "threads:4"):
            with open_workers(executor) as workers:
                each = [n for _, n in workers.run(blas_threads, ((k,) for k in range(20)))]
            assert set(each) == {1}
            assert blas_threads() == 2


@pytest.mark.parametrize(
    "name", ["", "thread", "threads:", "threads:0", "processes:-1", "processes:two", "dask:", 3]
)
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="executor must be one of serial"), open_workers(name):
        pass


def test_functions_that_cannot_travel_are_refused_before_any_process(tasks):
    with (
        pytest.raises(InputError, match=r"functions that can be imported; .*lambda"),
        open_workers("processes:2") as workers,
    ):
        next(workers.run(lambda x: x, [(1,)]))
    with pytest.raises(InputError, match="must be what workers were opened from"):
        fit_batch(tasks.mean_of, [1], executor=Workers(None, lambda: 1))


def test_a_dead_scheduler_is_said():
    pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match=r"'127\.0\.0\.1:9' does not"),
        open_workers("dask:127.0.0.1:9"),
    ):
        pass


def test_a_lost_task_is_raised_or_stands_in(tasks):
    with open_workers("processes:1") as workers:
        found = dict(workers.run(os._exit, [(1,)], if_lost=str))
        assert "Task 0 was given up" in found[0]
        with pytest.raises(WorkerLost, match="Task 0"):
            list(workers.run(os._exit, [(1,)]))
        assert list(workers.run(tasks.square, [(3,)])) == [(0, 9)]


def test_campaigns_do_not_depend_on_workers_and_go_on_from_their_files(tasks, tmp_path):
    alone = run_campaigns(tasks.campaign, 3, rng=2)
    options = {"executor": "threads:2", "rng": 2, "folder": tmp_path}
    run_campaigns(tasks.campaign, 3, max_steps=1, **options)
    seen = []
    together = run_campaigns(
        tasks.campaign, 3, progress=lambda done, n: seen.append((done, n)), **options
    )
    assert alone.table.equals(together.table)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert len(list(tmp_path.glob("campaign-*.json"))) == 3
    assert (alone.table["hypothesis"].dropna() == "steep").all()
    assert run_campaigns(tasks.refused_campaign, 2, rng=1).refusals == dict.fromkeys(
        (0, 1), "no twin today."
    )


def test_bootstrap_does_not_depend_on_workers():
    y = np.random.default_rng(1).normal(2.0, 1.0, 40)

    def fit(rows):
        law = Equation((Term(float(y[rows].mean()), (1,)),), 1.0, 0.0, 1)
        return EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 1.0)

    one, two = (
        bootstrap_laws(fit, np.arange(40) // 4, n=30, rng=2, executor=who)
        for who in (None, "threads:2")
    )
    np.testing.assert_array_equal(
        one.constants_interval([("c",)]), two.constants_interval([("c",)])
    )
