"""Tasks of PLANET's controller, and the workers that do them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.distributed_trees.binned_tree import BinnedTree
from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.combine import Alone
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.histogram_tree import count, grow_binned

STOP, EXPAND, IN_MEMORY = range(3)
HEADER_WORDS = 7
_WAS_LOST = -1


@dataclass(frozen=True)
class Files:
    """What lies in the file system that every rank can read."""

    codes: np.ndarray
    stats: np.ndarray
    bins: Bins
    criterion: Criterion
    max_depth: int
    min_weight: float
    num_blocks: int

    def block(self, number: int) -> slice:
        """Return the rows of a block."""
        ends = np.linspace(0, len(self.codes), self.num_blocks + 1).astype(int)
        return slice(int(ends[number]), int(ends[number + 1]))

    def histograms_of(self, numbers: np.ndarray, num_nodes: int) -> np.ndarray:
        """Return a result of `expand`, or a sum of several, as histograms."""
        shape = (self.codes.shape[1], self.bins.num_slots, self.stats.shape[1])
        return numbers.reshape(num_nodes, *shape)


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do.

    Attributes
    ----------
    kind : {STOP, EXPAND, IN_MEMORY}
    number, attempt : int
        Tasks count over all jobs, attempts over losses.
    argument : int
        A block to count, or a leaf whose subtree is to be grown.
    nodes : ndarray of int64
        Leaves that are counted, or grown by this task and others.
    model : ndarray of uint8
        The tree so far (`BinnedTree.to_bytes`).
    """

    kind: int
    number: int
    attempt: int
    argument: int
    nodes: np.ndarray
    model: np.ndarray

    @classmethod
    def stop(cls) -> "Task":
        """Return the last task: there are no more."""
        return cls(STOP, 0, 0, 0, np.empty(0, np.int64), np.empty((0, 0), np.uint8))

    def again(self) -> "Task":
        """Return the same task for another attempt."""
        return replace(self, attempt=self.attempt + 1)

    def send(self, comm: Communicator, worker: int) -> None:
        """Send a header, and the nodes and the model unless there are none."""
        head = [self.kind, self.number, self.attempt, self.argument, len(self.nodes)]
        comm.send(np.array([*head, *self.model.shape]), worker)
        if self.kind != STOP:
            comm.send(self.nodes, worker)
            comm.send(self.model, worker)

    @classmethod
    def receive(cls, comm: Communicator) -> "Task":
        """Receive a task from the controller."""
        head = np.empty(HEADER_WORDS, np.int64)
        comm.recv(head, 0)
        kind, number, attempt, argument, num_nodes, num_rows, row_bytes = head.tolist()
        nodes, model = np.empty(num_nodes, np.int64), np.empty((num_rows, row_bytes), np.uint8)
        if kind != STOP:
            comm.recv(nodes, 0)
            comm.recv(model, 0)
        return cls(kind, number, attempt, argument, nodes, model)


def work(comm: Communicator, files: Files, lost: Collection[tuple[int, int]]) -> None:
    """Do tasks until there are no more, and keep nothing from one to the next."""
    while (task := Task.receive(comm)).kind != STOP:
        result = expand(files, task) if task.kind == EXPAND else grow_in_memory(files, task)
        if (task.number, task.attempt) in lost:
            comm.send(np.array([_WAS_LOST, 0]), 0)
        else:
            comm.send(np.array(result.shape), 0)
            comm.send(result, 0)


def expand(files: Files, task: Task) -> np.ndarray:
    """Return the histograms of a block, shape (nodes, d h c)."""
    model, rows = (
        BinnedTree.from_bytes(task.model, files.bins.num_slots),
        files.block(task.argument),
    )
    place = np.full(len(model.feature), -1)
    place[task.nodes] = np.arange(len(task.nodes))
    slot = place[model.route(files.codes[rows])]
    num_nodes, num_slots = len(task.nodes), files.bins.num_slots
    histograms = count(files.codes[rows], files.stats[rows], slot, num_nodes, num_slots)
    return histograms.reshape(num_nodes, -1)


def grow_in_memory(files: Files, task: Task) -> np.ndarray:
    """Return the subtree of a leaf, as bytes."""
    model = BinnedTree.from_bytes(task.model, files.bins.num_slots)
    rows = model.route(files.codes) == task.argument
    levels = files.max_depth - model.depth[task.argument]
    subtree = grow_binned(
        files.codes[rows], files.stats[rows], files.bins, files.criterion, levels,
        files.min_weight, True, Alone(),
    )  # fmt: skip
    return subtree.to_bytes()


def receive_result(
    comm: Communicator, workers: Sequence[int], kind: int
) -> tuple[int, np.ndarray | None]:
    """Return the first worker that answers, and its result; None if it was lost."""
    shape = np.empty(2, np.int64)
    worker = comm.recv_any(shape, workers)
    if shape[0] == _WAS_LOST:
        return worker, None
    result = np.empty(tuple(shape.tolist()), np.float64 if kind == EXPAND else np.uint8)
    comm.recv(result, worker)
    return worker, result
