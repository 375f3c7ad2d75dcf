"""Fairness: the minima are those of q-FFL, the rounds those of q-FedAvg, and some clients pay."""

import gzip
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers.federated_learning import fairness_explorer
from mlsys_lib.explorers.federated_learning.fairness import (
    ANGLES,
    DATA,
    FAIRNESS,
    LEARNING_RATE,
    LEARNING_RATES,
    NUM_EXAMPLES,
    NUM_ROUNDS,
    WAYS,
    PowerMean,
    describe_fairness,
    fairness,
    fairness_table,
    minimax,
    minimum,
    outcome,
    problem_of,
    run_rounds,
    turned,
)
from mlsys_lib.federated_learning import (
    Everyone,
    client_gradients,
    client_losses,
    client_weights,
    qfedavg,
    qfedsgd,
    qffl_loss,
)
from mlsys_lib.plots.federated_learning.fairness import FairnessPlot
from mlsys_lib.plots.federated_learning.outcomes import Fairness
from tests.explorers import test_collectives_layout as layout

module = import_module("mlsys_lib.explorers.federated_learning.fairness")
POSITIONS = list(fairness_explorer().positions())
EQUAL = np.full(len(ANGLES), 1 / len(ANGLES))


def objective(data: str, weights: np.ndarray, q: float) -> float:
    """Return q-FFL's objective, as the library writes it."""
    problem = problem_of(data)
    return qffl_loss(client_losses(problem.model, weights, problem.train), EQUAL, q)


def slope(data: str, weights: np.ndarray, q: float) -> float:
    """Return the size of Σ p_i F_i^q ∇F_i, in multiples of Σ p_i F_i^q."""
    problem = problem_of(data)
    shares = EQUAL * client_losses(problem.model, weights, problem.train) ** q
    gradients = client_gradients(problem.model, weights, problem.train)
    return float(np.linalg.norm(shares @ gradients) / shares.sum())


@pytest.mark.parametrize("data", DATA)
def test_clients_are_of_one_size_so_that_all_count_alike(data: str) -> None:
    problem = problem_of(data)
    np.testing.assert_allclose(client_weights(problem.train), EQUAL)
    assert problem.train[0].num_examples == NUM_EXAMPLES
    assert len({client.num_examples for client in problem.test}) == 1
    assert len(problem.names) == len(problem.train) == len(problem.test)


@pytest.mark.parametrize("quarters", range(-1, 3))
def test_a_quarter_turn_is_numpys(quarters: int) -> None:
    X = fashion_mnist()[2][:20]
    pictures = X.reshape(-1, 28, 28)
    expected = np.rot90(pictures, -quarters, axes=(1, 2))
    np.testing.assert_array_equal(turned(X, 90 * quarters).reshape(-1, 28, 28), expected)


