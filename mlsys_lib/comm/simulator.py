"""All ranks in one process: deterministic, and strict.

Each rank is a thread, and exactly one of them runs. It runs until it must wait; then the baton
passes to the rank that has been ready longest. So a run is the same every time, and when nobody
is ready the run ends at once with an error that names who waits for whom.

It is stricter than a network. A message is copied when it is sent. Its dtype and shape must be
those of the receive. A send waits for its receive, however small it is. A message that nobody
receives is an error at the end, and so is an array changed while it is being sent.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsys_lib.comm.arrays import describe
from mlsys_lib.comm.baton import Channel, Stop, World
from mlsys_lib.comm.clock import COMPUTE, POST, SEND, WAIT, Message
from mlsys_lib.comm.communicator import Communicator, Request
from mlsys_lib.comm.errors import MessageError
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
    world = World(world_size, network or Network(), faults)
    calls = [
        ((Communicator(_Simulated(world, rank)), *own), named)
        for rank, (own, named) in enumerate(per_rank)
    ]
    results = world.run(function, calls)
    ledger = Ledger(world_size, tuple(world.log), world.network, dict(faults.slow))
    return Run(tuple(results), ledger)


class _Simulated:
    """One rank's end of the simulated transport."""

    def __init__(self, world: World, rank: int) -> None:
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

    def out_channel(self, dst: int, tag: int) -> Channel:
        return self._world.channel(self.rank, dst, tag)

    def in_channel(self, src: int, tag: int) -> Channel:
        return self._world.channel(src, self.rank, tag)

    def post_send(self, array: np.ndarray, channel: Channel, early: bool) -> Request:
        copy = array.copy()
        message = self._put(copy, channel)
        return Request(self, message, array, True, (channel, copy if early else None))

    def post_recv(self, array: np.ndarray, channel: Channel, early: bool) -> Request:
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
        self, array: np.ndarray, out: np.ndarray, out_channel: Channel, in_channel: Channel
    ) -> None:
        sent = self._put(array.copy(), out_channel)
        received = self._offer(in_channel, out.nbytes)
        self._take(in_channel, received[3], out)
        self._log.append((WAIT, self.rank, (sent,), (received,)))

    def _put(self, copy: np.ndarray, channel: Channel) -> Message:
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

    def _offer(self, channel: Channel, size_bytes: int) -> Message:
        """Offer a receive, and wake a sender that waits for it."""
        if self._dies_after is not None:
            self._die_if_due()
        number = channel.posted
        channel.posted = number + 1
        if channel.sender_waits:
            channel.sender_waits = False
            self._ready.append(channel.src)
        return (channel.src, channel.dst, channel.tag, number, size_bytes)

    def _take(self, channel: Channel, number: int, out: np.ndarray) -> None:
        """Wait until a message is there, and copy it into `out`."""
        data = channel.payloads.pop(number, None)
        while data is None:
            channel.receiver_waits = True
            self._world.block(self.rank, channel)
            data = channel.payloads.pop(number, None)
        if data.dtype is not out.dtype or data.shape != out.shape or channel.spoiled:
            self._check_fits(data, out, channel, number)
        out[...] = data

    def _check_fits(self, data: np.ndarray, out: np.ndarray, channel: Channel, number: int) -> None:
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
            raise Stop

    def _apply_faults(self, copy: np.ndarray, channel: Channel, number: int) -> bool:
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

    def _wait_for_receiver(self, channel: Channel, number: int) -> None:
        if channel.dst == self.rank:
            raise ValueError(
                f"dst must be another rank: rank {self.rank} sends to itself and has no receive "
                "posted; use send_recv, or irecv before"
            )
        while channel.posted <= number:
            channel.sender_waits = True
            self._world.block(self.rank, channel)

    def _check_unchanged(self, array: np.ndarray, copy: np.ndarray, channel: Channel) -> None:
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
