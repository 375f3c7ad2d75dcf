"""The ring step by step, watched in a run of `ring_all_reduce`.

Each machine puts a mark of its own into every chunk, so that a sum says whose numbers are in it.
The arrays are read from outside, through a communicator that takes notes; the algorithm is the
library's.
"""

from functools import cache
from typing import cast

import numpy as np

from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import Communicator, Ledger, simulate
from mlsys_lib.explorers import Control, Explorer
from mlsys_lib.explorers.explorer import Table
from mlsys_lib.plots.collectives import Move, RingPlot, RingState, chunk_name

_CHUNK_SHIFT = 32  # the low half of a number holds one bit a machine, the high half the chunk


def ring_explorer(step: int = 0) -> Explorer:
    """Return the explorer: machines and step; who sends which chunk, and who holds what.

    Parameters
    ----------
    step : int
        Where the slider stands at first, 0 … 14.
    """
    return Explorer(
        name="ring",
        title="The ring, step by step",
        compute=ring_state,
        plot=RingPlot,
        controls=(
            Control("workers", (2, 3, 4, 6, 8, 12), default=8, label="machines"),
            Control("step", lambda workers: range(2 * workers - 1), default=step, play=True),
        ),
        describe=describe_ring,
        table=ring_table,
    )


def ring_state(workers: int, step: int) -> RingState:
    """Return what a ring all-reduce of `workers` machines looks like after `step` steps.

    >>> ring_state(workers=4, step=3).held
    array([[1, 4, 3, 2],
           [2, 1, 4, 3],
           [3, 2, 1, 4],
           [4, 3, 2, 1]])
    """
    snapshots, sent, ledger = _watched_run(workers)
    size_bytes = workers * np.int64().itemsize
    so_far = [
        sum(message[4] for message in [m for m in ledger.messages if m[0] == rank][:step])
        for rank in range(workers)
    ]
    return RingState(
        workers=workers,
        step=step,
        num_steps=len(snapshots) - 1,
        held=np.vectorize(_num_machines)(snapshots[step]),
        moves=tuple(_move(rank, *sent[rank][step - 1]) for rank in range(workers) if step),
        sent_gradients=max(so_far) / size_bytes,
        total_gradients=max(ledger.sent_bytes) / size_bytes,
    )


def describe_ring(state: RingState) -> str:
    """Say what the drawing shows."""
    text = f"Ring of {state.workers} machines, step {state.step} of {state.num_steps}. "
    if state.moves:
        move = state.moves[0]
        text += (
            f"In this {state.phase} step each machine passed one chunk to the next; machine "
            f"{move.src} sent chunk {chunk_name(move.chunk)} with the numbers of {move.held}. "
        )
    return text + (
        f"{state.num_complete} of {state.workers**2} chunks are complete; each machine has sent "
        f"{state.sent_gradients:.2f} of {state.total_gradients:.2f} gradients."
    )


def ring_table(state: RingState) -> Table:
    """Return a row a machine: what it sent, what it heard, what it holds."""
    received = {move.dst: move for move in state.moves}
    sent = {move.src: move for move in state.moves}
    rows = []
    for rank in range(state.workers):
        out, into = sent.get(rank), received.get(rank)
        holds = " ".join(f"{chunk_name(c)}{held}" for c, held in enumerate(state.held[rank]))
        rows.append(
            (
                rank,
                chunk_name(out.chunk) if out else "–",
                out.dst if out else "–",
                chunk_name(into.chunk) if into else "–",
                holds,
            )
        )
    return ("machine", "chunk sent", "to", "chunk received", "chunks, machines in each"), rows


class _NoteTaker:
    """A rank's communicator that copies the array and the message before each step."""

    def __init__(self, comm: Communicator) -> None:
        self._comm = comm
        self.rank, self.world_size = comm.rank, comm.world_size
        self.arrays: list[np.ndarray] = []
        self.sent: list[tuple[int, int]] = []  # destination, first number of the chunk

    def send_recv(self, x: np.ndarray, out: np.ndarray, dst: int, src: int, tag: int = 0) -> None:
        """Take notes, then send and receive."""
        assert x.base is not None  # a chunk is a view of the whole array
        self.arrays.append(x.base.copy())
        self.sent.append((dst, int(x[0])))
        self._comm.send_recv(x, out, dst, src, tag)


@cache
def _watched_run(workers: int) -> tuple[np.ndarray, list[list[tuple[int, int]]], Ledger]:
    """Run the ring; return (steps + 1, workers, chunks) of marks, the messages, and the ledger."""
    run = simulate(_watched_ring, workers)
    arrays, sent = zip(*run.results, strict=True)
    return np.array(arrays).swapaxes(0, 1), list(sent), run.ledger


def _watched_ring(comm: Communicator) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    notes = _NoteTaker(comm)
    marks = (np.arange(comm.world_size) << _CHUNK_SHIFT) + (1 << comm.rank)
    result = ring_all_reduce(cast(Communicator, notes), marks)
    return [*notes.arrays, result], notes.sent


def _num_machines(mark: int) -> int:
    """Return how many machines' marks are in a sum."""
    return (int(mark) & ((1 << _CHUNK_SHIFT) - 1)).bit_count()


def _move(src: int, dst: int, mark: int) -> Move:
    held = _num_machines(mark)
    return Move(src, dst, (mark >> _CHUNK_SHIFT) // held, held)
