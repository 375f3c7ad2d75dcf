"""Simulated ranks: deterministic, strict, and never hanging."""

import _thread
import signal
import threading
from typing import Any

import numpy as np
import pytest

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import (
    CommunicationError,
    Communicator,
    DeadlockError,
    MessageError,
    RankError,
    simulate,
    wait_all,
)
from tests.comm import bodies


def refused(kind: type[Exception], message: str, function: Any, world_size: int) -> Exception:
    with pytest.raises(kind) as caught:
        simulate(function, world_size)
    assert message in str(caught.value)
    return caught.value


def test_deadlock_names_who_waits_for_whom() -> None:
    def all_receive(comm: Communicator) -> None:
        comm.recv(np.empty(1), (comm.rank + 1) % comm.world_size, tag=4)

    error = refused(DeadlockError, "deadlock: rank 0 waits to receive", all_receive, 3)
    assert str(error) == (
        "deadlock: rank 0 waits to receive from rank 1 (tag 4); "
        "rank 1 waits to receive from rank 2 (tag 4); rank 2 waits to receive from rank 0 (tag 4)"
    )


def test_a_send_waits_however_small_it_is() -> None:
    """A network with buffers would let this pass, until the day that the arrays grow."""

    def all_send_first(comm: Communicator) -> None:
        comm.send(np.zeros(1), 1 - comm.rank)
        comm.recv(np.zeros(1), 1 - comm.rank)

    refused(DeadlockError, "rank 1 waits to send to rank 0 (tag 0)", all_send_first, 2)


def test_mismatched_tags_are_a_deadlock_that_shows_the_tags() -> None:
    def differ(comm: Communicator) -> None:
        if comm.rank == 0:
            comm.send(np.zeros(1), 1, tag=1)
        else:
            comm.recv(np.zeros(1), 0, tag=2)

    message = "rank 0 waits to send to rank 1 (tag 1); rank 1 waits to receive from rank 0 (tag 2)"
    refused(DeadlockError, message, differ, 2)


def test_waiting_for_a_rank_that_has_ended() -> None:
    def one_waits(comm: Communicator) -> None:
        if comm.rank:
            comm.recv(np.zeros(1), 0)

    message = "rank 1 waits to receive from rank 0 (tag 0); ended: rank(s) [0]"
    refused(DeadlockError, message, one_waits, 2)


def test_recv_any_without_a_sender_is_a_deadlock() -> None:
    def wait(comm: Communicator) -> None:
        if comm.rank == 0:
            comm.recv_any(np.zeros(1), tag=3)

    message = "rank 0 waits to receive from any of [1, 2] (tag 3); ended: rank(s) [1, 2]"
    refused(DeadlockError, message, wait, 3)


def test_a_message_that_nobody_receives_is_an_error() -> None:
    def post(comm: Communicator) -> None:
        if comm.rank == 0:
            comm.isend(np.zeros(1), 1, tag=6)

    message = "1 message(s) from rank 0 to rank 1 (tag 6) were never received"
    refused(MessageError, message, post, 2)


def test_an_array_changed_before_wait_is_an_error() -> None:
    def change(comm: Communicator) -> None:
        x = np.zeros(3)
        if comm.rank == 0:
            request = comm.isend(x, 1)
            x[1] = 5
            request.wait()
        else:
            comm.recv(x, 0)

    message = "x must not change until wait: rank 0 changed what it was sending to rank 1"
    refused(RankError, message, change, 2)


def test_what_was_sent_is_a_copy() -> None:
    def send_then_change(comm: Communicator) -> float:
        x = np.ones(1)
        if comm.rank == 0:
            comm.send(x, 1)
            x[:] = 99
        else:
            comm.recv(x, 0)
        return x.item()

    assert simulate(send_then_change, 2).results == (99.0, 1.0)


def test_cause_and_place_of_a_failure_are_kept() -> None:
    with pytest.raises(RankError) as caught:
        simulate(bodies.fails_at, 4, 2)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    assert caught.value.rank == 2
    assert "rank 2 raised ArithmeticError: the planted fault (fails_at, line" in str(caught.value)


def fail_while_others_wait(comm: Communicator) -> None:
    bodies.fails_at(comm, 1)


def interrupt_main(comm: Communicator) -> None:
    if comm.rank == 1:
        _thread.interrupt_main()
    for _ in range(2_000):
        out = np.empty(1)
        bodies.pass_on(comm, np.zeros(1), out)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (fail_while_others_wait, RankError),
        (bodies.non_blocking, None),
        (bodies.waits_for_nobody, DeadlockError),
        (interrupt_main, KeyboardInterrupt),
    ],
)
def test_no_thread_is_left_behind(
    function: Any, kind: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    before = set(threading.enumerate())
    if kind is None:
        simulate(function, 8)
    else:
        with pytest.raises(kind):
            simulate(function, 8)
    assert set(threading.enumerate()) == before


def test_exactly_one_rank_runs_at_a_time() -> None:
    running: list[int] = []

    def body(comm: Communicator) -> None:
        for _ in range(20):
            running.append(comm.rank)
            assert running == [comm.rank]
            running.pop()
            bodies.pass_on(comm, np.zeros(1), np.zeros(1))

    simulate(body, 8)


def test_two_runs_write_the_same_log() -> None:
    for function in (bodies.non_blocking, bodies.take_any, ring_all_reduce):
        args = (np.arange(7.0),) if function is ring_all_reduce else ()
        assert simulate(function, 7, *args).ledger == simulate(function, 7, *args).ledger


def test_a_run_may_start_inside_a_run() -> None:
    def outer(comm: Communicator) -> float:
        inner = simulate(ring_all_reduce, 3, np.array([float(comm.rank)]))
        return ring_all_reduce(comm, inner.results[0]).item()

    run = simulate(outer, 4)
    assert run.results == (18.0,) * 4
    assert len(run.ledger.messages) == 4 * 6  # the inner runs keep their own ledgers


def test_wait_all_of_nothing_is_nothing() -> None:
    assert simulate(lambda comm: wait_all([]), 2).results == (None, None)


def test_a_rank_that_communicates_while_it_is_unwound_does_not_hang() -> None:
    """Rank 2 fails; the others try to say goodbye, or swallow whatever comes."""

    def body(comm: Communicator) -> None:
        if comm.rank == 2:
            raise ValueError("boom")
        try:
            comm.recv(np.empty(1), 2)
        finally:
            comm.send(np.zeros(1), 2)

    with pytest.raises(RankError, match="rank 2 raised ValueError: boom"):
        simulate(body, 3)


def test_a_communicator_ends_with_its_run() -> None:
    comm = simulate(lambda comm: comm, 2).results[0]
    with pytest.raises(CommunicationError, match="the run that rank 0 belonged to has ended"):
        comm.recv(np.empty(1), 1)


def test_a_late_server_takes_what_started_first() -> None:
    """All three wait when the server looks; the one that has waited longest comes first."""

    def body(comm: Communicator) -> list[int]:
        if comm.rank:
            comm.compute(60.0 - 10.0 * comm.rank)
            comm.send(np.zeros(1), 0)
            return []
        comm.compute(100.0)
        return [comm.recv_any(np.empty(1)) for _ in range(3)]

    assert simulate(body, 4).results[0] == [3, 2, 1]
