import numpy as np
import pytest

from mlsys_lib.comm import RankError, simulate
from mlsys_lib.distributed_trees import controller_tree, exact_bins, grow_histogram_tree
from mlsys_lib.distributed_trees.controller import ControllerTrace
from mlsys_lib.distributed_trees.cost import controller_bytes
from mlsys_lib.distributed_trees.map_task import EXPAND, IN_MEMORY
from tests.conftest import Machine
from tests.distributed_trees.problems import CRITERIA, problem

DEPTH = 5


def trace_of(results: tuple[ControllerTrace | None, ...]) -> ControllerTrace:
    """The controller has it, and nobody else."""
    assert results[1:] == (None,) * (len(results) - 1)
    assert results[0] is not None
    return results[0]


@pytest.mark.parametrize("in_memory_rows", [0, 12, 1000])
def test_it_is_the_serial_tree_and_its_bytes_are_the_closed_form(several: Machine, in_memory_rows):
    p = problem("variance", 120, missing=0.1)
    bins = exact_bins(p.X, 8)
    codes = bins.encode(p.X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, DEPTH)
    run = several.run(
        controller_tree, codes, p.stats, bins, p.criterion, DEPTH,
        num_blocks=5, in_memory_rows=in_memory_rows,
    )  # fmt: skip
    trace = trace_of(run.results)
    assert trace.tree.same_as(serial)
    kinds = {job.kind for job in trace.jobs}
    assert kinds == {0: {EXPAND}, 12: {EXPAND, IN_MEMORY}, 1000: {IN_MEMORY}}[in_memory_rows]
    form = controller_bytes(trace.jobs, 4, bins.num_slots, 3, several.world_size)
    assert run.ledger.total_bytes == form


@pytest.mark.parametrize("name", CRITERIA)
def test_it_is_the_serial_tree_for_every_criterion_with_categories(name: str) -> None:
    p = problem(name, 300, missing=0.1, weighted=True)
    X = np.column_stack([p.X, np.random.default_rng(0).integers(0, 6, 300)])
    bins = exact_bins(X, 12, categorical=[4])
    codes = bins.encode(X)
    serial = grow_histogram_tree(codes, p.stats, bins, p.criterion, 6)
    args = (codes, p.stats, bins, p.criterion, 6)
    run = simulate(controller_tree, 4, *args, num_blocks=7, in_memory_rows=40)
    assert trace_of(run.results).tree.same_as(serial)


def test_a_lost_task_is_done_again_with_the_same_result(several: Machine) -> None:
    p = problem("gini", 200)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, DEPTH)
    options = {"num_blocks": 4, "in_memory_rows": 30}
    calm = several.run(controller_tree, *args, **options)
    lost = {(0, 0), (2, 0), (2, 1), (13, 0)}
    run = several.run(controller_tree, *args, **options, lost=lost)
    trace, quiet = trace_of(run.results), trace_of(calm.results)
    assert trace.tree.same_as(quiet.tree)
    assert sum(job.num_lost for job in trace.jobs) == 4
    assert sum(job.num_lost for job in quiet.jobs) == 0
    form = controller_bytes(trace.jobs, 4, bins.num_slots, 3, several.world_size)
    assert run.ledger.total_bytes == form > calm.ledger.total_bytes


def test_with_a_block_for_each_worker_histograms_are_what_the_sheet_counts() -> None:
    """(2^D - 1) k B m c words, from the jobs."""
    p = problem("variance", 400)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, 3)
    trace = trace_of(simulate(controller_tree, 6, *args, num_blocks=5).results)
    assert (
        sum(job.result_bytes for job in trace.jobs) == (2**3 - 1) * 4 * bins.num_slots * 5 * 3 * 8
    )


def test_no_rows_and_blocks_of_none_are_no_trouble() -> None:
    p = problem("variance", 3)
    bins = exact_bins(p.X, 4)
    for rows in (0, 3):
        args = (bins.encode(p.X[:rows]), p.stats[:rows], bins, p.criterion, 2)
        trace = trace_of(simulate(controller_tree, 3, *args, num_blocks=8).results)
        assert trace.tree.same_as(grow_histogram_tree(*args))


@pytest.mark.parametrize(
    ("world_size", "options", "message"),
    [
        (1, {"num_blocks": 2}, "at least two ranks, a controller and a worker, got 1"),
        (2, {"num_blocks": 0}, "num_blocks must be an integer >= 1, got 0"),
        (2, {"num_blocks": 1, "in_memory_rows": -1}, "in_memory_rows must be finite and >= 0"),
    ],
)
def test_what_cannot_be_run_is_refused(world_size, options, message) -> None:
    p = problem("variance", 10)
    bins = exact_bins(p.X, 4)
    with pytest.raises(RankError, match=message):
        simulate(
            controller_tree, world_size, bins.encode(p.X), p.stats, bins, p.criterion, 2, **options
        )


def test_a_task_whose_loss_is_not_noticed_would_change_the_tree(monkeypatch) -> None:
    """The planted mistake: what is lost counts as nothing."""
    from mlsys_lib.distributed_trees import controller

    p = problem("variance", 200)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, 3)
    shape = (1, 4 * bins.num_slots * 3)

    def careless(comm, workers, kind):
        worker, result = receive(comm, workers, kind)
        return worker, np.zeros(shape) if result is None else result

    receive = controller.receive_result
    monkeypatch.setattr(controller, "receive_result", careless)
    run = simulate(controller_tree, 3, *args, num_blocks=4, lost={(1, 0)})
    assert not trace_of(run.results).tree.same_as(grow_histogram_tree(*args))


def test_a_node_of_exactly_the_limit_is_grown_in_memory() -> None:
    p = problem("variance", 200)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, 3)
    for limit, kinds in ((200, [IN_MEMORY]), (199, [EXPAND, IN_MEMORY])):
        run = simulate(controller_tree, 4, *args, num_blocks=6, in_memory_rows=limit)
        assert [job.kind for job in trace_of(run.results).jobs] == kinds


def test_tasks_count_over_all_jobs_and_losses_do_not() -> None:
    p = problem("variance", 200)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, 3)
    lost = {(0, 0), (2, 0), (3, 0), (4, 0)}
    run = simulate(controller_tree, 3, *args, num_blocks=2, lost=lost)
    assert [job.num_lost for job in trace_of(run.results).jobs] == [1, 2, 1]


def test_every_worker_gets_work() -> None:
    p = problem("variance", 200)
    bins = exact_bins(p.X, 8)
    args = (bins.encode(p.X), p.stats, bins, p.criterion, 3)
    run = simulate(controller_tree, 4, *args, num_blocks=6)
    assert min(run.ledger.sent_bytes[1:]) > 0
