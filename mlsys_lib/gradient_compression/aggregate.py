"""The mean over ranks of compressed gradients: by gathering messages, or by adding on the way.

An all-reduce forms sums on the way, so it needs messages that can be added entry by entry: all
ranks must send the same entries (`RandomK` with a shared seed, `Uncompressed`, the factors of
`PowerSGD`). Most messages cannot: two ranks' top-k hold different entries, two QSGD messages
different norms. Then everyone gets every message and decodes all (Agarwal et al., "On the utility
of gradient compression in distributed training systems", MLSys 2022, arXiv:2103.00543, show how
this eats up the savings as m grows).

Messages of ranks differ in length. So their sizes travel first, 8 bytes each, and then the messages
go around the ring. All ranks decode and add in rank order, and get the same bits.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_lib.collectives import ring_all_gather, ring_all_reduce
from mlsys_lib.collectives.cost import ring_all_reduce_cost
from mlsys_lib.comm import Communicator
from mlsys_lib.gradient_compression.compressor import Compressor, Uncompressed, as_gradient
from mlsys_lib.gradient_compression.random_k import RandomK
from mlsys_lib.gradient_compression.wire import FLOAT_BYTES, MessageError, pack_float32

SIZE_BYTES = 8


@dataclass(frozen=True, eq=False)
class Aggregated:
    """What one step of communication gives a rank.

    Attributes
    ----------
    mean : ndarray of shape (k,), float64
        The mean over ranks; bitwise the same on all.
    sent : ndarray of shape (k,), float64
        This rank's part of it: the mean over ranks of `sent` is `mean`, up to float32. A memory
        takes it off.
    message_bytes : int
        Length of this rank's message.
    sent_bytes : int
        What this rank put on the wire, passing on others' messages included.
    """

    mean: np.ndarray
    sent: np.ndarray
    message_bytes: int
    sent_bytes: int


class Collective(ABC):
    """A compression that is no message of one rank: ranks talk while they form it.

    Unlike a `Compressor` it may have state, which must then be each rank's own.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The word for it in tables and legends."""

    @abstractmethod
    def aggregate(self, comm: Communicator, x: np.ndarray) -> Aggregated:
        """Return the compressed mean of all ranks' x, of shape (k,)."""


def aggregate(
    comm: Communicator,
    x: np.ndarray,
    compressor: Compressor | Collective,
    rng: np.random.Generator,
) -> Aggregated:
    """Return the mean over ranks of C(x), the way that the compressor allows.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
        This rank's gradient, or update. Not modified.
    compressor : Compressor or Collective
        The same settings on every rank.
    rng : Generator
        This rank's own; but for an all-reduce in the same state on every rank.
    """
    if isinstance(compressor, Collective):
        return compressor.aggregate(comm, x)
    if compressor.aggregation == "all_reduce":
        return _add_on_the_way(comm, x, compressor, rng)
    message = compressor.encode(x, rng)
    messages = gather_messages(comm, message)
    mean, own = _mean(messages, compressor, comm.rank)
    sent_bytes = gather_bytes([len(m) for m in messages])[comm.rank]
    return Aggregated(mean, own, len(message), sent_bytes)


def mean_by_gather(comm: Communicator, message: np.ndarray, compressor: Compressor) -> np.ndarray:
    """Return the mean of what all ranks' messages mean.

    Parameters
    ----------
    message : ndarray of shape (num_bytes,), uint8
        This rank's; lengths may differ from rank to rank.
    compressor : Compressor
        Decodes them.

    Returns
    -------
    ndarray of shape (k,), float64
        Bitwise the same on every rank.

    Raises
    ------
    MessageError
        With the rank whose bytes are no such message, or which has another k than rank 0.

    Notes
    -----
    2 (m - 1) rounds; see `gather_bytes`. Each rank decodes m messages.
    """
    return _mean(gather_messages(comm, message), compressor, comm.rank)[0]


def mean_by_all_reduce(
    comm: Communicator, x: np.ndarray, compressor: Compressor, rng: np.random.Generator
) -> np.ndarray:
    """Return the mean over ranks of C(x), by one all-reduce of its numbers on a ring.

    Parameters
    ----------
    x : ndarray of shape (k,), floating
    compressor : RandomK or Uncompressed
    rng : Generator
        In the same state on every rank.

    Returns
    -------
    ndarray of shape (k,), float64
        Bitwise the same on every rank. Sums are rounded to float32 on the way.

    Raises
    ------
    ValueError
        If messages of the compressor cannot be added, or if ranks drew different seeds.

    Notes
    -----
    The numbers that travel are `num_kept` float32, and one more that tells whether seeds agree.
    """
    return _add_on_the_way(comm, x, compressor, rng).mean


