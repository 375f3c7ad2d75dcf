import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import MeanByExamples, PlainMean
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import (
    Everyone,
    ProportionalWithReplacement,
    UniformWithoutReplacement,
)
from mlsys_lib.federated_learning.systems import Visit
from tests.federated_learning.quadratics import (
    FailsFor,
    failing_run,
    unequal_clients,
    with_control,
)

MODEL, CLIENTS = LeastSquares(3), unequal_clients([4, 6, 9, 2, 7])
START = np.zeros(3)


def run(**changes) -> History:
    settings = {
        "num_rounds": 3, "sampling": Everyone(), "local_solver": LocalSgd(1, 2, 0.05),
        "aggregation": MeanByExamples(),
    }  # fmt: skip
    arguments = {"clients": CLIENTS, "start": START} | settings | changes
    return federate(MODEL, arguments.pop("clients"), arguments.pop("start"), **arguments)


class Chosen:
    """A sampling that is written down."""

    def __init__(self, *samples: list[int]) -> None:
        self._samples = samples

    def __call__(self, round, client_weights, rng):
        return self._samples[round]


class OnlyClient:
    """A local solver in which clients answer with their own number, told by their examples."""

    def __call__(self, model, client, weights, rng, work, state):
        return np.full(3, float(client.num_examples)), 1


def test_the_history_is_what_happened() -> None:
    history = run(sampling=Chosen([0, 2], [1], [0, 1, 4]), local_solver=OnlyClient())
    assert history.num_rounds == 3
    assert history.sampled == ((0, 2), (1,), (0, 1, 4))
    assert history.lost == ({}, {}, {})
    assert history.num_steps == ({0: 1, 2: 1}, {1: 1}, {0: 1, 1: 1, 4: 1})
    expected = [0, (16 + 81) / 13, 6, (16 + 36 + 49) / 17]
    np.testing.assert_allclose(history.weights, np.outer(expected, np.ones(3)))
    assert np.array_equal(history.final, history.weights[3])
    assert history.down_bytes.tolist() == history.up_bytes.tolist() == [48, 24, 72]
    assert history.round_s.tolist() == [0, 0, 0]


def test_a_client_drawn_twice_works_once_and_counts_twice() -> None:
    history = run(
        num_rounds=1, sampling=Chosen([1, 1, 3]), local_solver=OnlyClient(), aggregation=PlainMean()
    )
    np.testing.assert_allclose(history.final, (6 + 6 + 2) / 3)
    assert history.down_bytes.tolist() == [48]  # to two clients


def test_one_seed_gives_one_run_and_samples_do_not_depend_on_the_method() -> None:
    sampling = UniformWithoutReplacement(0.5)
    one, again = (run(sampling=sampling, seed=3) for _ in range(2))
    assert np.array_equal(one.weights, again.weights)
    other = run(sampling=sampling, seed=4, num_rounds=8)
    longer = run(sampling=sampling, seed=3, num_rounds=8, local_solver=LocalSgd(5, 2, 0.05))
    assert longer.sampled[:3] == one.sampled
    assert longer.sampled != other.sampled
    assert len(set(longer.sampled)) > 3  # rounds draw apart


def test_a_clients_draws_depend_on_no_other_client() -> None:
    """Alone or with others, client 4 of round 0 does the same."""
    kept = {}

    class Keeps:
        def __call__(self, model, client, weights, rng, work, state):
            kept.setdefault(client.num_examples, []).append(rng.uniform())
            return weights, 1

    run(local_solver=Keeps(), num_rounds=2)
    draws = [number for own in kept.values() for number in own]
    assert len(set(draws)) == 10
    run(local_solver=Keeps(), num_rounds=1, sampling=Chosen([4]))
    assert kept[7][2] == kept[7][0]


def test_sampling_systems_and_clients_draw_apart() -> None:
    kept = []

    def sampling(round, client_weights, rng):
        kept.append(rng.uniform())
        return [0]

    def systems(round, clients, num_examples, message_bytes, local_epochs, rng):
        kept.append(rng.uniform())
        return [Visit()], 0.0

    def solver(model, client, weights, rng, work, state):
        kept.append(rng.uniform())
        return weights, 1

    run(sampling=sampling, systems=systems, local_solver=solver, num_rounds=2)
    assert len(set(kept)) == len(kept) == 6


def test_traces_are_of_all_weights() -> None:
    history = run(traces={"first": lambda w: w[0], "norm": lambda w: float(w @ w)})
    assert np.array_equal(history.traces["first"], history.weights[:, 0])
    np.testing.assert_allclose(history.traces["norm"], (history.weights**2).sum(axis=1))


