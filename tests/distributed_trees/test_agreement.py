import numpy as np
import pytest

from mlsys_lib.comm import PerRank, simulate
from mlsys_lib.distributed_trees import Gini, common_bins, exact_bins
from mlsys_lib.distributed_trees.training import Recipe, train_on_columns, train_on_rows
from tests.conftest import Machine
from tests.distributed_trees.test_planet import shards


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


def test_bins_of_few_values_and_of_categories_are_those_of_one_machine(machine: Machine) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.integers(0, 30, 900), rng.normal(size=900), rng.integers(0, 70, 900)]
    ).astype(float)
    X[::9, 0] = np.nan
    parts = [X[rows] for rows in shards(900, machine.world_size)]
    run = machine.run(common_bins, PerRank(parts), 8, categorical=(2,), capacity=64)
    serial = exact_bins(X, 8, categorical=(2,))
    for bins in run.results:
        for f in (0, 2):
            assert np.array_equal(bins.edges[f], serial.edges[f])
        assert bins.categorical.tolist() == [False, False, True]


def test_what_bins_cost_is_the_values_told() -> None:
    """m (m - 1) times k counts, and m (m - 1) times the values of the rank with most."""
    X = np.arange(40.0).reshape(20, 2)
    run = simulate(common_bins, 4, PerRank([X[:10], X[10:15], X[15:], X[:0]]), 4)
    assert run.ledger.total_bytes == 4 * 3 * (2 * 8 + 20 * 2 * 8)
