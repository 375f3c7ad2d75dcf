"""The closed forms are the ledgers'; each method's own tests hold its bytes to them besides."""

import numpy as np
import pytest

from mlsys_lib.collectives import ALL_REDUCES, naive_all_reduce
from mlsys_lib.collectives import cost as collectives_cost
from mlsys_lib.collectives.cost import naive_all_reduce_cost
from mlsys_lib.comm import Network, Run, simulate
from mlsys_lib.comm.ledger import COMPUTE
from mlsys_lib.distributed_optimization import (
    bias_corrected_average,
    cocoa,
    distributed_gradient_descent,
    distributed_minibatch_sgd,
    local_sgd,
    minibatch_sdca,
    one_shot_average,
)
from mlsys_lib.distributed_optimization.cost import dual_cost, primal_cost
from tests.distributed_optimization.tables import dealt, problem

NETWORK = Network(latency_s=1e-3, seconds_per_byte=1e-6)


def entries(run: Run) -> float:
    """Entries read by all ranks, where each costs a second."""
    return sum(event[2] for event in run.ledger.log if event[0] == COMPUTE)


@pytest.mark.parametrize("name", ALL_REDUCES)
@pytest.mark.parametrize("m", [1, 3, 8])
def test_any_all_reduce_gives_the_weights_and_its_own_bytes(name: str, m: int) -> None:
    objective = problem("logistic")
    parts, form = dealt(objective, m), name.replace(" ", "_").replace("-", "_") + "_all_reduce_cost"
    price = getattr(collectives_cost, form)
    ways = {
        distributed_gradient_descent: (primal_cost, (0.3, 4)),
        local_sgd: (primal_cost, (0.3, 4, 2, 5)),
        distributed_minibatch_sgd: (primal_cost, (0.3, 4, 9)),
        cocoa: (dual_cost, (4,)),
        minibatch_sdca: (dual_cost, (4, 9, 5.0)),
    }
    for method, (total, options) in ways.items():
        args = (*parts, objective.loss, 0.05, *options)
        run = simulate(method, m, *args, all_reduce=ALL_REDUCES[name], network=NETWORK)
        ring = simulate(method, m, *args)
        np.testing.assert_allclose(run.results[0].weights, ring.results[0].weights, atol=1e-9)
        expected = total(m, 7, 4, price)
        assert run.ledger.sent_bytes == tuple(expected.sent_bytes)
        if m > 1:
            assert run.ledger.rounds == expected.rounds
            assert run.ledger.time_s() == pytest.approx(expected.time_s(NETWORK), rel=0.02)


def test_one_shot_takes_any_all_reduce_too_and_costs_add_up() -> None:
    objective = problem("logistic")
    task = *dealt(objective, 3), objective.loss, 0.05
    for method, options in ((one_shot_average, ()), (bias_corrected_average, (0.5,))):
        run = simulate(method, 3, *task, *options, all_reduce=naive_all_reduce)
        expected = primal_cost(3, 7, 1, naive_all_reduce_cost)
        assert run.ledger.sent_bytes == tuple(expected.sent_bytes)
    once, join = naive_all_reduce_cost(3, 7, 8), primal_cost(3, 7, 0)
    five = primal_cost(3, 7, 5, naive_all_reduce_cost)
    assert five.path_messages == join.path_messages + 5 * once.path_messages


def test_entries_read_are_those_of_the_table() -> None:
    """z = 60 · 7 entries on 4 ranks of 15 rows each; each is read for the score and the slope."""
    objective, z = problem("hinge"), 60 * 7
    parts = dealt(objective, 4)

    def read(method: object, *options: object, **more: object) -> float:
        args = (*parts, objective.loss, 0.05, *options)
        return entries(simulate(method, 4, *args, seconds_per_entry=1.0, **more))  # type: ignore[arg-type]

    assert read(distributed_gradient_descent, 0.1, 5) == 5 * 2 * z
    assert read(distributed_minibatch_sgd, 0.1, 6, 10) == 6 * 2 * z * 10 / 60
    assert read(local_sgd, 0.1, 5, 3, 5) == 5 * 2 * z * 4 * 3 * 5 / 60
    assert read(cocoa, 5, num_local_steps=6) == 5 * 2 * z * 4 * 6 / 60
    assert read(minibatch_sdca, 6, 10, 5.0) == 6 * 2 * z * 10 / 60
