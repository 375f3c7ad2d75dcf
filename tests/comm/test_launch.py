"""Processes: every failure names its rank, and no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from mlsys_lib.comm import Communicator, LostRankError, ProcessPool, RankError, launch
from tests.comm import bodies


@pytest.fixture(scope="module")
def two() -> Iterator[ProcessPool]:
    """Two processes of this module's own, which are killed and started again."""
    with ProcessPool(2) as processes:
        yield processes


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def still_works(pool: ProcessPool) -> None:
    assert pool.run(bodies.answer).results == (0, 10)


def test_launch_starts_and_ends_its_processes() -> None:
    before = children()
    run = launch(bodies.process_id, 2)
    assert len({*run.results, os.getpid()}) == 3
    assert children() == before
    assert run.wall_s is not None and len(run.wall_s) == 2


def test_a_pool_keeps_its_processes(two: ProcessPool) -> None:
    assert two.run(bodies.process_id).results == two.run(bodies.process_id).results


def test_a_rank_that_raises_costs_no_process(two: ProcessPool) -> None:
    """All ranks have told their errors, so all can take the next run."""
    before = two.run(bodies.process_id).results
    with pytest.raises(RankError, match="rank 1 raised ArithmeticError: the planted fault"):
        two.run(bodies.fails_at, 1)
    assert two.run(bodies.process_id).results == before


def test_a_killed_process_is_named(two: ProcessPool) -> None:
    before = set(two.run(bodies.process_id).results)
    with pytest.raises(RankError, match=r"^rank 1 was killed by signal 9$") as caught:
        two.run(bodies.kills_itself, 1)
    assert caught.value.rank == 1
    assert not before & children()
    still_works(two)


def test_a_process_that_exits_is_named(two: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"^rank 0 ended with exit code 3$"):
        two.run(bodies.exits)
    still_works(two)


def test_a_timeout_names_the_waiting_rank_and_its_peer(two: ProcessPool) -> None:
    with pytest.raises(LostRankError, match=r"rank 1 waited to receive from rank 0 \(tag 0\)"):
        two.run(bodies.waits_for_nobody, timeout_s=1.0)
    still_works(two)


def test_a_result_that_cannot_travel_is_the_ranks_error(two: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"rank [01] raised \w+: .*pickle"):
        two.run(bodies.result_that_cannot_travel)
    still_works(two)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda comm: None, "function must be importable by name, got .*<lambda>"),
        (3, "function must be importable by name, got 3"),
    ],
)
def test_a_function_must_be_found_by_name(two: ProcessPool, function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two.run(function)
    still_works(two)


def test_a_function_of_main_is_sent_to_a_module() -> None:
    """As a notebook's cell would be: the error says what to do, before any process starts."""
    script = (
        "from mlsys_lib.comm import launch\n"
        "def mine(comm): pass\n"
        "try: launch(mine, 2)\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("function must live in a module, got mine of __main__: other")


def test_arguments_must_be_picklable(two: ProcessPool) -> None:
    with pytest.raises(TypeError, match="args must be picklable to reach another process"):
        two.run(bodies.blocking, lambda: None)
    still_works(two)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"world_size": 3}, "world_size must be an integer in 1…2, got 3"),
        ({"world_size": 0}, "world_size must be an integer in 1…2, got 0"),
        ({"timeout_s": 0}, "timeout_s must be finite and > 0, got 0"),
    ],
)
def test_bad_calls_are_refused(two: ProcessPool, call: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        two.run(bodies.answer, **call)


def test_unchecked_messages_carry_the_same(two: ProcessPool) -> None:
    x = np.arange(5.0)
    for checked in (True, False):
        run = two.run(bodies.blocking, x, checked=checked)
        np.testing.assert_array_equal(run.results, [x + x, x])
        assert run.ledger.sent_bytes == (40, 40)
    np.testing.assert_array_equal(two.run(bodies.with_gaps, checked=False).results[0][0][2], 101.0)


ORPHANS = """
import sys
from mlsys_lib.comm import ProcessPool
from tests.comm import bodies
pool = ProcessPool(2)
print(*pool.run(bodies.process_id).results, flush=True)
pool.run(bodies.long_sleep)
"""


def test_a_killed_parent_takes_its_processes_along() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    with parent.stdout:
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        time.sleep(0.2)  # let the long run begin
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


class Counter:
    """Something whose method needs more than a communicator."""

    def run(self, comm: Communicator | None = None) -> str:
        return type(self).__name__


def test_a_bound_method_is_refused() -> None:
    """By name it would be found without its object, and take the communicator for it."""
    with pytest.raises(ValueError, match=r"function must be what .* calls Counter\.run"):
        launch(Counter().run, 1)


def test_a_closed_pool_says_so() -> None:
    pool = ProcessPool(1)
    pool.close()
    with pytest.raises(ValueError, match="the pool is closed"):
        pool.run(len)
