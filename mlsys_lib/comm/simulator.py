"""All ranks in one process: deterministic, and strict.

Each rank is a thread, and exactly one of them runs. It runs until it must wait; then the baton
passes to the rank that has been ready longest. So a run is the same every time, and when nobody
is ready the run ends at once with an error that names who waits for whom.

It is stricter than a network. A message is copied when it is sent. Its dtype and shape must be
those of the receive. A send waits for its receive, however small it is. A message that nobody
receives is an error at the end, and so is an array changed while it is being sent.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm.arrays import describe
from mlsys_lib.comm.clock import COMPUTE, POST, SEND, WAIT, Clock, Message
from mlsys_lib.comm.communicator import Communicator, Request
from mlsys_lib.comm.errors import (
    CommunicationError,
    DeadlockError,
    LostRankError,
    MessageError,
    RankError,
)
from mlsys_lib.comm.faults import Faults, flip_one_bit
from mlsys_lib.comm.ledger import Ledger
from mlsys_lib.comm.network import Network
from mlsys_lib.comm.run import Run, arguments_of
from mlsys_lib.core.validate import positive_int


def simulate(
    function: Callable[..., Any],
    world_size: int,
    *args: Any,
    network: Network | None = None,
    faults: Faults | None = None,
    **kwargs: Any,
) -> Run:
    """Run ``function(comm, *args, **kwargs)`` on every one of `world_size` simulated ranks.

    Parameters
    ----------
    function : callable
        What each rank does. Its first argument is the rank's `Communicator`.
    world_size : int
        Number of ranks, at least 1.
    *args, **kwargs
        The same for all ranks; a `PerRank` holds one value for each.
    network : Network, optional
        For the clock. By default 10 Gb/s and 50 µs.
    faults : Faults, optional
        What goes wrong.

    Returns
    -------
    Run
        `results` in rank order, and the `ledger`.

    Raises
    ------
    RankError
        A rank raised; the error names it, and has the rank's exception as its cause.
    DeadlockError, LostRankError
        Nobody can go on, or a rank waits for a dead one.

    Examples
    --------
    >>> def hello(comm):
    ...     out = np.empty(1)
    ...     right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    ...     comm.send_recv(np.array([10.0 * comm.rank]), out, dst=right, src=left)
    ...     return out.item()
    >>> simulate(hello, 3).results
    (20.0, 0.0, 10.0)
    """
    world_size = positive_int("world_size", world_size)
    per_rank = arguments_of(world_size, args, kwargs)
    faults = faults or Faults()
    faults.check(world_size)
    world = _World(world_size, network or Network(), faults)
    results = world.run(function, per_rank)
    ledger = Ledger(world_size, tuple(world.log), world.network, dict(faults.slow))
    return Run(tuple(results), ledger)


class _Stop(BaseException):
    """Unwinds a rank: another one failed, or this one is dead."""


class _Channel:
    """All that one rank sends to another under one tag, in order."""

    __slots__ = (
        "dst", "lost", "payloads", "posted", "receiver_waits", "sender_waits", "sent", "spoiled",
        "src", "tag",
    )  # fmt: skip

    def __init__(self, src: int, dst: int, tag: int) -> None:
        self.src, self.dst, self.tag = src, dst, tag
        self.sent = 0
        self.posted = 0  # receives offered
        self.payloads: dict[int, np.ndarray] = {}  # by number, until taken
        self.receiver_waits = self.sender_waits = False
        self.lost: set[int] = set()  # numbers of dropped messages
        self.spoiled: set[int] = set()  # numbers whose checksum is wrong


class _World:
    """The ranks, the baton and the log."""

    def __init__(self, world_size: int, network: Network, faults: Faults) -> None:
        self.world_size, self.network, self.faults = world_size, network, faults
        self.log: list[tuple[Any, ...]] = []
        self.channels: dict[tuple[int, int, int], _Channel] = {}
        self.waits: list[_Channel | None] = [None] * world_size  # what each rank waited for last
        self.any_waits: dict[int, tuple[list[int], int]] = {}
        self.dead: set[int] = set()
        self.failure: tuple[int | None, BaseException] | None = None
        self.ready: deque[int] = deque(range(world_size))
        self._batons = [threading.Lock() for _ in range(world_size)]
        self._finished: set[int] = set()
        self._done = threading.Lock()
        self._clock = Clock(world_size, network, faults.slow)
        self._clock_at = 0

    # -- running ---------------------------------------------------------------------------------
    def run(self, function: Callable[..., Any], per_rank: list[Any]) -> list[Any]:
        """Run all ranks to their end and return their results; raise the first failure."""
        results: list[Any] = [None] * self.world_size
        for baton in (*self._batons, self._done):
            baton.acquire()
        threads = [
            threading.Thread(
                target=self._rank_body, args=(rank, function, per_rank[rank], results), daemon=True
            )
            for rank in range(self.world_size)
        ]
        for thread in threads:
            thread.start()
        self._batons[self.ready.popleft()].release()
        try:
            self._done.acquire()
        except BaseException as interrupt:  # Ctrl-C: let the ranks unwind, then go on raising
            self.failure = self.failure or (None, interrupt)
        if self.failure:
            self._unwind(threads)
        for thread in threads:
            thread.join()
        self._raise_failure()
        self._check_nothing_left()
        return results

    def _rank_body(
        self, rank: int, function: Callable[..., Any], call: Any, results: list[Any]
    ) -> None:
        self._batons[rank].acquire()
        args, kwargs = call
        try:
            if self.failure is None:
                results[rank] = function(Communicator(_Simulated(self, rank)), *args, **kwargs)
        except _Stop:
            pass
        except BaseException as error:
            self.failure = self.failure or (rank, error)
        self._finished.add(rank)
        if self.failure is None:
            self.pass_baton()
        else:
            self._release_main()

    def _release_main(self) -> None:
        if self._done.locked():
            self._done.release()

    def _unwind(self, threads: list[threading.Thread]) -> None:
        """Wake the ranks one by one; each raises `_Stop` where it waits."""
        for rank, thread in enumerate(threads):
            if rank not in self._finished and self._batons[rank].locked():
                self._batons[rank].release()
            thread.join()

    def _raise_failure(self) -> None:
        if self.failure is None:
            return
        rank, error = self.failure
        if rank is None or not isinstance(error, Exception):
            raise error
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise RankError(
            rank,
            f"rank {rank} raised {type(error).__name__}: {error} "
            f"({where.name}, line {where.lineno})",
        ) from error

    def _check_nothing_left(self) -> None:
        for channel in self.channels.values():
            if channel.payloads and channel.dst not in self.dead:
                raise MessageError(
                    f"{len(channel.payloads)} message(s) from rank {channel.src} to rank "
                    f"{channel.dst} (tag {channel.tag}) were never received"
                )

    # -- the baton -------------------------------------------------------------------------------
    def block(self, rank: int, channel: _Channel | None) -> None:
        """Hand the baton on and return when this rank is ready again."""
        if self.failure is not None:  # a `finally` that communicates
            raise _Stop
        if rank in self._finished:
            raise CommunicationError(f"the run that rank {rank} belonged to has ended")
        self.waits[rank] = channel
        self.pass_baton()
        self._batons[rank].acquire()
        if self.failure is not None:
            raise _Stop

    def pass_baton(self) -> None:
        """Let the next ready rank run; if there is none, serve `recv_any`, or end the run."""
        if not self.ready and self.any_waits:
            self._serve_any()
        if self.ready:
            self._batons[self.ready.popleft()].release()
            return
        if len(self._finished) < self.world_size:
            self.failure = (None, self._deadlock())
        self._release_main()

    def _serve_any(self) -> None:
        """Everybody waits: the message that started first, of those that `recv_any` may take."""
        self.clock()
        best: tuple[float, float, int, int] | None = None
        for rank, (sources, tag) in self.any_waits.items():
            for src in sources:
                message = self.next_message(src, rank, tag)
                if message is not None:
                    start_s = self._clock.start_s(message)
                    found = (max(start_s, self._clock.time_s[rank]), start_s, src, rank)
                    best = found if best is None else min(best, found)
        if best is not None:
            del self.any_waits[best[3]]
            self.ready.append(best[3])
            self.chosen = best[2]

    def next_message(self, src: int, dst: int, tag: int) -> Message | None:
        """Return the oldest message that no receive has been offered for."""
        channel = self.channels.get((src, dst, tag))
        if channel is None or channel.posted not in channel.payloads:
            return None
        return (src, dst, tag, channel.posted, channel.payloads[channel.posted].nbytes)

    def clock(self) -> Clock:
        """Return the clock, up to date with the log."""
        self._clock.advance(self.log[self._clock_at :])
        self._clock_at = len(self.log)
        return self._clock

    def channel(self, src: int, dst: int, tag: int) -> _Channel:
        """Return the channel, made when first used."""
        key = (src, dst, tag)
        found = self.channels.get(key)
        if found is None:
            found = self.channels[key] = _Channel(src, dst, tag)
        return found

    # -- what stands in the way --------------------------------------------------------------------
    def _deadlock(self) -> CommunicationError:
        waits, lost = [], []
        for rank in range(self.world_size):
            if rank in self._finished:
                continue
            if rank in self.any_waits:
                sources, tag = self.any_waits[rank]
                waits.append(f"rank {rank} waits to receive from any of {sources} (tag {tag})")
                lost += [
                    f"rank {src} is dead, and {waits[-1]}" for src in sources if src in self.dead
                ]
                continue
            channel = self.waits[rank]
            assert channel is not None
            as_sender = channel.sender_waits and channel.src == rank
            peer = channel.dst if as_sender else channel.src
            verb = "send to" if as_sender else "receive from"
            waits.append(f"rank {rank} waits to {verb} rank {peer} (tag {channel.tag})")
            if peer in self.dead:
                lost.append(f"rank {peer} is dead, and {waits[-1]}")
            elif not as_sender and channel.lost:
                waits[-1] += ", whose message was dropped"
        if lost:
            return LostRankError("; ".join(lost))
        ended = sorted(self._finished)
        tail = f"; ended: rank(s) {ended}" if ended else ""
        return DeadlockError("deadlock: " + "; ".join(waits) + tail)


class _Simulated:
    """One rank's end of the simulated transport."""

    def __init__(self, world: _World, rank: int) -> None:
        self._world = world
        self._log = world.log
        self._ready = world.ready
        self.rank = rank
        self.world_size = world.world_size
        self._posted_to: dict[int, int] = {}  # messages per destination, for faults
        self._dies_after = world.faults.dead.get(rank)
        faults = world.faults
        faulty = faults.dropped or faults.corrupted or self._dies_after is not None
        self._survives_faults = self._apply_faults if faulty else None

    def out_channel(self, dst: int, tag: int) -> _Channel:
        return self._world.channel(self.rank, dst, tag)

    def in_channel(self, src: int, tag: int) -> _Channel:
        return self._world.channel(src, self.rank, tag)

    def post_send(self, array: np.ndarray, channel: _Channel, early: bool) -> Request:
        copy = array.copy()
        message = self._put(copy, channel)
        return Request(self, message, array, True, (channel, copy if early else None))

    def post_recv(self, array: np.ndarray, channel: _Channel, early: bool) -> Request:
        message = self._offer(channel, array.nbytes)
        if early:
            self._log.append((POST, message))
        return Request(self, message, array, False, (channel, None))

    def wait(self, requests: tuple[Request, ...]) -> None:
        sends, receives = [], []
        for request in requests:
            message, (channel, copy) = request.message, request.work
            if not request.is_send:
                self._take(channel, message[3], request.array)
                receives.append(message)
                continue
            if channel.posted <= message[3]:
                self._wait_for_receiver(channel, message[3])
            if copy is not None:
                self._check_unchanged(request.array, copy, channel)
            sends.append(message)
        self._log.append((WAIT, self.rank, tuple(sends), tuple(receives)))

    def send_recv(
        self, array: np.ndarray, out: np.ndarray, out_channel: _Channel, in_channel: _Channel
    ) -> None:
        sent = self._put(array.copy(), out_channel)
        received = self._offer(in_channel, out.nbytes)
        self._take(in_channel, received[3], out)
        self._log.append((WAIT, self.rank, (sent,), (received,)))

    def _put(self, copy: np.ndarray, channel: _Channel) -> Message:
        """Put a message into its channel, and wake a receiver that waits for it."""
        if self._dies_after is not None:
            self._die_if_due()
        number = channel.sent
        channel.sent = number + 1
        if self._survives_faults is None or self._survives_faults(copy, channel, number):
            channel.payloads[number] = copy
            if channel.receiver_waits:
                channel.receiver_waits = False
                self._ready.append(channel.dst)
        message = (channel.src, channel.dst, channel.tag, number, copy.nbytes)
        self._log.append((SEND, message))
        return message

    def _offer(self, channel: _Channel, size_bytes: int) -> Message:
        """Offer a receive, and wake a sender that waits for it."""
        if self._dies_after is not None:
            self._die_if_due()
        number = channel.posted
        channel.posted = number + 1
        if channel.sender_waits:
            channel.sender_waits = False
            self._ready.append(channel.src)
        return (channel.src, channel.dst, channel.tag, number, size_bytes)

    def _take(self, channel: _Channel, number: int, out: np.ndarray) -> None:
        """Wait until a message is there, and copy it into `out`."""
        data = channel.payloads.pop(number, None)
        while data is None:
            channel.receiver_waits = True
            self._world.block(self.rank, channel)
            data = channel.payloads.pop(number, None)
        if data.dtype is not out.dtype or data.shape != out.shape or channel.spoiled:
            self._check_fits(data, out, channel, number)
        out[...] = data

    def _check_fits(
        self, data: np.ndarray, out: np.ndarray, channel: _Channel, number: int
    ) -> None:
        if data.dtype != out.dtype or data.shape != out.shape:
            raise MessageError(
                f"rank {channel.src} sent {describe(data)}, rank {self.rank} receives into "
                f"{describe(out)} (tag {channel.tag}): dtype and shape must agree"
            )
        if number in channel.spoiled:
            raise MessageError(
                f"the message from rank {channel.src} to rank {self.rank} (tag {channel.tag}) is "
                "corrupted: its checksum is wrong"
            )

    def _die_if_due(self) -> None:
        """End this rank if the faults say that it has posted its last message."""
        if self._dies_after is not None and sum(self._posted_to.values()) >= self._dies_after:
            self._world.dead.add(self.rank)
            raise _Stop

    def _apply_faults(self, copy: np.ndarray, channel: _Channel, number: int) -> bool:
        """Lose or spoil this message as the faults say; False: it never arrives."""
        faults = self._world.faults
        nth = self._posted_to.get(channel.dst, 0)
        self._posted_to[channel.dst] = nth + 1
        name = (self.rank, channel.dst, nth)
        if name in faults.dropped:
            channel.lost.add(number)
            return False
        if name in faults.corrupted:
            flip_one_bit(copy)
            if faults.checksums:
                channel.spoiled.add(number)
        return True

    def _wait_for_receiver(self, channel: _Channel, number: int) -> None:
        if channel.dst == self.rank:
            raise ValueError(
                f"dst must be another rank: rank {self.rank} sends to itself and has no receive "
                "posted; use send_recv, or irecv before"
            )
        while channel.posted <= number:
            channel.sender_waits = True
            self._world.block(self.rank, channel)

    def _check_unchanged(self, array: np.ndarray, copy: np.ndarray, channel: _Channel) -> None:
        if array.tobytes() != copy.tobytes():
            raise ValueError(
                f"x must not change until wait: rank {self.rank} changed what it was sending to "
                f"rank {channel.dst}"
            )

    def recv_any(self, array: np.ndarray, sources: Sequence[int], tag: int) -> int:
        if self._dies_after is not None:
            self._die_if_due()
        self._world.any_waits[self.rank] = (list(sources), tag)
        self._world.block(self.rank, None)
        src = self._world.chosen
        self.post_recv(array, self.in_channel(src, tag), early=False).wait()
        return src

    def compute(self, seconds: float, label: str) -> None:
        self._log.append((COMPUTE, self.rank, seconds, label))

    def now_s(self) -> float:
        return self._world.clock().time_s[self.rank]
