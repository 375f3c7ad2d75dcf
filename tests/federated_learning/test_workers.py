import numpy as np
import pytest

from mlsys_lib.comm import RankError, simulate
from mlsys_lib.federated_learning.cost import ledger_bytes
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.rounds import History
from mlsys_lib.federated_learning.synthetic import synthetic
from mlsys_lib.federated_learning.systems import Stragglers
from mlsys_lib.federated_learning.workers import RankWorkers
from tests.conftest import Machine
from tests.federated_learning.quadratics import (
    failing_run,
    over_ranks,
    prox_run,
    unequal_clients,
    with_control,
)

MODEL, CLIENTS = LeastSquares(3), unequal_clients([4, 6, 9, 2, 7])


def assert_equal(one: History, other: History) -> None:
    assert np.array_equal(one.weights, other.weights)  # to the bit
    assert one.sampled == other.sampled
    assert one.lost == other.lost
    assert one.num_steps == other.num_steps
    assert np.array_equal(one.down_bytes, other.down_bytes)
    assert np.array_equal(one.up_bytes, other.up_bytes)


@pytest.mark.parametrize("function", [prox_run, failing_run, with_control])
def test_clients_on_ranks_do_what_clients_in_one_process_do(several: Machine, function) -> None:
    run = several.run(over_ranks, function, MODEL, CLIENTS)
    expected = function(MODEL, CLIENTS)
    assert_equal(run.results[0], expected)
    assert run.ledger.total_bytes == ledger_bytes(expected, several.world_size)
    assert all(r.num_rounds == 0 and len(r.weights) == 1 for r in run.results[1:])


def test_stragglers_are_the_same_ones_on_ranks() -> None:
    systems = Stragglers(0.5)
    run = simulate(over_ranks, 3, prox_run, MODEL, CLIENTS, systems=systems)
    assert_equal(run.results[0], prox_run(MODEL, CLIENTS, systems=systems))


def test_classes_work_on_processes_too(pair: Machine) -> None:
    data = synthetic(1, 1, num_clients=3, log_size_std=0.0).train
    model = SoftmaxRegression(60, 10)
    run = pair.run(over_ranks, prox_run, model, data)
    assert_equal(run.results[0], prox_run(model, data))


def test_each_client_has_one_rank_and_the_server_has_none() -> None:
    def places(comm) -> list[int]:
        return [RankWorkers(comm).rank_of(i) for i in range(7)]

    assert simulate(places, 4).results[0] == [1, 2, 3, 1, 2, 3, 1]


def test_a_long_reason_is_cut_to_its_message() -> None:
    clients = unequal_clients([4, 6])

    def body(comm):
        return over_ranks(comm, run_with_long_reason, clients)

    reasons = simulate(body, 2).results[0].lost[0]
    assert reasons == run_with_long_reason(clients).lost[0]
    assert len(reasons[0].encode()) <= 256
    assert reasons[0].startswith("RuntimeError: é")


def run_with_long_reason(clients, workers=None) -> History:
    from mlsys_lib.federated_learning.aggregation import PlainMean
    from mlsys_lib.federated_learning.rounds import federate
    from mlsys_lib.federated_learning.sampling import Everyone

    def solver(*arguments):
        raise RuntimeError("é" * 500)

    return federate(
        MODEL, clients, np.zeros(3), num_rounds=1, sampling=Everyone(), local_solver=solver,
        aggregation=PlainMean(), workers=workers,
    )  # fmt: skip


def test_a_lone_rank_has_no_workers() -> None:
    with pytest.raises(RankError, match="world_size must be at least 2, a server and a worker"):
        simulate(over_ranks, 1, prox_run, MODEL, CLIENTS)
