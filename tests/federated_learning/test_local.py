import numpy as np
import pytest

from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import ClientState, LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from tests.federated_learning.quadratics import decaying, unequal_clients

MODEL, CLIENT = LeastSquares(3), unequal_clients([10])[0]
START = np.array([1.0, -1.0, 2.0])


def run(solver, *, client=CLIENT, work=1.0, round=0, seed=0, model=MODEL, start=START):
    return solver(
        model, client, start.copy(), np.random.default_rng(seed), work, ClientState(round)
    )


class Watched:
    """A model without slope that keeps the labels of every batch."""

    num_weights = 3

    def __init__(self) -> None:
        self.batches: list[list[float]] = []

    def gradient(self, weights, X, y):
        self.batches.append(y.tolist())
        return np.zeros(3)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [(10, 4, [4, 4, 2]), (10, 10, [10]), (10, 99, [10]), (10, None, [10]), (1, 1, [1])],
)
def test_each_epoch_shows_each_example_once(n: int, batch_size, sizes: list[int]) -> None:
    model, client = Watched(), Client(np.ones((n, 3)), np.arange(n))
    _, steps = run(LocalSgd(3, batch_size, 0.1), model=model, client=client)
    assert [len(batch) for batch in model.batches] == 3 * sizes
    assert steps == 3 * len(sizes) == len(model.batches)
    for epoch in range(3):
        batches = model.batches[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        assert sorted(y for batch in batches for y in batch) == list(range(n))
    if len(sizes) > 1:
        assert model.batches[0] != model.batches[len(sizes)]  # a new order


def test_inputs_and_labels_stay_together() -> None:
    client = Client(np.arange(12.0)[:, None], 5 * np.arange(12.0))
    got, _ = run(LocalSgd(200, 5, 0.005), model=LeastSquares(1), client=client, start=np.zeros(1))
    assert got == pytest.approx(5)


def sgd_by_hand(epochs: int, size: int, rate: float, pull, seed: int = 0) -> np.ndarray:
    rng, w = np.random.default_rng(seed), START
    for _ in range(epochs):
        order = rng.permutation(10)
        for at in range(0, 10, size):
            X, y = CLIENT.X[order[at : at + size]], CLIENT.y[order[at : at + size]]
            w = w - rate * (X.T @ (X @ w - y) / len(y) + pull(w - START))
    return w


PULLS = {
    "as published": lambda away: 0.5 * away,
    "forgotten": lambda away: 0 * away,
    "not squared": lambda away: 0.5 * away / max(np.linalg.norm(away), 1e-12),
    "twice": lambda away: 1.0 * away,
    "away from 0": lambda away: 0.5 * (away + START),
    "sign lost": lambda away: -0.5 * away,
}


@pytest.mark.parametrize("name", PULLS)
def test_the_proximal_term_is_there_and_squared(name: str) -> None:
    """λ/2 ‖w - w_t‖² written out; each planted version is told from it."""
    got, _ = run(LocalSgd(4, 3, 0.05, proximal_weight=0.5))
    expected = sgd_by_hand(4, 3, 0.05, PULLS[name])
    assert np.allclose(got, expected, atol=1e-13) == (name == "as published")


def test_without_proximal_weight_no_bit_changes() -> None:
    plain, _ = run(LocalSgd(4, 3, 0.05))
    zero, _ = run(LocalSgd(4, 3, 0.05, proximal_weight=0.0))
    assert np.array_equal(plain, zero)
    np.testing.assert_allclose(plain, sgd_by_hand(4, 3, 0.05, PULLS["forgotten"]), atol=1e-13)


def test_many_steps_reach_the_minimum_of_the_clients_problem() -> None:
    """(H + λ)^{-1} (H c + λ w_t), exactly."""
    X, n = CLIENT.X, CLIENT.num_examples
    got, _ = run(LocalSgd(3000, None, 0.1, proximal_weight=2.0))
    hessian, pull = X.T @ X / n, X.T @ CLIENT.y / n
    expected = np.linalg.solve(hessian + 2 * np.eye(3), pull + 2 * START)
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_a_straggler_does_the_first_steps_of_the_same_work() -> None:
    for work, steps in ((1.0, 12), (0.5, 6), (0.01, 1), (1e-9, 1), (0.99, 12)):
        _, taken = run(LocalSgd(3, 3, 0.05), work=work)
        assert taken == steps
    part, _ = run(LocalSgd(3, 3, 0.05), work=4 / 12)
    epoch, _ = run(LocalSgd(1, 3, 0.05))
    assert np.array_equal(part, epoch)


def test_a_rate_may_fall_from_round_to_round() -> None:
    """A rate that stays where it should fall would give the first result again."""
    falling = LocalSgd(2, 3, decaying)
    for round in (0, 4):
        got, _ = run(falling, round=round)
        expected, _ = run(LocalSgd(2, 3, 0.05 / (1 + round)))
        assert np.array_equal(got, expected)
    assert not np.array_equal(run(falling, round=0)[0], run(falling, round=4)[0])


def test_received_weights_stay_and_one_class_is_enough() -> None:
    client = Client(CLIENT.X, np.zeros(10, int))
    start, solver = np.zeros(8), LocalSgd(5, 3, 0.5)
    got, _ = solver(
        SoftmaxRegression(3, 2), client, start, np.random.default_rng(0), 1.0, ClientState()
    )
    assert not start.any()
    assert got[-2] > 0.5 > -0.5 > got[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 0.1), "local_epochs must be an integer >= 1, got 0"),
        ((1, 0, 0.1), "batch_size must be an integer >= 1, got 0"),
        ((1, 1, 0.0), "learning_rate must be finite and > 0, got 0"),
        ((1, 1, lambda t: -1.0), "learning_rate must be finite and > 0, got -1"),
        ((1, 1, 0.1, -0.5), "proximal_weight must be finite and >= 0, got -0.5"),
        ((1, 1, 0.1, np.nan), "proximal_weight must be finite and >= 0, got nan"),
    ],
)
def test_bad_input_is_refused(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalSgd(*arguments)
