"""Forests and boosting, each replayed by hand; every option of a recipe has an effect."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import deal_columns, deal_rows
from mlsys_lib.distributed_trees.ensemble import Ensemble, drawn
from mlsys_lib.distributed_trees.loss import Logistic, Softmax
from mlsys_lib.distributed_trees.training import Recipe, train_on_columns, train_on_rows

NUM_ROWS = 240
RNG = np.random.default_rng(0)
X = np.column_stack([RNG.integers(0, 9, NUM_ROWS), RNG.normal(size=(NUM_ROWS, 3))])
Y = np.sin(9 * X[:, 0]) + X[:, 1] + 0.5 * X[:, 2] + 0.1 * RNG.normal(size=NUM_ROWS)
CLASSES = np.digitize(Y, [-0.7, 0.3])
BASE: dict[str, Any] = {"num_trees": 3, "max_depth": 3, "learning_rate": 0.3}
IDS, ONES = np.arange(NUM_ROWS), np.ones(NUM_ROWS)


def by_rows(recipe: Recipe, y: np.ndarray = Y, table: np.ndarray = X) -> Ensemble:
    return simulate(train_on_rows, 3, *deal_rows(3, table, y, ONES, IDS), recipe).results[0]


def by_columns(recipe: Recipe, y: np.ndarray = Y) -> Ensemble:
    return simulate(train_on_columns, 2, *deal_columns(2, X), y, ONES, recipe).results[0]


@pytest.mark.parametrize(
    ("ensemble", "option", "value"),
    [
        ("forest", "num_trees", 5), ("boosting", "num_trees", 5), ("forest", "seed", 7),
        ("boosting", "learning_rate", 0.9), ("boosting", "l2", 50.0), ("tree", "min_weight", 50.0),
        ("boosting", "max_depth", 1), ("tree", "num_bins", 4), ("tree", "categorical", (0,)),
    ],
)  # fmt: skip
def test_every_option_of_a_recipe_has_an_effect(ensemble, option, value):
    recipe = Recipe(ensemble=ensemble, **BASE)
    other = replace(recipe, **{option: value})
    assert not np.array_equal(by_rows(recipe).predict(X), by_rows(other).predict(X))
    if option not in ("categorical", "num_bins"):  # columns have neither
        assert not np.array_equal(by_columns(recipe).predict(X), by_columns(other).predict(X))
    if option == "num_trees":
        assert len(by_rows(other).trees) == len(by_columns(other).trees) == value


def test_a_forest_counts_each_row_as_often_as_it_was_drawn():
    draws = [drawn(number, seed, NUM_ROWS) for number, seed in ((0, 0), (1, 0), (0, 1))]
    assert not any(np.array_equal(draws[a], draws[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    recipe = Recipe(ensemble="forest", **BASE)
    forest = by_rows(recipe)
    for number, tree in enumerate(forest.trees):
        assert tree.stats[0, 0] == drawn(number, 0, NUM_ROWS).sum()
    uneven = [PerRank([a[:50], a[50:60], a[60:]]) for a in (X, Y, ONES, IDS)]
    other = simulate(train_on_rows, 3, *uneven, recipe).results[0]
    assert all(a.same_as(b) for a, b in zip(forest.trees, other.trees, strict=True))
    mean = np.mean([tree.predict(X)[:, 0] for tree in forest.trees], axis=0)
    np.testing.assert_allclose(forest.predict(X)[:, 0], Y.mean() + mean)


def test_a_draw_of_no_row_takes_all_rows():
    """Of two rows some of sixty draws are empty; a tree of nothing would pull the mean to 0."""
    recipe = Recipe(ensemble="forest", num_trees=60)
    assert not all(drawn(number, 0, 2).any() for number in range(60))
    args = (np.array([[0.0], [1.0]]), np.array([100.0, 100.0]), np.ones(2), np.arange(2))
    forest = simulate(train_on_rows, 1, *args, recipe).results[0]
    assert forest.predict(np.array([[0.0]])).tolist() == [[100.0]]
    assert min(tree.stats[0, 0] for tree in forest.trees) > 0


@pytest.mark.parametrize("train", [by_rows, by_columns])
def test_boosting_adds_shrunken_steps_of_newton(train):
    model = train(Recipe(ensemble="boosting", num_trees=2, max_depth=1, learning_rate=0.3, l2=2.0))
    score = np.full(NUM_ROWS, Y.mean())
    assert model.base[0] == pytest.approx(Y.mean())
    for tree in model.trees:
        leaf = tree.apply(X)
        for node in np.unique(leaf):
            left_over = (Y - score)[leaf == node]
            assert tree.value[node, 0] == pytest.approx(left_over.sum() / (len(left_over) + 2.0))
        score += 0.3 * tree.value[leaf, 0]
    np.testing.assert_allclose(model.predict(X)[:, 0], score)


def test_a_round_looks_at_all_classes_before_it_changes_any():
    loss = Softmax(3)
    model = by_rows(Recipe(loss=loss, ensemble="boosting", num_trees=1, max_depth=3), CLASSES)
    first = loss.derivatives(CLASSES, np.tile(model.base, (NUM_ROWS, 1))).sum(axis=0)
    for output, tree in enumerate(model.trees):
        assert tree.stats[0, 1:] == pytest.approx(first[output], abs=1e-9)
    assert model.outputs == (0, 1, 2)


def test_boosting_sends_missing_values_where_its_trees_do():
    table = X.copy()
    table[::3, 1] = np.nan
    model = by_rows(Recipe(ensemble="boosting", num_trees=4, max_depth=3), table=table)
    for number, tree in enumerate(model.trees):  # each sees what those before have left
        before = replace(model, trees=model.trees[:number], outputs=model.outputs[:number])
        gradient = (before.predict(table)[:, 0] - Y).sum()
        assert tree.stats[0, 1] == pytest.approx(gradient, abs=1e-6)


def test_boosting_learns_what_missing_values_mean():
    """They are unlike every number: whoever took them for 0 would see the wrong residuals."""
    table = np.tile([[1.0], [2.0], [np.nan], [np.nan]], (60, 1))
    y = np.tile([0.0, 0.0, 9.0, 9.0], 60)
    model = by_rows(Recipe(ensemble="boosting", num_trees=3, max_depth=1), y, table)
    for number, tree in enumerate(model.trees):
        before = replace(model, trees=model.trees[:number], outputs=model.outputs[:number])
        gradient = before.predict(table)[:, 0] - y
        of_missing = gradient[np.isnan(table[:, 0])].sum()
        assert tree.stats[2, 1] == pytest.approx(of_missing)


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5])
def test_where_boosting_begins_does_not_depend_on_the_ranks(num_ranks):
    recipe = Recipe(ensemble="boosting", num_trees=1, max_depth=2, num_bins=1000)
    hands = deal_rows(num_ranks, X, Y, ONES, IDS)
    model = simulate(train_on_rows, num_ranks, *hands, recipe).results[0]
    assert model.base[0] == by_rows(recipe).base[0] == by_columns(recipe).base[0]


def test_ranks_that_cook_from_other_recipes_are_told_so():
    hands = deal_rows(3, X, Y, ONES, IDS)
    recipes = PerRank([Recipe(max_depth=2), Recipe(max_depth=2), Recipe(max_depth=3)])
    with pytest.raises(RuntimeError, match=r"the same recipe, got checksum .* on rank"):
        simulate(train_on_rows, 3, *hands, recipes)


def test_columns_of_the_same_name_and_rows_beyond_all_are_refused():
    columns, _ = deal_columns(2, X)
    same = PerRank([np.arange(2), np.arange(2)])
    with pytest.raises(RuntimeError, match=r"features must differ, got \[0, 1\] more than once"):
        simulate(train_on_columns, 2, columns, same, Y, ONES, Recipe())
    hands = deal_rows(3, X, Y, ONES, IDS + 2)
    with pytest.raises(RuntimeError, match="row_ids must be below 240, got more on ranks 1, 2"):
        simulate(train_on_rows, 3, *hands, Recipe())
    with pytest.raises(RuntimeError, match=r"row_ids and features must be .* on ranks 0, 1, 2"):
        simulate(train_on_rows, 3, *deal_rows(3, X, Y, ONES, -IDS - 1), Recipe())


def test_a_label_that_is_no_class_ends_the_run():
    with pytest.raises(RuntimeError, match=r"y must be in 0…1, got 0…2"):
        by_rows(Recipe(loss=Logistic(), ensemble="boosting"), CLASSES)


def test_only_ways_to_deal_rows_are_strategies_of_rows():
    hands = deal_rows(3, X, Y, ONES, IDS)
    with pytest.raises(RuntimeError, match="strategy must be one of"):
        simulate(train_on_rows, 3, *hands, Recipe(), "yggdrasil")
