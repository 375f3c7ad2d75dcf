import numpy as np
import pytest

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import Gini
from mlsys_lib.distributed_trees.training import Recipe, train_on_columns, train_on_rows


def row_shards() -> dict[str, list[np.ndarray]]:
    """Three ranks with two rows each; a test spoils one of them."""
    X = [np.arange(6.0).reshape(2, 3) + rank for rank in range(3)]
    return {"X": X, "y": [np.array([0, 1])] * 3, "weight": [np.ones(2)] * 3}


def train_rows(s: dict[str, list[np.ndarray]]) -> None:
    ids = [np.arange(len(x)) for x in s["X"]]
    args = [PerRank(a) for a in (s["X"], s["y"], s["weight"], ids)]
    simulate(train_on_rows, 3, *args, Recipe(Gini(2)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"X": {2: np.zeros((2, 4))}}, "the same columns, got 3 on ranks 0, 1, 4 on rank 2"),
        ({"X": {0: np.zeros((2, 3), np.float32)}},
         "the same dtype, got float32 on rank 0, float64 on ranks 1, 2"),
        ({"X": {1: np.full((2, 3), np.inf)}}, "X must be finite or NaN.* on rank 1"),
        ({"y": {1: np.array([np.nan, 1])}}, "y must be finite, .* on rank 1"),
        ({"y": {0: np.array([np.inf, 1]), 2: np.array([np.nan, 1])}}, "on ranks 0, 2"),
        ({"weight": {1: np.array([-1.0, 1])}}, "weight must be finite and >= 0.* on rank 1"),
        ({"y": {2: np.array([1])}}, "y and weight must have a value for each row.* on rank 2"),
        ({"X": {r: np.zeros((2, 0)) for r in range(3)}}, "some rank must have a column, got none"),
        ({name: dict.fromkeys(range(3), a) for name, a in
          (("X", np.zeros((0, 3))), ("y", np.zeros(0, int)), ("weight", np.zeros(0)))},
         "some rank must have a row that weighs something, got none on any"),
    ],
)  # fmt: skip
def test_shards_of_rows_that_do_not_match_are_refused_by_name(spoil, message):
    s = row_shards()
    for name, changes in spoil.items():
        for rank, array in changes.items():
            s[name] = [*s[name][:rank], array, *s[name][rank + 1 :]]
    with pytest.raises(RuntimeError, match=message):
        train_rows(s)


def test_shards_that_match_are_trained_on_and_a_rank_may_have_none():
    s = row_shards()
    s = {name: [a[0], a[1], a[2][:0]] for name, a in s.items()}
    train_rows(s)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([np.zeros((4, 2)), np.zeros((3, 2))], [np.zeros(4), np.zeros(3)],
         "the same rows, got 3 on rank 1, 4 on rank 0"),
        ([np.zeros((4, 2)), np.zeros((4, 1))], [np.zeros(4), np.ones(4)],
         "the same targets, weights and recipe, got checksum"),
        ([np.zeros((4, 2)), np.zeros((4, 1), int)], [np.zeros(4)] * 2, "the same dtype"),
        ([np.zeros((4, 0))] * 2, [np.zeros(4)] * 2, "some rank must have a column"),
    ],
)  # fmt: skip
def test_shards_of_columns_that_do_not_match_are_refused_by_name(X, y, message):
    features = [np.arange(x.shape[1]) + 10 * rank for rank, x in enumerate(X)]
    weight = [np.ones(len(x)) for x in X]
    args = [PerRank(a) for a in (X, features, y, weight)]
    with pytest.raises(RuntimeError, match=message):
        simulate(train_on_columns, 2, *args, Recipe())


def test_a_rank_without_columns_and_rows_without_weight_are_no_trouble():
    X = PerRank([np.arange(8.0).reshape(4, 2), np.zeros((4, 0))])
    features = PerRank([np.arange(2), np.arange(0)])
    weight = np.array([0.0, 1, 1, 1])
    for tree in simulate(
        train_on_columns, 2, X, features, np.arange(4.0), weight, Recipe()
    ).results:
        assert tree.trees[0].stats[0, 0] == 3


@pytest.mark.parametrize("weight", [np.array([np.inf, 1.0]), np.array([np.nan, 1.0])])
def test_weights_are_numbers(weight):
    args = (np.zeros((2, 1)), np.zeros(2), weight, np.arange(2))
    with pytest.raises(RuntimeError, match="weight must be finite"):
        simulate(train_on_rows, 1, *args, Recipe())


def test_ranks_with_columns_have_the_same_weights():
    X, features = PerRank([np.zeros((4, 1))] * 2), PerRank([np.array([0]), np.array([1])])
    weight = PerRank([np.ones(4), np.array([1.0, 1, 1, 0])])
    with pytest.raises(RuntimeError, match="the same targets, weights and recipe"):
        simulate(train_on_columns, 2, X, features, np.zeros(4), weight, Recipe())


@pytest.mark.parametrize("X", [np.zeros(2), np.zeros((2, 1), object), np.zeros((2, 1), complex)])
def test_a_table_is_a_table_of_numbers(X):
    args = (PerRank([np.zeros((2, 1)), X]), np.zeros(2), np.ones(2))
    ids = PerRank([np.array([0, 1]), np.array([2, 3])])
    with pytest.raises(RuntimeError, match=r"X must be a table of numbers, .* on rank 1"):
        simulate(train_on_rows, 2, *args, ids, Recipe())


def test_targets_whose_squares_overflow_are_refused():
    args = (np.zeros((2, 1)), np.array([1e200, 0.0]), np.ones(2), np.arange(2))
    with pytest.raises(RuntimeError, match="y must be finite, and its squares too"):
        simulate(train_on_rows, 1, *args, Recipe())
