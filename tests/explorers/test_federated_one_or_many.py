"""One or many: the weights are those of the library's methods, and each method has its place."""

import gzip
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.distributed_optimization import Squared
from mlsys_lib.explorers.federated_learning import one_or_many_explorer
from mlsys_lib.explorers.federated_learning.one_or_many import (
    CAMPS,
    LENGTH,
    NOISE,
    NUM_CLIENTS,
    NUM_FEATURES,
    NUM_SEEDS,
    SIMILARITIES,
    SIZES,
    all_errors,
    describe_one_or_many,
    draw,
    error,
    learned,
    one_or_many,
    one_or_many_table,
)
from mlsys_lib.federated_learning import (
    Client,
    LeastSquares,
    client_losses,
    exact_multi_task,
    global_model,
    local_models,
    mocha,
)
from mlsys_lib.federated_learning.ditto import personal_model
from mlsys_lib.federated_learning.local_models import METHODS, NUM_VALIDATION, SETTINGS, fitted
from mlsys_lib.plots.federated_learning.one_or_many import Comparison, OneOrManyPlot
from tests.explorers import test_collectives_layout as layout

POSITIONS = list(one_or_many_explorer().positions())


def parts(X: np.ndarray, y: np.ndarray, size: int) -> tuple[list[Client], list[Client]]:
    """Return the clients' validation and training examples."""
    pairs = list(zip(X, y, strict=True))
    end = NUM_VALIDATION + size
    return [Client(a[:NUM_VALIDATION], b[:NUM_VALIDATION]) for a, b in pairs], [
        Client(a[NUM_VALIDATION:end], b[NUM_VALIDATION:end]) for a, b in pairs
    ]


def candidates(clients: list[Client], one: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return each method's weights with each of its settings, by the files that teach them."""
    zero, plain, size = np.zeros(NUM_FEATURES), LeastSquares(NUM_FEATURES), len(clients[0].y)
    found: dict[str, list[np.ndarray]] = {name: [] for name in METHODS}
    for s in SETTINGS:
        ridge = LeastSquares(NUM_FEATURES, penalty=s)
        found["global"].append(np.tile(global_model(ridge, clients, zero), (len(clients), 1)))
        found["local"].append(local_models(ridge, clients, zero))
        near = [personal_model(plain, client, one, s) for client in clients]
        found["ditto"].append(np.array(near))
        found["mocha"].append(exact_multi_task(clients, size * s, 0.0, num_updates=6)[0])
    return found


def held_to_the_library(weights: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray) -> None:
    """Compare with the setting whose loss on the validation examples is least, for 10 examples."""
    validation, clients = parts(X, y, 10)
    model = LeastSquares(NUM_FEATURES)
    for name, rows in candidates(clients, weights["global"][0]).items():
        losses = [
            sum(client_losses(model, w, [c])[0] for w, c in zip(row, validation, strict=True))
            for row in rows
        ]
        np.testing.assert_allclose(weights[name], rows[int(np.argmin(losses))], atol=1e-5)


@pytest.mark.parametrize("clients", CAMPS)
def test_weights_are_those_of_the_library_with_the_setting_that_validates_best(
    clients: str,
) -> None:
    _, X, y = draw(clients, 0.5, seed=1)
    held_to_the_library(learned(X, y, 10), X, y)


def test_a_setting_that_is_chosen_on_the_training_examples_is_noticed() -> None:
    """The planted mistake: nothing is spared, and the least penalty wins."""
    _, X, y = draw("crowd", 0.5, seed=1)
    used = slice(NUM_VALIDATION, NUM_VALIDATION + 10)

    def choose(rows: np.ndarray) -> np.ndarray:
        guesses = np.einsum("mnd,smd->smn", X[:, used], rows)
        return np.asarray(rows[((guesses - y[:, used]) ** 2).mean(axis=(1, 2)).argmin()])

    with pytest.raises(AssertionError):
        held_to_the_library(fitted(X[:, used], y[:, used], choose), X, y)


def test_mocha_finds_the_weights_by_rounds_too() -> None:
    _, X, y = draw("camps", 0.9, seed=0)
    _, clients = parts(X, y, 20)
    weights = learned(X, y, 20)["mocha"]
    found = [exact_multi_task(clients, 20 * s, 0.0, num_updates=6)[0] for s in SETTINGS]
    best = SETTINGS[int(np.argmin([np.abs(w - weights).max() for w in found]))]
    run = mocha(clients, Squared(), 20 * best, 0.0, num_updates=6, num_rounds=400)
    np.testing.assert_allclose(run.weights, weights, atol=5e-3)


def test_the_error_is_the_test_error_above_the_noise() -> None:
    truth, X, y = draw("crowd", 0.5, seed=0)
    weights, rng = learned(X, y, 10)["local"], np.random.default_rng(9)
    X_test = rng.standard_normal((NUM_CLIENTS, 40_000, NUM_FEATURES))
    targets = np.einsum("mnd,md->mn", X_test, truth)
    targets += NOISE * rng.standard_normal(targets.shape)
    squares = (np.einsum("mnd,md->mn", X_test, weights) - targets) ** 2
    above = (squares.mean() - NOISE**2) / LENGTH**2
    assert error(weights, truth) == pytest.approx(above, rel=0.03)
    assert error(np.zeros_like(truth), truth) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_similarity_is_the_mean_product_of_two_clients(similarity: float) -> None:
    products = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 1])
        truth = draw("crowd", similarity, int(rng.integers(10**6)))[0]
        inner = truth @ truth.T / LENGTH**2
        products.append(inner[~np.eye(NUM_CLIENTS, dtype=bool)].mean())
    assert np.mean(products) == pytest.approx(similarity, abs=0.03)


