import numpy as np
import pytest

from mlsys_lib.federated_learning.aggregation import Aggregation, MeanByExamples, PlainMean
from mlsys_lib.federated_learning.clients import Client
from mlsys_lib.federated_learning.fed_opt import AdaptiveServer, ServerMomentum
from mlsys_lib.federated_learning.local import LocalSgd
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.qffl import FairStep
from mlsys_lib.federated_learning.rounds import History, federate
from mlsys_lib.federated_learning.sampling import (
    Everyone,
    ProportionalWithReplacement,
    UniformWithoutReplacement,
)
from mlsys_lib.federated_learning.systems import Stragglers, Visit
from tests.federated_learning.quadratics import (
    FailsFor,
    diverging_run,
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
    assert history.diverged_at is None


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


def test_another_seed_has_other_stragglers() -> None:
    lost = [run(systems=Stragglers(0.4, "drop"), seed=seed).lost for seed in (3, 3, 4)]
    assert lost[0] == lost[1] != lost[2]


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


class HugeFromRound2:
    """A local solver: from round 2, clients 0 and 2, of 4 and 9 examples, send huge weights."""

    def __call__(self, model, client, weights, rng, work, state):
        if state.round >= 2 and client.num_examples in (4, 9):
            return np.full(3, 1.7e308), 1
        return LocalSgd(1, 2, 0.05)(model, client, weights, rng, work, state)


@pytest.mark.parametrize(
    "make",
    [
        MeanByExamples,
        PlainMean,
        lambda: FairStep(0.0, 20.0),
        lambda: FairStep(1.0, 20.0),
        lambda: ServerMomentum(0.5),
        lambda: AdaptiveServer("adam", learning_rate=0.1),
    ],
    ids=["by examples", "plain", "q = 0", "q = 1", "momentum", "adam"],
)
def test_a_huge_finite_answer_ends_the_run_with_the_last_finite_weights(make) -> None:
    aggregation: Aggregation = make()
    history = run(num_rounds=9, local_solver=HugeFromRound2(), aggregation=aggregation)
    honest = run(num_rounds=2, aggregation=make())
    assert history.diverged_at == 2
    assert history.num_rounds == 3
    assert np.array_equal(history.weights[:3], honest.weights)
    assert np.array_equal(history.final, honest.final)
    assert history.lost[:2] == ({}, {})
    reason = "the aggregate is not finite; largest weight in this answer: "
    assert all(history.lost[2][i].startswith(reason) for i in range(5))
    assert [i for i, why in history.lost[2].items() if why == reason + "1.7e+308"] == [0, 2]
    assert history.num_steps[2] == {}
    assert history.up_bytes.tolist() == [120, 120, 120]


def test_training_that_diverges_ends_in_the_round_that_overflows() -> None:
    """Two equal clients and no liar; a step multiplies the distance from 0.5 by 50."""
    clients = [Client(np.ones((100, 1)), np.full(100, 0.5))] * 2
    history = diverging_run(LeastSquares(1), clients)
    assert history.diverged_at == history.num_rounds - 1 < 399
    assert np.isfinite(history.weights).all()
    apart = np.abs(history.weights[:-1, 0] - 0.5)
    np.testing.assert_allclose(apart[1:] / apart[:-1], 50.0)
    assert history.weights[-1] == history.weights[-2]
    assert apart[-1] * 50 > np.finfo(float).max / 100  # the sum over 100 examples overflows


def test_a_run_that_diverges_in_its_first_round_has_the_start() -> None:
    history = run(local_solver=lambda *a: (np.full(3, 1e308), 1), traces={"first": lambda w: w[0]})
    assert history.diverged_at == 0
    assert np.array_equal(history.weights, [START, START])
    assert history.traces["first"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (np.ones(3) + 1j, "weights must be real numbers, got complex128"),
        (np.array(["1", "2", "3"]), "weights must be real numbers, got <U1"),
        (np.ones(3, object), "weights must be real numbers, got object"),
    ],
)
def test_an_answer_that_is_not_of_real_numbers_costs_the_update(answer, reason: str) -> None:
    history = run(local_solver=lambda *a: (answer, 1), num_rounds=1)
    assert history.lost[0] == dict.fromkeys(range(5), f"ValueError: {reason}")
    assert np.array_equal(history.final, START)


def test_answers_of_integers_and_single_precision_are_real_numbers() -> None:
    for dtype in (int, np.float32):
        history = run(local_solver=lambda *a, t=dtype: (np.full(3, 2, t), 1), num_rounds=1)
        np.testing.assert_allclose(history.final, 2.0)


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


def test_a_second_vector_that_is_not_finite_costs_the_update() -> None:
    def solver(model, client, weights, rng, work, state):
        state.sent_control = np.full(3, np.nan if client.num_examples == 9 else 1.0)
        return weights + 1, 1

    history = run(server_control=lambda: np.ones(3), local_solver=solver, num_rounds=1)
    assert history.lost == ({2: "control is not finite"},)
    assert set(history.num_steps[0]) == {0, 1, 3, 4}


def test_what_a_client_does_to_the_second_vector_concerns_nobody() -> None:
    sent, heard = np.ones(3), []

    def solver(model, client, weights, rng, work, state):
        heard.append(state.server_control.copy())
        state.server_control[:] = 9.0
        state.sent_control = np.zeros(3)
        return weights, 1

    run(server_control=lambda: sent, local_solver=solver, num_rounds=2)
    assert np.array_equal(heard, np.ones((10, 3)))
    assert np.array_equal(sent, np.ones(3))


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
        ({"start": np.full(3, np.nan)}, r"start must be finite, got nan at \[0\]"),
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
            r"aggregation's weights in round 0 must have shape \(3,\), got \(2,\)",
        ),
        (
            {"aggregation": lambda weights, updates, shares: weights * 1j},
            "aggregation's weights in round 0 must be real numbers, got complex128",
        ),
        ({"start": np.ones(3) + 1j}, "start must be real numbers, got complex128"),
        (
            {"server_control": lambda: np.ones(3) + 1j},
            "server_control must be real numbers, got complex128",
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
