"""The baton: ranks as threads of which exactly one runs, and what they wait for.

A rank runs until it must wait; then the baton passes to the rank that has been ready longest. When
nobody is ready, `recv_any` is served; when there is none either, the run ends with an error that
names who waits for whom. What is sent lies in channels until it is taken.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from mlsys_lib.comm.clock import Clock, Message
from mlsys_lib.comm.errors import (
    CommunicationError,
    DeadlockError,
    LostRankError,
    MessageError,
    RankError,
)
from mlsys_lib.comm.faults import Faults
from mlsys_lib.comm.network import Network


class Stop(BaseException):
    """Unwinds a rank: another one failed, or this one is dead."""


class Channel:
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


class World:
    """The ranks, the baton and the log."""

    def __init__(self, world_size: int, network: Network, faults: Faults) -> None:
        self.world_size, self.network, self.faults = world_size, network, faults
        self.log: list[tuple[Any, ...]] = []
        self.channels: dict[tuple[int, int, int], Channel] = {}
        self.waits: list[Channel | None] = [None] * world_size  # what each rank waited for last
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
    def run(self, function: Callable[..., Any], calls: list[Any]) -> list[Any]:
        """Run ``function(*args, **kwargs)`` for each of `calls`, one a rank; return the results.

        Raises
        ------
        CommunicationError
            The first failure, when all ranks have ended.
        """
        results: list[Any] = [None] * self.world_size
        for baton in (*self._batons, self._done):
            baton.acquire()
        threads = [
            threading.Thread(
                target=self._rank_body, args=(rank, function, calls[rank], results), daemon=True
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
                results[rank] = function(*args, **kwargs)
        except Stop:
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
        """Wake the ranks one by one; each raises `Stop` where it waits."""
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
    def block(self, rank: int, channel: Channel | None) -> None:
        """Hand the baton on and return when this rank is ready again."""
        if self.failure is not None:  # a `finally` that communicates
            raise Stop
        if rank in self._finished:
            raise CommunicationError(f"the run that rank {rank} belonged to has ended")
        self.waits[rank] = channel
        self.pass_baton()
        self._batons[rank].acquire()
        if self.failure is not None:
            raise Stop

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

    def channel(self, src: int, dst: int, tag: int) -> Channel:
        """Return the channel, made when first used."""
        key = (src, dst, tag)
        found = self.channels.get(key)
        if found is None:
            found = self.channels[key] = Channel(src, dst, tag)
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
