import numpy as np
import pytest

from mlsys_lib.comm import RankError, simulate
from mlsys_lib.federated_learning.aggregation import PlainMean
from mlsys_lib.federated_learning.cost import ledger_bytes
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import Everyone
from mlsys_lib.federated_learning.synthetic import synthetic
from mlsys_lib.federated_learning.systems import Stragglers
from mlsys_lib.federated_learning.workers import RankWorkers, over_ranks
from tests.conftest import Machine
from tests.federated_learning.quadratics import (
    diverging_run,
    failing_run,
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
    assert one.diverged_at == other.diverged_at


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


def test_ranks_stop_too_where_a_run_diverges() -> None:
    run = simulate(over_ranks, 3, diverging_run, MODEL, CLIENTS)
    assert_equal(run.results[0], diverging_run(MODEL, CLIENTS))
    assert run.results[0].diverged_at is not None
    assert run.ledger.total_bytes == ledger_bytes(run.results[0], 3)


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

    reasons = simulate(over_ranks, 2, run_with, raises("é" * 500), clients).results[0].lost[0]
    assert reasons == run_with(raises("é" * 500), clients).lost[0]
    assert len(reasons[0].encode()) <= 256
    assert reasons[0].startswith("RuntimeError: é")


def raises(reason: str):
    def solver(*arguments):
        raise RuntimeError(reason)

    return solver


def steps(num_steps: object):
    return lambda model, client, weights, *rest: (weights + 1, num_steps)


MOST = "num_steps must be an integer in 0…9007199254740992"


@pytest.mark.parametrize(
    ("solver", "reason"),
    [
        (steps(None), f"TypeError: {MOST}, got None"),
        (steps(np.nan), f"TypeError: {MOST}, got nan"),
        (steps(-5), f"ValueError: {MOST}, got -5"),
        (steps(2**53 + 1), f"ValueError: {MOST}, got 9007199254740993"),
        (raises("half a pair: \udcff"), "RuntimeError: half a pair: ?"),
        (raises("ends in zero\0\0"), "RuntimeError: ends in zero"),
    ],
    ids=["no steps", "nan steps", "negative", "too many for a float64", "surrogate", "zeros"],
)
def test_no_answer_ends_the_run_and_reasons_are_the_same_on_ranks(solver, reason: str) -> None:
    here, there = run_with(solver), simulate(over_ranks, 3, run_with, solver).results[0]
    assert here.lost == (dict.fromkeys(range(5), reason),)
    assert_equal(there, here)


@pytest.mark.parametrize("num_steps", [0, np.int64(7), 2**53])
def test_numbers_of_steps_arrive_exactly(num_steps: int) -> None:
    solver = steps(num_steps)
    here, there = run_with(solver), simulate(over_ranks, 3, run_with, solver).results[0]
    assert here.num_steps == (dict.fromkeys(range(5), num_steps),)
    assert_equal(there, here)


def run_with(solver, clients=CLIENTS, workers=None) -> History:
    return federate(
        MODEL, clients, np.zeros(3), num_rounds=1, sampling=Everyone(), local_solver=solver,
        aggregation=PlainMean(), workers=workers,
    )  # fmt: skip


def test_a_lone_rank_has_no_workers() -> None:
    with pytest.raises(RankError, match="world_size must be at least 2, a server and a worker"):
        simulate(over_ranks, 1, prox_run, MODEL, CLIENTS)
