"""Simulated ranks whose code runs in the sandbox: the network, its ledger and its clock are ours.

Each rank is a worker of its own, so that ranks share no memory, and a second filter keeps them
from sharing files or sockets. What a worker wants of the network it asks of the grader, where
`mlsys_lib.comm.simulate` runs with one thread a rank, each serving its worker.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from mlsys_lib.comm import (
    CommunicationError,
    Communicator,
    RankError,
    Request,
    Run,
    simulate,
    wait_all,
)
from mlsys_lib.comm.communicator import GROUPS, TAGS, Transport
from mlsys_lib.core.validate import integer
from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.plain import DTYPES
from mlsys_lib.grading.sandbox.function import arrays_in
from mlsys_lib.grading.sandbox.link import Deadline, Link, no_answer
from mlsys_lib.grading.sandbox.output import Output
from mlsys_lib.grading.sandbox.processes import Processes, copy_back, exchange, result_of

_LABEL = 100  # characters of a label that are kept
Ask = Callable[[Any], Any]


def run_simulated(
    processes: Processes,
    name: str,
    world_size: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    clock: Callable[[], AbstractContextManager[Deadline]],
    output: Output,
    options: dict[str, Any],
) -> Run:
    """Run the student's function `name` on simulated ranks; `options` as in `simulate`.

    Raises
    ------
    StudentFault
        A rank failed, or nobody can go on.
    """
    links = processes.ranks(world_size)
    held = Held(processes.limits.message_bytes)
    busy: set[Link] = set()  # workers that wait for a message which never comes

    def run_rank(comm: Communicator, *args: Any, **kwargs: Any) -> Any:
        def ask(request: Any) -> Any:
            return exchange(links[comm.rank], request, deadline, output)

        call = ("rank", name, comm.rank, world_size, (args, kwargs))
        busy.add(links[comm.rank])
        try:
            answer = RankServer(comm, ask, held).serve(call)
        except StudentFault:
            busy.discard(links[comm.rank])
            raise
        busy.discard(links[comm.rank])
        result, changed = result_of(answer)
        held.keep(answer)
        copy_back(arrays_in((args, kwargs)), changed)
        return result

    try:
        with clock() as deadline:
            return simulate(run_rank, world_size, *args, **options, **kwargs)
    except CommunicationError as error:
        raise _as_fault(error, processes) from None
    finally:
        processes.drop(busy)


class Held:
    """Bytes of messages, buffers and results of one run that the grader holds for the ranks.

    Parameters
    ----------
    limit_bytes : int
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def add(self, size_bytes: int) -> None:
        """Hold more; raises `MemoryError` above the limit."""
        if self._bytes + size_bytes > self._limit_bytes:
            raise MemoryError(f"more than {self._limit_bytes} bytes of messages under way")
        self._bytes += size_bytes

    def keep(self, answer: Any) -> None:
        """Hold a rank's answer; raises `StudentFault` above the limit."""
        try:
            self.add(sum(array.nbytes for array in arrays_in(answer)))
        except MemoryError:
            words = f"the ranks together returned more than {self._limit_bytes} bytes"
            raise StudentFault("memory", "memory", words) from None

    def release(self, size_bytes: int) -> None:
        """Hold less."""
        self._bytes -= size_bytes


