"""What each rank runs in these tests: in a module, so that processes can import it."""

import os
import signal
import time
from typing import Any

import numpy as np

from mlsys_lib.comm import Communicator, wait_all


def neighbors(comm: Communicator) -> tuple[int, int]:
    """Return the ranks to the right and to the left."""
    return (comm.rank + 1) % comm.world_size, (comm.rank - 1) % comm.world_size


def pass_on(comm: Communicator, x: Any, out: Any) -> Any:
    """Send to the right, receive from the left."""
    right, left = neighbors(comm)
    comm.send_recv(x, out, right, left)
    return out


def blocking(comm: Communicator, x: Any) -> Any:
    """Rank 0 sends, rank 1 receives and sends back double."""
    out = np.empty_like(x)
    if comm.rank == 0:
        comm.send(x, 1)
        comm.recv(out, 1)
    elif comm.rank == 1:
        comm.recv(out, 0)
        comm.send(out + out, 0)
    return out


def echo(comm: Communicator, x: np.ndarray) -> np.ndarray:
    """Rank 0 sends, rank 1 receives; works for dtypes that do not add."""
    out = np.zeros_like(x)
    if comm.rank == 0:
        comm.send(x, 1)
    elif comm.rank == 1:
        comm.recv(out, 0)
    return out


def non_blocking(comm: Communicator) -> list[float]:
    """Everybody sends its rank to everybody, and waits once."""
    others = [rank for rank in range(comm.world_size) if rank != comm.rank]
    inbox = np.full(comm.world_size, np.nan)
    mine = np.array([float(comm.rank)])
    receives = [comm.irecv(inbox[rank : rank + 1], rank) for rank in others]
    wait_all(receives + [comm.isend(mine, rank) for rank in others])
    return inbox.tolist()


def tags_out_of_order(comm: Communicator) -> list[float]:
    """Rank 0 sends under tags 1, 2; rank 1 takes tag 2 first."""
    if comm.rank == 0:
        wait_all([comm.isend(np.array([float(tag)]), 1, tag) for tag in (1, 2)])
        return []
    outs = [np.empty(1), np.empty(1)]
    if comm.rank == 1:
        comm.recv(outs[1], 0, tag=2)
        comm.recv(outs[0], 0, tag=1)
    return [out.item() for out in outs]


def in_order(comm: Communicator) -> list[float]:
    """Messages under one tag do not overtake each other."""
    outs = [np.empty(1) for _ in range(5)]
    if comm.rank == 0:
        wait_all([comm.isend(np.array([float(i)]), 1) for i in range(5)])
    elif comm.rank == 1:
        for out in outs:
            comm.recv(out, 0)
    return [out.item() for out in outs]


def to_itself(comm: Communicator) -> float:
    """A rank sends to itself, receive first."""
    out = np.empty(1)
    request = comm.irecv(out, comm.rank)
    comm.send(np.array([7.0 + comm.rank]), comm.rank)
    request.wait()
    return out.item()


def to_itself_at_once(comm: Communicator) -> float:
    """Send and receive in one call, in which the peer happens to be the rank itself."""
    out = np.empty(1)
    comm.send_recv(np.array([5.0]), out, comm.rank, comm.rank)
    return out.item()


def to_itself_without_receive(comm: Communicator) -> None:
    """Send to itself with nobody to take it."""
    comm.send(np.zeros(1), comm.rank)


def grid(comm: Communicator) -> tuple[list[float], list[float]]:
    """On a grid of 2 by world_size / 2, gather along the row and along the column at once."""
    width = comm.world_size // 2
    row, column = divmod(comm.rank, width)
    along_row = comm.group([row * width + c for c in range(width)])
    along_column = comm.group([r * width + column for r in range(2)])
    mine = np.array([float(comm.rank)])
    found = []
    requests = []
    for group in (along_row, along_column):
        inbox = np.full(group.world_size, float(comm.rank))
        for peer in range(group.world_size):
            if peer != group.rank:
                requests.append(group.irecv(inbox[peer : peer + 1], peer))
                requests.append(group.isend(mine, peer))
        found.append(inbox)
    wait_all(requests)
    return found[0].tolist(), found[1].tolist()


