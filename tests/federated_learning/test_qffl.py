"""q-FFL: the objective, q-FedSGD and q-FedAvg."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mlsys_lib.comm import simulate
from mlsys_lib.federated_learning import qffl
from mlsys_lib.federated_learning.aggregation import Update
from mlsys_lib.federated_learning.clients import Client, client_weights
from mlsys_lib.federated_learning.cost import ledger_bytes
from mlsys_lib.federated_learning.ditto import ditto
from mlsys_lib.federated_learning.fed_opt import fedavgm, fedopt
from mlsys_lib.federated_learning.fedavg import fedavg
from mlsys_lib.federated_learning.model import LeastSquares, SoftmaxRegression
from mlsys_lib.federated_learning.objective import client_losses
from mlsys_lib.federated_learning.qffl import FairStep, qfedavg, qfedsgd, qffl_loss
from mlsys_lib.federated_learning.rounds import History
from mlsys_lib.federated_learning.sampling import Everyone, ProportionalWithReplacement
from mlsys_lib.federated_learning.scaffold import scaffold
from mlsys_lib.federated_learning.systems import Stragglers, lognormal_devices
from mlsys_lib.federated_learning.workers import over_ranks

NOISE = np.sqrt([0.2, 0.2]) * [1, -1]


def pair(sizes: tuple[int, int] = (9, 1)) -> list[Client]:
    """w²/2 + 0.1 and 2(w - 1)² + 0.1, with examples 9 : 1."""
    low, high = sizes
    return [
        Client(np.ones((2 * low, 1)), np.tile(NOISE, low)),
        Client(2 * np.ones((2 * high, 1)), np.tile(2 + NOISE, high)),
    ]


KINDS = pair()


def best(q: float, shares: Sequence[float] = (0.9, 0.1)) -> float:
    """The minimum of the q-objective, by search."""

    def value(w: float) -> float:
        losses = client_losses(LeastSquares(1), np.array([w]), KINDS)
        return float(np.asarray(shares) @ (losses / 0.3) ** (q + 1))

    return float(minimize_scalar(value, bounds=(0, 1), options={"xatol": 1e-12}).x)


def updates(
    count: int = 4, k: int = 3, seed: int = 0, *, low: float = 0.1
) -> tuple[np.ndarray, list[Update]]:
    rng = np.random.default_rng(seed)
    made = [
        Update(i, rng.standard_normal(k), 10 + i, 1, float(rng.uniform(low, 3)))
        for i in range(count)
    ]
    return rng.standard_normal(k), made


# --- oracle -----------------------------------------------------------------------------------


def published(weights: np.ndarray, got: Sequence[Update], q: float, L: float) -> np.ndarray:
    """Algorithm 2 line by line, as in the released code."""
    deltas, bounds = np.zeros_like(weights), 0.0
    for update in got:
        loss = update.loss + 1e-10
        move = L * (weights - update.weights)
        deltas = deltas + loss**q * move
        bounds += q * loss ** (q - 1) * float(move @ move) + L * loss**q
    return weights - deltas / bounds


@pytest.mark.parametrize("q", [0.0, 0.001, 0.5, 1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("L", [0.5, 10.0])
def test_the_step_is_the_published_one(q: float, L: float) -> None:
    for seed in range(5):
        weights, got = updates(seed=seed)
        np.testing.assert_allclose(
            FairStep(q, L)(weights, got, np.full(4, 0.25)),
            published(weights, got, q, L),
            rtol=1e-10,
        )


def power_after_averaging(weights: np.ndarray, got: Sequence[Update], q: float) -> np.ndarray:
    """Planted: the mean loss to the power q, the same for everybody."""
    mean = float(np.mean([u.loss for u in got]))
    alike = [Update(u.client, u.weights, u.num_examples, 1, mean) for u in got]
    return published(weights, alike, q, 4.0)


def loss_after_the_work(weights: np.ndarray, got: Sequence[Update], q: float) -> np.ndarray:
    """Planted: F_i at w_i, where the client came to, instead of at w."""
    late = [replace(u, loss=loss_of(u.client, u.weights)) for u in got]
    return published(weights, late, q, 4.0)


def shares_to_the_power(weights: np.ndarray, got: Sequence[Update], q: float) -> np.ndarray:
    """Planted: p_i^(q + 1) instead of p_i, here of the kinds: 0.9 and 0.1."""
    factor = (1 / 9) ** q  # 0.1 : 0.9 is in the sampling once already
    deltas, bounds = np.zeros_like(weights), 0.0
    for update in got:
        share = factor if update.client else 1.0
        move = 4.0 * (weights - update.weights)
        deltas = deltas + share * update.loss**q * move
        bounds += share * (q * update.loss ** (q - 1) * float(move @ move) + 4 * update.loss**q)
    return weights - deltas / bounds


def without_the_bound(weights: np.ndarray, got: Sequence[Update], q: float) -> np.ndarray:
    """Planted: h_i without the term of the gradient."""
    powers = np.array([u.loss**q for u in got])
    moves = weights - np.array([u.weights for u in got])
    return np.asarray(weights - powers @ moves / powers.sum())


@pytest.mark.parametrize("q", [0.0, 0.1, 1.0, 5.0])
def test_runs_end_at_the_minimum_of_the_q_objective(q: float) -> None:
    """Nine clients of the first kind and one of the second are p = (0.9, 0.1)."""
    first, second = pair()
    run = qfedsgd(
        LeastSquares(1), [first] * 9 + [second], np.zeros(1), fairness=q,
        num_rounds=250, learning_rate=0.25, sampling=Everyone(),
    )  # fmt: skip
    assert run.final[0] == pytest.approx(best(q), abs=1e-6)


@pytest.mark.parametrize(("q", "expected"), [(0, 0.3077), (1, 0.5177)])
def test_the_minimum_is_the_one_computed_by_hand(q: float, expected: float) -> None:
    assert best(q) == pytest.approx(expected, abs=1e-4)
    losses = client_losses(LeastSquares(1), np.array([best(0)]), pair())
    assert losses == pytest.approx([0.1473, 1.0586], abs=1e-4)


@pytest.mark.parametrize("q", [1.0, 5.0])
def test_rounds_by_hand_end_at_the_minimum_and_wrong_ones_do_not(q: float) -> None:
    def end(step: Callable[[np.ndarray, Sequence[Update], float], np.ndarray]) -> float:
        weights = np.zeros(1)
        for _ in range(250):
            weights = step(weights, one_round(weights), q)
        return float(weights[0])

    assert end(lambda w, got, q: FairStep(q, 4.0)(w, got, np.ones(2))) == pytest.approx(
        best(q), abs=1e-6
    )
    for wrong in (power_after_averaging, loss_after_the_work, shares_to_the_power):
        assert abs(end(wrong) - best(q)) > 0.01


def test_shares_to_a_power_are_another_objective() -> None:
    losses, shares = np.array([0.3, 1.2]), np.array([0.9, 0.1])
    assert qffl_loss(losses, shares, 1) == pytest.approx((0.9 * 0.09 + 0.1 * 1.44) / 2)
    assert abs(best(1, shares**2) - best(1)) > 0.2


def loss_of(kind: int, weights: np.ndarray) -> float:
    client = KINDS[kind]
    return LeastSquares(1).loss(weights, client.X, client.y)


def moved(kind: int, weights: np.ndarray) -> Update:
    """What a client makes of these weights in one step of 1/4; its number is its kind."""
    client = KINDS[kind]
    step = LeastSquares(1).gradient(weights, client.X, client.y) / 4
    return Update(kind, weights - step, 1, 1, loss_of(kind, weights))


def one_round(weights: np.ndarray) -> list[Update]:
    """Nine clients of the first kind and one of the second."""
    return [moved(0, weights)] * 9 + [moved(1, weights)]


def test_one_hand_made_round_is_the_run() -> None:
    first, second = pair()
    run = qfedsgd(
        LeastSquares(1), [first] * 9 + [second], np.zeros(1), fairness=2.0,
        num_rounds=1, learning_rate=0.25, sampling=Everyone(),
    )  # fmt: skip
    assert run.final == pytest.approx(
        FairStep(2.0, 4.0)(np.zeros(1), one_round(np.zeros(1)), np.ones(1))
    )


def test_a_step_without_its_bound_is_noticed() -> None:
    """Planted: the weighted mean of the clients' weights. It also tends to the minimum, but a
    step of it may raise the objective where the published one does not."""

    def value(weights: np.ndarray) -> float:
        losses = client_losses(LeastSquares(1), weights, KINDS)
        return qffl_loss(losses, np.full(2, 0.5), 9.0)

    rises = np.zeros(2, int)
    for w in np.linspace(-3, 3, 61)[:, None]:
        got = [moved(0, w), moved(1, w)]
        news = [FairStep(9.0, 4.0)(w, got, np.ones(2)), without_the_bound(w, got, 9.0)]
        rises += [value(new) > value(w) * (1 + 1e-9) for new in news]
    assert rises[0] == 0
    assert rises[1] > 0


# --- law --------------------------------------------------------------------------------------


def test_the_objective_is_the_usual_one_at_zero_and_tends_to_the_largest_loss() -> None:
    losses, shares = np.array([0.3, 1.2, 0.7]), np.array([0.5, 0.2, 0.3])
    assert qffl_loss(losses, shares, 0) == pytest.approx(shares @ losses)
    roots = [((q + 1) * qffl_loss(losses, shares, q)) ** (1 / (q + 1)) for q in (0, 1, 10, 200)]
    assert (np.diff(roots) > 0).all()
    assert roots[-1] == pytest.approx(1.2, rel=0.01)
    by_hand = sum(p * f**3 for p, f in zip(shares, losses, strict=True)) / 3
    assert qffl_loss(losses, shares, 2) == pytest.approx(by_hand)


@pytest.mark.parametrize("seed", range(3))
def test_at_zero_the_step_is_the_plain_mean_whatever_the_losses_and_the_examples(seed: int) -> None:
    weights, got = updates(seed=seed, low=-3)
    mean = np.mean([u.weights for u in got], axis=0)
    np.testing.assert_allclose(FairStep(0, 7.0)(weights, got, np.full(4, 0.25)), mean, rtol=1e-12)


def test_at_zero_it_is_fedavg_for_clients_of_equal_size_only() -> None:
    """E-51: p_i is in the sampling, so that with everyone sampled sizes do not count."""
    settings = {"num_rounds": 3, "local_epochs": 2, "batch_size": None, "learning_rate": 0.1}
    for sizes, equal in (((4, 4), True), ((9, 1), False)):
        fair = qfedavg(
            LeastSquares(1),
            pair(sizes),
            np.zeros(1),
            fairness=0,
            sampling=Everyone(),
            **settings,  # type: ignore[arg-type]
        )
        plain = fedavg(LeastSquares(1), pair(sizes), np.zeros(1), **settings)  # type: ignore[arg-type]
        assert bool(abs(fair.final[0] - plain.final[0]) < 1e-12) is equal


def test_at_zero_the_mean_over_all_samples_is_that_by_examples() -> None:
    """Enumerate the draws of two clients by p: the plain mean is unbiased for Σ p_i w_i."""
    weights, got = updates(3)
    shares = np.array([0.5, 0.2, 0.3])
    expected = sum(
        shares[i] * shares[j] * FairStep(0, 1.0)(weights, [got[i], got[j]], shares)
        for i, j in product(range(3), repeat=2)
    )
    np.testing.assert_allclose(expected, shares @ np.array([u.weights for u in got]), rtol=1e-12)


@pytest.mark.parametrize("q", [0.5, 1.0, 5.0])
def test_h_bounds_the_curvature_of_the_powered_loss(q: float) -> None:
    """Lemma 3 of the paper, in one dimension, by differences."""
    client = pair()[1]
    smoothness = 4.0  # of 2(w - 1)²

    def powered(w: float) -> float:
        return LeastSquares(1).loss(np.array([w]), client.X, client.y) ** (q + 1) / (q + 1)

    for w in np.linspace(-1, 3, 9):
        loss = LeastSquares(1).loss(np.array([w]), client.X, client.y)
        slope = float(LeastSquares(1).gradient(np.array([w]), client.X, client.y)[0])
        h = 1e-4
        curvature = (powered(w + h) - 2 * powered(w) + powered(w - h)) / h**2
        bound = q * loss ** (q - 1) * slope**2 + smoothness * loss**q
        assert curvature <= bound * (1 + 1e-4)


def test_the_step_does_not_change_if_losses_and_smoothness_are_measured_in_another_unit() -> None:
    weights, got = updates()
    scaled = [Update(u.client, u.weights, 1, 1, 8 * u.loss) for u in got]
    np.testing.assert_allclose(
        FairStep(2.0, 3.0)(weights, got, np.ones(4)),
        FairStep(2.0, 24.0)(weights, scaled, np.ones(4)),
        rtol=1e-8,
    )


def test_more_q_brings_losses_together_and_raises_their_mean() -> None:
    """E-52: on this pair the variance falls to 0 and the mean rises; no theorem says it stays."""
    shares = np.array([0.9, 0.1])
    means, variances = [], []
    for q in (0, 1, 5, 50):
        losses = client_losses(LeastSquares(1), np.array([best(q)]), pair())
        means.append(shares @ losses)
        variances.append(shares @ (losses - shares @ losses) ** 2)
    assert means[0] == pytest.approx(0.2385, abs=1e-4)
    assert (np.diff(means) > 0).all()
    assert (np.diff(variances) < 0).all()
    assert means[-1] == pytest.approx(0.3222, abs=3e-3)


def test_q_fedsgd_is_q_fedavg_with_one_step_and_q_fedavg_drifts_with_more() -> None:
    arguments = {"fairness": 1.0, "num_rounds": 400, "learning_rate": 0.1, "sampling": Everyone()}
    one = qfedsgd(LeastSquares(1), pair(), np.zeros(1), **arguments)  # type: ignore[arg-type]
    same, more = (
        qfedavg(
            LeastSquares(1),
            pair(),
            np.zeros(1),
            local_epochs=epochs,
            batch_size=None,
            **arguments,  # type: ignore[arg-type]
        )
        for epochs in (1, 10)
    )
    assert (one.weights == same.weights).all()
    assert one.final[0] == pytest.approx(best(1, (0.5, 0.5)), abs=1e-6)
    assert abs(more.final[0] - one.final[0]) > 0.01


def test_the_worst_client_gains_on_labelled_data() -> None:
    rng = np.random.default_rng(0)
    clients = []
    for i in range(6):
        X = rng.standard_normal((40, 3))
        line = np.array([1.0, 0, 0]) if i < 5 else np.array([-0.5, 1.0, 0])
        clients.append(Client(X, (X @ line > 0).astype(int)))
    model = SoftmaxRegression(3, 2, penalty=1e-3)
    worst = []
    for q in (0.0, 2.0):
        run = qfedavg(
            model, clients, np.zeros(8), fairness=q, num_rounds=100, local_epochs=1,
            batch_size=10, learning_rate=0.1, sampling=ProportionalWithReplacement(4),
        )  # fmt: skip
        worst.append(client_losses(model, run.final, clients).max())
    assert worst[1] < 0.9 * worst[0]


def test_ten_are_drawn_by_their_examples_unless_said() -> None:
    run = qfedsgd(
        LeastSquares(1), pair(), np.zeros(1), fairness=1.0, num_rounds=50, learning_rate=0.1
    )
    drawn = np.concatenate(run.sampled)
    assert len(drawn) == 500
    assert abs(drawn.mean() - client_weights(pair())[1]) < 0.05


TWICE = {"local_epochs": 2, "batch_size": 2}
RUNS: dict[str, Callable[..., History]] = {
    "qfedsgd": partial(qfedsgd, fairness=1.0),
    "qfedavg": partial(qfedavg, fairness=1.0, **TWICE),
    "fedavgm": partial(fedavgm, client_fraction=0.5, **TWICE),
    "fedopt": partial(fedopt, rule="yogi", server_learning_rate=0.1, client_fraction=0.5, **TWICE),
    "scaffold": partial(scaffold, client_fraction=0.5, **TWICE),
    "ditto": lambda *args, **kwargs: (
        ditto(*args, proximal_weight=1.0, client_fraction=0.5, **TWICE, **kwargs).history
    ),
}


def four_rounds(name: str, **changed: object) -> History:
    arguments = {"num_rounds": 4, "learning_rate": 0.1, **changed}
    return RUNS[name](LeastSquares(1), pair() * 4, np.zeros(1), **arguments)


@pytest.mark.parametrize("name", RUNS)
def test_rounds_take_the_time_of_the_local_epochs(name: str) -> None:
    """Messages that take no time, and machines with one example a second."""
    fast = {"down_bytes_per_s": 1e30, "up_bytes_per_s": 1e30, "latency_s": 0.0}
    run = four_rounds(name, systems=lognormal_devices(8, spread=0.0, examples_per_s=1.0, **fast))
    sizes, epochs = [18, 2] * 4, 1 if name == "qfedsgd" else 2
    expected = [epochs * max(sizes[i] for i in sampled) for sampled in run.sampled]
    np.testing.assert_allclose(run.round_s, expected)


@pytest.mark.parametrize("name", [name for name in RUNS if name != "ditto"])
def test_clients_on_ranks_give_the_same_bits(name: str) -> None:
    here, there = four_rounds(name), simulate(over_ranks, 3, four_rounds, name)
    assert np.array_equal(there.results[0].weights, here.weights)
    assert there.ledger.total_bytes == ledger_bytes(here, 3) > 0


@pytest.mark.parametrize("name", RUNS)
def test_seed_traces_and_systems_reach_the_round_loop(name: str) -> None:
    call = partial(four_rounds, name)
    first, same, other = (call(seed=seed) for seed in (0, 0, 1))
    assert first.sampled == same.sampled != other.sampled
    assert (first.weights == same.weights).all()
    assert not first.traces
    traced = call(traces={"first": lambda w: float(w[0])})
    assert (traced.traces["first"] == first.weights[:, 0]).all()
    dropped = call(systems=Stragglers(share=1.0, late="drop"))
    assert not dropped.final.any()
    assert all(map(len, dropped.lost))


# --- edge -------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.0, 0.5, 3.0])
def test_a_lone_client_walks_down_whatever_its_loss(q: float) -> None:
    """F^q cancels: the step is Δ̄/(q ‖Δ̄‖²/F + L), shorter the larger q is."""
    move = np.array([3.0, 4.0])  # L (w - w_i) with L = 2
    alone = Update(0, np.zeros(2) - move / 2, 5, 1, 2.0)
    step = FairStep(q, 2.0)(np.zeros(2), [alone], np.ones(1))
    np.testing.assert_allclose(step, -move / (q * 25 / 2.0 + 2.0), rtol=1e-9)


@pytest.mark.parametrize("q", [0.5, 1.0, 60.0])
def test_a_loss_of_zero_is_allowed_and_with_a_large_q_has_no_say_beside_others(q: float) -> None:
    weights, got = updates(2)
    done = Update(2, weights + 5, 1, 1, 0.0)
    with_it = FairStep(q, 1.0)(weights, [*got, done], np.ones(3))
    assert np.isfinite(with_it).all()
    if q == 60:
        np.testing.assert_allclose(with_it, FairStep(q, 1.0)(weights, got, np.ones(2)), rtol=1e-12)
    still = [Update(i, weights, 1, 1, 0.0) for i in range(2)]
    assert (FairStep(q, 1.0)(weights, still, np.ones(2)) == weights).all()


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_large_q_and_losses_of_any_size_do_not_overflow(size: float) -> None:
    """Written as published, F^q would be 0/0 or inf/inf here."""
    got = [Update(i, np.array([float(i)]), 1, 1, (i + 1) * size) for i in range(3)]
    step = FairStep(400.0, 1.0)(np.zeros(1), got, np.ones(3))
    assert np.isfinite(step).all()


def test_a_loss_that_is_not_finite_costs_its_update_and_no_more() -> None:
    weights, got = updates(3)
    lost = Update(3, weights + 1, 1, 1, float("inf"))
    step = FairStep(2.0, 1.0)
    assert (step(weights, [*got, lost], np.ones(4)) == step(weights, got, np.ones(4))).all()
    assert (step(weights, [lost], np.ones(4)) == weights).all()


def test_a_huge_answer_stops_the_step_and_one_that_overflows_shows() -> None:
    weights, got = updates(3)
    long, too_long = (Update(3, np.full(3, size), 1, 1, 1.0) for size in (1e200, 1.7e308))
    step = FairStep(1.0, 2.0)
    assert (step(weights, [*got, long], np.ones(4)) == weights).all()
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(step(weights, [*got, too_long], np.ones(4))).any()


# --- error ------------------------------------------------------------------------------------


class Negative(LeastSquares):
    """A loss that is below zero near the minimum."""

    def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        return super().loss(weights, X, y) - 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fairness": -1.0}, "fairness must be finite and >= 0, got -1.0"),
        ({"fairness": float("inf")}, "fairness must be finite and >= 0, got inf"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and > 0, got 0.0"),
        ({"num_rounds": 0}, "num_rounds must be an integer >= 1, got 0"),
        ({"clients": []}, "clients must hold at least one client, got none"),
        ({"start": np.zeros(2)}, r"start must have shape \(1,\), got \(2,\)"),
        ({"model": Negative(1)}, "losses must be >= 0 where fairness > 0, got -0.9"),
    ],
)
def test_bad_input_is_refused_before_any_round(
    changed: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qffl.FairStep, "__call__", lambda *_: pytest.fail("a round was run"))
    arguments = {
        "model": LeastSquares(1), "clients": pair(), "start": np.zeros(1),
        "fairness": 1.0, "num_rounds": 2, "learning_rate": 0.1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        qfedsgd(**{**arguments, **changed})  # type: ignore[arg-type]


def test_negative_losses_are_refused_only_where_a_power_is_taken() -> None:
    weights, got = updates(2)
    below = [*got, Update(2, weights, 1, 1, -0.5)]
    with pytest.raises(ValueError, match=r"losses must be >= 0 where fairness > 0, got -0\.5"):
        FairStep(0.1, 1.0)(weights, below, np.ones(3))
    assert np.isfinite(FairStep(0, 1.0)(weights, below, np.ones(3))).all()
    assert qffl_loss(np.array([-1.0]), np.ones(1), 0) == -1


@pytest.mark.parametrize(
    ("losses", "shares", "q", "message"),
    [
        ([1.0, -1.0], [0.5, 0.5], 1, "losses must be >= 0 where fairness > 0, got -1"),
        ([1.0, np.nan], [0.5, 0.5], 0, "losses must be finite"),
        ([1.0, 1.0], [0.5, 0.6], 0, "client_weights must be 2 numbers >= 0 of sum one"),
        ([1.0, 1.0], [1.5, -0.5], 0, "client_weights must be 2 numbers >= 0 of sum one"),
        ([1.0, 1.0], [1.0], 0, "client_weights must be 2 numbers >= 0 of sum one"),
        ([1.0], [1.0], -0.5, "fairness must be finite and >= 0, got -0.5"),
    ],
)
def test_the_objective_refuses_bad_input(
    losses: list[float], shares: list[float], q: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        qffl_loss(np.array(losses), np.array(shares), q)