class RankServer:
    """Does for one worker what it asks of its transport.

    Parameters
    ----------
    comm : Communicator
        The rank's endpoint in the grader's own world.
    ask : callable
        Sends a request to the rank's worker and returns its answer.
    held : Held
        Of all ranks together.
    """

    def __init__(self, comm: Communicator, ask: Ask, held: Held) -> None:
        self._transport: Transport = comm._transport  # the simulated one
        self._ask = ask
        self._held = held
        self._early: dict[int, Request] = {}
        self._handles = 0
        self._operations: dict[str, Callable[..., Any]] = {
            "send": self._send,
            "recv": self._recv,
            "wait": self._wait,
            "send_recv": self._send_recv,
            "recv_any": self._recv_any,
            "compute": self._compute,
            "now_s": self._now_s,
        }

    def serve(self, request: tuple[Any, ...]) -> Any:
        """Send `request`, do what the worker asks for meanwhile, and return its last answer."""
        answer = self._ask(request)
        while type(answer) is tuple and len(answer) == 2 and answer[0] == "operation":
            answer = self._ask(self._reply(answer[1]))
        return answer

    def _reply(self, operation: Any) -> tuple[Any, ...]:
        """Return the result of an operation, or the error to raise in the student's frame."""
        try:
            name, *details = operation
            operate = self._operations[name]
        except (TypeError, ValueError, KeyError):
            raise no_answer("an operation that is none") from None
        try:
            return ("done", operate(*details))
        except (CommunicationError, ValueError, TypeError, MemoryError) as error:
            return ("raise", _known(error), str(error))

    # -- operations: every argument is a student's -------------------------------------------------
    def _send(self, dst: Any, tag: Any, array: Any, early: Any) -> int | None:
        channel = self._transport.out_channel(self._rank(dst), _tag(tag))
        request = self._transport.post_send(self._held_array(array), channel, early=False)
        if early is True:
            return self._keep(request)
        request.wait()
        return None

    def _recv(self, src: Any, tag: Any, dtype: Any, shape: Any, early: Any) -> Any:
        channel = self._transport.in_channel(self._rank(src), _tag(tag))
        request = self._transport.post_recv(self._buffer(dtype, shape), channel, early is True)
        if early is True:
            return self._keep(request)
        request.wait()
        return self._received(request.array)

    def _wait(self, handles: Any) -> tuple[Any, ...]:
        requests = [self._early.pop(integer("handle", handle, 0), None) for handle in handles]
        if any(request is None for request in requests):
            raise ValueError("a request must be waited for once")
        known = [request for request in requests if request is not None]
        wait_all(known)
        return tuple(None if r.is_send else self._received(r.array) for r in known)

    def _send_recv(
        self, dst: Any, out_tag: Any, array: Any, src: Any, in_tag: Any, dtype: Any, shape: Any
    ) -> np.ndarray:
        out = self._buffer(dtype, shape)
        out_channel = self._transport.out_channel(self._rank(dst), _tag(out_tag))
        in_channel = self._transport.in_channel(self._rank(src), _tag(in_tag))
        self._transport.send_recv(self._held_array(array), out, out_channel, in_channel)
        return self._received(out)

    def _recv_any(self, sources: Any, tag: Any, dtype: Any, shape: Any) -> tuple[int, np.ndarray]:
        out = self._buffer(dtype, shape)
        ranks = [self._rank(source) for source in sources]
        return self._transport.recv_any(out, ranks, _tag(tag)), self._received(out)

    def _compute(self, seconds: Any, label: Any) -> None:
        if type(seconds) is not float or not 0 <= seconds < float("inf") or type(label) is not str:
            raise ValueError("seconds must be finite and >= 0")
        self._transport.compute(seconds, label[:_LABEL])

    def _now_s(self) -> float:
        return self._transport.now_s()

    # -- checks ------------------------------------------------------------------------------------
    def _rank(self, rank: Any) -> int:
        return integer("rank", rank, 0, self._transport.world_size - 1)

    def _keep(self, request: Request) -> int:
        self._handles += 1
        self._early[self._handles] = request
        return self._handles

    def _held_array(self, array: Any) -> np.ndarray:
        if type(array) is not np.ndarray:
            raise TypeError("x must be an ndarray")
        self._held.add(array.nbytes)
        return array

    def _buffer(self, dtype: Any, shape: Any) -> np.ndarray:
        if type(dtype) is not str or dtype not in DTYPES or type(shape) is not tuple:
            raise TypeError("out must be an array of numbers")
        size = np.dtype(dtype).itemsize
        for length in shape:
            size *= integer("shape", length, 0)
        self._held.add(size)
        return np.empty(shape, dtype)

    def _received(self, out: np.ndarray) -> np.ndarray:
        self._held.release(2 * out.nbytes)  # the buffer, and the message that filled it
        return out


def _tag(tag: Any) -> int:
    return integer("tag", tag, 0, GROUPS * TAGS - 1)


def _known(error: Exception) -> str:
    """Return the name under which the worker raises this error."""
    for kind in (MemoryError, ValueError, TypeError):
        if isinstance(error, kind):
            return kind.__name__
    return "MessageError" if type(error).__name__ == "MessageError" else "CommunicationError"


def _as_fault(error: CommunicationError, processes: Processes) -> Exception:
    """Return what a test sees of a run that failed: a student's fault, or the test's own error."""
    if not isinstance(error, RankError):
        return StudentFault("student_error", type(error).__name__, str(error))
    cause = error.__cause__
    if not isinstance(cause, StudentFault):
        return cause if isinstance(cause, Exception) else error
    processes.close_after(cause)
    words = f"on rank {error.rank}: {cause.message}"
    return StudentFault(cause.status, cause.kind, words, cause.line, cause.cell)
