import numpy as np
import pytest

from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from mlsys_lib.distributed_optimization import (
    Hinge,
    Logistic,
    bias_corrected_average,
    cocoa,
    deal,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    local_sgd,
    minibatch_sdca,
    one_shot_average,
)
from mlsys_lib.distributed_optimization.shards import Shard, join, num_entries
from tests.conftest import Machine
from tests.distributed_optimization.tables import dealt, problem, sparse


def test_all_ranks_learn_all_sizes(machine: Machine) -> None:
    objective = problem("hinge")
    run = machine.run(join, *dealt(objective, machine.world_size, uneven=True), objective.loss)
    for rank, shard in enumerate(run.results):
        assert isinstance(shard, Shard)
        assert shard.num_examples == 60
        assert shard.sizes[rank] == len(shard.y)
        first = shard.first_row(rank)
        assert np.array_equal(shard.y, objective.y[first : first + len(shard.y)])
    assert run.ledger.sent_bytes == (40 * (machine.world_size - 1),) * machine.world_size


X, Y = np.ones((2, 3)), np.array([1.0, -1.0])
NAN = np.array([[1.0, np.nan, 0.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("tables", "targets", "message"),
    [
        ([X, X[:, :2], X], [Y, Y, Y], "same number of features, got 2 on rank 1, 3 on ranks 0, 2"),
        (
            [X, X, NAN],
            [Y, Y, Y],
            "X must be finite, and its squares too, which is not so on rank 2",
        ),
        ([X, sparse(NAN), NAN], [Y, Y, Y], "must be finite, .* which is not so on ranks 1, 2"),
        ([X, X, X], [Y, Y[:1], Y], "y must hold one finite target for each row of X.* rank 1"),
        ([X, X, X], [Y, Y, [np.inf, 1]], "y must hold one finite target .* on rank 2"),
        (
            [X, X, X],
            [[0, 1], Y, Y],
            r"labels \+1 and -1 for a classifier\), which is not so on rank 0",
        ),
        ([X, np.ones(2), X], [Y, Y, Y], r"X must be a table of shape \(n, d\), which .* rank 1"),
        ([X[:0]] * 3, [Y[:0]] * 3, "some rank must have an example, got none on any"),
    ],
)
def test_every_rank_refuses_and_names_the_ranks_at_fault(
    tables: list[np.ndarray], targets: list[np.ndarray], message: str
) -> None:
    with pytest.raises(RankError, match=message) as raised:
        simulate(join, 3, PerRank(tables), PerRank(targets), Hinge())
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize("what", ["loss", "settings"])
def test_ranks_are_held_to_one_plan(what: str) -> None:
    losses = [Hinge(), Logistic()] if what == "loss" else [Hinge()] * 2
    settings = [1, 1] if what == "loss" else [1, 2]
    with pytest.raises(
        RankError, match=f"shards must have the same {what}, got checksum .* rank 1"
    ):
        simulate(join, 2, X, Y, PerRank(losses), PerRank(settings))


def refused_everywhere(comm: Communicator, tables: list[np.ndarray]) -> str:
    """What this rank raised; no rank is left waiting for another."""
    try:
        join(comm, tables[comm.rank], Y, Hinge())
    except ValueError as error:
        return str(error)
    return "nothing"


def test_on_processes_too_all_raise_the_same(several: Machine) -> None:
    tables = [X] * (several.world_size - 1) + [NAN]
    said = set(several.run(refused_everywhere, tables).results)
    assert said == {
        f"X must be finite, and its squares too, which is not so on rank {several.world_size - 1}"
    }


def test_what_is_no_number_or_no_table_is_a_fault_like_any_other() -> None:
    for tables, targets, message in (
        ([X, X], [Y, ["a", "b"]], "y must hold one finite target .* on rank 1"),
        ([X, [[1.0], [1.0, 2.0]]], [Y, Y], r"X must be a table of shape .* on rank 1"),
    ):
        with pytest.raises(RankError, match=message):
            simulate(join, 2, PerRank(tables), PerRank(targets), Hinge())


def test_all_widths_are_named_and_sparse_entries_counted() -> None:
    tables = [X, X[:, :2], X[:, :1]]
    with pytest.raises(RankError, match="got 1 on rank 2, 2 on rank 1, 3 on rank 0"):
        simulate(join, 3, PerRank(tables), Y, Hinge())
    assert num_entries(sparse(np.eye(4))) == 4
    assert num_entries(np.eye(4)) == 16


def test_rows_and_targets_are_dealt_out_together() -> None:
    tables, targets = deal(X, [1.0, -1.0], 2)
    assert [len(table) for table in tables.values] == [1, 1] == [len(y) for y in targets.values]
    with pytest.raises(ValueError, match="y must hold one target for each of 2 rows, got 3"):
        deal(X, np.ones(3), 2)


GOOD = {"penalty": 0.05, "num_rounds": 2}
STEPS = {**GOOD, "learning_rate": 0.1}
OPTIONS = {
    distributed_gradient_descent: (STEPS, {"penalty": 0.1, "num_rounds": 3, "learning_rate": 0.2}),
    distributed_minibatch_sgd: (
        {**STEPS, "batch_size": 4},
        {"penalty": 0.1, "learning_rate": 0.2, "batch_size": 5, "seed": 1,
         "sampling": "with_replacement"},
    ),
    local_sgd: (
        {**STEPS, "num_local_steps": 2, "batch_size": 4},
        {"penalty": 0.1, "learning_rate": 0.2, "num_local_steps": 3, "batch_size": 5, "seed": 1},
    ),
    one_shot_average: ({"penalty": 0.05}, {"penalty": 0.1, "tolerance": 1e-3}),
    bias_corrected_average: (
        {"penalty": 0.05, "fraction": 0.5}, {"penalty": 0.1, "fraction": 0.25, "seed": 1},
    ),
    cocoa: (
        GOOD,
        {"penalty": 0.1, "num_rounds": 3, "aggregation": 0.5, "subproblem_scale": 1.0,
         "num_local_steps": 3, "theta": 0.5, "tolerance": 0.1, "seed": 1},
    ),
    minibatch_sdca: (
        {**GOOD, "batch_size": 4, "batch_scale": 2.0},
        {"penalty": 0.1, "num_rounds": 3, "batch_size": 5, "batch_scale": 3.0, "tolerance": 0.1,
         "seed": 1},
    ),
}  # fmt: skip
DIFFERENCES = [(method, name) for method, (_, others) in OPTIONS.items() for name in others]


@pytest.mark.parametrize(
    ("method", "name"), DIFFERENCES, ids=[f"{m.__name__}-{name}" for m, name in DIFFERENCES]
)
def test_every_option_of_every_method_is_held_equal_over_ranks(method: object, name: str) -> None:
    """Ranks that do different things would end with different weights, or wait for ever."""
    good, others = OPTIONS[method]  # type: ignore[index]
    defaults = {"sampling": "epochs", "seed": 0, "tolerance": 1e-10, "aggregation": 1.0}
    mine = good.get(name, defaults.get(name))
    if method in (cocoa, minibatch_sdca) and name == "tolerance":
        mine = 0.0
    objective = problem("hinge")
    options = {**good, name: PerRank([mine, others[name]])}
    with pytest.raises(RankError, match="shards must have the same settings, got checksum"):
        simulate(method, 2, *dealt(objective, 2), objective.loss, **options)  # type: ignore[arg-type]
