"""Client drift: gaps are those of runs, and more local epochs help only while clients are alike."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.datasets import fashion_mnist
from mlsys_lib.explorers.federated_learning import drift as module
from mlsys_lib.explorers.federated_learning import drift_explorer
from mlsys_lib.explorers.federated_learning.drift import (
    ALL_EPOCHS,
    CONCENTRATIONS,
    LEARNING_RATE,
    MODEL,
    NUM_ROUNDS,
    TARGET,
    descent,
    describe_drift,
    drift,
    drift_table,
    examples,
    minimum,
    split,
    train,
)
from mlsys_lib.federated_learning import History, federated_loss, fedsgd, pooled
from mlsys_lib.plots.federated_learning import Drift, DriftPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(drift_explorer().positions())
NEVER = NUM_ROUNDS + 1


def rounds(concentration: float, client_fraction: float) -> list[int]:
    """Return for each E the rounds to the target."""
    shown = drift(1, concentration, client_fraction)
    return [run.rounds_to(TARGET) or NEVER for run in shown.descents.values()]


def ends(concentration: float, client_fraction: float) -> list[float]:
    """Return for each E the gap at the end."""
    shown = drift(1, concentration, client_fraction)
    return [run.end for run in shown.descents.values()]


@pytest.mark.parametrize(("concentration", "client_fraction"), [(0.1, 1.0), (0.5, 0.1)])
def test_gaps_are_those_of_federated_averaging_written_out(
    concentration: float, client_fraction: float
) -> None:
    """E full gradient steps a client, then a mean by examples, of those who were sampled."""
    clients, w = split(concentration), np.zeros(MODEL.num_weights)
    run, history = (
        descent(5, concentration, client_fraction),
        train(5, concentration, client_fraction),
    )
    for t in range(6):
        assert run.gaps[t] == pytest.approx(federated_loss(MODEL, w, clients) - minimum(), abs=1e-9)
        answers, sizes = [], []
        for i in history.sampled[t]:
            local = w.copy()
            for _ in range(5):
                local -= LEARNING_RATE * MODEL.gradient(local, clients[i].X, clients[i].y)
            answers.append(local)
            sizes.append(clients[i].num_examples)
        w = np.average(answers, axis=0, weights=sizes)


def test_with_one_epoch_and_all_clients_it_is_gradient_descent_whatever_the_split() -> None:
    run = fedsgd(
        MODEL, [pooled(split(0.1))], np.zeros(MODEL.num_weights), num_rounds=NUM_ROUNDS,
        learning_rate=LEARNING_RATE,
    )  # fmt: skip
    for concentration in CONCENTRATIONS:
        np.testing.assert_allclose(train(1, concentration, 1.0).weights, run.weights, atol=1e-9)


def test_the_minimum_is_one() -> None:
    """Twice the steps find the same, and L-BFGS does not find less."""
    from scipy.optimize import minimize

    images, _ = examples()
    found = minimize(
        lambda w: (MODEL.loss(w, images.X, images.y), MODEL.gradient(w, images.X, images.y)),
        np.zeros(MODEL.num_weights), jac=True, method="L-BFGS-B",
        options={"maxiter": 200},
    )  # fmt: skip
    assert minimum(800) == pytest.approx(minimum(), abs=1e-6)
    assert minimum() < found.fun + 1e-6


def test_the_clients_share_1000_images_and_have_50_each() -> None:
    for concentration in CONCENTRATIONS:
        clients = split(concentration)
        assert [client.num_examples for client in clients] == [50] * 20
        assert np.bincount(pooled(clients).y).tolist() == [100] * 10
    X, y, *_ = fashion_mnist()
    first = X[y == 3][0].reshape(7, 4, 7, 4).mean(axis=(1, 3)).ravel()
    ours = examples()[0].X[examples()[0].y == 3][0]
    assert np.corrcoef(first, ours)[0, 1] == pytest.approx(1)


def check_reference_rounds() -> None:
    """Rounds to the target: alike, in between, apart."""
    assert rounds(100.0, 1.0) == [16, 8, 4, 1]
    assert rounds(0.5, 1.0) == [16, 10, 5, 3]
    assert rounds(0.1, 1.0) == [16, 13, 11, NEVER]


def test_more_epochs_save_rounds_while_clients_are_alike() -> None:
    check_reference_rounds()


@pytest.mark.parametrize("planted", ["one epoch only", "an even split"])
def test_a_wrong_run_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(local_epochs: int, concentration: float, client_fraction: float) -> History:
        if planted == "one epoch only":
            return train(1, concentration, client_fraction)
        return train(local_epochs, 100.0, client_fraction)

    monkeypatch.setattr(module, "train", wrong)
    monkeypatch.setattr(module, "descent", descent.__wrapped__)
    with pytest.raises(AssertionError):
        check_reference_rounds()


def test_apart_the_server_rests_beside_the_minimum_the_farther_the_more_epochs() -> None:
    """The weights hardly move any more: it is a fixed point, and f is not minimal there."""
    assert ends(0.1, 1.0) == sorted(ends(0.1, 1.0))
    assert ends(100.0, 1.0) == sorted(ends(100.0, 1.0), reverse=True)
    low, high = drift(20, 0.1, 1.0).descent.late_range
    assert 1 < high / low < 1.01
    assert low > 10 * drift(1, 0.1, 1.0).descent.end
    assert [drift(20, c, 1.0).nearest for c in CONCENTRATIONS] == [1, 2, 20]


def test_with_few_clients_a_round_it_wanders() -> None:
    for epochs in ALL_EPOCHS:
        low, high = drift(epochs, 0.1, 0.1).descent.late_range
        assert high > 2 * low
    assert rounds(0.1, 0.1) == [NEVER] * 4


def test_first_sample_and_counts_are_those_of_the_run() -> None:
    shown = drift(2, 0.5, 0.1)
    assert shown.first_sample == train(2, 0.5, 0.1).sampled[0]
    assert len(shown.first_sample) == 2
    for counts, client in zip(shown.counts, split(0.5), strict=True):
        assert [int(np.sum(client.y == c)) for c in range(10)] == list(counts)
    assert [drift(1, c, 1.0).num_classes_held for c in CONCENTRATIONS] == [3, 5, 9]


def test_description_and_table_say_the_numbers() -> None:
    shown = drift(20, 0.1, 1.0)
    assert describe_drift(shown) == (
        "Distance f(w) - f* of the server's model from the minimum against rounds of FedAvg, "
        "concentration 0.1, 20 of 20 clients a round. Chosen, E = 20: ≤ 0.1 never, last 10 rounds "
        "0.2. Rounds until it is first at most 0.1, and the median of the last 10 rounds: E = 1: "
        "16, 0.018, 70.8% right; E = 2: 13, 0.028, 71.3% right; E = 5: 11, 0.069, 69.7% right; E = "
        "20: never, 0.2, 63.8% right. Nearest at the end: E = 1. Second panel: the images of each "
        "class that each client holds; a typical client has nine tenths of its images in 3 "
        "classes."
    )
    header, rows = drift_table(shown)
    assert all(len(row) == len(header) for row in rows)
    assert rows[1][1:] == ("0.837", "0.758", "0.634", "0.481")
    assert rows[-2][1:] == (16, 13, 11, "never")
    assert rows[-1][1:] == ("70.8%", "71.3%", "69.7%", "63.8%")
    assert "≤ 0.1 after 1 round," in describe_drift(drift(20, 100.0, 1.0))


def test_every_curve_stays_inside_its_panel() -> None:
    from mlsys_lib.plots.federated_learning.drift import _GAP_LIMITS

    low, high = _GAP_LIMITS
    for position in POSITIONS:
        for run in drift(**position).descents.values():
            assert low < min(run.gaps) < max(run.gaps) < high, position


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(drift_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = drift_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: the ring at the target stays where the run no longer reaches it."""

    class Forgetful(DriftPlot):
        def draw(self, shown: Drift) -> Any:
            before = self._reached.get_xydata().copy()
            drawn = super().draw(shown)
            if len(before):
                self._reached.set_data(*before.T)
            return drawn

    explorer = drift_explorer()
    plot: Any = explorer.plot
    wrong = replace(explorer, plot=lambda: Forgetful(*plot.args))
    first, last = POSITIONS[2], POSITIONS[-1]
    assert wrong.frame(first) == wrong.fresh_frame(first)
    assert wrong.frame(last) != wrong.fresh_frame(last)


def test_the_page_is_light() -> None:
    page = drift_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