def test_a_client_that_fails_costs_its_update_and_not_the_round() -> None:
    history = failing_run(MODEL, CLIENTS)
    reasons = {
        1: "RuntimeError: out of battery",
        2: "weights are not finite",
        3: "ValueError: weights must have shape (3,), got (2,)",
    }
    assert history.lost == (reasons, reasons)
    assert [set(steps) for steps in history.num_steps] == [{0, 4}, {0, 4}]
    without = run(sampling=Chosen([0, 4], [0, 4]), num_rounds=2)
    assert np.array_equal(history.weights, without.weights)
    assert history.down_bytes.tolist() == [120, 120]
    assert history.up_bytes.tolist() == [72, 72]  # that of client 2 arrives, and is refused


def test_a_round_in_which_nobody_answers_keeps_the_weights() -> None:
    solver = FailsFor(dict.fromkeys(range(5), "raises"), CLIENTS)
    start = np.array([1.0, 2.0, 3.0])
    history = run(local_solver=solver, start=start)
    assert np.array_equal(history.weights, np.tile(start, (4, 1)))
    assert all(len(lost) == 5 for lost in history.lost)


def test_a_run_that_diverges_loses_its_clients_and_stays_finite() -> None:
    history = run(local_solver=LocalSgd(60, 2, 1e6), num_rounds=30)
    assert np.isfinite(history.weights).all()
    assert history.lost[-1]


def test_a_second_vector_goes_both_ways_and_clients_remember() -> None:
    history = with_control(MODEL, CLIENTS)
    assert history.down_bytes.tolist() == history.up_bytes.tolist() == [96, 96, 96]
    visits, control = np.zeros(5), 1.0
    for t in range(3):
        sampled = list(history.sampled[t])
        visits[sampled] += 1
        control = sum(2 * control + visits[i] for i in sampled)
        moved = history.weights[t + 1] - history.weights[t]
        np.testing.assert_allclose(moved, 0.1 * control)


def test_a_missing_second_vector_costs_the_update() -> None:
    history = run(server_control=lambda: np.ones(3), num_rounds=1)
    assert history.lost[0][0] == "ValueError: control must have shape (3,), got ()"
    assert np.array_equal(history.final, START)


def test_arrays_of_the_caller_stay() -> None:
    start, X = np.ones(3), [c.X.copy() for c in CLIENTS]
    history = run(start=start)
    assert np.array_equal(start, np.ones(3))
    assert not np.shares_memory(history.weights, start)
    assert all(np.array_equal(a, c.X) for a, c in zip(X, CLIENTS, strict=True))


def test_one_client_with_one_example_is_enough() -> None:
    client = Client(np.ones((1, 3)), np.ones(1))
    history = run(clients=[client], num_rounds=1, sampling=ProportionalWithReplacement(4))
    assert history.sampled == ((0, 0, 0, 0),)
    np.testing.assert_allclose(history.final, 0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clients": []}, "clients must hold at least one client, got none"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"start": np.zeros(2)}, r"start must have shape \(3,\), got \(2,\)"),
        ({"start": np.full(3, np.nan)}, "start must be finite, it is not"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"local_epochs": 0}, "local_epochs must be finite and > 0, got 0"),
        ({"client_weights": [0.3] * 5}, "client_weights must sum to one, got 1.5"),
        (
            {"clients": unequal_clients([2, 2], num_features=2)},
            r"client 0 must fit the model: X must have shape \(n, 3\), got \(2, 2\)",
        ),
        ({"sampling": Chosen([])}, "sampling must return at least one client, got none in round 0"),
        ({"sampling": Chosen([5])}, "a sampled client must be an integer in 0…4, got 5"),
        (
            {"aggregation": lambda weights, updates, shares: weights[:2]},
            r"aggregation must return finite weights of shape \(3,\), got shape \(2,\) in round 0",
        ),
        (
            {"aggregation": lambda weights, updates, shares: weights * np.nan},
            r"aggregation must return finite weights of shape \(3,\)",
        ),
        (
            {"server_control": lambda: np.ones(2)},
            r"server_control must have shape \(3,\), got \(2,\)",
        ),
    ],
)
def test_bad_input_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**changes)


def test_labels_that_the_model_does_not_have_are_refused_before_any_work() -> None:
    clients = [Client(np.ones((2, 3)), np.array([0, y])) for y in (1, 2)]
    calls = []
    with pytest.raises(ValueError, match="client 1 must fit the model: y must hold classes 0…1"):
        federate(
            SoftmaxRegression(3, 2), clients, np.zeros(8), num_rounds=1, sampling=Everyone(),
            local_solver=lambda *a: calls.append(a), aggregation=PlainMean(),
        )  # fmt: skip
    assert not calls
