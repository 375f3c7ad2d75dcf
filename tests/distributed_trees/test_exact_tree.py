from dataclasses import replace

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlsys_lib.distributed_trees import exact_bins, grow_exact_tree, grow_histogram_tree
from mlsys_lib.distributed_trees.tree import LEAF
from tests.distributed_trees.problems import CRITERIA, best_by_brute_force, exact, problem


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
def test_it_predicts_what_scikit_learns_regressor_predicts(depth):
    p = problem("variance", 400)
    ours = grow_exact_tree(p.X, p.stats, p.criterion, depth)
    theirs = DecisionTreeRegressor(max_depth=depth or None, max_leaf_nodes=None if depth else 2)
    if depth:
        theirs.fit(p.X, p.y)
        assert ours.num_nodes == theirs.tree_.node_count
        np.testing.assert_allclose(ours.predict(p.X)[:, 0], theirs.predict(p.X), rtol=1e-9)
    else:
        np.testing.assert_allclose(ours.predict(p.X)[:, 0], p.y.mean())


@pytest.mark.parametrize("name", ["gini", "entropy"])
def test_it_predicts_what_scikit_learns_classifier_predicts(name):
    p = problem(name, 400)
    ours = grow_exact_tree(p.X, p.stats, p.criterion, 4)
    theirs = DecisionTreeClassifier(criterion=name, max_depth=4).fit(p.X, p.y)
    np.testing.assert_allclose(ours.predict(p.X), theirs.predict_proba(p.X), atol=1e-12)


@pytest.mark.parametrize("min_weight", [1.0, 9.0])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("name", CRITERIA)
def test_each_split_is_the_best_that_brute_force_finds(name, missing, min_weight):
    p = problem(name, 60, 3, missing=missing, levels=2, weighted=True)
    tree = grow_exact_tree(p.X, p.stats, p.criterion, 3, min_weight=min_weight)
    assert tree.num_nodes > 3
    at = {0: np.arange(60)}
    for node in range(tree.num_nodes):
        rows = at[node]
        gain, feature = best_by_brute_force(p, rows, min_weight)
        if tree.feature[node] == LEAF:
            assert gain < 1e-9 or tree.depth[node] == 3
            continue
        assert tree.gain[node] == pytest.approx(gain)
        assert tree.feature[node] == feature
        x = p.X[rows, feature]
        left = np.where(np.isnan(x), tree.missing_left[node], x <= tree.threshold[node])
        at[int(tree.left[node])], at[int(tree.right[node])] = rows[left], rows[~left]
    for node, rows in at.items():
        assert np.array_equal(tree.stats[node], p.stats[rows].sum(axis=0))


def test_of_equal_gains_the_lowest_feature_then_the_lowest_cut_wins():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    X = np.column_stack([x, x])
    p = problem("variance")
    stats = p.criterion.encode(np.array([0.0, 1.0, 1.0, 0.0]), np.ones(4))
    tree = grow_exact_tree(X, stats, p.criterion, 1)
    assert (tree.feature[0], tree.threshold[0]) == (0, 0.5)


def test_missing_rows_go_where_it_helps():
    X = np.array([[0.0], [1.0], [np.nan], [np.nan]])
    p = problem("variance")
    for y, missing_left, threshold in (
        ([0.0, 9.0, 9.0, 9.0], False, 0.5),
        ([0.0, 9.0, 0.0, 0.0], True, 0.5),
        ([0.0, 0.0, 9.0, 9.0], False, np.inf),  # present against missing
    ):
        stats = p.criterion.encode(np.array(y), np.ones(4))
        tree = grow_exact_tree(X, stats, p.criterion, 1)
        assert (bool(tree.missing_left[0]), tree.threshold[0]) == (missing_left, threshold)
        assert tree.predict(X)[:, 0].tolist() == y


@pytest.mark.parametrize("X", [np.ones((5, 2)), np.full((5, 2), np.nan), np.ones((5, 0))])
def test_where_nothing_can_be_told_apart_there_is_one_leaf(X):
    p = problem("variance", 5)
    tree = grow_exact_tree(X, p.stats, p.criterion, 3)
    assert tree.num_nodes == 1
    assert tree.predict(X)[:, 0] == pytest.approx([p.y.mean()] * 5)