def test_every_other_client_is_of_the_other_camp() -> None:
    (crowd, *_), (camps, *_) = (draw(clients, 1.0, seed=3) for clients in CAMPS)
    np.testing.assert_allclose(camps[::2], crowd[::2])
    np.testing.assert_allclose(camps[1::2], -crowd[1::2])


@pytest.mark.parametrize("size", SIZES)
def test_without_similarity_there_are_no_camps(size: int) -> None:
    crowd, camps = (one_or_many(clients, 0.0, size) for clients in CAMPS)
    assert crowd.ratios == camps.ratios
    assert crowd.local == camps.local


def test_ratios_are_medians_of_draws() -> None:
    ratios = []
    for seed in range(NUM_SEEDS):
        truth, X, y = draw("camps", 0.9, seed)
        found = learned(X, y, 20)
        ratios.append(np.sum((found["mocha"] - truth) ** 2) / np.sum((found["local"] - truth) ** 2))
    shown = one_or_many("camps", 0.9, 20)
    assert shown.here["mocha"] == pytest.approx(np.median(ratios))
    assert shown.here["local"] == 1
    assert all_errors("camps", 0.9).shape == (NUM_SEEDS, len(SIZES), len(METHODS))


def test_one_model_is_best_for_like_clients_or_few_examples_and_many_at_the_other_end() -> None:
    alike, unlike = one_or_many("crowd", 1.0, 5), one_or_many("crowd", 0.0, 5)
    assert max(alike.ratios["global"]) < 0.2
    assert min(unlike.ratios["global"]) > 1.2
    shown = one_or_many("crowd", 0.9, 20)
    assert list(shown.ratios["global"]) == sorted(shown.ratios["global"])
    assert shown.ratios["global"][0] < 0.3
    assert shown.ratios["global"][-1] > 3


def test_between_them_something_between_is_best() -> None:
    """In a crowd Ditto, in opposed camps MOCHA, which learns who is opposed."""
    for similarity, size in ((0.5, 10), (0.9, 20), (0.9, 50)):
        shown = one_or_many("crowd", similarity, size)
        assert shown.here["ditto"] < 0.85 * min(shown.here["global"], 1)
        assert shown.best(shown.place) == ["ditto"]
    for size in (5, 10, 20):
        shown = one_or_many("camps", 0.9, size)
        assert shown.here["mocha"] < 0.8
        assert shown.here["ditto"] == pytest.approx(1, abs=0.05)
        assert shown.between == "mocha"


def test_with_many_examples_local_models_are_among_the_best_unless_all_are_equal() -> None:
    for clients in CAMPS:
        for similarity in (0.0, 0.5, 0.9):
            assert "local" in one_or_many(clients, similarity, 200).best(SIZES.index(200))


@pytest.mark.parametrize("clients", CAMPS)
def test_local_models_improve_with_examples(clients: str) -> None:
    for similarity in SIMILARITIES:
        local = one_or_many(clients, similarity, 5).local
        assert list(local) == sorted(local, reverse=True)


def test_description_and_table_say_the_numbers() -> None:
    shown = one_or_many("crowd", 0.9, 20)
    assert describe_one_or_many(shown) == (
        "Error of a client's model against examples a client, one crowd of 10 clients, similarity "
        "0.9. With 20 examples local models have 0.26, where 1 is knowing nothing; in multiples of "
        "that, global 0.5, Ditto 0.41, MOCHA 0.75. Best, or within a tenth of it, by examples: 5: "
        "global, Ditto; 10: global, Ditto; 20: Ditto; 50: Ditto; 200: local, Ditto, MOCHA. Second "
        "panel: two of each client's 5 weights in one draw, the true ones, the global model, and "
        "by lines from the true ones the local models and Ditto."
    )
    header, rows = one_or_many_table(shown)
    assert header[2] == "global ÷ local"
    assert rows[2] == (20, "0.255", "0.50", "0.41", "0.75", "Ditto")
    assert all(len(row) == len(header) for row in rows)


def test_most_of_what_is_learned_lies_inside_the_picture() -> None:
    from mlsys_lib.plots.federated_learning.one_or_many import _SIDES

    sides = np.transpose(_SIDES)
    for position in POSITIONS:
        shown = one_or_many(**position)
        for weights in (shown.truth, *shown.learned.values()):
            inside = ((weights > sides[0]) & (weights < sides[1])).all(axis=1)
            assert inside.all(), position


def test_texts_lie_inside_their_panels_and_on_no_other() -> None:
    layout.test_no_text_leaves_its_panel_or_touches_another(one_or_many_explorer)


def test_every_frame_equals_the_drawing_of_a_fresh_plot() -> None:
    explorer = one_or_many_explorer()
    for position in reversed(POSITIONS):
        assert explorer.frame(position) == explorer.fresh_frame(position), position


def test_a_plot_that_forgets_a_part_would_not_equal_a_fresh_one() -> None:
    """The planted mistake: an arrow still points to a line that no longer leaves the picture."""

    class Forgetful(OneOrManyPlot):
        def draw(self, shown: Comparison) -> Any:
            before = self._beyond.get_text()
            drawn = super().draw(shown)
            self._beyond.set_text(self._beyond.get_text() or before)
            return drawn

    wrong = replace(one_or_many_explorer(), plot=lambda: Forgetful(SIZES))
    leaves, stays = POSITIONS[0], {"clients": "crowd", "similarity": 1.0, "size": 5}
    assert wrong.frame(leaves) == wrong.fresh_frame(leaves)
    assert wrong.frame(stays) != wrong.fresh_frame(stays)


def test_the_page_is_light() -> None:
    page = one_or_many_explorer().page().encode()
    assert len(page) < 700_000
    assert len(gzip.compress(page)) < 150_000
