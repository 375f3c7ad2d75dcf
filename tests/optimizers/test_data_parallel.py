import numpy as np
import pytest

from mlsys_lib.collectives import tree_all_reduce
from mlsys_lib.collectives.cost import ring_all_reduce_cost, tree_all_reduce_cost
from mlsys_lib.comm import RankError, simulate
from mlsys_lib.optimizers import Adam, Network, train_replica
from tests.conftest import Machine

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 5)), RNG.integers(0, 3, 64)
TASK = {"num_steps": 4, "batch_size": 24, "learning_rate": 0.02}


def alone(norm: bool, batch_size: int = 24) -> Network:
    """The same network, the same batches, whole on one machine."""
    rng = np.random.default_rng(0)
    network = Network([5, 8, 6, 3], rng, batch_norm=norm)
    adam = Adam(network.weights, learning_rate=0.02)
    for _ in range(4):
        batch = rng.choice(64, batch_size, replace=False)
        adam.step(network.loss_and_gradients(X[batch], Y[batch])[1])
    return network


def differences(network: Network, other: Network) -> float:
    ours, theirs = [*network.weights, *network.statistics], [*other.weights, *other.statistics]
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("norm", ["none", "of all ranks"])
def test_replicas_are_the_network_of_one_machine(machine: Machine, norm: str) -> None:
    size = 64 // machine.world_size * machine.world_size
    run = machine.run(train_replica, X, Y, (8, 6), norm=norm, **(TASK | {"batch_size": size}))
    expected = alone(norm != "none", size)
    for replica in run.results:
        assert differences(replica.network, expected) < 1e-9
        assert differences(replica.network, run.results[0].network) == 0  # to the bit
        assert len(replica.losses) == 4
    losses = np.mean([replica.losses for replica in run.results], axis=0)
    assert losses[0] == pytest.approx(np.log(3), abs=1.0)


def test_bytes_are_those_of_the_gradients_and_of_the_statistics() -> None:
    """Adam's gradients k, and for a layer of width d two all-reduces, of 2 d + 1 and 2 d."""
    expected = np.zeros(4, int)
    k = sum(w.size for w in alone(norm=True).weights)
    for size in (k, 2 * 8 + 1, 2 * 8, 2 * 6 + 1, 2 * 6):
        expected = expected + 4 * ring_all_reduce_cost(4, size, 8).sent_bytes
    run = simulate(train_replica, 4, X, Y, (8, 6), norm="of all ranks", **TASK)
    assert run.ledger.sent_bytes == tuple(expected)


def test_with_each_ranks_own_statistics_it_is_another_network() -> None:
    """The trap: equal weights on all ranks, unequal running statistics, and not one machine's."""
    run = simulate(train_replica, 4, X, Y, (8, 6), norm="of each rank", **TASK)
    first, last = run.results[0].network, run.results[3].network
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, last.weights, strict=True))
    assert not np.allclose(first.statistics[0], last.statistics[0])
    assert differences(first, alone(norm=True)) > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 25}, "batch_size must be a multiple of 4, got 25"),
        ({"batch_size": 68}, "batch_size must be an integer in 1…64, got 68"),
        (
            {"norm": "both"},
            "norm must be one of 'none', 'of each rank', 'of all ranks', got 'both'",
        ),
        ({"num_steps": 0}, "num_steps must be an integer >= 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0"),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(RankError, match=message):
        simulate(train_replica, 4, X, Y, **(TASK | changes))


def test_losses_are_each_ranks_own_and_seeds_count() -> None:
    run = simulate(train_replica, 4, X, Y, (8, 6), norm="none", seed=1, **TASK)
    rng = np.random.default_rng(1)
    network = Network([5, 8, 6, 3], rng)
    batch = rng.choice(64, 24, replace=False)
    for rank, replica in enumerate(run.results):
        mine = np.array_split(batch, 4)[rank]
        assert replica.losses[0] == pytest.approx(network.loss(X[mine], Y[mine]))


def test_any_all_reduce_carries_all_that_is_added() -> None:
    expected = np.zeros(4, int)
    for size in (sum(w.size for w in alone(norm=True).weights), 17, 16, 13, 12):
        expected = expected + 4 * tree_all_reduce_cost(4, size, 8).sent_bytes
    task = {**TASK, "norm": "of all ranks", "all_reduce": tree_all_reduce}
    run = simulate(train_replica, 4, X, Y, (8, 6), **task)
    assert run.ledger.sent_bytes == tuple(expected)


def test_rows_and_classes_must_be_as_many() -> None:
    with pytest.raises(RankError, match="one class for each of 64 rows of X, got 63"):
        simulate(train_replica, 2, X, Y[:63], **TASK)
