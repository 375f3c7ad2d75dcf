import numpy as np
import pytest

from mlsys_lib.comm import Communicator, PerRank, RankError, simulate
from mlsys_lib.distributed_optimization import Hinge, Logistic
from mlsys_lib.distributed_optimization.shards import Shard, join
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
