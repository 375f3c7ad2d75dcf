"""The five all-reduces and the parameter server's, held to one another and to their meaning."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsys_lib.collectives import ALL_REDUCES, cost, parameter_server_all_reduce, reference
from mlsys_lib.comm import PerRank, ProcessPool, simulate
from tests.collectives import bodies, checks
from tests.conftest import Machine

COSTS = {
    "naive": cost.naive_all_reduce_cost,
    "tree": cost.tree_all_reduce_cost,
    "recursive doubling": cost.recursive_doubling_all_reduce_cost,
    "ring": cost.ring_all_reduce_cost,
    "halving-doubling": cost.halving_doubling_all_reduce_cost,
}
EVERY = {**ALL_REDUCES, "parameter server": parameter_server_all_reduce}
every = pytest.mark.parametrize("all_reduce", EVERY.values(), ids=EVERY)


def test_every_all_reduce_has_a_cost() -> None:
    assert COSTS.keys() == ALL_REDUCES.keys()


@every
def test_result_is_the_reference(machine: Machine, all_reduce: Callable[..., np.ndarray]) -> None:
    checks.check_oracle(machine, all_reduce)


@every
def test_ranks_agree_bitwise(machine: Machine, all_reduce: Callable[..., np.ndarray]) -> None:
    checks.check_equal_on_all_ranks(machine, all_reduce)


@every
def test_input_is_unchanged(machine: Machine, all_reduce: Callable[..., np.ndarray]) -> None:
    checks.check_input_unchanged(machine, all_reduce)


@pytest.mark.parametrize("name", COSTS)
def test_ledger_is_the_closed_form(machine: Machine, name: str) -> None:
    checks.check_ledger(machine, ALL_REDUCES[name], COSTS[name])


@every
def test_integer_mean_is_refused(machine: Machine, all_reduce: Callable[..., np.ndarray]) -> None:
    checks.check_integer_mean_refused(machine, all_reduce)


@every
@pytest.mark.parametrize(
    ("x", "op", "message"),
    [
        (np.zeros(3), "product", "ValueError: op must be one of 'sum', 'mean', 'max', 'min', got"),
        (np.zeros(3, "M8[s]"), "sum", "TypeError: op 'sum' needs numbers that it can combine, got"),
        (np.zeros(3, complex), "max", "TypeError: op 'max' needs numbers that it can combine, got"),
        (np.array([None]), "sum", "TypeError: op 'sum' needs numbers that it can combine, got"),
    ],
)
def test_bad_input_is_refused_before_any_message(
    pair: Machine, all_reduce: Callable[..., np.ndarray], x: np.ndarray, op: str, message: str
) -> None:
    run = pair.run(bodies.error_of, all_reduce, x, op=op)
    assert all(text.startswith(message) for text in run.results), run.results
    assert run.ledger.messages == ()


@every
def test_views_and_read_only_arrays_will_do(
    several: Machine, all_reduce: Callable[..., np.ndarray]
) -> None:
    xs = checks.arrays(several.world_size, (6, 5), "float64")
    expected = reference.reduce(xs)
    for result in several.run(bodies.read_only, all_reduce, PerRank(xs)).results:
        np.testing.assert_allclose(result, expected, rtol=1e-13)
    for result in several.run(bodies.transposed, all_reduce, PerRank(xs)).results:
        np.testing.assert_allclose(result, expected.T[:, ::2], rtol=1e-13)


@every
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), world_size=st.integers(1, 9))
def test_whole_numbers_add_up_exactly(
    all_reduce: Callable[..., np.ndarray], data: st.DataObject, world_size: int
) -> None:
    """Sums of small whole numbers have no rounding: the result is exact in every dtype."""
    shape = data.draw(st.lists(st.integers(0, 4), max_size=3).map(tuple))
    dtype = data.draw(st.sampled_from(["int8", "int64", "uint16", "float32", "float64", "c16"]))
    op = data.draw(st.sampled_from(["sum", "max", "min"] if dtype != "c16" else ["sum"]))
    xs = checks.arrays(world_size, shape, "int64", seed=data.draw(st.integers(0, 999)))
    xs = [x.astype(dtype) for x in xs]
    run = simulate(all_reduce, world_size, PerRank(xs), op=op)
    for result, expected in zip(run.results, reference.all_reduce(xs, op), strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


@every
@pytest.mark.parametrize("op", ["sum", "max"])
def test_torch_gets_the_same(
    pool: ProcessPool, all_reduce: Callable[..., np.ndarray], op: str
) -> None:
    """PyTorch's own all_reduce on the same processes is a second oracle."""
    xs = checks.arrays(4, (7, 3), "float64")
    ours = pool.run(all_reduce, PerRank(xs), op=op).results
    theirs = pool.run(bodies.torch_all_reduce, PerRank(xs), op).results
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@every
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_both_machines_send_the_same(
    pool: ProcessPool, all_reduce: Callable[..., np.ndarray], world_size: int
) -> None:
    xs = PerRank(checks.arrays(world_size, (13,), "float64"))
    simulated = simulate(all_reduce, world_size, xs)
    real = pool.run(all_reduce, xs, world_size=world_size)
    for mine, theirs in zip(simulated.results, real.results, strict=True):
        assert mine.tobytes() == theirs.tobytes()
    assert sorted(simulated.ledger.messages) == sorted(real.ledger.messages)
    assert simulated.ledger.rounds == real.ledger.rounds
    for network in (checks.PLAIN, checks.WITH_OVERHEAD):
        assert simulated.ledger.timeline(network).time_s == real.ledger.timeline(network).time_s


@pytest.mark.parametrize("num_servers", [1, 2, 3, 5])
def test_sharded_server_costs_its_closed_form(num_servers: int) -> None:
    """Where the shards are equal; the brief of the cost says what holds elsewhere."""
    form = partial(cost.parameter_server_all_reduce_cost, num_servers=num_servers)
    world_size, num_elements = 5, 30
    run = simulate(
        parameter_server_all_reduce,
        world_size,
        PerRank(checks.arrays(world_size, (num_elements,), "float64")),
        num_servers=num_servers,
    )
    expected = form(world_size, num_elements, 8)
    assert run.ledger.sent_bytes == tuple(expected.sent_bytes)
    assert run.ledger.rounds == expected.rounds
    for network in (checks.PLAIN, checks.WITH_OVERHEAD):
        np.testing.assert_allclose(run.ledger.time_s(network), expected.time_s(network), rtol=1e-9)