@pytest.mark.parametrize(("depth", "error"), [(-1, ValueError), (31, ValueError), (1.5, TypeError)])
def test_a_depth_out_of_range_is_refused(depth, error):
    p = problem("variance", 5)
    with pytest.raises(error, match="max_depth must be an integer in 0…30"):
        grow_exact_tree(p.X, p.stats, p.criterion, depth)


def test_rows_reach_the_leaves_that_counted_them():
    """With missing values, rows of no weight, and more than 256 nodes in a level."""
    for seed in range(4):
        p = problem("variance", 900, 3, missing=0.3, levels=200, weighted=True, seed=seed)
        tree = grow_exact_tree(p.X, p.stats, p.criterion, 12, min_weight=0)
        sums = [np.bincount(tree.apply(p.X), s, tree.num_nodes) for s in p.stats.T]
        leaves = tree.feature == LEAF
        assert np.array_equal(np.stack(sums, axis=1)[leaves], tree.stats[leaves])
    x = np.random.default_rng(0).permutation(4096).astype(float)
    p = problem("variance")
    tree = grow_exact_tree(x[:, None], exact(p.criterion.encode(x, np.ones(4096))), p.criterion, 11)
    assert np.bincount(tree.depth).max() > 256
    leaves = tree.feature == LEAF
    rows = np.bincount(tree.apply(x[:, None]), minlength=tree.num_nodes)
    assert np.array_equal(rows[leaves], tree.stats[leaves, 0])


@pytest.mark.parametrize("low", [1.0, np.nextafter(1.0, 2), -1e308, 5e-324, 0.0])
def test_two_values_are_told_apart_however_near_or_far(low):
    high = 1e308 if low < 0 else np.nextafter(low, np.inf)
    X = np.array([[low], [high]] * 3)
    p = problem("variance")
    stats = p.criterion.encode(np.array([0.0, 1.0] * 3), np.ones(6))
    bins = exact_bins(X, 8)
    for tree in (
        grow_exact_tree(X, stats, p.criterion, 1),
        grow_histogram_tree(bins.encode(X), stats, bins, p.criterion, 1),
    ):
        assert tree.predict(X)[:, 0].tolist() == [0, 1] * 3


def test_infinite_values_are_refused():
    p = problem("variance", 4)
    p.X[2, 1] = np.inf
    with pytest.raises(ValueError, match="X must be finite or NaN, got an infinite value"):
        grow_exact_tree(p.X, p.stats, p.criterion, 1)
    with pytest.raises(ValueError, match="X must be finite or NaN, got an infinite value"):
        exact_bins(p.X, 4)


def test_a_constant_target_is_one_leaf():
    p = problem("variance")
    for num_rows in range(20, 120, 7):
        stats = exact(p.criterion.encode(np.full(num_rows, 0.1), np.ones(num_rows)))
        tree = grow_exact_tree(np.arange(num_rows)[:, None] * 1.0, stats, p.criterion, 3)
        assert tree.num_nodes == 1


def test_missing_against_present_has_one_spelling_with_rows_of_no_weight_too():
    X = np.array([[0.0], [1.0], [1.0], [np.nan], [np.nan]])
    p = problem("variance")
    stats = p.criterion.encode(np.array([5.0, 1, 1, 9, 9]), np.array([0.0, 1, 1, 1, 1]))
    tree = grow_exact_tree(X, stats, p.criterion, 1)
    assert np.isinf(tree.threshold[0]) and not tree.missing_left[0]


def test_a_value_at_the_threshold_goes_left_and_likeness_is_to_the_bit():
    X = np.array([[0.0], [1.0]] * 2)
    p = problem("variance")
    tree = grow_exact_tree(X, p.criterion.encode(X[:, 0], np.ones(4)), p.criterion, 1)
    assert tree.predict(np.array([[0.5]]))[0, 0] == 0
    assert not tree.same_as(replace(tree, gain=tree.gain + 1))
    assert not tree.same_as(replace(tree, stats=tree.stats + 1))