def test_a_slant_turns_by_its_angle_and_leaves_nothing_in_the_corners() -> None:
    """A bar that stands upright lies along the diagonal after an eighth of a turn."""
    bar = np.zeros((28, 28))
    bar[4:24, 13:15] = 1
    slanted = turned(bar.reshape(1, -1), 45).reshape(28, 28)
    rows, columns = np.nonzero(slanted)
    assert np.corrcoef(rows, columns)[0, 1] < -0.9
    assert not turned(np.ones((1, 784)), 45).reshape(28, 28)[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.parametrize("data", DATA)
def test_at_the_minimum_the_objective_has_no_slope(data: str) -> None:
    for q in FAIRNESS:
        assert (
            slope(data, minimum(data, q), q)
            < 2e-3
            < 0.02 * slope(data, np.zeros(problem_of(data).model.num_weights), q)
        )


@pytest.mark.parametrize("q", [0.0, 2.0])
def test_q_fedsgd_tends_to_the_minimum_and_never_below(q: float) -> None:
    problem, best = problem_of("synthetic"), minimum("synthetic", q)
    start = 0.8 * best
    run = qfedsgd(
        problem.model, problem.train, start, fairness=q, num_rounds=120,
        learning_rate=LEARNING_RATE, sampling=Everyone(),
    )  # fmt: skip
    least = objective("synthetic", best, q)
    ratios = [objective("synthetic", w, q) / least for w in run.weights[::30]]
    assert ratios == sorted(ratios, reverse=True)
    assert 0.9999 < ratios[-1] < 1 + 0.5 * (ratios[0] - 1)


def test_a_wrong_power_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: a client's gradient is weighted by F_i^(q + 1)."""

    class Steeper(PowerMean):
        def gradient(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
            losses = client_losses(self.model, weights, self.clients)
            shares = losses ** (self.q + 1) / (losses ** (self.q + 1)).sum()
            return np.asarray(shares @ client_gradients(self.model, weights, self.clients))

        def loss(self, weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
            losses = client_losses(self.model, weights, self.clients)
            return float(np.mean(losses ** (self.q + 2)) ** (1 / (self.q + 2)))

    monkeypatch.setattr(module, "PowerMean", Steeper)
    right = minimum("synthetic", 1.0)
    wrong = module.minimum.__wrapped__("synthetic", 1.0)
    assert slope("synthetic", right, 1.0) < 2e-3 < slope("synthetic", wrong, 1.0)


@pytest.mark.parametrize("q", [0.0, 2.0, 10.0])
def test_the_power_mean_has_the_gradient_of_its_loss(q: float) -> None:
    problem = problem_of("synthetic")
    mean, rng = PowerMean(problem.model, problem.train, q), np.random.default_rng(0)
    weights, way = (rng.normal(size=mean.num_weights) for _ in range(2))
    client = problem.train[0]
    ahead, behind = (mean.loss(weights + h * way, client.X, client.y) for h in (1e-5, -1e-5))
    found = mean.gradient(weights, client.X, client.y) @ way
    assert found == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)
    losses = client_losses(problem.model, weights, problem.train)
    assert losses.mean() <= mean.loss(weights, client.X, client.y) * (1 + 1e-12) <= losses.max() * 2


@pytest.mark.parametrize(("data", "q"), [("pictures", 0.5), ("synthetic", 5.0)])
def test_accuracies_after_the_rounds_are_those_of_a_run(data: str, q: float) -> None:
    problem = problem_of(data)
    weights = qfedavg(
        problem.model, problem.train, np.zeros(problem.model.num_weights), fairness=q,
        num_rounds=NUM_ROUNDS, local_epochs=1, batch_size=50, learning_rate=0.3,
        sampling=Everyone(),
    ).final  # fmt: skip
    right = [100 * np.mean(problem.model.predict(weights, c.X) == c.y) for c in problem.test]
    shown = outcome(data, "rounds", q)
    np.testing.assert_allclose(shown.accuracies, right)
    assert shown.mean == pytest.approx(np.mean(right))
    assert shown.worst_tenth == pytest.approx(np.mean(sorted(right)[:2]))
    assert shown.best_tenth == pytest.approx(np.mean(sorted(right)[-2:]))
    assert shown.variance == pytest.approx(np.var(right))


@pytest.mark.parametrize("data", DATA)
def test_the_step_size_is_the_best_of_those_tried_without_fairness(data: str) -> None:
    tried = {rate: objective(data, run_rounds(data, 0.0, rate), 0.0) for rate in LEARNING_RATES}
    assert min(tried, key=lambda rate: tried[rate]) == LEARNING_RATE


@pytest.mark.parametrize("data", DATA)
def test_the_larger_q_the_dearer_the_mean_and_the_smaller_the_largest_loss(data: str) -> None:
    """At the minimum; q = ∞ is the end of both."""
    found = [*(outcome(data, "minimum", q) for q in FAIRNESS), minimax(data)]
    means, largest = [np.mean(one.losses) for one in found], [max(one.losses) for one in found]
    variances = [one.loss_variance for one in found]
    assert means == sorted(means)
    assert largest == sorted(largest, reverse=True)
    assert variances == sorted(variances, reverse=True)
    assert largest[-1] > 0.9 * largest[-2]


def test_on_pictures_fairness_is_cheap_and_paid_by_many() -> None:
    shown = fairness("pictures", "minimum", 5.0)
    before, now = shown.outcomes[0.0], shown.outcome
    assert now.worst_tenth > before.worst_tenth + 10
    assert before.mean - 3 < now.mean < before.mean - 1
    assert now.variance < before.variance / 3
    assert shown.moves.count("pays") > 2 * shown.moves.count("gains")
    moves = dict(zip(shown.names, shown.moves, strict=True))
    assert [moves[name] for name in ("90°", "−90°", "180°", "2°", "−2°")] == ["gains"] * 3 + [
        "pays"
    ] * 2


def test_losses_become_alike_and_accuracies_only_in_consequence() -> None:
    """Even that may fail: with too large a q the rounds make all losses bad, and nothing fair."""
    for data in DATA:
        shown = fairness(data, "minimum", 5.0)
        before, now = shown.outcomes[0.0], shown.outcome
        assert now.loss_variance / before.loss_variance < 0.5 * now.variance / before.variance
    shown = fairness("synthetic", "rounds", 10.0)
    before, now = shown.outcomes[0.0], shown.outcome
    assert now.loss_variance < 0.05 * before.loss_variance
    assert now.variance > 1.5 * before.variance
    assert now.worst_tenth < 0.5 * before.worst_tenth


@pytest.mark.parametrize("data", DATA)
def test_the_larger_q_the_farther_are_the_rounds_from_the_minimum(data: str) -> None:
    away = [outcome(data, "minimum", q).mean - outcome(data, "rounds", q).mean for q in FAIRNESS]
    assert away == sorted(away)
    assert away[-1] > 2 * away[0]


def test_clients_keep_their_places() -> None:
    for data in DATA:
        shown = [fairness(data, way, q) for way in WAYS for q in (0.0, 5.0)]
        assert len({one.names for one in shown}) == 1
        assert (np.diff(shown[0].before) >= 0).all()


def test_description_and_table_say_the_numbers() -> None:
    shown = fairness("pictures", "minimum", 5.0)
    assert describe_fairness(shown) == (
        "Test accuracy of each of 20 clients: pictures, at the minimum, q = 5, against q = 0. 5 "
        "gain half a point or more, 15 pay as much; of the clients, by the angle of the camera, "
        "most gains 90° from 26.8 to 43.6 %, most pays −2° from 69.9 to 61.1 %. Mean 58.6 → 56.6 "
        "%, worst tenth 28.1 → 40.5 %, variance 209 → 60; variance of the losses 0.14 → 0.0175. "
        "Second panel: mean, worst tenth and variances for every q. This q after 40 rounds of "
        "q-FedAvg has mean 49.7 %, worst tenth 20.4 %; q = ∞, the least possible largest loss, has "
        "52.6 and 45.6 %."
    )
    header, rows = fairness_table(shown)
    assert [row[0] for row in rows] == [*(f"{q:g}" for q in FAIRNESS), "∞, at the minimum"]
    assert all(len(row) == len(header) for row in rows)
    assert rows[5][1:5] == ("56.6", "40.5", "64.4", "60.4")
    assert float(rows[-1][6]) == pytest.approx(max(minimax("pictures").losses), rel=5e-3)


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(fairness_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = fairness_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: clients that neither gain nor pay keep their mark."""

    class Forgetful(FairnessPlot):
        def draw(self, shown: Fairness) -> Any:
            before = self._heads["as before"].get_data()
            drawn = super().draw(shown)
            if np.size(before):
                self._heads["as before"].set_data(*before)
            return drawn

    wrong = replace(fairness_explorer(), plot=lambda: Forgetful(FAIRNESS, len(ANGLES)))
    assert wrong.frame(POSITIONS[0]) == wrong.fresh_frame(POSITIONS[0])
    assert wrong.frame(POSITIONS[5]) != wrong.fresh_frame(POSITIONS[5])


def test_the_page_is_light() -> None:
    page = fairness_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
