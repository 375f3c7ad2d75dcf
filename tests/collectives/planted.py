"""Wrong versions that learners (and published tutorials) write. Every one must be caught."""

from collections.abc import Callable

import numpy as np

from mlsys_lib.collectives.chunks import split
from mlsys_lib.collectives.data_parallel import softmax_gradient
from mlsys_lib.collectives.reduction import combine_for, finish
from mlsys_lib.collectives.ring import ring_all_reduce
from mlsys_lib.collectives.tree import tree_broadcast
from mlsys_lib.comm import Communicator, wait_all


def ring_of_whole_tensors(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """The right sum, m / 2 times too many bytes (github.com/callummcdougall/ARENA_3.0 #407)."""
    combine = combine_for(op, np.asarray(x).dtype)
    passing, total = np.array(x), np.array(x)
    arrived = np.empty_like(total)
    right, left = (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size
    for _ in range(comm.world_size - 1):
        comm.send_recv(passing, arrived, right, left)
        combine(total, arrived, out=total)
        passing = arrived.copy()
    return finish(op, total, comm.world_size)


def _ring(
    comm: Communicator, x: np.ndarray, op: str, reduce_steps: int, first_gathered: int
) -> np.ndarray:
    """Run the ring with its number of reduce steps and its first gathered chunk left open."""
    x = np.asarray(x)
    total = x.flatten()
    combine = combine_for(op, total.dtype)
    rank, m = comm.rank, comm.world_size
    chunks, (right, left) = split(total, m), ((rank + 1) % m, (rank - 1) % m)
    for step in range(reduce_steps):
        mine = chunks[(rank - step - 1) % m]
        arrived = np.empty_like(mine)
        comm.send_recv(chunks[(rank - step) % m], arrived, right, left)
        combine(mine, arrived, out=mine)
    for step in range(m - 1):
        send, arrives = (rank + first_gathered - step) % m, (rank + first_gathered - step - 1) % m
        comm.send_recv(chunks[send], chunks[arrives], right, left)
    return finish(op, total, m).reshape(x.shape)


def ring_off_by_one_chunk(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Gathers from chunk r, though rank r owns chunk r + 1."""
    return _ring(comm, x, op, comm.world_size - 1, first_gathered=0)


def ring_without_last_reduce_step(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Stops the reduce-scatter one step early."""
    return _ring(comm, x, op, max(0, comm.world_size - 2), first_gathered=1)


def ring_that_drops_the_tail(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Uses chunks of k // m elements and forgets what is left over."""
    x = np.asarray(x)
    flat = x.flatten()
    whole = len(flat) // comm.world_size * comm.world_size
    flat[:whole] = ring_all_reduce(comm, flat[:whole], op)
    return flat.reshape(x.shape)


def doubling_for_powers_of_two_only(
    comm: Communicator, x: np.ndarray, op: str = "sum"
) -> np.ndarray:
    """Skips partners that do not exist, and so misses ranks where m is no power of two."""
    total = np.array(x)
    combine = combine_for(op, total.dtype)
    arrived = np.empty_like(total)
    distance = 1
    while distance < comm.world_size:
        partner = comm.rank ^ distance
        if partner < comm.world_size:
            comm.send_recv(total, arrived, partner, partner)
            combine(total, arrived, out=total)
        distance *= 2
    return finish(op, total, comm.world_size)


def doubling_with_own_part_first(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Everybody adds all parts, starting with its own: the last bits differ between ranks."""
    x = np.asarray(x)
    combine = combine_for(op, x.dtype)
    total, others = np.array(x), np.empty((comm.world_size, *x.shape), x.dtype)
    peers = [(comm.rank + i) % comm.world_size for i in range(1, comm.world_size)]
    receives = [comm.irecv(others[peer, ...], peer) for peer in peers]
    wait_all([*receives, *[comm.isend(np.array(x), peer) for peer in peers]])
    for peer in peers:
        combine(total, others[peer], out=total)
    return finish(op, total, comm.world_size)


def tree_in_place(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Reduces into the caller's own array."""
    combine = combine_for(op, x.dtype)
    arrived = np.empty_like(x)
    distance = 1
    while distance < comm.world_size:
        if comm.rank & distance:
            comm.send(x, comm.rank - distance)
            break
        if comm.rank + distance < comm.world_size:
            comm.recv(arrived, comm.rank + distance)
            combine(x, arrived, out=x)
        distance *= 2
    return finish(op, tree_broadcast(comm, x), comm.world_size)


def mean_before_sum(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Divides whatever the operation: the gradient shrinks by m."""
    total = ring_all_reduce(comm, x, op)
    return (total / comm.world_size).astype(total.dtype)


def integer_mean_by_floor(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """Gives the mean of integers, silently rounded down."""
    if op == "mean" and x.dtype.kind in "iu":
        return ring_all_reduce(comm, x, "sum") // comm.world_size
    return ring_all_reduce(comm, x, op)


def server_counts_workers_only(comm: Communicator, x: np.ndarray, op: str = "sum") -> np.ndarray:
    """The mean over m - 1 workers, though the serving rank has added its own part too."""
    if op == "mean":
        combine_for(op, x.dtype)
        return np.asarray(ring_all_reduce(comm, x, "sum") / max(1, comm.world_size - 1), x.dtype)
    return ring_all_reduce(comm, x, op)


def reduce_scatter_without_last_step(
    comm: Communicator, x: np.ndarray, op: str = "sum"
) -> np.ndarray:
    """Returns the own chunk before the last neighbor has added its part."""
    flat = np.asarray(x).flatten()
    combine = combine_for(op, flat.dtype)
    rank, m = comm.rank, comm.world_size
    chunks = split(flat, m)
    for step in range(m - 2):
        mine = chunks[(rank - step - 2) % m]
        arrived = np.empty_like(mine)
        comm.send_recv(chunks[(rank - step - 1) % m], arrived, (rank + 1) % m, (rank - 1) % m)
        combine(mine, arrived, out=mine)
    return finish(op, chunks[rank].copy(), m)


def train_on_mean_of_means(
    comm: Communicator, X: np.ndarray, y: np.ndarray, num_epochs: int, learning_rate: float
) -> np.ndarray:
    """Averages the ranks' mean gradients, as DDP does: wrong for parts of unequal size."""
    weights = np.zeros((X.shape[1], int(y.max()) + 1))
    part = np.array_split(np.arange(len(y)), comm.world_size)[comm.rank]
    for _ in range(num_epochs):
        _, gradient = softmax_gradient(weights, X[part], y[part])
        weights -= learning_rate * ring_all_reduce(comm, gradient / len(part), "mean")
    return weights


def serve_dividing_by_world_size(
    comm: Communicator,
    weights: np.ndarray,
    gradient: Callable[[int, int, np.ndarray], np.ndarray],
    num_steps: int,
    learning_rate: float,
) -> np.ndarray:
    """A dedicated server that counts itself among the workers."""
    weights = np.array(weights)
    workers = range(1, comm.world_size)
    for step in range(num_steps):
        if comm.rank:
            comm.send(gradient(comm.rank - 1, step, weights), 0)
            comm.recv(weights, 0)
            continue
        pushed = np.empty((len(workers), len(weights)))
        wait_all([comm.irecv(pushed[i], worker) for i, worker in enumerate(workers)])
        weights -= learning_rate * pushed.sum(axis=0) / comm.world_size
        wait_all([comm.isend(weights, worker) for worker in workers])
    return weights


def stale_without_bound(
    comm: Communicator,
    weights: np.ndarray,
    gradient: Callable[[int, int, np.ndarray], np.ndarray],
    num_steps: int,
    learning_rate: float,
    staleness: int,
    compute_s: float,
) -> tuple[int, ...]:
    """Answers every push at once; returns by how many steps each update's worker was ahead."""
    weights = np.array(weights)
    if comm.rank:
        for step in range(num_steps):
            comm.compute(compute_s)
            comm.send(gradient(comm.rank - 1, step, weights), 0)
            comm.recv(weights, 0)
        return ()
    clock = dict.fromkeys(range(1, comm.world_size), 0)
    pushed, lead = np.empty_like(weights), []
    for _ in range(len(clock) * num_steps):
        worker = comm.recv_any(pushed)
        lead.append(clock[worker] - min(clock.values()))
        weights -= learning_rate / len(clock) * pushed
        comm.send(weights, worker)
        clock[worker] += 1
    return tuple(lead)
