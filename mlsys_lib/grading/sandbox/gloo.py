"""Ranks that are processes of the sandbox and talk by gloo over its own loopback.

What they sent is what they say: the ledger of such a run must not decide marks.
"""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from typing import Any

from mlsys_lib.comm import Ledger, Network, Run
from mlsys_lib.comm.ledger import COMPUTE, POST, SEND, WAIT, merge_logs
from mlsys_lib.comm.run import arguments_of
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox.function import arrays_in
from mlsys_lib.grading.sandbox.link import Deadline, no_answer
from mlsys_lib.grading.sandbox.output import Output
from mlsys_lib.grading.sandbox.processes import Processes, copy_back, exchange, result_of
from mlsys_lib.grading.sandbox.simulated import Held

_GRACE_S = 1.0  # after a first failure, time for its cause to be told by another rank
_LOST = ("LostRankError", "NeverEndedError", "DistError", "DistBackendError", "DistNetworkError",
         "DistStoreError", "timeout")  # fmt: skip


def run_on_gloo(
    processes: Processes,
    name: str,
    world_size: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    clock: Callable[[], AbstractContextManager[Deadline]],
    output: Output,
    network: Network | None,
) -> Run:
    """Run the student's function `name` on gloo ranks.

    Raises
    ------
    StudentFault
        The first cause: ranks that failed by themselves come before those that lost another.
    """
    calls = arguments_of(world_size, args, kwargs)
    links = processes.gloo_ranks(world_size)
    store = f"/tmp/.mlsys-{secrets.token_hex(8)}"
    held = Held(processes.limits.message_bytes)
    outputs = [Output(processes.limits.output_bytes) for _ in links]

    def run_rank(rank: int) -> tuple[Any, Any]:
        # gloo gives up first: it knows who waits for whom.
        timeout_s = max(1.0, deadline.left_s() - _GRACE_S)
        request = ("gloo", name, rank, world_size, store, timeout_s, calls[rank])
        answer = exchange(links[rank], request, deadline, outputs[rank])
        result, changed = result_of(answer)
        held.keep(answer)
        copy_back(arrays_in(calls[rank]), changed)
        if type(result) is not tuple or len(result) != 2:
            raise no_answer("a rank's result that is none")
        return result

    try:
        with clock() as deadline:
            answers = _all(run_rank, world_size, deadline)
    except StudentFault as fault:
        processes.close_after(fault)
        raise
    finally:
        processes.drop(links)
        for own in outputs:
            output.add_all(own)
    logs = [_checked(log, rank, world_size) for rank, (_, log) in enumerate(answers)]
    try:
        merged = merge_logs(logs)
    except ValueError as error:
        raise no_answer(str(error)) from None
    ledger = Ledger(world_size, merged, network or Network())
    return Run(tuple(result for result, _ in answers), ledger)


def _all(
    run_rank: Callable[[int], tuple[Any, Any]], world_size: int, deadline: Deadline
) -> list[tuple[Any, Any]]:
    """Return the answers of all ranks, or raise the first cause of failure."""
    with ThreadPoolExecutor(world_size) as pool:
        futures = [pool.submit(run_rank, rank) for rank in range(world_size)]
        for future in as_completed(futures):
            if future.exception() is not None:
                deadline.shorten(_GRACE_S)
    errors = [(rank, future.exception()) for rank, future in enumerate(futures)]
    failed = [(rank, error) for rank, error in errors if error is not None]
    if not failed:
        return [future.result() for future in futures]
    rank, cause = min(failed, key=_order)
    if not isinstance(cause, StudentFault):
        raise cause
    words = f"on rank {rank}: {cause.message}"
    raise StudentFault(cause.status, cause.kind, words, cause.line, cause.cell)


def _order(failed: tuple[int, BaseException]) -> tuple[bool, int]:
    rank, error = failed
    return isinstance(error, StudentFault) and error.kind in _LOST, rank


def _checked(log: Any, rank: int, world_size: int) -> list[tuple[Any, ...]]:
    """Return a rank's log if it has the form of one."""
    if type(log) is not list or not all(_is_entry(entry, rank, world_size) for entry in log):
        raise no_answer("a rank's log that is none")
    return log


def _is_entry(entry: Any, rank: int, world_size: int) -> bool:
    if type(entry) is not tuple or not entry or type(entry[0]) is not int:
        return False
    kind, *details = entry
    if kind in (SEND, POST):
        return len(details) == 1 and _is_message(details[0], world_size)
    if kind == WAIT:
        return (
            len(details) == 3
            and details[0] == rank
            and all(type(messages) is tuple for messages in details[1:])
            and all(_is_message(message, world_size) for part in details[1:] for message in part)
        )
    return (
        kind == COMPUTE
        and [type(part) for part in details] == [int, float, str]
        and details[0] == rank
        and 0 <= details[1] < float("inf")
    )


def _is_message(message: Any, world_size: int) -> bool:
    """Return whether it is (src, dst, tag, number, size_bytes)."""
    return (
        type(message) is tuple
        and [type(part) for part in message] == [int] * 5
        and min(message) >= 0
        and max(message[:2]) < world_size
    )