def gather_messages(comm: Communicator, message: np.ndarray) -> list[np.ndarray]:
    """Return all ranks' messages, in rank order: sizes first, then messages around the ring."""
    rank, world_size = comm.rank, comm.world_size
    if message.ndim != 1 or message.dtype != np.uint8:
        raise TypeError(
            f"message must be one-dimensional and uint8, got {message.dtype} {message.shape}"
        )
    sizes = ring_all_gather(comm, np.array(len(message), np.int64))
    messages = [np.empty(int(size), np.uint8) for size in sizes]
    messages[rank][:] = message
    right, left = (rank + 1) % world_size, (rank - 1) % world_size
    for step in range(world_size - 1):
        send, arrives = (rank - step) % world_size, (rank - step - 1) % world_size
        comm.send_recv(messages[send], messages[arrives], right, left)
    return messages


def gather_bytes(message_bytes: Sequence[int]) -> tuple[int, ...]:
    """Return the bytes that each rank sends in `gather_messages`.

    A rank passes on every message but its right neighbor's, and as many sizes.

    >>> gather_bytes([100, 10, 20])
    (136, 126, 46)
    """
    world_size, total = len(message_bytes), sum(message_bytes)
    return tuple(
        total - message_bytes[(rank + 1) % world_size] + (world_size - 1) * SIZE_BYTES
        if world_size > 1
        else 0
        for rank in range(world_size)
    )


def _mean(
    messages: Sequence[np.ndarray], compressor: Compressor, own_rank: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of what messages mean, added in rank order, and the own one's meaning."""
    total = own = np.zeros(0)
    for rank, message in enumerate(messages):
        try:
            x = compressor.decode(message)
        except MessageError as error:
            raise MessageError(f"message of rank {rank}: {error}") from error
        if rank == 0:
            total = x.copy()
        elif x.shape == total.shape:
            total += x
        else:
            raise MessageError(
                f"message of rank {rank} must have {len(total)} numbers as rank 0's, got {len(x)}"
            )
        if rank == own_rank:
            own = x
    return total / len(messages), own


def _add_on_the_way(
    comm: Communicator, x: np.ndarray, compressor: Compressor, rng: np.random.Generator
) -> Aggregated:
    x = as_gradient(x)
    if isinstance(compressor, RandomK):
        return _add_random_k(comm, x, compressor, rng)
    if not isinstance(compressor, Uncompressed):
        raise ValueError(
            "compressor must be one whose messages can be added for an all-reduce (random-k with "
            f"a shared seed, or uncompressed), got {compressor.name}: use mean_by_gather"
        )
    values = float32_of(x)
    total = ring_all_reduce(comm, values)
    mean, own = total.astype(np.float64) / comm.world_size, values.astype(np.float64)
    return Aggregated(mean, own, values.nbytes, ring_bytes(comm, len(values)))


def _add_random_k(
    comm: Communicator, x: np.ndarray, compressor: RandomK, rng: np.random.Generator
) -> Aggregated:
    """Add the values of the shared entries; a number from the seed rides along as a check."""
    message = compressor.encode(x, rng)
    seed, own = compressor.open(message)[1:]
    check = seed % (2**24 // comm.world_size)  # sums of such numbers are exact in float32
    values = np.append(own, check).astype(np.float32)
    total = ring_all_reduce(comm, values).astype(np.float64)
    if total[-1] != check * comm.world_size:
        raise ValueError("rng must be in the same state on every rank: they drew different entries")
    mean = compressor.spread(total[:-1] / comm.world_size, len(x), seed)
    sent = compressor.spread(own, len(x), seed)
    return Aggregated(mean, sent, values.nbytes, ring_bytes(comm, len(values)))


def float32_of(x: np.ndarray) -> np.ndarray:
    """Return x as float32; `ValueError` for a number beyond its range."""
    return pack_float32(x).view("<f4")


def ring_bytes(comm: Communicator, num_values: int) -> int:
    """Return the bytes that this rank sends when a ring adds up so many float32."""
    return int(ring_all_reduce_cost(comm.world_size, num_values, FLOAT_BYTES).sent_bytes[comm.rank])
