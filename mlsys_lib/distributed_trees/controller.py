"""PLANET as published: a controller, map tasks that may be lost, small nodes grown in memory.

Panda, Herbach, Basu & Bayardo, PVLDB 2(2), 2009, doi:10.14778/1687553.1687569, sections 4 and 5.

Rank 0 is the *controller*. It keeps the model, and two queues: nodes that are expanded by passing
over all rows, and nodes with so few rows that one machine grows the whole subtree in memory. All
other ranks are *workers* without a memory of their own: a task names a block of rows, or a small
node, and comes with the model so far. So whoever is free may do it, and a task that was lost is
simply done again; sums are exact, so the result is the same to the bit.

As there, rows lie in a file system that every worker can read; here it is an argument, and reading
it is no message. Where the paper has reducers beside the controller, here the controller adds up.
Their mappers emit the statistics of each bin as a key and a value, ours whole histograms. A worker
whose task is lost says so; theirs falls silent, and is missed.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mlsys_lib.comm import Communicator
from mlsys_lib.core.validate import integer, non_negative, positive_int
from mlsys_lib.distributed_trees.binned_tree import BinnedTree
from mlsys_lib.distributed_trees.bins import Bins
from mlsys_lib.distributed_trees.criterion import Criterion
from mlsys_lib.distributed_trees.histogram_tree import MAX_DEPTH
from mlsys_lib.distributed_trees.map_task import (
    EXPAND,
    IN_MEMORY,
    Files,
    Task,
    receive_result,
    work,
)
from mlsys_lib.distributed_trees.splits import best_splits
from mlsys_lib.distributed_trees.tree import Tree


@dataclass(frozen=True)
class Job:
    """A pass of tasks that the controller waited for.

    Attributes
    ----------
    kind : {EXPAND, IN_MEMORY}
    num_nodes : int
        Nodes that it was for.
    model_nodes : int
        Nodes of the model that came with each task.
    num_tasks, num_lost : int
        Tasks that were handed out, and how many of them were lost and done again.
    result_bytes : int
        Of all results that arrived.
    """

    kind: int
    num_nodes: int
    model_nodes: int
    num_tasks: int
    num_lost: int
    result_bytes: int


@dataclass(frozen=True)
class ControllerTrace:
    """What the controller has made: the tree, and the jobs in order."""

    tree: Tree
    jobs: tuple[Job, ...]


def controller_tree(
    comm: Communicator,
    codes: np.ndarray,
    stats: np.ndarray,
    bins: Bins,
    criterion: Criterion,
    max_depth: int,
    *,
    num_blocks: int,
    in_memory_rows: float = 0.0,
    min_weight: float = 1.0,
    lost: Collection[tuple[int, int]] = (),
) -> ControllerTrace | None:
    """Grow a tree with a controller on rank 0 and workers on all other ranks.

    Parameters
    ----------
    comm : Communicator
        Of at least two ranks.
    codes : ndarray of shape (n, d)
        All rows, as `bins` encodes them: the file system, the same on every rank.
    stats : ndarray of shape (n, c)
        Their statistics, on a grid (`exact_sums`).
    bins, criterion, max_depth, min_weight
        As in `grow_histogram_tree`.
    num_blocks : int
        Map tasks of a level, each with about n / num_blocks rows.
    in_memory_rows : float
        Nodes of at most this weight (rows, if none has a weight) are grown in memory.
    lost : collection of (task, attempt)
        Tasks whose results are lost; both count from 0, tasks over all jobs.

    Returns
    -------
    ControllerTrace on rank 0, None on the others
        Its tree is the one of `grow_histogram_tree`.

    Notes
    -----
    See `controller_bytes`. A level sends num_blocks times the histograms of its nodes.
    """
    integer("max_depth", max_depth, 0, MAX_DEPTH)
    positive_int("num_blocks", num_blocks)
    non_negative("in_memory_rows", in_memory_rows)
    non_negative("min_weight", min_weight)
    if comm.world_size < 2:
        raise ValueError("comm must have at least two ranks, a controller and a worker, got 1")
    files = Files(codes, stats, bins, criterion, max_depth, min_weight, num_blocks)
    if comm.rank == 0:
        return _Controller(comm, files, in_memory_rows).run()
    work(comm, files, lost)
    return None


class _Controller:
    """Rank 0: the model, the queues, and who is free."""

    def __init__(self, comm: Communicator, files: Files, in_memory_rows: float) -> None:
        self._comm, self._files, self._in_memory_rows = comm, files, in_memory_rows
        self._model = BinnedTree(files.bins.num_slots)
        self._jobs: list[Job] = []
        self._num_tasks = 0  # of all jobs so far

    def run(self) -> ControllerTrace:
        files, model = self._files, self._model
        level, small = [model.add(files.stats.sum(axis=0), 0)], []
        for _ in range(files.max_depth):
            is_small = {node: self._is_small(node) for node in level}
            small += [node for node in level if is_small[node]]
            level = [node for node in level if not is_small[node]]
            if not level:
                break
            level = self._expand(level)
        for node, rows in zip(small, self._run_job(IN_MEMORY, small, small), strict=True):
            model.graft(node, BinnedTree.from_bytes(rows, model.num_slots))
        for worker in range(1, self._comm.world_size):
            Task.stop().send(self._comm, worker)
        return ControllerTrace(model.tree(files.bins, files.criterion), tuple(self._jobs))

    def _is_small(self, node: int) -> bool:
        weight = self._files.criterion.weight(self._model.stats[node])
        return float(weight) <= self._in_memory_rows

    def _expand(self, level: list[int]) -> list[int]:
        """Add up the histograms of all blocks, split, and return the children."""
        files = self._files
        results = self._run_job(EXPAND, list(range(files.num_blocks)), level)
        histograms = files.histograms_of(np.sum(results, axis=0), len(level))
        splits = best_splits(histograms, files.criterion, files.bins.categorical, files.min_weight)
        chosen = np.flatnonzero(np.isfinite(splits.gain))
        return [child for i in chosen for child in self._model.split(level[i], splits, i)]

    def _run_job(self, kind: int, arguments: list[int], nodes: list[int]) -> list[np.ndarray]:
        """Hand out a task for each argument to whoever is free; return the results in order."""
        if not arguments:
            return []
        model, first = self._model.to_bytes(), self._num_tasks
        tasks = [
            Task(kind, first + i, 0, argument, np.array(nodes), model)
            for i, argument in enumerate(arguments)
        ]
        results: dict[int, np.ndarray] = {}
        num_lost = 0
        todo, free = deque(tasks), deque(range(1, self._comm.world_size))
        busy: dict[int, Task] = {}
        while todo or busy:
            while todo and free:
                worker = free.popleft()
                busy[worker] = todo.popleft()
                busy[worker].send(self._comm, worker)
            worker, result = receive_result(self._comm, sorted(busy), kind)
            task = busy.pop(worker)
            free.append(worker)
            if result is None:
                num_lost += 1
                todo.append(task.again())
            else:
                results[task.number] = result
        self._num_tasks += len(tasks)
        sent = sum(result.nbytes for result in results.values())
        self._jobs.append(Job(kind, len(nodes), len(model), len(tasks) + num_lost, num_lost, sent))
        return [results[first + i] for i in range(len(tasks))]