def overlapping_groups(comm: Communicator) -> list[float]:
    """Ranks 0 and 1 talk in three groups, in an order that would mix them up."""
    if comm.rank > 1:
        return []
    groups = [comm, comm.group([0, 1]), comm.group([0, 1]), comm.group([1, 0])]
    outs = [np.empty(1) for _ in groups]
    if comm.rank == 0:
        sends = [(g, g.isend(np.array([float(i)]), 1 - g.rank)) for i, g in enumerate(groups)]
        wait_all([request for _, request in sends])
        return []
    for i in (3, 2, 0, 1):
        groups[i].recv(outs[i], 1 - groups[i].rank)
    return [out.item() for out in outs]


def group_of_one(comm: Communicator) -> tuple[int, int]:
    """A rank alone is rank 0 of 1."""
    alone = comm.group([comm.rank])
    return alone.rank, alone.world_size


def group_of(comm: Communicator, ranks: list[int]) -> None:
    """Make a group."""
    comm.group(ranks)


def take_any(comm: Communicator) -> list[int]:
    """Rank 0 takes from whoever comes; the higher the rank, the less it computes."""
    if comm.rank:
        comm.compute(1.0 / comm.rank)
        comm.send(np.array([comm.rank]), 0)
        return []
    out, order = np.empty(1, int), []
    for _ in range(comm.world_size - 1):
        src = comm.recv_any(out)
        order.append(src)
        assert out.item() == src
    return order


def mismatched(comm: Communicator, sent: np.ndarray, out: np.ndarray) -> None:
    """Rank 0 sends what rank 1 does not expect."""
    if comm.rank == 0:
        comm.send(sent, 1)
    elif comm.rank == 1:
        comm.recv(out, 0)


def torch_tensors(comm: Communicator, dtype: str) -> list[float]:
    """Pass a torch tensor around."""
    import torch

    kind = getattr(torch, dtype)
    x = torch.full((3,), 1.5 + comm.rank, dtype=kind)
    out = torch.empty(3, dtype=kind)
    pass_on(comm, x, out)
    return [float(value) for value in out]


def fails_at(comm: Communicator, rank: int) -> None:
    """One rank raises, the others wait for it."""
    if comm.rank == rank:
        raise ArithmeticError("the planted fault")
    comm.recv(np.empty(1), rank)


def bad_call(comm: Communicator, method: str, args: tuple[Any, ...]) -> str:
    """Return the error of a refused call."""
    try:
        getattr(comm, method)(*args)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def waits_for_nobody(comm: Communicator) -> None:
    """Rank 1 receives what rank 0 never sends; rank 0 sleeps meanwhile."""
    if comm.rank == 1:
        comm.recv(np.empty(1), 0)
    elif comm.rank == 0:
        time.sleep(4)


def kills_itself(comm: Communicator, rank: int) -> None:
    """One process is killed, the others wait for it."""
    if comm.rank == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    comm.recv(np.empty(1), rank)


def exits(comm: Communicator) -> None:
    """Rank 0 leaves by sys.exit."""
    if comm.rank == 0:
        raise SystemExit(3)
    comm.recv(np.empty(1), 0)


def result_that_cannot_travel(comm: Communicator) -> Any:
    """Return what pickle refuses."""
    return lambda: comm.rank


def process_id(comm: Communicator) -> int:
    """Return the process that this rank is."""
    return os.getpid()


def long_sleep(comm: Communicator) -> None:
    """Do nothing for a minute."""
    time.sleep(60)


def answer(comm: Communicator) -> int:
    """Return something."""
    return 10 * comm.rank


def with_gaps(comm: Communicator) -> list[list[float]]:
    """Send a column of an array, and receive into a column of another."""
    x, out = np.arange(12.0).reshape(3, 4) + 100 * comm.rank, np.zeros((3, 4))
    pass_on(comm, x[:, 1], out[:, 2])
    return out.tolist()


def swap_early_receive(comm: Communicator) -> float:
    """Two ranks offer a receive, send with a blocking send, and only then wait."""
    peer, out = 1 - comm.rank, np.empty(2)
    request = comm.irecv(out, peer)
    comm.send(np.full(2, 1.0 + comm.rank), peer)
    request.wait()
    return float(out[0])


def wait_in_another_order(comm: Communicator) -> list[float]:
    """Rank 1 waits for the second message first."""
    if comm.rank == 0:
        for number in (1.0, 2.0):
            comm.send(np.full(3, number), 1)
        return []
    outs = [np.empty(3), np.empty(3)]
    first, second = (comm.irecv(out, 0) for out in outs)
    second.wait()
    first.wait()
    return [float(out[0]) for out in outs]
